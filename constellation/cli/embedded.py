"""An embedded fabric: a hub and one local agent as processes of their own, over real sockets.

It lives on the same state directory as `constellation hub` would, so other terminals find it, and
the journal stays behind. It ends with the command that started it: tasks that run then are stopped
and say so, and what still waits is taken up by the next hub on that directory.

It serves that command alone: a second one at the same time gets a fabric of its own, in a folder of
the state directory. It must not lean on a hub that goes away, nor on an agent with another root.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from constellation.client import HubClient, open_hub
from constellation.config import LocalHub, Settings
from constellation.errors import NoCapableDevice
from constellation.joined import JoinedHub

from .processes import Child, child


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

    async def require_device(self) -> None:
        """Make sure that somebody is there to do the work.

        Raises:
            NoCapableDevice: no device is connected.
        """
        answer = await self.hub.ask("devices")
        if not any(device["presence"] == "connected" for device in answer["devices"]):
            raise NoCapableDevice(
                "No device is connected to the hub.",
                remedy="Bring one in: `constellation pair` prints a code for it.",
            )

    def where_to_look(self, constellation: str) -> str:
        """Commands that tell more about a constellation once this command has ended."""
        if self.journal is not None:
            return f"constellation replay {self.journal} --constellation {constellation}"
        return f"constellation show {constellation} · constellation logs {constellation}"

    def what_follows(self, constellation: str) -> str:
        """What becomes of a constellation that nobody waits for any more."""
        if self.journal is not None:
            return f"{constellation} is left: what ran was stopped."
        return f"{constellation} goes on without us."


def hub_stays(settings: Settings) -> bool:
    """True if a hub is configured, or up on this machine, that outlives this command."""
    if settings.client.url is not None or JoinedHub.find(settings.state_dir) is not None:
        return True
    with _locked(settings.state_dir, fcntl.LOCK_SH) as unclaimed:
        return unclaimed and LocalHub.find(settings.state_dir) is not None


@asynccontextmanager
async def open_fabric(settings: Settings, root: Path) -> AsyncIterator[Fabric]:
    """Connect to the hub that is configured or up, else start an embedded one."""
    if hub_stays(settings):
        async with open_hub(settings) as hub:
            yield Fabric(hub)
        return
    settings.make_state_dir()
    with _locked(settings.state_dir, fcntl.LOCK_EX) as claimed:
        own = settings
        if not claimed:
            own = settings.model_copy(
                update={"state_dir": settings.make_state_dir(f"runs/{os.getpid()}")}
            )
        async with embedded_hub(own, root) as hub:
            yield Fabric(hub, own.journal_file)


@contextmanager
def _locked(state_dir: Path, how: int) -> Iterator[bool]:
    """Hold the lock with which a command claims a state directory for its embedded hub.

    Args:
        how: ``LOCK_EX`` claims it, ``LOCK_SH`` looks whether it is claimed.

    Yields:
        False if another command has claimed it. A claim ends with the process that made it.
    """
    try:
        lock = (state_dir / "embedded.lock").open("w")
    except OSError:
        yield True  # there is no such directory yet, or the hub will say what is wrong with it
        return
    with lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@asynccontextmanager
async def embedded_hub(settings: Settings, root: Path) -> AsyncIterator[HubClient]:
    """Start a hub and an agent that works below ``root``; stop both when the context ends.

    Raises:
        HubUnreachable: one of them did not start, or ended; the message quotes its log.
        ConfigError: the state directory cannot be made.
    """
    serve = ["hub", "--host", "127.0.0.1", "--port", "0"]
    async with child("embedded-hub", serve, settings) as hub:
        await hub.ready()
        # Without an address the agent takes the hub of its state directory, and its credential.
        work = ["agent", "--name", local_device_name(), "--root", str(root)]
        work += ["--drain-timeout", "0"]
        async with child("embedded-agent", work, settings) as agent:
            await agent.ready()
            async with open_hub(settings) as client, _guarded(hub, agent):
                yield client


def local_device_name() -> str:
    """This machine's host name, as far as it may be a device's name."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", platform.node().split(".")[0]).lstrip("-_")
    return host[:64] or "local"


@asynccontextmanager
async def _guarded(*children: Child) -> AsyncIterator[None]:
    """Raise in the middle of the context if one of the processes ends."""

    async def watch(child: Child) -> None:
        await child.process.wait()
        raise child.trouble("has ended")

    async with anyio.create_task_group() as tasks:
        for each in children:
            tasks.start_soon(watch, each)
        yield
        tasks.cancel_scope.cancel()
