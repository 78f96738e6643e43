"""Arguments that several commands share, and what the shell completes them to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from constellation.errors import ConstellationError
from constellation.telling.values import one_line


def complete_constellation(incomplete: str) -> Iterator[tuple[str, str]]:
    """Ids of the hub's open constellations with their names; nothing if no hub answers."""
    for row in _rows("list", "constellations"):
        if str(row["id"]).startswith(incomplete):
            yield row["id"], one_line(row["name"])


def complete_device(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of the hub's devices; nothing if no hub answers."""
    for row in _rows("devices", "devices"):
        if str(row["name"]).startswith(incomplete):
            yield row["name"], str(row["presence"])


def _rows(verb: str, key: str) -> list[Any]:
    from .connection import ask_hub

    with suppress(ConstellationError):
        return list(ask_hub(verb)[key])
    return []


ConstellationId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The constellation's id, as `constellation ps` shows it.",
        autocompletion=complete_constellation,
    ),
]

DeviceName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The device's or client's name.",
        autocompletion=complete_device,
    ),
]


HubStateDir = Annotated[
    Path | None, typer.Option("--state-dir", help="State directory of the hub.", file_okay=False)
]


def pairs(given: list[str], option: str) -> dict[str, str]:
    """Read ``key=value`` options.

    Raises:
        typer.BadParameter: one has no ``=`` or no key.
    """
    found = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{each!r} is not KEY=VALUE.", param_hint=option)
        found[key] = value
    return found
