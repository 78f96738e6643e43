"""What a hub says that cannot start, and that it loses nothing by trying."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from disk_kit import full_disk

from constellation.client import open_hub as open_client
from constellation.config import Settings
from constellation.errors import ConfigError, ConstellationError, JournalError
from constellation.orchestrator.service import open_hub

pytestmark = pytest.mark.anyio

WAITING = {"op": "add_task", "task": {"id": "a", "skill": "nobody.has.it", "arguments": {}}}


def settings(state: Path, port: int = 0) -> Settings:
    return Settings.model_validate({"state_dir": state, "hub": {"port": port}})


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """The state of a hub that was stopped while a constellation was open."""
    mine = settings(tmp_path / "state")
    async with open_hub(mine), open_client(mine) as client:
        await client.ask("submit", edits=[WAITING], id="c-kept")
    return mine.state_dir


async def refusal(mine: Settings) -> ConstellationError:
    """The error of a hub that does not start."""
    with pytest.raises((ConstellationError, BaseExceptionGroup)) as caught:
        async with open_hub(mine):
            pass
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        assert len(error.exceptions) == 1
        (error,) = error.exceptions
    assert isinstance(error, ConstellationError)
    assert error.remedy
    return error


async def kept(state: Path) -> bool:
    """True if a hub starts there and still has what it had."""
    mine = settings(state)
    with anyio.fail_after(100):
        async with open_hub(mine), open_client(mine) as client:
            listed = (await client.ask("list"))["constellations"]
    return [row["id"] for row in listed] == ["c-kept"]


async def test_a_port_in_use(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        error = await refusal(settings(state, port))
    assert isinstance(error, ConfigError)
    assert f"cannot listen on 127.0.0.1:{port}" in error.message
    assert await kept(state)


async def test_a_second_hub_on_the_same_state(state: Path) -> None:
    async with open_hub(settings(state)):
        error = await refusal(settings(state))
    assert isinstance(error, JournalError)
    assert "Another hub" in error.message
    assert "--state-dir" in error.remedy
    assert await kept(state)


def overwrite(data: bytes) -> bytes:
    return b"no journal " * 1_000


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def garble(data: bytes) -> bytes:
    """Another task's name in the middle of a fact, as a bad disk might put it there."""
    assert b"nobody.has.it" in data
    return data.replace(b"nobody.has.it", b"nobody.had.it")


@pytest.mark.parametrize("harm", [overwrite, truncate, garble])
async def test_a_journal_that_was_harmed(state: Path, harm: Callable[[bytes], bytes]) -> None:
    path = settings(state).journal_file
    sound = path.read_bytes()
    path.write_bytes(harm(sound))
    error = await refusal(settings(state))
    assert isinstance(error, JournalError)
    assert str(path) in error.message
    assert "backup" in error.remedy
    assert path.read_bytes() == harm(sound)
    path.write_bytes(sound)
    assert await kept(state)


async def test_a_full_disk(state: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file").write_text("x" * 20)
    with full_disk(tmp_path / "small"):
        error = await refusal(settings(state))
    assert isinstance(error, ConfigError | JournalError)
    assert "disk" in error.remedy
    assert await kept(state)


@pytest.mark.parametrize(
    "blocked", ["journal.db-shm", "artifacts", "hub.json", "local.token", "audit.jsonl"]
)
async def test_a_state_directory_that_cannot_be_used(state: Path, blocked: str) -> None:
    place = state / blocked
    aside = place.with_name("aside")
    if place.exists():
        place.rename(aside)
    if blocked == "artifacts":
        place.write_text("")
    else:
        place.mkdir()
    error = await refusal(settings(state))
    assert isinstance(error, ConfigError | JournalError)
    assert str(state) in error.message
    if blocked == "artifacts":
        place.unlink()
    else:
        place.rmdir()
    if aside.exists():
        aside.rename(place)
    assert await kept(state)
