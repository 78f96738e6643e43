"""The command `constellation ufo3` between a real hub and a scripted device client."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner
from ufo3_frames import REGISTER, TOOLS
from websockets.asyncio.client import ClientConnection, connect

from agents.ufo3.command import app
from constellation import fabric
from constellation.cli.processes import child
from constellation.config import Settings
from constellation.errors import ConfigError
from constellation.graph.edits import AddTask
from constellation.graph.task import Task


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def serve_tools(device: ClientConnection) -> None:
    """A client whose tools say what they were given; of one of them it says that it is mild."""
    await device.send(REGISTER)
    tools = [{**TOOLS[0], "annotations": {"destructiveHint": False}}]
    async for frame in device:
        message: dict[str, Any] = json.loads(frame)
        if message["type"] != "command":
            continue
        (action,) = message["actions"]
        listing = action["tool_name"] == "list_tools"
        wanted = tools if action["tool_type"] == "action" else []
        result = {
            "status": "success",
            "result": wanted if listing else f"echo:{action['parameters']['text']}",
            "call_id": action["call_id"],
        }
        answer = {
            "type": "command_results",
            "status": "continue",
            "client_id": "ufo_dev_1",
            "session_id": message["session_id"],
            "prev_response_id": message["response_id"],
            "action_results": [result],
        }
        await device.send(json.dumps(answer))


@pytest.mark.anyio
async def test_a_task_of_the_hub_runs_on_a_ufo3_device(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path / "state"})
    token = tmp_path / "token"
    token.write_text("K\n")
    port = free_port()
    listen = ["ufo3", "--listen", f"127.0.0.1:{port}", "--token-file", str(token)]
    async with child("hub", ["hub", "--port", str(free_port())], settings) as hub:
        await hub.ready()
        async with (
            child("ufo3", listen, settings) as gateway,
            fabric.connect(state_dir=settings.state_dir) as connected,
            anyio.create_task_group() as tasks,
        ):
            await gateway.ready()
            with anyio.fail_after(100):
                async with connect(f"ws://127.0.0.1:{port}/ws?token=K") as device:
                    tasks.start_soon(serve_tools, device)
                    while not any(
                        each.card.skill("ufo_dev_1.echo") for each in await connected.devices()
                    ):
                        pass
                    task = Task(id="t", skill="ufo_dev_1.echo", arguments={"text": "hi"})
                    work = await connected.submit([AddTask(task)])
                    ended = await work.result()
                    assert ended.outputs == {"t": "echo:hi"}
                    tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "nothing to serve"),
        (["--listen", "nowhere", "--token-file", "f"], "no HOST:PORT"),
        (["--listen", "127.0.0.1:5000"], "without a token"),
        (["--listen", "127.0.0.1:5000", "--token-file", "missing"], "cannot be read"),
        (["--server-file", "f"], "Name each with --device"),
    ],
)
def test_what_is_missing_is_said(arguments: list[str], reason: str) -> None:
    refused = CliRunner().invoke(app, arguments).exception
    assert isinstance(refused, ConfigError)
    assert reason in f"{refused.message} {refused.remedy}"
