"""How an MCP server is reached, and how its end is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import httpx2
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from constellation.config import McpServerSettings

TIMEOUT = httpx2.Timeout(30.0, read=300.0)
"""For one response over HTTP; a stream of events may be quiet for as long as the reading allows."""


@asynccontextmanager
async def reach(settings: McpServerSettings, ended: Callable[[], None]) -> AsyncIterator[Any]:
    """The streams of a server, as the SDK's client takes them.

    The SDK tells only those who wait for an answer that a connection has ended; so what comes
    in passes through here.

    Args:
        settings: a command to start, or a URL.
        ended: called when nothing more comes from the server.
    """
    async with (
        _transport(settings) as (incoming, outgoing),
        anyio.create_task_group() as tasks,
    ):
        into, passed_on = anyio.create_memory_object_stream[Any](0)

        async def pass_on() -> None:
            async with into:
                async for message in incoming:
                    await into.send(message)
            ended()

        tasks.start_soon(pass_on)
        with passed_on:
            yield passed_on, outgoing
        tasks.cancel_scope.cancel()


def _transport(settings: McpServerSettings) -> AbstractAsyncContextManager[Any]:
    if settings.url is not None:
        return _http(settings)
    return stdio_client(
        StdioServerParameters(
            command=settings.command,
            args=list(settings.args),
            env=settings.env,
            cwd=settings.cwd,
            # A byte that is no UTF-8 spoils one message, not the connection.
            encoding_error_handler="replace",
        )
    )


@asynccontextmanager
async def _http(settings: McpServerSettings) -> AsyncIterator[Any]:
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=TIMEOUT) as client,
        streamable_http_client(str(settings.url), http_client=client) as streams,
    ):
        yield streams
