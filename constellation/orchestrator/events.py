"""What goes into the scheduler machine and what comes out of it.

Inputs are what the hub saw; instructions are what it must do: write every `Fact` to the journal,
then act on the rest. What is made for every task is a named tuple, at half the cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from constellation.aip.cards import DeviceCard
from constellation.graph.edits import Batch
from constellation.graph.task import Outcome

# ── inputs ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Submitted:
    """A new constellation.

    Attributes:
        constellation: its id, new.
        batch: the edits that build it; refused with a `GraphError`, leaving no trace.
        name: what a person reads.
        request: the words it was planned from, if any.
        owner: who submitted it.
        priority: added to the priority of each of its tasks.
        weight: its share against other constellations, above 0.
        revise_on: task states after which a planner is asked before dependents are released.
        revise_within_s: how long dependents are held for the planner's answer at most.
        paused: True holds back all of its tasks until `Resumed`.
        planning: True if its plan is still being made: it does not end before `Planned`.
        trace: its place in a trace, as `OpenTrace` reads it; empty if it is not traced.
        max_cost: what it may spend on models, its plan and its tasks together; None for no bound.
        tokens, cost: what its plan took.
    """

    constellation: str
    batch: Batch
    name: str = ""
    request: str = ""
    owner: str = ""
    priority: int = 0
    weight: float = 1.0
    revise_on: frozenset[str] = frozenset()
    revise_within_s: float = 30.0
    paused: bool = False
    planning: bool = False
    trace: Mapping[str, Any] = field(default_factory=dict)
    max_cost: float | None = None
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class PlannerPaid:
    """A planner has asked a model about an outcome, or for a plan that did not come to be."""

    constellation: str
    tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan of a constellation that was begun before it was whole.

    Attributes:
        constellation: submitted with ``planning``.
        batch: the edits that make it what was planned; refused with a `GraphError`.
        name: in place of the one that was submitted.
        tokens, cost: what it took.
    """

    constellation: str
    batch: Batch
    name: str
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class EditRequested:
    """Edits to a constellation, from a planner or a person, and its new name, if it gets one."""

    constellation: str
    batch: Batch
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reopened:
    """Edits to a constellation that has ended: it goes on, unless they are refused.

    Its ``snapshot`` is what `Scheduler.snapshot_run` would have returned; see `EditRequested`.
    """

    snapshot: Mapping[str, Any]
    batch: Batch
    name: str = ""


@dataclass(frozen=True, slots=True)
class RevisionClosed:
    """The planner has answered (or given up) on the outcome of ``task``: release what it held."""

    constellation: str
    task: str


@dataclass(frozen=True, slots=True)
class Paused:
    """Start nothing more of this constellation; what runs goes on."""

    constellation: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """Undo `Paused`."""

    constellation: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Cancel a whole constellation, running work included."""

    constellation: str
    reason: str = "canceled on request"


@dataclass(frozen=True, slots=True)
class DeviceJoined:
    """A device opened a fresh session (first contact, or its old session could not be resumed).

    ``running`` are the attempts that the device says it still runs, ``held`` those whose results it
    has and will hand in: whatever else the hub believed assigned to it never reached it or was
    forgotten before it started, so it is queued again whatever its idempotence.
    """

    card: DeviceCard
    running: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    rtt_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeviceAccounted:
    """What became of attempts of a connected device that this hub has taken over from another.

    Attributes:
        device: its name.
        asked: attempts that were believed to be there.
        found: attempts that run there or whose results it, or its gateway, has.
    """

    device: str
    asked: tuple[str, ...]
    found: frozenset[str]


@dataclass(frozen=True, slots=True)
class DeviceUpdated:
    """A connected device published a new card (skills, labels, capacity)."""

    card: DeviceCard


@dataclass(frozen=True, slots=True)
class DeviceDetached:
    """The link is down and the session may still be resumed: leases go on for the grace time."""

    device: str


@dataclass(frozen=True, slots=True)
class DeviceReturned:
    """The session was resumed: nothing was lost."""

    device: str
    rtt_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """The session is gone for good (grace time over, revoked, or said bye)."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceDraining:
    """The device finishes what it has and takes nothing new."""

    device: str


class AttemptFinished(NamedTuple):
    """The device says how an attempt ended.

    Attributes:
        duration_s: its own measure, if it gave one.
        usage: what it spent on models, ``{"tokens", "cost"}``, if anything.
    """

    device: str
    attempt: str
    outcome: Outcome
    duration_s: float | None = None
    usage: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StreamBegan:
    """An attempt has put out its first item, and others want to read it."""

    device: str
    attempt: str


@dataclass(frozen=True, slots=True)
class AttemptsFinished:
    """Many outcomes that arrived together: the hot path."""

    finished: Sequence[AttemptFinished]


@dataclass(frozen=True, slots=True)
class AttemptRejected:
    """The device refused to start an attempt, with a wire error."""

    device: str
    attempt: str
    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InputRequired:
    """The device needs an answer before an attempt can go on.

    ``question``: ``{"id", "kind": "approval" | "text" | "choice", "prompt", "options"?}``.
    """

    device: str
    attempt: str
    question: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InputAnswered:
    """A person answered the open question of a task; docs/protocol.md says what ``by`` tells."""

    constellation: str
    task: str
    question: str
    answer: Any
    by: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactsHeld:
    """A device holds these artifacts now (hashes): counts for locality."""

    device: str
    hashes: tuple[str, ...]


class ResourcesGranted(NamedTuple):
    """A constellation may use exclusive resources, as it wanted or as its owner before did."""

    constellation: str
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; sent when `deadline()` is reached."""


Event = (
    Submitted
    | Planned
    | PlannerPaid
    | EditRequested
    | Reopened
    | RevisionClosed
    | Paused
    | Resumed
    | CancelRequested
    | DeviceJoined
    | DeviceAccounted
    | DeviceUpdated
    | DeviceDetached
    | DeviceReturned
    | DeviceLost
    | DeviceDraining
    | AttemptFinished
    | AttemptsFinished
    | StreamBegan
    | AttemptRejected
    | InputRequired
    | InputAnswered
    | ArtifactsHeld
    | ResourcesGranted
    | Tick
)

# ── instructions ────────────────────────────────────────────────────────────────────────────────


class Fact(NamedTuple):
    """Something that is now so: journaled before anything else is done, then told to observers.

    Attributes:
        time: the machine's ``now``, seconds.
        constellation: which one it is about.
        kind: ``created``, ``planned``, ``edited``, ``started``, ``raced``, ``withdrawn``,
            ``flowing``, ``finished``, ``requeued``, ``regrouped``, ``asked``, ``answered``,
            ``settled``, ``paused``, ``resumed``, ``canceled``, ``ended``, ``reopened``, ``spent``;
            docs/protocol.md lists the body of each.
        body: plain data that msgpack and JSON can carry.
    """

    time: float
    constellation: str
    kind: str
    body: Mapping[str, Any]


class Assign(NamedTuple):
    """Send an attempt to a device; ``body`` is the body of AIP's ``assign`` message."""

    device: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    """Tell a device to stop an attempt."""

    device: str
    attempt: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Pass a person's answer to the device that asked; ``body`` is AIP's ``answer`` body."""

    device: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notify:
    """Something that observers want to see and that need not be remembered.

    ``kind``: ``waiting`` (a ready task that no device can take now, and why), ``skipped``,
    ``device`` (a device's health or presence changed), ``late`` (an outcome that came after another
    was accepted), ``refused`` (a device reported on an attempt that it was not given); ``body`` is
    plain data. ``constellation`` is empty for devices.
    """

    time: float
    constellation: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Revise:
    """Ask the planner about an outcome; its dependents are held until `RevisionClosed`."""

    constellation: str
    task: str
    outcome: Outcome
    until: float


class WantResources(NamedTuple):
    """Ask for exclusive resources that others use too; then `ResourcesGranted`, however late."""

    constellation: str
    resources: tuple[str, ...]


class FreeResources(NamedTuple):
    """Give granted resources back."""

    constellation: str
    resources: tuple[str, ...]


Sharing = WantResources | FreeResources
Instruction = Fact | Assign | CancelAttempt | Answer | Notify | Revise | Sharing
