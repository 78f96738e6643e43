"""Two sessions over a line that cuts, delays and forgets: nothing lost, nothing twice, in order."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from constellation.aip.codec import JSON, MSGPACK, Codec, Frame
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.session import (
    CloseTransport,
    Deliver,
    FrameReceived,
    Session,
    State,
    StreamData,
    Tick,
    TransportClosed,
    TransportOpened,
    read_hello,
)
from constellation.errors import LimitExceeded

DEADLINE_S = 0.5
# Small, so that limits are met; large enough that single messages pass.
LIMITS = Limits(max_frame=16_384, max_body=4_096, max_outstanding=40, max_batch=8)


class End:
    """One end with its application: what it sent, what came, what it has not secured yet."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[int] = []
        self.got: list[int] = []
        self.unsecured = 0
        self.line: deque[Frame] = deque()
        self.streams: dict[int, bytearray] = {}
        self.items: list[tuple[float, float]] = []

    def take(self, instructions: list[Any], now: float) -> bool:
        """Do what the machine says; True if the connection is to be closed."""
        closing = False
        for each in instructions:
            match each:
                case Deliver(messages):
                    self.got += [m.body.get("fraction", m.body.get("answer")) for m in messages]
                    self.unsecured = messages[-1].seq
                case StreamData(stream, payload, _):
                    if stream in DEADLINE_STREAMS:
                        self.items.append((float(payload.decode()), now))
                    else:
                        self.streams.setdefault(stream, bytearray()).extend(payload)
                        self.session.consume(stream, len(payload))
                case CloseTransport():
                    closing = True
        return closing


DEADLINE_STREAMS: set[int] = set()


class SessionMachine(RuleBasedStateMachine):
    @initialize(codec=st.sampled_from([MSGPACK, JSON]))
    def begin(self, codec: Codec) -> None:
        DEADLINE_STREAMS.clear()
        beat = Heartbeat(interval_s=5.0, timeout_s=1e9)
        about = {"role": "device", "name": "desk"}
        self.codec = codec
        self.device = End(Session("dialer", about, limits=LIMITS, heartbeat=beat))
        self.hub = End(Session("listener", limits=LIMITS, heartbeat=beat, grace_s=1e9))
        self.now = 100.0
        self.count = 0
        self.linked = False
        self.written = bytearray()
        self.stream: int | None = None
        self.live: int | None = None
        self.connect()
        # From here on the dialler knows the session, so that each reconnect resumes it.
        self.write(1)
        self.read(1)

    @property
    def ends(self) -> tuple[End, End]:
        return self.device, self.hub

    def connect(self) -> None:
        device, hub = self.device.session, self.hub.session
        self.device.take(device.handle(TransportOpened(self.codec), self.now), self.now)
        frame = device.next_frame(self.now)
        assert frame is not None
        hello = read_hello(frame, self.codec, LIMITS)
        if hub.state is State.IDLE:
            hub.accept(hello, self.codec, "s", "t", self.now)
        else:
            assert hello.session is not None
            assert hello.session.id == "s"
            hub.resume(hello, self.codec, self.now)
        self.linked = True

    @rule(end=st.sampled_from([0, 1]), count=st.integers(1, 6))
    def send(self, end: int, count: int) -> None:
        for _ in range(count):
            self.count += 1
            sender = self.ends[end]
            kind, body = (
                ("progress", {"attempt": "c/t/1", "fraction": self.count})
                if end == 0
                else ("answer", {"attempt": "c/t/1", "question": "q", "answer": self.count})
            )
            try:
                sender.session.send(kind, body)
            except LimitExceeded:
                assert sender.session.unsecured >= LIMITS.max_outstanding
                return
            sender.sent.append(self.count)

    @rule(end=st.sampled_from([0, 1]))
    def write(self, end: int) -> None:
        if self.linked:
            each = self.ends[end]
            frame = each.session.next_frame(self.now)
            if frame is not None:
                each.line.append(frame)

    @rule(end=st.sampled_from([0, 1]))
    def read(self, end: int) -> None:
        """The other end takes a frame off the line."""
        source, target = self.ends[end], self.ends[1 - end]
        if source.line:
            frame = source.line.popleft()
            closing = target.take(target.session.handle(FrameReceived(frame), self.now), self.now)
            assert not closing, "honest ends never break the protocol"

    @rule(end=st.sampled_from([0, 1]))
    def secure(self, end: int) -> None:
        self.ends[end].session.acknowledge(self.ends[end].unsecured, self.now)

    @rule()
    def cut(self) -> None:
        if self.linked:
            self.linked = False
            for each in self.ends:
                each.line.clear()
                each.session.handle(TransportClosed("cut"), self.now)

    @rule()
    def reconnect(self) -> None:
        if not self.linked:
            self.connect()

    @rule(seconds=st.floats(0.001, 2.0))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for each in self.ends:
            due = each.session.deadline()
            if due is not None and due <= self.now:
                assert not each.take(each.session.handle(Tick(), self.now), self.now)

    @rule(data=st.binary(min_size=1, max_size=40_000))
    def write_stream(self, data: bytes) -> None:
        session = self.device.session
        if session.state is not State.OPEN or len(self.written) > 400_000:
            return
        if self.stream is None:
            try:
                self.stream = session.open_stream("reliable")
            except LimitExceeded:
                return
        session.write(self.stream, data, self.now)
        self.written += data

    @rule()
    def write_item(self) -> None:
        session = self.device.session
        if session.state is not State.OPEN:
            return
        if self.live is None:
            try:
                self.live = session.open_stream("deadline", deadline_s=DEADLINE_S)
            except LimitExceeded:
                return
            DEADLINE_STREAMS.add(self.live)
        session.write(self.live, repr(self.now).encode(), self.now)

    @invariant()
    def in_order_and_once(self) -> None:
        assert self.hub.got == self.device.sent[: len(self.hub.got)]
        assert self.device.got == self.hub.sent[: len(self.device.got)]

    @invariant()
    def streams_are_intact_and_items_never_late(self) -> None:
        for data in self.hub.streams.values():
            assert self.written.startswith(bytes(data))
        for made, delivered in self.hub.items:
            assert delivered - made <= DEADLINE_S + 1e-6

    @invariant()
    def memory_is_bounded(self) -> None:
        for each in self.ends:
            assert each.session.unsecured <= LIMITS.max_outstanding + 2

    def teardown(self) -> None:
        """When the line is well again, everything arrives."""
        if not self.linked:
            self.connect()
        for _ in range(400):
            self.now += 0.1
            for end in (0, 1):
                self.write(end)
                while self.ends[end].line:
                    self.read(end)
                self.secure(end)
        assert self.hub.got == self.device.sent
        assert self.device.got == self.hub.sent
        if self.stream is not None:
            assert bytes(self.hub.streams.get(self.stream, b"")) == bytes(self.written)
        assert self.device.session.unsecured == self.hub.session.unsecured == 0


SessionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestSessionMachine = SessionMachine.TestCase
