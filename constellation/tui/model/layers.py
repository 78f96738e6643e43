"""A constellation laid out in layers from left to right, as Sugiyama and others do it.

Each task stands one layer behind the last task that it waits for. Within a layer, tasks are ordered
by the mean place of their neighbours, once forwards and once backwards (the barycenter heuristic:
Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures",
1981). A dependency over several layers runs through places of its own; those that lead to the same
task share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from statistics import fmean

from constellation.graph.constellation import Constellation
from constellation.graph.node import Node

# Beyond so many places that hold nothing but a line, long dependencies are left out of the picture.
MAX_PASSING = 20_000


@dataclass(slots=True, eq=False)
class Place:
    """A place in the picture: of a task, or of a line that passes by.

    Attributes:
        layer, slot: where it is, from 0.
        task: the id of the task, or of the one to which the line leads.
        passes: True for a line.
        reads: True for a task that reads what others put out while they run.
        before, after: what it is joined with in the layers beside it.
    """

    layer: int
    task: str
    passes: bool = False
    slot: int = 0
    reads: bool = False
    before: list[Place] = field(default_factory=list)
    after: list[Place] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Layout:
    """The picture.

    Attributes:
        layers: the places of each layer by slot.
        places: where each task stands.
        height: the number of slots.
    """

    layers: Sequence[Mapping[int, Place]]
    places: Mapping[str, Place]
    height: int


def lay_out(graph: Constellation) -> Layout:
    """Lay a constellation out; O(n log n) in tasks and dependencies."""
    places = _layers(graph)
    depth = max((place.layer for place in places.values()), default=-1) + 1
    layers: list[list[Place]] = [[] for _ in range(depth)]
    for place in places.values():
        layers[place.layer].append(place)
    _join(graph, places, layers)
    _arrange(layers)
    height = max((place.slot for layer in layers for place in layer), default=-1) + 1
    return Layout([{place.slot: place for place in layer} for layer in layers], places, height)


def critical_chain(graph: Constellation) -> list[str]:
    """The longest chain of tasks by expected time, which decides when all is done."""
    roots = [node for node in graph.nodes.values() if not node.incoming and not node.member_of]
    node = max(roots, key=attrgetter("rank"), default=None)
    chain = []
    while node is not None:
        chain.append(node.id)
        following = [graph.nodes[target] for target in node.outgoing]
        node = max(following, key=attrgetter("rank"), default=None)
    return chain


def _layers(graph: Constellation) -> dict[str, Place]:
    """The tasks in topological order, each in its layer; elements stand behind their map task."""
    layer: dict[str, int] = {}
    for node in sorted(graph.nodes.values(), key=attrgetter("label")):
        if node.member_of is None:
            layer[node.id] = max((_end(graph, layer, name) for name in node.incoming), default=0)
    return {
        name: Place(
            layer[name] if node.member_of is None else layer[node.member_of] + 1,
            name,
            reads=node.reads,
        )
        for name, node in graph.nodes.items()
    }


def _end(graph: Constellation, layer: Mapping[str, int], name: str) -> int:
    """The first layer that may follow a task."""
    return layer[name] + (2 if graph.nodes[name].size else 1)


def _edges(graph: Constellation, node: Node) -> Iterator[tuple[str, str]]:
    if node.member_of is not None:
        yield node.member_of, node.id
        for target in graph.nodes[node.member_of].outgoing:
            yield node.id, target
    elif not node.size:
        for target in node.outgoing:
            yield node.id, target


def _join(graph: Constellation, places: Mapping[str, Place], layers: list[list[Place]]) -> None:
    """Join the places of dependent tasks, by way of the layers in between."""
    passing: dict[tuple[str, int], Place] = {}
    for node in graph.nodes.values():
        for source, target in _edges(graph, node):
            place, end = places[source], places[target]
            if end.layer - place.layer > 1 and len(passing) >= MAX_PASSING:
                continue
            for number in range(place.layer + 1, end.layer):
                line = passing.get((target, number))
                if line is not None:
                    # It leads on to the target already.
                    _link(place, line)
                    break
                line = passing[target, number] = Place(number, target, passes=True)
                layers[number].append(line)
                _link(place, line)
                place = line
            else:
                _link(place, end)


def _link(place: Place, following: Place) -> None:
    place.after.append(following)
    following.before.append(place)


# ── slots ───────────────────────────────────────────────────────────────────────────────────────


def _arrange(layers: list[list[Place]]) -> None:
    """Order the places of each layer, then give each a slot near those it is joined with."""
    for layer in layers:
        _number(layer)
    for layer in layers[1:]:
        layer.sort(key=_mean_before)
        _number(layer)
    for layer in reversed(layers[:-1]):
        layer.sort(key=_mean_after)
        _number(layer)
    for layer in layers[1:]:
        _align(layer, _mean_before)
    for layer in reversed(layers[:-1]):
        _align(layer, _mean_after)
    top = min((place.slot for layer in layers for place in layer), default=0)
    for layer in layers:
        for place in layer:
            place.slot -= top


def _number(layer: list[Place]) -> None:
    for slot, place in enumerate(layer):
        place.slot = slot


def _mean_before(place: Place) -> float:
    return fmean([each.slot for each in place.before]) if place.before else place.slot


def _mean_after(place: Place) -> float:
    return fmean([each.slot for each in place.after]) if place.after else place.slot


def _align(layer: list[Place], wish: Callable[[Place], float]) -> None:
    """Move the places of a layer towards where they wish to be, keeping their order."""
    wishes = [wish(place) for place in layer]
    slots: list[int] = []
    for wished in wishes:
        slots.append(max(round(wished), slots[-1] + 1 if slots else round(wished)))
    shift = round(fmean(slot - wished for slot, wished in zip(slots, wishes, strict=True)))
    for place, slot in zip(layer, slots, strict=True):
        place.slot = slot - shift
