"""Dask distributed and Ray on the same graphs, if they are installed (extra ``bench``).

Each runs in a process of its own, so that neither its threads nor its imports weigh on the rest:
`python -m bench.peers dask` prints tasks/s by shape.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import anyio

from constellation.graph.edits import AddDependency, AddTask, Edit

from .harness import Options
from .workloads import chain, independent, layered

PEERS = {"dask": "distributed", "ray": "ray"}
WORKERS = 2

Graph = list[tuple[str, list[str]]]
Runner = Callable[[dict[str, Graph]], dict[str, float]]


async def measure_peer(peer: str, options: Options) -> dict[str, float] | None:
    """Tasks/s of each shape; None if the peer is not installed."""
    if find_spec(PEERS[peer]) is None:
        return None
    command = [sys.executable, "-m", "bench.peers", peer, *(["quick"] if options.quick else [])]
    done = await anyio.run_process(command)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def graph_of(edits: Sequence[Edit]) -> Graph:
    """Tasks with what each waits for, in an order in which all of that comes first."""
    before: dict[str, list[str]] = {}
    for edit in edits:
        if isinstance(edit, AddTask):
            before[edit.task.id] = []
        elif isinstance(edit, AddDependency):
            before[edit.dependency.target].append(edit.dependency.source)
    return list(before.items())


def noop(*_: None) -> None:
    """Do nothing."""


def _time(graph: Graph, submit: Callable[..., Any], wait: Callable[[list[Any]], Any]) -> float:
    began = time.perf_counter()
    submitted: dict[str, Any] = {}
    for task, before in graph:
        submitted[task] = submit(*(submitted[each] for each in before))
    wait(list(submitted.values()))
    return len(graph) / (time.perf_counter() - began)


def run_dask(graphs: dict[str, Graph]) -> dict[str, float]:
    """Tasks/s with two worker processes."""
    from functools import partial

    from distributed import Client, LocalCluster, wait

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=2, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        submit = partial(client.submit, noop, pure=False)
        _time(graphs["independent"][:100], submit, wait)
        return {shape: _time(graph, submit, wait) for shape, graph in graphs.items()}


def run_ray(graphs: dict[str, Graph]) -> dict[str, float]:
    """Tasks/s with two workers."""
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level="error")
    try:
        submit = ray.remote(noop).remote
        _time(graphs["independent"][:100], submit, ray.get)
        return {shape: _time(graph, submit, ray.get) for shape, graph in graphs.items()}
    finally:
        ray.shutdown()


RUNNERS: dict[str, Runner] = {"dask": run_dask, "ray": run_ray}


def main(peer: str, *, quick: bool) -> None:
    """Run one peer and print what was found, as JSON."""
    # They are hundreds of times slower than a task: fewer tasks give the same rate.
    graphs = {
        "chain": chain(20 if quick else 300),
        "independent": independent(50 if quick else 2_000),
        "layered": layered(10 if quick else 50, 5 if quick else 40),
    }
    found = RUNNERS[peer]({shape: graph_of(edits) for shape, edits in graphs.items()})
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], quick="quick" in sys.argv[2:])
