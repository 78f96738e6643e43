"""Worlds of others (the extra `sims`): the same controller, experts as policies."""

from __future__ import annotations

from dataclasses import dataclass

from agents.robot.controller import Controller
from agents.robot.events import Begin
from agents.robot.ports import Policy, Predicts, Robot
from agents.robot.settings import Settings
from agents.robot.strategies import chosen

from .play import Delay, Episode


@dataclass(frozen=True, slots=True)
class Foreign:
    """How an episode in a foreign world went.

    Attributes:
        score: of the world.
        held: share of the control steps without an action of the policy.
    """

    score: float
    held: float


def play_foreign(
    robot: Robot, policy: Policy, strategy: str, delay: Delay, execution: int | None = None
) -> Foreign:
    """Plays until the robot says that it is done.

    Args:
        execution: actions of a chunk to execute at least; None for as few as can be.
    """
    dynamics = robot.predict if isinstance(robot, Predicts) else None
    first, limits = robot.observe(), robot.spec.limits
    controller = Controller(
        robot.spec,
        policy.spec,
        chosen(strategy, policy.spec, dynamics=dynamics is not None).strategy,
        first.state[: robot.spec.action_dim].astype(float).clip(limits.low, limits.high),
        Settings(assumed=delay.steps, warm_up=0, execution=execution),
        dynamics=dynamics,
    )
    episode = Episode(robot, controller, policy, lambda: delay.steps)
    controller.handle(Begin(first.prompt), 0.0)
    while controller.seen is None or not controller.seen.values["done"].any():
        episode.step()
    return Foreign(float(controller.seen.values["score"][0]), controller.holds / episode.steps)
