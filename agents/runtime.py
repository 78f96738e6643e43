"""The device's side of tasks: runs attempts of its skills, and says how they go.

One `Agent` lives through many connections and knows nothing of them: messages of the hub go in by
`received`, and what the device has to say leaves by its `Handover`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from constellation.aip.endpoint import Guard
from constellation.aip.messages import Message
from constellation.errors import (
    ConstellationError,
    SkillError,
    TaskCanceled,
    TaskTimedOut,
)

from .attempts import Attempt, Attempts, Stage
from .context import Context, Said
from .deadlines import Deadlines
from .epochs import Epochs
from .errors import MAY_HAVE_RUN, Denied, Interrupted, Leaving, explain, to_wire
from .handover import Handover
from .policy import Decision, Policy, refusal
from .port import ArtifactPort, SkillPort
from .prompts import approval_prompt
from .roots import Roots
from .skills import Registry
from .streams import DeviceStreams
from .tracing import AttemptTraces

# How long a skill may take to stop before its attempt is given up.
STOP_GRACE_S = 10.0
MAX_PROMPT = 100_000
_ABOUT_ATTEMPTS = frozenset({"assign", "cancel", "answer"})

log = logging.getLogger("constellation.agent")


class Agent:
    """Runs attempts; made in the event loop that it lives in.

    Args:
        registry: the device's skills.
        handover: the way to the hub.
        artifacts: the way of artifacts.
        capacity: how many attempts run at once.
        roots: the folders that skills may use.
        policy: what the device allows.
        hub_time: the hub's clock, in Unix seconds; None as long as it is not known.
        traces: told of attempts as they begin and end; None if nothing is traced.
        streams: the way of what skills put out for others, and read of them.
    """

    def __init__(
        self,
        registry: Registry,
        handover: Handover,
        artifacts: ArtifactPort,
        *,
        capacity: int,
        roots: Roots,
        policy: Policy,
        hub_time: Callable[[], float | None] = lambda: None,
        traces: AttemptTraces | None = None,
        streams: DeviceStreams | None = None,
    ) -> None:
        self._attempts = Attempts(registry, capacity)
        self._handover = handover
        self._roots = roots
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._deadlines = Deadlines(hub_time, self._stop)
        self._traces = traces
        self._epochs = Epochs()
        self._leaving = False
        self._streams = streams or DeviceStreams()
        self._port = SkillPort(
            self._attempts,
            handover,
            artifacts,
            self._streams,
            question=self._question,
            changed=self._ended,
            begin=self._begin,
        )

    def inventory(self) -> tuple[list[str], list[str]]:
        """What a fresh session's ``hello`` says: attempts that are open, and results held."""
        return list(self._attempts.open), list(self._handover.held)

    def ask_again(self) -> None:
        """Send every open question to a hub that may not have seen it."""
        for attempt in self._attempts.open.values():
            if attempt.question is not None:
                self._send_question(attempt, attempt.question)

    async def idle(self) -> None:
        """Wait until no attempt is open."""
        while self._attempts.open:
            self._ended.clear()
            await self._ended.wait()

    def leave(self) -> None:
        """Begin nothing more: what was not begun, and what still comes, is for other devices."""
        self._leaving = True
        for attempt in list(self._attempts.open.values()):
            if attempt.run is None:
                self._attempts.end(attempt)
                self._reject(attempt.id, _leaving())
        self._ended.set()
        self._handover.outgoing.other("drain", {})
        self._handover.flush_soon()

    def stop_all(self) -> None:
        """Stop what still runs after `leave`, for the agent stops.

        What may be repeated is left without a result, so that the hub gives it to another device;
        what may not is reported as interrupted.
        """
        for attempt in list(self._attempts.open.values()):
            error = Interrupted("The agent was stopped while it ran.", remedy=MAY_HAVE_RUN)
            self._stop(attempt, error)
        self._handover.flush_soon()

    # ── messages of the hub ─────────────────────────────────────────────────────────────────────

    def received(self, messages: Sequence[Message]) -> None:
        """Messages of one frame, in order. When it returns, what must not run twice is on disk."""
        for message in messages:
            if message.type in _ABOUT_ATTEMPTS and not self._epochs.admit(message.body):
                log.warning("A deposed hub speaks of %s.", message.body["attempt"])
                continue
            match message.type:
                case "assign":
                    with Guard(partial(self._spoiled, message.body["attempt"])):
                        self._assign(message.body)
                case "cancel":
                    self._cancel(message.body)
                case "answer":
                    self._answer(message.body)
                case "unread":
                    self._streams.refused(message.body)
        self._begin()
        self._handover.flush_soon()

    def _assign(self, body: Mapping[str, Any]) -> None:
        identifier = body["attempt"]
        if self._attempts.known(identifier) or identifier in self._handover.held:
            return
        if self._leaving:
            self._reject(identifier, _leaving())
            return
        try:
            attempt = self._attempts.take(body)
        except SkillError as error:
            # Its arguments are wrong on every device: it has failed, and is not merely refused.
            failed = {"attempt": identifier, "state": "failed", "error": to_wire(error)}
            self._handover.result(failed, repeatable=True)
            return
        except ConstellationError as error:
            self._reject(identifier, error)
            return
        skill = attempt.skill
        intent = None if skill.intent is None else skill.intent(**attempt.arguments)
        decision = self._policy.decide(skill.name, skill.card.effect, intent)
        if attempt.tainted:
            decision = decision.in_doubt(skill.card.effect, intent)
        if decision.rule == "allow":
            self._attempts.queue(attempt)
        elif decision.rule == "ask":
            prompt = approval_prompt(skill.card, attempt.arguments, intent, attempt.tainted)
            self._ask_first(attempt, prompt, decision)
        else:
            self._attempts.end(attempt)
            self._reject(identifier, refusal(skill.name, decision))
        self._deadlines.watch(attempt)

    def _spoiled(self, identifier: str, error: Exception) -> None:
        """A skill's own code failed before the skill was called."""
        attempt = self._attempts.open.get(identifier)
        if attempt is not None:
            self._end(attempt, error=explain(attempt.skill.name, identifier, error))
        else:
            wire = to_wire(explain("the skill", identifier, error))
            failed = {"attempt": identifier, "state": "failed", "error": wire}
            self._handover.result(failed, repeatable=True)

    def _reject(self, attempt: str, error: ConstellationError) -> None:
        self._handover.outgoing.other("reject", {"attempt": attempt, "error": to_wire(error)})

    def _cancel(self, body: Mapping[str, Any]) -> None:
        attempt = self._attempts.open.get(body["attempt"])
        if attempt is not None:
            reason = body.get("reason") or "canceled on request"
            self._stop(attempt, TaskCanceled(f"It was canceled: {reason}."))

    def _answer(self, body: Mapping[str, Any]) -> None:
        attempt = self._attempts.open.get(body["attempt"])
        if attempt is None or attempt.question is None or attempt.answered is None:
            return
        if attempt.question["id"] == body["question"] and not attempt.answered.done():
            attempt.answered.set_result(Said(body["answer"], body.get("by") or ""))

    # ── questions ───────────────────────────────────────────────────────────────────────────────

    def _ask_first(self, attempt: Attempt, prompt: str, decision: Decision) -> None:
        """Have a person approve an attempt before anything of it is done."""
        attempt.stage = Stage.ASKING
        try:
            answered = self._question(attempt, "approval", prompt, ())
        except SkillError as error:
            self._end(attempt, error=error)
            return

        def decide(said: asyncio.Future[Said]) -> None:
            if said.cancelled() or attempt.stage is not Stage.ASKING:
                return
            if said.result().answer is True:
                self._attempts.queue(attempt)
                self._begin()
            else:
                denied = Denied(
                    f"A person was asked and did not allow {attempt.skill.name}.",
                    remedy=f"Ask for something else, or change {decision.reason} in the policy.",
                    skill=attempt.skill.name,
                )
                self._end(attempt, error=denied)

        answered.add_done_callback(decide)

    def _question(
        self, attempt: Attempt, kind: str, prompt: str, options: Sequence[str]
    ) -> asyncio.Future[Said]:
        """Put a question to a person; the attempt's time stands still until it is answered."""
        if len(prompt) > MAX_PROMPT:
            raise SkillError(
                f"{attempt.skill.name} cannot ask: the question has {len(prompt):,} characters.",
                remedy=f"A person reads at most {MAX_PROMPT:,}. Give it less to do at once.",
                skill=attempt.skill.name,
            )
        question: dict[str, Any] = {"id": uuid4().hex[:12], "kind": kind, "prompt": prompt}
        if options:
            question["options"] = list(options)
        if attempt.timer is not None:
            attempt.remaining_s = attempt.timer.when() - self._loop.time()
            attempt.timer.cancel()
        attempt.question = question
        attempt.answered = self._loop.create_future()
        attempt.answered.add_done_callback(partial(self._answered, attempt))
        self._send_question(attempt, question)
        return attempt.answered

    def _answered(self, attempt: Attempt, _: asyncio.Future[Said]) -> None:
        attempt.question = None
        if attempt.stage is Stage.RUNNING and attempt.stopping is None:
            self._set_timer(attempt)

    def _send_question(self, attempt: Attempt, question: Mapping[str, Any]) -> None:
        body = {"attempt": attempt.id, "question": question}
        self._handover.outgoing.other("input_required", body)
        self._handover.flush_soon()

    # ── running ─────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        """Run what waits and for which there is room."""
        admitted = self._attempts.admit()
        if not admitted:
            return
        begun = [attempt.id for attempt in admitted if not attempt.idempotent]
        if begun and not self._handover.begun(begun):
            return
        for attempt in admitted:
            self._handover.outgoing.accept(attempt.id)
            if self._traces is not None:
                self._traces.begins(attempt)
            attempt.context = Context(
                attempt.id,
                self._port,
                self._loop,
                task=attempt.task,
                roots=self._roots,
                policy=self._policy,
                traceparent=attempt.traceparent,
                max_cost=attempt.max_cost,
                gang=attempt.gang,
                emits=attempt.lag > 0,
            )
            attempt.started_at = self._loop.time()
            attempt.run = self._loop.create_task(self._run(attempt, attempt.context))
            attempt.run.add_done_callback(partial(self._ran, attempt))
            self._set_timer(attempt)
        # After the first steps of the runs: what ends at once needs no accept.
        self._handover.flush_soon()

    async def _run(self, attempt: Attempt, context: Context) -> None:
        output = await attempt.skill.run(attempt.arguments, context)
        if attempt.emitter is not None:
            # The result must not overtake what others read.
            await attempt.emitter.finish()
        if attempt.stage is not Stage.ENDED:
            self._end(attempt, output=output)

    def _ran(self, attempt: Attempt, run: asyncio.Task[None]) -> None:
        """A run is over; if it brought no result, say why."""
        raised = None if run.cancelled() else run.exception()
        if attempt.stage is not Stage.ENDED:
            error = attempt.stopping or explain(attempt.skill.name, attempt.id, raised)
            self._end(attempt, error=error)

    def _set_timer(self, attempt: Attempt) -> None:
        if attempt.remaining_s is not None:
            attempt.timer = self._loop.call_later(attempt.remaining_s, self._time_is_over, attempt)

    def _time_is_over(self, attempt: Attempt) -> None:
        error = TaskTimedOut(
            f"It did not end within {attempt.timeout_s:g} s and was stopped.",
            remedy="Give the task a longer timeout_s, or less to do.",
        )
        self._stop(attempt, error)

    def _stop(self, attempt: Attempt, error: ConstellationError) -> None:
        """Stop an attempt; its result gives this error unless it ends well in spite of it."""
        if attempt.stopping is not None:
            return
        attempt.stopping = error
        if attempt.answered is not None:
            attempt.answered.cancel()
        if attempt.run is None or attempt.context is None:
            self._end(attempt, error=error)
            return
        attempt.context.canceled = True
        attempt.run.cancel()
        if attempt.timer is not None:
            attempt.timer.cancel()
        attempt.timer = self._loop.call_later(STOP_GRACE_S, self._give_up, attempt, error)

    def _give_up(self, attempt: Attempt, error: ConstellationError) -> None:
        """A skill does not stop: its thread cannot be ended, but the attempt can."""
        log.warning("%s does not stop; %s is given up.", attempt.skill.name, attempt.id)
        self._end(attempt, error=error)

    def _end(
        self, attempt: Attempt, *, output: Any = None, error: ConstellationError | None = None
    ) -> None:
        body: dict[str, Any] = {"attempt": attempt.id, "state": "completed"}
        if error is not None:
            body["state"] = "canceled" if isinstance(error, TaskCanceled) else "failed"
            body["error"] = to_wire(error)
        elif output is not None:
            body["output"] = output
        if attempt.run is not None:
            body["duration_s"] = self._loop.time() - attempt.started_at
        if attempt.tokens:
            body["usage"] = {"tokens": attempt.tokens, "cost": attempt.cost}
        if attempt.timer is not None:
            attempt.timer.cancel()
        self._attempts.end(attempt)
        if attempt.emitter is not None:
            attempt.emitter.stop(error or TaskCanceled("It has ended."))
        if attempt.inputs:
            self._streams.ended(attempt.id)
        if self._traces is not None:
            self._traces.ended(attempt, body)
        if not (isinstance(error, Interrupted) and attempt.idempotent):
            self._handover.result(body, repeatable=attempt.idempotent or attempt.run is None)
        self._ended.set()
        self._begin()


def _leaving() -> Leaving:
    return Leaving("The agent stops and takes nothing new.", remedy="Ask another device.")
