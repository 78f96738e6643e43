"""Experts: plans by those who know how their world moves. What policies learn from. Pure."""

from __future__ import annotations

import numpy as np

from ..safety import Vector
from .world import RATE_HZ, Things, World


def plan(world: World, state: Vector, things: Things, delay: Vector, horizon: int) -> Vector:
    """The next actions: velocities of the commanded positions.

    The robot is played forward by its own model under the acceleration that the task wants in each
    step, and the servo's inverse says what to command for it.

    Args:
        world: for its model; it is not moved.
        state: of the time of the first action, (B, S).
        things: as sensed.
        delay: how many control steps later than the things the state is, (B,).
        horizon: H.

    Returns:
        (B, H, A), units per second.
    """
    actions = np.empty((len(state), horizon, world.task.joints))
    for index in range(horizon):
        commanded, position, velocity = world.joints_of(state)
        pull = world.wanted(state, things, delay + index)
        command = world.servo.command(pull, position, velocity)
        command = np.clip(command, -world.reach, world.reach)
        actions[:, index] = (command - commanded) * RATE_HZ
        state = world.predict(state, command)
    return actions
