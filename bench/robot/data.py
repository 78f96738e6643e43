"""What small policies learn from: experts that act under many delays, and what they would do next.

Shapes: B episodes, T steps, N samples, A joints, S entries of state, H actions, L the
longest delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.robot.policies.correction import corrected_inputs
from agents.robot.policies.flow import sensed
from agents.robot.policies.inputs import HORIZON, LONGEST, Kind, inputs
from agents.robot.policies.questions import BatchPolicy, Question
from agents.robot.ports import Array, Observation
from agents.robot.safety import Vector
from agents.robot.sims.expert import plan
from agents.robot.sims.world import RATE_HZ, World

from .flows import Branches

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


def branches(
    world: World,
    record: Record,
    count: int,
    each: int,
    rng: np.random.Generator,
    longest: int = LONGEST,
) -> Branches:
    """Observations, each with several later states and the chunks from there on.

    Args:
        each: of them; at most one more than the longest.
        longest: how many steps later a state may be; 0 for that of what is seen.
    """
    steps = len(record.states)
    step = rng.integers(0, steps - LONGEST, count)
    row = rng.choice(record.succeeded, count)
    delays = np.argsort(rng.random((count, longest + 1)), axis=1)[:, :each]
    states = record.states[step[:, None] + delays, row[:, None]]
    things = {name: value[step, row] for name, value in record.things.items()}
    shared = {name: value.repeat(each, axis=0) for name, value in things.items()}
    chunks = plan(
        world,
        states.reshape(count * each, -1),
        shared,
        delays.reshape(-1).astype(float),
        HORIZON,
    )
    return Branches(
        sensed(world, record.states[step, row], things),
        states.astype(np.float32),
        delays.astype(np.float32),
        chunks.reshape(count, each, -1).astype(np.float32),
    )


def executed(
    world: World, record: Record, count: int, each: int, rng: np.random.Generator
) -> Branches:
    """Observations, each with several chunks that may follow.

    Each begins with what was executed for a random delay, and goes on as the expert would from
    where that led. So what follows depends on the beginning, and can be drawn towards one.
    """
    steps = len(record.states)
    step = rng.integers(0, steps - LONGEST, count)
    row = rng.choice(record.succeeded, count)
    things = {name: value[step, row] for name, value in record.things.items()}
    chunks = []
    for _ in range(each):
        delay = rng.integers(0, LONGEST + 1, count)
        later = record.states[step + delay, row]
        follows = plan(world, later, things, delay.astype(float), HORIZON)
        index = np.arange(HORIZON)
        begun = record.actions[np.minimum(step[:, None] + index, steps - 1), row[:, None]]
        shifted = np.take_along_axis(
            follows, np.maximum(index - delay[:, None], 0)[:, :, None], axis=1
        )
        chunks.append(np.where((index < delay[:, None])[:, :, None], begun, shifted))
    seen = record.states[step, row]
    return Branches(
        sensed(world, seen, things),
        np.repeat(seen[:, None], each, axis=1).astype(np.float32),
        np.zeros((count, each), np.float32),
        np.stack(chunks, axis=1).reshape(count, each, -1).astype(np.float32),
    )


def corrections(
    world: World, record: Record, policy: BatchPolicy, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Inputs of the head of `Kind.CORRECTED`, (N, F), and what it shall add, (N, A).

    Half of the chunks are the policy's for a state that is up to L steps later than what it sees,
    the others for the state of then. The head sees what is there when one of their actions is
    executed, and shall make it the expert's.
    """
    rolled = rng.random(count) < 0.5
    delay = np.where(rolled, rng.integers(0, LONGEST + 1, count), 0)
    index = rng.integers(0, HORIZON, count)
    step = rng.integers(0, len(record.states) - LONGEST - HORIZON, count)
    row = rng.choice(record.succeeded, count)
    then, later = record.states[step, row], record.states[step + delay, row]
    seen = {name: value[step, row] for name, value in record.things.items()}
    asked = [
        Question(
            Observation(0.0, then[each].astype(np.float32), {n: v[each] for n, v in seen.items()}),
            later[each].astype(np.float32),
            int(delay[each]),
        )
        for each in range(count)
    ]
    actions = policy.infer_batch(asked)[np.arange(count), index].astype(float)
    now = step + delay + index
    state = record.states[now, row]
    things = {name: value[now, row] for name, value in record.things.items()}
    better = plan(world, state, things, np.zeros(count), 1)[:, 0]
    age = (delay + index).astype(float)
    told = corrected_inputs(world, state, things, actions, age)
    return told, (better - actions).astype(np.float32)
