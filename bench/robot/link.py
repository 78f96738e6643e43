"""Links that are cut at random moments: is the robot on hold in time, and within its limits?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.robot.controller import Controller
from agents.robot.events import Begin, LinkBack, LinkLost
from agents.robot.policies.local import local_policy
from agents.robot.safety import Limits, Vector
from agents.robot.settings import Settings
from agents.robot.sims.robot import simulated
from agents.robot.strategies import chosen

from .play import Episode

_DELAY = 8
_CUTS_OF_AN_EPISODE = 20
# Steps between cuts, and without a link.
_PLUGGED, _UNPLUGGED = (20, 60), (1, 20)
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class Cuts:
    """What became of cut links.

    Attributes:
        cuts: how many.
        late: after which the very next control step was no hold.
        resumed: after which the policy drove again.
        violations: limits that were broken: of position, velocity, acceleration or jerk.
        steps: in all.
    """

    cuts: int
    late: int
    resumed: int
    violations: int
    steps: int


def cut_links(cuts: int, seed: int = 0) -> Cuts:
    """Cuts the link of a robot that plays whack-a-mole, again and again."""
    parts = [_episode([seed, each]) for each in range(-(-cuts // _CUTS_OF_AN_EPISODE))]
    return Cuts(*(sum(getattr(part, name) for part in parts) for name in Cuts.__slots__))


def _episode(seed: list[int]) -> Cuts:
    rng = np.random.default_rng(seed)
    robot, policy = simulated("whack", seed[1], endless=True), local_policy("whack")
    strategy = chosen(None, policy.spec, dynamics=True).strategy
    controller = Controller(
        robot.spec,
        policy.spec,
        strategy,
        np.zeros(2),
        Settings(assumed=_DELAY),
        dynamics=robot.predict,
    )
    episode = Episode(robot, controller, policy, lambda: _DELAY)
    commands = [np.zeros(2)] * 3
    late = resumed = 0
    controller.handle(Begin(), 0.0)

    def run(steps: int) -> set[str]:
        """Control steps; by what they were made."""
        acts = [episode.step() for _ in range(steps)]
        commands.extend(act.action.astype(np.float64) for act in acts)
        return {act.source.strategy for act in acts}

    for _ in range(_CUTS_OF_AN_EPISODE):
        run(int(rng.integers(*_PLUGGED)))
        controller.handle(LinkLost(), episode.now)
        late += run(int(rng.integers(*_UNPLUGGED))) != {"hold"}
        controller.handle(LinkBack(), episode.now)
        resumed += strategy.name in run(_PLUGGED[0])
    violations = _violations(np.array(commands), robot.spec.limits)
    return Cuts(_CUTS_OF_AN_EPISODE, late, resumed, violations, episode.steps)


def _violations(commands: Vector, limits: Limits) -> int:
    """Control steps with a command that breaks a limit; commands are rounded to 32 bits."""
    rate = limits.rate_hz
    bounds = (limits.velocity / rate, limits.acceleration / rate**2, limits.jerk / rate**3)
    beyond = [(commands < limits.low - _ROUNDING) | (commands > limits.high + _ROUNDING)]
    for order, bound in enumerate(bounds, start=1):
        change = np.abs(np.diff(commands, n=order, axis=0))
        beyond.append(change > bound + 2**order * _ROUNDING)
    return sum(int(each.any(axis=1).sum()) for each in beyond)
