"""In which order the steps of a runbook run.

The rule, as docs/howto/runbooks.md tells it: a step runs after the one above it. ``parallel: true``
starts it together with the step above instead, and what comes below waits for both. ``needs`` says
exactly what a step waits for (``needs: []`` for nothing), whatever stands above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .expressions import all_references, mentioned, names_step
from .model import Runbook, Step


class Placed(NamedTuple):
    """A step and the steps right before its group: what it waits for if it does not say."""

    step: Step
    before: tuple[Step, ...]


def placed(runbook: Runbook) -> Iterator[Placed]:
    """Every step with what stands before it, in the order of the document."""
    before: tuple[Step, ...] = ()
    group: tuple[Step, ...] = ()
    for step in runbook.steps:
        if not step.parallel:
            before, group = group, ()
        group = (*group, step)
        yield Placed(step, before)


def result_sources(step: Step, ids: dict[str, Step], *, outputs_only: bool = True) -> list[str]:
    """The steps whose result (or also state and error) this one's arguments or list name."""
    found: dict[str, None] = {}
    for reference in all_references([step.arguments, step.instruction, step.for_each or ""]):
        owner = names_step(reference.head, ids)
        local = reference.head in ("inputs", "item", "index")
        if owner and not local and (reference.takes_output or not outputs_only):
            found[owner] = None
    return list(found)


def data_sources(step: Step, ids: dict[str, Step]) -> list[str]:
    """The steps whose outcome this one's arguments, list or condition name, in order."""
    found = dict.fromkeys(result_sources(step, ids, outputs_only=False))
    for name in mentioned(step.condition):
        if owner := names_step(name, ids):
            found[owner] = None
    return list(found)


def waits_for(place: Placed, ids: dict[str, Step]) -> list[str]:
    """Every step that a step waits for directly: stated, implied by data, or by its place."""
    step = place.step
    if step.needs is not None:
        stated = [need.step for need in step.needs]
    else:
        stated = [other.id for other in place.before]
    return list(dict.fromkeys([*stated, *data_sources(step, ids)]))
