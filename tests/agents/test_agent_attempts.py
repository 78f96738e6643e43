"""The table of attempts, against a naive model."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.attempts import Attempt, Attempts, Stage
from agents.errors import Overloaded, UnknownSkill
from agents.skills import Registry, skill
from constellation.errors import SkillError


@skill("wide", effect="read")
async def wide() -> None: ...


@skill("narrow", effect="read", capacity=1, timeout_s=7)
async def narrow(size: int = 1) -> None: ...


def make(capacity: int = 2) -> Attempts:
    return Attempts(Registry([wide, narrow]), capacity)


def body(attempt: str, name: str = "wide", **more: object) -> dict[str, object]:
    return {"attempt": attempt, "skill": name, "arguments": {}, **more}


def test_an_assignment_becomes_an_attempt() -> None:
    attempts = make()
    attempt = attempts.take(
        body("c/t/1", "narrow", arguments={"size": 3}, context={"task": "t", "name": "Tidy"})
    )
    assert attempt.arguments == {"size": 3}
    assert attempt.task == "Tidy"
    assert attempt.timeout_s == 7, "the skill's own"
    assert attempt.idempotent, "as the skill says"
    given = attempts.take(body("c/t/2", "narrow", timeout_s=1, idempotent=False))
    assert (given.timeout_s, given.idempotent) == (1, False)


def test_words_go_to_the_skill_that_takes_words() -> None:
    @skill("agent.do")
    async def do(instruction: str) -> None: ...

    attempts = Attempts(Registry([do]), 2)
    attempt = attempts.take(body("c/t/1", "", instruction="Tidy up."))
    assert (attempt.skill, attempt.arguments) == (do, {"instruction": "Tidy up."})


def test_what_cannot_be_taken_leaves_no_trace() -> None:
    attempts = make()
    for wrong, error in (
        (body("a", "none"), UnknownSkill),
        (body("b", "", instruction="do it"), UnknownSkill),
        (body("c", "narrow", arguments={"size": "big"}), SkillError),
    ):
        with pytest.raises(error):
            attempts.take(wrong)
    assert attempts.open == {}
    with pytest.raises(UnknownSkill, match="no skill 'none'") as caught:
        attempts.take(body("a", "none"))
    assert "narrow, wide" in caught.value.remedy


def test_ids_are_remembered_for_long_but_not_for_ever() -> None:
    attempts = make(capacity=1)
    for number in range(10_001):
        attempts.end(attempts.take(body(f"c/t/{number}")))
    assert attempts.known("c/t/10000")
    assert attempts.known("c/t/1")
    assert not attempts.known("c/t/0")


class Table(RuleBasedStateMachine):
    """Takes, runs and ends attempts at random."""

    @initialize(capacity=st.integers(1, 4))
    def begin(self, capacity: int) -> None:
        self.capacity = capacity
        self.attempts = make(capacity)
        self.waiting: list[Attempt] = []
        self.running: list[Attempt] = []
        self.asking: list[Attempt] = []
        self.taken = 0

    @rule(name=st.sampled_from(["wide", "narrow"]), asks=st.booleans())
    def assign(self, name: str, asks: bool) -> None:
        self.taken += 1
        new = f"c/t/{self.taken}"
        assert not self.attempts.known(new)
        if len(self.waiting + self.asking) > self.capacity:
            with pytest.raises(Overloaded):
                self.attempts.take(body(new, name))
            return
        attempt = self.attempts.take(body(new, name))
        if asks:
            attempt.stage = Stage.ASKING
            self.asking.append(attempt)
        else:
            self.queue(attempt)
        assert self.attempts.known(new)

    def queue(self, attempt: Attempt) -> None:
        self.attempts.queue(attempt)
        self.waiting.append(attempt)
        self.admit()

    def admit(self) -> None:
        expected = []
        for attempt in self.waiting:
            if len(self.running) + len(expected) == self.capacity:
                break
            same = [each for each in self.running + expected if each.skill is attempt.skill]
            if attempt.skill is wide or not same:
                expected.append(attempt)
        assert self.attempts.admit() == expected
        self.running += expected
        self.waiting = [attempt for attempt in self.waiting if attempt not in expected]

    @precondition(lambda self: self.asking)
    @rule()
    def approve(self) -> None:
        self.queue(self.asking.pop(0))

    @precondition(lambda self: self.attempts.open)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(list(self.attempts.open.values())))
        self.attempts.end(attempt)
        for group in (self.waiting, self.running, self.asking):
            if attempt in group:
                group.remove(attempt)
        self.admit()

    @invariant()
    def the_table_agrees(self) -> None:
        everything = self.waiting + self.running + self.asking
        assert sorted(self.attempts.open) == sorted(attempt.id for attempt in everything)
        assert len(self.running) <= self.capacity
        assert sum(attempt.skill is narrow for attempt in self.running) <= 1


TestTable = Table.TestCase
TestTable.settings = settings(max_examples=60, stateful_step_count=40)
