"""The control of one robot as a machine: events in, instructions out. Pure.

::

              ┌──Begin──► driven ──┐
    held ─────┤                    ├──Cancel──► held
      ▲       └──Steer──► steered ─┘
      │
      └──Release── stopped ◄──EmergencyStop── any

`Amend` changes the words that it is driven by: the chunk that runs stays until there is an answer
to the new words, and answers to the old ones that come from then on are refused.

Each `Tick` is answered by exactly one `Act`, at once, whatever the policy does. While it is driven
the action is the one that belongs to this step (`chunks`); if there is none, or a watchdog barks,
the robot brakes within its limits and holds, until what was missing is back. Whatever is wished for
goes through the envelope (`safety`).

The shell hands in answers when they come, and in each control step first what is observed, which
may bring an `Infer`, and then `Tick`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Literal

import numpy as np

from constellation.errors import InvalidTransition

from .blending import spread, wishes
from .chunks import Chunks
from .delay import Delays
from .events import (
    Act,
    Amend,
    Answered,
    Begin,
    Cancel,
    EmergencyStop,
    Event,
    Executed,
    Halted,
    Infer,
    Instruction,
    LinkBack,
    LinkLost,
    Observed,
    Refused,
    Release,
    Released,
    Source,
    Steer,
    Tick,
)
from .fitting import servo_steps
from .foresight import foresight
from .ports import Array, Observation, PolicySpec, RobotSpec
from .safety import Envelope, Vector
from .settings import Settings, WhenLost
from .strategies import Correction, Dynamics, Origin, Strategy, rolled

State = Literal["held", "driven", "steered", "stopped"]

_HOLD = "hold"
_STEER = "steer"
_NO_ACTION = "no action for this step"


class Controller:
    """Drives one robot by one policy.

    Args:
        robot: what it declares.
        policy: what it declares; its steps must be as long as the robot's, or a multiple.
        strategy: how to act while it thinks.
        position: where the robot stands still, (A,).
        dynamics: a model of the robot, for strategies that take one.
        correct: the policy's correction of single actions, for strategies that take it. It is
            called in every step, so it must be fast.

    Attributes:
        state: who moves it.
        halted: why it holds though it should move; None if it does not.
        step: control steps so far.
        record: what was executed last, bounded.
        refused: answers that were of no use so far.
        unanswered: why the policy had no answer to the last question; empty if it had one.
        stops: emergency stops so far, those of a robot that was stopped already included.
        released: the last one that a person ended; None if there was none.
        holds: control steps in which it held.
        clamps: control steps in which the envelope changed a wish.
        seen: the last observation.
        prompt: the task in words, as it was begun or amended; empty if no policy drives.

    Raises:
        ConfigError: robot and policy do not fit together.
    """

    def __init__(
        self,
        robot: RobotSpec,
        policy: PolicySpec,
        strategy: Strategy,
        position: Vector,
        settings: Settings | None = None,
        *,
        dynamics: Dynamics | None = None,
        correct: Correction | None = None,
    ) -> None:
        self.strategy = strategy
        self.state: State = "held"
        self.halted: str | None = None
        self.step = 0
        self.refused = self.stops = self.holds = self.clamps = 0
        self.released: Released | None = None
        self.unanswered = ""
        self.seen: Observation | None = None
        self._settings = chosen = settings or Settings()
        self._servo = servo_steps(robot, policy, strategy, chosen.merge)
        self._robot, self._policy = robot, policy
        self._dynamics, self._correct = dynamics, correct
        self._foresight = foresight(robot, policy, strategy, dynamics, correct)
        self._delays = Delays(
            quantile=chosen.quantile,
            window=chosen.window,
            warm_up=chosen.warm_up,
            assumed=chosen.assumed,
        )
        reaction = chosen.reaction_s
        self._chunks = Chunks(
            strategy,
            policy.horizon // chosen.merge * self._servo,
            self._delays,
            execution=chosen.execution,
            reaction=None if reaction is None else int(reaction * robot.rate_hz),
            patience=int(chosen.patience_s * robot.rate_hz),
        )
        self._envelope = Envelope(robot.limits, position)
        self.prompt = ""
        self._wish: Steer | None = None
        self._wished = 0.0
        self._linked = True
        self._moved = False
        self._observed = 0.0
        self._ticked: float | None = None
        self.record: deque[Executed] = deque(maxlen=chosen.record)

    # ── what others may know ────────────────────────────────────────────────────────────────────

    @property
    def commanded(self) -> Array:
        """The position commanded last, (A,)."""
        return self._envelope.motion.position.astype(np.float32)

    @property
    def at_rest(self) -> bool:
        """True if nothing moves."""
        return self._envelope.motion.at_rest

    @property
    def planned(self) -> int:
        """Control steps that the next answer is expected to take."""
        return self._chunks.planned

    # ── the machine ─────────────────────────────────────────────────────────────────────────────

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take in what happened.

        Args:
            now: seconds; never goes back.

        Raises:
            InvalidTransition: the robot is stopped, and shall be moved; or its words shall be
                amended, and no policy drives it, or it is driven by others than expected; or it
                shall be released, and was stopped again since.
        """
        match event:
            case Tick():
                return self._tick(now)
            case Observed(observation):
                return self._observe(observation, now)
            case Answered(question, actions):
                self._answer(question, actions)
            case Refused(question, reason):
                self._refuse(question, reason)
            case Begin(prompt):
                self._move(event, "driven")
                self.prompt = prompt
            case Amend(prompt, instead_of):
                self._amend(prompt, instead_of)
            case Steer():
                self._move(event, "steered")
                self._wish, self._wished = event, now
            case LinkLost():
                self._linked = False
            case LinkBack():
                self._linked = True
            case Cancel(reason):
                moves = self.state in ("driven", "steered")
                return self._end("held", reason, asked=True) if moves else []
            case EmergencyStop(reason):
                self.stops += 1
                return self._end("stopped", reason) if self.state != "stopped" else []
            case Release(person, stops):
                return self._release(person, stops)
        return []

    # ── transitions ─────────────────────────────────────────────────────────────────────────────

    def _move(self, event: Begin | Steer, state: State) -> None:
        if self.state == "stopped":
            raise InvalidTransition(
                "the robot", "stopped", type(event).__name__, remedy="Release it first."
            )
        if state != self.state or isinstance(event, Begin):
            self._chunks.drop()
            self._moved = False
            self.prompt = self.unanswered = ""
        self.state, self.halted = state, None

    def _amend(self, prompt: str, instead_of: str | None) -> None:
        if self.state != "driven":
            raise InvalidTransition("the robot", self.state, "Amend", remedy="Begin anew.")
        if instead_of not in (None, self.prompt):
            raise InvalidTransition("the robot", f"driven by {self.prompt!r}", "Amend")
        if prompt != self.prompt:
            self.prompt = prompt
            self._chunks.amend()

    def _release(self, person: str, stops: int | None) -> list[Instruction]:
        if self.state != "stopped":
            return []
        if stops not in (None, self.stops):
            raise InvalidTransition(
                "the robot", "stopped", "Release", remedy="It was stopped again: look once more."
            )
        self.released = Released(self.step, self.halted or "", person)
        return self._end("held", f"{person} released it", asked=True)

    def _end(self, state: State, reason: str, *, asked: bool = False) -> list[Instruction]:
        self._chunks.drop()
        self._wish = None
        self.prompt = ""
        self.state, self.halted = state, reason
        return [Halted(reason, asked)]

    def _observe(self, observation: Observation, now: float) -> list[Instruction]:
        self.seen = replace(observation, prompt=self.prompt or observation.prompt)
        self._observed = now
        if self.state != "driven" or self._cut_off() or not self._chunks.due(self.step):
            return []
        known = self._chunks.ahead(self.step, self._chunks.planned)
        question = self._chunks.ask(self.step)
        return [
            Infer(
                id=question.id,
                step=question.step,
                observation=self.seen,
                state=self._later(self.seen.state, known, question.planned),
                planned=question.planned,
                delay=self._told(question.planned, known),
                prefix=self._underway(known),
            )
        ]

    def _answer(self, question: int, actions: Array) -> None:
        fits = (
            actions.ndim == 2
            and len(actions) >= self._settings.merge
            and actions.shape[1] == self._robot.action_dim
            and bool(np.isfinite(actions).all())
        )
        if not fits:
            self._refuse(question, "what it said is no chunk of this robot's actions")
            return
        self.unanswered = ""
        steps = spread(
            actions, self._policy.semantics, merge=self._settings.merge, servo=self._servo
        )
        self.refused += not self._chunks.answer(question, steps, self.step)

    def _refuse(self, question: int, reason: str) -> None:
        self.refused += 1
        if self._chunks.refuse(question, self.step):
            self.unanswered = reason

    def _tick(self, now: float) -> list[Instruction]:
        trouble = self._trouble(now)
        if trouble is not None:
            self._chunks.drop()
        said: list[Instruction] = []
        act = self._hold() if trouble is not None else self._act(now)
        if self.state in ("driven", "steered"):
            if trouble is None and act.source.strategy == _HOLD:
                trouble = self._lacking()
            # Each trouble is told; that it is still without actions after one follows from that.
            if trouble not in (None, self.halted) and not (self.halted and trouble == _NO_ACTION):
                said.append(Halted(str(trouble)))
            self.halted = trouble
        self._ticked = now
        self.holds += act.source.strategy == _HOLD
        self.clamps += any(act.source.clamped)
        self.record.append(Executed(self.step, now, act.action, act.source))
        self.step += 1
        return [*said, act]

    # ── watchdogs ───────────────────────────────────────────────────────────────────────────────

    def _cut_off(self) -> bool:
        return not self._linked and self._settings.when_lost is WhenLost.HOLD

    def _trouble(self, now: float) -> str | None:
        """Why actions that are known must not be executed; None if they may."""
        if self._cut_off():
            return "the hub is out of reach"
        period = 1 / self._robot.rate_hz
        if self._ticked is not None and now - self._ticked > period + self._settings.late_s:
            return "a control step came late"
        unseen = self.seen is None or now - self._observed > self._settings.unseen_s
        return "nothing is observed" if self.state == "driven" and unseen else None

    def _lacking(self) -> str | None:
        """Why there is no action; None if none is due, before the first or by its strategy."""
        if self.state == "driven" and self.unanswered:
            return f"the policy has no answer: {self.unanswered}"
        due = self._moved and not (self.state == "driven" and self.strategy.waits)
        return _NO_ACTION if due else None

    # ── actions ─────────────────────────────────────────────────────────────────────────────────

    def _act(self, now: float) -> Act:
        if self.state == "driven":
            return self._driven()
        wish = self._wish
        if self.state == "steered" and wish is not None and self._stands(wish, now):
            self._moved = True
            return self._command(wish.wish.astype(np.float64), _STEER)
        return self._hold()

    def _stands(self, wish: Steer, now: float) -> bool:
        return wish.for_s is None or now - self._wished <= wish.for_s

    def _driven(self) -> Act:
        found = self._chunks.action(self.step)
        if found is None:
            return self._hold()
        self._moved = True
        chunk, index = found
        action = chunk.actions[index]
        if self.strategy.corrects and self._correct is not None and self.seen is not None:
            action = self._correct(self.seen, action, self.step - chunk.observed)
        return self._command(self._wishes(action[None])[0], self.strategy.name, chunk.id, index)

    def _command(
        self, wish: Vector, strategy: str, chunk: int | None = None, index: int | None = None
    ) -> Act:
        command, clamped = self._envelope.step(wish)
        source = Source(strategy, chunk, index, tuple(clamped.tolist()))
        return Act(command.astype(np.float32), source)

    def _hold(self) -> Act:
        command = self._envelope.hold()
        unclamped = (False,) * self._robot.action_dim
        return Act(command.astype(np.float32), Source(_HOLD, None, None, unclamped))

    # ── what the policy is told ─────────────────────────────────────────────────────────────────

    def _wishes(self, actions: Array) -> Vector:
        commanded = self._envelope.motion.position
        return wishes(actions, self._policy.semantics, commanded, self._robot.rate_hz)

    def _later(self, state: Array, known: Array | None, planned: int) -> Array:
        """The state when the answer is there: by the actions until then, and holding after them."""
        commanded, rest = self._envelope.motion.position, self._envelope.rest
        chunk = self._chunks.current
        if self._foresight and known is not None and chunk is not None and self.seen is not None:
            known = self._foresight(known, self.seen, self.step - chunk.observed, commanded)
        wished = self._wishes(known) if known is not None else rest[None][:0]
        last = wished[-1:] if len(wished) else rest[None]
        held = np.repeat(last, planned - len(wished), axis=0)
        everything = np.concatenate((wished, held))
        return rolled(self.strategy.roll, state, commanded, everything, self._dynamics)

    def _underway(self, known: Array | None) -> Array | None:
        """What the policy is told of the chunk that runs; None if it does not take it."""
        if self.strategy.inpaints:
            return self._chunks.ahead(self.step, self._policy.horizon)
        return known if self.strategy.prefix else None

    def _told(self, planned: int, known: Array | None) -> int | None:
        """The delay as the policy is told it, in its own steps; None if it does not take it."""
        if self.strategy.prefix or self.strategy.inpaints:
            return 0 if known is None else len(known)
        if not self._policy.takes_delay:
            return None
        return -(-planned // self._servo) if self.strategy.origin is Origin.PLANNED else 0
