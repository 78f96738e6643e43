"""A scheduler rebuilt from the journal: facts are taken over, decisions are not made again."""

from __future__ import annotations

from collections.abc import Sequence

from constellation.errors import JournalError
from constellation.graph.constellation import Constellation

from .attempts import Attempt
from .control import Control
from .dispatch import Dispatch
from .events import CancelRequested, Fact
from .outcomes import Outcomes
from .presence import PresenceDesk
from .run import Run, Stopped
from .state import State

NOT_PLANNED = "the hub was restarted before its plan was whole; ask for it again"


class Recovery:
    """Replays facts, then takes up the work where it was left."""

    def __init__(
        self,
        state: State,
        outcomes: Outcomes,
        dispatch: Dispatch,
        presence: PresenceDesk,
        control: Control,
    ) -> None:
        self._state = state
        self._outcomes = outcomes
        self._dispatch = dispatch
        self._presence = presence
        self._control = control

    # ── facts ───────────────────────────────────────────────────────────────────────────────────

    def restore(self, fact: Fact) -> None:
        """Take over one fact; they come in the order in which they were made.

        Raises:
            JournalError: it is about a constellation of which nothing was said before.
        """
        state = self._state
        if fact.kind == "created":
            constellation = Constellation(fact.constellation, weights=state.expected)
            constellation.replay(fact.kind, fact.body, fact.time)
            run = Run.create(constellation, fact.body, fact.time)
            state.runs[run.id] = run
            return
        found = state.runs.get(fact.constellation)
        if found is None:
            raise JournalError(
                f"The journal speaks of {fact.constellation} before it was created.",
                remedy="Restore the journal from a copy.",
                constellation=fact.constellation,
            )
        found.constellation.replay(fact.kind, fact.body, fact.time)
        replay(found, fact)
        found.hold_maps(found.constellation.take_changes().ended)

    # ── afterwards ──────────────────────────────────────────────────────────────────────────────

    def recover(self, now: float) -> None:
        """Take up the work: leases begin to run, planners are asked again, timers are armed."""
        self.take_up([run for run in self._state.runs.values() if run.ended_at is None], now)

    def take_up(self, runs: Sequence[Run], now: float) -> None:
        """The same for some runs, beside others that are at work."""
        for run in runs:
            run.constellation.take_changes()
            self._take_up(run, now)
            if run.planning:
                self._control.canceled(CancelRequested(run.id, NOT_PLANNED), now)
        for run in runs:
            for resource, stopped in run.stopped.items():
                if resource not in self._state.resources:
                    self._await_stop(run, resource, stopped, now)

    def _await_stop(self, run: Run, resource: str, stopped: Stopped, now: float) -> None:
        """Hold a resource until the device that had it is back, or does not come in time."""
        state = self._state
        device = self._presence.expect(stopped.device, now)
        attempt = Attempt(run.id, stopped.task, stopped.number, device.name, "", now, False)
        held = device.running.get(attempt.id)
        if held is not None:
            held.exclusive += (resource,)
            state.resources[resource] = held.id
            if state.settings.shared_resources:
                state.granted[resource] = run.id, held.exclusive
            return
        attempt.exclusive = (resource,)
        attempt.move("stop")
        state.arm(attempt, "stop", now + state.settings.stop_s)
        state.take(device, attempt)

    def _take_up(self, run: Run, now: float) -> None:
        state = self._state
        state.queues.add(run.id, run.weight, run.paused)
        for task_id in run.live:
            for attempt in run.attempts(task_id):
                state.take(self._presence.expect(attempt.device, now), attempt)
        for task_id, node in run.constellation.nodes.items():
            if node.task.deadline_s is not None:
                self._control.watch_deadline(run, task_id)
            if node.ready:
                self._dispatch.enqueue(run, task_id, now)
        for task_id in run.revisions:
            self._outcomes.ask_planner(run, task_id, now)
        state.changed[run.id] = run


def replay(run: Run, fact: Fact) -> None:
    """Do to a run what a fact says, once its graph has been brought up to it."""
    body = fact.body
    match fact.kind:
        case "edited":
            run.edited()
            run.name = body.get("name", run.name)
        case "started":
            if not body.get("late"):
                run.open(_started(run, fact))
        case "raced":
            run.open(run.live[body["task"]].race(body["device"], fact.time))
        case "withdrawn":
            first, second = run.attempts(body["task"])
            run.withdraw(first if first.is_rival == body["rival"] else second)
        case "regrouped":
            size = run.constellation.nodes[body["task"]].size
            run.regroup(body["task"], size, body["device"], body["cause"], body["not_before"])
        case "requeued":
            run.requeue(run.live[body["task"]], body["cause"], body["not_before"])
        case "asked":
            run.live[body["task"]].move("ask")
        case "answered":
            attempt = run.live[body["task"]]
            attempt.move("answer")
            attempt.answer = {
                "attempt": attempt.id,
                "question": body["question"],
                "answer": body["answer"],
                "by": body.get("by", ""),
            }
        case "finished":
            stopped = body.get("stopped", False)
            run.finish(body["task"], held=not body["settle"], stopped=stopped)
        case "settled":
            del run.revisions[body["task"]]
        case "planned":
            run.planned(body["name"])
        case "paused":
            run.paused = True
        case "resumed":
            run.paused = False
        case "canceled":
            run.constellation.cancel_all(body["reason"], fact.time)
            run.cancel(body["reason"])
        case "ended":
            run.ended_at = fact.time
        case "reopened":
            run.reopen()
        case "spent":
            run.pay(body["by"], body["tokens"], body["cost"])


def _started(run: Run, fact: Fact) -> Attempt:
    body = fact.body
    node = run.constellation.nodes[body["task"]]
    task, whole = node.task, run.constellation.progress.gang_of(node)
    return Attempt(
        run.id,
        task.id,
        body["attempt"],
        body["device"],
        task.skill,
        fact.time,
        body["idempotent"],
        tuple(dict.fromkeys(task.requirement.exclusive)),
        body.get("max_cost"),
        "" if whole is None else whole.id,
    )
