from __future__ import annotations

from typing import Any

import pytest

from constellation.aip.flow import LEAST_BYTES
from constellation.aip.streams import (
    CHUNK_BYTES,
    WINDOW_BYTES,
    RealTimeSender,
    Receiver,
    ReliableSender,
)
from constellation.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError


def taken(sender: ReliableSender) -> list[dict[str, Any]]:
    bodies = []
    while body := sender.take(0.0):
        bodies.append(body)
    return bodies


def reliable(*writes: bytes, last: bool = True) -> ReliableSender:
    sender = ReliableSender(1)
    for data in writes:
        sender.write(data, 0.0)
    if last:
        sender.write(b"", 0.0, last=True)
    return sender


class TestReliableSender:
    def test_bytes_go_out_in_chunks_with_their_offsets(self) -> None:
        bodies = taken(reliable(b"x" * (CHUNK_BYTES + 5)))
        assert [(each["offset"], len(each["payload"])) for each in bodies] == [
            (0, CHUNK_BYTES),
            (CHUNK_BYTES, 5),
        ]
        assert [each.get("last", False) for each in bodies] == [False, True]

    def test_an_end_that_comes_later_goes_out_alone(self) -> None:
        sender = reliable(b"abc", last=False)
        assert len(taken(sender)) == 1
        sender.write(b"", 0.0, last=True)
        assert taken(sender) == [{"stream": 1, "offset": 3, "payload": b"", "last": True}]

    def test_nothing_follows_the_end(self) -> None:
        with pytest.raises(LocalProtocolError, match="has ended"):
            reliable(b"abc").write(b"d", 0.0)

    def test_no_more_is_outstanding_than_fills_the_way(self) -> None:
        sender = reliable(b"x" * WINDOW_BYTES)
        assert sum(len(each["payload"]) for each in taken(sender)) == LEAST_BYTES
        sender.window(CHUNK_BYTES, WINDOW_BYTES, 0.0)
        assert taken(sender)[0]["offset"] == LEAST_BYTES

    def test_no_more_is_outstanding_than_the_receiver_allows(self) -> None:
        sender = reliable(b"x" * WINDOW_BYTES)
        taken(sender)
        sender.window(LEAST_BYTES, CHUNK_BYTES, 0.0)
        assert [each["offset"] for each in taken(sender)] == [LEAST_BYTES]

    def test_bytes_are_kept_until_taken_in(self) -> None:
        sender = reliable(b"abc", b"def")
        taken(sender)
        sender.window(2, WINDOW_BYTES, 0.0)
        assert (sender.queued, sender.done) == (4, False)
        sender.window(6, WINDOW_BYTES, 0.0)
        assert (sender.queued, sender.done) == (0, True)

    def test_it_is_not_done_before_its_end_was_sent(self) -> None:
        sender = reliable(b"abc", last=False)
        taken(sender)
        sender.window(3, WINDOW_BYTES, 0.0)
        assert not sender.done

    @pytest.mark.parametrize("offset", [7, 1])
    def test_a_window_over_what_was_not_sent_is_refused(self, offset: int) -> None:
        sender = reliable(b"abc", b"def")
        taken(sender)
        sender.window(2, WINDOW_BYTES, 0.0)
        with pytest.raises(RemoteProtocolError, match=f"offset {offset} was never sent"):
            sender.window(offset, WINDOW_BYTES, 0.0)

    def test_after_a_reconnect_it_goes_on_from_what_was_taken_in(self) -> None:
        sender = reliable(b"abc", b"def", b"ghi")
        taken(sender)
        sender.window(4, WINDOW_BYTES, 0.0)
        sender.rewind()
        bodies = taken(sender)
        assert [(each["offset"], each["payload"]) for each in bodies] == [(4, b"ef"), (6, b"ghi")]
        assert bodies[-1]["last"]

    def test_a_window_beyond_what_was_sent_again_is_believed(self) -> None:
        sender = reliable(b"abc", b"def", b"ghi")
        taken(sender)
        sender.rewind()
        assert sender.take(0.0) is not None
        sender.window(7, WINDOW_BYTES, 0.0)
        assert [(each["offset"], each["payload"]) for each in taken(sender)] == [(7, b"hi")]

    def test_the_end_is_told_again_after_a_reconnect(self) -> None:
        sender = reliable(b"abc")
        taken(sender)
        sender.rewind()
        sender.window(3, WINDOW_BYTES, 0.0)
        assert taken(sender) == [{"stream": 1, "offset": 3, "payload": b"", "last": True}]


class TestRealTimeSender:
    def test_latest_keeps_only_the_newest_item(self) -> None:
        sender = RealTimeSender(1, 0, None, 100)
        for item in (b"a", b"b", b"c"):
            sender.write(item, 5.0)
        assert sender.take(5.0) == {"stream": 1, "index": 2, "time": 5.0, "payload": b"c"}
        assert sender.take(5.0) is None
        assert sender.dropped == 2

    def test_latest_is_never_too_old(self) -> None:
        sender = RealTimeSender(1, 0, None, 100)
        sender.write(b"a", 5.0)
        assert sender.take(1e6) is not None

    def test_items_past_their_deadline_are_not_sent(self) -> None:
        sender = RealTimeSender(1, 0, 0.5, 100)
        sender.write(b"old", 5.0)
        sender.write(b"new", 5.4)
        body = sender.take(5.6)
        assert body is not None
        assert (body["index"], body["payload"]) == (1, b"new")
        assert (sender.take(5.6), sender.dropped) == (None, 1)

    def test_an_item_is_sent_up_to_its_deadline(self) -> None:
        sender = RealTimeSender(1, 0, 0.5, 100)
        sender.write(b"a", 5.0)
        assert sender.take(5.5) is not None

    def test_what_cannot_be_sent_does_not_pile_up(self) -> None:
        sender = RealTimeSender(1, 0, 0.5, 100)
        for n in range(1000):
            sender.write(b"x", n * 0.1)
        assert sender.queued <= 7

    def test_nothing_is_repeated_after_a_reconnect(self) -> None:
        sender = RealTimeSender(1, 0, 0.5, 100)
        sender.write(b"a", 5.0)
        sender.take(5.0)
        sender.rewind()
        assert sender.take(5.0) is None

    def test_an_item_is_bounded(self) -> None:
        with pytest.raises(LimitExceeded, match="100 bytes"):
            RealTimeSender(1, 0, None, 100).write(b"x" * 101, 0.0)


def chunk(offset: int, payload: bytes, *, last: bool = False) -> dict[str, Any]:
    return {"stream": 1, "offset": offset, "payload": payload} | ({"last": True} if last else {})


def item(index: int, time: float) -> dict[str, Any]:
    return {"stream": 1, "index": index, "time": time, "payload": b"x"}


class TestReceiver:
    def test_repeated_bytes_are_delivered_once(self) -> None:
        receiver = Receiver(1, "reliable")
        assert receiver.take(chunk(0, b"abc"), 0.0, 0.0) == b"abc"
        assert receiver.take(chunk(0, b"abc"), 0.0, 0.0) is None
        assert receiver.take(chunk(1, b"bcdef"), 0.0, 0.0) == b"def"
        assert receiver.offset == 6

    def test_missing_bytes_are_an_error(self) -> None:
        with pytest.raises(RemoteProtocolError, match="bytes before 3 are missing"):
            Receiver(1, "reliable").take(chunk(3, b"abc"), 0.0, 0.0)
        with pytest.raises(RemoteProtocolError, match="missing"):
            Receiver(1, "reliable").take({"stream": 1, "payload": b"abc"}, 0.0, 0.0)

    def test_the_end_is_delivered_once_though_empty(self) -> None:
        receiver = Receiver(1, "reliable")
        receiver.take(chunk(0, b"abc"), 0.0, 0.0)
        assert receiver.take(chunk(3, b"", last=True), 0.0, 0.0) == b""
        assert receiver.ended
        assert receiver.take(chunk(3, b"", last=True), 0.0, 0.0) is None
        assert receiver.take(chunk(0, b"abc"), 0.0, 0.0) is None
        assert receiver.ended

    def test_no_byte_follows_the_end(self) -> None:
        receiver = Receiver(1, "reliable")
        receiver.take(chunk(0, b"abc", last=True), 0.0, 0.0)
        with pytest.raises(RemoteProtocolError, match="after its end"):
            receiver.take(chunk(3, b"d"), 0.0, 0.0)

    def test_more_than_the_window_is_refused(self) -> None:
        receiver = Receiver(1, "reliable")
        receiver.take(chunk(0, b"x" * WINDOW_BYTES), 0.0, 0.0)
        with pytest.raises(RemoteProtocolError, match="window"):
            receiver.take(chunk(WINDOW_BYTES, b"x"), 0.0, 0.0)
        receiver.consume(1)
        assert receiver.take(chunk(WINDOW_BYTES, b"x"), 0.0, 0.0) == b"x"

    def test_a_window_is_announced_when_all_was_taken_in_or_much_of_it(self) -> None:
        receiver = Receiver(1, "reliable")
        receiver.take(chunk(0, b"x" * WINDOW_BYTES), 0.0, 0.0)
        assert receiver.consume(1) is None
        window = receiver.consume(WINDOW_BYTES // 4)
        assert window == {"stream": 1, "offset": WINDOW_BYTES // 4 + 1, "limit": WINDOW_BYTES}
        assert receiver.consume(1) is None
        assert receiver.consume(WINDOW_BYTES - WINDOW_BYTES // 4 - 2) is not None

    @pytest.mark.parametrize("count", [-1, 4])
    def test_more_than_was_delivered_cannot_be_taken_in(self, count: int) -> None:
        receiver = Receiver(1, "reliable")
        receiver.take({"stream": 1, "offset": 0, "payload": b"abc"}, 0.0, 0.0)
        with pytest.raises(LocalProtocolError, match="3 bytes wait"):
            receiver.consume(count)
        window = receiver.consume(3)
        assert window is not None
        assert window["offset"] == 3

    def test_a_late_item_is_never_delivered(self) -> None:
        receiver = Receiver(1, "deadline", 0.5)
        assert receiver.take(item(0, 10.0), 10.5, 0.0) == b"x"
        assert receiver.take(item(1, 10.0), 10.6, 0.0) is None
        assert receiver.dropped == 1

    def test_lateness_is_judged_by_the_senders_clock(self) -> None:
        # Their clock is 100 s ahead of ours.
        receiver = Receiver(1, "deadline", 0.5)
        assert receiver.take(item(0, 110.0), 10.4, 100.0) == b"x"
        assert receiver.take(item(1, 110.0), 10.6, 100.0) is None

    def test_items_come_in_order_or_not_at_all(self) -> None:
        receiver = Receiver(1, "latest")
        assert receiver.take(item(4, 10.0), 99.0, 0.0) == b"x"
        assert receiver.take(item(4, 10.0), 99.0, 0.0) is None
        assert receiver.take(item(3, 11.0), 99.0, 0.0) is None
        assert receiver.take(item(9, 11.0), 99.0, 0.0) == b"x"

    def test_an_item_has_an_index_and_a_time(self) -> None:
        with pytest.raises(RemoteProtocolError, match="an index and a time"):
            Receiver(1, "latest").take(chunk(0, b"x"), 0.0, 0.0)
