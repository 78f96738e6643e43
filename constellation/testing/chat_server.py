"""An OpenAI-compatible server on loopback that answers from a script, for semantics and faults.

It speaks real HTTP to the real client library; what it says is written in advance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler], None]


def says(content: Any, *, tokens: int | None = 100, pieces: int = 7) -> Reply:
    """Stream an answer; what is no text is sent as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        _begin_stream(handler)
        for start in range(0, len(text), max(1, len(text) // pieces)):
            _send(handler, _delta(text[start : start + max(1, len(text) // pieces)]))
        if tokens is not None:
            usage = {"prompt_tokens": 1, "completion_tokens": tokens - 1, "total_tokens": tokens}
            _send(handler, {**_CHUNK, "choices": [], "usage": usage})
        handler.wfile.write(b"data: [DONE]\n\n")

    return reply


def fails(status: int, message: str, **headers: str) -> Reply:
    """Answer with an error, as such servers do."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"error": {"message": message, "type": "error"}}).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    """Cut the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    _send(handler, _delta('{"title": "half'))
    handler.close_connection = True


def babbles(handler: BaseHTTPRequestHandler) -> None:
    """Send what is no event stream of the kind that was asked for."""
    _begin_stream(handler)
    handler.wfile.write(b"data: {not json\n\n")


def halts(content: Any, after: str, until: Event) -> Reply:
    """Stream an answer, and halt behind a part of it until an event is set."""
    text = json.dumps(content)
    place = text.index(after) + len(after)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        _begin_stream(handler)
        _send(handler, _delta(text[:place]))
        until.wait(60)
        _send(handler, _delta(text[place:]))
        handler.wfile.write(b"data: [DONE]\n\n")

    return reply


def writes(content: Any, *, first_s: float, tokens_per_s: float) -> Reply:
    """Stream an answer as fast as a model would write it, a token being four characters."""
    text = json.dumps(content)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        _begin_stream(handler)
        begun = monotonic() + first_s
        for count, start in enumerate(range(0, len(text), 4)):
            sleep(max(0.0, begun + count / tokens_per_s - monotonic()))
            _send(handler, _delta(text[start : start + 4]))
        handler.wfile.write(b"data: [DONE]\n\n")

    return reply


def waits(until: Event, reply: Reply) -> Reply:
    """Answer once an event is set."""

    def later(handler: BaseHTTPRequestHandler) -> None:
        until.wait(60)
        reply(handler)

    return later


class Hangs:
    """Begin an answer and never end it; ``left`` is set when the client has gone."""

    def __init__(self) -> None:
        self.begun = Event()
        self.left = Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        with suppress(ConnectionError):
            _begin_stream(handler)
            _send(handler, _delta("{"))
            self.begun.set()
            # Nothing more comes from a client that waits; an end of file says that it has gone.
            handler.connection.recv(1)
        self.left.set()


class ScriptedServer:
    """What a script says, in order; asked once more it fails.

    Attributes:
        url: the base URL.
        asked: the bodies of the requests that came.
        keys: the bearer tokens that came with them.
    """

    def __init__(self, url: str, script: list[Reply]) -> None:
        self.url = url
        self.script = script
        self.asked: list[Mapping[str, Any]] = []
        self.keys: list[str] = []


@contextmanager
def scripted_server(*script: Reply) -> Iterator[ScriptedServer]:
    """Serve until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append(json.loads(body))
            state.keys.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
            state.script.pop(0)(self) if state.script else fails(500, "the script is over")(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = ScriptedServer(f"http://127.0.0.1:{server.server_port}/v1", list(script))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}


def _delta(text: str) -> dict[str, Any]:
    return {**_CHUNK, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


def _begin_stream(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True


def _send(handler: BaseHTTPRequestHandler, event: Mapping[str, Any]) -> None:
    handler.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
    handler.wfile.flush()
