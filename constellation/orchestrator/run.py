"""A constellation that runs: its graph, and everything else about it that must survive a crash.

A `Run` changes by facts only. The scheduler makes the same calls when it decides something and when
it replays the journal, so that the two cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from constellation.graph.constellation import Constellation
from constellation.graph.lookup import element_id
from constellation.graph.task import ACTIVE, Task, TaskState

from .attempts import Attempt, attempt_id
from .events import Submitted
from .spending import Spent

_SUBMITTED = (
    "name",
    "request",
    "owner",
    "priority",
    "weight",
    "revise_on",
    "revise_within_s",
    "paused",
)

Cause = Literal["failed", "timeout", "lost", "rejected", "unsent", "upstream"]


class Trouble(NamedTuple):
    """What has befallen a task that has not ended.

    Attributes:
        failures: attempts that failed or ran out of time; the retry policy counts them.
        losses: attempts lost with their device.
        refused: devices that rejected it.
        failed_on: devices on which it failed.
        not_before: it is not started again before then.
    """

    failures: int = 0
    losses: int = 0
    refused: tuple[str, ...] = ()
    failed_on: tuple[str, ...] = ()
    not_before: float = 0.0

    def refusing(self, device: str) -> Trouble:
        """The same, and this device has rejected it."""
        return self._replace(refused=_with(self.refused, device))

    def after(self, cause: Cause, device: str, not_before: float) -> Trouble:
        """The same, and an attempt on this device has ended by that cause."""
        match cause:
            case "failed" | "timeout":
                return self._replace(
                    failures=self.failures + 1,
                    failed_on=_with(self.failed_on, device),
                    not_before=not_before,
                )
            case "lost":
                return self._replace(losses=self.losses + 1)
            case "rejected":
                return self.refusing(device)
        return self


class Former(NamedTuple):
    """An attempt given up without an outcome, whose success may still arrive.

    Attributes:
        device: where it ran.
        changed: the version at which its task was last edited; a later edit makes it void.
    """

    device: str
    changed: int


class Stopped(NamedTuple):
    """An attempt that was told to stop, and may not have done so."""

    device: str
    task: str
    number: int

    def attempt(self, constellation: str) -> str:
        """Its id; it was no rival, for what is exclusive is not raced."""
        return attempt_id(constellation, self.task, self.number)


class Run:
    """One constellation.

    Attributes:
        id, name, request, owner, priority, weight, revise_on, revise_within_s, trace, max_cost: as
            submitted.
        constellation: its graph.
        paused: nothing more is started.
        planning: its plan is still being made.
        created_at, ended_at: the machine's seconds.
        reason: why it was canceled, if it was.
        live: the attempts that may still decide a task, by task. Of two that race it is the first;
            the other is its ``rival``.
        trouble: by task, while it has not ended.
        former: by task and attempt id, while the task has not ended.
        revisions: tasks whose dependents wait for a planner.
        spent_by: what models took, by who asked them: ``planner`` or ``tasks``.
        stopped: by exclusive resource, the last attempt here that had it, if that was stopped. When
            it let go is not recorded: after a restart, its device is asked.
    """

    __slots__ = (
        "constellation",
        "created_at",
        "ended_at",
        "former",
        "id",
        "live",
        "max_cost",
        "name",
        "owner",
        "paused",
        "planning",
        "priority",
        "reason",
        "request",
        "revise_on",
        "revise_within_s",
        "revisions",
        "spent_by",
        "stopped",
        "trace",
        "trouble",
        "weight",
    )

    def __init__(self, constellation: Constellation, created_at: float) -> None:
        self.constellation = constellation
        self.id = constellation.id
        self.name = ""
        self.request = ""
        self.owner = ""
        self.priority = 0
        self.weight = 1.0
        self.revise_on: frozenset[str] = frozenset()
        self.revise_within_s = 0.0
        self.paused = False
        self.planning = False
        self.trace: Mapping[str, Any] = {}
        self.reason = ""
        self.created_at = created_at
        self.ended_at: float | None = None
        self.live: dict[str, Attempt] = {}
        self.trouble: dict[str, Trouble] = {}
        self.former: dict[str, dict[str, Former]] = {}
        self.revisions: dict[str, None] = {}
        self.stopped: dict[str, Stopped] = {}
        self.max_cost: float | None = None
        self.spent_by: dict[str, Spent] = {}

    @property
    def spent(self) -> Spent:
        """What models took in all."""
        total = Spent()
        for each in self.spent_by.values():
            total = total.plus(*each)
        return total

    @property
    def state(self) -> TaskState:
        """The state of the whole; it has not ended while a planner is still asked."""
        if self.ended_at is None and self.constellation.done:
            return TaskState.WORKING
        return self.constellation.state

    @property
    def finished(self) -> bool:
        """True when there is nothing left to do, to plan or to ask a planner about."""
        return self.constellation.done and not self.revisions and not self.planning

    # ── what facts do ───────────────────────────────────────────────────────────────────────────

    def open(self, attempt: Attempt) -> None:
        """An attempt begins. A rival is linked to the attempt that it races, if that still runs."""
        first = self.live.setdefault(attempt.task, attempt)
        if first is not attempt:
            first.rival, attempt.rival = attempt, first
        for resource in attempt.exclusive:
            self.stopped.pop(resource, None)

    def close(self, attempt: Attempt) -> None:
        """An attempt decides nothing any more; the other one of a race goes on alone."""
        other = attempt.rival
        if other is None:
            del self.live[attempt.task]
        else:
            attempt.rival = other.rival = None
            self.live[attempt.task] = other

    def attempts(self, task: str) -> list[Attempt]:
        """The live attempts of a task: none, one, or two that race."""
        first = self.live.get(task)
        if first is None:
            return []
        return [first] if first.rival is None else [first, first.rival]

    def withdraw(self, attempt: Attempt) -> None:
        """One of two racing attempts ended without deciding the task."""
        self.close(attempt)
        self._remember(attempt)

    def requeue(self, attempt: Attempt, cause: Cause, not_before: float) -> None:
        """The only attempt of a task ended, and another will follow."""
        self.close(attempt)
        task, device = attempt.task, attempt.device
        if cause in ("unsent", "upstream"):
            return
        self.trouble[task] = self.trouble.get(task, Trouble()).after(cause, device, not_before)
        if cause in ("timeout", "lost"):
            self._remember(attempt)
        if cause == "timeout":
            self._stop(attempt)

    def regroup(
        self, gang: str, size: int, device: str, cause: Cause, not_before: float
    ) -> list[Attempt]:
        """All members of a gang begin anew; return the attempts that were live."""
        live = [self.live.pop(element_id(gang, rank), None) for rank in range(size)]
        if cause != "unsent":
            self.trouble[gang] = self.trouble.get(gang, Trouble()).after(cause, device, not_before)
        return [attempt for attempt in live if attempt is not None]

    def _stop(self, attempt: Attempt) -> None:
        for resource in attempt.exclusive:
            self.stopped[resource] = Stopped(attempt.device, attempt.task, attempt.number)

    def _remember(self, attempt: Attempt) -> None:
        node = self.constellation.nodes[attempt.task]
        formers = self.former.setdefault(attempt.task, {})
        formers[attempt.id] = Former(attempt.device, node.changed)

    def finish(self, task: str, *, held: bool, stopped: bool) -> list[Attempt]:
        """A task ended; return the attempts that were live.

        Args:
            held: True if its dependents wait for a planner.
            stopped: True if they did not end by themselves.
        """
        first = self.live.pop(task, None)
        closed = [] if first is None else [first]
        if first is not None and (rival := first.rival) is not None:
            closed.append(rival)
            first.rival = rival.rival = None
        if stopped:
            for attempt in closed:
                self._stop(attempt)
        if self.trouble or self.former:
            self._forget(task)
        if held:
            self.revisions[task] = None
        return closed

    def hold_maps(self, ended: Iterable[str]) -> list[str]:
        """Of map tasks that ended with their elements, note and return those left unsettled."""
        nodes = self.constellation.nodes
        for task in ended:
            self._forget(task)
        held = [task for task in ended if task in nodes and not nodes[task].settled]
        self.revisions.update(dict.fromkeys(held))
        return held

    def _forget(self, task: str) -> None:
        self.trouble.pop(task, None)
        self.former.pop(task, None)

    def edited(self) -> list[Attempt]:
        """Edits were applied; return the attempts that they made pointless."""
        nodes = self.constellation.nodes
        self.reason = ""
        for task in list(self.revisions):
            if task not in nodes or nodes[task].settled:
                del self.revisions[task]
        for task in list(self.trouble):
            if task not in nodes or nodes[task].ended:
                self._forget(task)
        stopped = [task for task in self.live if nodes[task].state not in ACTIVE]
        return self._stop_all(stopped)

    def cancel(self, reason: str) -> list[Attempt]:
        """The whole was canceled; return the attempts that were live."""
        self.reason = reason
        self.planning = False
        self.revisions.clear()
        self.trouble.clear()
        self.former.clear()
        return self._stop_all(list(self.live))

    def planned(self, name: str) -> None:
        """Its plan is whole."""
        self.planning = False
        self.name = name

    def pay(self, by: str, tokens: int, cost: float) -> None:
        """A model was asked."""
        self.spent_by[by] = self.spent_by.get(by, Spent()).plus(tokens, cost)

    def reopen(self) -> None:
        """Edits were applied after the whole had ended: it goes on."""
        self.ended_at = None
        self.reason = ""

    def _stop_all(self, tasks: list[str]) -> list[Attempt]:
        closed = [self.finish(task, held=False, stopped=True) for task in tasks]
        return [attempt for attempts in closed for attempt in attempts]

    # ── as plain data ───────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(
        cls, constellation: Constellation, body: Mapping[str, Any], created_at: float
    ) -> Run:
        """A run as its ``created`` fact describes it."""
        run = cls(constellation, created_at)
        for field in _SUBMITTED:
            setattr(run, field, body[field])
        run.planning = body.get("planning", False)
        run.trace = body.get("trace", {})
        run.max_cost = body.get("max_cost")
        run.revise_on = constellation.progress.held = frozenset(body["revise_on"])
        return run

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data; `restore` reads it back."""
        return {
            **describe(self),
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "reason": self.reason,
            "graph": self.constellation.snapshot(),
            "live": [each.to_plain() for task in self.live for each in self.attempts(task)],
            "trouble": {task: list(trouble) for task, trouble in self.trouble.items()},
            "former": {
                task: {attempt: list(former) for attempt, former in formers.items()}
                for task, formers in self.former.items()
            },
            "revisions": sorted(self.revisions),  # a replay need not keep their order
            "spent_by": {by: list(spent) for by, spent in self.spent_by.items()},
            "stopped": {resource: list(stopped) for resource, stopped in self.stopped.items()},
        }

    @classmethod
    def restore(
        cls, data: Mapping[str, Any], weights: Callable[[Task], float] | None = None
    ) -> Run:
        """Rebuild from a snapshot.

        Args:
            weights: expected seconds of a task, for the ranks of what is edited later.
        """
        graph = Constellation.restore(data["graph"], weights=weights)
        run = cls.create(graph, data, data["created_at"])
        run.ended_at = data["ended_at"]
        run.reason = data["reason"]
        for plain in data["live"]:
            run.open(Attempt.from_plain(run.id, plain))
        for task, (failures, losses, refused, failed_on, not_before) in data["trouble"].items():
            run.trouble[task] = Trouble(
                failures, losses, tuple(refused), tuple(failed_on), not_before
            )
        for task, formers in data["former"].items():
            run.former[task] = {
                attempt: Former(device, changed) for attempt, (device, changed) in formers.items()
            }
        run.revisions.update(dict.fromkeys(data["revisions"]))
        for resource, stopped in data.get("stopped", {}).items():
            run.stopped[resource] = Stopped(*stopped)
        for by, spent in data.get("spent_by", {}).items():
            run.spent_by[by] = Spent(*spent)
        return run


def describe(submitted: Submitted | Run) -> dict[str, Any]:
    """What was submitted, but for the graph, as plain data."""
    body: dict[str, Any] = {field: getattr(submitted, field) for field in _SUBMITTED}
    body["revise_on"] = sorted(submitted.revise_on)
    if submitted.planning:
        body["planning"] = True
    if submitted.trace:
        body["trace"] = submitted.trace
    if submitted.max_cost is not None:
        body["max_cost"] = submitted.max_cost
    return body


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)
