"""What an agent can say went wrong with a task: finer codes below those of `constellation.errors`.

A hub that does not know a code takes the nearest one above it (``task.failed.exit`` →
``task.failed``), so new ones may be added here freely.
"""

from __future__ import annotations

import logging
from typing import Any

from pydantic_core import to_jsonable_python

from constellation.errors import (
    ConstellationError,
    TaskCanceled,
    TaskFailed,
    TaskRejected,
    TaskTimedOut,
)

MAY_HAVE_RUN = "See what it left behind, then retry the task or cancel it."

log = logging.getLogger("constellation.agent")


class SkillCrashed(TaskFailed):
    """The skill raised something that it did not mean to; the traceback stays on the device."""

    code = "task.failed.exception"


class Interrupted(TaskFailed):
    """The agent stopped while the attempt ran: it may have taken effect, wholly or in part."""

    code = "task.failed.interrupted"


class CommandFailed(TaskFailed):
    """A command ended with an exit code other than 0; its output is in the details."""

    code = "task.failed.exit"


class HttpFailed(TaskFailed):
    """A server could not be reached or answered with an error status."""

    code = "task.failed.http"


class ToolFailed(TaskFailed):
    """A foreign tool or agent said that it failed, or its server refused the call."""

    code = "task.failed.tool"


class ToolServerLost(TaskFailed):
    """What is behind a foreign tool is gone; it may come back, so a retry may succeed."""

    code = "task.failed.server_lost"


class BudgetSpent(TaskFailed):
    """An assistant used up its steps, tokens or money before it was done."""

    code = "task.failed.budget"


class ModelFailed(TaskFailed):
    """An assistant's model gave no answer, or none that can be used."""

    code = "task.failed.model"


class GaveUp(TaskFailed):
    """An assistant found that it cannot do what it was told."""

    code = "task.failed.impossible"


class UnknownSkill(TaskRejected):
    """The device has no such skill."""

    code = "task.rejected.unknown_skill"


class Overloaded(TaskRejected):
    """The hub gave the device more than its capacity and its waiting room hold."""

    code = "task.rejected.overloaded"


class Leaving(TaskRejected):
    """The agent drains: it takes nothing new, whatever it is."""

    code = "task.rejected.leaving"


class DeadlinePassed(TaskTimedOut):
    """The deadline of the attempt's task has come."""

    code = "task.timeout.deadline"


class Denied(TaskCanceled):
    """A person was asked and said no."""

    code = "task.canceled.denied"


def explain(skill: str, attempt: str, raised: BaseException | None) -> ConstellationError:
    """What a run ended with, as an error that travels; a traceback stays here."""
    if raised is None:
        return TaskCanceled("The skill canceled itself.")
    if isinstance(raised, ConstellationError):
        return raised
    log.error("%s crashed in %s.", skill, attempt, exc_info=raised)
    return SkillCrashed(
        f"The code of {skill} crashed: {type(raised).__name__}: {str(raised).rstrip('.')}.",
        remedy="See the log of the device's agent.",
        skill=skill,
    )


def to_wire(error: ConstellationError) -> dict[str, Any]:
    """An error as plain data, whatever its details hold."""
    wire = error.to_wire()
    if "details" in wire:
        wire["details"] = to_jsonable_python(wire["details"], fallback=str)
    return wire
