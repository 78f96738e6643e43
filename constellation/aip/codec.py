"""Frames as bytes: msgpack by default, JSON for browsers, debugging and other languages.

A message is encoded once and kept as bytes; a frame is made by joining them, so sending again after
a cut costs nothing. What comes in is bounded before it is believed: frame size, batch length,
nesting; duplicate keys and keys that are not text are refused.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import msgpack

from constellation.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError

from .limits import Limits
from .messages import Message

Frame = bytes | str


class Codec(Protocol):
    """How messages become bytes and back."""

    @property
    def subprotocol(self) -> str:
        """The websocket subprotocol that names this codec."""

    def encode(self, type: str, seq: int, body: Mapping[str, Any]) -> bytes:
        """Encode one message.

        Raises:
            LocalProtocolError: the body holds what the wire cannot carry.
        """

    def join(self, ack: int, messages: Sequence[bytes]) -> Frame:
        """Make a frame of encoded messages."""

    def decode(self, frame: Frame, limits: Limits) -> tuple[int, list[Message]]:
        """Read a frame: the acknowledgement and the messages.

        Raises:
            LimitExceeded: it is larger, longer or deeper than the limits allow.
            RemoteProtocolError: it is malformed.
        """


def _cannot_carry(type: str, error: Exception) -> LocalProtocolError:
    return LocalProtocolError(
        f"A {type} message cannot be encoded: {error}.",
        remedy="Use plain data: text, numbers up to 64 bits, true, false, null, lists and objects.",
    )


def _check_shape(parsed: Any, limits: Limits) -> tuple[int, list[Message]]:
    if type(parsed) is not list or not parsed:
        raise RemoteProtocolError("A frame is an array that begins with an acknowledgement.")
    ack = parsed[0]
    if type(ack) is not int or ack < 0:
        raise RemoteProtocolError("The acknowledgement is no integer of 0 or more.")
    if len(parsed) - 1 > limits.max_batch:
        raise LimitExceeded(f"A frame holds at most {limits.max_batch} messages.")
    messages = []
    depth = limits.max_depth
    for each in parsed[1:]:
        if type(each) is not list or len(each) != 3:
            raise RemoteProtocolError("A message is an array of type, number and body.")
        name, seq, body = each
        if type(name) is not str or type(seq) is not int or seq < 0 or type(body) is not dict:
            raise RemoteProtocolError("A message is an array of type, number and body.")
        for value in body.values():
            kind = type(value)
            if (kind is dict or kind is list) and _deeper_than(value, depth):
                raise LimitExceeded(f"A body nests at most {depth} levels deep.")
        messages.append(_message(each))
    return ack, messages


_message = Message._make
_CONTAINERS = (dict, list, tuple)


def flaw(value: Any, depth: int) -> str | None:
    """Why a peer would refuse these data, or None: keys that are not text, or nesting."""
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                return f"the key {key!r} is no text"
        value = value.values()
    for each in value:
        kind = type(each)
        # Most values are text or numbers: they are told at once.
        if kind is str or kind is int or kind is float or not isinstance(each, _CONTAINERS):
            continue
        if not each and depth > 0:
            continue
        problem = "it nests too deeply" if depth <= 0 else flaw(each, depth - 1)
        if problem is not None:
            return problem
    return None


def _deeper_than(value: Any, depth: int) -> bool:
    if depth <= 0:
        return True
    for each in value.values() if type(value) is dict else value:
        kind = type(each)
        if (kind is dict or kind is list) and _deeper_than(each, depth - 1):
            return True
    return False


def _pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RemoteProtocolError("An object has the same key twice.")
    return found


class MsgpackCodec:
    """Subprotocol ``aip.v1+msgpack``; frames are binary."""

    subprotocol = "aip.v1+msgpack"

    def __init__(self) -> None:
        # A packer of one's own costs as much as packing a message.
        self._pack: Callable[[Any], bytes] = msgpack.Packer().pack

    def encode(self, type: str, seq: int, body: Mapping[str, Any]) -> bytes:
        """Encode one message; see `Codec`."""
        try:
            return self._pack((type, seq, body))
        except (TypeError, ValueError, OverflowError) as error:
            raise _cannot_carry(type, error) from None

    def join(self, ack: int, messages: Sequence[bytes]) -> bytes:
        """Make a frame; see `Codec`."""
        count = len(messages) + 1
        if count < 1 << 4:
            header = bytes((0x90 | count,))
        elif count < 1 << 16:
            header = b"\xdc" + count.to_bytes(2, "big")
        else:
            header = b"\xdd" + count.to_bytes(4, "big")
        return b"".join((header, self._pack(ack), *messages))

    def decode(self, frame: Frame, limits: Limits) -> tuple[int, list[Message]]:
        """Read a frame; see `Codec`."""
        if not isinstance(frame, bytes):
            raise RemoteProtocolError("A msgpack frame is binary.")
        if len(frame) > limits.max_frame:
            raise LimitExceeded(f"A frame has at most {limits.max_frame} bytes.")
        return _check_shape(self._unpack(frame), limits)

    def _unpack(self, frame: bytes) -> Any:
        try:
            # Without bytes every key is text; and what packs to the same frame again lost no
            # repeated key on the way. Both hold for most frames, and cost less than a look at
            # each object from Python.
            parsed = msgpack.unpackb(frame, max_bin_len=0, max_ext_len=0, ext_hook=_no_extension)
            if self._pack(parsed) == frame:
                return parsed
        except _UNREADABLE:
            pass  # The careful way says what is wrong, if anything is.
        try:
            return msgpack.unpackb(
                frame, object_pairs_hook=_text_pairs, max_ext_len=0, ext_hook=_no_extension
            )
        except _UNREADABLE as error:
            raise RemoteProtocolError(f"The frame is not msgpack: {error!r}.") from None


_UNREADABLE = (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException)


def _text_pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    for key, _ in pairs:
        if type(key) is not str:
            raise RemoteProtocolError("The keys of an object are text.")
    return _pairs(pairs)


def _no_extension(code: int, data: bytes) -> NoReturn:
    raise RemoteProtocolError(f"msgpack extension {code} is not part of AIP.")


class JsonCodec:
    """Subprotocol ``aip.v1+json``; frames are text.

    Bytes travel as base64 text in the ``payload`` of ``data`` messages; anywhere else they become
    ``{"$base64": …}``. JSON has no NaN and no infinities: they are sent as null.
    """

    subprotocol = "aip.v1+json"

    def encode(self, type: str, seq: int, body: Mapping[str, Any]) -> bytes:
        """Encode one message; see `Codec`."""
        if type == "data":
            body = {**body, "payload": base64.b64encode(body["payload"]).decode()}
        try:
            try:
                text = _dumps([type, seq, body])
            except ValueError:
                text = _dumps([type, seq, _without_nan(body)])
            if _MANY_DIGITS.search(text):
                _check_integers(body)
            return text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _cannot_carry(type, error) from None

    def join(self, ack: int, messages: Sequence[bytes]) -> str:
        """Make a frame; see `Codec`."""
        return b"".join((b"[", b",".join((str(ack).encode(), *messages)), b"]")).decode()

    def decode(self, frame: Frame, limits: Limits) -> tuple[int, list[Message]]:
        """Read a frame; see `Codec`."""
        if not isinstance(frame, str):
            raise RemoteProtocolError("A JSON frame is text.")
        try:
            size = len(frame) if frame.isascii() else len(frame.encode())
            if size > limits.max_frame:
                raise LimitExceeded(f"A frame has at most {limits.max_frame} bytes.")
            parsed = json.loads(
                frame,
                object_pairs_hook=_pairs,
                parse_constant=_no_constant,
                parse_int=_integer,
                parse_float=_finite,
            )
            if "\\ud" in frame or "\\uD" in frame:
                json.dumps(parsed, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise RemoteProtocolError(f"The frame is not JSON: {error}.") from None
        ack, messages = _check_shape(parsed, limits)
        for message in messages:
            if message.type == "data":
                _decode_payload(message.body)
        return ack, messages


# Only a text with so many digits in a row can hold an integer beyond 64 bits.
_MANY_DIGITS = re.compile("[0-9]{19}")


def _dumps(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_json
    )


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not plain data")


def _check_integers(value: Any) -> None:
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise ValueError("an integer has at most 64 bits")
    elif isinstance(value, Mapping):
        for each in value.values():
            _check_integers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _check_integers(each)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return value


def _no_constant(name: str) -> NoReturn:
    raise RemoteProtocolError(f"{name} is not JSON.")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise RemoteProtocolError("A number is too large.")
    return value


def _integer(text: str) -> int:
    value = int(text) if len(text) <= 20 else 1 << 64
    if not -(1 << 63) <= value < 1 << 64:
        raise RemoteProtocolError("An integer has at most 64 bits.")
    return value


def _decode_payload(body: dict[str, Any]) -> None:
    payload: Any = body.get("payload")
    try:
        body["payload"] = base64.b64decode(payload, validate=True)
    except (TypeError, ValueError):
        raise RemoteProtocolError("The payload of a data message is base64 text.") from None


MSGPACK = MsgpackCodec()
JSON = JsonCodec()
CODECS: dict[str, Codec] = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}
