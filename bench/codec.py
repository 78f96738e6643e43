"""The codec: CPU for each message, encoded and decoded, beside msgpack, pydantic and JSON.

The message is an assignment of 300 bytes, as a hub sends most. ``sessions`` is AIP at both ends
without a socket: encode, number and keep; then decode, check, put in order, deliver, acknowledge.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgpack
from pydantic import BaseModel, TypeAdapter

from constellation.aip.codec import JSON, MSGPACK, Codec
from constellation.aip.limits import Limits
from constellation.testing.memory import SessionPair

from .harness import Options, Report, Summary, interleave, summarise

BATCHES = (1, 64)
US = 1e6
BODY: dict[str, Any] = {
    "attempt": "c-7f3k9q/collect-17/1",
    "skill": "files.search",
    "arguments": {
        "path": "/srv/data/reports",
        "pattern": "*.log",
        "limit": 50,
        "text": "the words that are looked for in every one of these files",
    },
    "timeout_s": 30.0,
    "idempotent": True,
    "context": {
        "constellation": "c-7f3k9q",
        "task": "collect-17",
        "name": "Find the log files of the last week",
    },
}

# Takes how many messages a frame holds; what it returns makes, sends and takes one frame.
Way = Callable[[int], Callable[[], None]]


class Assign(BaseModel):
    """The message, for those who have pydantic check it on both sides."""

    attempt: str
    skill: str
    arguments: dict[str, Any]
    timeout_s: float | None = None
    idempotent: bool = False
    context: dict[str, str] = {}


_ASSIGNS: TypeAdapter[list[tuple[str, int, Assign]]] = TypeAdapter(list[tuple[str, int, Assign]])


def run(options: Options) -> Report:
    """Measure every way, one message a frame and 64."""
    report = Report()
    messages = options.size(50_000, 128)
    cases = {
        (way, batch): partial(_cost_us, make, batch, messages)
        for way, make in WAYS.items()
        for batch in BATCHES
    }
    costs = interleave(cases, options.times(7))
    size = len(MSGPACK.encode("assign", 1, BODY))
    table = report.table(
        f"A message of {size} bytes, encoded and decoded: µs of CPU",
        "",
        *(f"{batch} a frame" for batch in BATCHES),
        "× msgpack",
    )
    report.data |= {"message_bytes": size, "ways": {}}
    for way in WAYS:
        found: list[Summary] = [summarise(costs[way, batch]) for batch in BATCHES]
        ratio = found[-1].median / summarise(costs["msgpack", BATCHES[-1]]).median
        table.add_row(way, *map(str, found), f"{ratio:.2f}")
        report.data["ways"][way] = {
            str(batch): {"cpu_us": each.to_plain()}
            for batch, each in zip(BATCHES, found, strict=True)
        }
    report.notes.append(
        "msgpack and json check nothing: no types, no limits, no repeated keys, no order."
    )
    report.notes.append(
        "sessions keep each message until it is acknowledged, and deliver it once and in order."
    )
    return report


def _cost_us(make: Way, batch: int, messages: int) -> float:
    turn = make(batch)
    turn()
    turns = max(1, messages // batch)
    began = time.process_time()
    for _ in range(turns):
        turn()
    return (time.process_time() - began) / (turns * batch) * US


def _msgpack(batch: int) -> Callable[[], None]:
    packer = msgpack.Packer()

    def turn() -> None:
        msgpack.unpackb(packer.pack([("assign", number, BODY) for number in range(batch)]))

    return turn


def _json(batch: int) -> Callable[[], None]:
    def turn() -> None:
        json.loads(json.dumps([("assign", number, BODY) for number in range(batch)]))

    return turn


def _pydantic(batch: int) -> Callable[[], None]:
    packer = msgpack.Packer()

    def turn() -> None:
        made = [("assign", number, Assign(**BODY)) for number in range(batch)]
        frame = packer.pack(_ASSIGNS.dump_python(made))
        _ASSIGNS.validate_python(msgpack.unpackb(frame))

    return turn


def _codec(codec: Codec, batch: int) -> Callable[[], None]:
    limits = Limits()

    def turn() -> None:
        parts = [codec.encode("assign", number, BODY) for number in range(batch)]
        codec.decode(codec.join(0, parts), limits)

    return turn


def _sessions(codec: Codec, batch: int) -> Callable[[], None]:
    pair = SessionPair(codec=codec)
    pair.connect()
    pair.settle()
    hub, device = pair.listener.session, pair.dialer

    def turn() -> None:
        for _ in range(batch):
            hub.send("assign", BODY)
        pair.carry(device)
        device.messages.clear()
        device.instructions.clear()
        # The acknowledgement travels back, as it does with the next result.
        pair.advance(0.1)
        pair.carry(pair.listener)

    return turn


WAYS: dict[str, Way] = {
    "msgpack": _msgpack,
    "json": _json,
    "pydantic + msgpack": _pydantic,
    "codec, msgpack": partial(_codec, MSGPACK),
    "codec, json": partial(_codec, JSON),
    "sessions, msgpack": partial(_sessions, MSGPACK),
    "sessions, json": partial(_sessions, JSON),
}
