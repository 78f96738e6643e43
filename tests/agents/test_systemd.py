"""Units and notifications."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from agents.systemd import install, notify, unit_name, unit_text, watchdog_s
from constellation.cli.exits import ExitCode
from constellation.errors import ConfigError

COMMAND = ["/usr/bin/python3", "-m", "constellation.cli", "agent", "--name", "desk"]


def read(text: str) -> dict[str, dict[str, str]]:
    unit: dict[str, dict[str, str]] = {}
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            section = unit[line.strip("[]")] = {}
        else:
            key, _, value = line.partition("=")
            section[key] = value
    return unit


def test_a_users_unit() -> None:
    unit = read(unit_text(COMMAND, device="desk", stop_timeout_s=20))
    assert unit["Service"]["Type"] == "notify"
    assert unit["Service"]["ExecStart"] == " ".join(COMMAND)
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["TimeoutStopSec"] == "20"
    assert unit["Service"]["NoNewPrivileges"] == "yes"
    assert unit["Service"]["RestartPreventExitStatus"] == str(int(ExitCode.FORBIDDEN))
    assert unit["Service"]["WatchdogSec"] == "120"
    assert "User" not in unit["Service"]
    assert unit["Install"]["WantedBy"] == "default.target"


def test_a_unit_of_the_system_may_write_only_where_it_must() -> None:
    text = unit_text(COMMAND, device="desk", user="ada", writable=[Path("/srv/work"), Path("/a b")])
    unit = read(text)
    assert unit["Service"]["User"] == "ada"
    assert unit["Service"]["ProtectSystem"] == "strict"
    assert "ReadWritePaths=/srv/work\n" in text
    assert 'ReadWritePaths="/a b"\n' in text
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_words_reach_the_program_as_they_are() -> None:
    text = unit_text(["/bin/x", "a b", '50% of "$HOME"', "back\\slash", ""], device="d")
    assert r'ExecStart=/bin/x "a b" "50%% of \"$$HOME\"" "back\\slash" ""' in text


@pytest.mark.parametrize(
    ("microseconds", "pid", "expected"),
    [
        pytest.param("3000000", str(os.getpid()), 3.0, id="ours"),
        ("3000000", "", 3.0),
        ("3000000", "1", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_the_watchdog_is_calmed_if_it_is_ours(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, pid: str, expected: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert watchdog_s() == expected


def test_notifications_reach_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        assert notify("READY=1")
        assert listener.recv(100) == b"READY=1"
    assert not notify("STOPPING=1"), "nobody listens any more"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0constellation-test-notify")
        monkeypatch.setenv("NOTIFY_SOCKET", "@constellation-test-notify")
        assert notify("READY=1")
        assert listener.recv(100) == b"READY=1"


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that writes down how it is called; it fails if told to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f"test ! -e {tmp_path}/broken || {{ echo no bus >&2; exit 1; }}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def test_installing_writes_and_starts_the_unit(systemctl: Path) -> None:
    file = install("desk", "[Unit]\n", system=False, folder=systemctl / "units")
    assert file == systemctl / "units" / unit_name("desk")
    assert file.read_text() == "[Unit]\n"
    assert (systemctl / "calls").read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now constellation-agent-desk.service",
    ]


def test_what_systemd_refuses_is_told(systemctl: Path) -> None:
    (systemctl / "broken").touch()
    with pytest.raises(ConfigError, match="daemon-reload` failed: no bus"):
        install("desk", "", system=True, folder=systemctl / "units")
    (systemctl / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        install("desk", "", system=True, folder=systemctl / "file")


def test_without_systemd_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no systemd"):
        install("desk", "", system=False)
