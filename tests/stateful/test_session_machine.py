"""Two sessions over a line that cuts, delays and forgets: nothing lost, nothing twice, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from constellation.aip.codec import JSON, MSGPACK, Codec, Frame
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.session import (
    CloseTransport,
    Deliver,
    FrameReceived,
    Instruction,
    Opened,
    Session,
    State,
    StreamData,
    StreamOpened,
    Tick,
    TransportClosed,
    TransportOpened,
    read_hello,
)
from constellation.errors import LimitExceeded

DEADLINE_S = 0.5
# Small, so that limits are met; large enough that single messages pass.
LIMITS = Limits(max_frame=16_384, max_body=4_096, max_outstanding=40, max_batch=8)
BEAT = Heartbeat(interval_s=5.0, timeout_s=1e9)


def value(message: Message) -> int:
    """What a message of this test carries."""
    found: int = message.body.get("fraction", message.body.get("answer"))
    return found


class Incoming:
    """A stream as it came."""

    def __init__(self, qos: str) -> None:
        self.qos = qos
        self.data = bytearray()
        self.ends = 0


class End:
    """One end with its application: what it sent, what came, what it has not secured yet."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.line: deque[Frame] = deque()
        self.begin_anew: Callable[[Sequence[Message]], None] = lambda lost: None
        self.begin()

    def begin(self) -> None:
        """A session begins."""
        self.sent: list[int] = []
        self.got: list[int] = []
        self.delivered = 0
        self.reliable: int | None = None
        self.live: int | None = None
        self.written: dict[int, bytearray] = {}
        self.finished: set[int] = set()
        self.incoming: dict[int, Incoming] = {}
        self.ages: list[float] = []

    def take(self, instructions: Sequence[Instruction], now: float) -> None:
        """Do what the machine says."""
        for each in instructions:
            match each:
                case Opened(resumed, _, lost) if not resumed:
                    self.begin_anew(lost)
                case Deliver(messages):
                    self.got += map(value, messages)
                    self.delivered = messages[-1].seq
                case StreamOpened(stream, body):
                    self.incoming[stream] = Incoming(body["qos"])
                case StreamData(stream, payload, last):
                    self.take_in(self.incoming[stream], stream, payload, last, now)
                case CloseTransport(_, reason):
                    raise AssertionError(f"honest ends never break the protocol: {reason}")

    def take_in(
        self, incoming: Incoming, stream: int, payload: bytes, last: bool, now: float
    ) -> None:
        if incoming.qos == "deadline":
            self.ages.append(now - float(payload))
            return
        incoming.data += payload
        incoming.ends += last
        self.session.consume(stream, len(payload))

    def send(self, number: int) -> None:
        try:
            if self.session.side == "dialer":
                self.session.send("progress", {"attempt": "c/t/1", "fraction": number})
            else:
                answer = {"attempt": "c/t/1", "question": "q", "answer": number}
                self.session.send("answer", answer)
        except LimitExceeded:
            assert self.session.unsecured >= self.session.peer_limits.max_outstanding
        else:
            self.sent.append(number)


which = st.sampled_from([0, 1])


class SessionMachine(RuleBasedStateMachine):
    @initialize(codec=st.sampled_from([MSGPACK, JSON]))
    def begin(self, codec: Codec) -> None:
        about = {"role": "device", "name": "desk"}
        self.codec = codec
        self.now = 100.0
        self.count = 0
        self.sessions = 0
        self.linked = False
        self.device = End(Session("dialer", about, limits=LIMITS, heartbeat=BEAT))
        self.device.begin_anew = self.begin_anew
        self.spoken = ""  # the session that the device knows
        self.hubs: dict[str, End] = {}
        self.forgotten: set[str] = set()
        self.connect()
        self.exchange(1)

    @property
    def ends(self) -> tuple[End, End]:
        return self.device, self.hub

    def connect(self) -> None:
        self.device.take(
            self.device.session.handle(TransportOpened(self.codec), self.now), self.now
        )
        frame = self.device.session.next_frame(self.now)
        assert frame is not None
        hello = read_hello(frame, self.codec, LIMITS)
        if hello.session is not None and hello.session.id not in self.forgotten:
            self.hub = self.hubs[hello.session.id]
            self.hub.session.resume(hello, self.codec, self.now)
        else:
            self.sessions += 1
            self.hub = End(Session("listener", limits=LIMITS, heartbeat=BEAT, grace_s=1e9))
            name = f"s{self.sessions}"
            self.hub.session.accept(hello, self.codec, name, "t", self.now)
            self.hubs[name] = self.hub
        self.linked = True

    @rule(end=which, count=st.integers(1, 6))
    def send(self, end: int, count: int) -> None:
        for _ in range(count):
            self.count += 1
            self.ends[end].send(self.count)

    @precondition(lambda self: self.linked)
    @rule(end=which)
    def write(self, end: int) -> None:
        """An end puts a frame on the line."""
        each = self.ends[end]
        frame = each.session.next_frame(self.now)
        if frame is not None:
            each.line.append(frame)

    @rule(end=which)
    def read(self, end: int) -> None:
        """The other end takes a frame off the line."""
        source, target = self.ends[end], self.ends[1 - end]
        if not source.line:
            return
        frame = source.line.popleft()
        target.take(target.session.handle(FrameReceived(frame), self.now), self.now)

    @precondition(lambda self: self.linked)
    @rule(rounds=st.integers(1, 4))
    def exchange(self, rounds: int) -> None:
        """Both write frames and read all that lies on the line."""
        for _ in range(rounds):
            for end in (0, 1):
                self.write(end)
                while self.ends[end].line:
                    self.read(end)

    def begin_anew(self, lost: Sequence[Message]) -> None:
        """The hub had forgotten: what it may not have taken in is handed back to the device."""
        handed_back = list(map(value, lost))
        sent = self.device.sent
        taken = len(sent) - len(handed_back)
        assert handed_back == sent[taken:]
        assert taken == 0 or self.hubs[self.spoken].got[:taken] == sent[:taken]
        self.spoken = self.device.session.id
        self.device.begin()

    @rule(end=which)
    def secure(self, end: int) -> None:
        self.ends[end].session.acknowledge(self.ends[end].delivered, self.now)

    @precondition(lambda self: self.linked)
    @rule()
    def cut(self) -> None:
        self.linked = False
        for each in self.ends:
            each.line.clear()
            each.session.handle(TransportClosed("cut"), self.now)

    @precondition(lambda self: not self.linked)
    @rule(forgets=st.sampled_from([False, False, False, True]), greet=st.booleans())
    def reconnect(self, forgets: bool, greet: bool) -> None:
        if forgets:
            self.forgotten.update(self.hubs)
        self.connect()
        if greet:
            self.exchange(1)

    @rule(seconds=st.floats(0.001, 2.0))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for each in self.ends:
            due = each.session.deadline()
            if due is not None and due <= self.now:
                each.take(each.session.handle(Tick(), self.now), self.now)
                following = each.session.deadline()
                assert following is None or following > self.now

    @rule(end=which, size=st.sampled_from([0, 1, 700, 5_000, 30_000]), last=st.booleans())
    def write_bytes(self, end: int, size: int, last: bool) -> None:
        each = self.ends[end]
        if each.session.state is not State.OPEN or sum(map(len, each.written.values())) > 100_000:
            return
        if each.reliable is None:
            try:
                each.reliable = each.session.open_stream("reliable")
            except LimitExceeded:
                return
            each.written[each.reliable] = bytearray()
        self.count += 1
        data = (b"%d," % self.count * size)[:size]
        each.session.write(each.reliable, data, self.now, last=last)
        each.written[each.reliable] += data
        if last:
            each.finished.add(each.reliable)
            each.reliable = None

    @rule(end=which)
    def write_item(self, end: int) -> None:
        each = self.ends[end]
        if each.session.state is not State.OPEN:
            return
        if each.live is None:
            try:
                each.live = each.session.open_stream("deadline", deadline_s=DEADLINE_S)
            except LimitExceeded:
                return
        each.session.write(each.live, repr(self.now).encode(), self.now)

    @invariant()
    def messages_come_in_order_and_once(self) -> None:
        for source, target in self.directions():
            assert target.got == source.sent[: len(target.got)]

    @invariant()
    def bytes_are_intact(self) -> None:
        for source, target in self.directions():
            for stream, incoming in target.incoming.items():
                if incoming.qos == "reliable":
                    assert source.written[stream].startswith(incoming.data)
                    assert incoming.ends <= (stream in source.finished)

    @invariant()
    def no_item_is_late(self) -> None:
        assert all(age <= DEADLINE_S + 1e-6 for each in self.ends for age in each.ages)

    @invariant()
    def memory_is_bounded(self) -> None:
        for each in self.ends:
            # Streams that are over are closed without asking for room.
            limit = each.session.peer_limits.max_outstanding + len(each.finished)
            assert each.session.unsecured <= limit

    def directions(self) -> list[tuple[End, End]]:
        """From whom to whom, if both speak of the same session."""
        if self.device.session.id != self.hub.session.id:
            return []
        return [(self.device, self.hub), (self.hub, self.device)]

    def teardown(self) -> None:
        """When the line is well again, everything arrives, and nothing is left over."""
        if not self.linked:
            self.connect()
        for _ in range(400):
            self.pass_time(0.1)
            self.exchange(1)
            self.secure(0)
            self.secure(1)
        assert len(self.directions()) == 2
        for source, target in self.directions():
            assert target.got == source.sent
            assert source.session.unsecured == 0
            for stream, written in source.written.items():
                assert target.incoming[stream].data == written
                assert target.incoming[stream].ends == (stream in source.finished)
                assert source.session.queued(stream) == 0


SessionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
TestSessionMachine = SessionMachine.TestCase
