"""Options that the commands share which serve something as a device, and those that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Option(help="The device's name, unique on its hub.")]
Hub = Annotated[
    str | None, typer.Option(help="The hub's address; default: the hub of this machine.")
]
Pair = Annotated[str | None, typer.Option(help="A code from `constellation pair`; needed once.")]
Authority = Annotated[Path | None, typer.Option(help="Certificate authority to trust, a PEM file.")]
Rules = Annotated[
    Path | None, typer.Option(help="What tasks may do, a TOML file; see docs/howto/policy.md.")
]
StateDir = Annotated[
    Path | None, typer.Option(help="Where the agent keeps its memory.", file_okay=False)
]


def refuse(context: typer.Context, why: str, *names: str) -> None:
    """Refuse options that were given and would be ignored.

    Args:
        context: of the command.
        why: in a sentence.
        names: of its parameters.

    Raises:
        typer.BadParameter: one of them was given.
    """
    for option in context.command.params:
        source = context.get_parameter_source(str(option.name))
        # By its name: newer versions of Typer bring a Click of their own.
        if option.name in names and source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(why, param_hint=option.opts[0])
