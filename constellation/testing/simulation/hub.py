"""A hub as small as it can be: sessions, scheduler and journal, and what joins them.

It does what `constellation.orchestrator.hub`, `pipeline` and `constellation.aip.server` do, in the
same order, and may die between any two steps of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from constellation.aip.cards import DeviceCard
from constellation.aip.codec import MSGPACK, Frame
from constellation.aip.hello import Hello
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.pipes import IncomingStream
from constellation.aip.session import Deliver, Ended, Instruction, Session, State, read_hello
from constellation.errors import ConstellationError, JournalError, ProtocolError
from constellation.graph.edits import Batch
from constellation.graph.task import Outcome, TaskState
from constellation.orchestrator.events import (
    Answer,
    Assign,
    AttemptFinished,
    AttemptRejected,
    AttemptsFinished,
    CancelAttempt,
    DeviceDetached,
    DeviceJoined,
    DeviceLost,
    DeviceReturned,
    EditRequested,
    Event,
    Fact,
    InputRequired,
    Reopened,
    Revise,
    Tick,
)
from constellation.orchestrator.events import Instruction as HubInstruction
from constellation.orchestrator.invariants import check
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.settings import Settings
from constellation.orchestrator.streaming import Streaming

from .checker import Checker
from .device import HEARTBEAT
from .endpoint import Endpoint
from .journal import MemoryJournal
from .network import Wire
from .world import Alarm, World

GRACE_S = 8.0
# The whole of the scheduler is looked through after every so many events.
CHECK_EVERY = 20

Planner = Callable[[Revise], None]


class Killed(Exception):
    """The hub dies here."""


class Peer(Endpoint):
    """The hub's end of a device's session."""

    def __init__(self, hub: Hub, hello: Hello, session: Session) -> None:
        super().__init__(hub.world, session, 1)
        self.name = hello.name
        self.role = "device"
        self.streams.takers[""] = partial(hub.streaming.take, self)
        # What was said, as long as it is not believed.
        self.hello: Hello | None = hello
        self._hub = hub

    def received(self, wire: Wire, frame: Frame) -> None:
        """See `Endpoint.received`."""
        self._hub.guarded(partial(self._received, wire, frame))

    def _received(self, wire: Wire, frame: Frame) -> None:
        if wire is self.wire and self.hello is not None:
            self._hub.begin(self, self.hello)
        super().received(wire, frame)

    def lost(self, wire: Wire) -> None:
        """See `Endpoint.lost`."""
        self._hub.guarded(partial(super().lost, wire))

    def ring(self) -> None:
        """See `Endpoint.ring`."""
        self._hub.guarded(super().ring)

    def detached(self) -> None:
        """See `Endpoint.detached`."""
        if self.session.state is not State.CLOSED and self.hello is None:
            self._hub.detached(self)

    def obey(self, instruction: Instruction) -> None:
        """See `Endpoint.obey`."""
        match instruction:
            case Deliver(messages):
                self._hub.received(self, messages)
            case Ended(reason):
                self.lose()
                self._hub.closed(self, reason)
            case _:
                super().obey(instruction)

    def put(self, wire: Wire) -> None:
        """Go on over this connection, whatever became of an older one."""
        self.leave()
        self.wire = wire


class _Door:
    """The hub's end of a connection: first a stranger's, then that of a session."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._peer: Peer | None = None

    def received(self, wire: Wire, frame: Frame) -> None:
        if self._peer is None:
            self._hub.guarded(partial(self._greet, wire, frame))
        else:
            self._peer.received(wire, frame)

    def _greet(self, wire: Wire, frame: Frame) -> None:
        self._peer = self._hub.greet(wire, frame)

    def lost(self, wire: Wire) -> None:
        if self._peer is not None:
            self._peer.lost(wire)


class Hub:
    """One process of the hub; the journal is what the next one goes on from.

    Args:
        journal: what survives.
        planner: is told of each revision that is wanted.

    Attributes:
        scheduler: the machine, restored from the journal.
        streaming: what tasks put out for others.
        alive: False once it is dead.
        fuse: how many steps it has to live; None for no end.
    """

    def __init__(
        self,
        world: World,
        checker: Checker,
        journal: MemoryJournal,
        settings: Settings,
        planner: Planner,
    ) -> None:
        self.world = world
        self.journal = journal
        self.scheduler = Scheduler(settings=settings)
        self.alive = True
        self.fuse: int | None = None
        self._checker = checker
        self._planner = planner
        self._peers: dict[str, Peer] = {}
        self._devices: dict[str, Peer] = {}
        self._facts: list[Fact] = []
        self._instructions: list[HubInstruction] = []
        self._afterwards: list[Callable[[], None]] = []
        self._events = 0
        self.streaming = Streaming(journal.spools, self.scheduler, self.take, _refuse)
        self._alarm = Alarm(world, lambda: self.guarded(partial(self.take, Tick())))

    def start(self) -> None:
        """Take up what the journal holds."""
        for name in self.journal.open_constellations():
            self.journal.replay(name, self.scheduler)
        self._sort(self.scheduler.recover(self.world.now))
        self.streaming.recover()
        self.guarded(self.flush)

    def crash(self) -> None:
        """The process is killed."""
        if self.alive:
            self.world.tell("the hub is killed")
            self.alive = False
            self._alarm.stop()
            for peer in [*self._peers.values()]:
                peer.abandon()

    def guarded(self, call: Callable[[], None]) -> None:
        """Run one entry into the hub, which may be its last."""
        if not self.alive:
            return
        try:
            call()
        except (Killed, JournalError):
            # What cannot be remembered must not be done: a hub without a journal stops.
            self.crash()

    def _step(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                raise Killed

    # ── events in, instructions out ─────────────────────────────────────────────────────────────

    def take(self, event: Event) -> None:
        """An event by itself, and what follows from it."""
        self.feed(event)
        self.flush()

    def feed(self, event: Event) -> None:
        """Give an event to the scheduler.

        Raises:
            ConstellationError: it was refused.
        """
        self._sort(self.scheduler.handle(event, self.world.now))
        self._events += 1
        if self._events % CHECK_EVERY == 0:
            check(self.scheduler, self.world.now)

    def edit(self, constellation: str, batch: Batch) -> None:
        """Edit a constellation, ended or not.

        Raises:
            ConstellationError: it was refused.
        """
        if constellation in self.scheduler.runs:
            self.take(EditRequested(constellation, batch))
        elif self.journal.known(constellation):
            self.take(Reopened(self.journal.read_back(constellation), batch))

    def _sort(self, instructions: Sequence[HubInstruction]) -> None:
        for each in instructions:
            if isinstance(each, Fact):
                self._facts.append(each)
            else:
                self._instructions.append(each)

    def flush(self) -> None:
        """End a wake-up: write what is to be remembered, then act."""
        while self._facts or self._instructions or self._afterwards:
            facts, self._facts = self._facts, []
            instructions, self._instructions = self._instructions, []
            afterwards, self._afterwards = self._afterwards, []
            self._step()
            self.commit(facts)
            self._step()
            for each in instructions:
                self._act(each)
                self._step()
            self.streaming.published(facts)
            for fact in facts:
                run = self.scheduler.runs.get(fact.constellation)
                if fact.kind == "ended" and run is not None and run.ended_at is not None:
                    self.scheduler.forget(fact.constellation)
            for callback in afterwards:
                callback()
                self._step()
        self._alarm.set(self.scheduler.deadline())

    def commit(self, facts: Sequence[Fact]) -> None:
        """Write facts to the journal."""
        if facts:
            self.journal.commit(facts)
            self._checker.committed(facts)

    def _act(self, instruction: HubInstruction) -> None:
        match instruction:
            case Assign(device, body):
                self._send(device, "assign", body)
            case CancelAttempt(device, attempt, reason):
                self._send(device, "cancel", {"attempt": attempt, "reason": reason})
            case Answer(device, body):
                self._send(device, "answer", body)
            case Revise():
                self._planner(instruction)

    def _send(self, device: str, type: str, body: Mapping[str, Any]) -> None:
        peer = self._devices.get(device)
        if peer is not None and peer.session.state is not State.CLOSED:
            peer.send(type, body)

    # ── sessions ────────────────────────────────────────────────────────────────────────────────

    def door(self) -> _Door:
        """The end of a new connection."""
        return _Door(self)

    def greet(self, wire: Wire, frame: Frame) -> Peer | None:
        """Begin or resume the session that a hello asks for."""
        hello = read_hello(frame, MSGPACK, Limits())
        peer = self._peers.get(hello.session.id) if hello.session else None
        if peer is not None:
            return self._resume(peer, wire, hello)
        peer = Peer(self, hello, Session("listener", heartbeat=HEARTBEAT, grace_s=GRACE_S))
        id = f"s{len(self._peers)}-{self.world.steps}"
        self._peers[id] = peer
        peer.wire = wire
        peer.session.accept(hello, MSGPACK, id, id, self.world.now)
        if hello.name not in self._devices:
            self.begin(peer, hello)
        peer.flush()
        return peer

    def _resume(self, peer: Peer, wire: Wire, hello: Hello) -> Peer | None:
        peer.put(wire)
        try:
            peer.session.resume(hello, MSGPACK, self.world.now)
        except ProtocolError:
            peer.leave()
            return None
        if peer.hello is not None:
            self.begin(peer, hello)
        else:
            self.take(DeviceReturned(peer.name))
        peer.flush()
        return peer

    def begin(self, peer: Peer, hello: Hello) -> None:
        """A hello is believed: of a device there is one session."""
        peer.hello = None
        older, self._devices[peer.name] = self._devices.get(peer.name), peer
        card = hello.card or DeviceCard(name=peer.name, capacity=0)
        self.take(DeviceJoined(card, hello.running, hello.held))
        if older is not None:
            older.obey_all(older.session.end("a newer session has begun"))

    def detached(self, peer: Peer) -> None:
        """A device's connection is gone; it may come back."""
        if self._devices.get(peer.name) is peer:
            self.take(DeviceDetached(peer.name))

    def closed(self, peer: Peer, reason: str) -> None:
        """A device's session is over."""
        self._peers.pop(peer.session.id, None)
        peer.abandon()
        if self._devices.get(peer.name) is peer:
            del self._devices[peer.name]
            self.take(DeviceLost(peer.name, reason))

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        """Messages of one frame; they are secured once what follows is in the journal."""
        finished: list[AttemptFinished] = []
        for message in messages:
            if message.type == "result":
                finished.append(_finished(peer.name, message.body))
                continue
            self._report(finished)
            finished = []
            self._one(peer.name, message.type, message.body)
        self._report(finished)
        self._afterwards.append(partial(self._secure, peer, messages[-1].seq))
        self.flush()

    def _secure(self, peer: Peer, seq: int) -> None:
        if peer.session.state is not State.CLOSED:
            peer.acknowledge(seq)

    def _report(self, finished: list[AttemptFinished]) -> None:
        if finished:
            self.feed(AttemptsFinished(finished))

    def _one(self, device: str, type: str, body: Mapping[str, Any]) -> None:
        try:
            if type == "reject":
                self.feed(AttemptRejected(device, body["attempt"], body["error"]))
            elif type == "input_required":
                self.feed(InputRequired(device, body["attempt"], body["question"]))
            elif type == "read":
                self.streaming.read(self._devices[device], body)
        except ConstellationError as error:
            self.world.tell(f"{device} is told: {error.message}")


def _refuse(peer: Any, stream: IncomingStream) -> None:
    stream.refuse()


def _finished(device: str, body: Mapping[str, Any]) -> AttemptFinished:
    outcome = Outcome(TaskState(body["state"]), body.get("output"), body.get("error"))
    return AttemptFinished(device, body["attempt"], outcome)
