"""A real hub and real device agents in one process, with skills that a test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from agents.artifacts import Artifacts
from agents.card import make_card
from agents.context import Context
from agents.handover import Handover
from agents.policy import Policy
from agents.roots import Roots
from agents.runtime import Agent
from agents.service import Service
from agents.settings import AgentSettings
from agents.skills import Registry, skill
from agents.store import Store
from agents.streams import DeviceStreams
from constellation.aip.backoff import Backoff
from constellation.aip.client import Link, connect
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.config import LocalHub, Settings
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.service import open_hub
from constellation.testing.proxy import TcpProxy, tcp_proxy


class Hand:
    """What skills of a test wait for, and what they did.

    Attributes:
        allowed: how many items the source may put out; None for all it has.
        taken: items that readers took, by attempt.
        emitted: items for which ``emit`` has returned, by attempt.
        ahead: the most that any source was ahead of its reader.
        may_take: how many items readers may take; None for all that come.
        fails_at: the source fails instead of putting out that item, in its first attempt.
        stops_at: readers read no more than so many items.
    """

    def __init__(self) -> None:
        self.allowed: int | None = None
        self.may_take: int | None = None
        self.fails_at: int | None = None
        self.stops_at: int | None = None
        self.taken: dict[str, list[int]] = {}
        self.emitted: dict[str, list[int]] = {}
        self.errors: dict[str, str] = {}
        self.ahead = 0
        self._moved = asyncio.Event()

    def moved(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def until(self, condition: Callable[[], Any]) -> None:
        with anyio.fail_after(20):
            while not condition():
                await self._moved.wait()

    def set(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)
        self.moved()


def skills_of(hand: Hand) -> Registry:
    """``count`` puts out numbers, ``pass`` reads and puts out, ``total`` and ``strict`` read."""

    @skill("count", effect="read")
    async def count(to: int, context: Context, size: int = 0) -> str:
        mine = hand.emitted.setdefault(context.attempt, [])
        hand.moved()
        for number in range(to):
            await hand.until(lambda n=number: hand.allowed is None or n < hand.allowed)
            if number == hand.fails_at and context.attempt.endswith("/1"):
                raise ValueError("it broke")
            await context.emit([number, "x" * size] if size else number)
            mine.append(number)
            others = [len(each) for each in hand.taken.values()]
            hand.ahead = max(hand.ahead, len(mine) - min(others, default=0))
            hand.moved()
        return "done"

    async def take(numbers: AsyncIterator[Any], context: Context) -> list[int]:
        mine = hand.taken.setdefault(context.attempt, [])
        if hand.stops_at == 0:
            return mine
        try:
            async for item in numbers:
                mine.append(item[0] if isinstance(item, list) else item)
                hand.moved()
                await hand.until(lambda: hand.may_take is None or len(mine) < hand.may_take)
                if len(mine) == hand.stops_at:
                    break
        except Exception as error:
            hand.errors[context.attempt] = getattr(error, "code", str(error))
            hand.moved()
            raise
        return mine

    @skill("total", effect="read")
    async def total(numbers: AsyncIterator[Any], context: Context) -> int:
        return sum(await take(numbers, context))

    @skill("strict", effect="write")
    async def strict(numbers: AsyncIterator[Any], context: Context) -> int:
        return sum(await take(numbers, context))

    @skill("pass", effect="read")
    async def hand_on(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        async for number in numbers:
            yield number + 1

    @skill("both", effect="read")
    async def both(first: AsyncIterator[int], second: AsyncIterator[int]) -> list[int]:
        return [sum([x async for x in first]), sum([x async for x in second])]

    @skill("plain", effect="read")
    async def plain(numbers: list[int]) -> int:
        return sum(numbers)

    @skill("list", effect="read")
    async def listing() -> list[int]:
        return [1, 2, 3]

    return Registry([count, total, strict, hand_on, both, plain, listing])


class Device:
    """A device agent, without the process around it.

    Attributes:
        proxy: cuts its connection.
    """

    def __init__(self, fabric: Fabric, name: str, capacity: int, registry: Registry) -> None:
        self.name = name
        self._fabric = fabric
        self._settings = AgentSettings(
            "", name, fabric.folder / "devices", kind="test", capacity=capacity
        )
        self._registry = registry
        self._credential: str | None = None
        self.limits: Limits | None = None
        self.proxy: TcpProxy | None = None
        self.streams = DeviceStreams()
        self.link: Link | None = None
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Device]:
        code = None
        if self._credential is None:
            offer = await self._fabric.client.request("pair", {"name": self.name})
            code = offer["code"]
        with Store(self._settings.folder) as store:
            handover, artifacts = Handover(store), Artifacts()
            streams = self.streams = DeviceStreams()
            agent = Agent(
                self._registry,
                handover,
                artifacts,
                capacity=self._settings.capacity,
                roots=Roots(()),
                policy=Policy(),
                streams=streams,
            )
            ready, registry = anyio.Event(), self._registry
            service = Service(
                self._settings,
                agent,
                handover,
                ready.set,
                registry,
                lambda up: None,
                (),
                (),
                streams,
            )
            try:
                async with (
                    tcp_proxy("127.0.0.1", self._fabric.port) as self.proxy,
                    connect(
                        f"ws://127.0.0.1:{self.proxy.port}/aip",
                        role="device",
                        name=self.name,
                        card=make_card(self._settings, self._registry),
                        credential=self._credential,
                        pair_code=code,
                        limits=self.limits,
                        backoff=Backoff(lambda: 0.0, most_s=0.05),
                        heartbeat=Heartbeat(interval_s=1.0, timeout_s=3.0),
                        inventory=agent.inventory,
                        on_open=service.on_open,
                        on_messages=service.on_messages,
                        on_detached=service.on_detached,
                        on_credential=self._keep,
                    ) as link,
                ):
                    self.link = service.link = artifacts.link = link
                    streams.listen(link)
                    await ready.wait()
                    yield self
            finally:
                agent.stop_all()
                handover.close()

    async def start(self) -> None:
        started, self._stopping = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._live(started))
        await started.wait()

    async def _live(self, started: asyncio.Event) -> None:
        try:
            async with self.running():
                started.set()
                await self._stopping.wait()
        finally:
            started.set()

    async def stop(self) -> None:
        """The process is gone; what it remembers on disk stays."""
        self._stopping.set()
        await self._task

    def _keep(self, token: str) -> None:
        self._credential = token


class Fabric:
    """A hub that can be started again, its client, and its devices."""

    def __init__(self, folder: Path, **hub: Any) -> None:
        self.folder = folder
        self.hand = Hand()
        self._options = {"port": 0, "grace_s": 5.0, **hub}
        self._devices: list[Device] = []
        self._hub_stack = AsyncExitStack()
        self.hub: Hub
        self.client: Link

    async def start_hub(self) -> None:
        state = self.folder / "hub"
        settings = Settings.model_validate({"state_dir": state, "hub": self._options})
        self.hub = await self._hub_stack.enter_async_context(open_hub(settings))
        # Devices find the next one at the same place.
        self._options["port"] = self.port
        local = LocalHub.find(state)
        assert local is not None
        token = local.token.get_secret_value()
        self.client = await self._hub_stack.enter_async_context(
            connect(self.hub.url, role="client", name="tester", credential=token)
        )
        await self.client.ready()

    @property
    def port(self) -> int:
        return int(self.hub.url.rpartition(":")[2].partition("/")[0])

    async def stop_hub(self) -> None:
        await self._hub_stack.aclose()
        self._hub_stack = AsyncExitStack()

    async def device(
        self,
        name: str,
        capacity: int = 4,
        only: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> Device:
        everything = skills_of(self.hand)
        registry = Registry([each for each in everything if not only or each.name in only])
        made = Device(self, name, capacity, registry)
        made.limits = limits
        await made.start()
        self._devices.append(made)
        return made

    async def submit(self, *tasks: dict[str, Any], edges: Sequence[dict[str, Any]] = ()) -> str:
        edits = [{"op": "add_task", "task": task} for task in tasks]
        edits += [{"op": "add_dependency", "dependency": edge} for edge in edges]
        answer = await self.client.request("submit", {"edits": edits})
        return str(answer["constellation"])

    async def ended(self, constellation: str) -> dict[str, dict[str, Any]]:
        answer = await self.client.request(
            "subscribe", {"constellation": constellation, "after": 0}
        )
        with anyio.fail_after(20):
            async for event in self.client.events(answer["subscription"]):
                if event["kind"] == "ended":
                    break
        return await self.nodes(constellation)

    async def nodes(self, constellation: str) -> dict[str, dict[str, Any]]:
        shown = await self.client.request("show", {"constellation": constellation})
        return {node["task"]["id"]: node for node in shown["graph"]["nodes"]}

    async def close(self) -> None:
        for device in self._devices:
            await device.stop()
        await self.stop_hub()


@asynccontextmanager
async def fabric(folder: Path, **hub: Any) -> AsyncIterator[Fabric]:
    made = Fabric(folder, **hub)
    try:
        await made.start_hub()
        yield made
    finally:
        await made.close()
