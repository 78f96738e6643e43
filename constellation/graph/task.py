"""What a task is: its definition, its requirement, its limits and its outcome.

All classes here are frozen plain data. Validation of data from outside happens once, at the edge,
with pydantic's ``TypeAdapter`` over these same classes (see ``export.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict, with_config


class TaskState(StrEnum):
    """The states of a task; the words are A2A's."""

    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input-required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"


TERMINAL = frozenset(
    {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELED, TaskState.REJECTED}
)
ACTIVE = frozenset({TaskState.WORKING, TaskState.INPUT_REQUIRED})

# A misspelt field in data from outside is refused, not ignored.
STRICT = ConfigDict(extra="forbid")

ConditionKind = Literal["success", "completion", "failure", "when", "stream"]


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Requirement:
    """What a device must be or have to run a task.

    Attributes:
        device: the name of the only device allowed, or None for any.
        platform: such as ``linux``; None for any.
        capabilities: names of capabilities or skills that the device's card must list.
        labels: labels that the device's card must carry with these values.
        exclusive: names of hub-wide resources that the task holds alone while it runs.
        near: artifact hashes; devices that already hold them are preferred.
        avoid: names of devices that must not run it.
    """

    device: str | None = None
    platform: str | None = None
    capabilities: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    exclusive: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is followed by another.

    Attributes:
        attempts: how many attempts in all, at least 1.
        backoff_s: wait before the second attempt; multiplied by ``factor`` for each further one.
        factor: growth of the wait.
        max_backoff_s: upper bound of the wait.
        on: error codes (or prefixes up to a dot) that are retried; empty means every error. What
            is not idempotent and was interrupted, so that it may have run, is retried only if
            ``task.failed.interrupted`` is named here.
        elsewhere: prefer a device on which this task has not failed yet.
    """

    attempts: int = 1
    backoff_s: float = 1.0
    factor: float = 2.0
    max_backoff_s: float = 60.0
    on: tuple[str, ...] = ()
    elsewhere: bool = False


# Most tasks ask for neither: they share these.
ANY_DEVICE = Requirement()
ONE_ATTEMPT = RetryPolicy()


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Task:
    """A unit of work for one device.

    Attributes:
        id: unique in its constellation: letters, digits, ``_``, ``-``, ``.``; at most 128.
        skill: the skill to call; empty if the task is an ``instruction`` in words.
        arguments: plain data; strings may hold references such as ``${other.output.path}``.
        instruction: plain words for a device that plans for itself.
        name: what a person reads; the id if empty.
        requirement: which devices may run it.
        priority: higher runs first; 0 is normal.
        timeout_s: bound of one attempt, in seconds.
        deadline_s: bound of the whole task in seconds after its constellation was submitted.
        retry: see `RetryPolicy`.
        idempotent: True if running it twice does no harm; None takes the skill's own word.
        optional: if it fails, its success dependents run all the same and the constellation
            does not fail; references to its output are then null.
        join: ``all`` waits for every dependency; ``any`` runs at the first one that is met.
        for_each: a reference to a list; the task then runs once for each element, which its
            arguments see as ``${item}`` and ``${index}``, and its output is the list of outputs.
        max_parallel: bound on how many elements run at once; None for no bound.
        gang: on how many devices it runs at once, each with a rank: all of them begin together or
            none does, and what ends one without success ends or repeats all. Its output is the
            list of outputs by rank, and its arguments see their rank as ``${index}``.
        tainted: what its planner had read that may have talked it into this task; empty if nothing.
            Its device then asks a person before it changes anything.
    """

    id: str
    skill: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    instruction: str = ""
    name: str = ""
    requirement: Requirement = field(default_factory=lambda: ANY_DEVICE)
    priority: int = 0
    timeout_s: float | None = None
    deadline_s: float | None = None
    retry: RetryPolicy = field(default_factory=lambda: ONE_ATTEMPT)
    idempotent: bool | None = None
    optional: bool = False
    join: Literal["all", "any"] = "all"
    for_each: str | None = None
    max_parallel: int | None = None
    tainted: str = ""
    gang: int | None = None

    @property
    def has_elements(self) -> bool:
        """Whether it runs by elements, one for each entry of a list or rank of a gang."""
        return self.for_each is not None or self.gang is not None


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Dependency:
    """An edge: ``target`` waits for ``source`` until the condition is met.

    Attributes:
        source: id of the task that comes first.
        target: id of the task that waits.
        condition: ``success``; ``completion`` (whatever the outcome); ``failure``; ``when``, a
            predicate over the outcome; or ``stream``: met by the first item that the source puts
            out while it runs, and by its success.
        when: the predicate's source text, as in ``output.percent > 90``; only with ``when``.
    """

    source: str
    target: str
    condition: ConditionKind = "success"
    when: str | None = None


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        state: one of the terminal states.
        output: what it produced, plain data; None if nothing.
        error: ``{"code", "message", "remedy"?, "details"?}`` unless completed; says why in words
            that a person understands.
    """

    state: TaskState
    output: Any = None
    error: Mapping[str, Any] | None = None
