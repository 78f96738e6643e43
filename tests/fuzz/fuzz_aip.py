"""Throw mutated frames at codecs and live sessions; only protocol errors may come of it.

python tests/fuzz/fuzz_aip.py --inputs 1000000 --seed 7
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from constellation.aip.codec import CODECS, JSON, MSGPACK, Codec, Frame
from constellation.aip.limits import Limits
from constellation.aip.session import (
    FrameReceived,
    Session,
    TransportClosed,
    TransportOpened,
    read_hello,
)
from constellation.errors import ProtocolError

VECTORS = Path(__file__).parents[1] / "vectors" / "frames.json"
LIMITS = Limits(max_frame=65_536, max_body=32_768, max_batch=64, max_outstanding=256)
FRAMES_PER_SESSION = 200
JSON_PARTS = [
    "[",
    "]",
    "{",
    "}",
    '"',
    ",",
    ":",
    "0",
    "-1",
    "1e400",
    "null",
    "[[[[",
    '{"a":',
    "\\ud800",
]


class Mutator:
    """Makes wrong frames out of right ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        rows = json.loads(VECTORS.read_text())
        self._packed = [bytes.fromhex(row["msgpack"]) for row in rows]
        self._texts = [row["json"] for row in rows]
        self._trees = [json.loads(row["json"]) for row in rows]

    def packed(self) -> bytes:
        """A binary frame."""
        pick = self._random
        if pick.random() < 0.4:
            return bytes(self._from_tree(MSGPACK))
        data = bytearray(pick.choice(self._packed))
        for _ in range(pick.randrange(1, 6)):
            self._mutate(data)
        return bytes(data)

    def text(self) -> str:
        """A text frame."""
        pick = self._random
        if pick.random() < 0.4:
            return str(self._from_tree(JSON))
        text = pick.choice(self._texts)
        for _ in range(pick.randrange(1, 5)):
            at = pick.randrange(len(text) + 1)
            cut = pick.randrange(0, 4)
            text = text[:at] + pick.choice(JSON_PARTS) + text[at + cut :]
        return text

    def _mutate(self, data: bytearray) -> None:
        pick = self._random
        at = pick.randrange(len(data) or 1)
        match pick.randrange(5):
            case 0 if data:
                data[at] ^= 1 << pick.randrange(8)
            case 1 if data:
                data[at] = pick.randrange(256)
            case 2:
                del data[at : at + pick.randrange(1, 9)]
            case 3:
                data[at:at] = pick.randbytes(pick.randrange(1, 9))
            case _:
                other = pick.choice(self._packed)
                start = pick.randrange(len(other))
                data[at:at] = other[start : start + pick.randrange(1, 64)]

    def _from_tree(self, codec: Codec) -> Any:
        """A frame that can be read, with wrong content: other types, numbers, fields."""
        pick = self._random
        ack, *messages = json.loads(json.dumps(pick.choice(self._trees)))
        name, seq, body = messages[0]
        if pick.random() < 0.3:
            name = pick.choice(self._trees)[1][0]
        if pick.random() < 0.7:
            seq = pick.choice([0, 1, 2, 3, pick.randrange(300), 2**62])
        if body and pick.random() < 0.7:
            body[pick.choice(list(body))] = self._value(3)
        if name == "data":
            body["payload"] = pick.randbytes(pick.randrange(40))
        ack = pick.choice([0, 0, 0, 1, ack, 2**40])
        return codec.join(ack, [codec.encode(name, seq, body)] * pick.randrange(1, 4))

    def _value(self, depth: int) -> Any:
        pick = self._random
        plain = [None, True, -1, 0, 7, 2**63, 1.5, "", "x" * 200, "reliable", "completed"]
        if depth == 0 or pick.random() < 0.7:
            return pick.choice(plain)
        if pick.random() < 0.5:
            return [self._value(depth - 1) for _ in range(pick.randrange(4))]
        return {pick.choice("abcid"): self._value(depth - 1) for _ in range(pick.randrange(3))}


def open_session(codec: Codec) -> Session:
    """A listener's session with a peer that has said hello."""
    dialer = Session("dialer", {"role": "device", "name": "desk"})
    dialer.handle(TransportOpened(codec), 0.0)
    frame = dialer.next_frame(0.0)
    assert frame is not None
    session = Session("listener", limits=LIMITS)
    session.accept(read_hello(frame, codec, LIMITS), codec, "s", "t", 0.0)
    return session


def run(inputs: int, seed: int) -> None:
    """Try that many inputs.

    Raises:
        Exception: whatever is no protocol error: a defect.
    """
    mutator = Mutator(seed)
    sessions = {name: open_session(codec) for name, codec in CODECS.items()}
    for number in range(inputs):
        codec = MSGPACK if number % 2 else JSON
        frame: Frame = mutator.packed() if number % 2 else mutator.text()
        with suppress(ProtocolError):
            read_hello(frame, codec, LIMITS)
        session = sessions[codec.subprotocol]
        session.handle(FrameReceived(frame), float(number))
        if number % 16 < 2:
            while session.next_frame(float(number)) is not None:
                pass
        if number % FRAMES_PER_SESSION < 2:
            session.handle(TransportClosed("the fuzzer cuts"), float(number))
            sessions[codec.subprotocol] = open_session(codec)


def main() -> int:
    """Read the arguments, fuzz, say how many inputs were tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}\n")
    begin = time.perf_counter()
    run(arguments.inputs, arguments.seed)
    seconds = time.perf_counter() - begin
    rate = arguments.inputs / seconds
    sys.stdout.write(
        f"{arguments.inputs:,} inputs in {seconds:.0f} s ({rate:,.0f}/s): protocol errors only\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
