from __future__ import annotations

from cli_terminal import Terminal

from constellation.orchestrator.audit import AUDIT_FILE, AuditLog


def test_the_log_is_shown_and_checked(alone: Terminal) -> None:
    log = AuditLog(alone.state_dir, 0.0)
    for name in ("ada", "bob", "ada"):
        log.note(1_800_000_000.0, "submit", name, constellation="c-\x1b[31m")
    log.close()
    shown = alone.run("audit", "show", "--who", "ada").stdout
    assert shown.count("ada") == 2
    assert "bob" not in shown
    assert "\x1b" not in shown
    assert len(alone.json("audit", "show", "--last", "1")["entries"]) == 1
    good = alone.run("audit", "verify").stdout
    assert "Entries: 3" in good
    assert f"Head: {log.head}" in good
    alone.run("audit", "verify", "--head", str(log.head))

    file = alone.state_dir / AUDIT_FILE
    file.write_text(file.read_text().replace("bob", "eve"))
    assert "Entry 2 was changed." in alone.run("audit", "verify", exits=1).stdout
    assert alone.json("audit", "verify", exits=1)["findings"] == ["Entry 2 was changed."]


def test_what_is_not_there_is_told(alone: Terminal) -> None:
    alone.run("audit", "verify", exits=1)
    alone.run("audit", "verify", "--head", "nonsense", exits=2)


def test_what_was_moved_elsewhere_is_checked_there_and_the_rest_here(alone: Terminal) -> None:
    log = AuditLog(alone.state_dir, 0.0, file_bytes=600)
    for _ in range(12):
        log.note(1_800_000_000.0, "submit", "ada")
    log.close()
    assert "Entries: 12" in alone.run("audit", "verify").stdout
    oldest = min(alone.state_dir.glob("audit-*.jsonl"))
    elsewhere = alone.state_dir / "elsewhere"
    elsewhere.mkdir()
    oldest.rename(elsewhere / AUDIT_FILE)
    (finding,) = alone.json("audit", "verify", exits=1)["findings"]
    assert "what was before is not here" in finding
    moved = alone.json("audit", "verify", "--state-dir", str(elsewhere))
    rest = alone.json("audit", "verify", "--after", moved["head"])
    assert moved["count"] + rest["count"] == 12
    assert rest["head"] == str(log.head)
    alone.run("audit", "verify", "--after", "nonsense", exits=2)
