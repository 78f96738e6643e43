"""What the actions of the next steps will be once they are corrected, as far as can be told. Pure.

A policy that corrects its actions by what is seen when they are executed does other than its chunk
says. Whoever asks it for a state that is still to come must foresee that: a robot that balances is
elsewhere by then. What moves by itself is taken to stand still meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from .blending import wishes
from .ports import Array, Observation, PolicySpec, RobotSpec
from .safety import Vector
from .strategies import Correction, Dynamics, Roll, Strategy

# The actions of the next control steps as they will be corrected, (n, A); of those of a chunk,
# (n, A), what is sensed now, the control steps since the observation that the first of them
# answers, and the position commanded last, (A,).
Foresight: TypeAlias = Callable[[Array, Observation, int, Vector], Array]


def foresight(
    robot: RobotSpec,
    policy: PolicySpec,
    strategy: Strategy,
    dynamics: Dynamics | None,
    correct: Correction | None,
) -> Foresight | None:
    """Each action, corrected for the state that the last one leads to; None if nobody needs that.

    It calls `dynamics` and `correct` once for each action, within a control step.
    """
    needed = strategy.corrects and strategy.roll is Roll.DYNAMICS
    if not needed or dynamics is None or correct is None:
        return None

    def foreseen(actions: Array, seen: Observation, age: int, commanded: Vector) -> Array:
        better, state = actions.copy(), seen.state
        for ahead, action in enumerate(actions):
            better[ahead] = correct(replace(seen, state=state), action, age + ahead)
            wish = wishes(better[ahead][None], policy.semantics, commanded, robot.rate_hz)
            state, commanded = dynamics(state, wish.astype(np.float32)), wish[0]
        return better

    return foreseen
