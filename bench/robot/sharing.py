"""How fast a flow is trained whose branches share an observation, beside one that looks each time.

Both take steps of as many chunks. Shared, the encoder works once for all branches of an
observation; plain, once for each chunk. The wider the encoder is beside the head, the more that
saves: a large policy spends nearly all of its time in it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

import numpy as np

from agents.robot.sims.robot import WORLDS

from .data import branches, recorded
from .flows import FlowFit, FlowTraining

_EPISODES = 16
_CHUNKS = 8_000


def training_speed(
    shared: tuple[int, ...], encoder: tuple[int, ...], rounds: int
) -> dict[int, float]:
    """Chunks that are learned from in a second, by the branches of an observation.

    Rounds of all are interleaved, and the median counts.

    Args:
        shared: branches; 1 is plain training.
        encoder: widths of its layers.
    """
    rng = np.random.default_rng(0)
    world = WORLDS["whack"](_EPISODES, rng)
    record = recorded(world, rng)
    fits = {}
    for each in shared:
        how = replace(FlowTraining(), branches=each, encoder=encoder, epochs=rounds + 1)
        fits[each] = FlowFit(branches(world, record, _CHUNKS // each, each, rng), how, rng)
    took: dict[int, list[float]] = {each: [] for each in shared}
    for turn in range(rounds + 1):
        for each, fit in fits.items():
            began = time.process_time()
            fit.epoch()
            # The first one warms up.
            if turn:
                took[each].append(time.process_time() - began)
    return {each: _CHUNKS / median(times) for each, times in took.items()}
