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
from pydantic import ValidationError

from constellation.aip.auth import StoreAuthenticator
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.messages import Hello, Message
from constellation.errors import (
    ConstellationError,
    PermissionDenied,
    ProtocolError,
    RemoteProtocolError,
)
from constellation.graph.task import Outcome, TaskState
from constellation.planner.ports import Planner
from constellation.tracing import Tracer

from .answering import RequestDesk
from .artifacts import is_hash
from .audit import AuditLog
from .auditing import Auditor
from .delivery import Delivery
from .events import (
    Answer,
    ArtifactsHeld,
    Assign,
    AttemptFinished,
    AttemptRejected,
    AttemptsFinished,
    CancelAttempt,
    DeviceDetached,
    DeviceDraining,
    DeviceJoined,
    DeviceLost,
    DeviceReturned,
    DeviceUpdated,
    Event,
    Fact,
    InputRequired,
    Instruction,
    Notify,
    Revise,
)
from .gate import Gate
from .live import Live
from .observers import Observers
from .pipeline import Pipeline
from .ports import JournalPort, PeerPort
from .rates import Rates
from .revising import Revising
from .scheduler import Scheduler
from .sealing import SealBroken, Vault
from .telemetry import Telemetry
from .traces import Traces, Untraced
from .tracing import TracedHub

CATCH_UP_S = 0.05
_STATES = {state.value: state for state in TaskState}
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

    Attributes:
        url: where it listens, once it does.
        fingerprint: of its own authority, which devices compare; empty if it has none.
        metrics_port: where metrics are served, on this machine; None if they are not.
        telemetry: what it counts of itself.
        traces: what it tells of requests and tasks.
        live: what devices show as it happens.
        started_at: Unix seconds.
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
        self._requests = RequestDesk(self)
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

    def permissions_changed(self, name: str) -> None:
        """A credential may be used for something else now: a device is given only that from now on.

        The wake-up is ended by whoever began it.
        """
        if name in self._published and name in self._devices:
            self.publish(self._published[name])

    def publish(self, card: DeviceCard) -> None:
        """A device says something else of itself; the wake-up is ended by whoever began it."""
        self.feed(DeviceUpdated(self._permitted(card)))

    def _skill_cards(self, skill: str) -> list[SkillCard]:
        devices = [each for each in self.scheduler.devices.values() if skill in each.skills]
        return [found for each in devices if (found := each.card.skill(skill)) is not None]

    def _permitted(self, card: DeviceCard) -> DeviceCard:
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
            card = self._permitted(hello.card or DeviceCard(name=peer.name, capacity=0))
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
                self._from_device(peer, part)
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

    def _from_device(self, peer: PeerPort, messages: Sequence[Message]) -> None:
        finished: list[AttemptFinished] = []
        for message in messages:
            if message.type == "result":
                finished.append(_finished(peer.name, message.body))
                continue
            if finished:
                self._feed_from(peer, AttemptsFinished(finished))
                finished = []
            self._one_from_device(peer, message.type, message.body)
        if finished:
            self._feed_from(peer, AttemptsFinished(finished))

    def _one_from_device(self, peer: PeerPort, type: str, body: Mapping[str, Any]) -> None:
        match type:
            case "accept" | "progress" | "output":
                self._pass_on(peer, type, body)
            case "reject":
                self._feed_from(peer, AttemptRejected(peer.name, body["attempt"], body["error"]))
            case "input_required":
                self._feed_from(peer, InputRequired(peer.name, body["attempt"], body["question"]))
            case "card":
                self._update_card(peer, body["card"])
            case "have":
                hashes = tuple(filter(is_hash, body["hashes"]))
                self._feed_from(peer, ArtifactsHeld(peer.name, hashes))
            case "drain":
                self._feed_from(peer, DeviceDraining(peer.name))

    def _update_card(self, peer: PeerPort, plain: Mapping[str, Any]) -> None:
        try:
            card = DeviceCard.model_validate(plain)
        except ValidationError as error:
            peer.complain(RemoteProtocolError(f"The card is wrong: {error.errors()[0]['msg']}."))
            return
        if card.name != peer.name:
            peer.complain(PermissionDenied(f"{peer.name} may not publish a card of {card.name}."))
            return
        self._feed_from(peer, DeviceUpdated(self._permitted(card)))

    def _feed_from(self, peer: PeerPort, event: Event) -> None:
        try:
            self.feed(event)
        except ConstellationError as error:
            # A device that says what cannot be is told so; nobody else is harmed.
            peer.complain(error)

    def _pass_on(self, peer: PeerPort, type: str, body: Mapping[str, Any]) -> None:
        """Show observers what runs; the scheduler need not know."""
        if not len(self.observers):
            return
        running = self.scheduler.devices[peer.name].running
        for attempt in body["attempts"] if type == "accept" else (body["attempt"],):
            if attempt in running:
                constellation, task, _ = attempt.split("/")
                event = {**body, "attempt": attempt, "task": task, "device": peer.name}
                self.notify(Notify(self.pipeline.now(), constellation, type, event))


def _finished(device: str, body: Mapping[str, Any]) -> AttemptFinished:
    outcome = Outcome(_STATES[body["state"]], body.get("output"), body.get("error"))
    return AttemptFinished(
        device, body["attempt"], outcome, body.get("duration_s"), body.get("usage")
    )
