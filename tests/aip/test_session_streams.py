from __future__ import annotations

from typing import Any

import msgpack
import pytest

from constellation.aip.codec import JSON, MSGPACK, Codec
from constellation.aip.flow import BURST_BYTES, BYTES_PER_S, LEAST_BYTES
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.session import (
    CloseTransport,
    Deliver,
    FrameReceived,
    Instruction,
    StreamClosed,
    StreamData,
    StreamOpened,
    TransportOpened,
)
from constellation.aip.streams import WINDOW_BYTES
from constellation.errors import LimitExceeded, LocalProtocolError
from constellation.testing.memory import End, SessionPair


def opened(**settings: Any) -> SessionPair:
    pair = SessionPair(**settings)
    pair.connect()
    pair.settle()
    return pair


def got(end: End, stream: int) -> bytes:
    """The bytes that came on a stream, over all connections."""
    return b"".join(
        each.payload
        for each in end.instructions
        if isinstance(each, StreamData) and each.stream == stream
    )


def ended(end: End, stream: int) -> int:
    """How often the end of a stream was told."""
    return sum(
        each.last
        for each in end.instructions
        if isinstance(each, StreamData) and each.stream == stream
    )


class Reader:
    """Takes in a stream at one end when told to."""

    def __init__(self, end: End, stream: int) -> None:
        self.end = end
        self.stream = stream
        self._taken = 0
        self._ended = False

    def consume(self) -> None:
        """Take in whatever came since the last call."""
        fresh = len(got(self.end, self.stream)) - self._taken
        over = ended(self.end, self.stream) > 0
        if fresh or over > self._ended:
            self.end.session.consume(self.stream, fresh)
            self._taken += fresh
            self._ended = over


def flow(pair: SessionPair, reader: Reader) -> None:
    """Carry a stream, taken in as it comes, until nothing moves though time passes."""
    reader.consume()
    idle = 0
    while idle < 2:
        if pair.carry(pair.listener) + pair.carry(pair.dialer):
            idle = 0
        else:
            idle += 1
            pair.advance(0.002)
        reader.consume()


def hear(end: End, *messages: Any, now: float = 1_000.0) -> list[Instruction]:
    frame = MSGPACK.join(0, [msgpack.packb(each) for each in messages])
    return end.session.handle(FrameReceived(frame), now)


OPEN = ["open", 1, {"stream": 1, "qos": "reliable"}]


class TestReliable:
    @pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])
    def test_bytes_arrive_whole_and_the_stream_is_forgotten(self, codec: Codec) -> None:
        pair = opened(codec=codec)
        device = pair.dialer.session
        stream = device.open_stream("reliable", label="notes", meta={"size": 3})
        data = bytes(range(256)) * 8_000
        device.write(stream, data, pair.clock(), last=True)
        flow(pair, Reader(pair.listener, stream))
        opening = next(
            each for each in pair.listener.instructions if isinstance(each, StreamOpened)
        )
        assert (opening.body["label"], opening.body["meta"]) == ("notes", {"size": 3})
        assert got(pair.listener, stream) == data
        assert ended(pair.listener, stream) == 1
        assert device.queued(stream) == 0
        with pytest.raises(LocalProtocolError, match="no stream"):
            device.write(stream, b"more", pair.clock())

    def test_both_sides_number_their_streams_apart(self) -> None:
        pair = opened()
        assert [pair.dialer.session.open_stream("latest") for _ in range(2)] == [1, 3]
        assert [pair.listener.session.open_stream("latest") for _ in range(2)] == [2, 4]

    def test_no_more_is_sent_than_the_window_while_nothing_is_taken_in(self) -> None:
        pair = opened()
        stream = pair.dialer.session.open_stream("reliable")
        waiting = pair.dialer.session.write(stream, b"x" * (2 * WINDOW_BYTES), pair.clock())
        assert waiting == 2 * WINDOW_BYTES
        pair.settle()
        assert len(got(pair.listener, stream)) == LEAST_BYTES
        flow(pair, Reader(pair.listener, stream))
        assert len(got(pair.listener, stream)) == 2 * WINDOW_BYTES

    def test_messages_overtake_a_long_stream(self) -> None:
        pair = opened()
        device = pair.dialer.session
        device.write(device.open_stream("reliable"), b"x" * WINDOW_BYTES, pair.clock())
        pair.carry(pair.listener)
        device.send("drain", {})
        pair.carry(pair.listener)
        assert [each.type for each in pair.listener.messages] == ["drain"]
        assert len(got(pair.listener, 1)) < WINDOW_BYTES

    def test_streams_take_turns(self) -> None:
        pair = opened()
        device = pair.dialer.session
        streams = [device.open_stream("reliable") for _ in range(12)]
        for stream in streams:
            device.write(stream, b"x" * 200_000, pair.clock())
        pair.carry(pair.listener, 6)
        shares = [len(got(pair.listener, stream)) for stream in streams]
        assert max(shares) - min(shares) <= 16 * 1024

    @pytest.mark.parametrize("lost", [0, 1, 2])
    @pytest.mark.parametrize("to_hub", [True, False], ids=["to the hub", "to the device"])
    def test_a_cut_costs_no_byte_and_repeats_none(self, lost: int, to_hub: bool) -> None:
        pair = opened()
        source, target = (pair.dialer, pair.listener) if to_hub else (pair.listener, pair.dialer)
        stream = source.session.open_stream("reliable")
        data = bytes(range(251)) * 2_000
        source.session.write(stream, data, pair.clock(), last=True)
        reader = Reader(target, stream)
        for _ in range(4):
            pair.carry(target, 2)
            reader.consume()
            pair.cut(lost_frames=lost)
            pair.connect()
        flow(pair, reader)
        assert got(target, stream) == data
        assert ended(target, stream) == 1

    @pytest.mark.parametrize("to_hub", [True, False], ids=["to the hub", "to the device"])
    def test_how_far_it_was_taken_in_is_said_again_after_a_cut(self, to_hub: bool) -> None:
        pair = opened()
        source, target = (pair.dialer, pair.listener) if to_hub else (pair.listener, pair.dialer)
        stream = source.session.open_stream("reliable")
        source.session.write(stream, b"x" * 1_000, pair.clock())
        pair.carry(target)
        Reader(target, stream).consume()
        pair.cut(lost_frames=1)
        pair.connect()
        pair.settle()
        assert source.session.queued(stream) == 0

    def test_a_stream_ends_though_the_word_of_it_was_lost(self) -> None:
        pair = opened()
        device = pair.dialer.session
        stream = device.open_stream("reliable")
        device.write(stream, b"all of it", pair.clock(), last=True)
        pair.carry(pair.listener)
        reader = Reader(pair.listener, stream)
        reader.consume()
        pair.cut(lost_frames=1)  # with the window that said so
        pair.connect()
        flow(pair, reader)
        # The sender has nothing left of it, and the number may not be written to.
        with pytest.raises(LocalProtocolError, match="no stream"):
            device.write(stream, b"", pair.clock())
        assert ended(pair.listener, stream) == 1

    def test_a_stream_may_be_opened_before_the_link_is(self) -> None:
        pair = opened()
        pair.cut()
        stream = pair.dialer.session.open_stream("reliable")
        pair.dialer.session.write(stream, b"early", pair.clock(), last=True)
        pair.connect()
        flow(pair, Reader(pair.listener, stream))
        assert got(pair.listener, stream) == b"early"

    def test_nothing_of_a_stream_goes_before_its_opening(self) -> None:
        pair = opened()
        device = pair.dialer.session
        for n in range(3_000):
            device.send("accept", {"attempts": [str(n)]})
        stream = device.open_stream("reliable")
        device.write(stream, b"behind", pair.clock())
        pair.settle()
        assert got(pair.listener, stream) == b"behind"


class TestPace:
    def test_bulk_pauses_and_goes_on_by_itself(self) -> None:
        pair = opened()
        pair.advance(1.0)
        pair.settle()
        device = pair.dialer.session
        streams = [device.open_stream("reliable") for _ in range(20)]
        for stream in streams:
            device.write(stream, b"x" * LEAST_BYTES, pair.clock())
        pair.settle()
        came = sum(len(got(pair.listener, stream)) for stream in streams)
        assert BURST_BYTES <= came < BURST_BYTES + LEAST_BYTES
        due = device.deadline()
        assert due is not None
        assert pair.clock() < due < pair.clock() + 0.002
        pair.advance(due - pair.clock())
        pair.settle()
        assert sum(len(got(pair.listener, stream)) for stream in streams) > came

    def test_a_pause_that_is_over_asks_for_no_further_tick(self) -> None:
        pair = opened()
        device = pair.dialer.session
        for _ in range(20):
            device.write(device.open_stream("reliable"), b"x" * LEAST_BYTES, pair.clock())
        pair.settle()
        pair.advance(1.0)  # a tick; the transport is full, so that nothing is asked for
        due = device.deadline()
        assert due is not None
        assert due > pair.clock()

    def test_messages_and_items_do_not_wait_for_it(self) -> None:
        pair = opened()
        device = pair.dialer.session
        items = device.open_stream("latest")
        for _ in range(20):
            device.write(device.open_stream("reliable"), b"x" * LEAST_BYTES, pair.clock())
        pair.settle()
        device.send("drain", {})
        device.write(items, b"now", pair.clock())
        pair.settle()
        assert pair.listener.messages[-1].type == "drain"
        assert got(pair.listener, items) == b"now"

    def test_a_long_transfer_keeps_to_it(self) -> None:
        pair = opened()
        device = pair.dialer.session
        stream = device.open_stream("reliable")
        size = 4 * 1024 * 1024
        device.write(stream, bytes(size), pair.clock(), last=True)
        began = pair.clock()
        flow(pair, Reader(pair.listener, stream))
        assert len(got(pair.listener, stream)) == size
        assert pair.clock() - began >= (size - BURST_BYTES) / BYTES_PER_S


class TestRealTime:
    def test_only_the_newest_item_of_latest_is_sent(self) -> None:
        pair = opened()
        device = pair.dialer.session
        stream = device.open_stream("latest")
        pair.settle()
        for n in range(5):
            device.write(stream, b"%d" % n, pair.clock())
        pair.settle()
        assert got(pair.listener, stream) == b"4"

    def test_a_late_item_is_never_delivered(self) -> None:
        pair = opened()
        device = pair.dialer.session
        stream = device.open_stream("deadline", deadline_s=0.08)
        device.write(stream, b"old", pair.clock())
        pair.clock.advance(0.1)
        pair.settle()
        device.write(stream, b"new", pair.clock())
        frame = device.next_frame(pair.clock())
        assert frame is not None
        on_time = pair.clock() + 0.07
        late_at = pytest.approx(pair.clock() + 0.08)
        (data,) = (
            each
            for each in pair.listener.session.handle(FrameReceived(frame), on_time)
            if isinstance(each, StreamData)
        )
        assert (data.payload, data.late_at) == (b"new", late_at)
        device.write(stream, b"slow", pair.clock())
        frame = device.next_frame(pair.clock())
        assert frame is not None
        assert pair.listener.session.handle(FrameReceived(frame), pair.clock() + 0.09) == []

    def test_items_are_not_repeated_after_a_cut(self) -> None:
        pair = opened()
        device = pair.dialer.session
        stream = device.open_stream("deadline", deadline_s=60.0)
        pair.settle()
        device.write(stream, b"a", pair.clock())
        pair.cut(lost_frames=1)
        device.write(stream, b"b", pair.clock())
        pair.connect()
        pair.settle()
        assert got(pair.listener, stream) == b"b"

    @pytest.mark.parametrize(
        "settings", [{"qos": "deadline"}, {"qos": "latest", "deadline_s": 1.0}], ids=repr
    )
    def test_a_deadline_belongs_to_its_quality_of_service(self, settings: Any) -> None:
        with pytest.raises(LocalProtocolError, match="deadline"):
            opened().dialer.session.open_stream(**settings)

    def test_an_item_larger_than_allowed_closes(self) -> None:
        hub = opened(listener_limits=Limits(max_item=10)).listener
        hear(hub, ["open", 1, {"stream": 1, "qos": "latest"}])
        body = {"stream": 1, "index": 0, "time": 1.0, "payload": b"x" * 11}
        (close,) = hear(hub, ["data", 0, body])
        assert isinstance(close, CloseTransport)


class TestEnds:
    def test_either_side_may_close_a_stream_with_a_reason(self) -> None:
        pair = opened()
        error = {"code": "task.canceled", "message": "no longer wanted"}
        stream = pair.dialer.session.open_stream("reliable")
        pair.settle()
        pair.dialer.session.close_stream(stream, error)
        pair.settle()
        assert pair.listener.instructions[-1] == StreamClosed(stream, error)

        stream = pair.dialer.session.open_stream("reliable")
        pair.settle()
        pair.listener.session.close_stream(stream, error)
        pair.settle()
        assert pair.dialer.instructions[-1] == StreamClosed(stream, error)
        with pytest.raises(LocalProtocolError, match="no stream"):
            pair.dialer.session.write(stream, b"x", pair.clock())

    def test_opening_and_closing_keep_their_place_among_messages(self) -> None:
        hub = opened().listener
        done = hear(
            hub,
            ["have", 1, {"hashes": []}],
            ["open", 2, {"stream": 1, "qos": "reliable"}],
            ["drain", 3, {}],
            ["close", 4, {"stream": 1}],
        )
        assert done == [
            Deliver([Message("have", 1, {"hashes": []})]),
            StreamOpened(1, {"stream": 1, "qos": "reliable"}),
            Deliver([Message("drain", 3, {})]),
            StreamClosed(1, None),
        ]

    def test_streams_alone_are_acknowledged_without_the_application(self) -> None:
        pair = opened()
        pair.listener.secures = False
        pair.dialer.session.open_stream("reliable")
        pair.settle()
        pair.advance(1.0)
        pair.settle()
        assert pair.dialer.session.unsecured == 0

    def test_closing_an_unknown_stream_does_nothing(self) -> None:
        pair = opened()
        pair.dialer.session.close_stream(99)
        assert pair.dialer.session.unsecured == 0

    def test_streams_end_with_their_session(self) -> None:
        pair = opened()
        device = pair.dialer.session
        stream = device.open_stream("reliable")
        pair.cut()
        device.handle(TransportOpened(), pair.clock())
        session = {"id": "new", "token": "n"}
        body = {"version": 1, "session": session, "resumed": False, "received": 0}
        hear(pair.dialer, ["welcome", 0, body])
        with pytest.raises(LocalProtocolError, match="no stream"):
            device.write(stream, b"x", pair.clock())


class TestBadPeers:
    @pytest.mark.parametrize(
        "messages",
        [
            [OPEN, ["open", 2, {"stream": 1, "qos": "reliable"}]],
            [["open", 1, {"stream": 2, "qos": "reliable"}]],
            [OPEN, ["data", 0, {"stream": 1, "offset": 5, "payload": b"x"}]],
            [OPEN, ["data", 0, {"stream": 1, "payload": b"x"}]],
            [
                OPEN,
                ["data", 0, {"stream": 1, "offset": 0, "payload": b"x", "last": True}],
                ["data", 0, {"stream": 1, "offset": 1, "payload": b"y"}],
            ],
            [OPEN, ["data", 0, {"stream": 1, "offset": 0, "payload": b"x" * (WINDOW_BYTES + 1)}]],
        ],
        ids=["twice", "our number", "a gap", "no offset", "after the end", "past the window"],
    )
    def test_what_breaks_a_stream_closes_the_connection(self, messages: list[Any]) -> None:
        done = hear(opened().listener, *messages)
        assert isinstance(done[-1], CloseTransport)

    def test_a_window_over_what_was_never_sent_closes(self) -> None:
        pair = opened()
        stream = pair.listener.session.open_stream("reliable")
        pair.listener.session.write(stream, b"abc", pair.clock())
        body = {"stream": stream, "offset": 3, "limit": WINDOW_BYTES}
        (close,) = hear(pair.listener, ["window", 0, body])
        assert isinstance(close, CloseTransport)

    def test_data_and_windows_of_unknown_streams_are_ignored(self) -> None:
        hub = opened().listener
        data = ["data", 0, {"stream": 77, "offset": 0, "payload": b"x"}]
        window = ["window", 0, {"stream": 78, "offset": 9, "limit": 1}]
        assert hear(hub, data, window) == []
        assert hub.session.next_frame(1_000.0) is None

    def test_too_many_streams_are_refused_one_by_one(self) -> None:
        pair = opened(listener_limits=Limits(max_streams=2))
        device = pair.dialer.session
        for _ in range(2):
            device.open_stream("latest")
        with pytest.raises(LimitExceeded, match="Close one first"):
            device.open_stream("latest")
        pair.settle()
        hear(pair.listener, ["open", 3, {"stream": 9, "qos": "latest"}])
        frame = pair.listener.session.next_frame(1_000.0)
        assert frame is not None
        (close,) = MSGPACK.decode(frame, Limits())[1]
        assert (close.type, close.body["stream"]) == ("close", 9)
        assert close.body["error"]["code"] == "protocol.limit"
