"""The agent's memory, on a real disk."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from agents.store import Store
from constellation.errors import ConfigError


def result(attempt: str, output: object = None) -> tuple[str, bytes]:
    body = {"attempt": attempt, "state": "completed", "output": output}
    return attempt, msgpack.packb(body)


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.write(begun=["c/a/1", "c/b/1"])
        store.write(results=[result("c/b/1", 7), result("c/x/1")])
    with Store(tmp_path) as store:
        assert store.begun() == ["c/a/1"], "b has ended"
        assert [body["attempt"] for body in store.results()] == ["c/b/1", "c/x/1"]
        assert store.results()[0]["output"] == 7
        store.write(acknowledged=["c/b/1"])
        assert [body["attempt"] for body in store.results()] == ["c/x/1"]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with Store(tmp_path / "agent"):
        assert stat.S_IMODE((tmp_path / "agent").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "agent" / "attempts.db").stat().st_mode) == 0o600


def test_two_agents_cannot_share_it(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(ConfigError, match="Another agent of this name runs"):
        Store(tmp_path)
    with Store(tmp_path):
        pass


def test_a_damaged_memory_is_explained(tmp_path: Path) -> None:
    (tmp_path / "attempts.db").write_bytes(b"not a database " * 100)
    with pytest.raises(ConfigError, match="cannot be read"):
        Store(tmp_path)


def test_a_memory_that_is_damaged_further_on_is_explained(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.write(results=[result(f"c/t/{number}", "x" * 500) for number in range(100)])
        store.maintain()
    file = tmp_path / "attempts.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\x5a" * (len(whole) - 8192))
    with Store(tmp_path) as store, pytest.raises(ConfigError, match="cannot be read"):
        store.results()


def test_a_result_that_is_damaged_is_explained(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.write(results=[("c/t/1", b"\xc1")])
        with pytest.raises(ConfigError, match="it is damaged"):
            store.results()


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        Store(tmp_path / "file" / "agent")


def test_it_survives_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from agents.store import Store\n"
        "store = Store(Path(sys.argv[1])); store.write(begun=['c/a/1'])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    with Store(tmp_path) as store:
        assert store.begun() == ["c/a/1"]


def test_maintenance_folds_the_log_into_the_file(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        while not store.wants_maintenance:
            store.write(begun=["c/a/1"], acknowledged=["c/a/1"])
        store.write(begun=["c/b/1"])
        store.maintain()
        assert not store.wants_maintenance
        assert b"c/b/1" in (tmp_path / "attempts.db").read_bytes()
