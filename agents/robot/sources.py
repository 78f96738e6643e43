"""Where robots and their policies come from: a Python file, or a simulated world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from constellation.errors import ConfigError

from ..loading import load_module
from .policies.local import local_policy
from .ports import Policy, Robot
from .sims.robot import simulated

LOCAL = "local"


def from_file(file: Path) -> tuple[Robot, Policy]:
    """The robot of a file's `robot()`, and the policy of its `policy()`.

    Raises:
        ConfigError: the file has no such function.
    """
    module = load_module(file)

    def made(name: str) -> Any:
        maker = getattr(module, name, None)
        if not callable(maker):
            raise ConfigError(
                f"{file} has no function {name}().",
                remedy="See docs/howto/robot.md.",
                file=str(file),
            )
        return maker()

    return made("robot"), made("policy")


def from_world(name: str, policy: str = LOCAL, *, seed: int = 0) -> tuple[Robot, Policy]:
    """The robot of a simulated world that goes on for ever, and a policy for it.

    Args:
        policy: ``local``, or ``local:`` and how it was trained, such as ``local:expert``.
        seed: of the world.

    Raises:
        ConfigError: there is no such world or policy.
    """
    robot = simulated(name, seed, endless=True)
    where, _, kind = policy.partition(":")
    if where != LOCAL:
        raise ConfigError(f"There is no policy {policy!r}.", remedy="Take local, or local:expert.")
    return robot, local_policy(name, kind) if kind else local_policy(name)
