"""What small policies learn from: experts that act under many delays, and what they would do next.

Shapes: B episodes, T steps, N samples, A joints, S entries of state, H actions, L the
longest delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.robot.policies.inputs import HORIZON, LONGEST, Kind, inputs
from agents.robot.ports import Array
from agents.robot.safety import Vector
from agents.robot.sims.expert import plan
from agents.robot.sims.world import RATE_HZ, World

# Commands are disturbed now and then, so that the expert is also seen to recover.
_STUMBLES = 0.03
_STUMBLE = 0.006
# What an expert does that has failed teaches nothing: the pole lies on the ground.
_SUCCESS = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What was sensed and done.

    Attributes:
        states: (T, B, S), as sensed.
        things: (T, B, k) each, as sensed.
        actions: (T, B, A), velocities of the commanded positions.
        succeeded: indices of the episodes to learn from.
    """

    states: Vector
    things: dict[str, Vector]
    actions: Vector
    succeeded: NDArray[np.int_]


def recorded(world: World, rng: np.random.Generator) -> Record:
    """The expert acts for an episode as a robot does whose policy is slow.

    Each episode has its own delay d, of 0 to L control steps: every max(d, 1) steps the expert
    plans from what was sensed d steps before, for the state of now.
    """
    states, things, actions = [], [], []
    delays = rng.integers(0, LONGEST + 1, world.batch)
    chunk = np.zeros((world.batch, HORIZON, world.task.joints))
    since = rng.integers(0, LONGEST + 1, world.batch)
    rows = np.arange(world.batch)
    while not world.done:
        state, seen = world.sense()
        states.append(state)
        things.append(seen)
        step = len(states) - 1
        before = np.maximum(step - delays, 0)
        old = {name: np.stack([each[name] for each in things])[before, rows] for name in seen}
        renewed = since >= np.maximum(delays, 1)
        chunk[renewed] = plan(world, state, old, (step - before).astype(float), HORIZON)[renewed]
        since[renewed] = 0
        action = chunk[rows, np.minimum(since, HORIZON - 1)]
        stumbles = rng.random((world.batch, 1)) < _STUMBLES
        action = action + stumbles * _STUMBLE * RATE_HZ * rng.standard_normal(action.shape)
        world.step(state[:, : world.task.joints] + action / RATE_HZ)
        actions.append(action)
        since += 1
    stacked = {name: np.stack([each[name] for each in things]) for name in things[0]}
    return Record(
        np.stack(states), stacked, np.stack(actions), np.flatnonzero(world.score() > _SUCCESS)
    )


def samples(
    kind: Kind, world: World, record: Record, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Inputs, (N, F), and the actions to learn, (N, H · A), drawn from a record.

    For all kinds but `Kind.STANDARD` the actions begin a random delay after what is seen.
    """
    steps = len(record.states)
    delay = np.zeros(count, int)
    if kind is not Kind.STANDARD:
        delay = rng.integers(0, LONGEST + 1, count)
    step = rng.integers(0, steps - LONGEST, count)
    row = rng.choice(record.succeeded, count)
    later = record.states[step + delay, row]
    things = {name: value[step, row] for name, value in record.things.items()}
    chunks = plan(world, later, things, delay.astype(float), HORIZON)
    ahead = step[:, None] + np.arange(LONGEST)
    prefix = record.actions[ahead, row[:, None]]
    shown = record.states[step, row] if kind is Kind.PREFIX else later
    told = inputs(kind, world, shown, things, delay.astype(float), prefix)
    return told, chunks.reshape(count, -1).astype(np.float32)
