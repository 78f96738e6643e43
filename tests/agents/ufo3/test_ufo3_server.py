"""Tasks for devices behind a scripted UFO³ server, over real websockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from ufo3_frames import GALAXY_REGISTER, GALAXY_TASK
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from agents.errors import ToolFailed, ToolServerLost
from agents.testing import Trial
from agents.ufo3.server import device_skills

pytestmark = pytest.mark.anyio

SAME = ("type", "status", "client_type")
Said = dict[str, Any]
Play = Callable[[ServerConnection, Said], Awaitable[None]]


@asynccontextmanager
async def scripted(play: Play, said: list[Said]) -> AsyncIterator[str]:
    """A server that takes registrations and plays the rest; yields its address."""

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        return None if request.path == "/ws?token=K" else connection.respond(403, "")

    async def serve_one(connection: ServerConnection) -> None:
        async for frame in connection:
            said.append(json.loads(frame))
            if said[-1]["type"] == "register":
                await tell(connection, type="heartbeat")
            else:
                await play(connection, said[-1])

    async with serve(serve_one, "127.0.0.1", 0, process_request=admit) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws?token=K"


async def tell(connection: ServerConnection, **fields: Any) -> None:
    await connection.send(json.dumps({"status": "ok", **fields}))


async def ends(connection: ServerConnection, message: Said, **fields: Any) -> None:
    """As a real server: it acknowledges, and ends, beside frames of others."""
    session = message["session_id"]
    await tell(connection, type="heartbeat", session_id=session)
    await tell(connection, type="task_end", session_id="of another", status="failed")
    await tell(connection, type="task_end", session_id=session, **fields)


def empty(message: Said) -> list[str]:
    """The fields that are there and say nothing."""
    return [name for name, value in message.items() if value is None]


async def run(url: str, trial: Trial | None = None) -> Any:
    do, _ = device_skills(url, "win")
    with anyio.fail_after(100):
        return await (trial or Trial()).run(do, request="say hi")


async def test_a_task_runs_as_a_constellation_client_of_the_server() -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        await ends(connection, message, status="completed", result=[{"ok": True}])

    said: list[Said] = []
    trial = Trial()
    async with scripted(play, said) as url:
        assert await run(url, trial) == [{"ok": True}]
        await run(url)
    register, task, other, _ = said
    assert trial.reports == [(None, "win has begun")]
    assert (register["client_type"], register["target_id"]) == ("constellation", "win")
    assert register["client_id"] == f"{register['metadata']['task_name']}@win"
    assert (task["client_id"], task["request"]) == (register["client_id"], "say hi")
    assert other["client_id"] != register["client_id"]
    for ours, golden in ((register, GALAXY_REGISTER), (task, GALAXY_TASK)):
        theirs = json.loads(golden)
        assert [ours[each] for each in SAME] == [theirs[each] for each in SAME]
        assert empty(ours) == empty(theirs)
    assert task["session_id"].partition("@")[0] == register["metadata"]["task_name"]


async def test_what_a_device_is_is_asked_of_the_server() -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        answer = message["request_id"]
        await tell(connection, type="device_info_response", response_id="other", result=1)
        await tell(connection, type="device_info_response", response_id=answer, result={"a": 2})

    async with scripted(play, []) as url:
        _, info = device_skills(url, "win")
        assert await Trial().run(info) == {"a": 2}


async def test_the_end_of_a_failed_task_says_why() -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        await ends(connection, message, status="failed", error="target device disconnected")

    async with scripted(play, []) as url:
        with pytest.raises(ToolFailed, match="target device disconnected"):
            await run(url)


async def test_an_error_of_the_server_fails_the_task() -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        await tell(connection, type="error", status="error", error="Target is not connected")

    async with scripted(play, []) as url:
        with pytest.raises(ToolFailed, match="Target is not connected"):
            await run(url)


@pytest.mark.parametrize("frame", ["{junk", '{"type": "bogus", "status": "ok"}', b"\x00"])
async def test_a_server_that_sends_nonsense_fails_the_task(frame: str | bytes) -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        await connection.send(frame)

    async with scripted(play, []) as url:
        with pytest.raises(ToolFailed, match="UFO³ peer sent"):
            await run(url)


async def test_a_server_that_goes_away_may_have_run_the_task() -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        await tell(connection, type="heartbeat", session_id=message["session_id"])
        await connection.close()

    async with scripted(play, []) as url:
        with pytest.raises(ToolServerLost) as lost:
            await run(url)
        assert "left behind" in (lost.value.remedy or "")
    with pytest.raises(ToolServerLost) as lost:
        await run(url)
    assert "left behind" not in (lost.value.remedy or "")


async def test_a_wrong_token_is_told_apart_from_a_server_that_is_gone() -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        raise AssertionError(message)

    async with scripted(play, []) as url:
        with pytest.raises(ToolFailed, match="403"):
            await run(f"{url}-wrong")


async def test_a_silent_server_hears_heartbeats_of_a_constellation_client() -> None:
    async def play(connection: ServerConnection, message: Said) -> None:
        if message["type"] == "heartbeat":
            await ends(connection, {"session_id": said[1]["session_id"]}, status="completed")

    said: list[Said] = []
    async with scripted(play, said) as url:
        do, _ = device_skills(url, "win", heartbeat_s=0.01)
        await Trial().run(do, request="say hi")
    assert said[2]["client_type"] == "constellation"
