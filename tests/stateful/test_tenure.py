"""Leases of several orchestrators, whatever is late, stopped or lost.

The model of the bucket is one of compare-and-set with revisions. Between a read or a write and its
answer time may pass and others may act; an orchestrator may stand still for any time and go on.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from constellation.cluster.tenure import (
    Buried,
    Bury,
    Claim,
    Claimed,
    ClaimsSeen,
    Instruction,
    Kept,
    LeasesSeen,
    LookAround,
    ReadClaims,
    Renew,
    Resign,
    Revoked,
    Tenure,
    Tick,
    preferred,
)

LEASE_S = 10.0


class Leases(RuleBasedStateMachine):
    """Three orchestrators, one bucket of leases and one of claims."""

    @initialize()
    def begin(self) -> None:
        self.now = 100.0
        self.revision = 0
        self.lives = 0
        self.leases: dict[str, int] = {}
        self.claims: dict[str, Claimed] = {}
        self.machines: dict[str, Tenure] = {}
        self.own: dict[str, int] = {}
        self.gone: dict[str, Tenure] = {}
        # What was begun and not yet answered: (owner, when, instruction).
        self.open: list[tuple[str, float, Instruction]] = []
        self.answers: list[tuple[str, object]] = []
        for _ in range(3):
            self.start()

    def start(self) -> None:
        self.lives += 1
        me = f"o{self.lives}"
        self.machines[me] = Tenure(me, LEASE_S, self.now)
        self.own[me] = 0

    def write(self) -> int:
        self.revision += 1
        return self.revision

    def feed(self, me: str, event: object) -> None:
        for each in self.machines[me].handle(event, self.now):  # type: ignore[arg-type]
            if isinstance(each, Resign):
                self.gone[me] = self.machines.pop(me)
                self.open = [one for one in self.open if one[0] != me]
                self.start()
                return
            self.open.append((me, self.now, each))

    # ── what may happen ─────────────────────────────────────────────────────────────────────────

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0, 5.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(data=st.data())
    def one_is_woken(self, data: st.DataObject) -> None:
        due = [me for me, each in self.machines.items() if (each.deadline() or 0.0) <= self.now]
        if due:
            self.feed(data.draw(st.sampled_from(due)), Tick())

    @rule(data=st.data(), answered=st.booleans())
    def something_is_done(self, data: st.DataObject, answered: bool) -> None:
        """The bucket does what was asked; its answer comes at once, later or never."""
        if not self.open:
            return
        me, asked_at, asked = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        event = self.do(me, asked_at, asked)
        if event is not None and answered:
            self.hear(me, event)
        elif event is not None:
            self.answers.append((me, event))

    @rule(data=st.data(), lost=st.booleans())
    def an_answer_comes_late(self, data: st.DataObject, lost: bool) -> None:
        if self.answers:
            place = data.draw(st.integers(0, len(self.answers) - 1))
            me, event = self.answers.pop(place)
            if not lost:
                self.hear(me, event)

    def hear(self, me: str, event: object) -> None:
        if me in self.machines:
            self.feed(me, event)

    def do(self, me: str, asked_at: float, asked: Instruction) -> object | None:
        match asked:
            case Renew():
                if self.leases.get(me, 0) != self.own[me]:
                    return Revoked()
                self.leases[me] = self.own[me] = self.write()
                return Kept(asked_at)
            case LookAround():
                return LeasesSeen(dict(self.leases))
            case Bury(owner, revision):
                if self.leases.get(owner) != revision:
                    return None
                del self.leases[owner]
                self.check_is_over(owner)
                return Buried(owner)
            case ReadClaims():
                return ClaimsSeen(dict(self.claims), frozenset(self.leases))
            case Claim(constellation, epoch):
                found = self.claims.get(constellation)
                if found is not None and found.epoch == epoch:
                    self.check_is_over(found.owner)
                    self.claims[constellation] = Claimed(me, self.write())
        return None

    def check_is_over(self, owner: str) -> None:
        """Whose lease is buried, and whose work is taken over, may not act any more."""
        machine = self.machines.get(owner) or self.gone[owner]
        assert not machine.holds(self.now), f"{owner} still acts"

    @rule(data=st.data(), name=st.sampled_from("abcdef"))
    def somebody_begins_a_constellation(self, data: st.DataObject, name: str) -> None:
        holders = [me for me, each in self.machines.items() if each.holds(self.now)]
        if holders and name not in self.claims:
            owner = data.draw(st.sampled_from(holders))
            self.claims[name] = Claimed(owner, self.write())

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        """Nobody is slow, and every answer comes: then everything is owned by one who lives."""
        self.open.clear()
        self.answers.clear()
        for _ in range(40):
            self.now += 1.0
            for me in list(self.machines):
                if me in self.machines and (self.machines[me].deadline() or 0.0) <= self.now:
                    self.feed(me, Tick())
            while self.open:
                me, asked_at, asked = self.open.pop(0)
                event = self.do(me, asked_at, asked)
                if event is not None:
                    self.hear(me, event)
        for name, claimed in self.claims.items():
            assert claimed.owner in self.machines, f"{name} is left to {claimed.owner}"
            assert self.machines[claimed.owner].holds(self.now)

    @invariant()
    def an_owner_that_has_resigned_stays_so(self) -> None:
        for machine in self.gone.values() if hasattr(self, "gone") else ():
            assert not machine.holds(self.now)
            assert machine.deadline() is None


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)


def test_what_one_had_is_shared_out_and_the_rest_stays() -> None:
    names = [f"c{n}" for n in range(300)]
    three = frozenset({"a", "b", "c"})
    before = {name: preferred(name, three) for name in names}
    after = {name: preferred(name, three - {"b"}) for name in names}
    assert {before[name] for name in names} == three
    assert all(after[name] == before[name] for name in names if before[name] != "b")
    moved = [after[name] for name in names if before[name] == "b"]
    assert 0.3 < moved.count("a") / len(moved) < 0.7


def test_a_lease_counts_from_when_its_renewal_was_sent() -> None:
    tenure = Tenure("me", LEASE_S, 0.0)
    tenure.handle(Kept(1.0), 8.0)
    assert tenure.holds(10.9)
    assert not tenure.holds(11.0)
    assert tenure.deadline() == 0.0
    assert tenure.handle(Tick(), 11.0) == [Resign()]
    assert tenure.handle(Kept(12.0), 12.0) == []
    assert not tenure.holds(12.0)


def test_what_another_leaves_in_good_order_is_looked_for_at_once() -> None:
    tenure = Tenure("me", LEASE_S, 0.0)
    tenure.handle(Kept(0.0), 0.0)
    assert tenure.handle(LeasesSeen({"me": 1, "you": 2}), 1.0) == []
    assert tenure.handle(LeasesSeen({"me": 3}), 2.0) == [ReadClaims()]
    claims = {"c": Claimed("you", 5), "d": Claimed("me", 6)}
    assert tenure.handle(ClaimsSeen(claims, frozenset({"me"})), 2.0) == [Claim("c", 5)]
