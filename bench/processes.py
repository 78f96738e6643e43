"""A fabric of real processes: a hub that can be killed, agents behind links that can be cut."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from constellation.cli.processes import Child, child
from constellation.client import HubClient, open_hub
from constellation.config import Settings
from constellation.testing.proxy import TcpProxy, tcp_proxy

SKILLS = Path(__file__).with_name("ledger_skills.py")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """A hub on a port of its own, behind a proxy, and agents that dial the proxy."""

    def __init__(self, state: Path, grace_s: float, sync: str) -> None:
        self.port = free_port()
        self.settings = Settings.model_validate(
            {
                "state_dir": state,
                "hub": {"port": self.port, "grace_s": grace_s, "journal_sync": sync},
            }
        )
        self.proxy: TcpProxy
        self.hub: Child
        self.agents: dict[str, Child] = {}
        self._stack = AsyncExitStack()
        self._grace_s = grace_s
        self._sync = sync

    async def start_hub(self) -> None:
        arguments = ["hub", "--port", str(self.port), "--journal-sync", self._sync]
        self.hub = await self._stack.enter_async_context(child("hub", arguments, self.settings))
        await self.hub.ready()

    async def kill_hub(self) -> None:
        self.hub.process.kill()
        await self.hub.process.wait()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[HubClient]:
        async with open_hub(self.settings) as client:
            yield client

    async def start_agent(self, name: str, *more: str, command: str = "agent") -> None:
        """Start an agent that writes the ledger, or what ``more`` arguments say.

        Args:
            command: of `constellation`, that serves a device.
        """
        url = f"ws://127.0.0.1:{self.proxy.port}/aip"
        arguments = [command, "--hub", url, "--name", name]
        arguments += more or ("--kind", "test", "--skills", str(SKILLS))
        if name not in self.agents:
            async with self.client() as client:
                offer = await client.ask("pair", name=name)
            arguments += ["--pair", offer["code"]]
        agent = await self._stack.enter_async_context(child(name, arguments, self.settings))
        await agent.ready()
        self.agents[name] = agent

    async def kill_agent(self, name: str) -> None:
        self.agents[name].process.kill()
        await self.agents[name].process.wait()

    async def after_events(self, constellation: str, count: int, *, after: int) -> int:
        """Wait for so many more facts of a constellation; return the number of the last."""
        with anyio.fail_after(30):
            async with self.client() as client:
                events = await client.watch(constellation, after=after)
                async for event in events:
                    after = event.get("seq", after)
                    count -= 1
                    if count <= 0 or event["kind"] == "ended":
                        break
        return after

    async def ended(self, constellation: str, *, within_s: float = 60) -> dict[str, Any]:
        """Wait until a constellation has ended; return what `show` says of it."""
        with anyio.fail_after(within_s):
            async with self.client() as client:
                events = await client.watch(constellation, after=0)
                async for event in events:
                    if event["kind"] == "ended":
                        break
                return await client.ask("show", constellation=constellation)

    async def __aenter__(self) -> Processes:
        await self._stack.__aenter__()
        await self.start_hub()
        self.proxy = await self._stack.enter_async_context(tcp_proxy("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self._stack.__aexit__(*exc)


def ledger_counts(path: Path) -> Counter[str]:
    return Counter(path.read_text().split())


def layered(ledger: Path, skill: str, layers: int, width: int, seconds: float) -> list[Any]:
    """Edits of a layered graph; each task appends its name to the ledger and returns it."""
    edits: list[Any] = []
    for layer in range(layers):
        for column in range(width):
            name = f"{skill.partition('.')[2]}-{layer}-{column}"
            arguments = {"ledger": str(ledger), "name": name, "seconds": seconds}
            edits.append(
                {"op": "add_task", "task": {"id": name, "skill": skill, "arguments": arguments}}
            )
            if layer:
                source = f"{skill.partition('.')[2]}-{layer - 1}-{(column + 1) % width}"
                edits.append(
                    {"op": "add_dependency", "dependency": {"source": source, "target": name}}
                )
    return edits
