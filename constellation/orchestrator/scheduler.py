"""The scheduler machine: what happened goes in, what is to be done comes out.

It decides who runs what and when, and what follows when something goes wrong. It has no I/O and no
clock: the same events at the same times give the same instructions. This module is its face; each
concern has a module of its own, and they share a `State`:

- `control`: requests of people and planners; `presence`: devices that come and go;
- `outcomes`: how attempts and tasks end; `supervision`: the health of devices;
- `readers`: streams between tasks; `sharing`: resources that other schedulers use too;
- `dispatch`: ready tasks to devices; `racing`: stragglers;
- `recovery`: restart from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .control import Control
from .device import Device
from .dispatch import Dispatch
from .estimates import Estimates
from .events import (
    ArtifactsHeld,
    AttemptFinished,
    AttemptRejected,
    AttemptsFinished,
    CancelRequested,
    DeviceAccounted,
    DeviceDetached,
    DeviceDraining,
    DeviceJoined,
    DeviceLost,
    DeviceReturned,
    DeviceUpdated,
    EditRequested,
    Event,
    Fact,
    InputAnswered,
    InputRequired,
    Instruction,
    Paused,
    Planned,
    PlannerPaid,
    Reopened,
    ResourcesGranted,
    Resumed,
    RevisionClosed,
    StreamBegan,
    Submitted,
    Tick,
)
from .outcomes import Outcomes
from .placement import EarliestFinish, Placement
from .presence import PresenceDesk
from .racing import Racing
from .readers import Readers
from .recovery import Recovery
from .run import Run
from .settings import Settings
from .sharing import Sharing
from .state import State
from .supervision import Supervision
from .timers import Key
from .waiting import reasons


class Scheduler:
    """Constellations on one side, devices on the other.

    Args:
        placement: which ready task comes first, and which device gets it.
        settings: limits and waits.
    """

    def __init__(
        self, placement: Placement | None = None, settings: Settings | None = None
    ) -> None:
        state = self.state = State(placement or EarliestFinish(), settings or Settings())
        supervision = self._supervision = Supervision(state)
        outcomes = self._outcomes = Outcomes(state, supervision)
        self._racing = Racing(state)
        self._readers = Readers(state)
        self._sharing = Sharing(state)
        self._dispatch = Dispatch(state, outcomes, self._racing, self._sharing)
        self._presence = PresenceDesk(state, outcomes, supervision)
        self._control = Control(state, outcomes, self._dispatch)
        self._recovery = Recovery(state, outcomes, self._dispatch, self._presence, self._control)
        self._handlers: dict[type[Event], Callable[[Any, float], None]] = {
            Submitted: self._control.submitted,
            Planned: self._control.planned,
            PlannerPaid: self._control.paid,
            EditRequested: self._control.edited,
            Reopened: self._control.reopened,
            RevisionClosed: self._control.revision_closed,
            Paused: self._control.paused,
            Resumed: self._control.resumed,
            CancelRequested: self._control.canceled,
            InputRequired: self._control.asked,
            InputAnswered: self._control.answered,
            DeviceJoined: self._presence.joined,
            DeviceAccounted: self._presence.accounted,
            DeviceUpdated: self._presence.updated,
            DeviceDetached: self._presence.detached,
            DeviceReturned: self._presence.returned,
            DeviceLost: self._presence.lost,
            DeviceDraining: self._presence.draining,
            ArtifactsHeld: self._presence.artifacts,
            AttemptFinished: outcomes.finished,
            AttemptsFinished: self._all_finished,
            AttemptRejected: outcomes.rejected,
            StreamBegan: self._readers.began,
            ResourcesGranted: self._sharing.granted,
            Tick: self._tick,
        }

    @property
    def runs(self) -> dict[str, Run]:
        """Constellations by id: open ones, and ended ones until they are forgotten."""
        return self.state.runs

    @property
    def devices(self) -> dict[str, Device]:
        """Devices by name, present or not."""
        return self.state.devices

    @property
    def estimates(self) -> Estimates:
        """What was learned of durations."""
        return self.state.estimates

    # ── the machine ─────────────────────────────────────────────────────────────────────────────

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take in an event; return what is to be done, facts first.

        Args:
            now: seconds, never less than at the call before.

        Raises:
            GraphError: edits were refused, or there is no such task.
            InvalidTransition: the event is not possible in the state its subject is in.
            UnknownConstellationError, UnknownDeviceError: there is none, or it has ended.
            LimitExceeded: too many constellations or tasks.

        An event that raises has changed nothing.
        """
        self._handlers[type(event)](event, now)
        self._dispatch.settle(now)
        return self.state.take_instructions()

    def deadline(self) -> float | None:
        """When `Tick` is due; None if nothing waits for time to pass."""
        return self.state.timers.next()

    def why_waiting(self, run: Run, tasks: Iterable[str], now: float) -> dict[str, str]:
        """Why tasks of a run that could run do not yet, in words, by task."""
        return reasons(self.state, run, tasks, now)

    def _all_finished(self, event: AttemptsFinished, now: float) -> None:
        finished = self._outcomes.finished
        for each in event.finished:
            finished(each, now)

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _tick(self, event: Tick, now: float) -> None:
        timers = self.state.timers
        while (key := timers.take(now)) is not None:
            self._timer(key, now)

    def _timer(self, key: Key, now: float) -> None:
        kind, first, *rest = key
        match kind:
            case "lease" | "probe" | "timeout" | "stop" | "straggler":
                device = self.state.devices.get(first)
                if device is not None:
                    self._device_timer(kind, device, rest, now)
            case "turn":
                self._sharing.turn_over(first, tuple(rest))
            case "patience":
                self.state.reconsider()
            case _:
                run = self.state.runs.get(first)
                if run is not None and run.ended_at is None:
                    self._run_timer(kind, run, rest[0], now)

    def _device_timer(self, kind: str, device: Device, rest: list[str], now: float) -> None:
        match kind:
            case "lease":
                self._presence.lease_over(device, now)
            case "probe":
                self._supervision.probe(device, now)
            case "straggler":
                self._racing.look(device, rest[0], now)
            case "timeout" | "stop":
                attempt = device.running[rest[0]]
                attempt.timer = None
                if kind == "timeout":
                    self._outcomes.timed_out(device, attempt, now)
                else:
                    self._outcomes.stop_ignored(device, attempt, now)

    def _run_timer(self, kind: str, run: Run, subject: str, now: float) -> None:
        match kind:
            case "deadline":
                self._dispatch.overdue(run, subject, now)
            case "retry":
                self._dispatch.retry(run, subject, now)
            case "revision":
                if subject in run.revisions:
                    self._control.release(run, subject, now)
            case "no device":
                self._dispatch.fail_lane(run, subject, now)

    # ── keeping ─────────────────────────────────────────────────────────────────────────────────

    def restore(self, fact: Fact) -> None:
        """Take over a fact of the journal; before `recover`, in the order of the journal.

        Raises:
            JournalError: it does not follow from the facts before.
        """
        self._recovery.restore(fact)

    def recover(self, now: float) -> list[Instruction]:
        """After the replay: open attempts wait for their devices, for the grace time."""
        self._recovery.recover(now)
        self._dispatch.settle(now)
        return self.state.take_instructions()

    def take_up(self, constellation: str, now: float) -> list[Instruction]:
        """Take up one constellation that was restored while others are at work."""
        self._recovery.take_up([self.runs[constellation]], now)
        self._dispatch.settle(now)
        return self.state.take_instructions()

    def snapshot_run(self, constellation: str) -> dict[str, Any]:
        """A constellation as plain data; `restore_run` reads it back."""
        return self.runs[constellation].snapshot()

    def restore_run(self, data: Mapping[str, Any]) -> None:
        """Take over a snapshot, in place of the facts that it includes; before `recover`."""
        run = Run.restore(data, self.state.expected)
        self.runs[run.id] = run

    def forget(self, constellation: str) -> None:
        """Let a constellation that has ended leave memory."""
        if self.runs[constellation].ended_at is not None:
            del self.runs[constellation]

    def snapshot_learned(self) -> dict[str, Any]:
        """Durations and health as plain data; not facts, but worth keeping."""
        health = {name: device.health.to_plain() for name, device in self.devices.items()}
        return {"durations": self.estimates.snapshot(), "health": health}

    def restore_learned(self, data: Mapping[str, Any]) -> None:
        """Take over what `snapshot_learned` returned; before any device joins."""
        self.estimates.restore(data["durations"])
        self.state.learned_health.update(data["health"])
