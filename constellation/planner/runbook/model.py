"""What a runbook is once it has been read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from constellation.graph.task import Requirement, RetryPolicy

from .findings import START, Mark

if TYPE_CHECKING:
    from constellation.aip.cards import DeviceCard
    from constellation.planner.ports import Plan

InputType = Literal["string", "integer", "number", "boolean", "list", "object"]
Outcome = Literal["success", "completion", "failure", "when", "stream"]


@dataclass(frozen=True, slots=True)
class Input:
    """A value that the runbook asks for.

    Attributes:
        name: what ``${inputs.name}`` refers to.
        type: what kind of value it takes.
        default: used when none is given; None if there is no default.
        required: True if a value must be given.
        description: one sentence for the person who gives it.
        choices: the only values allowed; empty for any.
        mark: where it is declared.
    """

    name: str
    type: InputType = "string"
    default: Any = None
    required: bool = True
    description: str = ""
    choices: tuple[Any, ...] = ()
    mark: Mark = START


@dataclass(frozen=True, slots=True)
class Need:
    """That a step waits for another.

    Attributes:
        step: id of the step that comes first.
        outcome: which of its outcomes releases this one.
        when: the predicate's text, only with outcome ``when``.
        same_device: of the other step's tasks only the one on the same device counts.
        mark: where it is said.
    """

    step: str
    outcome: Outcome = "success"
    when: str | None = None
    same_device: bool = False
    mark: Mark = START


@dataclass(frozen=True, slots=True)
class Target:
    """Where a step runs: on one device that fits, or with ``every`` on each that does.

    Attributes:
        requirement: what the device must be or have.
        every: one task for each connected device that fits.
        names: one task for each of these devices, by name, instead.
    """

    requirement: Requirement = field(default_factory=Requirement)
    every: bool = False
    names: tuple[str, ...] = ()

    @property
    def fans_out(self) -> bool:
        return self.every or bool(self.names)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; see docs/howto/runbooks.md for the meaning of each field.

    Attributes:
        needs: None if the step did not say, so that its place in the document decides.
        parallel: starts together with the step above it.
        marks: where each field stands (``with.path`` for an argument); ``""`` is the step itself.
    """

    id: str
    title: str = ""
    skill: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    instruction: str = ""
    on: Target = field(default_factory=Target)
    needs: tuple[Need, ...] | None = None
    condition: str = ""
    for_each: str | tuple[Any, ...] | None = None
    max_parallel: int | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_s: float | None = None
    deadline_s: float | None = None
    optional: bool = False
    idempotent: bool | None = None
    priority: int = 0
    join: Literal["all", "any"] = "all"
    parallel: bool = False
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def mark(self, name: str = "") -> Mark:
        """Where a field stands, or the step itself if it does not say that field."""
        return self.marks.get(name) or self.marks.get("") or START


@dataclass(frozen=True, slots=True)
class Runbook:
    """A document of steps, read and checked.

    Attributes:
        title: what a person reads.
        description: a sentence more.
        inputs: by name, in the order of the document.
        steps: in the order of the document.
        source: the file's name, for messages.
    """

    title: str
    inputs: Mapping[str, Input]
    steps: tuple[Step, ...]
    source: str = "runbook"
    description: str = ""

    def plan(
        self, inputs: Mapping[str, Any] | None = None, cards: Sequence[DeviceCard] | None = None
    ) -> Plan:
        """The constellation of this runbook.

        Args:
            inputs: values of its inputs; those with a default may be left out.
            cards: the connected devices; a step on ``all`` needs them.

        Raises:
            PlanError: an input is missing, unknown or of the wrong type, or ``all`` fits no device.
        """
        from .build import build  # the model stands below the builder

        return build(self, inputs or {}, cards)
