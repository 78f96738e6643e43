"""A constellation as a document: JSON in and out, Mermaid, DOT, networkx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .constellation import Constellation
from .node import Node
from .task import Dependency, TaskState

if TYPE_CHECKING:
    import networkx as nx

_COLOURS = {
    TaskState.SUBMITTED: "#e8e8e8",
    TaskState.WORKING: "#cfe8ff",
    TaskState.INPUT_REQUIRED: "#ffe9a8",
    TaskState.COMPLETED: "#cdeccd",
    TaskState.FAILED: "#f6c6c6",
    TaskState.CANCELED: "#dcd3e6",
    TaskState.REJECTED: "#f3cdb4",
}
# Mermaid reads labels as HTML with entities of its own.
_ENTITIES = str.maketrans(
    {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "\n": " "}
)


def to_json(graph: Constellation) -> dict[str, Any]:
    """The whole constellation, with its state, as plain data that JSON can carry."""
    return graph.snapshot()


def from_json(data: Mapping[str, Any]) -> Constellation:
    """Rebuild a constellation, with its state if the document has one.

    Raises:
        GraphError: the document contradicts itself; names the place.
    """
    return Constellation.restore(data)


def to_networkx(graph: Constellation) -> nx.DiGraph[str]:
    """A networkx graph for analysis; nodes carry ``node``, edges ``dependency``."""
    # Not at the top: it takes longer to import than a command has to answer in.
    import networkx as nx

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
        label = "<br/>".join(line.translate(_ENTITIES) for line in _caption(node))
        lines.append(f'    {names[name]}["{label}"]:::{_css(node.state)}')
    for node in graph.nodes.values():
        for target, dependency in node.outgoing.items():
            condition = _condition(dependency).translate(_ENTITIES)
            note = f'|"{condition}"|' if condition else ""
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
        label, colour = _quoted("\n".join(_caption(node))), _COLOURS[node.state]
        lines.append(f'    {_quoted(name)} [label={label}, fillcolor="{colour}"];')
    for node in graph.nodes.values():
        for target, dependency in node.outgoing.items():
            note = f" [label={_quoted(_condition(dependency))}]" if _condition(dependency) else ""
            lines.append(f"    {_quoted(node.id)} -> {_quoted(target)}{note};")
        if node.member_of is not None:
            lines.append(f"    {_quoted(node.member_of)} -> {_quoted(node.id)} [style=dotted];")
    return "\n".join([*lines, "}", ""])


def _caption(node: Node) -> tuple[str, str]:
    where = node.device or node.task.requirement.device
    return node.task.name or node.id, f"{node.state}{f' on {where}' if where else ''}"


def _condition(dependency: Dependency) -> str:
    return "" if dependency.condition == "success" else dependency.when or dependency.condition


def _css(state: TaskState) -> str:
    return state.value.replace("-", "_")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
