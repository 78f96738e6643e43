"""Which action belongs to which control step: chunks, and the question under way. Pure.

Control steps are counted, never timed. Each action of a chunk belongs to exactly one step, and
steps only rise: so none is executed twice, and of an answer that comes late the actions whose time
is over are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .blending import averaged
from .delay import Delays
from .ports import Array
from .strategies import Origin, Strategy, execution_horizon

_MOST_DOUBLED = 16


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Actions for consecutive steps.

    Attributes:
        id: of the question that they answer.
        observed: the step of its observation.
        first: the step of index 0.
        actions: (n, A), of control steps.
    """

    id: int
    observed: int
    first: int
    actions: Array

    @property
    def end(self) -> int:
        """The step after the last."""
        return self.first + len(self.actions)

    def since(self, step: int) -> Array:
        """The actions from a step on, (m, A)."""
        return self.actions[max(step - self.first, 0) :]


@dataclass(frozen=True, slots=True)
class Question:
    """What the policy is asked.

    Attributes:
        id: rising.
        step: of its observation.
        planned: control steps that the answer is expected to take.
    """

    id: int
    step: int
    planned: int


class Chunks:
    """The chunk that runs, the next one, and the question under way; one of each at most.

    Args:
        strategy: to which steps answers belong.
        horizon: control steps in a chunk.
        delays: what answers take.
        execution: actions of a chunk to execute before the next takes over; None: `reaction` says.
        reaction: control steps after which the robot shall have reacted to what it observes.
        patience: control steps after which an answer is no longer awaited.
    """

    def __init__(
        self,
        strategy: Strategy,
        horizon: int,
        delays: Delays,
        *,
        execution: int | None = None,
        reaction: int | None = None,
        patience: int = 500,
    ) -> None:
        self._strategy = strategy
        self._horizon = horizon
        self._delays = delays
        self._execution = execution
        self._reaction = reaction
        self._patience = patience
        self._questions = 0
        self._asked: Question | None = None
        self._not_before = 0
        self._failures = 0
        self._at_once = False
        self._since = 0
        self.current: Chunk | None = None
        self._next: Chunk | None = None

    @property
    def planned(self) -> int:
        """The predicted delay of an answer, as far as it matters.

        It may be longer than a chunk: the robot is at rest by then, and is asked for so. Two chunks
        later nothing is left to predict.
        """
        return min(self._delays.predicted, 2 * self._horizon)

    def due(self, step: int) -> bool:
        """Whether to ask now, so that the answer is there when it is needed."""
        if self._asked is not None and step - self._asked.step > self._patience:
            self._asked = None
        if self._asked is not None or self._next is not None or step < self._not_before:
            return False
        if self.current is None or self._at_once:
            return True
        switch = min(self._since + self._executed(), self.current.end)
        return step >= (switch if self._strategy.waits else switch - self.planned)

    def ask(self, step: int) -> Question:
        """The next question, of an observation before this step."""
        self._questions += 1
        self._asked = Question(self._questions, step, self.planned)
        if self._strategy.waits:
            self.current = None
        return self._asked

    def answer(self, question: int, actions: Array, step: int) -> bool:
        """Takes in an answer, before this step.

        Args:
            actions: (n, A), of control steps.

        Returns:
            False if it is refused: nobody waits for it, or all of its actions are over.
        """
        asked = self._asked
        if asked is None or asked.id != question:
            return False
        self._asked, self._failures = None, 0
        self._delays.record(step - asked.step)
        origin = self._strategy.origin
        offset = asked.planned if origin is Origin.PLANNED else 0
        first = step if origin is Origin.ARRIVAL else asked.step + offset
        chunk = Chunk(asked.id, asked.step, first, actions)
        if chunk.end <= step:
            return False
        self._at_once = False
        self._next = self._blended(chunk, step)
        self._switch(step)
        return True

    def refuse(self, question: int, step: int) -> bool:
        """There is no answer to a question: the next one waits as long as an answer would take.

        After each further failure it waits twice as long, but no longer than a chunk lasts.

        Returns:
            False if nobody waits for it anyway.
        """
        if self._asked is None or self._asked.id != question:
            return False
        self._asked = None
        pause = max(self.planned, 1) << min(self._failures, _MOST_DOUBLED)
        self._not_before = step + max(min(pause, self._horizon), self.planned)
        self._failures += 1
        return True

    def drop(self) -> None:
        """Forgets all chunks, and the question: its answer will be refused."""
        self.current = self._next = self._asked = None
        self._at_once = False

    def amend(self) -> None:
        """What is asked for from now on is something else: the chunk that runs stays until then.

        No other begins that was asked for before. It is asked anew at once; a robot that would
        have to wait for the answer executes first what it would execute of its chunk anyway.
        """
        self._next = self._asked = None
        self._at_once = not self._strategy.waits

    def action(self, step: int) -> tuple[Chunk, int] | None:
        """The chunk and the index of the action of a step; None if there is none."""
        self._switch(step)
        if self.current is None or not self.current.first <= step < self.current.end:
            return None
        return self.current, step - self.current.first

    def ahead(self, step: int, count: int) -> Array | None:
        """The actions of the next steps as far as they are known, at most `count`, (m, A)."""
        if self.current is None or self.current.end <= step or self.current.first > step:
            return None
        return self.current.since(step)[:count]

    def _executed(self) -> int:
        if self._execution is not None:
            return self._execution
        return execution_horizon(
            self._horizon, self.planned, waits=self._strategy.waits, reaction=self._reaction
        )

    def _switch(self, step: int) -> None:
        if self._next is not None and self._next.first <= step:
            self.current, self._next, self._since = self._next, None, step

    def _blended(self, chunk: Chunk, step: int) -> Chunk:
        """The chunk, drawn towards the one that runs where both have actions to come."""
        old = self.ahead(step, self._horizon)
        if old is None or self._strategy.share == 1.0 or chunk.first > step:
            return chunk
        over = step - chunk.first
        mixed = averaged(old, chunk.since(step), self._strategy.share)
        actions = np.concatenate((chunk.actions[:over], mixed))
        return Chunk(chunk.id, chunk.observed, chunk.first, actions)
