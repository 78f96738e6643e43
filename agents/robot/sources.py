"""Where robots and their policies come from: a Python file, a simulated world, a policy server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from constellation.errors import ConfigError

from ..loading import contained, load_module
from .policies.local import local_policy
from .policies.remote import RemotePolicy
from .ports import Policy, PolicySpec, Robot, RobotSpec
from .settings import LOCAL, SERVERS
from .sims.foreign import EXAMPLES, foreign, is_foreign
from .sims.robot import WORLDS, simulated

LEROBOT = "lerobot:"


def from_file(
    file: Path, policy: str = LOCAL, *, api_key: str | None = None
) -> tuple[Robot, Policy]:
    """The robot of a file's `robot()`, and a policy for it.

    Args:
        policy: ``local`` is the one of the file's `policy()`; or the address of a policy server,
            whose policy is like the `PolicySpec` that the file's `policy_spec()` returns, if it has
            that: stock servers do not say so themselves.
        api_key: that the policy server asks for.

    Raises:
        ConfigError: the file has no such function, or there is no such policy.
        PolicyUnavailable: the policy server cannot be reached.
    """
    module = load_module(file)

    def wrong(what: str) -> ConfigError:
        return ConfigError(what, remedy="See docs/howto/robot.md.", file=str(file))

    def made(name: str) -> Any:
        maker: Any = getattr(module, name, None)
        if not callable(maker):
            raise wrong(f"{file} has no function {name}().")
        with contained(f"of {name}() in {file}"):
            return maker()

    def declared(name: str, kind: type) -> Any:
        """What a function makes, if it says what it is like."""
        thing = made(name)
        if not isinstance(getattr(thing, "spec", None), kind):
            raise wrong(f"What {name}() of {file} returns has no spec that is a {kind.__name__}.")
        return thing

    robot: Robot = declared("robot", RobotSpec)
    if policy == LOCAL:
        return robot, declared("policy", PolicySpec)
    spec = made("policy_spec") if hasattr(module, "policy_spec") else None
    if not isinstance(spec, PolicySpec | None):
        raise wrong(f"What policy_spec() of {file} returns is no PolicySpec.")
    return robot, _served(policy, robot, api_key, spec)


def from_world(
    name: str,
    policy: str = LOCAL,
    *,
    seed: int = 0,
    api_key: str | None = None,
    camera: bool = False,
) -> tuple[Robot, Policy]:
    """The robot of a simulated world that goes on for ever, and a policy for it.

    Args:
        name: of the world: one of ours, or a foreign one (`sims.foreign`).
        policy: ``local``, or ``local:`` and how it was trained, such as ``local:expert``; or the
            address of a policy server.
        seed: of the world.
        api_key: that the policy server asks for.
        camera: the robot sees a picture of its world.

    Raises:
        ConfigError: there is no such world or policy.
        PolicyUnavailable: the policy server cannot be reached.
    """
    if is_foreign(name):
        if camera:
            raise ConfigError(
                f"The world {name} has no camera.",
                remedy="Leave it out, or take one of the worlds that come with the package.",
            )
        stranger, own = foreign(name, seed, endless=True)
        return stranger, own if policy == LOCAL else _served(policy, stranger, api_key)
    if name not in WORLDS:
        raise ConfigError(
            f"There is no simulated world {name!r}.",
            remedy=f"Take one of {', '.join((*WORLDS, *EXAMPLES))}.",
        )
    robot = simulated(name, seed, endless=True, camera=camera)
    where, _, kind = policy.partition(":")
    if where != LOCAL:
        return robot, _served(policy, robot, api_key)
    return robot, local_policy(name, kind) if kind else local_policy(name)


def _served(
    address: str, robot: Robot, api_key: str | None, spec: PolicySpec | None = None
) -> Policy:
    if address.startswith(LEROBOT):
        from .policies.lerobot.addresses import policy_at

        return policy_at(address, robot.spec)
    if not address.startswith(SERVERS):
        raise ConfigError(
            f"There is no policy {address!r}.",
            remedy="Take local, or the address of a policy server, such as ws://127.0.0.1:8000.",
        )
    return RemotePolicy(address, spec, api_key=api_key)
