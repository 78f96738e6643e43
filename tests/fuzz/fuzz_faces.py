"""Bridges before a hub, for the fuzzer: A2A and MCP over HTTP, and chats with a credential.

A real hub runs in the same process, without devices: right requests get as far as its planner.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from fuzz_bridges import chat_seeds
from fuzz_mutation import BYTES, TEXTS, Corpus, documents
from fuzz_target import Hit, Target
from starlette.types import ASGIApp

from constellation.config import Settings
from constellation.fabric import Fabric, connect
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.service import open_hub

# What JSON-RPC calls an internal error.
INTERNAL = b'"code":-32603'
JSON_TYPE = (b"content-type", b"application/json")


class World:
    """A hub, and a client of it, in a thread of their own for as long as the process lives."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        atexit.register(self._stack.close)
        # A TemporaryDirectory would go before the hub does, at the end of the process.
        folder = tempfile.mkdtemp(prefix="constellation-fuzz-")
        self._stack.callback(shutil.rmtree, folder)
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._faults: list[dict[str, Any]] = []
        self._portal.call(self._listen)
        hub = {"port": 0, "requests_per_s": 1e9, "submits_per_s": 1e9, "journal_sync": "off"}
        settings = Settings.model_validate({"state_dir": Path(folder), "hub": hub})
        self.hub: Hub = self.enter(open_hub(settings))
        _, self.token = self.hub.access.credentials.issue("fuzz", "client", time.time())
        self.fabric: Fabric = self.enter(connect(self.hub.url, token=self.token))

    async def _listen(self) -> None:
        handler = lambda loop, context: self._faults.append(context)  # noqa: E731
        asyncio.get_running_loop().set_exception_handler(handler)

    def enter(self, context: Any) -> Any:
        """Keep something open as long as this."""
        return self._stack.enter_context(self._portal.wrap_async_context_manager(context))

    def post(
        self, app: ASGIApp, path: str, data: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> bool:
        """Post something to an application; return whether it was good.

        Raises:
            RuntimeError: the loop was told of a fault.
            AssertionError: it says that it met a fault of its own.
        """
        # One library calls it an internal error if the bytes are no text, also as UTF-16.
        text = data.decode("utf-8", "replace").replace("\0", " ").encode()
        status, body = self._portal.call(posted, app, path, text, headers)
        if self._faults:
            context = self._faults.pop()
            raise RuntimeError(str(context)) from context.get("exception")
        assert status < 500, f"it answers {status}"
        assert INTERNAL not in body, body
        return status == 200 and b'"error"' not in body


@cache
def world() -> World:
    """The one of this process."""
    return World()


async def posted(
    app: ASGIApp, path: str, data: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> tuple[int, bytes]:
    """Post something to an application; return the status and the body of its answer."""
    status, body = 0, b""
    given = False

    async def receive() -> dict[str, Any]:
        nonlocal given
        if given:
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 9),
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "headers": [(b"host", b"127.0.0.1:80"), *headers],
        "query_string": b"",
    }
    await app(scope, receive, send)
    return status, body


def a2a() -> Hit:
    """JSON-RPC to the agent, with the credential of a client."""
    from constellation.bridges.a2a import RPC, a2a_app

    here = world()
    app = a2a_app(here.hub.url, "http://127.0.0.1")
    headers = [
        JSON_TYPE,
        (b"authorization", f"Bearer {here.token}".encode()),
        (b"a2a-version", b"1.0"),
    ]

    def hit(data: bytes) -> bool:
        return here.post(app, RPC, data, headers)

    return hit


@cache
def _mcp_app() -> ASGIApp:
    from constellation.bridges.mcp import mcp_server

    here = world()
    app = mcp_server(here.fabric).streamable_http_app(json_response=True, stateless_http=True)
    here.enter(app.router.lifespan_context(app))
    return app


def mcp() -> Hit:
    """JSON-RPC to the server of tools."""
    app, here = _mcp_app(), world()
    headers = [JSON_TYPE, (b"accept", b"application/json, text/event-stream")]

    def hit(data: bytes) -> bool:
        return here.post(app, "/mcp", data, headers)

    return hit


def chat() -> Hit:
    """A chat whose frontend shows a credential: it gets as far as the planner."""
    from constellation.bridges.openai import chat_app

    here = world()
    app = chat_app(here.hub.url)
    headers = [JSON_TYPE, (b"authorization", f"Bearer {here.token}".encode())]

    def hit(data: bytes) -> bool:
        return here.post(app, "/v1/chat/completions", data, headers)

    return hit


def _rpc(method: str, params: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def _a2a_seeds() -> list[bytes]:
    said = {
        "messageId": "m1",
        "role": "ROLE_USER",
        "parts": [{"text": "show the memory"}, {"data": {"a": [1]}}],
    }
    return [
        _rpc("SendMessage", {"message": said}),
        _rpc("SendMessage", {"message": {**said, "taskId": "t1", "contextId": "c1"}}),
        _rpc("SendStreamingMessage", {"message": said, "configuration": {"historyLength": 2}}),
        _rpc("GetTask", {"id": "t1", "historyLength": 3}),
        _rpc("CancelTask", {"id": "t1"}),
        _rpc("ListTasks", {"pageSize": 5}),
        _rpc("SubscribeToTask", {"id": "t1"}),
    ]


def _mcp_seeds() -> list[bytes]:
    client = {"name": "fuzz", "version": "1"}
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    task = {
        "op": "add_task",
        "task": {"id": "a", "skill": "files.read", "arguments": {"path": "x"}},
    }
    calls: list[tuple[str, dict[str, Any]]] = [
        ("devices", {}),
        ("plan", {"request": "read hello.txt"}),
        ("submit", {"request": "read hello.txt"}),
        ("show", {"constellation": "c-1"}),
        ("constellations", {"ended": True}),
        ("submit_tasks", {"edits": [task], "name": "x"}),
        ("edit", {"constellation": "c-1", "edits": [task], "note": "n"}),
        ("cancel", {"constellation": "c-1", "task": "a", "subtree": True}),
        ("wait", {"constellation": "c-1", "seconds": 0.0}),
    ]
    called = [_rpc("tools/call", {"name": name, "arguments": given}) for name, given in calls]
    return [
        _rpc("initialize", begin),
        _rpc("tools/list", {}),
        _rpc("resources/read", {"uri": "constellation://c-1"}),
        _rpc("resources/read", {"uri": f"artifact://{'0' * 64}"}),
        *called,
    ]


def targets() -> list[Target]:
    """Those for which what they need is installed."""
    texts = (*TEXTS, *BYTES[:4])
    found = []
    rows = (("a2a", a2a, _a2a_seeds), ("mcp", mcp, _mcp_seeds))
    for package, start, seeds in rows:
        if find_spec(package):
            right = seeds()
            fresh = partial(documents, right, 32)
            corpus = Corpus(right, texts, untouched=2)
            found.append(Target(f"face-{package}", corpus, start, 0.02, 40, fresh))
    right = chat_seeds()
    fresh = partial(documents, right, 32)
    found.append(Target("face-chat", Corpus(right, texts, untouched=2), chat, 0.02, 40, fresh))
    return found
