"""How constellations and devices are shown to clients, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgpack

from constellation.aip.scope import Scope
from constellation.errors import LimitExceeded
from constellation.graph.document import gathered, nodes_to_plain
from constellation.graph.edits import Batch, Edit
from constellation.graph.export import to_json
from constellation.graph.plain import batch_to_plain

from .device import Device
from .run import Run

# What the hub takes in one message: inside an event it still fits the body that clients take.
# Answers are made in smaller parts.
MOST_BYTES = 7 * 1024 * 1024
PART_BYTES = 2 * 1024 * 1024
PART_TASKS = 1_000
WHOLE_TASKS = 5_000


def summary(run: Run) -> dict[str, Any]:
    """What a listing shows of a constellation."""
    return {
        "id": run.id,
        "name": run.name,
        "request": run.request,
        "owner": run.owner,
        "state": str(run.state),
        "paused": run.paused,
        "counts": {str(state): n for state, n in run.constellation.counts.items() if n},
        "version": run.constellation.version,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "tokens": run.spent.tokens,
        "cost": run.spent.cost,
        "max_cost": run.max_cost,
    }


class Part(NamedTuple):
    """A part of a graph.

    Attributes:
        graph: as `to_json` gives it, with some of the tasks and the dependencies that leave them.
        next: the position at which the next part begins; None if there is none.
    """

    graph: dict[str, Any]
    next: int | None


def graph_part(run: Run, after: int, limit: int | None) -> Part:
    """The tasks of a constellation from a position on; all of them if ``limit`` is None.

    A part ends early when it becomes large. Positions hold as long as the version stays the same.

    Raises:
        LimitExceeded: all were asked for, and they are too many for one answer.
    """
    graph = run.constellation
    if limit is None:
        if len(graph.nodes) > WHOLE_TASKS:
            raise LimitExceeded(
                f"{run.id} has {len(graph.nodes):,} tasks, which is too much for one answer.",
                remedy="Ask for it in parts, with `limit` and `after`.",
            )
        return Part(to_json(graph), None)
    nodes: list[Any] = []
    dependencies: list[Any] = []
    size = 0
    for name, node in islice(graph.nodes.items(), after, after + min(limit, PART_TASKS)):
        plain = nodes_to_plain({name: node})
        length = packed_bytes(plain)
        if length > PART_BYTES and node.size:
            # All outputs of a map at once may be more than a message holds.
            plain["nodes"] = [gathered(plain["nodes"][0])]
            length = packed_bytes(plain)
        size += length
        if nodes and size > PART_BYTES:
            break
        nodes += plain["nodes"]
        dependencies += plain["dependencies"]
    end = after + len(nodes)
    part = {**graph.head(), "nodes": nodes, "dependencies": dependencies}
    return Part(part, end if end < len(graph.nodes) else None)


def packed_bytes(plain: Any) -> int:
    """How large plain data is in a message, roughly for those who speak JSON."""
    return len(msgpack.packb(plain, use_bin_type=True))


def check_size(edits: Sequence[Edit]) -> None:
    """See that edits made here can be told to clients, as those that came in a message can.

    Raises:
        LimitExceeded: they are too large for one message.
    """
    size = packed_bytes(batch_to_plain(Batch(tuple(edits))))
    if size > MOST_BYTES:
        raise LimitExceeded(
            f"The plan has {size:,} bytes, which is more than the {MOST_BYTES:,} of one message.",
            remedy="Ask for less at once, or put large data into artifacts.",
        )


def device_view(device: Device, scope: Scope, *, card: bool = True) -> dict[str, Any]:
    """What a listing shows of a device; its card is by far the largest part.

    Args:
        scope: of whoever looks: skills that they may not use are left out.
    """
    view: dict[str, Any] = {
        "name": device.card.name,
        "presence": str(device.presence),
        "unavailable": device.unavailable(),
        "running": list(device.running),
    }
    if card:
        view["card"] = scope.filtered(device.card).model_dump(mode="json")
    return view
