"""The gateway and a scripted UFO³ device client, over real websockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from ufo3_frames import REGISTER, TOOLS
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from agents.errors import ToolFailed, ToolServerLost
from agents.skills import AnySkill, Registry
from agents.testing import Trial
from agents.ufo3.gateway import Gateway, describe
from constellation.errors import SkillError

pytestmark = pytest.mark.anyio

TOKEN = "secret"


class World:
    """A gateway, and what it publishes."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.port = 0
        self._moved = anyio.Event()
        self._open = anyio.Event()
        self.gateway = Gateway("127.0.0.1", 0, TOKEN, self._opened)

    def _opened(self, port: int) -> None:
        self.port = port
        self._open.set()

    def changed(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[World]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.gateway.run, self.registry, self.changed)
            await self._open.wait()
            yield self
            tasks.cancel_scope.cancel()

    async def until(self, *names: str) -> None:
        with anyio.fail_after(100):
            while {skill.name for skill in self.registry} != set(names):
                await self._moved.wait()

    def dial(self, token: str = TOKEN) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/ws?token={token}")

    def skill(self, name: str) -> AnySkill:
        found = self.registry.get(name)
        assert found is not None
        return found


async def hear(device: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of a kind."""
    with anyio.fail_after(100):
        while True:
            message: dict[str, Any] = json.loads(await device.recv())
            if message["type"] == kind:
                return message


async def say(device: ClientConnection, **fields: Any) -> None:
    await device.send(json.dumps({"status": "ok", "client_id": "ufo_dev_1", **fields}))


async def reply(device: ClientConnection, command: dict[str, Any], **result: Any) -> None:
    (action,) = command["actions"]
    await say(
        device,
        type="command_results",
        status="continue",
        session_id=command["session_id"],
        prev_response_id=command["response_id"],
        action_results=[{"call_id": action["call_id"], **result}],
    )


async def introduce(device: ClientConnection) -> None:
    """Register and tell the tools, as a real client does."""
    await device.send(REGISTER)
    assert (await hear(device, "heartbeat"))["status"] == "ok"
    for listed in (TOOLS, []):
        command = await hear(device, "command")
        assert command["actions"][0]["tool_name"] == "list_tools"
        await reply(device, command, status="success", result=listed)


ECHO, BOOM = "ufo_dev_1.echo", "ufo_dev_1.boom"


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[World, ClientConnection]]:
    async with World().serving() as world, world.dial() as device:
        await introduce(device)
        await world.until(ECHO, BOOM)
        yield world, device


async def test_the_tools_of_a_device_are_skills_that_run_on_it() -> None:
    async with connected() as (world, device):
        assert world.skill(ECHO).card.output["type"] == "string"
        (told,) = describe(world.gateway)
        assert told["system_info"]["platform"] == "linux"

        async def work() -> None:
            command = await hear(device, "command")
            (action,) = command["actions"]
            assert action["parameters"] == {"text": "hi"}
            await reply(device, command, status="success", result="echo:hi")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            assert await Trial().run(world.skill(ECHO), text="hi") == "echo:hi"
        assert (await hear(device, "task_end"))["status"] == "completed"
        with pytest.raises(SkillError, match="'text' is a required property"):
            world.skill(ECHO).bind({})


@pytest.mark.parametrize(
    "result",
    [
        {"status": "failure", "error": "kaboom"},
        {"status": "success", "call_id": "another"},
    ],
)
async def test_a_call_that_fails_or_is_answered_wrongly_fails_its_task(
    result: dict[str, Any],
) -> None:
    async with connected() as (world, device):

        async def work() -> None:
            await reply(device, await hear(device, "command"), **result)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            with pytest.raises(ToolFailed):
                await Trial().run(world.skill(BOOM))


async def test_a_device_that_goes_takes_its_skills_and_comes_back_with_them() -> None:
    async with connected() as (world, device):

        async def go() -> None:
            await hear(device, "command")
            await device.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go)
            with pytest.raises(ToolServerLost) as lost:
                await Trial().run(world.skill(ECHO), text="hi")
        assert lost.value.code == "task.failed.server_lost"
        await world.until()
        async with world.dial() as again:
            await introduce(again)
            await world.until(ECHO, BOOM)


async def test_heartbeats_are_answered_and_bad_frames_are_refused_without_an_end() -> None:
    async with connected() as (_, device):
        for frame in ("{junk", '{"type": "bogus", "status": "ok"}', b"\x00"):
            await device.send(frame)
            assert (await hear(device, "error"))["status"] == "error"
        await say(device, type="heartbeat", client_id="evil")
        assert "client_id" in (await hear(device, "error"))["error"]
        await say(device, type="device_info_request")
        assert "device_info_request" in (await hear(device, "error"))["error"]
        await say(device, type="command_results", prev_response_id="unknown", action_results=[])
        await say(device, type="heartbeat")
        assert (await hear(device, "heartbeat"))["status"] == "ok"


async def test_who_may_not_come_in_is_told_so_or_nothing() -> None:
    async with connected() as (world, _):
        with pytest.raises(InvalidStatus, match="403"):
            async with world.dial("wrong"):
                pass
        for first in ('{"type": "heartbeat", "status": "ok"}', "{junk"):
            async with world.dial() as silent:
                await silent.send(first)
                with pytest.raises(ConnectionClosedOK):
                    await silent.recv()
        async with world.dial() as twin:
            await twin.send(REGISTER)
            assert "already registered" in (await hear(twin, "error"))["error"]
        async with world.dial() as galaxy:
            await say(galaxy, type="register", client_id="t@d", client_type="constellation")
            assert "Only devices" in (await hear(galaxy, "error"))["error"]


async def test_a_device_that_lists_no_tools_has_none() -> None:
    async with World().serving() as world, world.dial() as device:
        await device.send(REGISTER)
        await reply(device, await hear(device, "command"), status="success", result="none")
        await say(device, type="heartbeat")
        await hear(device, "heartbeat")
        await world.until()
