"""One life of an orchestrator: a hub whose devices and clients are at gateways.

It owns constellations by claims, and holds a lease as long as it lives. When its lease is over, or
the log refuses what it writes, this life ends as if it had been killed: nothing of it is carried
on, and whoever owns its constellations then takes them from the log. The next life begins afresh.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from nats.aio.client import Client

from constellation.aip.cards import DeviceCard
from constellation.aip.messages import Hello
from constellation.errors import JournalError, Unanswered
from constellation.orchestrator.events import DeviceDraining
from constellation.orchestrator.hub import Hub

from .book import Book
from .claims import Claims
from .errands import Errands
from .estate import Estate
from .journal import JetStreamJournal
from .keeper import Keeper
from .ledger import constellation_of
from .mesh import Mesh
from .names import Names
from .notices import Notices
from .permits import Permits
from .remote import RemoteDevice
from .tenure import Tenure

log = logging.getLogger("constellation.cluster")


class Orchestrator:
    """Stands between a hub and the gateways.

    Args:
        hub: with a `JetStreamJournal`.
        book: where is written who has which exclusive resources.
        grace_s: how long devices are waited for whose gateway is gone.
        patience_s: how long NATS is waited for when that has to be known.
        read_permissions: reads what credentials permit; False if it cannot be read now.

    Attributes:
        estate: the constellations that it owns.
    """

    def __init__(
        self,
        nats: Client,
        names: Names,
        me: str,
        hub: Hub,
        journal: JetStreamJournal,
        claims: Claims,
        tenure: Tenure,
        book: Book,
        *,
        grace_s: float,
        patience_s: float,
        read_permissions: Callable[[], Awaitable[bool]],
    ) -> None:
        self.hub = hub
        self.me = me
        self._journal = journal
        self._claims = claims
        self._grace_s = grace_s
        self.keeper = Keeper(tenure, claims, self._take, self._resign)
        self._mesh = Mesh(nats, names, me, "orchestrator", self, may_speak=self.keeper.holds)
        self.estate = Estate(hub, me, journal, claims, book, patience_s, self._mesh.say_all)
        self._errands = Errands(hub, self.estate, self._mesh.say)
        self._notices = Notices(nats, names)
        self._devices: dict[str, RemoteDevice] = {}
        self._over = anyio.Event()
        self._permits = Permits(read_permissions, hub.start, self._may_work)

    async def run(self, tasks: TaskGroup) -> None:
        """Serve until the lease is over.

        Raises:
            JournalError: the journal cannot be written, or refuses us.
        """
        self.hub.observers.subscribe(self._notices, after=2**62)
        tasks.start_soon(self.hub.run, tasks)
        tasks.start_soon(self._notices.run)
        tasks.start_soon(self.estate.allotting.run)
        tasks.start_soon(self.keeper.run, tasks)
        await self._mesh.run(tasks)
        await self._over.wait()

    async def leave(self) -> None:
        """Let others take over at once what is owned here."""
        await self._mesh.tell_all("leaving")
        try:
            await self._claims.leave()
            learned = self.hub.scheduler.snapshot_learned()
            await to_thread.run_sync(self._journal.maintain, learned)
        except (Unanswered, JournalError) as error:
            log.warning("Something was left behind: %s", error)

    async def _take(self, constellation: str, epoch: int) -> None:
        await self.estate.take(constellation, epoch)

    def _resign(self) -> None:
        log.warning("The lease of %s is over.", self.me)
        self._over.set()

    # ── the mesh ────────────────────────────────────────────────────────────────────────────────

    def opened_channel(self, peer: str) -> None:
        """There is a fresh channel to a gateway, which says next what it has."""
        self._mesh.say(peer, "owns", list(self.estate.owned.items()), None)

    def lost(self, peer: str) -> None:
        """A gateway is gone; its devices have the grace time to appear at another."""
        loop = asyncio.get_running_loop()
        for device in [each for each in self._devices.values() if each.gateway == peer]:
            self.hub.detached(device, "its gateway is gone")
            loop.call_later(self._grace_s + 1.0, self._close, device, "its gateway is gone")
        self._errands.lost(peer)

    def told(self, peer: str, body: list[Any]) -> None:
        """Nothing that is told to all concerns us."""

    def heard(self, peer: str, message: list[Any]) -> None:
        """A gateway says something."""
        kind, *rest = message
        match kind:
            case "joined":
                self._joined(peer, *rest)
            case "request":
                self._errands.take(peer, *rest)
            case "gone":
                self._errands.gone(peer, *rest)
            case "fenced":
                there = [each for each in self._devices.values() if each.gateway == peer]
                constellation, epoch, known = rest
                self.estate.fenced(constellation, epoch, known, there)
            case _:
                name, session, *rest = rest
                device = self._devices.get(name)
                if device is not None and (device.gateway, device.session) == (peer, session):
                    self._from_device(device, kind, rest)

    # ── devices ─────────────────────────────────────────────────────────────────────────────────

    def _joined(
        self,
        gateway: str,
        plain: Mapping[str, Any],
        session: str,
        since: float,
        running: list[str],
        held: list[str],
        users: list[str],
        connected: bool,
        draining: bool,
        address: str,
    ) -> None:
        device = RemoteDevice(
            self._mesh.say,
            self.estate.owned.get,
            gateway=gateway,
            session=session,
            since=since,
            card=DeviceCard.model_validate(plain),
            address=address,
        )
        older = self._devices.get(device.name)
        if older is not None and older.since > since:
            return
        device.users = frozenset(users)
        self._devices[device.name] = device
        # A gateway that has not heard of what is there yet learns who speaks for it.
        epochs = self.estate.owned
        there = {constellation_of(attempt) for attempt in (*running, *held)} & epochs.keys()
        owned = [(name, epochs[name]) for name in sorted(there)]
        self._mesh.say(gateway, "owns", owned, device.name)
        hello = Hello(
            version=(1,),
            role="device",
            name=device.name,
            card=device.shared_card(self.me),
            running=tuple(filter(self._is_ours, running)),
            held=tuple(filter(self._is_ours, held)),
        )
        self.hub.opened(device, hello, False)
        if older is not None:
            self.hub.telemetry.sessions["device"] -= 1
        if draining:
            self.hub.feed(DeviceDraining(device.name))
        if not connected:
            self.hub.detached(device, "it is not connected to its gateway")
        self.hub.pipeline.flush()
        self._permits.came(device)

    def _may_work(self, devices: Sequence[RemoteDevice]) -> None:
        for device in devices:
            device.is_read = True
            if self._devices.get(device.name) is device:
                self.hub.publish(device.shared_card(self.me))
        self.hub.pipeline.flush()

    def _is_ours(self, attempt: str) -> bool:
        return constellation_of(attempt) in self.estate.owned

    def _from_device(self, device: RemoteDevice, kind: str, rest: list[Any]) -> None:
        hub = self.hub
        match kind, rest:
            case "said", [said]:
                # What we do not own is not ours to secure: its gateway keeps it.
                messages = device.took([each for each in said if self._concerns_us(each[2])])
                if messages:
                    hub.received(device, messages)
            case "returned", []:
                hello = Hello(version=(1,), role="device", name=device.name)
                hub.opened(device, hello, True)
            case "detached", [reason]:
                hub.detached(device, reason)
            case "closed", [reason]:
                self._close(device, reason)
            case "card", [plain]:
                device.card = DeviceCard.model_validate(plain)
                self._update(device)
            case "share", [users]:
                device.users = frozenset(users)
                self._update(device)

    def _concerns_us(self, body: Mapping[str, Any]) -> bool:
        attempt = body.get("attempt") or next(iter(body.get("attempts", ())), None)
        return attempt is None or self._is_ours(attempt)

    def _update(self, device: RemoteDevice) -> None:
        self.hub.publish(device.shared_card(self.me))
        self.hub.pipeline.flush()

    def _close(self, device: RemoteDevice, reason: str) -> None:
        if self._devices.get(device.name) is device and self.keeper.holds():
            del self._devices[device.name]
            self.hub.closed(device, reason)
