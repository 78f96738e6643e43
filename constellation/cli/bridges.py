"""The command `bridge`: the fabric for clients of other protocols."""

from __future__ import annotations

import os
from typing import Annotated

import anyio
import typer

from constellation.errors import ConfigError

from .connection import run_async
from .output import Json, emit

MAX_PORT = 65_535

bridge = typer.Typer(no_args_is_help=True, help="Offer the fabric to clients of other protocols.")


@bridge.command()
def mcp(
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Serve streamable HTTP there; port 0 takes a free one."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Offer the fabric to MCP clients: they see the devices and give them work.

    Without --listen it speaks over stdin and stdout, as MCP clients start it. It uses the hub that
    is configured, or the one that runs on this machine; over HTTP a client sends the credential
    that this command uses there as its bearer token.

    \b
    Examples:
      constellation bridge mcp
      constellation bridge mcp --listen 127.0.0.1:8471
    """
    address = None if listen is None else _address(listen)
    try:
        from constellation.bridges.mcp import mcp_server, serve_mcp
    except ImportError as error:
        raise ConfigError(
            f"This needs the extra 'mcp': {error}.",
            remedy="Install it: pip install 'constellation-fabric[mcp]'.",
        ) from None
    from constellation.client import find_hub
    from constellation.config import load_settings
    from constellation.fabric import connect

    async def serve() -> None:
        async with connect() as fabric:
            if address is None:
                await mcp_server(fabric).run_stdio_async()
                return
            _, token = find_hub(load_settings())
            async with serve_mcp(fabric, token, *address) as url:
                emit({"url": url}, f"MCP clients find the fabric at {url}.", as_json=as_json)
                await anyio.sleep_forever()

    run_async(serve)


@bridge.command()
def openai(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:8472",
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Let scripts of this web page use it; may be given again."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Offer the fabric to chat frontends: an endpoint that is compatible with OpenAI's.

    A frontend uses a hub client's credential as its API key, and `constellation` as the model. It
    uses the hub that is configured, or the one that runs on this machine.

    \b
    Examples:
      constellation bridge openai
      constellation bridge openai --listen 127.0.0.1:9000
      constellation bridge openai --allow-origin https://chat.example
    """
    host, port = _address(listen)
    try:
        from constellation.bridges.openai import serve_chat
    except ImportError as error:
        raise ConfigError(
            f"This needs the extra 'chat': {error}.",
            remedy="Install it: pip install 'constellation-fabric[chat]'.",
        ) from None
    from constellation.client import find_hub
    from constellation.config import load_settings

    url = load_settings().client.url or find_hub(load_settings())[0]

    async def serve() -> None:
        async with serve_chat(url, host, port, allow_origin or ()) as base:
            emit({"url": base}, f"Chat frontends find the fabric at {base}.", as_json=as_json)
            await anyio.sleep_forever()

    run_async(serve)


@bridge.command()
def a2a(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:8473",
    as_json: Json = False,
) -> None:
    """Offer the fabric to agents that speak A2A: a card, and tasks with streaming.

    A client sends a hub client's credential as its bearer token. It uses the hub that is
    configured, or the one that runs on this machine.

    \b
    Examples:
      constellation bridge a2a
      constellation bridge a2a --listen 127.0.0.1:9000
    """
    host, port = _address(listen)
    # The spans of its SDK go nowhere from here, and it stumbles over them when a client hangs up.
    os.environ.setdefault("OTEL_INSTRUMENTATION_A2A_SDK_ENABLED", "false")
    try:
        from constellation.bridges.a2a import serve_a2a
    except ImportError as error:
        raise ConfigError(
            f"This needs the extra 'a2a': {error}.",
            remedy="Install it: pip install 'constellation-fabric[a2a]'.",
        ) from None
    from constellation.client import find_hub
    from constellation.config import load_settings

    url = load_settings().client.url or find_hub(load_settings())[0]

    async def serve() -> None:
        async with serve_a2a(url, host, port) as base:
            emit({"url": base}, f"A2A clients find the fabric at {base}.", as_json=as_json)
            await anyio.sleep_forever()

    run_async(serve)


def _address(listen: str) -> tuple[str, int]:
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > MAX_PORT:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT.", param_hint="--listen")
    return host, int(port)


def register(app: typer.Typer) -> None:
    """Add the commands of this file; `mcp` alone, as it was called at first, is `bridge mcp`."""
    app.command(hidden=True)(mcp)
    app.add_typer(bridge, name="bridge", rich_help_panel="Bridges")
