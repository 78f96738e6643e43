"""An MCP server made with the SDK, for the tests: over stdio, or over HTTP on the port given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp_types import EmbeddedResource, ImageContent, ResourceLink, TextContent, ToolAnnotations
from pydantic import BaseModel

server = MCPServer("workshop", log_level="CRITICAL")
Block = TextContent | ImageContent | EmbeddedResource | ResourceLink


class Sum(BaseModel):
    value: int


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int = 1) -> Sum:
    """Add two numbers."""
    return Sum(value=a + b)


@server.tool(annotations=ToolAnnotations(destructive_hint=False, idempotent_hint=True))
def keep(text: str) -> str:
    """Keep a text."""
    return text


@server.tool()
def wipe() -> str:
    """Wipe the disk."""
    return "wiped"


@server.tool(name="odd name/ü", annotations=ToolAnnotations(read_only_hint=True))
def odd() -> int:
    return os.getpid()


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def span(context: Context) -> str:
    meta = context.request_context.meta or {}
    return str(meta.get("traceparent"))


@server.tool()
def picture() -> Image:
    return Image(data=b"pixels", format="png")


@server.tool(structured_output=False)
def mixed() -> list[Block]:
    return [
        TextContent(type="text", text="look"),
        TextContent(type="text", text="here"),
        ResourceLink(type="resource_link", uri="file:///a.txt", name="a", mime_type="text/plain"),
        ImageContent(type="image", data="no base64!", mime_type="image/png"),
    ]


@server.tool()
def fail() -> str:
    raise ValueError("a secret place")


def write_down(mark: str) -> None:
    Path(mark).write_text("canceled")


@server.tool()
async def slow(context: Context, mark: str) -> str:
    """Run for ever, and write down that it was canceled."""
    try:
        await context.report_progress(1, 4, "begun")
        await anyio.sleep_forever()
    finally:
        write_down(mark)
    return ""


@server.tool()
def die() -> str:
    os._exit(3)


@server.tool()
async def grow(context: Context) -> str:
    """Offer one more tool from now on."""
    server.add_tool(odd, name="grown", description="New.")
    await context.notify_tools_changed()
    return "grown"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
