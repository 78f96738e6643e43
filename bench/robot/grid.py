"""All strategies in all worlds under all delays: many episodes, on all processors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context

from agents.robot.policies.inputs import Kind
from agents.robot.policies.local import local_policy
from agents.robot.ports import Policy
from agents.robot.settings import Settings

from .play import Case, Delay, Played, play
from .positions import Positions

EPISODES_OF_A_SEED = 1_000


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy, and the policy that it drives.

    Attributes:
        strategy: its name.
        kind: how the policy was trained.
        positions: its actions are positions, not velocities.
    """

    strategy: str
    kind: Kind = Kind.DELAY
    positions: bool = False

    def __str__(self) -> str:
        return self.strategy if self.kind is Kind.DELAY else f"{self.strategy}, {self.kind}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a table: episodes that differ by their seed alone."""

    world: str
    way: Way
    delay: Delay
    merge: int = 1
    patient: bool = False


def play_all(cells: Iterable[Cell], seeds: int, episodes: int) -> dict[Cell, list[Played]]:
    """Plays the episodes of all cells; the same worlds for all of them."""
    wanted = list(cells)
    numbers = [
        seed * EPISODES_OF_A_SEED + each for seed in range(seeds) for each in range(episodes)
    ]
    jobs = [(cell, numbers) for cell in wanted]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return dict(zip(wanted, pool.map(_play, jobs), strict=True))


def _play(job: tuple[Cell, Sequence[int]]) -> list[Played]:
    cell, seeds = job
    policy = _policy(cell.world, cell.way.kind, positions=cell.way.positions)
    case = Case(
        cell.world,
        cell.way.strategy,
        cell.delay,
        settings=Settings(merge=cell.merge),
        patient=cell.patient,
    )
    return [play(replace(case, seed=seed), policy) for seed in seeds]


@lru_cache
def _policy(world: str, kind: Kind, *, positions: bool) -> Policy:
    policy = local_policy(world, kind)
    return Positions(policy) if positions else policy
