"""Commands on devices and credentials: pair, devices, revoke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

import segno
import typer
from rich.text import Text

from constellation.telling.text import clean, duration

from .connection import ask_hub
from .options import DeviceName
from .output import Json, console, emit
from .render import devices_table

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
NO_DEVICES = "No device is known. Bring one in: constellation pair"


def pair(
    name: Annotated[
        str | None, typer.Option(help="The only name the code is good for; default: any.")
    ] = None,
    role: Annotated[
        Literal["device", "client", "admin"], typer.Option(help="What the code lets in.")
    ] = "device",
    ttl: Annotated[
        float, typer.Option(help="Seconds until the code expires.", min=1, max=86_400)
    ] = 600.0,
    qr: Annotated[bool, typer.Option(help="Show a QR code on a terminal.")] = True,
    as_json: Json = False,
) -> None:
    """Print a short-lived code that lets one device join this hub.

    \b
    Examples:
      constellation pair
      constellation pair --name desk --ttl 120
    """
    offer = ask_hub("pair", name=name, role=role, ttl_s=ttl)
    code, url = clean(str(offer["code"])), clean(str(offer["url"]))
    emit(
        offer,
        Text.assemble(
            "Code: ", (code, "bold"), f"  (good once, for {duration(offer['expires_s'])})"
        ),
        *_how_to_join(role, url, code, name),
        as_json=as_json,
    )
    if qr and not as_json and console().is_terminal:
        segno.make(f"{url}#pair={code}").terminal(compact=True)


def _how_to_join(role: str, url: str, code: str, name: str | None) -> Iterator[Text]:
    """Where the code goes, and what stands in the way."""
    local = urlsplit(url).hostname in LOOPBACK
    where = "On this machine, in another terminal" if local else "On the other machine"
    command = f"constellation agent --hub {url} --name {name or 'NAME'} --pair {code}"
    if role != "device":
        command = f"constellation join {url} --pair {code}"
    yield Text(f"{where}: {command}")
    if local:
        yield Text(
            "Only this machine reaches that address; for others start the hub with --host 0.0.0.0.",
            style="dim",
        )


def devices(
    show_all: Annotated[
        bool, typer.Option("--all", help="Those that were revoked as well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the devices of the hub: what they are, whether they are up, what they run.

    \b
    Examples:
      constellation devices
      constellation devices --json | jq '.devices[].name'
    """
    known = ask_hub("devices")["devices"]
    listed = [each for each in known if show_all or each["presence"] != "revoked"]
    shown = devices_table(listed) if listed else Text(NO_DEVICES)
    emit({"devices": listed}, shown, as_json=as_json)


def revoke(name: DeviceName, as_json: Json = False) -> None:
    """Withdraw the credential of a device or client and close its session.

    \b
    Example:
      constellation revoke old-laptop
    """
    answer = ask_hub("revoke", name=name)
    emit(answer, f"The credential of {name} is revoked.", as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (pair, devices, revoke):
        app.command(rich_help_panel="Devices")(command)
