"""What a hub may rely on of those it speaks with, whether it or a gateway holds their sessions.

The same tests run with an AIP server and the application in one process, and with a gateway between
them: the application sees the same calls, in the same order, and a device the same messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from cluster_kit import Changing, Device, cluster_of, new_fabric, settings

from constellation.aip.client import connect
from constellation.aip.messages import Hello
from constellation.errors import SessionLost
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.ports import PeerPort
from constellation.orchestrator.service import open_hub

pytestmark = pytest.mark.anyio


class Watched(Changing):
    """The application of a hub, and what it was told of one device.

    Attributes:
        told: the names of the calls, without repetition of those that follow one another.
        peer: the device's session, as the hub has it.
        holding: messages that were taken and are not acknowledged, while ``hold`` is set.
    """

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.told: list[str] = []
        self.results: list[str] = []
        self.peer: PeerPort | None = None
        self.hold = False
        self._hub = hub
        for name in ("opened", "received", "detached", "closed"):
            setattr(hub, name, self._watching(name, getattr(hub, name)))

    def _watching(self, name: str, call: Callable[..., None]) -> Callable[..., None]:
        def watching(peer: PeerPort, *rest: Any) -> None:
            if peer.role == "device":
                self._note(name, peer, rest)
                if name == "received" and self.hold:
                    return
            call(peer, *rest)

        return watching

    def _note(self, name: str, peer: PeerPort, rest: Sequence[Any]) -> None:
        self.peer = peer
        if name == "received":
            self.results += [each.body["attempt"] for each in rest[0] if each.type == "result"]
        elif name == "opened":
            hello: Hello = rest[0]
            name = "returned" if rest[1] else f"opened {sorted(hello.running)} {sorted(hello.held)}"
        if not self.told or self.told[-1] != name:
            self.told.append(name)
        self.changed()


class World:
    """A hub and a way to it."""

    def __init__(self, watched: Watched, url: str, token: str, ask: Callable[..., Awaitable[Any]]):
        self.hub = watched
        self.url = url
        self.ask = ask
        self._token = token

    @asynccontextmanager
    async def device(self) -> AsyncIterator[Device]:
        device = Device("desk", 4, False)
        async with self.connected(device):
            yield device

    @asynccontextmanager
    async def connected(self, device: Device) -> AsyncIterator[None]:
        async with connect(
            self.url,
            role="device",
            name="desk",
            card=device.card,
            credential=self._token,
            inventory=device.inventory,
            on_open=device.opened,
            on_messages=device.take,
        ) as link:
            device.link = link
            await link.ready()
            yield

    async def submit(self, count: int = 1) -> str:
        task = {"skill": "once", "arguments": {}}
        edits = [{"op": "add_task", "task": {"id": f"t{n}", **task}} for n in range(count)]
        return str((await self.ask("submit", {"edits": edits}))["constellation"])


@asynccontextmanager
async def in_process(nats_url: str, folder: Path) -> AsyncIterator[World]:
    async with open_hub(settings(folder / "hub", grace_s=30.0)) as hub:
        _, token = hub.access.credentials.issue("desk", "device", 0.0)
        _, mine = hub.access.credentials.issue("me", "admin", 0.0)
        async with connect(hub.url, role="client", name="me", credential=mine) as client:
            await client.ready()
            yield World(Watched(hub), hub.url, token, client.request)


@asynccontextmanager
async def through_a_gateway(nats_url: str, folder: Path) -> AsyncIterator[World]:
    fabric = new_fabric("routing")
    async with cluster_of(nats_url, fabric, folder, orchestrators=1, gateways=1) as cluster:
        token = await cluster.token("desk", "g1")
        hub = cluster.lives["o1"].hub
        async with cluster.client("g1") as client:
            yield World(Watched(hub), cluster.gateways["g1"].url, token, client.request)


Opening = Callable[[str, Path], AbstractAsyncContextManager[World]]


@pytest.fixture(params=[in_process, through_a_gateway], ids=["in process", "through a gateway"])
async def world(
    request: pytest.FixtureRequest, nats_url: str, tmp_path: Path
) -> AsyncIterator[World]:
    opening: Opening = request.param
    async with opening(nats_url, tmp_path) as found:
        yield found


async def test_a_device_is_told_what_to_do_and_its_results_come_in_order(world: World) -> None:
    async with world.device() as device:
        await world.submit(4)
        await device.until(lambda: len(device.assigned) == 4)
        attempts = [body["attempt"] for body in device.assigned]
        device.finish_all()
        await world.hub.until(lambda: len(world.hub.results) == 4)
        assert world.hub.results == attempts
        await device.secured()
        assert not device.held


async def test_what_is_not_secured_is_not_acknowledged(world: World) -> None:
    async with world.device() as device:
        await world.submit(2)
        await device.until(lambda: len(device.assigned) == 2)
        world.hub.hold = True
        device.finish_all()
        await world.hub.until(lambda: len(world.hub.results) == 2)
        await world.ask("status", {})  # there and back again
        device.forget_secured()
        assert len(device.held) == 2


async def test_a_link_that_is_cut_is_told_and_so_is_its_return(world: World) -> None:
    async with world.device() as device:
        await world.submit(1)
        await device.until(lambda: device.running)
        assert device.link._transport is not None
        device.link._transport.end(4004, "cut")
        await world.hub.until(lambda: "returned" in world.hub.told)
        device.finish_all()
        await world.hub.until(lambda: world.hub.results)
        assert world.hub.told == ["opened [] []", "detached", "returned", "received"]


async def test_a_fresh_session_says_what_is_there(world: World) -> None:
    """As after a restart of the device, or of whatever held its session."""

    async def first_life(*, task_status: TaskStatus[Device]) -> None:
        with suppress(SessionLost):  # the second takes its place
            async with world.device() as device:
                task_status.started(device)
                await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        first: Device = await tasks.start(first_life)
        await world.submit(3)
        await first.until(lambda: len(first.assigned) == 3)
        running, held, lost = (body["attempt"] for body in first.assigned)
        second = Device("desk", 4, False)
        second.running[running] = first.running[running]
        second.held[held] = {"attempt": held, "state": "completed"}
        async with world.connected(second):
            # What it does not know of never began, and is given to it again.
            await second.until(lambda: second.assigned)
            assert second.assigned[0]["attempt"] == lost[:-1] + "2"
            second.finish_all()
            await world.hub.until(lambda: len(set(world.hub.results)) == 3)
            assert f"opened {[running]} {[held]}" in world.hub.told
            assert set(world.hub.results) == {running, held, second.assigned[0]["attempt"]}


async def test_a_device_that_says_goodbye_is_gone(world: World) -> None:
    async with world.device():
        await world.ask("status", {})
    await world.hub.until(lambda: world.hub.told[-1] == "closed")


async def test_a_cancel_and_a_complaint_reach_the_device(world: World) -> None:
    async with world.device() as device:
        name = await world.submit(1)
        await device.until(lambda: device.running)
        await world.ask("cancel", {"constellation": name})
        await device.until(lambda: device.other)
        (cancel,) = device.other
        assert (cancel.type, cancel.body["attempt"]) == ("cancel", next(iter(device.running)))
        device.link.send("result", {"attempt": next(iter(device.running)), "state": "canceled"})
        with anyio.fail_after(100):
            await device.link.drained()
