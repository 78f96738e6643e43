"""Shapes of graphs that others have published, and one that a hub has recorded.

- Fork–join: stages of parallel jobs between single ones.
- Montage and LIGO Inspiral: the shapes of Bharathi et al., "Characterization of Scientific
  Workflows" (WORKS 2008); how long kinds of jobs take beside one another follows Juve et al.,
  "Characterizing and profiling scientific workflows" (FGCS 29, 2013), rounded, and smaller where
  one job of theirs would be most of the makespan.
- Random layered: after the generator of Topcuoglu, Hariri and Wu (TPDS 13, 2002), section 6: a
  height from the shape parameter, widths by chance, each job waits for some of those above it.
- Requests: the plans of `bench nebula` as a hub's journal recorded them, all asked for at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import sqrt
from pathlib import Path
from random import Random

from .model import Graph, Job, Workload

RECORDED = Path(__file__).with_name("recorded.json")
# The spread of durations of one kind: of their logarithm.
_SPREAD = 0.25


class _Sketch:
    """A graph in the making."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._jobs: dict[str, Job] = {}
        self._edges: dict[tuple[str, str], None] = {}

    def add(self, kind: str, mean_s: float, *sources: str) -> str:
        """A job that waits for others; return its id."""
        id = f"{kind}-{len(self._jobs)}"
        work_s = mean_s * self.random.lognormvariate(0.0, _SPREAD)
        self._jobs[id] = Job(id, kind, work_s)
        self._edges.update(dict.fromkeys((source, id) for source in sources))
        return id

    def done(self) -> Workload:
        """The graph, as a workload by itself."""
        return (Graph(self._jobs, tuple(self._edges)),)


def fork_join(seed: int, stages: int = 4, width: int = 20) -> Workload:
    """Stages of parallel jobs; each stage waits for all of the last."""
    sketch = _Sketch(Random(f"fork-join {seed}"))
    last = sketch.add("split", 1.0)
    for _ in range(stages):
        parts = [sketch.add("part", 5.0, last) for _ in range(width)]
        last = sketch.add("join", 2.0, *parts)
    return sketch.done()


def montage(seed: int, images: int = 24) -> Workload:
    """A mosaic of the sky: projections, overlaps, one model for all, corrections, one picture."""
    sketch = _Sketch(random := Random(f"montage {seed}"))
    projected = [sketch.add("mProjectPP", 13.0) for _ in range(images)]
    fits = []
    for index, image in enumerate(projected):
        # Overlaps lie beside and below, on a grid of images.
        below = index + round(sqrt(images))
        others = [each for each in (index + 1, below) if each < images]
        if below + 1 < images and random.random() < 0.5:
            others.append(below + 1)
        fits += [sketch.add("mDiffFit", 10.0, image, projected[other]) for other in others]
    concat = sketch.add("mConcatFit", 4.0, *fits)
    model = sketch.add("mBgModel", 8.0, concat)
    corrected = [sketch.add("mBackground", 11.0, image, model) for image in projected]
    table = sketch.add("mImgtbl", 3.0, *corrected)
    added = sketch.add("mAdd", 9.0, table)
    sketch.add("mJPEG", 1.0, sketch.add("mShrink", 4.0, added))
    return sketch.done()


def ligo(seed: int, banks: int = 32, together: int = 8) -> Workload:
    """A search for gravitational waves: groups of long filters, compared and filtered again."""
    sketch = _Sketch(Random(f"ligo {seed}"))
    for _ in range(banks // together):
        first = []
        for _ in range(together):
            bank = sketch.add("TmpltBank", 18.0)
            first.append(sketch.add("Inspiral", 230.0, bank))
        found = sketch.add("Thinca", 5.0, *first)
        again = []
        for _ in range(together):
            bank = sketch.add("TrigBank", 5.0, found)
            again.append(sketch.add("Inspiral", 230.0, bank))
        sketch.add("Thinca", 5.0, *again)
    return sketch.done()


def layered(seed: int, jobs: int = 100) -> Workload:
    """A random graph by layers."""
    sketch = _Sketch(random := Random(f"layered {seed}"))
    shape = random.choice((0.5, 1.0, 2.0))
    height = max(2, round(sqrt(jobs) / shape))
    layers: list[list[str]] = []
    made = 0
    while made < jobs:
        width = max(1, round(random.uniform(0.5, 1.5) * jobs / height))
        width = min(width, jobs - made)
        layer = []
        for _ in range(width):
            kind = random.randrange(6)
            sources: list[str] = []
            if layers:
                count = min(len(layers[-1]), random.randint(1, 4))
                sources = random.sample(layers[-1], count)
                if len(layers) > 1 and random.random() < 0.2:
                    sources.append(random.choice(layers[random.randrange(len(layers) - 1)]))
            layer.append(sketch.add(f"k{kind}", 2.0 * (kind + 1), *sources))
        layers.append(layer)
        made += width
    return sketch.done()


def requests(seed: int) -> Workload:
    """Half of the recorded requests by chance, at once."""
    random = Random(f"requests {seed}")
    graphs = read_graphs(json.loads(RECORDED.read_text()))
    return tuple(random.sample(graphs, len(graphs) // 2))


def read_graphs(plain: list[Mapping[str, list[list[str]]]]) -> Workload:
    """Graphs as `bench.schedule.recording` writes them."""
    graphs = []
    for each in plain:
        jobs = {id: Job(id, kind, float(took_s)) for id, kind, took_s in each["jobs"]}
        graphs.append(Graph(jobs, tuple((source, target) for source, target in each["edges"])))
    return tuple(graphs)


WORKLOADS: dict[str, Callable[[int], Workload]] = {
    "fork–join": fork_join,
    "Montage-like": montage,
    "LIGO-like": ligo,
    "random layered": layered,
    "requests": requests,
}
