"""The hub: constellations, device sessions and clients, around one `Pipeline`.

It is the `Application` of the AIP server: messages of devices become events of the scheduler,
requests of clients become events or answers, and the scheduler's instructions become messages. A
message is acknowledged once everything that follows from it is in the journal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anyio.abc import TaskGroup

from constellation.aip.auth import StoreAuthenticator
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.messages import Hello, Message
from constellation.aip.peer import Peer
from constellation.aip.pipes import IncomingStream
from constellation.errors import ProtocolError
from constellation.graph.task import Outcome, TaskState
from constellation.planner.ports import Planner
from constellation.tracing import Tracer

from .answering import RequestDesk
from .audit import AuditLog
from .auditing import Auditor
from .delivery import Delivery
from .events import (
    Answer,
    Assign,
    AttemptFinished,
    AttemptRejected,
    CancelAttempt,
    DeviceDetached,
    DeviceJoined,
    DeviceLost,
    DeviceReturned,
    DeviceUpdated,
    Event,
    Fact,
    FreeResources,
    Instruction,
    Notify,
    Revise,
    WantResources,
)
from .gate import Gate
from .hearing import Hearing
from .live import Live
from .observers import Observers
from .pipeline import Pipeline
from .ports import JournalPort, PeerPort
from .rates import Rates
from .revising import Revising
from .scheduler import Scheduler
from .sealing import SealBroken, Vault
from .spool import SpoolFolder
from .streaming import Streaming
from .streams import KEPT_BYTES
from .telemetry import Telemetry
from .traces import Traces, Untraced
from .tracing import TracedHub

CATCH_UP_S = 0.05
# Characters of a reason that a device is told: every device takes so much.
MAX_REASON = 200
# Messages of a frame after which what follows from them is sent: devices work while we go on.
# Fewer cost more frames, more leave devices and hub waiting for one another.
STRIDE = 48


class Hub:
    """Holds the constellations and the sessions.

    Args:
        scheduler: the machine, empty; `run` restores it from the journal.
        journal: where facts go before they are acted on.
        planner: turns requests into edits.
        access: who may connect.
        new_id: makes the id of a constellation.
        revise_within_s: how long the dependents of an outcome wait for the planner's answer.
        tracer: where spans go; None for nowhere.
        audit: where is noted who did what; None for nowhere.
        rates: how often each credential may ask.
        secrets_key: the file of the key under which secrets of tasks are sealed.
        streams: the folder of what tasks put out for others; None if nothing flows here.
        streams_kept_bytes: so much is kept of each beyond what was read.

    Attributes:
        url: where it listens, once it does.
        fingerprint: of its own authority, which devices compare; empty if it has none.
        metrics_port: where metrics are served, on this machine; None if they are not.
        telemetry: what it counts of itself.
        traces: what it tells of requests and tasks.
        live: what devices show as it happens.
        streaming: what tasks put out for others while they run; None if nothing flows here.
        started_at: Unix seconds.
        on_resources: told of exclusive resources that are wanted, and of those given back.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        journal: JournalPort,
        planner: Planner,
        access: StoreAuthenticator,
        new_id: Callable[[], str],
        revise_within_s: float = 30.0,
        tracer: Tracer | None = None,
        audit: AuditLog | None = None,
        rates: Rates,
        secrets_key: Path,
        streams: Path | None = None,
        streams_kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.scheduler = scheduler
        self.journal = journal
        self.planner = planner
        self.access = access
        self.new_id = new_id
        self.revise_within_s = revise_within_s
        self.url = ""
        self.fingerprint = ""
        self.metrics_port: int | None = None
        self.started_at = time.time()
        self.on_resources: Callable[[WantResources | FreeResources], None] = lambda asked: None
        self.observers = Observers(journal)
        self.telemetry = Telemetry()
        self.live = Live()
        self.traces: Traces = Untraced()
        if tracer is not None:
            self.traces = TracedHub(tracer, scheduler.runs, lambda: self.pipeline.now())
        self.pipeline = Pipeline(
            scheduler,
            journal,
            act=self.traces.acting(self._act),
            publish=self.traces.publishing(self._publish),
            telemetry=self.telemetry,
        )
        self.gate = Gate(self, access.credentials)
        self.rates = rates
        self.vault = Vault(secrets_key, self._skill_cards)
        self.auditor = Auditor(audit, self.pipeline.fail)
        self._devices: dict[str, PeerPort] = {}
        self._published: dict[str, DeviceCard] = {}
        self._told: dict[str, PeerPort] = {}
        self._tasks: TaskGroup | None = None
        self._catching_up = False
        self.streaming: Streaming | None = None
        if streams is not None:
            folder = SpoolFolder(streams)
            self.streaming = Streaming(
                folder, scheduler, self._feed_now, self.live.take, streams_kept_bytes
            )
        self._requests = RequestDesk(self)
        self._hearing = Hearing(self)
        self._delivery = Delivery(self._send_now, self.start, self.pipeline.flush)
        self._revising = Revising(self)

    async def run(self, tasks: TaskGroup) -> None:
        """Serve until canceled.

        Raises:
            JournalError: the journal cannot be written; nothing was acted on that it lacks.
        """
        self._tasks = tasks
        await self.pipeline.run(tasks)

    # ── what requests need ──────────────────────────────────────────────────────────────────────

    def cards(self) -> list[DeviceCard]:
        """The cards of the devices that are connected now, with what they may be given."""
        return [self.scheduler.devices[name].card for name in self._devices]

    def owner_of(self, constellation: str) -> str | None:
        """The name of the credential that submitted a constellation; None if there is none."""
        run = self.scheduler.runs.get(constellation)
        if run is not None:
            return run.owner
        _, created = next(self.journal.facts(constellation), (0, None))
        return None if created is None else str(created.body["owner"])

    def on_stream(self, peer: Peer, stream: IncomingStream) -> None:
        """A peer opened a stream."""
        take = self.live.take if self.streaming is None else self.streaming.take
        take(peer, stream)

    def permissions_changed(self, name: str) -> None:
        """A credential may be used for something else now: a device is given only that from now on.

        The wake-up is ended by whoever began it.
        """
        if name in self._published and name in self._devices:
            self.publish(self._published[name])

    def publish(self, card: DeviceCard) -> None:
        """A device says something else of itself; the wake-up is ended by whoever began it."""
        self.feed(DeviceUpdated(self.permitted(card)))

    def _skill_cards(self, skill: str) -> list[SkillCard]:
        devices = [each for each in self.scheduler.devices.values() if skill in each.skills]
        return [found for each in devices if (found := each.card.skill(skill)) is not None]

    def permitted(self, card: DeviceCard) -> DeviceCard:
        """A card that a device published, with what it may be given."""
        self.vault.cards_changed()
        self._published[card.name] = card
        return self.gate.device_scope(card.name).filtered(card)

    def knows(self, constellation: str) -> bool:
        """True if a constellation of that id was ever submitted."""
        return constellation in self.scheduler.runs or self.journal.known(constellation)

    def feed(self, event: Event) -> None:
        """Give an event to the scheduler; the wake-up is ended by whoever began it.

        Raises:
            ConstellationError: the event was refused; nothing changed.
        """
        self.pipeline.feed(event)

    def _feed_now(self, event: Event) -> None:
        self.feed(event)
        self.pipeline.flush()

    def peer(self, device: str) -> PeerPort | None:
        """The session of a connected device."""
        return self._devices.get(device)

    def observe(self) -> dict[str, Any]:
        """What the hub counts of itself, as plain data."""
        return self.telemetry.to_plain(self.scheduler, self._devices)

    def start(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run something beside what goes on, until the hub stops."""
        if self._tasks is None:
            raise RuntimeError("the hub is not running")
        self._tasks.start_soon(function, *arguments)

    def report(self, what: str, fault: Exception) -> None:
        """Something met a mistake of ours: its traceback is reported, and the hub goes on."""
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"{what} hit a fault.", "exception": fault}
        )

    # ── instructions ────────────────────────────────────────────────────────────────────────────

    def _act(self, instruction: Instruction) -> None:
        match instruction:
            case Assign(device, body):
                self._assign(device, body)
            case CancelAttempt(device, attempt, reason):
                self._send(device, "cancel", {"attempt": attempt, "reason": reason[:MAX_REASON]})
            case Answer(device, body):
                self._send(device, "answer", body)
            case Notify():
                self.notify(instruction)
            case WantResources() | FreeResources():
                self.on_resources(instruction)
            case Revise():
                self.start(self._revising.answer, instruction)

    def _assign(self, device: str, body: Mapping[str, Any]) -> None:
        refusal = self.gate.refusal(device, body)
        if refusal is not None:
            self.feed(AttemptRejected(device, body["attempt"], refusal))
            return
        context = body["context"]
        node = self.scheduler.runs[context["constellation"]].constellation.nodes[context["task"]]
        try:
            clear = self.vault.opened(body, node.member_of or node.id)
        except SealBroken as error:
            outcome = Outcome(TaskState.FAILED, None, error.to_wire())
            self.feed(AttemptFinished(device, body["attempt"], outcome))
            return
        if "gang" in context:
            self._say_where(context["gang"])
        self._send(device, "assign", clear)

    def _say_where(self, gang: dict[str, Any]) -> None:
        """Where the members of a gang meet, unless the card of that device says so itself."""
        first = self._devices.get(gang["devices"][0])
        if not gang["host"] and first is not None:
            gang["host"] = first.address

    def _send(self, device: str, type: str, body: Mapping[str, Any]) -> None:
        peer = self._devices.get(device)
        if peer is None:
            return
        self._told[device] = peer
        self.tell(peer, type, body)

    def tell(self, peer: PeerPort, type: str, body: Mapping[str, Any]) -> None:
        """Send a message, once there is room for it."""
        self._delivery.send(peer, type, body)

    def _send_now(self, peer: PeerPort, type: str, body: Mapping[str, Any]) -> None:
        try:
            peer.send(type, body)
        except ProtocolError as error:
            # Larger or deeper than this device takes: as good as a refusal of its own.
            refusal = error.to_wire()
            if type == "assign":
                self.feed(AttemptRejected(peer.name, body["attempt"], refusal))
            elif type == "answer":
                outcome = Outcome(TaskState.FAILED, None, refusal)
                self.feed(AttemptFinished(peer.name, body["attempt"], outcome))

    def _publish(self, facts: list[Fact], last_seq: int) -> None:
        if self.streaming is not None:
            self.streaming.published(facts)
        if len(self.observers):
            self.observers.publish(facts, last_seq)
            self.serve_observers()

    def notify(self, notice: Notify) -> None:
        """Tell observers something that need not be remembered."""
        self.observers.notify(notice)
        self.serve_observers()

    def serve_observers(self) -> None:
        """See to it that observers who are behind are served from the journal."""
        if self.observers.behind and not self._catching_up:
            self._catching_up = True
            self.start(self._serve_slow_readers)

    async def _serve_slow_readers(self) -> None:
        try:
            while self.observers.behind:
                moved = self.observers.catch_up()
                await asyncio.sleep(0 if moved else CATCH_UP_S)
        finally:
            self._catching_up = False

    # ── sessions ────────────────────────────────────────────────────────────────────────────────

    def opened(self, peer: PeerPort, hello: Hello, resumed: bool) -> None:
        """A peer connected; a device's card is in its hello."""
        self.auditor.opened(peer, resumed)
        if not resumed:
            self.telemetry.sessions[peer.role] += 1
        if peer.role != "device":
            return
        self._devices[peer.name] = peer
        if resumed:
            self.feed(DeviceReturned(peer.name, peer.rtt_s))
        else:
            card = self.permitted(hello.card or DeviceCard(name=peer.name, capacity=0))
            self.feed(DeviceJoined(card, tuple(hello.running), tuple(hello.held), peer.rtt_s))
        self.pipeline.flush()

    def detached(self, peer: PeerPort, reason: str) -> None:
        """The link is down; the session may come back."""
        if self._devices.get(peer.name) is peer:
            self.feed(DeviceDetached(peer.name))
            self.pipeline.flush()

    def closed(self, peer: PeerPort, reason: str) -> None:
        """The session is gone for good."""
        self.auditor.closed(peer, reason)
        self.observers.forget(peer)
        self._requests.forget(peer)
        self.live.forget(peer)
        self.telemetry.sessions[peer.role] -= 1
        if self._devices.get(peer.name) is peer:
            del self._devices[peer.name]
            self._published.pop(peer.name, None)
            self.feed(DeviceLost(peer.name, reason))
            self.pipeline.flush()

    def received(self, peer: PeerPort, messages: Sequence[Message]) -> None:
        """Messages of one frame, in order."""
        for start in range(0, len(messages), STRIDE):
            if start:
                self._send_off()
            part = messages[start : start + STRIDE]
            if peer.role == "device":
                self._hearing.take(peer, part)
            else:
                self._from_client(peer, part)
            self.pipeline.afterwards(partial(peer.acknowledge, part[-1].seq))
            self.pipeline.flush()
        self._told.clear()

    def _send_off(self) -> None:
        """Let devices begin what they were told so far while we go on."""
        for device in self._told.values():
            device.flush()
        self._told.clear()

    def _from_client(self, peer: PeerPort, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "request":
                self._requests.take(peer, message.body)
