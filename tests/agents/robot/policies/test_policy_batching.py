"""Batches of questions: by deadline, as large as helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.robot.policies.batching import Costs, Queue, Waiting

# A large model on one GPU: milliseconds by size.
GPU = Costs({1: 0.0405, 2: 0.0461, 4: 0.0554, 8: 0.0764, 16: 0.124})


def queue(*deadlines: float, costs: Costs = GPU, most: int = 16) -> Queue:
    waiting = Queue(costs, most)
    for number, deadline in enumerate(deadlines):
        waiting.add(Waiting(number, deadline))
    return waiting


def test_costs_are_interpolated_and_go_on() -> None:
    costs = Costs({1: 1.0, 4: 4.0, 8: 6.0})
    assert [costs(size) for size in (1, 2, 4, 6, 8, 10)] == pytest.approx([1, 2, 4, 5, 6, 7])
    assert Costs({2: 2.0})(9) == 9.0
    for nothing in ({}, {0: 1.0}):
        with pytest.raises(ValueError, match="size"):
            Costs(nothing)


def test_those_who_have_time_go_together() -> None:
    waiting = queue(*[1.0] * 16)
    assert sorted(waiting.take(0.0)) == list(range(16))
    assert len(waiting) == 0
    assert waiting.take(0.0) == []


def test_the_earliest_deadline_goes_first() -> None:
    assert queue(9.0, 7.0, 8.0, most=2).take(0.0) == [1, 2]


def test_a_batch_is_smaller_where_a_larger_one_would_be_late() -> None:
    # All eight take 76 ms. The first has 50 ms; with one more it is in time, with two it is not.
    assert queue(0.05, *[1.0] * 7).take(0.0) == [0, 1]


def test_who_is_late_anyway_makes_nobody_else_late() -> None:
    waiting = queue(0.01, 0.05)
    assert waiting.take(0.0) == [1, 0]
    lonely = queue(0.01)
    assert lonely.take(0.0) == [0]
    strict = queue(0.01, 0.045)
    assert strict.take(0.0) == [1]
    assert strict.take(0.041) == [0]


def test_who_would_be_late_in_a_batch_keeps_nobody_from_being_in_time() -> None:
    # Alone the first could be in time, but then only few of those who come after it.
    assert queue(0.05, *[0.124] * 16).take(0.0) == list(range(1, 17))


@given(
    deadlines=st.lists(st.floats(0.0, 2.0), max_size=40),
    most=st.integers(1, 16),
    now=st.floats(0.0, 1.0),
)
def test_everyone_is_answered_once_and_those_in_time_go_first(
    deadlines: list[float], most: int, now: float
) -> None:
    waiting, answered = queue(*deadlines, most=most), list[int]()
    while len(waiting):
        left = [at for number, at in enumerate(deadlines) if number not in answered]
        batch = waiting.take(now)
        done = now + GPU(len(batch))
        assert 1 <= len(batch) <= most
        if any(deadline >= now + GPU(1) for deadline in left):
            assert any(deadlines[each] >= done for each in batch)
        in_time = [deadlines[each] for each in batch if deadlines[each] >= done]
        assert in_time == sorted(in_time)
        answered += batch
        now = done
    assert sorted(answered) == list(range(len(deadlines)))


def test_a_question_that_was_given_up_is_not_worked_through() -> None:
    waiting = queue(1.0, 2.0)
    waiting.drop(0)
    waiting.drop(99)
    assert waiting.take(0.0) == [1]


def test_batches_meet_deadlines_that_one_at_a_time_cannot() -> None:
    """16 robots that ask every 200 ms and need an answer in 180."""

    def late(most: int) -> int:
        waiting, now, missed, deadlines = Queue(GPU, most), 0.0, 0, dict[int, float]()
        rng = np.random.default_rng(0)
        comes = sorted(
            (round_ * 0.2 + float(phase), robot, round_)
            for robot, phase in enumerate(rng.uniform(0, 0.2, 16))
            for round_ in range(20)
        )
        while comes or len(waiting):
            if not len(waiting):
                now = max(now, comes[0][0])
            while comes and comes[0][0] <= now:
                at, robot, round_ = comes.pop(0)
                number = round_ * 16 + robot
                deadlines[number] = at + 0.18
                waiting.add(Waiting(number, at + 0.18))
            batch = waiting.take(now)
            now += GPU(len(batch))
            missed += sum(deadlines[number] < now for number in batch)
        return missed

    assert late(most=16) == 0
    assert late(most=1) > 200
