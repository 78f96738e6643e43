"""AIP for the fuzzer: both codecs, hellos, and both ends of live sessions."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgpack
from fuzz_mutation import BYTES, TEXTS, Corpus, value
from fuzz_target import Hit, Target

from constellation.aip.codec import CODECS, JSON, MSGPACK, Codec, Frame
from constellation.aip.limits import Limits
from constellation.aip.messages import TYPES
from constellation.aip.session import (
    CloseTransport,
    Deliver,
    FrameReceived,
    Session,
    State,
    StreamClosed,
    StreamData,
    Tick,
    TransportClosed,
    TransportOpened,
    read_hello,
)
from constellation.errors import ProtocolError

Side = Literal["dialer", "listener"]

VECTORS = Path(__file__).parents[1] / "vectors" / "frames.json"
LIMITS = Limits(max_frame=65_536, max_body=32_768, max_batch=64, max_outstanding=256)
FRESH = 128
# Stands for the number that the session expects next. No msgpack and no JSON holds these bytes.
NEXT = {MSGPACK: b"\xc1N", JSON: b"\x00N"}
MOST_OF_A_SESSION = 400
BULK = b"x" * 600
ROWS = json.loads(VECTORS.read_text())


def trees(codec: Codec, numbered: bytes | None, role: str | None, seed: int) -> list[bytes]:
    """Frames that can be read, with wrong content: other types, numbers, fields.

    Args:
        numbered: what stands for the number of a numbered message; None for any number.
        role: most messages are such as it sends; None for any.
    """
    pick = random.Random(seed)
    rows = [row for row in ROWS if role is None or role in TYPES[row["type"]].senders]
    made = []
    for _ in range(FRESH):
        _, *messages = json.loads(pick.choice(rows)["json"])
        name, _, body = messages[0]
        if name == "bye" and pick.random() < 0.9:
            continue
        if pick.random() < 0.1:
            name = pick.choice(ROWS)["type"]
        if body and pick.random() < 0.4:
            body[pick.choice(list(body))] = value(pick, 3)
        if name == "data":
            body["payload"] = pick.randbytes(pick.randrange(40))
            if "stream" in body and pick.random() < 0.7:
                body["stream"] = pick.choice([1, 2, 3, 4])
        one = message(codec, name, body, numbered, pick.choice([0, 1, 2, 2**62]))
        made.append(framed(codec, 0 if pick.random() < 0.9 else 1, [one] * pick.randrange(1, 4)))
    return made


def message(
    codec: Codec, name: str, body: dict[str, Any], numbered: bytes | None, other: int
) -> bytes:
    """A message, in which the mark stands where its number would."""
    if numbered is None or not TYPES[name].numbered:
        return codec.encode(name, other if numbered is None else 0, body)
    if codec is MSGPACK:
        return (
            b"\x93" + msgpack.packb(name) + numbered + codec.encode(name, 0, body)[-_size(body) :]
        )
    text = codec.encode(name, 0, body)
    head = json.dumps(name).encode()
    return b"[" + head + b"," + numbered + text[1 + len(head) + 2 :]


def _size(body: dict[str, Any]) -> int:
    return len(msgpack.packb(body))


def framed(codec: Codec, ack: int, messages: Sequence[bytes]) -> bytes:
    """A frame as bytes, whatever its codec; marks are left in it."""
    if codec is MSGPACK:
        return bytes((0x90 | len(messages) + 1, ack)) + b"".join(messages)
    return b"[" + b",".join([str(ack).encode(), *messages]) + b"]"


def vectors(codec: Codec, numbered: bytes | None = None) -> list[bytes]:
    """The golden frames; with a mark, their messages as a session would take them."""
    if numbered is None:
        if codec is MSGPACK:
            return [bytes.fromhex(row["msgpack"]) for row in ROWS]
        return [row["json"].encode() for row in ROWS]
    made = []
    for row in ROWS:
        _, frames = codec.decode(
            bytes.fromhex(row["msgpack"]) if codec is MSGPACK else row["json"], Limits()
        )
        each = [message(codec, name, body, numbered, 0) for name, _, body in frames]
        made.append(framed(codec, 0, each))
    return made


def as_frame(codec: Codec, data: bytes) -> Frame:
    """Bytes as a websocket would hand them over: text is valid UTF-8."""
    return data if codec is MSGPACK else data.decode("utf-8", "replace")


# ── codecs ──────────────────────────────────────────────────────────────────────────────────────


def decoding(codec: Codec) -> Hit:
    """What is read is written and read again the same."""

    def hit(data: bytes) -> bool:
        try:
            ack, messages = codec.decode(as_frame(codec, data), LIMITS)
        except ProtocolError:
            return False
        if len(data) < 4_096:
            try:
                again = codec.join(ack, [codec.encode(*each) for each in messages])
            except ProtocolError:
                # Base64 of a payload that was no payload, or a number only the other codec has.
                return True
            # The same, and NaN, which is not the same as itself, is written the same.
            assert codec.join(*_encoded(codec, again)) == again, "it changes on its way"
        return True

    return hit


def _encoded(codec: Codec, frame: Frame) -> tuple[int, list[bytes]]:
    ack, messages = codec.decode(frame, Limits())
    return ack, [codec.encode(*each) for each in messages]


def greeting(codec: Codec) -> Hit:
    """The first frame, which may come from anybody."""

    def hit(data: bytes) -> bool:
        try:
            hello = read_hello(as_frame(codec, data), codec, LIMITS)
            Limits.from_wire(hello.limits)
        except ProtocolError:
            return False
        return True

    return hit


# ── sessions ────────────────────────────────────────────────────────────────────────────────────


class Life:
    """A session that outlives the connections that wrong frames cost it."""

    def __init__(self, codec: Codec, side: Side) -> None:
        self._codec = codec
        self._side: Side = side
        self._mark = NEXT[codec]
        self._now = 0.0
        self._begin()

    def hit(self, data: bytes) -> bool:
        """Feed a frame, and look at what it leaves behind."""
        session = self.session
        self._now += 0.01
        now = self._now
        taken = closing = False
        for each in session.handle(FrameReceived(as_frame(self._codec, self._numbered(data))), now):
            match each:
                case Deliver(messages):
                    taken = True
                    if messages[-1].seq % 3:
                        session.acknowledge(messages[-1].seq, now)
                case StreamData(stream, payload, _):
                    taken = True
                    if len(payload) % 2:
                        session.consume(stream, len(payload))
                case StreamClosed():
                    taken = True
                case CloseTransport():
                    closing = True
        due = session.deadline()
        if due is not None and due <= now:
            session.handle(Tick(), now)
        for _ in range(4):
            answer = session.next_frame(now)
            if answer is None:
                break
            assert len(answer) <= LIMITS.max_frame, "a frame is larger than the peer takes"
        assert session.unsecured <= LIMITS.max_outstanding + 64, "the outbox grows without bound"
        if session.state is State.CLOSED or session.received > MOST_OF_A_SESSION:
            self._begin()
        elif closing:
            self._again()
        return taken

    def _numbered(self, data: bytes) -> bytes:
        head, *rest = data.split(self._mark)
        if not rest:
            return data
        following = self.session.received + 1
        pack = msgpack.packb if self._codec is MSGPACK else lambda number: str(number).encode()
        return head + b"".join(pack(following + n) + piece for n, piece in enumerate(rest))

    def _begin(self) -> None:
        """Both ends open a session; one of them is attacked, and sends a little of its own."""
        ends = _opened(self._codec)
        self.session, self._other = ends if self._side == "dialer" else ends[::-1]
        self.session.write(self.session.open_stream("reliable"), BULK, self._now)

    def _again(self) -> None:
        """The connection ended; the other end dials again, and the session goes on."""
        session, codec, now = self.session, self._codec, self._now
        session.handle(TransportClosed("the fuzzer cuts"), now)
        if self._side == "listener":
            hello = {"version": [1], "role": "device", "name": "desk", "received": 0}
            hello["received"] = session.acknowledged
            frame = codec.join(0, [codec.encode("hello", 0, hello)])
            session.resume(read_hello(frame, codec, LIMITS), codec, now)
        else:
            session.handle(TransportOpened(codec), now)
            session.next_frame(now)
            welcome = {
                "version": 1,
                "session": {"id": session.id, "token": session.token},
                "resumed": True,
                "received": session.acknowledged,
            }
            frame = codec.join(session.acknowledged, [codec.encode("welcome", 0, welcome)])
            session.handle(FrameReceived(frame), now)
        assert session.state is State.OPEN, f"it is {session.state} after it was resumed"


def _opened(codec: Codec) -> tuple[Session, Session]:
    dialer = Session("dialer", {"role": "device", "name": "desk"}, limits=LIMITS)
    dialer.handle(TransportOpened(codec), 0.0)
    frame = dialer.next_frame(0.0)
    assert frame is not None
    listener = Session("listener", limits=LIMITS)
    listener.accept(read_hello(frame, codec, LIMITS), codec, "s", "t", 0.0)
    welcome = listener.next_frame(0.0)
    assert welcome is not None
    dialer.handle(FrameReceived(welcome), 0.0)
    return dialer, listener


def _life(codec: Codec, side: Side) -> Hit:
    return Life(codec, side).hit


def targets() -> list[Target]:
    """All of AIP's."""
    found = []
    for codec in CODECS.values():
        name = codec.subprotocol.partition("+")[2]
        tokens = (*BYTES, *TEXTS) if codec is JSON else BYTES
        plain = Corpus(vectors(codec), tokens)
        share = 60.0 if codec is MSGPACK else 20.0
        fresh = partial(trees, codec, None, None)
        found.append(Target(f"codec-{name}", plain, partial(decoding, codec), share, 5_000, fresh))
        hellos = Corpus([*_hellos(codec), *plain.seeds[:4]], tokens)
        found.append(Target(f"hello-{name}", hellos, partial(greeting, codec), 2.0))
        mark = NEXT[codec]
        lively = Corpus(vectors(codec, mark), (*tokens, mark), untouched=2)
        sides: tuple[Side, ...] = ("listener", "dialer")
        for side in sides:
            fresh = partial(trees, codec, mark, "hub" if side == "dialer" else "device")
            start = partial(_life, codec, side)
            found.append(Target(f"session-{side}-{name}", lively, start, 2.5, 2_000, fresh))
    return found


def _hellos(codec: Codec) -> list[bytes]:
    card = {"name": "desk", "skills": [{"name": "a.b", "effect": "read"}], "labels": {"a": "b"}}
    bodies = [
        {"version": [1], "role": "device", "name": "desk", "card": card, "received": 3},
        {"version": 1, "role": "client", "name": "me", "credential": "abc", "limits": {}},
        {"version": [1], "role": "device", "name": "d", "pair": {"code": "K7QX2M4D"}},
        {"version": [1], "role": "device", "name": "d", "session": {"id": "s", "token": "t"}},
        {"version": [1], "role": "device", "name": "d", "running": ["c/t/1"], "held": ["c/u/2"]},
        {"version": [1], "role": "client", "name": "d", "limits": Limits().to_wire()},
    ]
    return [
        frame
        if isinstance(frame := codec.join(0, [codec.encode("hello", 0, body)]), bytes)
        else frame.encode()
        for body in bodies
    ]
