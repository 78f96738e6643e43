"""The graphs that are run: shapes as edits, on a skill that does nothing."""

from __future__ import annotations

import random

from constellation.graph.edits import AddDependency, AddTask, Edit
from constellation.graph.task import Dependency, Task

SKILL = "noop"
SEED = 20261123


def chain(count: int) -> list[Edit]:
    """One task after another."""
    edges = [AddDependency(Dependency(f"t{n}", f"t{n + 1}")) for n in range(count - 1)]
    return [*independent(count), *edges]


def independent(count: int, prefix: str = "t") -> list[Edit]:
    """Tasks that wait for nothing."""
    return [AddTask(Task(f"{prefix}{n}", skill=SKILL)) for n in range(count)]


def layered(width: int, depth: int, fan_in: int = 3) -> list[Edit]:
    """Layers of tasks; each waits for ``fan_in`` tasks of the layer before it."""
    draw = random.Random(SEED)
    edits: list[Edit] = [
        AddTask(Task(f"t{layer}-{n}", skill=SKILL)) for layer in range(depth) for n in range(width)
    ]
    for layer in range(1, depth):
        for n in range(width):
            edits += [
                AddDependency(Dependency(f"t{layer - 1}-{source}", f"t{layer}-{n}"))
                for source in draw.sample(range(width), min(fan_in, width))
            ]
    return edits
