"""A fabric to be measured: a hub and devices as processes of their own, over real websockets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import anyio
import psutil

from constellation.cli.processes import Child, child
from constellation.client import open_hub
from constellation.config import Settings
from constellation.fabric import Fabric

Journal: TypeAlias = Literal["normal", "full", "off"]
SKILLS = Path(__file__).with_name("bench_skills.py")


@dataclass(frozen=True, slots=True)
class Measured:
    """A running fabric.

    Attributes:
        fabric: a connection to it.
        hub: the hub's process.
        devices: the devices' processes.
        settings: of the hub; its state directory is a temporary one.
    """

    fabric: Fabric
    hub: psutil.Process
    devices: Sequence[psutil.Process]
    settings: Settings


@contextmanager
def bench_settings(journal: Journal = "normal", grace_s: float = 60.0) -> Iterator[Settings]:
    """Settings of a hub on a state directory that is removed when the context ends."""
    # The processes take it from the environment.
    os.environ["CONSTELLATION_HUB__GRACE_S"] = str(grace_s)
    with TemporaryDirectory(prefix="constellation-bench-", ignore_cleanup_errors=True) as folder:
        hub = {"port": 0, "journal_sync": journal, "grace_s": grace_s}
        yield Settings.model_validate({"state_dir": Path(folder), "hub": hub})


@asynccontextmanager
async def hub_process(settings: Settings, port: int = 0) -> AsyncIterator[Child]:
    """A hub, ready."""
    serve = ["hub", "--port", str(port), "--journal-sync", settings.hub.journal_sync]
    async with child("hub", serve, settings) as hub:
        await hub.ready()
        yield hub


@asynccontextmanager
async def device_process(
    settings: Settings, name: str, *more: str, skills: Path = SKILLS
) -> AsyncIterator[Child]:
    """An agent with the skills of the benches, or those of a file, connected."""
    work = ["agent", "--name", name, "--kind", "bench", "--skills", str(skills)]
    async with child(name, [*work, "--drain-timeout", "0", *more], settings) as agent:
        await agent.ready()
        yield agent


@asynccontextmanager
async def measured_fabric(
    *,
    devices: int = 2,
    capacity: int = 256,
    journal: Journal = "normal",
    grace_s: float = 60.0,
    skills: Path = SKILLS,
) -> AsyncIterator[Measured]:
    """Start a hub and devices; stop them when the context ends."""
    async with AsyncExitStack() as stack:
        settings = stack.enter_context(bench_settings(journal, grace_s))
        hub = await stack.enter_async_context(hub_process(settings))
        agents = [
            await stack.enter_async_context(
                device_process(
                    settings, f"device-{number}", "--capacity", str(capacity), skills=skills
                )
            )
            for number in range(devices)
        ]
        client = await stack.enter_async_context(open_hub(settings, name="bench"))
        yield Measured(
            Fabric(client),
            psutil.Process(hub.process.pid),
            [psutil.Process(agent.process.pid) for agent in agents],
            settings,
        )


async def until(condition: Callable[[], bool], *, look_every_s: float = 0.005) -> None:
    """Wait for something that nobody tells of."""
    while not condition():  # noqa: ASYNC110
        await anyio.sleep(look_every_s)


def cpu_s(process: psutil.Process) -> float:
    """The CPU time that a process has used, seconds."""
    used = process.cpu_times()
    return used.user + used.system
