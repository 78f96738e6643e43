"""Ways to act while the policy thinks: what it is asked, and to which step an answer belongs. Pure.

All of them drive the same policy with the same chunks. They differ in four things: whether the
robot waits for the answer; the step to which index 0 of the answer belongs; the state and the
actions that the policy is told; and what becomes of old and new where both have an action.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from constellation.errors import ConfigError

from .ports import Array, Observation, PolicySpec, Semantics
from .safety import Vector

# The state (S,) after commands (n, A) of as many control steps were executed from a state on.
Dynamics: TypeAlias = Callable[[Array, Array], Array]
# The action (A,), corrected by what is observed now, that many control steps after its observation.
Correction: TypeAlias = Callable[[Observation, Array, int], Array]


class Origin(StrEnum):
    """The step to which index 0 of an answer belongs.

    ARRIVAL: the one at which it is there. OBSERVATION: the one of its observation, so that the
    actions whose time is over are skipped. PLANNED: the one for which it was asked.
    """

    ARRIVAL = "arrival"
    OBSERVATION = "observation"
    PLANNED = "planned"


class Roll(StrEnum):
    """How the state is predicted for the time of the answer.

    NONE: it is the observed one. LAST_COMMAND: its positions are those commanded last until then
    (right for an arm that is always where it is told to be). SUM: its positions move by as much as
    the commands do. DYNAMICS: a model of the robot tells.
    """

    NONE = "none"
    LAST_COMMAND = "last-command"
    SUM = "sum"
    DYNAMICS = "dynamics"


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way.

    Attributes:
        name: for people and records.
        origin: the step of index 0.
        waits: the robot holds from the question to the answer.
        roll: how the state that the policy gets is predicted.
        prefix: the policy is told the actions that are executed meanwhile, and goes on from them.
        inpaints: it is told all that is left of the chunk, and draws its answer towards that.
        share: of the new chunk, where it overlaps with the old one.
        corrects: each action is corrected by what is observed when it is executed.
    """

    name: str
    origin: Origin
    waits: bool = False
    roll: Roll = Roll.NONE
    prefix: bool = False
    inpaints: bool = False
    share: float = 1.0
    corrects: bool = False


# Sources: naive and weighted as in LeRobot's asynchronous client; aligned is the baseline of
# real-time chunking (arXiv 2506.07339), which is rtc-guided; rtc-prefix has the prefix as a
# condition instead; future-state is VLASH (arXiv 2512.01031); a2c2 corrects asynchronous chunks
# (arXiv 2509.23224).
STRATEGIES = {
    each.name: each
    for each in (
        Strategy("synchronous", Origin.ARRIVAL, waits=True),
        Strategy("naive", Origin.ARRIVAL),
        Strategy("aligned", Origin.OBSERVATION),
        Strategy("weighted", Origin.OBSERVATION, share=0.7),
        Strategy("rtc-prefix", Origin.OBSERVATION, prefix=True),
        Strategy("rtc-guided", Origin.OBSERVATION, inpaints=True),
        Strategy("future-state-last", Origin.PLANNED, roll=Roll.LAST_COMMAND),
        Strategy("future-state-sum", Origin.PLANNED, roll=Roll.SUM),
        Strategy("future-state-dynamics", Origin.PLANNED, roll=Roll.DYNAMICS),
        Strategy("a2c2", Origin.OBSERVATION, corrects=True),
    )
}
FUTURE_STATE = "future-state"
RTC = "rtc"


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy, and why it was taken."""

    strategy: Strategy
    why: str


def chosen(name: str | None, policy: PolicySpec, *, dynamics: bool) -> Choice:
    """The strategy of a name; without one, the best that policy and robot declare to bear.

    Args:
        name: of `STRATEGIES`; ``future-state`` takes the best prediction there is, and ``rtc`` the
            prefix if the policy takes it.
        dynamics: there is a model of the robot.

    Raises:
        ConfigError: there is none of that name, or the policy or the robot lacks what it needs.
    """
    if name is None:
        return _best(policy, dynamics=dynamics)
    if name == FUTURE_STATE:
        return _future(policy, "it was asked for", dynamics=dynamics)
    if name == RTC:
        name = "rtc-guided" if policy.inpaints and not policy.takes_prefix else "rtc-prefix"
    if name not in STRATEGIES:
        known = ", ".join((*STRATEGIES, RTC, FUTURE_STATE))
        raise ConfigError(f"There is no strategy {name!r}.", remedy=f"Take one of {known}.")
    strategy = STRATEGIES[name]
    lacking = (
        (strategy.prefix and not policy.takes_prefix, "a policy that takes a prefix"),
        (strategy.inpaints and not policy.inpaints, "a policy that inpaints"),
        (strategy.corrects and not policy.corrects, "a policy that corrects its actions"),
        (strategy.roll is Roll.DYNAMICS and not dynamics, "a model of the robot"),
    )
    for lacks, what in lacking:
        if lacks:
            raise ConfigError(f"Strategy {name!r} needs {what}.", remedy="Take another one.")
    return Choice(strategy, "it was asked for")


def _best(policy: PolicySpec, *, dynamics: bool) -> Choice:
    # A correction sees what no prediction knew. Both together are no better, and need a model of
    # the robot (docs/performance-robot.md).
    if policy.corrects:
        return Choice(STRATEGIES["a2c2"], "the policy corrects its actions while they run")
    if policy.takes_future_state:
        return _future(policy, "the policy was trained with later states", dynamics=dynamics)
    if policy.takes_prefix:
        return Choice(STRATEGIES["rtc-prefix"], "the policy goes on from actions under way")
    if policy.inpaints:
        return Choice(STRATEGIES["rtc-guided"], "the policy is drawn towards the chunk that runs")
    why = "the policy declares nothing, and skipping what is over needs nothing"
    return Choice(STRATEGIES["aligned"], why)


def _future(policy: PolicySpec, why: str, *, dynamics: bool) -> Choice:
    if dynamics:
        name, how = "future-state-dynamics", "a model of the robot predicts its state"
    elif policy.semantics is Semantics.ABSOLUTE:
        name, how = "future-state-last", "its state follows absolute commands"
    else:
        name, how = "future-state-sum", "its state moves with relative commands"
    strategy = STRATEGIES[name]
    if policy.corrects:
        strategy, how = replace(strategy, corrects=True), f"{how}, and the policy corrects actions"
    return Choice(strategy, f"{why}; {how}")


def rolled(
    roll: Roll, state: Array, commanded: Vector, wished: Vector, dynamics: Dynamics | None
) -> Array:
    """The state after the next commands.

    Args:
        state: (S,), observed; the first A entries are positions.
        commanded: position commanded last, (A,).
        wished: positions of the next control steps, (n, A).
        dynamics: for `Roll.DYNAMICS`.

    Returns:
        (S,).
    """
    if roll is Roll.NONE or not len(wished):
        return state
    if roll is Roll.DYNAMICS and dynamics is not None:
        return dynamics(state, wished.astype(np.float32))
    later, joints = state.copy(), len(commanded)
    if roll is Roll.LAST_COMMAND:
        later[:joints] = wished[-1]
    else:
        later[:joints] += (wished[-1] - commanded).astype(np.float32)
    return later


def execution_horizon(horizon: int, delay: int, *, waits: bool, reaction: int | None) -> int:
    """How many actions of a chunk are executed before the next takes over.

    A robot reacts at the latest after the actions of a chunk and the delay of the next. As few as
    the delay is the fastest that one question at a time allows; more cost reaction and save
    questions.

    Args:
        horizon: control steps in a chunk.
        delay: predicted, in control steps.
        waits: the robot waits for answers, so that each costs it a pause.
        reaction: control steps after which it shall have reacted; None for as few as possible.

    Returns:
        at least 1.
    """
    if waits:
        return max(horizon // 3, 1)
    wanted = delay if reaction is None else reaction - delay
    return max(min(max(wanted, delay), horizon - delay), 1)
