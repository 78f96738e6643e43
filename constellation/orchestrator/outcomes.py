"""How attempts end, and what follows for their tasks.

An attempt holds a place on its device until the device says how it ended, or is gone; it may decide
its task only while it is live. The two are apart: an attempt that was told to stop, or was given up
as lost, decides nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constellation.graph.task import TERMINAL, Outcome, TaskState

from .attempts import Attempt, Life
from .device import Device, Presence
from .events import AttemptFinished, AttemptRejected, CancelAttempt, Revise
from .gangs import broke, end_all
from .late import Latecomers
from .readers import begin_anew, dead_source, failed_upstream
from .requirements import need_of, obstacle
from .retrying import backoff, is_retried
from .run import Cause, Run, Trouble
from .spending import read_usage
from .state import State
from .supervision import Supervision, announce

# The code of a refusal that says that the device takes nothing any more.
LEAVING = "task.rejected.leaving"

_REMEDY_MAY_HAVE_RUN = "See what it left behind, then retry the task or cancel it."


class Outcomes:
    """Ends attempts and tasks."""

    def __init__(self, state: State, supervision: Supervision) -> None:
        self._state = state
        self._supervision = supervision
        self._latecomers = Latecomers(state, self.end)

    # ── what devices say ────────────────────────────────────────────────────────────────────────

    def finished(self, event: AttemptFinished, now: float) -> None:
        """A device says how an attempt ended."""
        state = self._state
        device = state.devices.get(event.device)
        attempt = None if device is None else device.running.get(event.attempt)
        if device is None or attempt is None:
            self._latecomers.unexpected(event, now)
            return
        stopping = attempt.life is Life.STOPPING
        state.release(device, attempt)
        outcome = event.outcome
        used = read_usage(event.usage)
        payer = state.runs.get(attempt.constellation)
        if used is not None and payer is not None and payer.ended_at is None:
            state.pay(payer, "tasks", used, now, task=attempt.task)
        if stopping:
            if outcome.state is not TaskState.CANCELED:
                self._latecomers.late(event, now)
            return
        run = state.runs[attempt.constellation]
        if outcome.state is TaskState.COMPLETED:
            taken = event.duration_s
            elapsed = now - attempt.started_at
            if taken is None or not 0 <= taken <= elapsed:
                taken = max(0.0, elapsed)
            node = run.constellation.nodes[attempt.task]
            if node.reads or node.feeds:
                # It waited for others, so its time is not that of its skill.
                self._supervision.well(device, now)
            else:
                state.estimates.observe(device.durations, attempt.skill, taken)
                self._supervision.succeeded(device, attempt.skill, taken, now)
            self.end(run, attempt.task, outcome, now, attempt)
        elif outcome.state is TaskState.CANCELED:
            self._ended_there(run, attempt, outcome, now)
        else:
            self._failed(run, device, attempt, _as_failure(outcome, attempt), now)

    def rejected(self, event: AttemptRejected, now: float) -> None:
        """A device refused to start an attempt: nothing has run."""
        state = self._state
        device = state.devices.get(event.device)
        attempt = None if device is None else device.running.get(event.attempt)
        if device is None or attempt is None:
            self._latecomers.refuse(event.device, event.attempt, "it does not hold it", now)
            return
        stopping = attempt.life is Life.STOPPING
        leaving = event.error.get("code") == LEAVING
        if leaving and device.link is Presence.CONNECTED:
            device.move("drain")
            state.recount(device)
            announce(state, device, now)
        state.release(device, attempt)
        if stopping:
            return
        run = state.runs[attempt.constellation]
        if attempt.gang:
            cause: Cause = "unsent" if leaving else "rejected"
            broke(self, state, run, attempt, cause, event.error, now)
            return
        reason = f"{device.name} refused it: {_sentence(event.error)}"
        if attempt.rival is not None:
            self.withdraw(run, attempt, reason, now)
            return
        if leaving or device.link is Presence.DRAINING:
            # It takes nothing any more, whatever it is: that says nothing of the task.
            self._requeue(run, attempt, "unsent", reason, now)
            return
        if self._others_may_take(run, attempt):
            self._requeue(run, attempt, "rejected", reason, now)
            return
        error = {
            "code": "task.rejected",
            "message": f"Every device that could run task {attempt.task} refused it; {reason}",
            "remedy": str(event.error.get("remedy", "")) or "Change the task, or add a device.",
        }
        self.end(run, attempt.task, Outcome(TaskState.REJECTED, None, error), now, attempt)

    # ── what the hub finds out ──────────────────────────────────────────────────────────────────

    def timed_out(self, device: Device, attempt: Attempt, now: float) -> None:
        """An attempt has passed its timeout and its device does not say so."""
        if device.link not in (Presence.CONNECTED, Presence.DRAINING):
            # It may well have ended; the lease decides, or the device's return.
            return
        state = self._state
        run = state.runs[attempt.constellation]
        timeout_s = run.constellation.nodes[attempt.task].task.timeout_s
        self.stop(attempt, "its time is over", now)
        message = f"Task {attempt.task} did not end within {timeout_s:g} s on {device.name}."
        self._supervision.failed(device, "task.timeout", now)
        timeout = {"code": "task.timeout", "message": message}
        if attempt.gang:
            broke(self, state, run, attempt, "timeout", timeout, now)
        elif attempt.rival is not None:
            self.withdraw(run, attempt, message, now)
        elif attempt.idempotent:
            self._fail_or_retry(run, attempt, timeout, now)
        else:
            error = {
                "code": "task.timeout",
                "message": f"{message} It was told to stop, but may still have run.",
                "remedy": _REMEDY_MAY_HAVE_RUN,
            }
            self.end(run, attempt.task, Outcome(TaskState.FAILED, None, error), now, attempt)

    def stop_ignored(self, device: Device, attempt: Attempt, now: float) -> None:
        """A device has not confirmed that it stopped an attempt; its place is not kept longer."""
        if device.link in (Presence.CONNECTED, Presence.DRAINING):
            self._supervision.failed(device, "task.timeout", now)
        self._state.release(device, attempt)

    def lost(self, device: Device, attempt: Attempt, why: str, now: float) -> None:
        """An attempt is gone with its device; nobody knows whether it ran."""
        stopping = attempt.life is Life.STOPPING
        self._state.release(device, attempt)
        if stopping:
            return
        state = self._state
        run = state.runs[attempt.constellation]
        reason = f"{device.name} {why}"
        if device.link is Presence.DETACHED:
            state.act(CancelAttempt(device.name, attempt.id, f"it was given up: {reason}"))
        if attempt.gang:
            lost = {"code": "task.failed.device_lost", "message": reason}
            broke(self, state, run, attempt, "lost", lost, now)
            return
        if attempt.rival is not None:
            self.withdraw(run, attempt, reason, now)
            return
        losses = run.trouble.get(attempt.task, Trouble()).losses
        if attempt.idempotent and losses < state.settings.max_losses:
            self._requeue(run, attempt, "lost", reason, now)
            return
        if attempt.idempotent:
            message = f"Task {attempt.task} lost its device {losses + 1} times; last, {reason}."
            remedy = "Find out whether it brings devices down, then retry it."
        else:
            message = (
                f"Task {attempt.task} was on {device.name}, which {why}. It may have run, in part "
                "or to its end, and is not safe to repeat."
            )
            remedy = _REMEDY_MAY_HAVE_RUN
        error = {"code": "task.failed.device_lost", "message": message, "remedy": remedy}
        self.end(run, attempt.task, Outcome(TaskState.FAILED, None, error), now, attempt)

    def unsent(self, device: Device, attempt: Attempt, now: float) -> None:
        """A device that came back knows nothing of an attempt: it never began."""
        stopping = attempt.life is Life.STOPPING
        self._state.release(device, attempt)
        if stopping:
            return
        run = self._state.runs[attempt.constellation]
        reason = f"{device.name} knows nothing of it: it never arrived, or was given up there"
        if attempt.gang:
            lost = {"code": "task.failed.device_lost", "message": reason}
            broke(self, self._state, run, attempt, "unsent", lost, now)
        elif attempt.rival is not None:
            self.withdraw(run, attempt, reason, now)
        else:
            self._requeue(run, attempt, "unsent", reason, now)

    # ── ends of tasks ───────────────────────────────────────────────────────────────────────────

    def end(
        self,
        run: Run,
        task: str,
        outcome: Outcome,
        now: float,
        ended: Attempt | None = None,
        device: str | None = None,
    ) -> None:
        """End a task; its live attempts other than ``ended`` are stopped.

        Args:
            ended: the attempt whose outcome it is.
            device: where the outcome came from, if from no live attempt.
        """
        state = self._state
        node = run.constellation.nodes[task]
        held = outcome.state in run.revise_on and node.member_of is None
        if ended is not None and ended.device != node.device:
            device = ended.device
        run.constellation.finish(task, outcome, now, not held, device)
        body: dict[str, Any] = {"task": task, "attempt": node.attempt, "state": str(outcome.state)}
        if outcome.output is not None:
            body["output"] = outcome.output
        if outcome.error is not None:
            body["error"] = outcome.error
        if device is not None:
            body["device"] = device
        body["settle"] = not held
        stopped = ended is None or ended.life is Life.STOPPING
        if stopped and task in run.live:
            body["stopped"] = True
        state.fact(run, "finished", body, now)
        for attempt in run.finish(task, held=held, stopped=stopped):
            if attempt is not ended:
                self.stop(attempt, f"task {task} has ended", now)
        if held:
            self.ask_planner(run, task, now)
        state.changed[run.id] = run

    def ask_planner(self, run: Run, task: str, now: float) -> None:
        """Let a planner look at an outcome; its time is limited, and begins once it has planned."""
        if run.planning:
            return
        node = run.constellation.nodes[task]
        until = now + run.revise_within_s
        outcome = Outcome(node.state, node.output, node.error)
        self._state.timers.set(("revision", run.id, task), until)
        self._state.act(Revise(run.id, task, outcome, until))

    def fail(self, run: Run, task: str, error: Mapping[str, Any], now: float) -> None:
        """A task fails by a decision of the hub, whatever state it is in."""
        outcome = Outcome(TaskState.FAILED, None, error)
        node = run.constellation.nodes[task]
        whole = node if node.task.gang is not None else run.constellation.progress.gang_of(node)
        if whole is None:
            self.end(run, task, outcome, now)
            return
        members = [member for member in run.constellation.elements(whole) if not member.ended]
        first = members[0].id if whole is node and members else task
        end_all(self, run, whole, first, outcome, now)

    def stop(self, attempt: Attempt, reason: str, now: float) -> None:
        """Tell a device to stop an attempt, which keeps its place until the device has done so."""
        if attempt.life in (Life.STOPPING, Life.ENDED):
            return
        state = self._state
        attempt.move("stop")
        state.arm(attempt, "stop", now + state.settings.stop_s)
        state.act(CancelAttempt(attempt.device, attempt.id, reason))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _failed(
        self, run: Run, device: Device, attempt: Attempt, error: Mapping[str, Any], now: float
    ) -> None:
        self._supervision.failed(device, str(error.get("code", "")), now)
        if attempt.gang:
            broke(self, self._state, run, attempt, "failed", error, now)
        elif attempt.rival is not None:
            self.withdraw(run, attempt, _sentence(error), now)
        else:
            self._fail_or_retry(run, attempt, error, now)

    def _ended_there(self, run: Run, attempt: Attempt, outcome: Outcome, now: float) -> None:
        """Somebody stopped the attempt on its device."""
        reason = f"It was stopped on {attempt.device}."
        if attempt.rival is not None:
            self.withdraw(run, attempt, reason, now)
            return
        error = outcome.error or {"code": "task.canceled", "message": reason}
        ended = Outcome(TaskState.CANCELED, None, error)
        if attempt.gang:
            whole = run.constellation.nodes[attempt.gang]
            end_all(self, run, whole, attempt.task, ended, now, attempt)
        else:
            self.end(run, attempt.task, ended, now, attempt)

    def _fail_or_retry(
        self, run: Run, attempt: Attempt, error: Mapping[str, Any], now: float
    ) -> None:
        policy = run.constellation.nodes[attempt.task].task.retry
        failures = run.trouble.get(attempt.task, Trouble()).failures + 1
        code = str(error.get("code", ""))
        if failures < policy.attempts and is_retried(policy, code, attempt.idempotent):
            cause: Cause = "timeout" if attempt.life is Life.STOPPING else "failed"
            pause = backoff(policy, failures)
            self._requeue(run, attempt, cause, _sentence(error), now, now + pause)
            return
        self.end(run, attempt.task, Outcome(TaskState.FAILED, None, error), now, attempt)

    def _requeue(
        self,
        run: Run,
        attempt: Attempt,
        cause: Cause,
        reason: str,
        now: float,
        not_before: float = 0.0,
    ) -> None:
        """Let another attempt follow, and let what read this one begin anew with it."""
        dead = dead_source(run, attempt.task)
        if dead is not None:
            self.end(run, attempt.task, failed_upstream(dead), now, attempt)
            return
        readers = begin_anew(run, attempt.task)
        self._put_back(run, attempt, cause, reason, now, not_before)
        while readers:
            reader = readers.pop()
            reason = "what it reads begins anew"
            readers += begin_anew(run, reader.task)
            self.stop(reader, reason, now)
            self._put_back(run, reader, "upstream", reason, now, 0.0)

    def _put_back(
        self, run: Run, attempt: Attempt, cause: Cause, reason: str, now: float, not_before: float
    ) -> None:
        run.constellation.requeue(attempt.task, reason, now)
        run.requeue(attempt, cause, not_before)
        body = {
            "task": attempt.task,
            "attempt": attempt.number,
            "device": attempt.device,
            "cause": cause,
            "reason": reason,
            "not_before": not_before,
        }
        self._state.fact(run, "requeued", body, now)
        self._state.changed[run.id] = run

    def withdraw(self, run: Run, attempt: Attempt, reason: str, now: float) -> None:
        """One of two racing attempts is out; the other goes on."""
        run.withdraw(attempt)
        body = {
            "task": attempt.task,
            "attempt": attempt.number,
            "rival": attempt.is_rival,
            "device": attempt.device,
            "reason": reason,
        }
        self._state.fact(run, "withdrawn", body, now)

    def _others_may_take(self, run: Run, attempt: Attempt) -> bool:
        trouble = run.trouble.get(attempt.task, Trouble())
        refused = trouble.refusing(attempt.device)
        need = need_of(run.constellation.nodes[attempt.task].task, refused)
        return any(obstacle(need, device) is None for device in self._state.devices.values())


def _as_failure(outcome: Outcome, attempt: Attempt) -> Mapping[str, Any]:
    """The error of an outcome that is no success; one is made up if the device gave none."""
    if outcome.state not in TERMINAL:
        return {
            "code": "task.failed.protocol",
            "message": f"{attempt.device} reported the state {outcome.state} as an outcome.",
            "remedy": "Correct the device's agent.",
        }
    if outcome.error:
        return outcome.error
    return {
        "code": "task.failed",
        "message": f"Task {attempt.task} failed on {attempt.device}, which gave no reason.",
    }


def _sentence(error: Mapping[str, Any]) -> str:
    return str(error.get("message") or error.get("code") or "no reason given")
