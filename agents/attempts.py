"""The attempts of a device: which wait, which ask, which run, and that none runs twice.

Pure bookkeeping: no clock, no I/O. The runtime does what follows from it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any

from constellation.errors import ConstellationError, TaskRejected

from .context import Context, Said
from .errors import Overloaded, UnknownSkill
from .gang import Gang, read_gang
from .skills import AnySkill, Registry
from .streams import Emitter

IN_WORDS = "agent.do"
"""The skill that does what an instruction says."""

_REMEMBERED = 10_000


class Stage(Enum):
    """Where an attempt stands."""

    WAITING = auto()  # for room within the capacity
    ASKING = auto()  # for a person's approval, before anything was done
    RUNNING = auto()
    ENDED = auto()


class Attempt:
    """One call of one skill.

    Attributes:
        id: ``constellation/task/number``.
        skill: what is called.
        arguments: as the function takes them.
        idempotent: True if running it twice does no harm, so that its begin need not be recorded.
        timeout_s: bound of the run; None for none.
        deadline: when its task must have ended, Unix seconds by the hub's clock; None for never.
        task: what a person reads.
        traceparent: the span that it is a part of; None if it is not traced.
        tainted: what its planner had read that may have asked for it; empty if nothing.
        max_cost: what it may spend on language models; None if nothing bounds it.
        tokens, cost: what it has spent on them.
        gang: who else runs it at the same time; None if nobody does.
        lag: how many items it may put out ahead of those who read them; 0 if nobody does.
        inputs: tasks whose items it reads.
        emitter: the way of its items, once it put one out.
        stage: where it stands.
        started_at: the runtime's clock when it began to run.
        stopping: why it is being stopped; None as long as it is not.
        question: what a person is asked, with its ``id``; None while nothing is open.
        answered: resolved by the answer to the last question.
        context, run, timer: what the runtime made for it.
        remaining_s: what is left of its time while a question is open.
    """

    __slots__ = (
        "answered",
        "arguments",
        "context",
        "cost",
        "deadline",
        "emitter",
        "gang",
        "id",
        "idempotent",
        "inputs",
        "lag",
        "max_cost",
        "question",
        "remaining_s",
        "run",
        "skill",
        "stage",
        "started_at",
        "stopping",
        "tainted",
        "task",
        "timeout_s",
        "timer",
        "tokens",
        "traceparent",
    )

    def __init__(
        self,
        id: str,
        skill: AnySkill,
        arguments: Mapping[str, Any],
        *,
        idempotent: bool,
        timeout_s: float | None,
        deadline: float | None,
        task: str,
        traceparent: str | None,
        tainted: str = "",
        max_cost: float | None = None,
        gang: Gang | None = None,
        lag: int = 0,
        inputs: Sequence[str] = (),
    ) -> None:
        self.id = id
        self.skill = skill
        self.arguments = arguments
        self.idempotent = idempotent
        self.timeout_s = timeout_s
        self.deadline = deadline
        self.task = task
        self.traceparent = traceparent
        self.tainted = tainted
        self.max_cost = max_cost
        self.tokens = 0
        self.cost = 0.0
        self.gang = gang
        self.lag = lag
        self.inputs = tuple(inputs)
        self.emitter: Emitter | None = None
        self.stage = Stage.WAITING
        self.started_at = 0.0
        self.stopping: ConstellationError | None = None
        self.question: Mapping[str, Any] | None = None
        self.answered: asyncio.Future[Said] | None = None
        self.context: Context | None = None
        self.run: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.remaining_s = timeout_s


class Attempts:
    """All attempts of a device.

    Args:
        registry: its skills.
        capacity: how many attempts run at once. As many again may wait, for room or a person's
            approval, for a hub whose picture of us is a moment old; more is refused.

    Attributes:
        open: attempts that have not ended, by id.
    """

    def __init__(self, registry: Registry, capacity: int) -> None:
        self._registry = registry
        self._capacity = capacity
        self._running: dict[str, int] = {}
        self._running_in_all = 0
        self._waiting: dict[str, Attempt] = {}
        self._ended: deque[str] = deque()
        self._known: set[str] = set()
        self.open: dict[str, Attempt] = {}

    def known(self, attempt: str) -> bool:
        """True if it was taken before: it must not run again."""
        return attempt in self._known

    def take(self, body: Mapping[str, Any]) -> Attempt:
        """Take in an ``assign`` that is not `known`; it then waits.

        Raises:
            TaskRejected: no such skill, or no room.
            SkillError: the arguments do not fit the skill.
        """
        name = body.get("skill") or (IN_WORDS if body.get("instruction") else "")
        skill = self._registry.get(name)
        if skill is None:
            raise _unknown(name, self._registry)
        if len(self.open) - self._running_in_all > self._capacity:
            raise Overloaded(
                f"The device runs {self._capacity} attempts at once, and as many wait or ask.",
                remedy="Send it no more than its card's capacity.",
            )
        timeout_s = body.get("timeout_s")
        context = body.get("context") or {}
        attempt = Attempt(
            body["attempt"],
            skill,
            skill.bind(_arguments(body)),
            idempotent=body.get("idempotent", skill.card.idempotent),
            timeout_s=skill.timeout_s if timeout_s is None else timeout_s,
            deadline=body.get("deadline"),
            task=context.get("name") or context.get("task") or name,
            traceparent=body.get("traceparent"),
            tainted=str(context.get("tainted") or ""),
            max_cost=body.get("max_cost"),
            gang=read_gang(context.get("gang")),
            lag=int((context.get("emit") or {}).get("lag") or 0),
            inputs=context.get("inputs") or (),
        )
        self.open[attempt.id] = attempt
        self._known.add(attempt.id)
        return attempt

    def queue(self, attempt: Attempt) -> None:
        """Let an attempt run as soon as there is room."""
        attempt.stage = Stage.WAITING
        self._waiting[attempt.id] = attempt

    def admit(self) -> list[Attempt]:
        """The waiting attempts for which there is room now; they count as running."""
        admitted: list[Attempt] = []
        if not self._waiting:
            return admitted
        for attempt in list(self._waiting.values()):
            if self._running_in_all >= self._capacity:
                break
            name = attempt.skill.name
            count = self._running.get(name, 0)
            limit = attempt.skill.card.capacity
            if limit is None or count < limit:
                del self._waiting[attempt.id]
                self._running[name] = count + 1
                self._running_in_all += 1
                attempt.stage = Stage.RUNNING
                admitted.append(attempt)
        return admitted

    def enter(self, skill: str, limit: int | None) -> bool:
        """Count a call that a running attempt makes of another skill; False if it has no room.

        It counts for that skill alone: the attempt has its place within the device's capacity.
        """
        count = self._running.get(skill, 0)
        if limit is not None and count >= limit:
            return False
        self._running[skill] = count + 1
        return True

    def leave(self, skill: str) -> None:
        """Such a call is over."""
        self._running[skill] -= 1

    def end(self, attempt: Attempt) -> None:
        """An attempt is over, or was refused."""
        if attempt.stage is Stage.RUNNING:
            self._running[attempt.skill.name] -= 1
            self._running_in_all -= 1
        self._waiting.pop(attempt.id, None)
        attempt.stage = Stage.ENDED
        del self.open[attempt.id]
        self._ended.append(attempt.id)
        if len(self._ended) > _REMEMBERED:
            self._known.discard(self._ended.popleft())


def _arguments(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of the skill; a task in words is one of the skill that takes words."""
    given = body.get("arguments") or {}
    return given if body.get("skill") else {**given, "instruction": body["instruction"]}


def _unknown(name: str, registry: Registry) -> TaskRejected:
    if name in ("", IN_WORDS):
        return UnknownSkill(
            "This device takes skills with arguments, not instructions in words.",
            remedy="Let the hub's planner choose a skill, or name a model in the device's settings "
            "([assistant]).",
        )
    return UnknownSkill(
        f"This device has no skill {name!r}.",
        remedy=f"It has {', '.join(sorted(each.name for each in registry)) or 'none'}.",
        skill=name,
    )
