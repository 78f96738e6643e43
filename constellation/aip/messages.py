"""Every message of AIP version 1: who sends it, on which lane, with which fields.

One table describes them all. The session checks incoming bodies against it, the JSON Schema is
generated from it, and ``docs/protocol.md`` explains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .hello import Hello
from .kinds import (
    BOOLEAN,
    BYTES,
    DATA,
    ERROR,
    INTEGER,
    MAP,
    NAMES,
    NUMBER,
    QOS,
    QUESTION,
    STATE,
    TEXT,
    Kind,
)

__all__ = ["SUBPROTOCOLS", "TYPES", "VERSION", "Hello", "Message", "MessageType", "schema"]

VERSION = 1
SUBPROTOCOLS = ("aip.v1+msgpack", "aip.v1+json")


class Message(NamedTuple):
    """A message as the application sees it.

    Attributes:
        type: a name of `TYPES`.
        seq: its number on the reliable lane, from 1; 0 if it is not numbered.
        body: plain data by field name.
    """

    type: str
    seq: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageType:
    """One type of message.

    Attributes:
        name: on the wire.
        numbered: True on the reliable lane.
        senders: the roles that may send it: ``hub``, ``device``, ``client``.
        required, optional: its fields.
        summary: what it means, in a sentence.
    """

    name: str
    numbered: bool
    senders: frozenset[str]
    required: Mapping[str, Kind]
    optional: Mapping[str, Kind]
    summary: str
    _fields: Mapping[str, Kind] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_fields", {**self.required, **self.optional})

    def check(self, body: Any) -> str | None:
        """What is wrong with a body, or None. Unknown fields are left alone."""
        if type(body) is not dict:
            return "the body is no object"
        if not self.required.keys() <= body.keys():
            missing = next(name for name in self.required if name not in body)
            return f"{missing} is missing"
        fields = self._fields
        for name, value in body.items():
            kind = fields.get(name)
            if kind is None or type(value) is kind.type or kind.check(value):
                continue
            if value is not None or name in self.required:
                return f"{name} is not {kind.name}"
        return None

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the whole message ``[type, seq, body]``."""
        properties = {name: dict(kind.schema) for name, kind in self._fields.items()}
        for name in self.optional:
            properties[name] = {"anyOf": [properties[name], {"type": "null"}]}
        seq = {"type": "integer", "minimum": 1} if self.numbered else {"const": 0}
        body = {"type": "object", "required": list(self.required), "properties": properties}
        return {
            "title": self.name,
            "description": self.summary,
            "type": "array",
            "prefixItems": [{"const": self.name}, seq, body],
            "minItems": 3,
            "maxItems": 3,
        }


_HUB, _DEVICE, _CLIENT = frozenset({"hub"}), frozenset({"device"}), frozenset({"client"})
_ANY = _HUB | _DEVICE | _CLIENT


def _type(
    name: str,
    senders: frozenset[str],
    summary: str,
    required: Mapping[str, Kind] | None = None,
    optional: Mapping[str, Kind] | None = None,
    *,
    numbered: bool = True,
) -> MessageType:
    return MessageType(name, numbered, senders, required or {}, optional or {}, summary)


_ALL = [
    _type(
        "hello",
        _DEVICE | _CLIENT,
        "Opens or resumes a session; the first message of whoever dialled.",
        {"version": DATA, "role": TEXT, "name": TEXT},
        {
            "card": MAP,
            "credential": TEXT,
            "pair": MAP,
            "session": MAP,
            "received": INTEGER,
            "limits": MAP,
            "running": NAMES,
            "held": NAMES,
        },
        numbered=False,
    ),
    _type(
        "welcome",
        _HUB,
        "Answers hello.",
        {"version": INTEGER, "session": MAP, "resumed": BOOLEAN, "received": INTEGER},
        {
            "limits": MAP,
            "heartbeat_s": NUMBER,
            "grace_s": NUMBER,
            "credential": TEXT,
            "name": TEXT,
            "hub": TEXT,
        },
        numbered=False,
    ),
    _type(
        "error",
        _ANY,
        "Says why a message was refused; the session goes on unless the connection is closed.",
        {"code": TEXT, "message": TEXT},
        {"remedy": TEXT, "details": MAP},
        numbered=False,
    ),
    _type(
        "ping", _ANY, "Asks for the time; t0 is when it was sent.", {"t0": NUMBER}, numbered=False
    ),
    _type(
        "pong",
        _ANY,
        "Answers ping: t1 when it came, t2 when this was sent, by the answerer's clock.",
        {"t0": NUMBER, "t1": NUMBER, "t2": NUMBER},
        numbered=False,
    ),
    _type("bye", _ANY, "Ends the session for good.", {"reason": TEXT}, numbered=False),
    _type(
        "assign",
        _HUB,
        "Gives a device an attempt of a task.",
        {"attempt": TEXT, "skill": TEXT, "arguments": MAP},
        {
            "instruction": TEXT,
            "timeout_s": NUMBER,
            "idempotent": BOOLEAN,
            "deadline": NUMBER,
            "context": MAP,
            "traceparent": TEXT,
            "max_cost": NUMBER,
            "epoch": INTEGER,
        },
    ),
    _type(
        "cancel",
        _HUB,
        "Asks a device to stop an attempt; its result still follows.",
        {"attempt": TEXT},
        {"reason": TEXT, "epoch": INTEGER},
    ),
    _type(
        "answer",
        _HUB,
        "Passes a person's answer to the device that asked.",
        {"attempt": TEXT, "question": TEXT, "answer": DATA},
        {"by": TEXT, "epoch": INTEGER},
    ),
    _type("accept", _DEVICE, "These attempts have begun.", {"attempts": NAMES}),
    _type(
        "reject",
        _DEVICE,
        "The device will not run this attempt and has done nothing of it.",
        {"attempt": TEXT, "error": ERROR},
    ),
    _type(
        "progress",
        _DEVICE,
        "How far an attempt has come.",
        {"attempt": TEXT},
        {"fraction": NUMBER, "message": TEXT},
    ),
    _type(
        "output",
        _DEVICE,
        "A part of an attempt's output, while it runs.",
        {"attempt": TEXT, "index": INTEGER, "data": DATA},
        {"channel": TEXT},
    ),
    _type(
        "read",
        _DEVICE,
        "Asks for what another task puts out while it runs, from an item on.",
        {"attempt": TEXT, "task": TEXT, "index": INTEGER},
        {"source": TEXT},
    ),
    _type(
        "unread",
        _HUB,
        "What was asked for with `read` does not come.",
        {"attempt": TEXT, "task": TEXT, "error": ERROR},
    ),
    _type(
        "input_required",
        _DEVICE,
        "An attempt waits for a person's answer.",
        {"attempt": TEXT, "question": QUESTION},
    ),
    _type(
        "result",
        _DEVICE,
        "How an attempt ended; exactly one for each.",
        {"attempt": TEXT, "state": STATE},
        {"output": DATA, "error": ERROR, "duration_s": NUMBER, "usage": MAP},
    ),
    _type("card", _DEVICE, "The device's card has changed.", {"card": MAP}),
    _type("have", _DEVICE, "The device holds these artifacts.", {"hashes": NAMES}),
    _type("drain", _DEVICE, "The device finishes what it has and takes nothing new."),
    _type(
        "request",
        _CLIENT,
        "Asks the hub for something.",
        {"id": TEXT, "verb": TEXT},
        {"params": MAP},
    ),
    _type(
        "response",
        _HUB,
        "Answers a request: with a result or an error.",
        {"id": TEXT},
        {"result": DATA, "error": ERROR},
    ),
    _type(
        "event",
        _HUB,
        "Something that a subscription watches for.",
        {"subscription": TEXT, "time": NUMBER, "constellation": TEXT, "kind": TEXT, "body": MAP},
        {"seq": INTEGER},
    ),
    _type(
        "artifact_put",
        _ANY,
        "Announces an artifact whose bytes follow on a reliable stream.",
        {"hash": TEXT, "size": INTEGER, "stream": INTEGER},
        {"name": TEXT},
    ),
    _type("artifact_get", _ANY, "Asks for an artifact.", {"id": TEXT, "hash": TEXT}),
    _type(
        "artifact",
        _ANY,
        "Answers artifact_get, or confirms artifact_put: with a stream or an error.",
        {"hash": TEXT},
        {"id": TEXT, "size": INTEGER, "stream": INTEGER, "error": ERROR},
    ),
    _type(
        "open",
        _ANY,
        "Opens a stream from the sender; its number is even from the hub, odd from others.",
        {"stream": INTEGER, "qos": QOS},
        {"deadline_ms": NUMBER, "label": TEXT, "meta": MAP},
    ),
    _type("close", _ANY, "Ends a stream, from either side.", {"stream": INTEGER}, {"error": ERROR}),
    _type(
        "data",
        _ANY,
        "A part of a stream: offset on reliable streams, index on the others.",
        {"stream": INTEGER, "payload": BYTES},
        {"offset": INTEGER, "index": INTEGER, "time": NUMBER, "last": BOOLEAN},
        numbered=False,
    ),
    _type(
        "window",
        _ANY,
        "How far a reliable stream was taken in, and how much may be outstanding.",
        {"stream": INTEGER, "offset": INTEGER, "limit": INTEGER},
        numbered=False,
    ),
]

TYPES: dict[str, MessageType] = {each.name: each for each in _ALL}


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a frame, with every message."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "AIP version 1, a frame",
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0}],
        "minItems": 1,
        "items": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in TYPES]},
        "$defs": {name: each.schema() for name, each in TYPES.items()},
    }
