"""One life of an orchestrator: a hub whose devices and clients are at gateways.

It owns constellations by claims, and holds a lease as long as it lives. When its lease is over, or
the log refuses what it writes, this life ends as if it had been killed: nothing of it is carried
on, and whoever owns its constellations then takes them from the log. The next life begins afresh.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from nats.aio.client import Client

from constellation.aip.cards import DeviceCard
from constellation.aip.identity import Identity
from constellation.aip.messages import Hello
from constellation.errors import Deposed, JournalError, Moved, Unanswered
from constellation.orchestrator.answering import RequestDesk
from constellation.orchestrator.events import DeviceAccounted, DeviceDraining, Fact
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.ports import Ended, Saved
from constellation.orchestrator.views import summary

from .claims import Claims
from .journal import JetStreamJournal
from .keeper import Keeper
from .ledger import constellation_of
from .mesh import Mesh
from .names import Names
from .notices import Notices
from .permits import Permits
from .remote import RemoteClient, RemoteDevice
from .tenure import Tenure

log = logging.getLogger("constellation.cluster")

# Verbs that may begin anew what has ended, and so make it ours.
_REOPENING = frozenset({"edit", "retry"})


class Orchestrator:
    """Stands between a hub and the gateways.

    Args:
        hub: with a `JetStreamJournal`.
        grace_s: how long devices are waited for whose gateway is gone.
        read_permissions: reads what credentials permit; False if it cannot be read now.

    Attributes:
        owned: constellations that we speak for, with our epochs.
        forgotten: says which are being forgotten, because they ended long ago.
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
        *,
        grace_s: float,
        read_permissions: Callable[[], Awaitable[bool]],
    ) -> None:
        self.hub = hub
        self.me = me
        self.owned: dict[str, int] = {}
        self.forgotten: Callable[[], Collection[str]] = tuple
        self._journal = journal
        journal.on_ended = self._ended
        self._claims = claims
        self._grace_s = grace_s
        self.keeper = Keeper(tenure, claims, self._take, self._resign)
        self._mesh = Mesh(nats, names, me, "orchestrator", self, may_speak=self.keeper.holds)
        self._notices = Notices(nats, names)
        self._desk = RequestDesk(hub)
        self._devices: dict[str, RemoteDevice] = {}
        self._clients: dict[tuple[str, str], RemoteClient] = {}
        self._asked: dict[str, str | None] = {}
        # Attempts that were taken over and of which no gateway has said yet what became of them.
        self._inherited: dict[str, dict[str, tuple[str, ...]]] = {}
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

    def _resign(self) -> None:
        log.warning("The lease of %s is over.", self.me)
        self._over.set()

    # ── the mesh ────────────────────────────────────────────────────────────────────────────────

    def opened_channel(self, peer: str) -> None:
        """There is a fresh channel to a gateway, which says next what it has."""
        self._mesh.say(peer, "owns", list(self.owned.items()), None)

    def lost(self, peer: str) -> None:
        """A gateway is gone; its devices have the grace time to appear at another."""
        loop = asyncio.get_running_loop()
        for device in [each for each in self._devices.values() if each.gateway == peer]:
            self.hub.detached(device, "its gateway is gone")
            loop.call_later(self._grace_s + 1.0, self._close, device, "its gateway is gone")
        for key in [key for key in self._clients if key[0] == peer]:
            self._desk.forget(self._clients.pop(key))

    def told(self, peer: str, body: list[Any]) -> None:
        """Nothing that is told to all concerns us."""

    def heard(self, peer: str, message: list[Any]) -> None:
        """A gateway says something."""
        kind, *rest = message
        match kind:
            case "joined":
                self._joined(peer, *rest)
            case "request":
                self._request(peer, *rest)
            case "gone":
                client = self._clients.pop((peer, rest[0]), None)
                if client is not None:
                    self._desk.forget(client)
            case "fenced":
                self._fenced(peer, *rest)
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
            self.owned.get,
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
        there = {constellation_of(attempt) for attempt in (*running, *held)} & self.owned.keys()
        owned = [(name, self.owned[name]) for name in sorted(there)]
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
        return constellation_of(attempt) in self.owned

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

    # ── constellations ──────────────────────────────────────────────────────────────────────────

    async def _take(self, constellation: str, epoch: int) -> None:
        """Take over a constellation whose owner is gone."""
        taken = await self._claims.replace(constellation, epoch)
        if taken is None:
            return
        try:
            saved, facts = await to_thread.run_sync(self._read, constellation, taken)
        except Deposed:
            return
        if saved.state is None and not facts:
            # It was claimed and never begun: whoever asked for it asks again.
            await self._let_go(constellation)
            return
        # First what says that nobody else speaks for it any more, then what follows from it.
        self.owned[constellation] = taken
        self._mesh.say_all("fence", constellation, taken)
        run = self.hub.pipeline.restore(saved, facts)
        if run.ended_at is not None:
            # Its owner died between its last commit and its release.
            await to_thread.run_sync(self._journal.end, constellation, summary(run))
            self.hub.scheduler.forget(constellation)
            await self._let_go(constellation)
            return
        inherited: dict[str, list[str]] = {}
        for task in run.live:
            for attempt in run.attempts(task):
                inherited.setdefault(attempt.device, []).append(attempt.id)
        self._inherited[constellation] = {
            name: tuple(attempts) for name, attempts in inherited.items()
        }
        log.info("%s took over %s with %d facts.", self.me, constellation, len(facts))
        self.hub.pipeline.take_up(constellation, len(facts))
        self.hub.pipeline.flush()

    def _read(self, constellation: str, epoch: int) -> tuple[Saved, list[Fact]]:
        self._journal.take(constellation, epoch)
        saved = self._journal.saved(constellation)
        return saved, [fact for _, fact in self._journal.facts(constellation, after=saved.seq)]

    def _fenced(
        self, gateway: str, constellation: str, epoch: int, devices: Mapping[str, list[Any]]
    ) -> None:
        """A gateway says what it knows of the attempts of a constellation that we took over."""
        if self.owned.get(constellation) != epoch:
            return
        inherited = self._inherited.get(constellation, {})
        for name, device in self._devices.items():
            if device.gateway != gateway or (name not in inherited and name not in devices):
                continue
            session, running, held = devices.get(name, (device.session, [], []))
            if session == device.session:
                asked = inherited.pop(name, ())
                self.hub.feed(DeviceAccounted(name, asked, frozenset(running) | frozenset(held)))
        self.hub.pipeline.flush()

    def _ended(self, ended: Ended) -> None:
        """A commit ended constellations: once it was acted on, nobody owns them any more."""
        for constellation, told in ended.items():
            if told is not None:
                self.hub.start(self._release, constellation)

    async def _release(self, constellation: str) -> None:
        run = self.hub.scheduler.runs.get(constellation)
        if run is None or run.ended_at is not None:
            await self._let_go(constellation)
            self._mesh.say_all("ended", constellation)

    async def _let_go(self, constellation: str) -> None:
        epoch = self._journal.epochs.get(constellation)
        self._journal.drop(constellation)
        self.owned.pop(constellation, None)
        self._inherited.pop(constellation, None)
        try:
            if epoch is not None:
                await self._claims.release(constellation, epoch)
        except Unanswered as error:
            # What is found of it later has ended, and is released then.
            log.warning("%s could not be released: %s", constellation, error)

    # ── requests ────────────────────────────────────────────────────────────────────────────────

    def _request(
        self,
        gateway: str,
        session: str,
        number: str,
        name: str,
        identity: list[Any],
        verb: str,
        params: dict[str, Any],
    ) -> None:
        client = self._clients.get((gateway, session))
        if client is None:
            client = RemoteClient(name, Identity(*identity), partial(self._respond, gateway))
            self._clients[gateway, session] = client
        body = {"id": number, "verb": verb, "params": params}
        constellation = params.get("id" if verb == "submit" else "constellation")
        if constellation is None or (verb != "submit" and constellation in self.owned):
            self._ask(client, body, None)
        else:
            self.hub.start(self._ask_later, gateway, client, body, constellation)

    def _ask(self, client: RemoteClient, body: dict[str, Any], made: str | None) -> None:
        self._asked[body["id"]] = made
        self._desk.take(client, body)
        self.hub.pipeline.flush()

    async def _ask_later(
        self, gateway: str, client: RemoteClient, body: dict[str, Any], constellation: str
    ) -> None:
        """Ask for something about what is not ours: it may be new, or have ended."""
        try:
            made = await self._make_ours(body["verb"], constellation)
        except (Unanswered, Deposed) as error:
            self._mesh.say(gateway, "respond", body["id"], {"error": error.to_wire()})
            return
        if made is None:
            moved = Moved(f"{constellation} is not ours.")
            self._mesh.say(gateway, "respond", body["id"], {"error": moved.to_wire()})
        else:
            self._ask(client, body, constellation if made else None)

    async def _make_ours(self, verb: str, constellation: str) -> bool | None:
        """Claim what a request is about, if it needs that; None if it is another's."""
        if constellation in self.forgotten():
            return None
        owner = await self._claims.owner(constellation)
        if owner is not None:
            if verb == "submit":
                # The same submission again: it is known, or somebody is still at work on it.
                known = await to_thread.run_sync(self._journal.note_known, constellation)
                return False if known else None
            return False if owner.owner == self.me else None
        if verb not in _REOPENING and verb != "submit":
            return False
        known = await to_thread.run_sync(self._journal.note_known, constellation)
        if known and verb == "submit":
            return False
        epoch = await self._claims.make(constellation)
        if epoch is None:
            return None
        if known:
            await to_thread.run_sync(self._journal.take, constellation, epoch)
        else:
            self._journal.begin(constellation, epoch)
        self.owned[constellation] = epoch
        return True

    def _respond(self, gateway: str, body: Mapping[str, Any]) -> None:
        number = body["id"]
        self._mesh.say(gateway, "respond", number, {k: v for k, v in body.items() if k != "id"})
        made = self._asked.pop(number, None)
        if made is not None and made not in self.hub.scheduler.runs:
            # What it was claimed for came to nothing.
            self.hub.start(self._let_go, made)
