"""The fabric as an MCP server: the SDK's own client drives a real hub and a real agent."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from constellation import connect, sync
from constellation.bridges.mcp import serve_mcp
from constellation.cli.embedded import embedded_hub
from constellation.client import find_hub
from constellation.config import load_settings

pytestmark = pytest.mark.anyio


STATES = ("working", "completed")


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a hub and an agent run, each a process."""
    root, state = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("state")
    (root / "hello.txt").write_text("hello")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(embedded_hub(load_settings({"state_dir": state}), root)),
    ):
        yield state


@asynccontextmanager
async def mcp_client(state_dir: Path) -> AsyncIterator[Client]:
    """An MCP client that has started `constellation bridge mcp`, as such clients do."""
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "constellation.cli", "bridge", "mcp"],
        env=os.environ | {"CONSTELLATION_STATE_DIR": str(state_dir)},
    )
    async with Client(command) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def test_tools_say_what_they_do(state_dir: Path) -> None:
    async with mcp_client(state_dir) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "nstructions" in (client.instructions or "")
    assert {"devices", "skills", "plan", "submit", "wait", "show", "edit", "cancel"} <= tools.keys()
    assert all(tool.description for tool in tools.values())
    reads = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
    assert reads == {"devices", "skills", "plan", "wait", "show", "constellations"}
    assert "approve" not in tools


async def test_a_request_from_its_plan_to_its_result(state_dir: Path) -> None:
    async with mcp_client(state_dir) as client:
        (device,) = (await call(client, "devices"))["result"]
        assert "files.read" in device["skills"]
        planned = await call(client, "plan", request="read hello.txt")
        assert [task["skill"] for task in planned["tasks"]] == ["files.read"]
        submitted = await call(client, "submit", request="read hello.txt")
        ended = await call(client, "wait", constellation=submitted["constellation"])
        assert ended["state"] == "completed"
        assert [output["content"] for output in ended["outputs"].values()] == ["hello"]

        uri = f"constellation://{submitted['constellation']}"
        (document,) = (await client.read_resource(uri)).contents
        assert json.loads(document.text)["id"] == submitted["constellation"]
        (diagram,) = (await client.read_resource(f"{uri}/diagram")).contents
        assert diagram.text.startswith("flowchart")


async def test_progress_is_reported_while_it_is_waited_for(state_dir: Path) -> None:
    told: list[tuple[float, str | None]] = []

    async def take(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    task = {"id": "a", "skill": "files.read", "arguments": {"path": "hello.txt"}}
    edits = [{"op": "add_task", "task": task}]
    async with mcp_client(state_dir) as client:
        submitted = await call(client, "submit_tasks", edits=edits, name="one read")
        await client.call_tool(
            "wait", {"constellation": submitted["constellation"]}, progress_callback=take
        )
    assert told[0][1] in (f"{submitted['constellation']}: {state}" for state in STATES)
    assert told[-1][0] == 1


async def test_edits_and_cancel_while_it_runs(state_dir: Path) -> None:
    waits = {"id": "a", "skill": "wait.seconds", "arguments": {"seconds": 3600}}
    reads = {"id": "b", "skill": "files.read", "arguments": {"path": "hello.txt"}}
    async with mcp_client(state_dir) as client:
        submitted = await call(
            client, "submit_tasks", edits=[{"op": "add_task", "task": waits}], name="waits"
        )
        identifier = submitted["constellation"]
        still = await call(client, "wait", constellation=identifier, seconds=0)
        assert still["state"] == "working"
        version = await call(
            client, "edit", constellation=identifier, edits=[{"op": "add_task", "task": reads}]
        )
        assert version["result"] == 2
        running = (await call(client, "constellations"))["result"]
        assert identifier in [each["id"] for each in running]
        await call(client, "cancel", constellation=identifier, task="a")
        ended = await call(client, "wait", constellation=identifier)
        assert {task["id"]: task["state"] for task in ended["tasks"]} == {
            "a": "canceled",
            "b": "completed",
        }


async def test_what_asks_waits_for_a_person(state_dir: Path) -> None:
    async with mcp_client(state_dir) as client:
        task = {"id": "a", "skill": "shell.run", "arguments": {"command": "echo done"}}
        edits = [{"op": "add_task", "task": task}]
        submitted = await call(client, "submit_tasks", edits=edits, name="asks")
        identifier = submitted["constellation"]
        with sync.connect(state_dir=state_dir) as fabric:
            work = fabric.work(identifier)
            assert any(event.kind == "asked" for event in work.events())
            (status,) = (await call(client, "show", constellation=identifier))["tasks"]
            assert "echo done" in status["asks"]
            work.answer("a", False)
        await call(client, "wait", constellation=identifier)


async def test_refusals_are_for_the_model_to_read(state_dir: Path) -> None:
    async with mcp_client(state_dir) as client:
        for tool, arguments, reason in [
            ("plan", {"request": "transmogrify the flux"}, "transmogrify"),
            ("show", {"constellation": "c-none"}, "There is no constellation"),
            ("submit_tasks", {"edits": [{"op": "explode"}], "name": "x"}, "explode"),
        ]:
            answer = await client.call_tool(tool, arguments)
            assert answer.is_error
            assert reason in answer.content[0].text
        for uri in ("constellation://c-none", "artifact://" + "0" * 64):
            with pytest.raises(MCPError, match="There is no"):
                await client.read_resource(uri)


async def test_a_model_that_plans_itself_is_told_the_arguments_of_skills(state_dir: Path) -> None:
    async with mcp_client(state_dir) as client:
        everything = await call(client, "skills")
        assert everything.keys() > {"files.read", "system.memory"}
        told = await call(client, "skills", names=["files.read"])
        assert told.keys() == {"files.read"}
        (device,) = told["files.read"]["devices"]
        assert told["files.read"]["input"]["required"] == ["path"]
        task = {
            "id": "look",
            "skill": "files.read",
            "arguments": {"path": "hello.txt"},
            "requirement": {"device": device},
        }
        edits = [{"op": "add_task", "task": task}]
        submitted = await call(client, "submit_tasks", edits=edits, name="look")
        ended = await call(client, "wait", constellation=submitted["constellation"])
        assert ended["outputs"]["look"]["content"] == "hello"


async def test_over_http_the_credential_of_the_hub_is_asked_for(state_dir: Path) -> None:
    settings = load_settings({"state_dir": state_dir})
    hub, token = find_hub(settings)
    async with (
        connect(hub, token=token) as fabric,
        serve_mcp(fabric, token, "127.0.0.1", 0) as url,
    ):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
            async with httpx2.AsyncClient() as stranger:
                refused = await stranger.post(url, json={}, headers=headers)
            assert refused.status_code == 401
            assert "bearer token" in refused.text
        shown = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=shown) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            (device,) = (await call(client, "devices"))["result"]
            assert "files.read" in device["skills"]


@pytest.mark.parametrize("command", [["bridge", "mcp"], ["mcp"]])
async def test_it_says_where_it_listens(state_dir: Path, command: list[str]) -> None:
    words = ["-m", "constellation.cli", *command, "--listen", "127.0.0.1:0", "--json"]
    environment = os.environ | {"CONSTELLATION_STATE_DIR": str(state_dir)}
    async with await anyio.open_process([sys.executable, *words], env=environment) as process:
        assert process.stdout is not None
        told = json.loads(await process.stdout.receive())
        process.terminate()
    assert told["url"].startswith("http://127.0.0.1:")
    assert told["url"].endswith("/mcp")
