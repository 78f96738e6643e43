"""The nodes of a constellation as plain data, and back with every contradiction refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from pydantic import TypeAdapter

from constellation.errors import EditConflictError

from .checks import check_dependency, check_task
from .lookup import element_id, index_of
from .node import NO_HISTORY, Node
from .plain import dependency_to_plain, read, task_to_plain
from .progress import MAX_TASKS
from .task import Dependency, Task, TaskState


@dataclass(frozen=True, slots=True)
class SavedNode:
    """What is kept of a node; what follows from the dependencies is counted afresh.

    Fields that it does not know are ignored: a newer hub may have more. What is ``gathered`` has
    the outputs of its elements for its own.
    """

    task: Task
    state: TaskState = TaskState.SUBMITTED
    attempt: int = 0
    device: str | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    question: dict[str, Any] | None = None
    submitted_at: float = 0.0
    ready_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    settled: bool = True
    skipped: bool = False
    ready: bool = False
    history: tuple[tuple[int, str | None, float, float, str], ...] = NO_HISTORY
    changed: int = 0
    member_of: str | None = None
    item: Any = None
    label: int = 0
    rank: float = 0.0
    size: int = 0
    released: int = 0
    unfinished: int = 0
    flowing: bool = False
    gathered: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A constellation as it was read; ``top`` is the largest label ever given."""

    id: str
    version: int
    top: int
    max_tasks: int
    called_off: bool
    nodes: dict[str, Node]


@dataclass(frozen=True, slots=True)
class _Outer:
    nodes: list[SavedNode]
    dependencies: list[Dependency] = field(default_factory=list)
    id: str = ""
    version: int = 0
    top: int = 0
    max_tasks: int = MAX_TASKS
    called_off: bool = False
    state: TaskState = TaskState.SUBMITTED


_OUTER: TypeAdapter[_Outer] = TypeAdapter(_Outer)
_FIELDS = tuple(name for name in SavedNode.__slots__ if name not in ("task", "state", "gathered"))
_VALUES = attrgetter(*_FIELDS)
_BLANK = _VALUES(Node(Task(""), 0.0, 0))


def nodes_to_plain(nodes: Mapping[str, Node]) -> dict[str, Any]:
    """The nodes and their dependencies; what has its default is left out."""
    return {
        "nodes": [_node_to_plain(node) for node in nodes.values()],
        "dependencies": [
            dependency_to_plain(dependency)
            for node in nodes.values()
            for dependency in node.outgoing.values()
        ],
    }


def gathered(node: Mapping[str, Any]) -> dict[str, Any]:
    """A map task's node as plain data, without the output that its elements have already."""
    short = {name: value for name, value in node.items() if name != "output"}
    return {**short, "gathered": True}


def read_document(data: Mapping[str, Any]) -> Document:
    """Read what a constellation's ``snapshot`` returned, or a person wrote.

    Raises:
        GraphError: it contradicts itself; names the place.
    """
    outer = read(_OUTER, data, "constellation")
    nodes: dict[str, Node] = {}
    for saved in outer.nodes:
        if saved.task.id in nodes:
            raise _wrong(saved.task.id, "there are two of that id")
        nodes[saved.task.id] = _node(saved)
    for node in nodes.values():
        _check_node(node, nodes)
    for saved in outer.nodes:
        if saved.gathered:
            node = nodes[saved.task.id]
            node.output = [nodes[element_id(node.id, i)].output for i in range(node.size)]
    _connect(nodes, outer.dependencies)
    return Document(outer.id, outer.version, outer.top, outer.max_tasks, outer.called_off, nodes)


def _node_to_plain(node: Node) -> dict[str, Any]:
    return {
        "task": task_to_plain(node.task),
        "state": str(node.state),
        **{
            name: value
            for name, value, blank in zip(_FIELDS, _VALUES(node), _BLANK, strict=True)
            if value != blank
        },
    }


def _node(saved: SavedNode) -> Node:
    node = Node(saved.task, saved.submitted_at, saved.changed)
    node.state = saved.state
    for name, value in zip(_FIELDS, _VALUES(saved), strict=True):
        setattr(node, name, value)
    return node


def _check_node(node: Node, nodes: Mapping[str, Node]) -> None:
    if node.member_of is None:
        check_task(node.task)
    else:
        _check_element(node, nodes)
    if node.ready and node.state is not TaskState.SUBMITTED:
        raise _wrong(node.id, f"it is {node.state} and ready at once")
    for index in range(node.size):
        if element_id(node.id, index) not in nodes:
            raise _wrong(node.id, f"its element {index} is missing")


def _check_element(node: Node, nodes: Mapping[str, Node]) -> None:
    parent = nodes.get(node.member_of or "")
    if parent is None or not node.id.endswith("]") or "[" not in node.id:
        raise _wrong(node.id, f"it is no element of {node.member_of}")
    if element_id(parent.id, index_of(node.id)) != node.id:
        raise _wrong(node.id, f"it is no element of {node.member_of}")


def _connect(nodes: Mapping[str, Node], dependencies: Iterable[Dependency]) -> None:
    for dependency in dependencies:
        check_dependency(dependency)
        source, target = nodes.get(dependency.source), nodes.get(dependency.target)
        if source is None or target is None:
            missing = dependency.source if source is None else dependency.target
            raise _wrong(missing, "a dependency names it, but there is none of that id")
        if target.id in source.outgoing:
            raise _wrong(target.id, f"two dependencies lead to it from {source.id}")
        source.outgoing[target.id] = dependency
        target.incoming[source.id] = dependency


def _wrong(task_id: str, why: str) -> EditConflictError:
    return EditConflictError(
        f"This is no constellation: task {task_id!r}: {why}.",
        remedy="Give what `constellation show --json` printed.",
        task=task_id,
        rule="document",
    )
