"""The receiving half of the reliable lane, by itself."""

from __future__ import annotations

import pytest

from constellation.aip.intake import ACK_AT_ONCE, ACK_DELAY_S, Intake
from constellation.aip.limits import Limits
from constellation.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError

NOW = 1_000.0


def filled(count: int, size: int = 10) -> Intake:
    """Messages 1 to ``count`` came, each in a frame of its own."""
    intake = Intake()
    for seq in range(1, count + 1):
        assert intake.admit(seq)
        intake.delivered(seq, size)
    return intake


def test_numbers_are_taken_once_and_in_order() -> None:
    intake = filled(2)
    assert not intake.admit(2)
    with pytest.raises(RemoteProtocolError) as gap:
        intake.admit(4)
    assert gap.value.details == {"expected": 3}
    assert intake.received == 2


def test_an_acknowledgement_waits_a_little_for_company() -> None:
    intake = filled(1)
    intake.secure(1, NOW)
    assert intake.ack_due == NOW + ACK_DELAY_S
    assert not intake.is_due(NOW)
    assert intake.is_due(NOW + ACK_DELAY_S)
    intake.said()
    assert not intake.is_due(NOW + ACK_DELAY_S)
    assert intake.ack_due is None


def test_many_are_acknowledged_at_once() -> None:
    intake = filled(ACK_AT_ONCE)
    intake.secure(ACK_AT_ONCE - 1, NOW)
    assert not intake.is_due(NOW)
    intake.secure(ACK_AT_ONCE, NOW)
    assert intake.is_due(NOW)


def test_one_that_is_due_while_nothing_can_be_sent_stays_due_and_asks_for_no_tick() -> None:
    intake = filled(1)
    intake.secure(1, NOW)
    intake.tick(NOW + ACK_DELAY_S)
    assert intake.ack_due is None
    assert intake.is_due(NOW)


def test_on_a_new_connection_the_last_one_is_said_again() -> None:
    intake = filled(1)
    intake.secure(1, NOW)
    intake.said()
    intake.detach()
    intake.attach(NOW + 5)
    assert intake.is_due(NOW + 5)


def test_what_was_never_delivered_cannot_be_secured() -> None:
    with pytest.raises(LocalProtocolError, match="Message 3"):
        filled(2).secure(3, NOW)


def test_floods_are_told_by_count_and_by_bytes_until_they_are_secured() -> None:
    few = Limits(max_outstanding=2)
    intake = filled(3)
    with pytest.raises(LimitExceeded):
        intake.check(few)
    intake.secure(1, NOW)
    intake.check(few)
    small = Limits(max_frame=4096, max_outstanding_bytes=5_000)
    intake = filled(3, size=4096)
    with pytest.raises(LimitExceeded):
        intake.check(small)
    intake.secure(1, NOW)
    intake.check(small)
