"""What the commands share that serve a device of their own kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from constellation.config import load_settings
from constellation.errors import ConfigError

from .pairing import find_local, paired
from .settings import AgentSettings


def device_settings(
    kind: str,
    *,
    name: str,
    hub: str | None,
    pair: str | None,
    ca: Path | None,
    policy: Path | None,
    state_dir: Path | None,
    **more: Any,
) -> AgentSettings:
    """The settings of a device of that kind; without a hub, that of this machine pairs it.

    Args:
        more: other settings of `AgentSettings`.

    Raises:
        ConfigError: no hub is named, and none runs here.
        HubUnreachable: it does not answer.
    """
    state = load_settings({"state_dir": state_dir}).state_dir.absolute()
    local = find_local(state) if hub is None else None
    settings = AgentSettings(
        hub=local.url if local else str(hub),
        name=name,
        state_dir=state,
        pair=pair,
        ca=ca.absolute() if ca else local.ca if local else None,
        kind=kind,
        policy=policy and policy.absolute(),
        **more,
    )
    return paired(settings, local) if local else settings


def read_secret(file: Path) -> str:
    """The secret in a file.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.", remedy="Name another file.") from None
    if not secret:
        raise ConfigError(f"{file} is empty.", remedy="Write the secret into it.")
    return secret


def say(what: str) -> None:
    """Print a line at once."""
    typer.echo(what)
    sys.stdout.flush()
