"""What came of a constellation: its tasks as planned, and the outputs that nothing else took up."""

from __future__ import annotations

from typing import Any

from .constellation import Constellation
from .node import Node
from .task import TaskState


def in_plan_order(constellation: Constellation) -> list[Node]:
    """Its tasks in the order in which they were planned, elements of a map below their map."""
    elements: dict[str, list[Node]] = {}
    for node in constellation.nodes.values():
        if node.member_of is not None:
            elements.setdefault(node.member_of, []).append(node)
    return [
        each
        for node in constellation.nodes.values()
        if node.member_of is None
        for each in (node, *elements.get(node.id, ()))
    ]


def results(constellation: Constellation) -> dict[str, Any]:
    """The outputs of the completed tasks on which nothing else depends, by task."""
    return {
        node.id: node.output
        for node in in_plan_order(constellation)
        if node.state is TaskState.COMPLETED
        and node.member_of is None
        and not constellation.successors(node.id)
    }
