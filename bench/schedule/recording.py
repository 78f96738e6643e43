"""Shapes and durations out of a hub's journal: `python -m bench.schedule.recording FILE`.

Prints them as JSON, which is how ``recorded.json`` was made, from the journal of `bench nebula`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from constellation.errors import ConfigError, JournalError
from constellation.orchestrator.archive import read_back
from constellation.orchestrator.journal import Journal

from .model import Graph, Job, Workload

# What a clock cannot tell from nothing still takes some time.
LEAST_S = 1e-4


def read_journal(path: Path) -> Workload:
    """The graphs that a journal knows of, each task as long as its last attempt took.

    Raises:
        ConfigError: there is no journal, or nothing in it has run.
    """
    try:
        with Journal.open(path) as journal:
            names = list(dict.fromkeys(fact.constellation for _, fact in journal.facts()))
    except JournalError as error:
        raise ConfigError(f"{path} cannot be read as a journal: {error}") from None
    found = (_graph(path, name) for name in names)
    graphs = tuple(graph for graph in found if graph is not None)
    if not graphs:
        raise ConfigError(f"Nothing in {path} has run.")
    return graphs


def _graph(path: Path, name: str) -> Graph | None:
    with Journal.open(path) as journal:
        run = read_back(journal, name)
    if run is None:
        return None
    nodes = run.constellation.nodes
    jobs = {}
    for node in sorted(nodes.values(), key=lambda node: node.label):
        if node.attempt and node.started_at is not None and node.finished_at is not None:
            took_s = max(LEAST_S, node.finished_at - node.started_at)
            id = node.id.replace("[", ".").replace("]", "")
            jobs[id] = Job(id, node.task.skill or "words", took_s)
    edges = tuple(
        (source, target)
        for node in nodes.values()
        for source, target in ((node.id, target) for target in node.outgoing)
        if source in jobs and target in jobs
    )
    return Graph(jobs, edges) if jobs else None


def to_plain(workload: Workload) -> list[dict[str, Any]]:
    """Graphs as plain data."""
    return [
        {
            "jobs": [[job.id, job.kind, round(job.work_s, 6)] for job in graph.jobs.values()],
            "edges": [list(edge) for edge in graph.edges],
        }
        for graph in workload
    ]


if __name__ == "__main__":
    print(json.dumps(to_plain(read_journal(Path(sys.argv[1])))))
