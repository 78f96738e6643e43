from __future__ import annotations

from typing import Any

import msgpack
import pytest

from constellation.aip.codec import JSON, MSGPACK
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.intake import ACK_DELAY_S
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.outbox import MAX_CONTROL
from constellation.aip.session import (
    CloseCode,
    CloseTransport,
    Deliver,
    Ended,
    FrameReceived,
    Instruction,
    Opened,
    Refused,
    Session,
    State,
    Tick,
    TransportClosed,
    TransportOpened,
    read_hello,
)
from constellation.errors import (
    InvalidTransition,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
    VersionError,
)
from constellation.testing.memory import End, SessionPair

HELLO = {"version": [1], "role": "device", "name": "desk"}


def opened(**settings: Any) -> SessionPair:
    """A device and a hub that have greeted each other, with nothing left to say."""
    pair = SessionPair(**settings)
    pair.connect()
    pair.settle()
    pair.advance(0.0)  # each pings the other as soon as it can
    pair.settle()
    return pair


def frame(*messages: Any, ack: int = 0) -> bytes:
    """A frame as an arbitrary peer may send it."""
    return MSGPACK.join(ack, [msgpack.packb(each) for each in messages])


def result(number: int, attempt: str = "") -> tuple[str, int, dict[str, Any]]:
    return ("result", number, {"attempt": attempt or f"c/t/{number}", "state": "completed"})


def hear(end: End, *messages: Any, ack: int = 0, now: float = 1_000.0) -> list[Instruction]:
    return end.session.handle(FrameReceived(frame(*messages, ack=ack)), now)


def said(end: End, now: float = 1_000.0) -> list[Message]:
    """What the end sends next."""
    next_frame = end.session.next_frame(now)
    return [] if next_frame is None else MSGPACK.decode(next_frame, Limits())[1]


def numbers(messages: list[Message]) -> list[int]:
    return [each.seq for each in messages]


def closing(instructions: list[Instruction]) -> CloseTransport:
    (found,) = [each for each in instructions if isinstance(each, CloseTransport)]
    return found


class TestHandshake:
    def test_both_sides_open_and_know_each_other(self) -> None:
        pair = SessionPair(
            dialer_limits=Limits(max_batch=7), listener_limits=Limits(max_batch=9), grace_s=12.0
        )
        pair.connect()
        pair.settle()
        (welcome,) = [each for each in pair.dialer.instructions if isinstance(each, Opened)]
        assert not welcome.resumed
        assert welcome.welcome["grace_s"] == 12.0
        assert (pair.dialer.session.id, pair.dialer.session.token) == ("session", "secret")
        assert pair.dialer.session.peer_limits.max_batch == 9
        assert pair.listener.session.peer_limits.max_batch == 7

    def test_the_welcome_is_the_first_thing_said(self) -> None:
        pair = SessionPair()
        pair.connect()
        pair.listener.session.send("cancel", {"attempt": "c/t/1"})
        assert [each.type for each in said(pair.listener)] == ["welcome", "cancel"]

    @pytest.mark.parametrize(
        "messages",
        [[], [["drain", 1, {}]], [["hello", 0, HELLO], ["drain", 1, {}]], [["hello", 0, {}]]],
        ids=["nothing", "another message", "a hello in company", "an empty hello"],
    )
    def test_a_connection_begins_with_a_hello_alone(self, messages: list[Any]) -> None:
        with pytest.raises(RemoteProtocolError):
            read_hello(frame(*messages), MSGPACK, Limits())

    def test_another_version_is_refused(self) -> None:
        with pytest.raises(VersionError, match=r"offers \[2, 3\]"):
            read_hello(frame(["hello", 0, {**HELLO, "version": [2, 3]}]), MSGPACK, Limits())
        assert read_hello(frame(["hello", 0, {**HELLO, "version": [2, 1]}]), MSGPACK, Limits())

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (["drain", 1, {}], CloseCode.PROTOCOL),
            (["welcome", 0, {"version": 1}], CloseCode.PROTOCOL),
            (
                ["welcome", 0, {"version": 2, "session": {}, "resumed": False, "received": 0}],
                CloseCode.VERSION,
            ),
            (
                ["welcome", 0, {"version": 1, "session": {}, "resumed": False, "received": 0}],
                CloseCode.PROTOCOL,
            ),
        ],
        ids=["no welcome", "incomplete", "another version", "no session"],
    )
    def test_an_answer_that_is_no_welcome_closes(self, answer: Any, code: int) -> None:
        dialer = End(Session("dialer", {"role": "device", "name": "desk"}))
        dialer.session.handle(TransportOpened(), 0.0)
        dialer.session.next_frame(0.0)
        assert closing(hear(dialer, answer)).code == code
        assert dialer.session.state == State.GREETING

    def test_a_refusal_is_passed_on(self) -> None:
        dialer = End(Session("dialer", {"role": "device", "name": "desk"}))
        dialer.session.handle(TransportOpened(), 0.0)
        dialer.session.next_frame(0.0)
        error = {"code": "session.authentication", "message": "Who are you?"}
        refused, close = hear(dialer, ["error", 0, error])
        assert refused == Refused(error)
        assert isinstance(close, CloseTransport)

    def test_a_hub_that_never_answers_is_given_up(self) -> None:
        session = Session(
            "dialer", {"role": "device", "name": "desk"}, heartbeat=Heartbeat(1.0, 3.0)
        )
        session.handle(TransportOpened(), 10.0)
        assert session.deadline() == 13.0
        assert closing(session.handle(Tick(), 13.0)).code == CloseCode.SILENT

    def test_wrong_limits_are_refused_before_anything_changes(self) -> None:
        hello = read_hello(
            frame(["hello", 0, {**HELLO, "limits": {"max_batch": 0}}]), MSGPACK, Limits()
        )
        listener = Session("listener")
        with pytest.raises(RemoteProtocolError, match="limits"):
            listener.accept(hello, MSGPACK, "s", "t", 0.0)
        assert listener.state == State.IDLE

    def test_a_session_is_opened_once_at_a_time(self) -> None:
        pair = opened()
        with pytest.raises(InvalidTransition, match="is open"):
            pair.dialer.session.handle(TransportOpened(), 0.0)


class TestReliableLane:
    def test_messages_are_numbered_and_delivered_in_order(self) -> None:
        pair = opened()
        for n in range(5):
            assert pair.dialer.session.send("accept", {"attempts": [str(n)]}) == n + 1
        pair.settle()
        assert numbers(pair.listener.messages) == [1, 2, 3, 4, 5]
        assert pair.listener.messages[0] == Message("accept", 1, {"attempts": ["0"]})

    def test_what_waits_goes_in_one_frame(self) -> None:
        pair = opened()
        for _ in range(50):
            pair.dialer.session.send("drain", {})
        assert pair.carry(pair.listener) == 1
        assert len(pair.listener.messages) == 50

    def test_a_repetition_is_dropped(self) -> None:
        hub = opened().listener
        assert len(hear(hub, result(1), result(2))) == 1
        (delivered,) = hear(hub, result(1), result(2), result(3))
        assert delivered == Deliver([Message(*result(3))])
        assert hear(hub, result(2)) == []

    def test_a_gap_closes_the_connection_and_keeps_what_came_before(self) -> None:
        hub = opened().listener
        delivered, close = hear(hub, result(1), result(3), result(2))
        assert delivered == Deliver([Message(*result(1))])
        assert isinstance(close, CloseTransport)
        assert (close.code, hub.session.received) == (CloseCode.PROTOCOL, 1)
        (error,) = said(hub)
        assert error.body["details"]["expected"] == 2

    def test_after_a_refusal_no_frame_of_the_connection_counts(self) -> None:
        hub = opened().listener
        hear(hub, result(2))
        assert hear(hub, result(1)) == []
        assert hub.session.received == 0

    def test_acknowledging_means_secured_not_received(self) -> None:
        pair = opened()
        pair.listener.secures = False
        pair.dialer.session.send("drain", {})
        pair.dialer.session.send("drain", {})
        pair.settle()
        pair.advance(1.0)
        pair.settle()
        assert (pair.listener.session.received, pair.dialer.session.unsecured) == (2, 2)
        pair.listener.session.acknowledge(1, pair.clock())
        pair.advance(1.0)
        pair.settle()
        assert (pair.dialer.session.acknowledged, pair.dialer.session.unsecured) == (1, 1)
        assert pair.dialer.session.pending > 0

    def test_an_acknowledgement_waits_a_little_for_company(self) -> None:
        pair = opened()
        pair.dialer.session.send("drain", {})
        pair.carry(pair.listener)
        hub, now = pair.listener.session, pair.clock()
        assert hub.next_frame(now) is None
        assert hub.deadline() == now + ACK_DELAY_S
        assert hub.next_frame(now + ACK_DELAY_S) == frame(ack=1)
        assert hub.next_frame(now + 1) is None

    def test_an_acknowledgement_travels_with_a_message(self) -> None:
        pair = opened()
        pair.dialer.session.send("drain", {})
        pair.carry(pair.listener)
        pair.listener.session.send("cancel", {"attempt": "c/t/1"})
        pair.carry(pair.dialer)
        assert pair.dialer.session.unsecured == 0

    def test_many_acknowledgements_do_not_wait(self) -> None:
        pair = opened()
        for _ in range(300):
            pair.dialer.session.send("drain", {})
        pair.carry(pair.listener)
        assert pair.listener.session.next_frame(pair.clock()) == frame(ack=300)

    def test_a_due_acknowledgement_asks_to_be_woken_once(self) -> None:
        pair = opened()
        pair.dialer.session.send("drain", {})
        pair.carry(pair.listener)
        hub, later = pair.listener.session, pair.clock() + ACK_DELAY_S
        hub.handle(Tick(), later)
        due = hub.deadline()
        # Nothing was sent, since the transport is full: a second waking would change nothing.
        assert due is not None
        assert due > later
        assert hub.next_frame(later) == frame(ack=1)

    def test_what_was_never_sent_cannot_be_acknowledged(self) -> None:
        hub = opened().listener
        hub.session.send("cancel", {"attempt": "c/t/1"})
        assert closing(hear(hub, ack=1)).code == CloseCode.PROTOCOL
        with pytest.raises(LocalProtocolError, match="never delivered"):
            hub.session.acknowledge(1, 0.0)


class TestResume:
    def test_what_was_lost_on_its_way_is_sent_again(self) -> None:
        pair = opened()
        pair.dialer.session.send("accept", {"attempts": ["1"]})
        pair.listener.session.send("cancel", {"attempt": "2"})
        pair.cut(lost_frames=1)
        pair.dialer.session.send("accept", {"attempts": ["3"]})
        pair.connect()
        pair.settle()
        assert [each.body["attempts"] for each in pair.listener.messages] == [["1"], ["3"]]
        assert [each.body["attempt"] for each in pair.dialer.messages] == ["2"]
        assert isinstance(pair.dialer.instructions[1], Opened)
        assert pair.dialer.instructions[1].resumed

    def test_what_was_received_and_not_secured_is_not_sent_again(self) -> None:
        pair = opened()
        pair.listener.secures = False
        pair.dialer.session.send("drain", {})
        pair.settle()
        pair.cut()
        pair.connect()
        pair.carry(pair.dialer)
        assert said(pair.dialer, pair.clock()) == []
        assert pair.dialer.session.unsecured == 1
        pair.listener.session.acknowledge(1, pair.clock())
        pair.advance(1.0)
        pair.settle()
        assert pair.dialer.session.unsecured == 0

    def test_an_acknowledgement_that_was_lost_is_said_again(self) -> None:
        pair = opened()
        pair.dialer.session.send("drain", {})
        pair.listener.session.send("cancel", {"attempt": "c/t/1"})
        pair.carry(pair.listener)
        pair.carry(pair.dialer)
        pair.clock.advance(1.0)
        pair.cut(lost_frames=1)
        pair.connect()
        pair.settle()
        # Neither had anything else to say, and no time passed.
        assert pair.dialer.session.unsecured == pair.listener.session.unsecured == 0

    def test_a_fresh_session_hands_back_what_was_not_secured(self) -> None:
        pair = opened()
        device = pair.dialer.session
        device.send("accept", {"attempts": ["secured"]})
        pair.settle()
        pair.advance(1.0)
        pair.settle()
        device.open_stream("reliable")
        device.send("accept", {"attempts": ["sent"]})
        pair.cut(lost_frames=1)
        device.send("accept", {"attempts": ["waiting"]})
        device.handle(TransportOpened(), pair.clock())
        device.next_frame(pair.clock())
        body = {"version": 1, "session": {"id": "new", "token": "n"}, "resumed": False}
        (fresh,) = hear(pair.dialer, ["welcome", 0, {**body, "received": 0}])
        assert isinstance(fresh, Opened)
        # Streams end with their session.
        assert [each.body for each in fresh.lost] == [
            {"attempts": ["sent"]},
            {"attempts": ["waiting"]},
        ]
        assert (device.id, device.unsecured, device.received) == ("new", 0, 0)
        assert device.send("drain", {}) == 1
        assert len(hear(pair.dialer, ["cancel", 1, {"attempt": "c/t/1"}])) == 1

    @pytest.mark.parametrize("received", [5, 0])
    def test_a_hello_that_cannot_be_true_is_not_resumed(self, received: int) -> None:
        pair = opened()
        pair.listener.session.send("cancel", {"attempt": "c/t/1"})
        pair.settle()
        pair.advance(1.0)
        pair.settle()
        pair.cut()
        hello = read_hello(frame(["hello", 0, {**HELLO, "received": received}]), MSGPACK, Limits())
        with pytest.raises(RemoteProtocolError, match="claims to have received"):
            pair.listener.session.resume(hello, MSGPACK, pair.clock())
        assert pair.listener.session.state == State.DETACHED

    def test_a_welcome_that_cannot_be_true_closes(self) -> None:
        pair = opened()
        pair.cut()
        pair.dialer.session.handle(TransportOpened(), pair.clock())
        body = {"version": 1, "session": {"id": "s", "token": "t"}, "resumed": True, "received": 9}
        assert closing(hear(pair.dialer, ["welcome", 0, body])).code == CloseCode.PROTOCOL

    def test_the_codec_of_a_session_stays(self) -> None:
        pair = opened()
        pair.listener.session.send("cancel", {"attempt": "c/t/1"})
        pair.dialer.session.send("drain", {})
        pair.cut()
        hello = read_hello(frame(["hello", 0, HELLO]), MSGPACK, Limits())
        with pytest.raises(LocalProtocolError, match="the codec it began with"):
            pair.listener.session.resume(hello, JSON, pair.clock())
        with pytest.raises(LocalProtocolError, match="the codec it began with"):
            pair.dialer.session.handle(TransportOpened(JSON), pair.clock())
        assert pair.listener.session.state == pair.dialer.session.state == State.DETACHED

    def test_a_newer_connection_takes_over(self) -> None:
        pair = opened()
        pair.listener.session.send("cancel", {"attempt": "c/t/1"})
        pair.listener.session.next_frame(pair.clock())
        hello = read_hello(frame(["hello", 0, HELLO]), MSGPACK, Limits())
        pair.listener.session.resume(hello, MSGPACK, pair.clock())
        assert [each.type for each in said(pair.listener)] == ["welcome", "cancel"]

    def test_the_grace_time_ends_a_session(self) -> None:
        pair = opened(grace_s=60.0)
        pair.cut()
        hub = pair.listener.session
        assert hub.deadline() == pair.clock() + 60.0
        assert hub.handle(Tick(), pair.clock() + 59.9) == []
        (ended,) = hub.handle(Tick(), pair.clock() + 60.0)
        assert isinstance(ended, Ended)
        assert (hub.state, hub.deadline()) == (State.CLOSED, None)
        # Whoever dialled keeps trying: it is for the hub to forget.
        assert pair.dialer.session.deadline() is None

    def test_losing_the_connection_twice_does_not_prolong_the_grace(self) -> None:
        pair = opened(grace_s=60.0)
        pair.cut()
        pair.listener.session.handle(TransportClosed("again"), pair.clock() + 30.0)
        assert pair.listener.session.deadline() == pair.clock() + 60.0


class TestSurvivesBadMessages:
    @pytest.mark.parametrize(
        "message",
        [
            ["levitate", 1, {}],
            ["result", 1, {"attempt": "c/t/1"}],
            ["result", 1, {"attempt": "c/t/1", "state": "perhaps"}],
            ["assign", 1, {"attempt": "c/t/1", "skill": "s", "arguments": {}}],
            ["request", 1, {"id": "1", "verb": "list"}],
            ["levitate", 0, {}],
            ["ping", 0, {"t0": "now"}],
            ["hello", 0, HELLO],
            ["welcome", 0, {}],
        ],
        ids=lambda message: f"{message[0]}-{message[1]}",
    )
    def test_it_is_answered_and_the_session_goes_on(self, message: Any) -> None:
        hub = opened().listener
        name, seq, _ = message
        assert hear(hub, message) == []
        (error,) = said(hub)
        assert error.type == "error"
        assert error.body["code"] == "protocol.remote"
        assert error.body["details"] == {"type": name, "seq": seq}
        assert len(hear(hub, result(seq + 1))) == 1

    def test_a_refused_message_counts_as_received_and_is_acknowledged(self) -> None:
        hub = opened().listener
        hear(hub, ["levitate", 1, {}])
        next_frame = hub.session.next_frame(1_000.0)
        assert next_frame is not None
        assert MSGPACK.decode(next_frame, Limits())[0] == 1

    @pytest.mark.parametrize(
        "message",
        [["result", 0, {"attempt": "a", "state": "failed"}], ["ping", 1, {"t0": 1}]],
        ids=["unnumbered result", "numbered ping"],
    )
    def test_the_wrong_lane_closes(self, message: Any) -> None:
        assert closing(hear(opened().listener, message)).code == CloseCode.PROTOCOL

    def test_only_the_hub_speaks_to_a_device(self) -> None:
        device = opened().dialer
        assert hear(device, result(1)) == []
        assert "a hub does not send it" in said(device)[0].body["message"]

    def test_a_frame_that_cannot_be_read_closes_and_the_session_may_go_on(self) -> None:
        pair = opened()
        done = pair.listener.session.handle(FrameReceived(b"\xc1"), pair.clock())
        assert closing(done).code == CloseCode.PROTOCOL
        assert pair.listener.session.handle(TransportClosed(), pair.clock()) == []
        assert pair.listener.session.state == State.DETACHED

    def test_a_limit_has_a_code_of_its_own(self) -> None:
        hub = opened(listener_limits=Limits(max_frame=4096)).listener
        done = hub.session.handle(FrameReceived(b"\x91" * 5000), 1_000.0)
        assert closing(done).code == CloseCode.LIMIT

    def test_a_refusal_of_ours_is_passed_on(self) -> None:
        error = {"code": "protocol.remote", "message": "no"}
        assert hear(opened().dialer, ["error", 0, error]) == [Refused(error)]


class TestLimits:
    def test_a_body_larger_than_agreed_is_told_and_dropped(self) -> None:
        hub = opened(listener_limits=Limits(max_body=1024, max_frame=8192)).listener
        large = ("output", 2, {"attempt": "c/t/1", "index": 0, "data": "x" * 2000})
        (delivered,) = hear(hub, result(1), large, result(3))
        assert isinstance(delivered, Deliver)
        assert numbers(list(delivered.messages)) == [1, 3]
        (error,) = said(hub)
        assert (error.type, error.body["code"]) == ("error", "protocol.limit")
        assert error.body["details"] == {"type": "output", "seq": 2}

    def test_bodies_that_are_large_only_together_are_taken(self) -> None:
        hub = opened(listener_limits=Limits(max_body=1024, max_frame=8192)).listener
        parts = [
            ("output", n, {"attempt": "c/t/1", "index": n, "data": "x" * 500}) for n in (1, 2, 3)
        ]
        (delivered,) = hear(hub, *parts)
        assert isinstance(delivered, Deliver)
        assert numbers(list(delivered.messages)) == [1, 2, 3]

    def test_a_body_larger_than_the_peer_takes_is_refused_before_sending(self) -> None:
        device = opened(listener_limits=Limits(max_body=2048)).dialer.session
        with pytest.raises(LimitExceeded, match="artifact"):
            device.send("accept", {"attempts": ["x" * 2048]})
        assert device.unsecured == 0

    def test_so_is_one_that_would_not_fit_a_frame(self) -> None:
        device = opened(listener_limits=Limits(max_frame=4096)).dialer.session
        with pytest.raises(LimitExceeded, match="2,048"):
            device.send("accept", {"attempts": ["x" * 3000]})

    @pytest.mark.parametrize(
        ("type", "body"),
        [
            ("levitate", {}),
            ("ping", {"t0": 1}),
            ("accept", {"attempts": object()}),
            ("accept", {"attempts": [], 1: 2}),
        ],
    )
    def test_what_the_peer_would_refuse_is_refused_before_sending(
        self, type: str, body: Any
    ) -> None:
        device = opened().dialer.session
        with pytest.raises(LocalProtocolError):
            device.send(type, body)
        assert device.unsecured == 0

    def test_unacknowledged_messages_are_bounded_in_number(self) -> None:
        pair = opened(listener_limits=Limits(max_outstanding=3))
        pair.listener.secures = False
        for _ in range(3):
            pair.dialer.session.send("drain", {})
        with pytest.raises(LimitExceeded, match="not acknowledged"):
            pair.dialer.session.send("drain", {})
        pair.settle()
        pair.listener.session.acknowledge(1, pair.clock())
        pair.advance(1.0)
        pair.settle()
        assert pair.dialer.session.send("drain", {}) == 4

    def test_and_in_bytes(self) -> None:
        device = opened(listener_limits=Limits(max_outstanding_bytes=3000)).dialer.session
        device.send("accept", {"attempts": ["x" * 2000]})
        with pytest.raises(LimitExceeded, match="not acknowledged"):
            device.send("accept", {"attempts": ["x" * 2000]})

    def test_a_peer_that_floods_is_cut_off(self) -> None:
        hub = opened(listener_limits=Limits(max_outstanding=10)).listener
        assert len(hear(hub, *map(result, range(1, 11)))) == 1
        assert closing(hear(hub, result(11))).code == CloseCode.LIMIT

    def test_so_is_one_that_floods_in_bytes(self) -> None:
        limits = Limits(max_outstanding_bytes=10_000, max_frame=4096)
        hub = opened(listener_limits=limits).listener
        # What comes is counted after it came, so that a frame more may pass.
        assert all(len(hear(hub, result(n, "x" * 2500))) == 1 for n in range(1, 6))
        assert closing(hear(hub, result(6, "x" * 2500))).code == CloseCode.LIMIT

    def test_a_peer_that_is_acknowledged_may_go_on_for_ever(self) -> None:
        limits = Limits(max_outstanding=4, max_outstanding_bytes=10_000, max_frame=4096)
        hub = opened(listener_limits=limits).listener
        for n in range(1, 50):
            done = hear(hub, result(n, "x" * 2500))
            assert [type(each) for each in done] == [Deliver]
            if n > 2:
                hub.session.acknowledge(n - 2, 1_000.0)

    def test_a_peer_that_asks_and_does_not_read_is_cut_off(self) -> None:
        hub = opened().listener
        done: list[Instruction] = []
        for _ in range(MAX_CONTROL + 1):
            done = hear(hub, ["ping", 0, {"t0": 1.0}])
        assert closing(done).code == CloseCode.LIMIT
        # The reason comes first, not behind a thousand answers.
        assert [each.type for each in said(hub)] == ["error"]

    def test_frames_keep_to_what_the_peer_takes(self) -> None:
        limits = Limits(max_frame=4096, max_batch=8)
        pair = opened(listener_limits=limits)
        device = pair.dialer.session
        live = device.open_stream("latest")
        for each in range(4):
            device.write(device.open_stream("reliable"), bytes([each]) * 50_000, pair.clock())
        for n in range(100):
            hear(pair.dialer, ["ping", 0, {"t0": n}])
            device.send("accept", {"attempts": ["x" * (n * 15)]})
        device.write(live, b"x" * 256, pair.clock())
        with pytest.raises(LimitExceeded, match="item"):
            device.write(live, b"x" * 4096, pair.clock())
        pair.settle()
        assert pair.connected
        assert len(pair.listener.messages) == 100

    def test_messages_leave_room_for_streams(self) -> None:
        pair = opened(listener_limits=Limits(max_batch=8))
        device = pair.dialer.session
        stream = device.open_stream("reliable")
        device.write(stream, b"data", pair.clock())
        for _ in range(100):
            device.send("drain", {})
        assert "data" in [each.type for each in said(pair.dialer)]


class TestHeartbeat:
    BEAT = Heartbeat(interval_s=10.0, timeout_s=30.0)

    def test_a_quiet_link_is_asked_for_the_time(self) -> None:
        pair = opened(heartbeat=self.BEAT)
        pair.advance(9.9)
        assert said(pair.dialer, pair.clock()) == []
        pair.advance(0.1)
        (ping,) = said(pair.dialer, pair.clock())
        assert ping == Message("ping", 0, {"t0": pair.clock()})

    def test_round_trip_and_clock_offset_are_measured(self) -> None:
        pair = SessionPair(heartbeat=self.BEAT)
        pair.connect()
        pair.settle()
        device = pair.dialer
        device.session.handle(Tick(), 1_000.0)
        device.session.next_frame(1_000.0)
        pong = ["pong", 0, {"t0": 1_000.0, "t1": 4_000.05, "t2": 4_000.15}]
        hear(device, pong, now=1_000.2)
        assert device.session.rtt_s == pytest.approx(0.1)
        assert device.session.offset_s == pytest.approx(3_000.0)

    def test_a_pong_that_was_not_asked_for_moves_nothing(self) -> None:
        device = opened(heartbeat=self.BEAT).dialer
        before = device.session.offset_s
        hear(device, ["pong", 0, {"t0": 1.0, "t1": 5_000.0, "t2": 5_000.0}])
        assert device.session.offset_s == before

    def test_a_link_that_says_nothing_is_given_up(self) -> None:
        hub = opened(heartbeat=self.BEAT).listener.session
        now = 1_000.0
        assert hub.handle(Tick(), now + 29.9) == []
        assert closing(hub.handle(Tick(), now + 30.0)).code == CloseCode.SILENT
        # It is asked once, and not again at once while the transport closes.
        assert hub.handle(Tick(), now + 30.0) == []

    def test_any_frame_is_a_sign_of_life(self) -> None:
        hub = opened(heartbeat=self.BEAT).listener
        hear(hub, now=1_020.0)
        assert hub.session.handle(Tick(), 1_049.0) == []


class TestEnd:
    def test_bye_ends_both_sides(self) -> None:
        pair = opened()
        close, ended = pair.dialer.session.end("enough")
        assert (close, ended) == (CloseTransport(CloseCode.BYE, "enough"), Ended("enough"))
        pair.carry(pair.listener)
        assert pair.listener.instructions[-1] == Ended("enough")
        assert pair.listener.session.state == pair.dialer.session.state == State.CLOSED

    def test_what_waits_goes_before_the_end(self) -> None:
        pair = opened()
        hub = pair.listener
        (delivered, *_) = hear(hub, result(1), ["bye", 0, {"reason": "done"}], result(2))
        assert delivered == Deliver([Message(*result(1))])
        assert hub.session.state == State.CLOSED

    def test_it_ends_once(self) -> None:
        bye = ["bye", 0, {"reason": "done"}]
        hub = opened().listener
        assert [type(each) for each in hear(hub, bye, bye)] == [CloseTransport, Ended]
        assert hear(hub, bye) == []
        assert hub.session.end("again") == []

    def test_a_detached_session_ends_without_a_word(self) -> None:
        pair = opened()
        pair.cut()
        assert pair.listener.session.end("enough") == [Ended("enough")]

    def test_nothing_can_be_sent_after_it(self) -> None:
        pair = opened()
        pair.dialer.session.end("enough")
        with pytest.raises(LocalProtocolError, match="has ended"):
            pair.dialer.session.send("drain", {})
