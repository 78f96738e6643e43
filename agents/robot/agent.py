"""A robot as a device: robot, policy, controller and skills put together, and served to a hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import numpy as np

from constellation.aip.endpoint import Guard
from constellation.errors import ConfigError

from ..service import Beside, serve
from ..settings import AgentSettings
from .controller import Controller
from .inference import Inference, in_words
from .loop import Loop
from .pilot import Pilot
from .ports import Corrects, Policy, Predicts, Robot
from .recording import Step
from .settings import Settings
from .skills import robot_skills
from .strategies import Choice, chosen


@dataclass(frozen=True, slots=True)
class Assembly:
    """A robot that is ready to be switched on: `with assembly.loop: …`.

    Attributes:
        choice: how it acts while it thinks, and why so.
        loop: drives it while its context is open.
        pilot: moves it for others.
    """

    choice: Choice
    loop: Loop
    pilot: Pilot


def assemble(
    robot: Robot,
    policy: Policy,
    strategy: str | None = None,
    settings: Settings | None = None,
    watchers: Sequence[Callable[[Step], None]] = (),
) -> Assembly:
    """A robot, driven by a policy in this process.

    Args:
        strategy: name of one; None for the best that robot and policy declare to bear.
        watchers: are shown each control step, by the control loop; they must return at once.

    Raises:
        ConfigError: robot, policy and strategy do not fit together, or the robot is out of reach.
    """
    spec, limits = robot.spec, robot.spec.limits
    predicts = robot.predict if isinstance(robot, Predicts) else None
    choice = chosen(strategy, policy.spec, dynamics=predicts is not None)
    with Guard(partial(_unseen, spec.name)):
        seen = robot.observe().state
    if seen.shape != (spec.state_dim,):
        raise ConfigError(
            f"The state that {spec.name!r} observes has the shape {seen.shape}, and it declares "
            f"{spec.state_dim} entries.",
            remedy="Correct the robot's file.",
        )
    # A sensor may see it a little outside of limits that it keeps.
    position = seen[: spec.action_dim].astype(np.float64)
    controller = Controller(
        spec,
        policy.spec,
        choice.strategy,
        np.clip(position, limits.low, limits.high),
        settings,
        dynamics=predicts,
        correct=policy.correct if isinstance(policy, Corrects) else None,
    )
    loop = Loop(robot, controller, Inference(policy), watchers=watchers)
    return Assembly(choice, loop, Pilot(spec, loop))


def _unseen(robot: str, error: Exception) -> NoReturn:
    raise ConfigError(
        f"The robot {robot!r} cannot be observed: {in_words(error).rstrip('.')}.",
        remedy="See that it is connected and switched on, or correct its file.",
    ) from error


def serve_robot(
    assembly: Assembly,
    settings: AgentSettings,
    ready: Callable[[], None] = lambda: None,
    beside: Sequence[Beside] = (),
) -> int:
    """Serves a robot as a device until SIGTERM or SIGINT, and brings it to rest.

    Without its hub it holds (or goes on, as its settings say), and resumes when the hub is back.

    Returns:
        the exit code of the process.

    Raises:
        ConstellationError: see `agents.service.run_agent`.
    """
    with assembly.loop:
        return serve(
            settings,
            skills=robot_skills(assembly.pilot),
            beside=beside,
            ready=ready,
            linked=assembly.pilot.linked,
        )
