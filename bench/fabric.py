"""A fabric to be measured: a hub and devices as processes of their own, over real websockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import psutil

from constellation.cli.processes import child
from constellation.client import open_hub
from constellation.config import Settings
from constellation.fabric import Fabric

Journal = Literal["normal", "full", "off"]
SKILLS = Path(__file__).with_name("noop_skill.py")


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


@asynccontextmanager
async def measured_fabric(
    *, devices: int = 2, capacity: int = 256, journal: Journal = "normal", grace_s: float = 60.0
) -> AsyncIterator[Measured]:
    """Start a hub and devices that only know `noop`; stop them when the context ends."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="constellation-bench-"))
        hub_settings = {"port": 0, "journal_sync": journal, "grace_s": grace_s}
        settings = Settings.model_validate({"state_dir": Path(folder), "hub": hub_settings})
        serve = ["hub", "--port", "0", "--journal-sync", journal]
        hub = await stack.enter_async_context(child("hub", serve, settings))
        await hub.ready()
        agents = []
        for number in range(devices):
            name = f"device-{number}"
            work = ["agent", "--name", name, "--kind", "bench", "--skills", str(SKILLS)]
            work += ["--capacity", str(capacity), "--drain-timeout", "0"]
            agents.append(await stack.enter_async_context(child(name, work, settings)))
        for agent in agents:
            await agent.ready()
        client = await stack.enter_async_context(open_hub(settings, name="bench"))
        yield Measured(
            Fabric(client),
            psutil.Process(hub.process.pid),
            [psutil.Process(agent.process.pid) for agent in agents],
            settings,
        )


def cpu_s(process: psutil.Process) -> float:
    """The CPU time that a process has used, seconds."""
    used = process.cpu_times()
    return used.user + used.system
