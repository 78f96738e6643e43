"""What people and planners ask for: submit, edit, pause, resume, cancel, answer, revise."""

from __future__ import annotations

from constellation.errors import EditConflictError, InvalidTransition, LimitExceeded
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddTask, Batch, ReplaceSubgraph, UpdateTask
from constellation.graph.plain import batch_to_plain
from constellation.graph.task import TaskState

from .attempts import Attempt, Life
from .dispatch import Dispatch
from .events import (
    Answer,
    CancelRequested,
    EditRequested,
    InputAnswered,
    InputRequired,
    Paused,
    Planned,
    PlannerPaid,
    Reopened,
    Resumed,
    RevisionClosed,
    Submitted,
)
from .outcomes import Outcomes
from .run import Run, describe
from .spending import Spent
from .state import State


class Control:
    """Carries out requests."""

    def __init__(self, state: State, outcomes: Outcomes, dispatch: Dispatch) -> None:
        self._state = state
        self._outcomes = outcomes
        self._dispatch = dispatch

    # ── shape ───────────────────────────────────────────────────────────────────────────────────

    def submitted(self, event: Submitted, now: float) -> None:
        """A new constellation; refused as a whole if its batch is."""
        state = self._state
        if event.constellation in state.runs:
            raise EditConflictError(
                f"There is a constellation {event.constellation} already.",
                remedy="Choose another id.",
                constellation=event.constellation,
            )
        if event.weight <= 0:
            raise EditConflictError(
                f"The weight of {event.constellation} is {event.weight:g}.",
                remedy="Give a weight above 0.",
                constellation=event.constellation,
            )
        self._check_room()
        limit = state.settings.max_tasks
        constellation = Constellation(event.constellation, weights=state.expected, max_tasks=limit)
        self._check_size(constellation, event.batch)
        applied = constellation.apply(event.batch, now)
        body = {**describe(event), "max_tasks": limit}
        run = state.runs[event.constellation] = Run.create(constellation, body, now)
        state.queues.add(run.id, run.weight, run.paused)
        state.fact(run, "created", body, now)
        self._pay(run, event, now)
        self._applied(run, event.batch, applied.version, now)

    def planned(self, event: Planned, now: float) -> None:
        """The plan of a constellation is whole; its last edits are applied or refused."""
        run = self._state.open_run(event.constellation)
        if not run.planning:
            raise InvalidTransition(f"Constellation {run.id}", "planned", "the end of its plan")
        if event.batch.edits:
            self._edit(run, event.batch, now)
        self._pay(run, event, now)
        run.planned(event.name)
        self._state.fact(run, "planned", {"name": event.name}, now)
        self._state.changed[run.id] = run
        for task in list(run.revisions):
            if run.constellation.nodes[task].state is TaskState.COMPLETED:
                self._outcomes.ask_planner(run, task, now)
            else:
                # It was a head start; the plan has done it anew.
                self.release(run, task, now)

    def paid(self, event: PlannerPaid, now: float) -> None:
        """A planner has asked a model about an outcome."""
        self._pay(self._state.open_run(event.constellation), event, now)

    def _pay(self, run: Run, event: Submitted | Planned | PlannerPaid, now: float) -> None:
        if event.tokens:
            self._state.pay(run, "planner", Spent(event.tokens, event.cost), now)

    def edited(self, event: EditRequested, now: float) -> None:
        """Edits, applied whole or refused."""
        self._edit(self._state.open_run(event.constellation), event.batch, now, event.name)

    def _edit(self, run: Run, batch: Batch, now: float, name: str = "") -> None:
        self._check_size(run.constellation, batch)
        applied = run.constellation.apply(batch, now)
        self._applied(run, batch, applied.version, now, name)
        for attempt in run.edited():
            error = run.constellation.nodes[attempt.task].error or {}
            self._outcomes.stop(attempt, str(error.get("message", "it was canceled")), now)
        for edit in batch.edits:
            if isinstance(edit, UpdateTask) and self._is_queued(run, edit.id):
                self._dispatch.enqueue(run, edit.id, now)

    def reopened(self, event: Reopened, now: float) -> None:
        """Edits to a constellation that has ended, applied whole or refused."""
        state = self._state
        run = Run.restore(event.snapshot, state.expected)
        self._check_room()
        self._check_size(run.constellation, event.batch)
        applied = run.constellation.apply(event.batch, now)
        run.reopen()
        state.runs[run.id] = run
        state.queues.add(run.id, run.weight, run.paused)
        state.fact(run, "reopened", {}, now)
        self._applied(run, event.batch, applied.version, now, event.name)

    def _applied(self, run: Run, batch: Batch, version: int, now: float, name: str = "") -> None:
        body = {"batch": batch_to_plain(batch), "version": version}
        if name:
            run.name = body["name"] = name
        self._state.fact(run, "edited", body, now)
        self._state.changed[run.id] = run
        self.watch_deadlines(run, batch)

    def watch_deadlines(self, run: Run, batch: Batch) -> None:
        """Arm the deadlines of the tasks that a batch defines, also of those that must wait."""
        for edit in batch.edits:
            match edit:
                case AddTask(task):
                    self.watch_deadline(run, task.id)
                case ReplaceSubgraph(tasks=tasks):
                    for task in tasks:
                        self.watch_deadline(run, task.id)
                case UpdateTask(id=task_id):
                    self.watch_deadline(run, task_id)

    def watch_deadline(self, run: Run, task_id: str) -> None:
        """Arm, move or disarm the deadline of a task."""
        node = run.constellation.nodes.get(task_id)
        deadline_s = None if node is None or node.ended else node.task.deadline_s
        key = ("deadline", run.id, task_id)
        if deadline_s is None:
            self._state.timers.drop(key)
        else:
            self._state.timers.set(key, run.created_at + deadline_s)

    def _is_queued(self, run: Run, task_id: str) -> bool:
        node = run.constellation.nodes.get(task_id)
        queued = task_id in self._state.queues.backlogs[run.id].queued
        return queued and node is not None and node.ready

    def _check_room(self) -> None:
        open_runs = sum(run.ended_at is None for run in self._state.runs.values())
        limit = self._state.settings.max_constellations
        if open_runs >= limit:
            raise LimitExceeded(
                f"{open_runs} constellations are open, which is as many as this hub takes.",
                remedy="Wait for one to end, or cancel one.",
                limit=limit,
            )

    def _check_size(self, constellation: Constellation, batch: Batch) -> None:
        added = 0
        for edit in batch.edits:
            if isinstance(edit, AddTask):
                added += 1
            elif isinstance(edit, ReplaceSubgraph):
                added += len(edit.tasks)
        limit = self._state.settings.max_tasks
        if added and len(constellation.nodes) + added > limit:
            raise LimitExceeded(
                f"{constellation.id} would have {len(constellation.nodes) + added} tasks; "
                f"a constellation may have {limit}.",
                remedy="Split it into several constellations.",
                limit=limit,
            )

    # ── course ──────────────────────────────────────────────────────────────────────────────────

    def paused(self, event: Paused, now: float) -> None:
        """Start nothing more of a constellation."""
        self._set_paused(event.constellation, True, "paused", now)

    def resumed(self, event: Resumed, now: float) -> None:
        """Go on with a constellation."""
        self._set_paused(event.constellation, False, "resumed", now)

    def _set_paused(self, constellation: str, paused: bool, kind: str, now: float) -> None:
        run = self._state.open_run(constellation)
        if run.paused != paused:
            run.paused = paused
            self._state.queues.pause(run.id, paused)
            self._state.fact(run, kind, {}, now)

    def canceled(self, event: CancelRequested, now: float) -> None:
        """Cancel a whole constellation."""
        run = self._state.open_run(event.constellation)
        run.constellation.cancel_all(event.reason, now)
        self._state.fact(run, "canceled", {"reason": event.reason}, now)
        for attempt in run.cancel(event.reason):
            self._outcomes.stop(attempt, event.reason, now)
        self._state.changed[run.id] = run

    def revision_closed(self, event: RevisionClosed, now: float) -> None:
        """A planner has answered: release what waited for it."""
        run = self._state.runs.get(event.constellation)
        if run is not None and event.task in run.revisions:
            self.release(run, event.task, now)

    def release(self, run: Run, task_id: str, now: float) -> None:
        """Decide the dependencies on a task that were held back for a planner."""
        del run.revisions[task_id]
        self._state.timers.drop(("revision", run.id, task_id))
        run.constellation.settle(task_id, now)
        self._state.fact(run, "settled", {"task": task_id}, now)
        self._state.changed[run.id] = run

    # ── questions ───────────────────────────────────────────────────────────────────────────────

    def asked(self, event: InputRequired, now: float) -> None:
        """A device needs an answer before an attempt can go on."""
        state = self._state
        device = state.device(event.device)
        attempt = device.running.get(event.attempt)
        if attempt is None:
            raise InvalidTransition(
                f"Attempt {event.attempt}", f"not on {event.device}", "a question"
            )
        if attempt.life is Life.STOPPING or self._was_answered(attempt, event):
            return
        run = state.runs[attempt.constellation]
        node = run.constellation.nodes[attempt.task]
        if attempt.life is Life.ASKING and node.question == event.question:
            return
        if attempt.rival is not None:
            # A question is put once: the attempt that asks goes on alone.
            self._drop_rival(run, attempt, now)
        run.constellation.require_input(attempt.task, event.question, now)
        attempt.move("ask")
        state.disarm(attempt)
        body = {"task": attempt.task, "attempt": attempt.number, "question": event.question}
        state.fact(run, "asked", body, now)

    def _was_answered(self, attempt: Attempt, event: InputRequired) -> bool:
        """A device that lost the answer with its session asks again: it is told again."""
        answer = attempt.answer
        if answer is None or answer["question"] != event.question.get("id"):
            return False
        self._state.act(Answer(attempt.device, answer))
        return True

    def _drop_rival(self, run: Run, attempt: Attempt, now: float) -> None:
        rival = attempt.rival
        if rival is not None:
            reason = f"{attempt.device} asks a question about it"
            self._outcomes.stop(rival, reason, now)
            self._outcomes.withdraw(run, rival, reason, now)

    def answered(self, event: InputAnswered, now: float) -> None:
        """A person answered the open question of a task."""
        state = self._state
        run = state.open_run(event.constellation)
        node = run.constellation.node(event.task)
        question = node.question
        if node.state is not TaskState.INPUT_REQUIRED or question is None:
            raise InvalidTransition(f"Task {event.task}", node.state, "an answer")
        if question.get("id") != event.question:
            raise EditConflictError(
                f"Task {event.task} asks {question.get('id')!r}, not {event.question!r}.",
                remedy="Look at the question again.",
                task=event.task,
            )
        run.constellation.answer(event.task, now)
        attempt = run.live[event.task]
        attempt.move("answer")
        about = {"question": event.question, "answer": event.answer, "by": event.by}
        attempt.answer = {"attempt": attempt.id, **about}
        state.fact(run, "answered", {"task": event.task, **about}, now)
        state.act(Answer(attempt.device, attempt.answer))
        timeout_s = node.task.timeout_s
        if timeout_s is not None:
            state.arm(attempt, "timeout", now + timeout_s + state.settings.timeout_slack_s)
