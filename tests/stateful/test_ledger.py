"""A gateway's ledger of a device: nothing is acknowledged that an owner has not secured, nothing is
sent beyond what the device takes, and no attempt is forgotten or sent twice."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from constellation.cluster.ledger import Ledger, Said, constellation_of

OWNERS = st.sampled_from(["o1", "o2"])
NAMES = st.sampled_from(["c", "d"])


class Device(RuleBasedStateMachine):
    """A device, its ledger, and two owners that give it attempts of two constellations."""

    @initialize(capacity=st.integers(1, 3), brought=st.integers(0, 2))
    def begin(self, capacity: int, brought: int) -> None:
        self.running = [f"c/old{n}/1" for n in range(brought)]
        self.ledger = Ledger(capacity, running=self.running)
        self.capacity = capacity
        self.seq = 0
        self.count = 0
        self.given: dict[str, str] = {}  # attempts that wait, by owner
        self.kept: dict[int, Said] = {}  # what was said and not secured

    @rule(owner=OWNERS, name=NAMES)
    def an_owner_gives_an_attempt(self, owner: str, name: str) -> None:
        self.count += 1
        attempt = f"{name}/t{self.count}/1"
        if self.ledger.give(owner, attempt, {"attempt": attempt}):
            assert not self.given, "it went before others"
            self.start(attempt)
        else:
            self.given[attempt] = owner

    def start(self, attempt: str) -> None:
        assert attempt not in self.running
        assert len(self.running) < self.capacity
        self.running.append(attempt)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), type=st.sampled_from(["result", "reject", "input_required", "progress"]))
    def the_device_speaks_of_an_attempt(self, data: st.DataObject, type: str) -> None:
        attempt = data.draw(st.sampled_from(self.running))
        self.seq += 1
        said = self.ledger.take(self.seq, type, {"attempt": attempt})
        if type != "progress":
            self.kept[self.seq] = said
        if type in ("result", "reject"):
            self.running.remove(attempt)
            for body in self.ledger.take_waiting():
                assert body["attempt"] == next(iter(self.given)), "the first waits on"
                del self.given[body["attempt"]]
                self.start(body["attempt"])

    @rule()
    def the_device_speaks_of_itself(self) -> None:
        self.seq += 1
        self.ledger.pass_by(self.seq)

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def an_owner_secures_something(self, data: st.DataObject) -> None:
        seqs = data.draw(st.lists(st.sampled_from(sorted(self.kept)), unique=True))
        self.ledger.secure([*seqs, 10_000])
        for seq in seqs:
            del self.kept[seq]

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def an_owner_takes_back(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(list(self.given)))
        assert self.ledger.withdraw(attempt)
        assert not self.ledger.withdraw(attempt)
        del self.given[attempt]

    @rule(name=NAMES, owner=OWNERS)
    def a_constellation_has_another_owner(self, name: str, owner: str) -> None:
        self.ledger.drop_waiting(name)
        self.ledger.pass_on(name, owner)
        self.given = {
            attempt: giver
            for attempt, giver in self.given.items()
            if constellation_of(attempt) != name
        }
        if any(constellation_of(attempt) == name for attempt in self.running):
            assert owner in self.ledger.users

    @rule(owner=OWNERS)
    def an_owner_is_gone(self, owner: str) -> None:
        self.ledger.forget_owner(owner)
        assert owner not in self.ledger.users

    @invariant()
    def what_is_not_secured_is_not_acknowledged(self) -> None:
        if hasattr(self, "ledger"):
            expected = min(self.kept) - 1 if self.kept else self.seq
            assert self.ledger.secured == expected
            for name in "cd":
                assert self.ledger.unsecured(name) == [
                    said
                    for said in self.kept.values()
                    if constellation_of(said.body["attempt"]) == name
                ]

    @invariant()
    def every_attempt_is_accounted_for(self) -> None:
        if hasattr(self, "ledger"):
            running, held = self.ledger.account()
            assert sorted(running) == sorted([*self.running, *self.given])
            ended = {
                said.body["attempt"]
                for said in self.kept.values()
                if said.type in ("result", "reject")
            }
            assert set(held) == ended
            assert {constellation_of(each) for each in running} <= self.ledger.constellations


TestDevice = Device.TestCase
TestDevice.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
