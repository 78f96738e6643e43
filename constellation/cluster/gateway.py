"""The gateway: holds the sessions of devices and clients, and speaks for them with orchestrators.

It is the `Application` of the AIP server. It decides nothing: what a device says goes to the owner
of the attempt, what an owner says goes to the device, if the owner's epoch is the highest that was
heard of. It keeps nothing that could be lost with it (see `ledger`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import anyio
from anyio.abc import TaskGroup
from nats.aio.client import Client
from pydantic import ValidationError

from constellation.aip.auth import StoreAuthenticator
from constellation.aip.cards import DeviceCard
from constellation.aip.messages import Hello, Message
from constellation.aip.server import Peer
from constellation.errors import (
    PermissionDenied,
    ProtocolError,
    RemoteProtocolError,
    error_from_wire,
)
from constellation.orchestrator.auditing import Auditor
from constellation.orchestrator.delivery import Delivery
from constellation.orchestrator.ports import PeerPort
from constellation.orchestrator.rates import Rates
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.telemetry import Telemetry

from .claims import Claims
from .desk import Desk
from .guest import Guest
from .ledger import Said, constellation_of
from .leftovers import Leftovers
from .log import Log
from .mesh import Mesh
from .names import Names
from .routes import Routes

log = logging.getLogger("constellation.cluster")

# An orchestrator without work at a device keeps its share for so long.
SHARE_S = 1.0
_LEAVING = {"code": "task.rejected.leaving", "message": "It was taken back before it was sent."}


class Gateway:
    """See the module.

    Args:
        nats: the connection.
        names: of the subjects.
        me: names this life of this gateway.
        access: who may connect.
        auditor: notes who did what.
        rates: how often each credential may ask.
        claims: who owns what; asked about what no orchestrator speaks for.
        facts: the log, for those who watch.

    Attributes:
        url: where it listens, once it does.
        fingerprint: of its own authority, which devices compare; empty if it has none.
        metrics_port: where metrics are served, on this machine; None if they are not.
        telemetry: what it counts of itself.
    """

    def __init__(
        self,
        nats: Client,
        names: Names,
        me: str,
        access: StoreAuthenticator,
        auditor: Auditor,
        rates: Rates,
        claims: Claims,
        facts: Log,
    ) -> None:
        self.me = me
        self.url = ""
        self.fingerprint = ""
        self.metrics_port: int | None = None
        self.telemetry = Telemetry()
        self.access = access
        self.auditor = auditor
        self.rates = rates
        self.mesh = Mesh(nats, names, me, "gateway", self)
        self.routes = Routes()
        self.claims = claims
        self.desk = Desk(self, nats, names, facts)
        self._devices: dict[str, Guest] = {}
        self._delivery = Delivery(self._send_now, self.start, lambda: None)
        self._latest = 0.0
        self._tasks: TaskGroup | None = None

    async def run(self, tasks: TaskGroup) -> None:
        """Take part in the cluster until canceled; returns once it does."""
        self._tasks = tasks
        await self.desk.run(tasks)
        await self.mesh.run(tasks)
        leftovers = Leftovers(self._devices, self.routes, self.claims, self._delivery)
        tasks.start_soon(leftovers.run)

    def start(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run something beside what goes on, until the gateway stops."""
        if self._tasks is None:
            raise RuntimeError("the gateway is not running")
        self._tasks.start_soon(function, *arguments)

    def permissions_changed(self, name: str) -> None:
        """A credential may be used for something else: orchestrators learn that by themselves."""

    def observe(self) -> dict[str, Any]:
        """What it counts of itself, as plain data; of what orchestrators do it counts nothing."""
        peers = {name: device.peer for name, device in self._devices.items()}
        plain = self.telemetry.to_plain(Scheduler(), peers)
        plain["ready"] = sum(device.ledger.waiting for device in self._devices.values())
        plain["devices"] = {name: device.observe() for name, device in self._devices.items()}
        return plain

    # ── sessions ────────────────────────────────────────────────────────────────────────────────

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        """A peer connected."""
        self.auditor.opened(peer, resumed)
        if not resumed:
            self.telemetry.sessions[peer.role] += 1
        if peer.role != "device":
            return
        device = self._devices.get(peer.name)
        if resumed and device is not None and device.peer is peer:
            self.mesh.say_all("returned", device.name, device.session)
            return
        device = self._devices[peer.name] = Guest(peer, hello, self._later())
        for peer_id in self.mesh.peers:
            self._announce(peer_id, device)
        self.start(self.mesh.tell_all, "moved", device.name, device.since)

    def _later(self) -> float:
        """A time after every beginning of a session that was heard of, whatever clocks say.

        A logical clock that stays near Unix time (Kulkarni et al., "Logical Physical Clocks").
        """
        self._latest = max(time.time(), self._latest + 1e-6)
        return self._latest

    def _announce(self, orchestrator: str, device: Guest) -> None:
        running, held = device.ledger.account()
        self.mesh.say(
            orchestrator,
            "joined",
            device.card.model_dump(mode="json"),
            device.session,
            device.since,
            running,
            held,
            list(device.users),
            device.peer.is_connected,
            device.draining,
            device.peer.address,
        )

    def detached(self, peer: Peer, reason: str) -> None:
        """The connection is gone; the session may come back."""
        device = self._of(peer)
        if device is not None:
            self.mesh.say_all("detached", device.name, device.session, reason)

    def closed(self, peer: Peer, reason: str) -> None:
        """The session is gone for good."""
        self.auditor.closed(peer, reason)
        self.telemetry.sessions[peer.role] -= 1
        device = self._of(peer)
        if device is not None:
            del self._devices[peer.name]
            self.mesh.say_all("closed", device.name, device.session, reason)
        elif peer.role == "client":
            self.desk.forget(peer)
            self.mesh.say_all("gone", peer.session_id)

    def _of(self, peer: Peer) -> Guest | None:
        device = self._devices.get(peer.name)
        return device if device is not None and device.peer is peer else None

    # ── from devices and clients ────────────────────────────────────────────────────────────────

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        """Messages of one frame, in order."""
        device = self._of(peer)
        if device is None:
            for message in messages:
                if message.type == "request":
                    self.desk.take(peer, message.body)
            # What a client asked is lost with its gateway: it asks again at another.
            peer.acknowledge(messages[-1].seq)
            return
        for_owner: dict[str, list[Said]] = {}
        for message in messages:
            self._from_device(device, message, for_owner)
        for owner, said in for_owner.items():
            self.mesh.say(owner, "said", device.name, device.session, said)
        self._after(device)

    def _from_device(
        self, device: Guest, message: Message, for_owner: dict[str, list[Said]]
    ) -> None:
        type, seq, body = message
        ledger = device.ledger
        match type:
            case "result" | "reject" | "input_required" | "progress" | "output":
                said = ledger.take(seq, type, body)
                owner = self.routes.owner(constellation_of(body["attempt"]))
                if owner is not None:
                    for_owner.setdefault(owner, []).append(said)
                return
            case "accept":
                for attempt in body["attempts"]:
                    owner = self.routes.owner(constellation_of(attempt))
                    if owner is not None:
                        accepted = Said(0, "accept", {"attempts": [attempt]})
                        for_owner.setdefault(owner, []).append(accepted)
            case "card":
                self._update_card(device, body["card"])
            case "have" | "drain":
                device.draining = device.draining or type == "drain"
                said = Said(0, type, body)
                self.mesh.say_all("said", device.name, device.session, [said])
        ledger.pass_by(seq)

    def _update_card(self, device: Guest, plain: Mapping[str, Any]) -> None:
        try:
            card = DeviceCard.model_validate(plain)
        except ValidationError as error:
            wrong = RemoteProtocolError(f"The card is wrong: {error.errors()[0]['msg']}.")
            device.peer.complain(wrong)
            return
        if card.name != device.name:
            device.peer.complain(
                PermissionDenied(f"{device.name} may not publish a card of {card.name}.")
            )
            return
        device.card = card
        device.ledger.capacity = card.capacity
        self.mesh.say_all("card", device.name, device.session, card.model_dump(mode="json"))

    def _after(self, device: Guest) -> None:
        """What was said is taken in: acknowledge what is secured, and use the room there is now."""
        device.peer.acknowledge(device.ledger.secured)
        for body in device.ledger.take_waiting():
            self._delivery.send(device.peer, "assign", body)
        self._share(device)

    def _share(self, device: Guest) -> None:
        """Tell who shares the device: who is new at once, who has no work there any more soon."""
        users = device.ledger.users
        if users - device.users:
            self._tell_users(device, device.users | users)
        if device.users - users and not device.is_share_due:
            device.is_share_due = True
            self.start(self._share_later, device)

    async def _share_later(self, device: Guest) -> None:
        await anyio.sleep(SHARE_S)
        device.is_share_due = False
        if device.users - device.ledger.users:
            self._tell_users(device, device.ledger.users)

    def _tell_users(self, device: Guest, users: frozenset[str]) -> None:
        if users != device.users:
            device.users = users
            self.mesh.say_all("share", device.name, device.session, sorted(users))

    # ── the mesh ────────────────────────────────────────────────────────────────────────────────

    def opened_channel(self, peer: str) -> None:
        """An orchestrator has come: it is told of every device."""
        self.routes.open(peer)
        for device in self._devices.values():
            self._announce(peer, device)
        self.desk.came(peer)

    def lost(self, peer: str) -> None:
        """An orchestrator is gone; what it owns will be taken over."""
        self.routes.lose(peer)
        for device in self._devices.values():
            device.ledger.forget_owner(peer)
            self._share(device)
        self.desk.lost(peer)

    def told(self, peer: str, body: list[Any]) -> None:
        """A device has begun a session at another gateway: ours of it is over."""
        match body:
            case ["moved", name, since]:
                self._latest = max(self._latest, since)
                device = self._devices.get(name)
                if device is not None and device.since < since:
                    device.peer.close("it has begun a session elsewhere")

    def heard(self, peer: str, message: list[Any]) -> None:
        """An orchestrator says something."""
        kind, *rest = message
        match kind, rest:
            case "tell", [name, session, type, body]:
                device = self._devices.get(name)
                if device is not None and device.session == session:
                    self._tell(peer, device, type, body)
            case "secured", [name, session, seqs]:
                device = self._devices.get(name)
                if device is not None and device.session == session:
                    device.ledger.secure(seqs)
                    device.peer.acknowledge(device.ledger.secured)
            case "owns", [owned, only]:
                for constellation, epoch in owned:
                    if self.routes.admit(constellation, peer, epoch):
                        self._hand_over(peer, constellation, only)
            case "fence", [constellation, epoch]:
                if self.routes.admit(constellation, peer, epoch):
                    self._account(peer, constellation, epoch)
                    self._hand_over(peer, constellation, None)
            case "ended", [constellation]:
                self.routes.forget(constellation, peer)
            case "respond", [number, body]:
                self.desk.respond(number, body)
            case "complain", [name, session, error]:
                device = self._devices.get(name)
                if device is not None and device.session == session:
                    device.peer.complain(error_from_wire(error))

    def _account(self, owner: str, constellation: str, epoch: int) -> None:
        """Tell an owner that took over what is here of its constellation."""
        known = {}
        for device in self._devices.values():
            device.ledger.drop_waiting(constellation)
            device.ledger.pass_on(constellation, owner)
            self._share(device)
            running, held = device.ledger.account(constellation)
            if running or held:
                known[device.name] = [device.session, running, held]
        self.mesh.say(owner, "fenced", constellation, epoch, known)

    def _hand_over(self, owner: str, constellation: str, only: str | None) -> None:
        """Give an owner what was said of its constellation, by one device or by all."""
        for device in self._devices.values():
            unsecured = device.ledger.unsecured(constellation)
            if unsecured and only in (None, device.name):
                self.mesh.say(owner, "said", device.name, device.session, unsecured)
        self.desk.owned(constellation)

    def _tell(self, owner: str, device: Guest, type: str, body: dict[str, Any]) -> None:
        attempt = body["attempt"]
        if not self.routes.admit(constellation_of(attempt), owner, body["epoch"]):
            return
        if type == "assign":
            if device.ledger.give(owner, attempt, body):
                self._delivery.send(device.peer, type, body)
            self._share(device)
        elif type == "cancel" and device.ledger.withdraw(attempt):
            self._reject(device, attempt, _LEAVING)
        else:
            self._delivery.send(device.peer, type, body)

    def _send_now(self, peer: PeerPort, type: str, body: Mapping[str, Any]) -> None:
        try:
            peer.send(type, body)
        except ProtocolError as error:
            device = self._devices.get(peer.name)
            if device is not None and type == "assign":
                # Larger or deeper than this device takes: as good as a refusal of its own.
                device.ledger.refuse(body["attempt"])
                self._reject(device, body["attempt"], error.to_wire())

    def _reject(self, device: Guest, attempt: str, error: Mapping[str, Any]) -> None:
        owner = self.routes.owner(constellation_of(attempt))
        if owner is not None:
            said = Said(0, "reject", {"attempt": attempt, "error": error})
            self.mesh.say(owner, "said", device.name, device.session, [said])
