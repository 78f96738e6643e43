"""Options that the commands share which serve something as a device."""

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
