"""Policies of LeRobot's by what a person writes on the command line."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from constellation.errors import ConfigError

from ...ports import Policy, PolicySpec, RobotSpec, Semantics
from .policy import LeRobotPolicy


def policy_at(address: str, robot: RobotSpec) -> Policy:
    """A policy on LeRobot's server, or in this process.

    Args:
        address: ``lerobot://HOST:PORT?type=act&policy=PATH``, and perhaps ``&actions=50``; or
            ``lerobot:FOLDER``. Both may end with ``rate=30`` and ``device=cuda``.
        robot: that it drives; the actions are positions of its joints, at its rate by default.

    Raises:
        ConfigError: the address lacks something, or says something that is not known; or there is
            no such policy in this process.
    """
    try:
        split = urlsplit(address)
        said = dict(parse_qsl(split.query, strict_parsing=True)) if split.query else {}
        rate, device = float(said.pop("rate", robot.rate_hz)), said.pop("device", None)
        kind = path = None
        actions = 50
        if split.netloc:
            kind, path = said.pop("type"), said.pop("policy")
            actions = int(said.pop("actions", actions))
        if said or rate <= 0 or actions < 1 or bool(split.netloc) != bool(split.port):
            raise ValueError("it says what nobody understands")
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"{address!r} names no policy: {error}.",
            remedy="Write lerobot://HOST:PORT?type=act&policy=PATH, or lerobot:FOLDER.",
        ) from error
    if kind is None or path is None:
        return LeRobotPolicy(Path(split.path), rate, device=device)
    try:
        from .remote import LeRobotRemote
    except ImportError as error:
        raise ConfigError(
            f"LeRobot's protocol needs the extra 'lerobot-wire': {error}.",
            remedy="Install it: pip install 'constellation-fabric[lerobot-wire]'.",
        ) from None
    spec = PolicySpec(path, rate, actions, robot.action_dim, Semantics.ABSOLUTE)
    return LeRobotRemote(split.netloc, spec, kind=kind, path=path, device=device or "cpu")
