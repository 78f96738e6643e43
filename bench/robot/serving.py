"""One policy server for many robots, in simulated time with the costs that one GPU showed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.robot.policies.batching import Costs, Queue, Waiting

# Seconds by size of the batch: a model of π0.5's shape, three cameras, bf16, CUDA graphs, one H100.
GPU = Costs({1: 0.0479, 2: 0.0584, 4: 0.0804, 8: 0.1274, 16: 0.2214})
# Robots with chunks of 50 actions at 50 Hz execute half of each.
PERIOD_S, WITHIN_S = 0.5, 0.4


@dataclass(frozen=True, slots=True)
class Served:
    """How robots were served.

    Attributes:
        missed: share of the questions without an answer by their deadline.
        per_second: answers in time.
        batch: mean size.
        p95_s: of the time from a question to its answer, of those in time.
    """

    missed: float
    per_second: float
    batch: float
    p95_s: float


def served(robots: int, most: int, *, seconds: float, seed: int = 0) -> Served:
    """Robots that each ask a period after their last question, or anew once they give up.

    Whoever has no answer by the deadline gives up then: it counts as missed, and is dropped if it
    is in no batch yet.

    Args:
        most: questions in one batch; 1 for one at a time.
    """
    rng = np.random.default_rng(seed)
    queue, now, number, missed = Queue(GPU, most), 0.0, 0, 0
    comes = [(float(phase), robot) for robot, phase in enumerate(rng.uniform(0, PERIOD_S, robots))]
    asked: dict[int, tuple[float, int]] = {}
    took: list[float] = []
    sizes: list[int] = []
    while now < seconds:
        for given_up in [each for each, (at, _) in asked.items() if at + WITHIN_S < now]:
            queue.drop(given_up)
            missed += 1
            at, robot = asked.pop(given_up)
            comes.append((at + WITHIN_S, robot))
        for at, robot in sorted(each for each in comes if each[0] <= now):
            number += 1
            asked[number] = (at, robot)
            queue.add(Waiting(number, at + WITHIN_S))
        comes = [each for each in comes if each[0] > now]
        batch = queue.take(now)
        if not batch:
            now = min(comes)[0]
            continue
        now += GPU(len(batch))
        sizes.append(len(batch))
        for each in batch:
            at, robot = asked.pop(each)
            if now <= at + WITHIN_S:
                took.append(now - at)
                comes.append((max(at + PERIOD_S, now), robot))
            else:
                missed += 1
                comes.append((at + WITHIN_S, robot))
    return Served(
        missed=missed / (missed + len(took)),
        per_second=len(took) / now,
        batch=float(np.mean(sizes)),
        p95_s=float(np.quantile(took, 0.95)),
    )
