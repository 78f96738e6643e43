"""Whether robot, policy and strategy fit together. Pure."""

from __future__ import annotations

from constellation.errors import ConfigError

from .ports import PolicySpec, RobotSpec
from .strategies import Strategy


def servo_steps(robot: RobotSpec, policy: PolicySpec, strategy: Strategy, merge: int) -> int:
    """Control steps for each action of the policy.

    Args:
        merge: actions of the policy that become one.

    Raises:
        ConfigError: they do not fit together.
    """
    servo = round(robot.rate_hz / policy.rate_hz)
    if servo < 1 or abs(servo * policy.rate_hz - robot.rate_hz) > 1e-6 * robot.rate_hz:
        raise ConfigError(
            f"{policy.name!r} acts at {policy.rate_hz:g} Hz, {robot.name!r} at {robot.rate_hz:g}.",
            remedy="The robot's rate must be the policy's or a multiple of it.",
        )
    if policy.action_dim != robot.action_dim:
        raise ConfigError(
            f"{policy.name!r} moves {policy.action_dim} joints, {robot.name!r} has "
            f"{robot.action_dim}.",
            remedy="Take a policy that was made for this robot.",
        )
    if not 1 <= merge <= policy.horizon:
        raise ConfigError(
            f"{merge} actions cannot be merged of {policy.horizon}.", remedy="Merge fewer."
        )
    if (strategy.prefix or strategy.inpaints) and (servo, merge) != (1, 1):
        raise ConfigError(
            f"Strategy {strategy.name!r} tells the policy its own actions.",
            remedy="Take another strategy, or neither merge nor interpolate actions.",
        )
    return servo
