"""What a constellation spends on models: counted, kept, and shared by tasks in plain words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheduling_kit import Kit, work

from constellation.aip.cards import SkillCard
from constellation.graph.task import Dependency, Outcome, Task, TaskState
from constellation.orchestrator.events import Assign, AttemptFinished, CancelRequested, PlannerPaid
from constellation.orchestrator.run import Run
from constellation.orchestrator.spending import IN_WORDS, Spent, read_usage

SKILLS = (SkillCard(name=IN_WORDS), SkillCard(name="work"))
DONE = Outcome(TaskState.COMPLETED, None)


def words(id: str) -> Task:
    return Task(id, instruction="Find it out.")


def kit() -> Kit:
    found = Kit()
    found.join("a", capacity=8, skills=SKILLS)
    return found


def given_to(kit: Kit, attempt: str) -> float | None:
    """What an attempt may cost."""
    bodies = [each.body for each in kit.said if isinstance(each, Assign)]
    body = next(body for body in bodies if body["attempt"] == attempt)
    cost: float | None = body.get("max_cost")
    return cost


def end(kit: Kit, attempt: str, cost: float, outcome: Outcome = DONE) -> None:
    usage = {"tokens": 100, "cost": cost}
    kit.send(AttemptFinished("a", attempt, outcome, None, usage))


def test_what_plan_revisions_and_tasks_took_is_added_up_and_survives() -> None:
    each = kit()
    each.submit(work("x"), work("y"), tokens=900, cost=0.25)
    each.send(PlannerPaid("c", 100, 0.05))
    end(each, "c/x/1", 0.5)
    assert each.run().spent == Spent(1100, 0.8)
    assert each.run().spent_by == {"planner": Spent(1000, 0.3), "tasks": Spent(100, 0.5)}
    assert each.facts("spent")[-1] == {"by": "tasks", "task": "x", "tokens": 100, "cost": 0.5}
    assert each.restarted().run().spent_by == each.run().spent_by
    assert Run.restore(each.run().snapshot()).spent_by == each.run().spent_by


def test_a_failed_attempt_is_paid_as_well() -> None:
    each = kit()
    each.submit(work("x"), work("y"))
    error = {"code": "task.failed", "message": "no"}
    end(each, "c/x/1", 0.5, Outcome(TaskState.FAILED, None, error))
    assert each.run().spent == Spent(100, 0.5)


def test_a_constellation_that_has_ended_takes_no_more_facts() -> None:
    each = kit()
    each.submit(work("x"))
    each.send(CancelRequested("c"))
    end(each, "c/x/1", 0.5, Outcome(TaskState.CANCELED, None, {"code": "task.canceled"}))
    assert each.facts("spent") == []


def test_without_a_bound_nothing_is_shared_out() -> None:
    each = kit()
    each.submit(words("w"))
    assert given_to(each, "c/w/1") is None


def test_tasks_in_words_share_what_is_left_evenly() -> None:
    each = kit()
    later = Dependency("w", "z")
    each.submit(
        words("w"),
        words("v"),
        words("z"),
        work("x"),
        edges=[later],
        max_cost=1.0,
        cost=0.1,
        tokens=1,
    )
    assert given_to(each, "c/w/1") == pytest.approx(0.3)
    assert given_to(each, "c/v/1") == pytest.approx(0.3)
    assert given_to(each, "c/x/1") is None
    other = each.restarted()
    assert [attempt.max_cost for attempt in other.run().attempts("w")] == [pytest.approx(0.3)]
    end(each, "c/w/1", 0.2)
    # v still has its share; what w left over is for z.
    assert given_to(each, "c/z/1") == pytest.approx(1.0 - 0.1 - 0.2 - 0.3)


def test_with_nothing_left_a_task_in_words_fails_and_others_run() -> None:
    each = kit()
    each.submit(words("w"), work("x"), max_cost=0.5, tokens=1, cost=0.5)
    assert each.error("w")["code"] == "task.failed.budget"
    assert "may cost 0.5" in each.error("w")["message"]
    assert each.on("a") == ["c/x/1"]


def test_the_elements_of_a_map_share_what_is_left() -> None:
    each = kit()
    mapped = Task("m", instruction="Look at ${item}.", for_each="${x.output}")
    each.submit(work("x"), mapped, edges=[Dependency("x", "m")], max_cost=0.9)
    each.finish("c/x/1", ["a", "b", "c"])
    shares = [given_to(each, attempt) for attempt in each.on("a")]
    assert shares == [pytest.approx(0.3)] * 3


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=8))
def test_what_may_be_spent_at_any_time_never_passes_the_bound(
    ends: list[tuple[bool, float]],
) -> None:
    """Whatever part of its share each of them takes, and in whatever order they end."""
    each = kit()
    each.submit(*(words(f"w{number}") for number in range(6)), max_cost=1.0)
    for first, part in ends:
        open_now = each.on("a")
        if not open_now:
            break
        attempt = open_now[0 if first else -1]
        end(each, attempt, part * (given_to(each, attempt) or 0.0))
        running = sum(given_to(each, attempt) or 0.0 for attempt in each.on("a"))
        assert each.run().spent.cost + running <= 1.0 + 1e-6


@pytest.mark.parametrize(
    "plain",
    [
        None,
        5,
        {},
        {"tokens": -1},
        {"tokens": "9"},
        {"cost": float("nan")},
        {"tokens": 0, "cost": 0},
    ],
)
def test_what_no_device_can_have_spent_is_not_counted(plain: Any) -> None:
    assert read_usage(plain) is None
