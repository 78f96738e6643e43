"""Commands on artifacts: `artifact put` and `artifact get`."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO

import typer

from constellation.client import open_hub
from constellation.config import load_settings
from constellation.errors import ConfigError
from constellation.telling.text import clean, size

from .connection import run_async
from .output import Json, emit

artifact_app = typer.Typer(no_args_is_help=True, help="Bring files to the hub and from it.")

_HASH = re.compile("[0-9a-f]{64}")


@artifact_app.command("put")
def put_artifact(
    file: Annotated[
        Path, typer.Argument(help="The file.", exists=True, dir_okay=False, readable=True)
    ],
    as_json: Json = False,
) -> None:
    """Give a file to the hub, where all devices can get it by its hash.

    \b
    Examples:
      constellation artifact put photos.zip
      constellation artifact put a.csv --json | jq -r .hash
    """
    settings = load_settings()

    async def put() -> tuple[str, int]:
        with file.open("rb") as source:
            async with open_hub(settings) as hub:
                return await hub.put_artifact(source, file.name)

    digest, size_bytes = run_async(put)
    emit(
        {"hash": digest, "size_bytes": size_bytes, "name": file.name},
        f"{digest}  {size(size_bytes)}  {clean(file.name)}",
        as_json=as_json,
    )


@artifact_app.command("get")
def get_artifact(
    digest: Annotated[
        str, typer.Argument(metavar="HASH", help="What names it: SHA-256 in hexadecimal.")
    ],
    file: Annotated[Path, typer.Argument(help="Where to write it; one that is there is replaced.")],
    as_json: Json = False,
) -> None:
    """Write an artifact of the hub, which the output of a task names, into a file.

    \b
    Examples:
      constellation artifact get "$(cat hash)" a.csv
    """
    if not _HASH.fullmatch(digest):
        raise typer.BadParameter("A hash has 64 hexadecimal digits.", param_hint="HASH")
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder.", param_hint="FILE")
    settings = load_settings()

    async def get(target: BinaryIO) -> int:
        async with open_hub(settings) as hub:
            return await hub.get_artifact(digest, target)

    try:
        # What was there before stays until all of it has come.
        with TemporaryDirectory(dir=file.parent, prefix=".artifact-") as folder:
            part = Path(folder, "part")
            with part.open("wb") as target:
                size_bytes = run_async(lambda: get(target))
            part.replace(file)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}.", remedy="Name another file."
        ) from error
    emit(
        {"hash": digest, "size_bytes": size_bytes, "path": str(file)},
        f"Wrote {size(size_bytes)} into {clean(str(file))}.",
        as_json=as_json,
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(artifact_app, name="artifact", rich_help_panel="Work")
