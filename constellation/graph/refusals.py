"""Why a batch of edits is refused for what has become of a task: rule and remedy."""

from __future__ import annotations

from constellation.errors import EditConflictError, ImmutableTaskError

from .node import Node
from .references import Reference
from .task import Dependency, TaskState


def immutable(node: Node, verb: str) -> ImmutableTaskError:
    """Its work has started or ended."""
    if not node.ended:
        instead = "Cancel it, or add"
    elif node.state is TaskState.COMPLETED:
        instead = "Add"
    else:
        instead = "Retry it, or add"
    return ImmutableTaskError(
        f"Task {node.id} is {node.state} and can no longer be {verb}.",
        remedy=f"{instead} a task after it.",
        task=node.id,
        rule="started work is immutable",
    )


def element(node: Node) -> EditConflictError:
    """It belongs to the map task that made it."""
    return EditConflictError(
        f"Task {node.id} is an element of {node.member_of}, which made it.",
        remedy=f"Retry {node.member_of}, or depend on it; an element can only be canceled.",
        task=node.id,
        rule="element",
    )


def wrong_kind(node: Node, reference: Reference, known: Dependency) -> EditConflictError:
    """It refers to what its dependency does not bring."""
    if reference.field == "items":
        why = f"its dependency on {known.source} is '{known.condition}', which brings no items"
        remedy = "Make that dependency a 'stream', or refer to the output."
    else:
        why = f"it begins while {known.source} runs, and that is not there by then"
        remedy = f"Refer to ${{{known.source}.items}}, or let it wait for success."
    return EditConflictError(
        f"Task {node.id} refers to ${{{reference.text}}}, but {why}.",
        remedy=remedy,
        task=node.id,
        rule="items need a stream",
    )


def changed_since(node: Node, base: int) -> EditConflictError:
    """It is not what the author of the edit saw."""
    return EditConflictError(
        f"Task {node.id} was changed in version {node.changed}; the edit was made against version "
        f"{base}.",
        remedy="Look at it again and make the edit against the current version.",
        task=node.id,
        rule="base version",
    )


def never_been(graph_id: str, base: int, version: int) -> EditConflictError:
    """There is no such version that its author could have seen."""
    return EditConflictError(
        f"The edit was made against version {base}, which there has not been: {graph_id} has "
        f"version {version}.",
        remedy="Make the edit against the current version.",
        rule="base version",
    )
