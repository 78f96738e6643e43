from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from constellation.aip.heartbeat import Heartbeat
from constellation.aip.session import Ended, Opened, State
from constellation.testing.memory import SessionPair


def test_opens_and_delivers() -> None:
    pair = SessionPair()
    pair.connect()
    pair.settle()
    assert pair.dialer.session.state == pair.listener.session.state == State.OPEN
    pair.dialer.session.send("accept", {"attempts": ["c/t/1"]})
    pair.settle()
    assert [message.body for message in pair.listener.messages] == [{"attempts": ["c/t/1"]}]


def test_a_cut_loses_what_was_on_its_way_and_the_session_mends_it() -> None:
    pair = SessionPair()
    pair.connect()
    pair.settle()
    pair.dialer.session.send("accept", {"attempts": []})
    pair.cut(lost_frames=1)
    assert pair.listener.messages == []
    pair.connect()
    pair.settle()
    assert len(pair.listener.messages) == 1
    assert [each.resumed for each in pair.dialer.instructions if isinstance(each, Opened)] == [
        False,
        True,
    ]


def test_time_passes_only_when_told_to() -> None:
    pair = SessionPair(grace_s=60.0)
    pair.connect()
    pair.settle()
    pair.cut()
    pair.advance(59.9)
    assert pair.listener.session.state == State.DETACHED
    pair.advance(0.2)
    assert isinstance(pair.listener.instructions[-1], Ended)


def test_a_silent_link_is_cut() -> None:
    pair = SessionPair(heartbeat=Heartbeat(interval_s=1.0, timeout_s=3.0))
    pair.connect()
    pair.settle()
    pair.advance(3.0)
    assert not pair.connected


class Chaos(RuleBasedStateMachine):
    """Messages both ways over a link that breaks at any moment arrive once and in order."""

    def __init__(self) -> None:
        super().__init__()
        # Cuts may last: nobody gives up here.
        self.pair = SessionPair(grace_s=1e9)
        self.sent = {"accept": 0, "cancel": 0}
        self.pair.connect()
        self.pair.settle()

    @rule(count=st.integers(1, 5))
    def device_sends(self, count: int) -> None:
        for _ in range(count):
            self.pair.dialer.session.send("accept", {"attempts": [str(self.sent["accept"])]})
            self.sent["accept"] += 1

    @rule(count=st.integers(1, 5))
    def hub_sends(self, count: int) -> None:
        for _ in range(count):
            self.pair.listener.session.send("cancel", {"attempt": str(self.sent["cancel"])})
            self.sent["cancel"] += 1

    @rule(frames=st.integers(1, 3), to_hub=st.booleans())
    def carry(self, frames: int, to_hub: bool) -> None:
        self.pair.carry(self.pair.listener if to_hub else self.pair.dialer, frames)

    @precondition(lambda self: self.pair.connected)
    @rule(lost_frames=st.integers(0, 2))
    def cut(self, lost_frames: int) -> None:
        self.pair.cut(lost_frames)

    @precondition(lambda self: not self.pair.connected)
    @rule()
    def connect(self) -> None:
        self.pair.connect()

    @rule(seconds=st.floats(0.0, 5.0))
    def advance(self, seconds: float) -> None:
        self.pair.advance(seconds)

    @rule()
    def settle(self) -> None:
        if not self.pair.connected:
            self.pair.connect()
        self.pair.settle()
        device, hub = self.pair.dialer.messages, self.pair.listener.messages
        assert [int(message.body["attempts"][0]) for message in hub] == list(
            range(self.sent["accept"])
        )
        assert [int(message.body["attempt"]) for message in device] == list(
            range(self.sent["cancel"])
        )

    def teardown(self) -> None:
        self.settle()
        self.pair.advance(0.1)
        self.pair.settle()
        assert self.pair.dialer.session.unsecured == self.pair.listener.session.unsecured == 0


TestChaos = Chaos.TestCase
TestChaos.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
