from __future__ import annotations

from constellation.aip.outbox import Outbox


def filled(count: int, size: int = 1) -> Outbox:
    outbox = Outbox()
    for number in range(1, count + 1):
        outbox.put(bytes([number]) * size)
    return outbox


def test_messages_are_taken_in_order_and_kept_until_acknowledged() -> None:
    outbox = filled(3)
    assert outbox.waiting
    assert outbox.take(100, 100) == [b"\x01", b"\x02", b"\x03"]
    assert (len(outbox), outbox.bytes, outbox.waiting, outbox.taken) == (3, 3, False, 3)
    assert outbox.take(100, 100) == []
    assert outbox.acknowledge(2)
    assert (len(outbox), outbox.bytes, outbox.acknowledged, outbox.last) == (1, 1, 2, 3)


def test_a_frame_takes_so_many_messages_and_bytes_but_at_least_one() -> None:
    outbox = filled(5, size=10)
    assert len(outbox.take(100, 2)) == 2
    assert len(outbox.take(20, 9)) == 2
    assert len(outbox.take(1, 9)) == 1


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    outbox = filled(3)
    outbox.take(100, 2)
    assert not outbox.acknowledge(3)
    assert outbox.acknowledge(2)
    assert not outbox.acknowledge(3)
    assert outbox.acknowledged == 2


def test_acknowledging_again_changes_nothing() -> None:
    outbox = filled(3)
    outbox.take(100, 100)
    assert outbox.acknowledge(2)
    assert outbox.acknowledge(1)
    assert (len(outbox), outbox.bytes, outbox.acknowledged) == (1, 1, 2)


def test_after_a_reconnect_only_what_the_peer_has_not_seen_is_sent_again() -> None:
    outbox = filled(5)
    outbox.take(100, 4)
    outbox.acknowledge(1)
    assert outbox.rewind(2)
    assert outbox.take(100, 100) == [b"\x03", b"\x04", b"\x05"]
    # The second was seen and is not secured: it stays without being sent.
    assert (len(outbox), outbox.acknowledged) == (4, 1)
    assert outbox.acknowledge(5)
    assert (len(outbox), outbox.bytes) == (0, 0)


def test_a_peer_that_claims_too_much_or_too_little_is_not_resumed() -> None:
    outbox = filled(5)
    outbox.take(100, 4)
    outbox.acknowledge(2)
    assert not outbox.rewind(5)
    assert not outbox.rewind(1)
    assert outbox.take(100, 100) == [b"\x05"]


def test_giving_up_hands_back_everything_unsecured_and_numbers_anew() -> None:
    outbox = filled(4)
    outbox.take(100, 3)
    outbox.acknowledge(1)
    assert outbox.clear() == [b"\x02", b"\x03", b"\x04"]
    assert (outbox.last, outbox.acknowledged, outbox.bytes, len(outbox)) == (0, 0, 0, 0)
    outbox.put(b"new")
    assert (outbox.last, outbox.take(100, 100)) == (1, [b"new"])
