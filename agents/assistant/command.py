"""The command `constellation trajectory`: what an assistant did, replayed without its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from constellation.errors import ConfigError

from .trajectory import replay

app = typer.Typer()


@app.command()
def trajectory(
    file: Annotated[Path, typer.Argument(help="A trajectory, JSON lines.", dir_okay=False)],
) -> None:
    """Replay what an assistant did: no model is asked and no skill is called.

    Prints the calls in their order, and how it ended. The exit code is 0 only if the assistant
    would do the very same today, given the same answers and results.

    \b
    Example:
      constellation trajectory c-7f3k9q_t1_1.jsonl
    """
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}.", remedy="Name a file that an assistant wrote."
        ) from None
    replayed = replay(lines)
    for number, call in enumerate(replayed.calls, 1):
        typer.echo(f"{number}. {call.skill} {json.dumps(call.arguments, ensure_ascii=True)}")
    typer.echo(json.dumps(replayed.outcome, ensure_ascii=True))
