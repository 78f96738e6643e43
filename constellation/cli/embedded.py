"""An embedded fabric: a hub and one local agent as processes of their own, over real sockets.

It lives on the same state directory as `constellation hub` would, so other terminals find it, the
journal stays behind, and work that was cut short goes on when a hub is next started there.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process

from constellation.config import ENV_PREFIX, LocalHub, Settings
from constellation.errors import HubUnreachable

from .connection import HubClient, open_hub

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process that we started.

    Attributes:
        name: for messages.
        process: its handle.
        log: where its stderr goes.
    """

    name: str
    process: Process
    log: Path


@dataclass(frozen=True, slots=True)
class Fabric:
    """A hub to work with.

    Attributes:
        hub: a connection to it.
        journal: the journal of an embedded one, which lives only as long as this command; None
            for a hub that stays.
    """

    hub: HubClient
    journal: Path | None = None

    def where_to_look(self, constellation: str) -> str:
        """Commands that tell more about a constellation once this command has ended."""
        if self.journal is not None:
            return f"constellation replay {self.journal} --constellation {constellation}"
        return f"constellation show {constellation} · constellation logs {constellation}"


@asynccontextmanager
async def open_fabric(settings: Settings, root: Path) -> AsyncIterator[Fabric]:
    """Connect to the hub that is configured or up, else start an embedded one."""
    if settings.client.url is not None or LocalHub.find(settings.state_dir) is not None:
        async with open_hub(settings) as hub:
            yield Fabric(hub)
    else:
        async with embedded_hub(settings, root) as hub:
            yield Fabric(hub, settings.journal_file)


@asynccontextmanager
async def embedded_hub(settings: Settings, root: Path) -> AsyncIterator[HubClient]:
    """Start a hub and an agent that works below ``root``; stop both when the context ends.

    Raises:
        HubUnreachable: one of them did not start; the message quotes its log.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with _child("hub", ["--host", "127.0.0.1", "--port", "0"], settings) as hub:
        await _ready(hub)
        async with open_hub(settings) as client:
            name = local_device_name()
            offer = await client.ask("pair", name=name)
            arguments = ["--hub", client.url, "--name", name]
            arguments += ["--pair", offer["code"], "--root", str(root)]
            async with _child("agent", arguments, settings) as agent:
                await _connected(client, name, agent)
                yield client


def local_device_name() -> str:
    """This machine's host name, as far as it may be a device's name."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", platform.node().split(".")[0]).lstrip("-_")
    return host[:64] or "local"


@asynccontextmanager
async def _child(
    command: str, arguments: Sequence[str], settings: Settings
) -> AsyncIterator[Child]:
    """Run one of our commands; its stderr goes to a log, its stdout to us."""
    logs = settings.state_dir / "logs"
    logs.mkdir(exist_ok=True, mode=0o700)
    path = logs / f"{command}.log"
    with path.open("wb") as log:
        process = await anyio.open_process(
            [sys.executable, "-m", "constellation.cli", command, *arguments],
            stdin=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, f"{ENV_PREFIX}STATE_DIR": str(settings.state_dir)},
            # Ctrl-C in the terminal is for us: we cancel the work first, then stop the children.
            start_new_session=True,
        )
    try:
        yield Child(command, process, path)
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(STOP_TIMEOUT_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


async def _ready(child: Child) -> None:
    """Wait for the line in which it says that it is ready; it prints nothing after it."""
    stdout = child.process.stdout
    with anyio.move_on_after(START_TIMEOUT_S), suppress(anyio.EndOfStream):
        if stdout is not None and await stdout.receive():
            return
    raise _did_not_start(child)


async def _connected(client: HubClient, device: str, agent: Child) -> None:
    """Wait until the hub sees the device, or the agent has ended."""
    events = await client.watch()

    async def watch_process() -> None:
        await agent.process.wait()
        raise _did_not_start(agent)

    with anyio.move_on_after(START_TIMEOUT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch_process)
            if not await _is_up(client, device):
                async for event in events:
                    if event["kind"] == "device" and await _is_up(client, device):
                        break
            tasks.cancel_scope.cancel()
        return
    raise _did_not_start(agent)


async def _is_up(client: HubClient, device: str) -> bool:
    answer = await client.ask("devices")
    return any(
        each["name"] == device and each["presence"] == "connected" for each in answer["devices"]
    )


def _did_not_start(child: Child) -> HubUnreachable:
    last = child.log.read_text(errors="replace").strip().splitlines()[-3:]
    reason = " ".join(last) or "it said nothing"
    return HubUnreachable(
        f"The embedded {child.name} did not start: {reason}.",
        remedy=f"Its log is {child.log}; see also `constellation doctor`.",
        log=str(child.log),
    )
