"""Throw mutated frames at codecs and live sessions; only protocol errors may come of it.

python tests/fuzz/fuzz_aip.py --inputs 1000000 --seed 7 --processes 2
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from constellation.aip.codec import CODECS, JSON, MSGPACK, Codec, Frame
from constellation.aip.limits import Limits
from constellation.aip.messages import TYPES
from constellation.aip.session import (
    CloseTransport,
    Deliver,
    FrameReceived,
    Session,
    StreamData,
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

    def packed(self, following: int) -> bytes:
        """A binary frame; ``following`` is the number that the session expects next."""
        pick = self._random
        if pick.random() < 0.4:
            return bytes(self._from_tree(MSGPACK, following))
        data = bytearray(pick.choice(self._packed))
        for _ in range(pick.randrange(1, 6)):
            self._mutate(data)
        return bytes(data)

    def text(self, following: int) -> str:
        """A text frame; see `packed`."""
        pick = self._random
        if pick.random() < 0.4:
            return str(self._from_tree(JSON, following))
        text: str = pick.choice(self._texts)
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

    def _from_tree(self, codec: Codec, following: int) -> Any:
        """A frame that can be read, with wrong content: other types, numbers, fields."""
        pick = self._random
        ack, *messages = json.loads(json.dumps(pick.choice(self._trees)))
        name, seq, body = messages[0]
        if pick.random() < 0.3:
            name = pick.choice(self._trees)[1][0]
        kind = TYPES[name]
        if pick.random() < 0.9:
            seq = following if kind.numbered else 0
        elif pick.random() < 0.7:
            seq = pick.choice([0, 1, following - 1, following + 1, 2**62])
        if body and pick.random() < 0.4:
            body[pick.choice(list(body))] = self._value(3)
        if name == "data":
            body["payload"] = pick.randbytes(pick.randrange(40))
        if pick.random() < 0.9:
            ack = 0
        count = pick.randrange(1, 4)
        step = 1 if kind.numbered else 0
        return codec.join(ack, [codec.encode(name, seq + step * n, body) for n in range(count)])

    def _value(self, depth: int) -> Any:
        pick = self._random
        plain = [None, True, -1, 0, 7, 2**63, 1.5, "", "x" * 200, "reliable", "completed"]
        if depth == 0 or pick.random() < 0.7:
            return pick.choice(plain)
        if pick.random() < 0.5:
            return [self._value(depth - 1) for _ in range(pick.randrange(4))]
        return {pick.choice("abcid"): self._value(depth - 1) for _ in range(pick.randrange(3))}


def open_session(codec: Codec, side: Literal["dialer", "listener"]) -> Session:
    """One end of a session that both have opened, and which sends a little of its own."""
    dialer = Session("dialer", {"role": "device", "name": "desk"}, limits=LIMITS)
    dialer.handle(TransportOpened(codec), 0.0)
    frame = dialer.next_frame(0.0)
    assert frame is not None
    listener = Session("listener", limits=LIMITS)
    listener.accept(read_hello(frame, codec, LIMITS), codec, "s", "t", 0.0)
    welcome = listener.next_frame(0.0)
    assert welcome is not None
    dialer.handle(FrameReceived(welcome), 0.0)
    session = dialer if side == "dialer" else listener
    session.write(session.open_stream("reliable"), b"x" * 50_000, 0.0)
    return session


class Target:
    """A live session that mutated frames are thrown at; a new one when it closes.

    Attributes:
        taken: messages that it delivered, over all sessions.
    """

    def __init__(self, codec: Codec, side: Literal["dialer", "listener"]) -> None:
        self.session = open_session(codec, side)
        self.taken = 0
        self._codec = codec
        self._side = side
        self._age = 0

    def hit(self, frame: Frame, now: float) -> None:
        """Feed a frame and check what it leaves behind."""
        session = self.session
        closing = False
        for each in session.handle(FrameReceived(frame), now):
            match each:
                case Deliver(messages):
                    self.taken += len(messages)
                    if now % 3:
                        session.acknowledge(messages[-1].seq, now)
                case StreamData(stream, payload, _) if now % 2:
                    session.consume(stream, len(payload))
                case CloseTransport():
                    closing = True
        self._age += 1
        for _ in range(4):
            answer = session.next_frame(now)
            if answer is None:
                break
            size = len(answer) if isinstance(answer, bytes) else len(answer.encode())
            assert size <= LIMITS.max_frame, "a frame is larger than the peer takes"
        assert session.unsecured <= LIMITS.max_outstanding, "the outbox grows without bound"
        if closing or self._age == FRAMES_PER_SESSION:
            session.handle(TransportClosed("the fuzzer cuts"), now)
            self.session = open_session(self._codec, self._side)
            self._age = 0


def run(inputs: int, seed: int) -> int:
    """Try that many inputs; return how many messages were good enough to be delivered.

    Raises:
        Exception: whatever is no protocol error: a defect.
    """
    mutator = Mutator(seed)
    sides: tuple[Literal["dialer", "listener"], ...] = ("listener", "dialer")
    targets = [Target(codec, side) for side in sides for codec in CODECS.values()]
    for number in range(inputs):
        target = targets[number % 4]
        following = target.session.received + 1
        frame: Frame
        if number % 2 == 0:
            frame = mutator.packed(following)
            codec: Codec = MSGPACK
        else:
            frame = mutator.text(following)
            codec = JSON
        with suppress(ProtocolError):
            read_hello(frame, codec, LIMITS)
        target.hit(frame, float(number))
    return sum(target.taken for target in targets)


def main() -> int:
    """Read the arguments, fuzz, say how many inputs were tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}\n")
    begin = time.perf_counter()
    shares = [arguments.inputs // arguments.processes] * arguments.processes
    shares[0] += arguments.inputs - sum(shares)
    seeds = range(arguments.seed, arguments.seed + len(shares))
    if len(shares) == 1:
        taken = run(arguments.inputs, arguments.seed)
    else:
        with ProcessPoolExecutor(len(shares)) as pool:
            taken = sum(pool.map(run, shares, seeds))
    seconds = time.perf_counter() - begin
    rate = arguments.inputs / seconds
    sys.stdout.write(
        f"{arguments.inputs:,} inputs in {seconds:.0f} s ({rate:,.0f}/s), "
        f"{taken:,} messages delivered: protocol errors only\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
