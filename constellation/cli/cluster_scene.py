"""A cluster of real processes on this machine, which can be killed: for demonstration and tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from constellation.client import HubClient, open_hub
from constellation.cluster.bus import connected
from constellation.cluster.claims import Claims
from constellation.cluster.names import Names
from constellation.config import LocalHub, Settings
from constellation.errors import HubUnreachable
from constellation.testing.nats import NatsServers, nats_servers

from .processes import Child, child

FABRIC = "demo"
ANSWER_S = 2.0


class ClusterScene:
    """NATS servers, orchestrators, gateways and agents.

    Args:
        folder: where all of them keep what they keep.
        nodes: how many NATS servers.
        lease_s: of the orchestrators.
        sync: how often NATS syncs to disk.

    Attributes:
        nats: the servers.
        nodes: orchestrators, gateways and agents by name.
        token: a credential with every permission.
    """

    nats: NatsServers
    client: HubClient

    def __init__(self, folder: Path, *, nodes: int, lease_s: float, sync: str = "always") -> None:
        self.folder = folder
        self.nodes: dict[str, Child] = {}
        self._count = nodes
        self._lease_s = lease_s
        self._sync = sync
        self._urls: dict[str, str] = {}
        self.token = ""
        self._stack = AsyncExitStack()
        self._bus: Client

    async def __aenter__(self) -> ClusterScene:
        await self._stack.__aenter__()
        servers = nats_servers(self.folder / "nats", self._count, sync=self._sync)
        self.nats = self._stack.enter_context(servers)
        self._bus = await self._stack.enter_async_context(connected(self.nats.urls, "scene"))
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self._stack.__aexit__(*exc)

    def settings(self, name: str, **more: Any) -> Settings:
        """The settings of a node."""
        return Settings.model_validate({"state_dir": self.folder / name, **more})

    async def start(self, kind: str, name: str) -> Child:
        """Start an orchestrator or a gateway; return once it is ready."""
        arguments = ["cluster", kind, "--nats", ",".join(self.nats.urls), "--name", name]
        arguments += ["--fabric", FABRIC, "--replicas", str(min(3, self._count))]
        arguments += ["--lease", str(self._lease_s)]
        if kind == "gateway":
            arguments += ["--port", "0"]
        settings = self.settings(name)
        node = await self._stack.enter_async_context(child(name, arguments, settings))
        await node.ready()
        self.nodes[name] = node
        if kind == "gateway":
            found = LocalHub.find(settings.state_dir)
            if found is None:
                raise HubUnreachable(f"The gateway {name} has not said where it listens.")
            self._urls[name] = found.url
            # Any gateway takes the credential of any other.
            self.token = self.token or found.token.get_secret_value()
        return node

    @property
    def url(self) -> str:
        """The addresses of all gateways."""
        return ",".join(self._urls.values())

    @asynccontextmanager
    async def connect(self, name: str = "cli") -> AsyncIterator[HubClient]:
        """A client that goes to whichever gateway is up."""
        client = {"url": self.url, "token": self.token}
        async with open_hub(self.settings("client", client=client), name=name) as hub:
            yield hub

    async def add_agent(self, name: str, *more: str) -> Child:
        """Pair a device with a code and start its agent."""
        async with self.connect() as client:
            offer = await client.ask("pair", name=name)
        arguments = ["agent", "--hub", self.url, "--name", name, "--pair", offer["code"], *more]
        settings = self.settings("agents")
        agent = await self._stack.enter_async_context(child(name, arguments, settings))
        await agent.ready()
        self.nodes[name] = agent
        return agent

    async def kill(self, name: str) -> None:
        """End a node with SIGKILL: it cannot say goodbye."""
        process = self.nodes[name].process
        process.kill()
        await process.wait()

    async def owner(self, constellation: str) -> str | None:
        """The name of the orchestrator that owns a constellation; None if it has ended."""
        claims = Claims(self._bus, Names(FABRIC), "scene", ANSWER_S)
        await claims.open()
        found = await claims.owner(constellation)
        return None if found is None else found.owner.rpartition("-")[0]

    async def leader(self) -> int:
        """The number of the NATS server that leads the journal."""
        info = await self._bus.jetstream().stream_info(Names(FABRIC).journal)
        leader = None if info.cluster is None else info.cluster.leader
        return int(str(leader).removeprefix("n")) if leader else 0
