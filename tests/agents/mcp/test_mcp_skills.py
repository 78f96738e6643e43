"""Tools of MCP servers as skills: servers made with the SDK over stdio and HTTP, and an old one."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from anyio.abc import Process
from mcp_types import Tool

from agents.errors import ToolFailed, ToolServerLost
from agents.mcp import ToolServer
from agents.mcp.tools import make_skill
from agents.skills import AnySkill, Registry
from agents.testing import Trial
from constellation.config import McpServerSettings
from constellation.errors import SkillError

pytestmark = pytest.mark.anyio

SPAN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HERE = Path(__file__).parent
NEW, OLD = HERE / "fixture_mcp_server.py", HERE / "fixture_old_server.py"


class Device:
    """A registry that a server's tools come into and go from."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.trial = Trial()
        self._moved = anyio.Event()

    def changed(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    async def until(self, holds: Callable[[set[str]], bool]) -> None:
        with anyio.fail_after(100):
            while not holds({skill.name for skill in self.registry}):
                await self._moved.wait()

    def skill(self, name: str) -> AnySkill:
        found = self.registry.get(name)
        assert found is not None
        return found

    async def run(self, name: str, **arguments: Any) -> Any:
        return await self.trial.run(self.skill(name), **arguments)


@asynccontextmanager
async def serving(
    settings: McpServerSettings, device: Device | None = None
) -> AsyncIterator[Device]:
    device = device or Device()

    async def at_once(seconds: float) -> None:
        await anyio.lowlevel.checkpoint()

    server = ToolServer("shop", settings, device.registry, device.changed, sleep=at_once)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run)
        await device.until(bool)
        yield device
        tasks.cancel_scope.cancel()


def stdio(script: Path, **more: Any) -> McpServerSettings:
    return McpServerSettings(command=sys.executable, args=(str(script),), **more)


@asynccontextmanager
async def http_server(port: int) -> AsyncIterator[Process]:
    command = [sys.executable, str(NEW), str(port)]
    async with await anyio.open_process(command, stderr=None, stdout=None) as process:
        yield process
        if process.returncode is None:
            process.kill()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(params=["stdio", pytest.param("http", marks=pytest.mark.full)])
async def device(request: pytest.FixtureRequest) -> AsyncIterator[Device]:
    if request.param == "stdio":
        async with serving(stdio(NEW)) as found:
            yield found
    else:
        port = free_port()
        url = f"http://127.0.0.1:{port}/mcp"
        async with http_server(port), serving(McpServerSettings(url=url)) as found:
            yield found


async def test_tools_are_skills_with_all_that_is_known_of_them(device: Device) -> None:
    card = device.skill("shop.add").card
    assert card.description == "Add two numbers."
    assert card.input["required"] == ["a"]
    assert card.output["properties"]["value"]["type"] == "integer"
    assert device.skill("shop.odd_name__").card.effect == "read"


async def test_results_of_every_kind(device: Device) -> None:
    assert await device.run("shop.add", a=2) == {"value": 3}
    picture = await device.run("shop.picture")
    digest = hashlib.sha256(b"pixels").hexdigest()
    item = {"type": "image", "mime_type": "image/png", "artifact": digest, "size_bytes": 6}
    assert picture == {"text": "", "items": [item]}
    assert device.trial.artifacts[digest] == b"pixels"
    with pytest.raises(ToolFailed, match="base64"):
        await device.run("shop.mixed")


async def test_a_call_says_for_which_span_it_is_made(device: Device) -> None:
    assert await device.run("shop.span") == {"result": "None"}
    device.trial = Trial(traceparent=SPAN)
    assert await device.run("shop.span") == {"result": SPAN}


async def test_failures_are_typed_and_the_server_goes_on(device: Device) -> None:
    with pytest.raises(ToolFailed, match="fail"):
        await device.run("shop.fail")
    with pytest.raises(SkillError, match="'x' is not of type 'integer'") as wrong:
        await device.run("shop.add", a="x")
    assert wrong.value.details["field"] == "a"
    with pytest.raises(SkillError, match="'a' is a required property"):
        await device.run("shop.add")
    assert await device.run("shop.add", a=1, b=1) == {"value": 2}


async def test_progress_comes_and_cancel_goes_through(device: Device, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: device.run("shop.slow", mark=str(mark)))
        with anyio.fail_after(100):
            while not device.trial.reports:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert device.trial.reports == [(0.25, "begun")]
    with anyio.fail_after(100):
        while not mark.exists():
            await anyio.lowlevel.checkpoint()


async def test_new_tools_appear(device: Device) -> None:
    await device.run("shop.grow")
    await device.until(lambda names: "shop.grown" in names)


async def test_effects_are_the_servers_word_or_the_persons() -> None:
    async with serving(stdio(NEW)) as device:
        told = {skill.name: skill.card for skill in device.registry}
    assert told["shop.add"].effect == "read"
    assert told["shop.keep"].effect == "write"
    assert told["shop.wipe"].effect == "dangerous"
    assert told["shop.add"].idempotent
    assert told["shop.keep"].idempotent
    assert not told["shop.wipe"].idempotent
    effects = {"*": "write", "wi*": "read", "add": "dangerous"}
    async with serving(stdio(NEW, effects=effects)) as device:
        told = {skill.name: skill.card for skill in device.registry}
    assert told["shop.wipe"].effect == "read"
    assert told["shop.add"].effect == "dangerous"
    assert told["shop.fail"].effect == "write"


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_a_server_that_dies_fails_its_task_and_comes_back(kind: str) -> None:
    port = free_port()
    settings = (
        stdio(NEW) if kind == "stdio" else McpServerSettings(url=f"http://127.0.0.1:{port}/mcp")
    )
    async with anyio.create_task_group() as tasks:
        if kind == "http":
            tasks.start_soon(http_until_killed, port)
        async with serving(settings) as device:
            with pytest.raises(ToolServerLost, match="went away") as lost:
                await device.run("shop.die")
            assert lost.value.code == "task.failed.server_lost"
            await device.until(lambda names: not names)
            if kind == "http":
                tasks.start_soon(http_until_killed, port)
            await device.until(bool)
            assert await device.run("shop.add", a=1) == {"value": 2}
        tasks.cancel_scope.cancel()


async def http_until_killed(port: int) -> None:
    async with await anyio.open_process([sys.executable, str(NEW), str(port)]) as process:
        await process.wait()


@pytest.mark.parametrize("script", [NEW, OLD], ids=["new", "old"])
async def test_a_server_killed_while_idle_is_noticed(script: Path) -> None:
    async with serving(stdio(script)) as device:
        (process,) = psutil.Process().children()
        os.kill(process.pid, signal.SIGKILL)
        await device.until(lambda names: not names)
        await device.until(bool)


async def test_a_server_over_http_killed_while_idle_is_noticed() -> None:
    port = free_port()
    async with http_server(port) as process:
        settings = McpServerSettings(url=f"http://127.0.0.1:{port}/mcp")
        async with serving(settings) as device:
            process.kill()
            await device.until(lambda names: not names)


async def test_a_person_reads_the_call_and_not_the_servers_words() -> None:
    async with serving(stdio(NEW)) as device:
        add = device.skill("shop.add")
        assert add.intent is not None
        intent = add.intent(a=1, self="x")
    assert "shop.add" in intent.prompt
    assert '"self": "x"' in intent.prompt
    assert "Add two numbers" not in intent.prompt


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        (Tool(name="deep", input_schema=deep(20)), "nests too deeply"),
        (Tool(name="big", input_schema={"type": "object", "maximum": 2**70}), "out of range"),
        (Tool(name="odd", description="\ud800", input_schema={"type": "object"}), "description"),
        (Tool(name="long", input_schema={"type": "object", "$comment": "x" * 20_000}), "bytes"),
        (Tool(name="x" * 70, input_schema={"type": "object"}), "name"),
        (Tool(name="wrong", input_schema={"type": "object", "minLength": "x"}), "schema is wrong"),
    ],
    ids=lambda value: value.name[:6] if isinstance(value, Tool) else "",
)
def test_a_tool_that_no_hub_can_take_is_left_out(tool: Tool, reason: str) -> None:
    async def call(*arguments: Any) -> Any:
        raise AssertionError

    with pytest.raises(SkillError, match=reason):
        make_skill("shop", tool, {}, call)


def test_a_schema_fetches_nothing_from_the_network() -> None:
    async def call(*arguments: Any) -> Any:
        raise AssertionError

    schema = {"type": "object", "$ref": "http://127.0.0.1:9/schema.json"}
    skill = make_skill("shop", Tool(name="far", input_schema=schema), {}, call)
    with pytest.raises(SkillError, match="refers elsewhere"):
        skill.bind({"a": 1})


async def test_an_older_server_says_that_its_tools_changed() -> None:
    async with serving(stdio(OLD)) as device:
        result = await device.run("shop.pid")
        assert int(result["text"]) == psutil.Process().children()[0].pid
        await device.until(lambda names: names == {"shop.pid", "shop.second"})


async def test_a_skill_of_a_server_that_is_down_says_so() -> None:
    async with serving(stdio(NEW)) as device:
        add = device.skill("shop.add")
    with pytest.raises(ToolServerLost, match="was not called"):
        await device.trial.run(add, a=1)


async def test_nothing_is_left_behind() -> None:
    async with serving(stdio(NEW)) as device:
        assert psutil.Process().children()
    assert not psutil.Process().children()
    assert not len(device.registry)


async def test_a_tool_does_not_take_the_place_of_a_skill() -> None:
    async with serving(stdio(NEW)) as first:
        own = first.skill("shop.add")
    device = Device()
    device.registry.add(own)
    async with serving(stdio(NEW), device):
        await device.until(lambda names: "shop.keep" in names)
        assert device.skill("shop.add") is own
