"""The fabric as an OpenAI-compatible endpoint, so that any chat frontend can talk to one's devices.

Each request brings the credential of a hub's client as its API key, and gets a connection of its
own with it: this process needs no rights, and what may be done is decided by the hub.

What a chat has started goes on when its frontend hangs up.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal
from uuid import uuid4

import anyio
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from constellation.errors import (
    AuthenticationError,
    ConstellationError,
    PermissionDenied,
)
from constellation.fabric import Fabric, connect

from .chat import Said, reply
from .http import Bounded, credential, listening, serving

MODEL = "constellation"


class TextPart(BaseModel):
    """A part of a message; pictures and sound are refused."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A message as a client sends it."""

    role: str
    content: str | list[TextPart] | None = None

    def said(self) -> Said:
        """It, as the chat takes it."""
        if isinstance(self.content, list):
            return Said(self.role, "".join(part.text for part in self.content))
        return Said(self.role, self.content or "")


class Chat(BaseModel):
    """The body of a request; settings of language models mean nothing here and are ignored."""

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool = False


class Completions:
    """The ASGI application behind ``/v1/chat/completions``.

    Args:
        url: of the hub.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            chat = Chat.model_validate_json(await request.body())
        except ValidationError as error:
            await _refusal(400, "invalid_request_error", _flaw(error))(scope, receive, send)
            return
        if chat.model != MODEL:
            await _no_model(chat.model)(scope, receive, send)
            return
        messages = [each.said() for each in chat.messages]
        if messages[-1].role != "user" or not messages[-1].text.strip():
            refusal = _refusal(400, "invalid_request_error", "The last message is not a user's.")
            await refusal(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        try:
            async with connect(self._url, token=_credential(request)) as fabric:
                await answer.give(fabric, messages, stream=chat.stream)
        except ConstellationError as error:
            if answer.started:
                raise
            await _refused(error)(scope, receive, send)


class _Answer:
    """One answer on its way.

    Attributes:
        started: True once its status has been sent.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connection = (scope, receive, send)
        self._traceparent = Headers(scope=scope).get("traceparent")
        self._envelope = {
            "id": f"chatcmpl-{uuid4().hex}",
            "created": int(time.time()),
            "model": MODEL,
        }
        self.started = False

    async def give(self, fabric: Fabric, messages: list[Said], *, stream: bool) -> None:
        """Send it, as long as somebody listens.

        Args:
            stream: send its pieces as server-sent events, not all of it at its end.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._stop_when_left, tasks.cancel_scope)
            await (self._stream if stream else self._whole)(fabric, messages)
            tasks.cancel_scope.cancel()

    async def _stop_when_left(self, stop: anyio.CancelScope) -> None:
        _, receive, _ = self._connection
        while (await receive())["type"] != "http.disconnect":
            pass
        stop.cancel()

    async def _whole(self, fabric: Fabric, messages: list[Said]) -> None:
        said: list[str] = []

        async def say(text: str) -> None:
            said.append(text)

        await reply(fabric, messages, say, self._traceparent)
        message = {"role": "assistant", "content": "".join(said)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.started = True
        answer = {**self._envelope, "object": "chat.completion", "choices": [choice]}
        await JSONResponse(answer)(*self._connection)

    async def _stream(self, fabric: Fabric, messages: list[Said]) -> None:
        _, _, send = self._connection
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
        self.started = True
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def event(data: str, more: bool = True) -> None:
            body = f"data: {data}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": more})

        async def delta(piece: Mapping[str, str], reason: str | None = None) -> None:
            choice = {"index": 0, "delta": piece, "finish_reason": reason}
            chunk = {**self._envelope, "object": "chat.completion.chunk", "choices": [choice]}
            await event(json.dumps(chunk))

        async def say(text: str) -> None:
            await delta({"content": text})

        await delta({"role": "assistant", "content": ""})
        await reply(fabric, messages, say, self._traceparent)
        await delta({}, "stop")
        await event("[DONE]", more=False)


def chat_app(url: str, origins: Sequence[str] = ()) -> Starlette:
    """The endpoint as an ASGI application.

    Args:
        url: of the hub.
        origins: of web pages whose scripts may use it, such as ``https://chat.example``.
    """

    async def models(request: Request) -> JSONResponse:
        try:
            async with connect(url, token=_credential(request)):
                pass
        except ConstellationError as error:
            return _refused(error)
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}
        name = request.path_params.get("model")
        if name is None:
            return JSONResponse({"object": "list", "data": [model]})
        return JSONResponse(model) if name == MODEL else _no_model(name)

    app = Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/models/{model}", models),
            Route("/v1/chat/completions", Completions(url), methods=["POST"]),
        ]
    )
    app.add_middleware(Bounded)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_headers=["*"])
    return app


@asynccontextmanager
async def serve_chat(
    url: str, host: str, port: int, origins: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Serve the endpoint for as long as the context is open; yields its base address.

    Args:
        url: of the hub.
        host, port: where to listen; 0 takes a free port.
        origins: see `chat_app`.

    Raises:
        ConfigError: the address cannot be bound.
    """
    async with listening(host, port) as listener, serving(chat_app(url, origins), listener):
        yield f"http://{host}:{listener.getsockname()[1]}/v1"


def _credential(request: Request) -> str:
    return credential(request.headers, "Use the credential of a client of the hub as the API key.")


def _refused(error: ConstellationError) -> JSONResponse:
    match error:
        case AuthenticationError():
            return _refusal(401, "authentication_error", str(error))
        case PermissionDenied():
            return _refusal(403, "permission_error", str(error))
        case _:
            return _refusal(503, "server_error", str(error))


def _no_model(name: str) -> JSONResponse:
    message = f"There is no model {name!r} here; use {MODEL!r}."
    return _refusal(404, "invalid_request_error", message, "model_not_found")


def _refusal(status: int, kind: str, message: str, code: str | None = None) -> JSONResponse:
    body = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": body}, status_code=status)


def _flaw(error: ValidationError) -> str:
    """What is wrong with a body, and where; of several ways to read it, the one that fits most."""
    found = max(error.errors(), key=lambda each: len(each["loc"]))
    where = ".".join(map(str, found["loc"]))
    return f"{where}: {found['msg']}" if where else found["msg"]
