"""A makespan that no schedule can be below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .model import Graph, Machine, Workload

_ROUNDS = 400


def lower_bound_s(workload: Workload, machines: Sequence[Machine]) -> float:
    """The larger of two bounds: the longest path, and all the work on all the machines.

    Accidents and noise only lengthen what is bounded here, so it holds for whatever happens.
    """
    path_s = max(critical_path_s(graph, machines) for graph in workload)
    return max(path_s, work_bound_s(workload, machines))


def critical_path_s(graph: Graph, machines: Sequence[Machine]) -> float:
    """The longest path if each job ran on its best machine, the way there and back included."""
    ends: dict[str, float] = {}
    sources = graph.sources()
    for job in graph.jobs.values():
        begins = max((ends[source] for source in sources[job.id]), default=0.0)
        least = min(machine.takes_s(job) + 2 * machine.delay_s for machine in machines)
        ends[job.id] = begins + least
    return max(ends.values())


def work_bound_s(workload: Workload, machines: Sequence[Machine]) -> float:
    """All work shared out without regard to order, and in pieces as small as one likes.

    That is a linear programme: the least T with which every kind's work fits into ``capacity * T``
    of each machine. Any prices of the machines' time give a bound by its dual, so those need not be
    the best ones: they are raised where the cheapest way to do the work overfills a machine, as in
    Plotkin, Shmoys and Tardos, "Fast approximation algorithms for fractional packing" (1995).
    """
    work: dict[str, float] = {}
    for graph in workload:
        for job in graph.jobs.values():
            work[job.kind] = work.get(job.kind, 0.0) + job.work_s
    kinds = list(work)
    amounts = np.array([work[kind] for kind in kinds])
    capacity = np.array([float(machine.capacity) for machine in machines])
    takes = np.array([[1.0 / each.speeds[kind] for each in machines] for kind in kinds])
    prices = np.full(len(machines), 1.0 / capacity.sum())
    best = 0.0
    for step in range(_ROUNDS):
        costs = takes * prices
        chosen = costs.argmin(axis=1)
        rows = np.arange(len(kinds))
        best = max(best, float(amounts @ costs[rows, chosen]))
        load = np.zeros(len(machines))
        np.add.at(load, chosen, amounts * takes[rows, chosen])
        load /= capacity
        prices *= np.exp(load / load.max() / np.sqrt(step + 1.0))
        prices /= capacity @ prices
    return best
