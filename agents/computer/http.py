"""`http.get` and `http.request`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import Field
from typing_extensions import TypedDict

from constellation.errors import PermissionDenied, SkillError, TaskTimedOut

from ..context import Context
from ..errors import HttpFailed
from ..policy import Intent, Policy
from ..skills import skill
from .content import Content

Url = Annotated[
    str, Field(pattern=r"^https?://[^\s/]", max_length=8192, json_schema_extra={"format": "uri"})
]
Seconds = Annotated[float, Field(gt=0, le=3600)]
MaxBytes = Annotated[int, Field(gt=0, le=512 * 1024)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Response(TypedDict):
    """What a server answered."""

    url: Annotated[str, Field(description="The address that answered, after redirects.")]
    status: Annotated[int, Field(description="The status code, such as 200.")]
    headers: Annotated[dict[str, str], Field(description="By lower-case name.")]
    content_type: str
    body: Annotated[str, Field(description="The body as text.")]
    json: Annotated[Any, Field(description="The body as data, if it is JSON; else null.")]
    size_bytes: Annotated[int, Field(description="Size of the body that was read.")]
    truncated: Annotated[bool, Field(description="True if the body was longer.")]
    duration_s: float


def _get_intent(url: str, **_others: object) -> Intent:
    return Intent(prompt=f"Fetch {url}", host=_host(url))


@skill(
    "http.get",
    effect="read",
    intent=_get_intent,
    examples=(
        "fetch https://example.org/status.json",
        "download the page https://example.org",
        "check that http://localhost:8080/health answers",
        "get the url https://example.org/api",
    ),
)
async def get(
    context: Context,
    url: Url,
    headers: Mapping[str, str] = {},
    timeout_s: Seconds = 30.0,
    max_bytes: MaxBytes = 256 * 1024,
    check: bool = True,
) -> Response:
    """Fetch a web page or an API address with GET.

    Args:
        url: the address.
        headers: headers to send.
        timeout_s: give up after so many seconds.
        max_bytes: the most of the body to read.
        check: whether an error status, 400 or above, is a failure.
    """
    return await _exchange(
        context, "GET", url, headers, None, timeout_s=timeout_s, max_bytes=max_bytes, check=check
    )


def _request_intent(url: str, method: str, body: Content, **_others: object) -> Intent:
    sent = "" if body is None else f" with the body:\n{_as_body(body)[0].decode(errors='replace')}"
    return Intent(prompt=f"Send {method} to {url}{sent}", host=_host(url))


@skill(
    "http.request",
    effect="write",
    intent=_request_intent,
    examples=(
        "send a POST request to https://example.org/api with the body 'x=1'",
        "post the result to https://example.org/hook",
        "send a DELETE request to https://example.org/items/3",
    ),
)
async def request(
    context: Context,
    url: Url,
    method: Method,
    body: Content = None,
    headers: Mapping[str, str] = {},
    timeout_s: Seconds = 30.0,
    max_bytes: MaxBytes = 256 * 1024,
    check: bool = True,
) -> Response:
    """Send an HTTP request with any method and body.

    Args:
        url: the address.
        method: GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS.
        body: text to send; data is sent as JSON.
        headers: headers to send.
        timeout_s: give up after so many seconds.
        max_bytes: the most of the answer's body to read.
        check: whether an error status, 400 or above, is a failure.
    """
    return await _exchange(
        context, method, url, headers, body, timeout_s=timeout_s, max_bytes=max_bytes, check=check
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError as error:
        raise _bad_address(url, error) from None


def _bad_address(url: str, error: Exception) -> SkillError:
    return SkillError(
        f"{url!r} cannot be asked: {error}.", remedy="Check the address.", field="url"
    )


async def _exchange(
    context: Context,
    method: Method,
    url: str,
    headers: Mapping[str, str],
    body: Content,
    *,
    timeout_s: float,
    max_bytes: int,
    check: bool,
) -> Response:
    content, content_type = (None, None) if body is None else _as_body(body)
    sent = {"content-type": content_type} if content_type else {}
    if context.traceparent is not None:
        sent["traceparent"] = context.traceparent
    started = time.monotonic()
    try:
        async with (
            # httpx bounds each wait, not the whole: a server may answer a byte at a time.
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(
                timeout=timeout_s,
                follow_redirects=True,
                event_hooks={"request": [_Guard(context.policy)]},
            ) as client,
            client.stream(method, url, headers={**sent, **headers}, content=content) as answer,
        ):
            data, truncated = await _read(answer, max_bytes)
    except (TimeoutError, httpx.TimeoutException):
        raise TaskTimedOut(
            f"{url} did not answer within {timeout_s:g} s.",
            remedy="Check the address, or give it a longer timeout_s.",
            url=url,
        ) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
        raise _bad_address(url, error) from None
    except httpx.HTTPError as error:
        raise HttpFailed(
            f"{url} cannot be reached: {error or type(error).__name__}.",
            remedy="Check the address and the network.",
            url=url,
        ) from None
    response = _response(answer, data, truncated, time.monotonic() - started)
    if check and answer.status_code >= 400:
        raise HttpFailed(
            f"{url} answered {answer.status_code} {answer.reason_phrase}.",
            remedy="Read its body; set check to false if that status is no failure.",
            **response,
        )
    return response


class _Guard:
    """Looks at every request that is about to be sent, redirected ones included."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def __call__(self, request: httpx.Request) -> None:
        decision = self._policy.for_host(request.url.host)
        if decision is not None and decision.rule == "deny":
            raise PermissionDenied(
                f"This device may not contact {request.url.host}: {decision.reason}.",
                remedy="Change the device's policy file, or ask another device.",
                host=request.url.host,
            )


async def _read(answer: httpx.Response, most: int) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > most:
            return b"".join(parts)[:most], True
    return b"".join(parts), False


def _as_body(body: Content) -> tuple[bytes, str]:
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return json.dumps(body, ensure_ascii=False).encode(), "application/json"


def _response(answer: httpx.Response, data: bytes, truncated: bool, duration_s: float) -> Response:
    text = data.decode(answer.charset_encoding or "utf-8", errors="replace")
    content_type = answer.headers.get("content-type", "")
    return Response(
        url=str(answer.url),
        status=answer.status_code,
        headers=dict(answer.headers),
        content_type=content_type,
        body=text,
        json=_parsed(text) if "json" in content_type and not truncated else None,
        size_bytes=len(data),
        truncated=truncated,
        duration_s=round(duration_s, 6),
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
