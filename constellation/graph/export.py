"""A constellation as a document: JSON in and out, Mermaid, DOT, networkx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import networkx as nx

from constellation.errors import EditConflictError

from .constellation import Constellation
from .node import Node
from .plain import dependency_from_plain, dependency_to_plain, task_from_plain, task_to_plain
from .task import Dependency, TaskState

_RUNTIME = (
    "attempt",
    "device",
    "output",
    "error",
    "question",
    "submitted_at",
    "ready_at",
    "started_at",
    "finished_at",
    "settled",
    "skipped",
    "ready",
    "history",
    "changed",
    "member_of",
    "item",
    "open",
    "met",
    "unmet",
    "label",
    "rank",
    "serial",
    "size",
    "waiting",
    "unfinished",
)
_COLOURS = {
    TaskState.SUBMITTED: "#e8e8e8",
    TaskState.WORKING: "#cfe8ff",
    TaskState.INPUT_REQUIRED: "#ffe9a8",
    TaskState.COMPLETED: "#cdeccd",
    TaskState.FAILED: "#f6c6c6",
    TaskState.CANCELED: "#dcd3e6",
    TaskState.REJECTED: "#f3cdb4",
}


def to_json(graph: Constellation) -> dict[str, Any]:
    """The whole constellation, with its state, as plain data that JSON can carry."""
    return {
        "id": graph.id,
        "version": graph.version,
        "state": str(graph.state),
        "nodes": [_node_to_plain(node) for node in graph.nodes.values()],
        "dependencies": [
            dependency_to_plain(dependency)
            for node in graph.nodes.values()
            for dependency in node.outgoing.values()
        ],
    }


def from_json(data: Mapping[str, Any]) -> Constellation:
    """Rebuild a constellation, with its state.

    Raises:
        EditConflictError: the document is not one that `to_json` wrote; names the field.
    """
    try:
        graph = Constellation(str(data["id"]))
        graph.version = int(data["version"])
        for plain in data["nodes"]:
            node = _node_from_plain(plain)
            graph.nodes[node.id] = node
            graph.counts[node.state] += 1
        for plain in data["dependencies"]:
            dependency = dependency_from_plain(plain)
            graph.nodes[dependency.source].outgoing[dependency.target] = dependency
            graph.nodes[dependency.target].incoming[dependency.source] = dependency
    except (KeyError, TypeError, ValueError) as error:
        raise EditConflictError(
            f"This is not a constellation in JSON: {type(error).__name__} {error}.",
            remedy="Give what `constellation show --json` printed.",
        ) from None
    graph.reindex()
    return graph


def _node_to_plain(node: Node) -> dict[str, Any]:
    blank = Node(node.task, 0.0, 0)
    plain: dict[str, Any] = {"task": task_to_plain(node.task), "state": str(node.state)}
    for name in _RUNTIME:
        value = getattr(node, name)
        if value != getattr(blank, name):
            plain[name] = value
    return plain


def _node_from_plain(plain: Mapping[str, Any]) -> Node:
    node = Node(task_from_plain(plain["task"]), 0.0, 0)
    node.state = TaskState(plain["state"])
    for name in _RUNTIME:
        if name in plain:
            setattr(node, name, plain[name])
    node.history = tuple((a, b, c, d, e) for a, b, c, d, e in node.history)
    node.waiting = tuple(node.waiting)
    return node


def to_networkx(graph: Constellation) -> nx.DiGraph[str]:
    """A networkx graph for analysis; nodes carry ``node``, edges ``dependency``."""
    found: nx.DiGraph[str] = nx.DiGraph()
    for name, node in graph.nodes.items():
        found.add_node(name, node=node)
    for node in graph.nodes.values():
        for target, dependency in node.outgoing.items():
            found.add_edge(node.id, target, dependency=dependency)
        if node.member_of is not None:
            found.add_edge(node.member_of, node.id)
    return found


def to_mermaid(graph: Constellation) -> str:
    """A Mermaid flowchart, coloured by state."""
    names = {name: f"t{index}" for index, name in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    for name, node in graph.nodes.items():
        label = _mermaid_text(_caption(node, "<br/>"))
        lines.append(f'    {names[name]}["{label}"]:::{_css(node.state)}')
    for node in graph.nodes.values():
        for target, dependency in node.outgoing.items():
            note = f'|"{_mermaid_text(_condition(dependency))}"|' if _condition(dependency) else ""
            lines.append(f"    {names[node.id]} -->{note} {names[target]}")
        if node.member_of is not None:
            lines.append(f"    {names[node.member_of]} -.- {names[node.id]}")
    lines += [
        f"    classDef {_css(state)} fill:{colour},stroke:#555,color:#111"
        for state, colour in _COLOURS.items()
        if graph.counts[state]
    ]
    return "\n".join(lines) + "\n"


def to_dot(graph: Constellation) -> str:
    """A Graphviz digraph, coloured by state."""
    lines = [f"digraph {_quoted(graph.id)} {{", "    node [shape=box, style=filled];"]
    for name, node in graph.nodes.items():
        label, colour = _quoted(_caption(node, "\n")), _COLOURS[node.state]
        lines.append(f'    {_quoted(name)} [label={label}, fillcolor="{colour}"];')
    for node in graph.nodes.values():
        for target, dependency in node.outgoing.items():
            note = f" [label={_quoted(_condition(dependency))}]" if _condition(dependency) else ""
            lines.append(f"    {_quoted(node.id)} -> {_quoted(target)}{note};")
        if node.member_of is not None:
            lines.append(f"    {_quoted(node.member_of)} -> {_quoted(node.id)} [style=dotted];")
    return "\n".join([*lines, "}", ""])


def _caption(node: Node, newline: str) -> str:
    name = node.task.name or node.id
    where = node.device or node.task.requirement.device
    return f"{name}{newline}{node.state}{f' on {where}' if where else ''}"


def _condition(dependency: Dependency) -> str:
    return "" if dependency.condition == "success" else dependency.when or dependency.condition


def _css(state: TaskState) -> str:
    return state.value.replace("-", "_")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _mermaid_text(text: str) -> str:
    """Mermaid reads labels as HTML with entities; only our own line break may stay."""
    escaped = text.replace("&", "#amp;").replace('"', "#quot;").replace("<br/>", "\0")
    return escaped.replace("<", "#lt;").replace(">", "#gt;").replace("\0", "<br/>")
