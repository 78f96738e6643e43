"""The command `mcp`: the fabric for MCP clients."""

from __future__ import annotations

from typing import Annotated

import typer

from constellation.errors import ConfigError

from .connection import run_async


def mcp(
    http: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Serve streamable HTTP on this port of 127.0.0.1."),
    ] = None,
) -> None:
    """Offer the fabric to MCP clients: they see the devices and give them work.

    Without options it speaks over stdin and stdout, as MCP clients start it. It uses the
    hub that is configured, or the one that runs on this machine.

    \b
    Examples:
      constellation mcp
      constellation mcp --http 8471
    """
    try:
        from constellation.bridges.mcp import mcp_server
    except ImportError as error:
        raise ConfigError(
            f"This needs the extra 'mcp': {error}.",
            remedy="Install it: pip install 'constellation-fabric[mcp]'.",
        ) from None
    from constellation.fabric import connect

    async def serve() -> None:
        async with connect() as fabric:
            server = mcp_server(fabric)
            if http is None:
                await server.run_stdio_async()
            else:
                await server.run_streamable_http_async(host="127.0.0.1", port=http)

    run_async(serve)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Bridges")(mcp)
