"""What a language model is asked to write: a plan, or a change of one; flat, and easy to get right.

The models here are read from a model's answer, so they are strict: a field that is not known is a
mistake that the model is told of. `compiling.py` turns them into edits.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wait(Strict):
    """That a task waits for another.

    Attributes:
        task: the other task.
        on: ``success``; ``failure``; ``completion``, whatever the outcome; or a predicate over the
            result, as in ``output.percent > 90``.
    """

    task: Id
    on: str = "success"


class Step(Strict):
    """One call of one skill.

    Attributes:
        id: unique in the plan.
        name: what a person reads.
        skill: a skill of the catalogue.
        device: the device that shall do it; empty for any that has the skill.
        arguments: as the skill's input schema says; a string may hold ``${id.output.field}``.
        after: what it waits for; tasks that its arguments refer to need not be named.
        for_each: ``${id.output.field}`` of a list; the step then runs once for each element, which
            its arguments see as ``${item}``.
        optional: the rest goes on if it fails.
    """

    id: Id
    name: str = Field(default="", max_length=200)
    skill: str
    device: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    after: tuple[Wait, ...] = ()
    for_each: str = ""
    optional: bool = False


class Proposal(Strict):
    """A plan for a request.

    Attributes:
        thought: why it is planned so; for the record.
        title: a few words that name the whole.
        tasks: what to do; empty if the request cannot be done.
        notes: what was assumed, one sentence each.
        problems: what of the request cannot be done with these devices, one sentence each.
    """

    thought: str = ""
    title: str = Field(default="", max_length=200)
    tasks: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Add(Strict):
    """Add a task."""

    do: Literal["add"]
    task: Step


class Remove(Strict):
    """Take a task out that has not started."""

    do: Literal["remove"]
    id: Id


class Cancel(Strict):
    """Cancel a task, started or not, with what descends from it if wanted."""

    do: Literal["cancel"]
    id: Id
    subtree: bool = False


class Retry(Strict):
    """Run a task again that ended without success."""

    do: Literal["retry"]
    id: Id


class Change(Strict):
    """Change device or arguments of a task that has not started; null keeps what it has."""

    do: Literal["change"]
    id: Id
    device: str | None = None
    arguments: dict[str, Any] | None = None


AnyChange = Annotated[Add | Remove | Cancel | Retry | Change, Field(discriminator="do")]


class Revision(Strict):
    """What to change after an outcome; nothing if the plan stands as it is."""

    thought: str = ""
    changes: tuple[
        Annotated[Add | Remove | Cancel | Retry | Change, Field(discriminator="do")], ...
    ]
