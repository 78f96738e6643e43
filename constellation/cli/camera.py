"""The command that looks through the cameras of devices."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from constellation.client import HubClient, open_hub
from constellation.config import load_settings
from constellation.errors import UnknownDeviceError

from .connection import ask_hub, run_async
from .options import HubStateDir
from .output import Json, emit

_ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png"}


def camera(
    device: Annotated[str | None, typer.Argument(help="Whose; default: list them all.")] = None,
    name: Annotated[
        str | None, typer.Argument(help="Which of its cameras; default: the first.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="A folder for the pictures.", file_okay=False)
    ] = None,
    count: Annotated[int | None, typer.Option(help="End after so many pictures.", min=1)] = None,
    state_dir: HubStateDir = None,
    as_json: Json = False,
) -> None:
    """Look through the cameras of devices, as it happens.

    Pictures that come too late are dropped, and a scene in which nothing moves is shown once in a
    second.

    \b
    Examples:
      constellation camera
      constellation camera arm --save pictures
      constellation camera arm wrist --count 1 --save .
    """
    if device is None:
        answer = ask_hub("live", state_dir)
        lines = [f"{each['device']} {each['name']} ({each['type']})" for each in answer["live"]]
        emit(answer, "\n".join(lines) or "No device shows anything.", as_json=as_json)
        return
    settings = load_settings({"state_dir": state_dir})

    async def look() -> None:
        async with open_hub(settings, name="camera") as hub:
            shown = name or await _first(hub, device)
            if save is not None:
                save.mkdir(parents=True, exist_ok=True)
            async with hub.live(device, shown) as pictures:
                ending = _ENDINGS.get(pictures.meta.get("type", ""), ".bin")
                await _follow(pictures, save, ending, count, as_json)

    run_async(look)


async def _first(hub: HubClient, device: str) -> str:
    for each in (await hub.ask("live"))["live"]:
        if each["device"] == device:
            return str(each["name"])
    raise UnknownDeviceError(
        f"{device} shows nothing.",
        remedy="Start a robot with --camera; see `constellation camera`.",
    )


async def _follow(
    pictures: AsyncIterator[bytes], save: Path | None, ending: str, count: int | None, as_json: bool
) -> None:
    began, number = time.monotonic(), 0
    async for picture in pictures:
        number += 1
        file = None
        if save is not None:
            file = save / f"{number:06d}{ending}"
            file.write_bytes(picture)
        told = {
            "number": number,
            "bytes": len(picture),
            "after_s": round(time.monotonic() - began, 3),
            "file": None if file is None else str(file),
        }
        where = "" if file is None else f" → {file}"
        emit(told, f"{number}: {len(picture):,} bytes{where}", as_json=as_json)
        if number == count:
            return


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Look")(camera)
