"""A cluster in one event loop: real NATS, real sockets, real journals; devices answer as told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.cluster.gateway import Gateway
from constellation.cluster.orchestrator import Orchestrator
from constellation.cluster.service import ClusterOptions, open_gateway, run_orchestrator
from constellation.config import LocalHub, Settings

SKILLS = (
    SkillCard(name="work", effect="read", idempotent=True),
    SkillCard(name="once", effect="write"),
)


def settings(state: Path, **hub: Any) -> Settings:
    return Settings.model_validate({"state_dir": state, "hub": {"port": 0, **hub}})


_FABRICS = count(1)


class Changing:
    """Lets a test wait for what somebody was told."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def next_change(self) -> anyio.Event:
        return self._changed

    async def until(self, condition: Callable[[], Any]) -> None:
        with anyio.fail_after(100):
            while not condition():
                await self._changed.wait()


class Device(Changing):
    """A device that runs nothing: it keeps what it was assigned until the test has it answer.

    Like a real one it names in its hello what it runs and what results it holds, and hands in at a
    fresh session what no hub has secured.
    """

    def __init__(self, name: str, capacity: int, at_once: bool) -> None:
        super().__init__()
        self.card = DeviceCard(name=name, skills=SKILLS, capacity=capacity)
        self.link: Link
        self.assigned: list[dict[str, Any]] = []
        self.running: dict[str, dict[str, Any]] = {}
        self.held: dict[str, dict[str, Any]] = {}
        self.most = 0
        self.other: list[Message] = []
        self._sent: dict[int, str] = {}
        self._at_once = at_once

    def inventory(self) -> tuple[Sequence[str], Sequence[str]]:
        return list(self.running), list(self.held)

    def opened(self, resumed: bool, lost: Sequence[Message]) -> None:
        if not resumed:
            self._sent.clear()
            for attempt in self.held:
                self._send(attempt)

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                body = message.body
                self.assigned.append(dict(body))
                self.running[body["attempt"]] = dict(body)
                self.most = max(self.most, len(self.running))
                if self._at_once:
                    self.finish(body["attempt"])
            else:
                self.other.append(message)
        self.link.acknowledge(messages[-1].seq)
        self.changed()

    def finish(self, attempt: str) -> None:
        body = self.running.pop(attempt)
        output = body["arguments"] or {"done": attempt}
        self.held[attempt] = {"attempt": attempt, "state": "completed", "output": output}
        self._send(attempt)

    def finish_all(self) -> None:
        for attempt in list(self.running):
            self.finish(attempt)

    def _send(self, attempt: str) -> None:
        self._sent[self.link.send("result", self.held[attempt])] = attempt

    def forget_secured(self) -> None:
        for seq in [seq for seq in self._sent if seq <= self.link.acknowledged]:
            self.held.pop(self._sent.pop(seq), None)

    async def secured(self) -> None:
        """Wait until a hub has secured all that was handed in, and forget it."""
        with anyio.fail_after(100):
            await self.link.drained()
        self.forget_secured()


class Cluster:
    """Some orchestrators and gateways, which come and go as the test says."""

    def __init__(self, url: str, fabric: str, folder: Path, tasks: TaskGroup, lease_s: float):
        self.lives: dict[str, Orchestrator] = {}
        self.gateways: dict[str, Gateway] = {}
        self._url = url
        self._fabric = fabric
        self._folder = folder
        self._tasks = tasks
        self._lease_s = lease_s
        self._scopes: dict[str, anyio.CancelScope] = {}
        # Settings of gateways that are added from now on.
        self.at_gateways: dict[str, Any] = {}

    def options(self, name: str) -> ClusterOptions:
        return ClusterOptions([self._url], name, self._fabric, 1, self._lease_s)

    async def add_orchestrator(self, name: str) -> Orchestrator:
        begun = anyio.Event()

        def took_up(life: Orchestrator) -> None:
            self.lives[name] = life
            begun.set()

        async def run() -> None:
            with anyio.CancelScope() as self._scopes[name]:
                state = settings(self._folder / name, grace_s=30.0)
                await run_orchestrator(state, self.options(name), took_up)

        self._tasks.start_soon(run)
        await begun.wait()
        await eventually(lambda: self.lives[name].keeper.holds())
        return self.lives[name]

    async def add_gateway(self, name: str) -> Gateway:
        begun = anyio.Event()

        async def run() -> None:
            with anyio.CancelScope() as self._scopes[name]:
                state = settings(self._folder / name, grace_s=30.0, **self.at_gateways)
                async with open_gateway(state, self.options(name)) as self.gateways[name]:
                    begun.set()
                    await anyio.sleep_forever()

        self._tasks.start_soon(run)
        await begun.wait()
        gateway = self.gateways[name]
        await eventually(lambda: len(gateway.mesh.peers) >= len(self.lives))
        return gateway

    def kill(self, name: str) -> None:
        """End a node so that nobody is told: its lease runs out, its channels fall silent."""

        async def silence(*args: object) -> None:
            pass

        if name in self.lives:
            self.lives[name].leave = silence  # type: ignore[method-assign]
            self.lives[name]._mesh.tell_all = silence  # type: ignore[method-assign]
        else:
            self.gateways[name].mesh.tell_all = silence  # type: ignore[method-assign]
        self.stop(name)

    async def owner(self, constellation: str) -> str:
        """Wait until an orchestrator owns a constellation that has not ended; return its name.

        On a busy machine a lease can run out, and then it is on its way from one to the other.
        """
        found = ""

        def owned() -> bool:
            nonlocal found
            lives = self.lives.items()
            runs = (name for name, life in lives if constellation in life.hub.scheduler.runs)
            found = next(runs, "")
            return bool(found)

        await eventually(owned)
        return found

    async def submit_to(self, client: Link, edits: list[dict[str, Any]], by: str) -> str:
        """Submit until a certain orchestrator owns it; what others own is canceled."""
        while True:
            submitted = await client.request("submit", {"edits": edits, "paused": True})
            name = str(submitted["constellation"])
            if await self.owner(name) == by:
                await client.request("resume", {"constellation": name})
                return name
            await client.request("cancel", {"constellation": name})

    def stop(self, name: str) -> None:
        """Let a node leave in good order."""
        self._scopes[name].cancel()
        self.lives.pop(name, None)
        self.gateways.pop(name, None)

    @asynccontextmanager
    async def client(self, gateway: str) -> AsyncIterator[Link]:
        local = LocalHub.find(self._folder / gateway)
        assert local is not None
        token = local.token.get_secret_value()
        url = self.gateways[gateway].url
        async with connect(url, role="client", name="tester", credential=token) as link:
            await link.ready()
            yield link

    @asynccontextmanager
    async def device(
        self,
        name: str,
        *gateways: str,
        capacity: int = 4,
        at_once: bool = True,
    ) -> AsyncIterator[Device]:
        device = Device(name, capacity, at_once)
        urls = ",".join(self.gateways[each].url for each in gateways)
        token = await self.token(name, gateways[0])
        async with connect(
            urls,
            role="device",
            name=name,
            card=device.card,
            credential=token,
            inventory=device.inventory,
            on_open=device.opened,
            on_messages=device.take,
        ) as link:
            device.link = link
            await link.ready()
            yield device

    async def token(self, name: str, gateway: str) -> str:
        access = self.gateways[gateway].access
        _, token = access.credentials.issue(name, "device", 0.0)
        for each in self.gateways.values():
            await eventually(lambda each=each: each.access.credentials.find(name))  # type: ignore[misc]
        return token


def new_fabric(kind: str) -> str:
    """A name that no other test has, as all of them share a NATS server."""
    return f"{kind}{next(_FABRICS)}"


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait for something that the cluster brings about by itself, and tells nobody."""
    with anyio.fail_after(100):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.01)


@asynccontextmanager
async def cluster_of(
    url: str,
    fabric: str,
    folder: Path,
    *,
    orchestrators: int = 2,
    gateways: int = 2,
    lease_s: float = 3.0,
    **at_gateways: Any,
) -> AsyncIterator[Cluster]:
    """A cluster for as long as the context is open.

    Args:
        lease_s: long enough that nobody loses it because the tests keep the machine busy.
        at_gateways: settings of the hub at gateways.
    """
    async with AsyncExitStack(), anyio.create_task_group() as tasks:
        cluster = Cluster(url, fabric, folder, tasks, lease_s)
        cluster.at_gateways = at_gateways
        for n in range(orchestrators):
            await cluster.add_orchestrator(f"o{n + 1}")
        for n in range(gateways):
            await cluster.add_gateway(f"g{n + 1}")
        yield cluster
        tasks.cancel_scope.cancel()


def chain(count: int, skill: str = "work") -> list[dict[str, Any]]:
    """Edits of tasks one after the other."""
    tasks = [{"id": f"t{n}", "skill": skill, "arguments": {"n": n}} for n in range(count)]
    added = [{"op": "add_task", "task": task} for task in tasks]
    joined = [
        {"op": "add_dependency", "dependency": {"source": f"t{n}", "target": f"t{n + 1}"}}
        for n in range(count - 1)
    ]
    return added + joined


def independent(count: int, skill: str = "work") -> list[dict[str, Any]]:
    """Edits of tasks that need not wait for one another."""
    tasks = [{"id": f"t{n}", "skill": skill, "arguments": {"n": n}} for n in range(count)]
    return [{"op": "add_task", "task": task} for task in tasks]


async def ended(client: Link, constellation: str) -> list[dict[str, Any]]:
    """Wait for the end of a constellation; return all facts about it, as they were told."""
    subscribed = await client.request("subscribe", {"constellation": constellation, "after": 0})
    facts = []
    with anyio.fail_after(100):
        async for event in client.events(subscribed["subscription"]):
            if "seq" in event:
                facts.append(dict(event))
            if event["kind"] == "ended":
                break
    return facts
