"""Skills from files and from installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agents.loading import load_file, load_skills
from agents.skills import skill
from constellation.errors import ConfigError, SkillError

LAMP = '''
from agents.skills import skill

@skill("lamp.set")
def set_lamp(on: bool) -> bool:
    """Turn the lamp on or off."""
    return on
'''


@pytest.fixture
def lamp(tmp_path: Path) -> Path:
    file = tmp_path / "lamp.py"
    file.write_text(LAMP)
    return file


@skill("own", effect="read")
async def own() -> None: ...


def test_a_file_declares_skills(lamp: Path, tmp_path: Path) -> None:
    (found,) = load_file(lamp)
    assert found.card.description == "Turn the lamp on or off."
    other = tmp_path / "other.py"
    other.write_text(
        "from constellation_skills_lamp import set_lamp\n" + LAMP.replace("lamp.", "l.")
    )
    assert [each.name for each in load_file(other)] == ["l.set"], "what it imports is not its own"


def test_a_file_passes_on_what_it_names(lamp: Path, tmp_path: Path) -> None:
    load_file(lamp)
    other = tmp_path / "other.py"
    other.write_text(
        "from constellation_skills_lamp import set_lamp\n"
        '__all__ = ["set_lamp"]\n' + LAMP.replace("lamp.", "l.").replace("set_lamp", "set_other")
    )
    assert [each.name for each in load_file(other)] == ["lamp.set", "l.set"]


def test_kinds_files_and_given_skills_come_together(lamp: Path) -> None:
    assert [each.name for each in load_skills("lamp", [lamp], [own])] == ["own", "lamp.set"]
    names = [each.name for each in load_skills("computer", [lamp])]
    assert "shell.run" in names
    assert names[-1] == "lamp.set"
    with pytest.raises(SkillError, match=r"two skills named 'lamp\.set'"):
        load_skills("lamp", [lamp, lamp])


def test_an_installed_package_brings_skills(
    lamp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lamp.py").rename(tmp_path / "lamp_plugin.py")
    info = tmp_path / "lamp_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamp-plugin\nVersion: 1.0\n")
    points = info / "entry_points.txt"
    monkeypatch.syspath_prepend(tmp_path)
    for named in ("lamp_plugin", "lamp_plugin:set_lamp"):
        points.write_text(f"[constellation.skills]\nlamp = {named}\n")
        assert [each.name for each in load_skills("other")] == ["lamp.set"]
    sys.modules.pop("lamp_plugin")


@pytest.mark.parametrize(
    ("named", "text", "reason"),
    [
        ("broken_plugin:missing", "", "no attribute 'missing'"),
        ("broken_plugin", "1 / 0", "ZeroDivisionError"),
        ("broken_plugin", "raise SystemExit(0)", "SystemExit"),
        ("broken_plugin:give", "def give(): return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_broken_package_is_left_out_and_the_log_says_so(
    lamp: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    named: str,
    text: str,
    reason: str,
) -> None:
    (tmp_path / "broken_plugin.py").write_text(text)
    info = tmp_path / "broken_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[constellation.skills]\nbroken = {named}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [each.name for each in load_skills("other", [lamp])] == ["lamp.set"]
    assert "'broken' are left out" in caplog.text
    assert reason in caplog.text
    sys.modules.pop("broken_plugin", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:", "cannot be loaded"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("x = 1", "declares no skills"),
        ("\n1 / 0", r"ZeroDivisionError: .* \(.*wrong\.py, line 2\)"),
        ("raise SystemExit(0)", "SystemExit: 0"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_file(file)


def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no file .*skills\.py"):
        load_file(tmp_path / "skills.py")


def test_other_files_are_no_skills(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Python file"):
        load_file(tmp_path / "skills.txt")
    with pytest.raises(ConfigError, match="no skills of the kind 'toaster'") as caught:
        load_skills("toaster")
    assert "computer" in caught.value.remedy
    assert not len(load_skills("toaster", others_follow=True))
