"""Commands on devices and credentials: pair, devices, revoke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

import segno
import typer
from pydantic import SecretStr
from rich.text import Text

from constellation.config import load_settings
from constellation.joined import JoinedHub
from constellation.telling.text import clean, duration

from .connection import ask_hub
from .options import DeviceName, HubStateDir
from .output import Json, console, emit
from .render import credentials_table, devices_table

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
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SKILLS",
            help="A pattern of skills, such as 'files.*', that the device may be given, or the "
            "client may use; may be given again. Default: any.",
        ),
    ] = None,
    own: Annotated[
        bool, typer.Option("--own", help="The client sees and changes its own constellations only.")
    ] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="The client only looks.")] = False,
    qr: Annotated[bool, typer.Option(help="Show a QR code on a terminal.")] = True,
    as_json: Json = False,
) -> None:
    """Print a short-lived code that lets one device join this hub.

    \b
    Examples:
      constellation pair
      constellation pair --name desk --ttl 120
      constellation pair --name camera --allow 'camera.*'
      constellation pair --role client --name ada --own --allow 'files.read' --allow 'web.*'
    """
    if role != "client" and (own or read_only):
        raise typer.BadParameter("Only a client can be held to that.", param_hint="--own")
    scope = None
    if allow or own or read_only:
        whose = "own" if own else "all"
        scope = {"skills": allow or None, "constellations": whose, "read_only": read_only}
    offer = ask_hub("pair", name=name, role=role, ttl_s=ttl, scope=scope)
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
    state_dir: HubStateDir = None,
    as_json: Json = False,
) -> None:
    """List the devices of the hub: what they are, whether they are up, what they run.

    \b
    Examples:
      constellation devices
      constellation devices --json | jq '.devices[].name'
    """
    known = ask_hub("devices", state_dir)["devices"]
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


def allow(
    name: DeviceName,
    skill: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SKILLS", help="A pattern of skills, in place of the former; may be repeated."
        ),
    ] = None,
    any_skill: Annotated[bool, typer.Option("--any-skill", help="Every skill.")] = False,
    own: Annotated[
        bool | None,
        typer.Option("--own/--all", help="Of a client: its own constellations only, or all."),
    ] = None,
    read_only: Annotated[
        bool | None,
        typer.Option("--read-only/--read-write", help="Of a client: whether it only looks."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Change what a device may be given, or a client may do; it holds at once.

    
    Examples:
      constellation allow camera --skill 'camera.*'
      constellation allow ada --any-skill --all
    """
    if skill and any_skill:
        raise typer.BadParameter("Give patterns, or --any-skill.", param_hint="--skill")
    answer = ask_hub(
        "allow",
        name=name,
        skills="any" if any_skill else skill or None,
        constellations=None if own is None else "own" if own else "all",
        read_only=read_only,
    )
    emit(answer, f"{name} is allowed {clean(str(answer['may']))}.", as_json=as_json)


def credentials(as_json: Json = False) -> None:
    """List the credentials of the hub: whose they are, and what they may be used for.

    
    Example:
      constellation credentials
    """
    answer = ask_hub("credentials")
    emit(answer, credentials_table(answer["credentials"]), as_json=as_json)


def rotate(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Whose; default: our own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a credential a new secret; the old one is worth nothing from then on.

    Sessions that are open go on. Our own is put in its place if `constellation join` brought it;
    the one of somebody else is printed this once, to be put where the old one is: the file
    `credential` of a device.

    
    Examples:
      constellation rotate
      constellation rotate desk
    """
    settings = load_settings()
    joined = JoinedHub.find(settings.state_dir)
    if name is None and (joined is None or settings.client.url is not None):
        raise typer.BadParameter("Say whose: no hub was joined here.", param_hint="NAME")
    answer = ask_hub("rotate", name=name)
    if name is None and joined is not None:
        joined.model_copy(update={"token": SecretStr(answer["token"])}).keep(settings.state_dir)
        emit({"name": joined.name}, "The credential has a new secret.", as_json=as_json)
    else:
        emit(answer, f"The new token of {name}: {answer['token']}", as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (pair, devices, credentials, allow, rotate, revoke):
        app.command(rich_help_panel="Devices")(command)
