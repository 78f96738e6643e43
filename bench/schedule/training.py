"""Trains the learned rule by playing: `python -m bench.schedule train`.

REINFORCE (Williams, 1992): each instance is played several times with exploration, and what was
done is made likelier by how much shorter than the others' a makespan was. The mean of the others
is the baseline. The weights that do best, without exploration, on instances kept for that are
those that stay. Neither they nor those learned from share a seed with the bench, and the recorded
requests are left out altogether.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from constellation.orchestrator.placement import EarliestFinish

from .fleet import CONDITIONS
from .instance import Instance, instance
from .learned import NOISE, Learned
from .network import DEVICE_FEATURES, Array, Weights, fresh, pull_back, save
from .rules import Rule
from .workloads import WORKLOADS

SHAPES = ("fork–join", "Montage-like", "LIGO-like", "random layered")
# Seeds of the bench lie below a million, those its durations are learned from below two.
FROM, KEPT, BEFORE, FRESH = 2_000_000, 3_000_000, 4_000_000, 9_000_000
VALIDATE_EVERY = 25


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    Attributes:
        minutes: at most.
        steps: at most.
        seed: of everything that is drawn.
        instances, plays: of a step, and of an instance in it.
        kept: how many instances to choose weights by.
        rate: of Adam.
    """

    minutes: float = 60.0
    steps: int = 100
    seed: int = 0
    instances: int = 4
    plays: int = 6
    kept: int = 80
    rate: float = 2e-3


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training went.

    Attributes:
        weights: those that did best.
        ratio: their makespans beside those of the default rule, geometric mean over what was kept.
        steps, plays: how many there were.
    """

    weights: Weights
    ratio: float
    steps: int
    plays: int


class _Adam:
    """Kingma and Ba, "Adam" (2015)."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._first: Weights = {}
        self._second: Weights = {}
        self._count = 0

    def step(self, weights: Weights, gradient: Weights) -> Weights:
        """The weights after a step up."""
        self._count += 1
        moved = {}
        for name, slope in gradient.items():
            first = self._first[name] = 0.9 * self._first.get(name, 0.0) + 0.1 * slope
            second = 0.999 * self._second.get(name, 0.0) + 0.001 * slope**2
            self._second[name] = second
            mean = first / (1.0 - 0.9**self._count)
            size = np.sqrt(second / (1.0 - 0.999**self._count)) + 1e-8
            moved[name] = weights[name] + self._rate * mean / size
        return moved


def draw(first: int, number: int, random: Random) -> tuple[Instance, str]:
    """An instance by its number, counted from a first seed, and a condition."""
    name = SHAPES[number % len(SHAPES)]
    seed = first + number
    make = WORKLOADS[name]
    return instance(seed, make(seed), make(seed + BEFORE)), random.choice(CONDITIONS)


def with_weights(weights: Weights, explore: np.random.Generator | None = None) -> Rule:
    """The rule with these weights."""
    return Rule(
        EarliestFinish, ahead=lambda workload, known: Learned(weights, workload, known, explore)
    )


def train(plan: Plan, say: Callable[[str], object] = print) -> Trained:
    """Play and learn until the time or the steps are used up."""
    ends = time.monotonic() + 60.0 * plan.minutes
    random, explore = Random(plan.seed), np.random.default_rng(plan.seed)
    kept = [draw(KEPT, number, random) for number in range(plan.kept)]
    usual = [each.makespan_s(Rule(EarliestFinish), condition) for each, condition in kept]
    weights = best = fresh(plan.seed)
    adam = _Adam(plan.rate)
    least, step = validated(weights, kept, usual), 0
    say(f"step 0: {least:.4f} of the default's makespan")
    while step < plan.steps and time.monotonic() < ends:
        total = {name: np.zeros_like(each) for name, each in weights.items()}
        for number in range(plan.instances):
            found = draw(FROM, step * plan.instances + number, random)
            for name, slope in gradient(weights, *found, plan.plays, explore).items():
                total[name] += slope
        weights = adam.step(weights, _bounded(total))
        step += 1
        if step % VALIDATE_EVERY == 0 or step == plan.steps:
            ratio = validated(weights, kept, usual)
            say(f"step {step}: {ratio:.4f} of the default's makespan")
            if ratio < least:
                best, least = weights, ratio
    return Trained(best, least, step, step * plan.instances * plan.plays)


def gradient(
    weights: Weights,
    found: Instance,
    condition: str,
    plays: int,
    explore: np.random.Generator,
) -> Weights:
    """Which way the weights should go, from several plays of one instance."""
    tried: list[Learned] = []

    def ahead(workload: object, known: object) -> Learned:
        tried.append(Learned(weights, found.workload, found.learned, explore))
        return tried[-1]

    rule = Rule(EarliestFinish, ahead=ahead)
    logs = np.log([found.makespan_s(rule, condition) for _ in range(plays)])
    # The mean of the others is the baseline; for all of them at once that is a factor.
    gains = (logs.mean() - logs) / (logs.std() + 1e-3)
    total = {name: np.zeros_like(each) for name, each in weights.items()}
    for each, gain in zip(tried, gains, strict=True):
        for name, slope in _likelier(weights, each).items():
            total[name] += gain * slope
    return total


def _likelier(weights: Weights, tried: Learned) -> Weights:
    """The gradient of the logarithm of the chance of what was done."""
    # Where no job ever had a choice of devices, only the order was chosen.
    pairs = [np.empty((0, tried.embedded.states[-1].shape[1] + DEVICE_FEATURES))]
    jobs, scores = [np.empty(0, dtype=int)], [np.empty(0)]
    for job, asked, chances, taken in tried.asked:
        slope = -chances
        slope[taken] += 1.0
        pairs.append(asked)
        jobs.append(np.full(len(slope), job))
        scores.append(slope)
    order: Array = tried.noise / NOISE**2
    return pull_back(
        weights,
        tried.embedded,
        order,
        np.concatenate(pairs),
        np.concatenate(jobs),
        np.concatenate(scores),
    )


def _bounded(gradient: Weights) -> Weights:
    size = np.sqrt(sum(float((each**2).sum()) for each in gradient.values()))
    return {name: each / max(1e-12, size) for name, each in gradient.items()}


def validated(weights: Weights, kept: list[tuple[Instance, str]], usual: list[float]) -> float:
    """Makespans beside those of the default rule: the geometric mean of the ratios."""
    rule = with_weights(weights)
    logs = [
        np.log(each.makespan_s(rule, condition) / beside)
        for (each, condition), beside in zip(kept, usual, strict=True)
    ]
    return float(np.exp(np.mean(logs)))


def validate(weights: Weights, instances: int, seed: int = 0) -> float:
    """Makespans beside those of the default rule, on instances by which nothing was chosen."""
    random = Random(f"fresh {seed}")
    found = [draw(FRESH, number, random) for number in range(instances)]
    usual = [each.makespan_s(Rule(EarliestFinish), condition) for each, condition in found]
    return validated(weights, found, usual)


def train_to(path: Path, plan: Plan, say: Callable[[str], object] = print) -> Trained:
    """Train, and write the weights."""
    trained = train(plan, say)
    save(trained.weights, path)
    return trained
