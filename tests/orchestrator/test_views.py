"""How a constellation is shown to clients, part by part."""

from __future__ import annotations

from typing import Any

from scheduling_kit import Kit, work

from constellation.graph.export import from_json
from constellation.graph.task import Task
from constellation.orchestrator.views import PART_BYTES, graph_part, packed_bytes


def test_a_map_with_more_output_than_a_message_holds_is_shown_whole() -> None:
    outputs = [letter * (PART_BYTES * 2 // 3) for letter in "abc"]
    kit = Kit()
    kit.join("a")
    kit.submit(work("list"), Task("map", "work", {"x": "${item}"}, for_each="${list.output}"))
    kit.finish("c/list/1", [1, 2, 3])
    for n, output in enumerate(outputs):
        kit.finish(f"c/map[{n}]/1", output)
    nodes: list[Any] = []
    dependencies: list[Any] = []
    after: int | None = 0
    while after is not None:
        part, after = graph_part(kit.run(), after, 100)
        assert packed_bytes(part) < PART_BYTES * 1.1
        nodes += part["nodes"]
        dependencies += part["dependencies"]
    shown = from_json({**part, "nodes": nodes, "dependencies": dependencies})
    assert shown.nodes["map"].output == outputs
    assert shown.snapshot() == kit.run().constellation.snapshot()
