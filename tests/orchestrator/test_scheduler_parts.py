"""The small parts of the scheduler on their own: timers, estimates, attempts, invariants."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheduling_kit import Kit, look, work

from constellation.errors import InvalidTransition
from constellation.graph.task import Outcome, TaskState
from constellation.orchestrator.attempts import (
    TRANSITIONS,
    Attempt,
    AttemptName,
    Life,
    read_attempt_id,
)
from constellation.orchestrator.estimates import DEFAULT_S, Estimate, Estimates
from constellation.orchestrator.events import AttemptFinished
from constellation.orchestrator.invariants import InvariantError, check
from constellation.orchestrator.timers import Key, Timers

# ── timers ──────────────────────────────────────────────────────────────────────────────────────

keys = st.tuples(st.sampled_from("abcd"))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), keys, st.integers(0, 20)),
            st.tuples(st.just("drop"), keys, st.just(0)),
            st.tuples(st.just("take"), st.just(("",)), st.integers(0, 20)),
        ),
        max_size=60,
    )
)
def test_timers_behave_like_a_dict_of_times(steps: list[tuple[str, Key, int]]) -> None:
    timers = Timers()
    model: dict[Key, int] = {}
    for step, key, time in steps:
        if step == "set":
            timers.set(key, time)
            model[key] = time
        elif step == "drop":
            timers.drop(key)
            model.pop(key, None)
        else:
            taken = timers.take(time)
            if taken is None:
                assert all(at > time for at in model.values())
            else:
                assert model.pop(taken) <= time
        assert timers.next() == min(model.values(), default=None)
        assert len(timers) == len(model)


def test_timers_that_are_moved_again_and_again_do_not_pile_up() -> None:
    timers = Timers()
    for time in range(10_000):
        timers.set(("a",), float(time))
    assert len(timers._heap) < 100
    assert timers.next() == 9_999.0


# ── estimates ───────────────────────────────────────────────────────────────────────────────────


def test_an_estimate_of_few_durations_is_their_mean_and_variance() -> None:
    estimate = Estimate()
    for duration in (1.0, 2.0, 3.0, 6.0):
        estimate.observe(duration)
    assert estimate.mean == pytest.approx(3.0)
    assert estimate.variance == pytest.approx(3.5)


def test_an_estimate_follows_a_change() -> None:
    estimate = Estimate()
    for _ in range(100):
        estimate.observe(1.0)
    for _ in range(50):
        estimate.observe(5.0)
    assert estimate.mean == pytest.approx(5.0, abs=0.05)


def test_its_upper_bound_is_wide_while_little_is_known() -> None:
    few, many = Estimate(1.0, 1.0, 2), Estimate(1.0, 1.0, 50)
    assert few.upper(3.0) > many.upper(3.0) > 4.0
    assert Estimate(1.0, 0.0, 50).upper(3.0) == 2.0
    assert Estimate().upper(3.0) == math.inf


def test_what_is_not_known_of_a_device_is_taken_from_others() -> None:
    estimates = Estimates()
    assert estimates.expected("look") == DEFAULT_S
    estimates.observe(estimates.of("a"), "look", 4.0)
    assert estimates.expected("look") == 4.0
    assert estimates.expected("other") == 4.0


def test_the_others_are_those_that_are_known_well_enough() -> None:
    estimates = Estimates()
    for name, seconds, count in (("a", 1.0, 4), ("b", 3.0, 4), ("c", 50.0, 3), ("d", 2.0, 9)):
        for _ in range(count):
            estimates.observe(estimates.of(name), "look", seconds)
    assert estimates.of_others("a", "look") == pytest.approx(2.5)
    assert estimates.of_others("a", "work") is None


@pytest.mark.parametrize("claimed", [-1.0, math.nan, math.inf, 1e9])
def test_a_device_cannot_teach_nonsense(claimed: float) -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"))
    kit.now = 2.0
    kit.send(AttemptFinished("a", "c/x/1", Outcome(TaskState.COMPLETED), claimed))
    assert kit.scheduler.devices["a"].durations["look"].mean == 2.0


# ── attempts ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life", list(TRANSITIONS))
def test_the_table_is_what_an_attempt_does(life: Life) -> None:
    for event in ("ask", "answer", "stop", "end"):
        attempt = Attempt("c", "x", 1, "a", "look", 0.0, True)
        attempt.life = life
        following = TRANSITIONS[life].get(event)
        if following is None:
            with pytest.raises(InvalidTransition, match="Attempt c/x/1"):
                attempt.move(event)
        else:
            attempt.move(event)
            assert attempt.life is following


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("c-1/x[3]/12", AttemptName("c-1", "x[3]", 12, False)),
        ("c/x/1b", AttemptName("c", "x", 1, True)),
        ("c/x/", None),
        ("c/x/-1", None),
        ("c/x/²", None),
        ("c/x/" + "9" * 5000, None),
        ("/x/1", None),
        ("c//1", None),
        ("x", None),
    ],
)
def test_attempt_ids_are_read_with_care(text: str, name: AttemptName | None) -> None:
    assert read_attempt_id(text) == name


# ── invariants ──────────────────────────────────────────────────────────────────────────────────


def running() -> Kit:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(work("x"), work("y"))
    return kit


def credit(kit: Kit) -> None:
    kit.scheduler.devices["a"].credit = 3


def leak(kit: Kit) -> None:
    kit.scheduler.devices["a"].running.clear()


def forget(kit: Kit) -> None:
    kit.run().live.clear()


def lose(kit: Kit) -> None:
    kit.scheduler.state.queues.discard("c", "y")


def hold(kit: Kit) -> None:
    kit.scheduler.state.resources["camera"] = "c/x/1"


def idle(kit: Kit) -> None:
    device = kit.scheduler.devices["a"]
    device.adopt(device.card.model_copy(update={"capacity": 2}))
    kit.scheduler.state.recount(device)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (credit, "counts credit"),
        (leak, "is not on a"),
        (forget, "without an attempt"),
        (lose, "queued 0 times"),
        (hold, "resources are"),
        (idle, "waits although a could take it"),
    ],
)
def test_what_is_wrong_is_named(harm: Callable[[Kit], None], words: str) -> None:
    kit = running()
    check(kit.scheduler, 0.0)
    harm(kit)
    with pytest.raises(InvariantError, match=words):
        check(kit.scheduler, 0.0)
