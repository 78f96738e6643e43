"""A dispatching rule that was learned: a graph network says what comes first, and where.

After Wong, Kim, Park, Park and Law, "Generating Dispatching Rules for the Interrupting Swap-Allowed
Blocking Job Shop Problem Using Graph Neural Network and Reinforcement Learning" (arXiv:2302.02506,
2023), with tasks that any device may run in place of operations that belong to a machine, and
REINFORCE in place of proximal policy optimization. The network corrects the default
rule: it adds to the logarithm of a job's upward rank, and to that of its expected finish on a
device. It is told what a hub knows, so durations are those that were seen before, never those that
will be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from constellation.graph.task import Task
from constellation.orchestrator.device import Device
from constellation.orchestrator.estimates import Estimates
from constellation.orchestrator.health import Condition

from .model import Job, Workload
from .network import (
    DEVICE_FEATURES,
    JOB_FEATURES,
    Array,
    Embedded,
    Weights,
    embed,
    judge,
    load,
    means,
)
from .simulator import any_device

WEIGHTS = Path(__file__).with_name("learned.npz")
# How sharply the default rule prefers a device that is expected to finish earlier.
SHARPNESS = 6.0
# The spread of what exploring adds to the logarithm of a rank.
NOISE = 0.2
# A device of doubtful health is expected to take so many times longer, as by the default rule.
_DOUBT = 4.0


class Learned:
    """The rule for one workload. The place of each job in the order is the priority of its task.

    Args:
        learned: what the hub knows of durations, as `Scheduler.snapshot_learned` returned it.
        explore: draws what is not the best; None to do the best that is known.

    Attributes:
        embedded: what the network made of the workload.
        noise: (n,), what exploring added to the order.
        asked: for each choice of a device the job, its pairs (m, …), their chances, what was taken.
    """

    patient = True

    def __init__(
        self,
        weights: Weights,
        workload: Workload,
        learned: Mapping[str, Any],
        explore: np.random.Generator | None = None,
    ) -> None:
        self._weights = weights
        self._explore = explore
        estimates = Estimates()
        estimates.restore(learned["durations"])
        jobs, edges = _flat(workload)
        features, ranks = _features(jobs, edges, estimates, list(learned["durations"]["devices"]))
        self.embedded: Embedded = embed(weights, features, *means(len(jobs), edges))
        self.noise: Array = np.zeros(len(jobs))
        if explore is not None:
            self.noise = explore.normal(0.0, NOISE, len(jobs))
        order = np.log(ranks) + self.embedded.order + self.noise
        self._numbers = np.argsort(order, kind="stable")
        self._places = {jobs[number]: place for place, number in enumerate(self._numbers)}
        self.asked: list[tuple[int, Array, Array, int]] = []

    def define(self, job: Job) -> Task:
        """A job as a task with its place."""
        return replace(any_device(job), priority=int(self._places[job]))

    def urgency(self, priority: int, rank: float) -> tuple[float, float]:
        return -priority, -rank

    def choose(self, task: Task, devices: Sequence[Device], estimates: Estimates) -> Device:
        if len(devices) == 1:
            return devices[0]
        number = int(self._numbers[task.priority])
        pairs, base = self._pairs(number, task.skill, devices, estimates)
        scores = base + judge(self._weights, pairs)
        if self._explore is None:
            return devices[int(scores.argmax())]
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        taken = int(self._explore.choice(len(devices), p=chances))
        self.asked.append((number, pairs, chances, taken))
        return devices[taken]

    def _pairs(
        self, number: int, skill: str, devices: Sequence[Device], estimates: Estimates
    ) -> tuple[Array, Array]:
        general = max(1e-6, estimates.expected(skill))
        rows = np.empty((len(devices), DEVICE_FEATURES))
        base = np.empty(len(devices))
        for row, device in enumerate(devices):
            takes_s = max(1e-6, estimates.expected_on(device.durations, skill))
            capacity = device.card.capacity
            busy = (capacity - device.credit) / capacity
            well = device.health.condition is Condition.WELL
            finish_s = takes_s * (1.0 + busy) * (1.0 if well else _DOUBT) + device.rtt_s
            base[row] = -SHARPNESS * math.log(finish_s)
            rows[row] = (
                math.log(takes_s / general),
                busy,
                math.log(1.0 + device.rtt_s / takes_s),
                0.0 if well else 1.0,
                0.25 * capacity,
                0.0,
            )
        rows[:, 5] = rows[:, 0] - rows[:, 0].min()
        known = np.broadcast_to(
            self.embedded.states[-1][number], (len(devices), self.embedded.states[-1].shape[1])
        )
        return np.concatenate((known, rows), axis=1), base


@cache
def _shipped() -> Weights:
    return load(WEIGHTS)


def learned_rule(workload: Workload, learned: Mapping[str, Any]) -> Learned:
    """The rule with the weights that were trained."""
    return Learned(_shipped(), workload, learned)


# ── what the network is told of jobs ────────────────────────────────────────────────────────────


def _flat(workload: Workload) -> tuple[list[Job], list[tuple[int, int]]]:
    jobs: list[Job] = []
    edges: list[tuple[int, int]] = []
    for graph in workload:
        numbers = {id: len(jobs) + n for n, id in enumerate(graph.jobs)}
        jobs += graph.jobs.values()
        edges += [(numbers[source], numbers[target]) for source, target in graph.edges]
    return jobs, edges


def _features(
    jobs: Sequence[Job], edges: Sequence[tuple[int, int]], estimates: Estimates, names: list[str]
) -> tuple[Array, Array]:
    """(n, `JOB_FEATURES`) of all jobs, each after those that it waits for; and their ranks."""
    count = len(jobs)
    takes_s = np.array([max(1e-6, estimates.expected(job.kind)) for job in jobs])
    spread = {job.kind: _spread(estimates, names, job.kind) for job in jobs}
    ranks = takes_s.copy()
    depths = np.zeros(count)
    into, out = np.zeros(count), np.zeros(count)
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        depths[target] = max(depths[target], depths[source] + 1)
        into[target] += 1
        out[source] += 1
    for source, target in sorted(edges, reverse=True):
        ranks[source] = max(ranks[source], takes_s[source] + ranks[target])
    widths = np.bincount(depths.astype(int))[depths.astype(int)]
    features = np.empty((count, JOB_FEATURES))
    features[:, 0] = np.log(takes_s / takes_s.mean())
    features[:, 1] = [spread[job.kind][0] for job in jobs]
    features[:, 2] = [spread[job.kind][1] for job in jobs]
    features[:, 3] = ranks / ranks.max()
    features[:, 4] = np.log1p(into) / 3.0
    features[:, 5] = np.log1p(out) / 3.0
    features[:, 6] = depths / max(1.0, depths.max())
    features[:, 7] = np.log1p(widths) / 4.0
    return features, ranks


def _spread(estimates: Estimates, names: Sequence[str], kind: str) -> tuple[float, float]:
    """How much quicker the best device is than the mean of devices, and how much they differ."""
    found = [max(1e-6, estimates.expected_on(estimates.of(name), kind)) for name in names]
    logs = np.log(found) if found else np.zeros(1)
    return float(logs.mean() - logs.min()), float(logs.std())
