"""Streaming dependencies in the scheduler: who begins when, and who begins anew."""

from __future__ import annotations

from typing import Any

import pytest
from scheduling_kit import SKILLS, Kit, look, work

from constellation.graph.edits import CancelTask, RetryTask
from constellation.graph.task import RetryPolicy, Task
from constellation.orchestrator.events import Assign, StreamBegan
from constellation.orchestrator.settings import Settings

ITEMS = {"of": "${a.items}"}
READING = tuple(each.model_copy(update={"reads": True}) for each in SKILLS)


def kit(*tasks: Task, **settings: Any) -> Kit:
    made = Kit(Settings(**settings))
    made.join("desk", skills=READING)
    made.join("plain")
    made.submit(*tasks)
    return made


def begin(made: Kit, attempt: str = "c/a/1") -> None:
    made.send(StreamBegan(made.where(attempt), attempt))


def body(made: Kit, attempt: str) -> dict[str, Any]:
    found = [e for e in made.said if isinstance(e, Assign) and e.body["attempt"] == attempt]
    return dict(found[-1].body)


def test_a_reader_begins_with_the_first_item() -> None:
    made = kit(look("a"), look("b", arguments=ITEMS))
    assert made.assigned() == ["c/a/1"]
    assert body(made, "c/a/1")["context"]["emit"] == {"lag": 16}
    begin(made)
    begin(made)
    assert made.assigned() == ["c/a/1", "c/b/1"]
    assert made.facts("flowing") == [{"task": "a", "attempt": 1}]
    told = body(made, "c/b/1")
    assert told["arguments"] == {"of": {"$items": "a"}}
    assert told["context"]["inputs"] == ["a"]


def test_a_device_that_reads_no_streams_is_given_none() -> None:
    made = Kit()
    made.join("plain")
    made.submit(look("a"), look("b", arguments=ITEMS))
    begin(made)
    assert made.assigned() == ["c/a/1"]
    reasons = made.scheduler.why_waiting(made.run(), ["b"], made.now)
    assert "plain cannot read streams with look" in reasons["b"]
    made.join("desk", skills=READING)
    assert made.where("c/b/1") == "desk"


def test_of_a_task_that_puts_out_nothing_the_list_is_read_anywhere() -> None:
    made = Kit()
    made.join("plain")
    made.submit(look("a"), look("b", arguments=ITEMS))
    made.finish("c/a/1", [1, 2])
    assert body(made, "c/b/1")["arguments"] == {"of": [1, 2]}
    assert "inputs" not in body(made, "c/b/1")["context"]


def test_readers_begin_anew_with_what_they_read() -> None:
    retry = RetryPolicy(attempts=2, backoff_s=3.0)
    chain = {"of": "${b.items}"}
    made = kit(look("a", retry=retry), look("b", arguments=ITEMS), look("c", arguments=chain))
    begin(made)
    begin(made, "c/b/1")
    assert made.state("c") == "working"
    made.fail("c/a/1")
    assert [made.state(task) for task in "abc"] == ["submitted"] * 3
    assert {attempt for _, attempt in made.canceled()} == {"c/b/1", "c/c/1"}
    assert [each["cause"] for each in made.facts("requeued")] == ["failed", "upstream", "upstream"]
    made.pass_time(3.0)
    assert made.assigned()[-1] == "c/a/2"
    begin(made, "c/a/2")
    begin(made, "c/b/2")
    made.finish("c/a/2")
    made.finish("c/b/2")
    made.finish("c/c/2")
    assert made.facts("ended")[0]["state"] == "completed"


def test_a_reader_that_must_not_be_repeated_is_left_to_itself() -> None:
    made = kit(look("a", retry=RetryPolicy(attempts=2)), work("b", arguments=ITEMS))
    begin(made)
    made.fail("c/a/1")
    assert made.state("b") == "working"
    assert not made.canceled()
    made.fail("c/b/1", "task.failed.upstream")
    assert made.state("b") == "failed"
    assert made.scheduler.devices["desk"].health.failures == 0


def test_a_reader_outlives_the_failure_of_what_it_reads() -> None:
    made = kit(look("a"), look("b", arguments=ITEMS))
    begin(made)
    made.fail("c/a/1")
    assert made.state("b") == "working"
    made.finish("c/b/1", "as far as it came")
    assert made.state("b") == "completed"


def test_a_reader_is_not_tried_again_when_what_it_reads_has_failed() -> None:
    retry = RetryPolicy(attempts=3, backoff_s=0.0)
    made = kit(look("a"), look("b", arguments=ITEMS, retry=retry))
    begin(made)
    made.fail("c/b/1")
    assert made.assigned()[-1] == "c/b/2"
    made.fail("c/a/1")
    made.fail("c/b/2", "task.failed.upstream")
    assert made.state("b") == "failed"
    assert made.error("b")["code"] == "task.failed.upstream"
    assert "cannot read a again, which is failed" in made.error("b")["message"]


def test_a_person_may_retry_both() -> None:
    made = kit(look("a"), look("b", arguments=ITEMS), look("open"))
    begin(made)
    made.fail("c/a/1")
    made.fail("c/b/1", "task.failed.upstream")
    made.edit(RetryTask("a"), RetryTask("b"))
    assert made.assigned()[-1] == "c/a/2"
    begin(made, "c/a/2")
    assert made.assigned()[-1] == "c/b/2"


def test_a_lost_source_takes_its_readers_along() -> None:
    made = kit(look("a"), look("b", arguments=ITEMS))
    where = made.where("c/a/1")
    begin(made)
    made.rejoin(where, running=["c/b/1"] if made.where("c/b/1") == where else [])
    assert made.facts("requeued")[0]["cause"] == "unsent"
    assert made.facts("requeued")[1]["cause"] == "upstream"


def test_canceling_the_source_leaves_a_running_reader() -> None:
    made = kit(look("a"), look("b", arguments=ITEMS))
    begin(made)
    made.edit(CancelTask("a"))
    assert made.state("b") == "working"
    assert [attempt for _, attempt in made.canceled()] == ["c/a/1"]


def test_what_streams_join_is_not_raced() -> None:
    made = kit(race_samples=3, race_min_s=1.0)
    made.submit(*(look(f"w{n}") for n in range(8)), id="warm")
    for number in range(8):
        made.now += 0.1
        made.finish(f"warm/w{number}/1")
    made.submit(look("a"), look("b", arguments=ITEMS), look("alone"), id="d")
    begin(made, "d/a/1")
    made.pass_time(60.0)
    raced = [each for each in made.assigned() if each.endswith("b") and each.startswith("d/")]
    assert raced == ["d/alone/1b"]


def test_a_late_success_of_what_streams_join_does_not_count() -> None:
    made = kit(look("a", timeout_s=1.0, retry=RetryPolicy(attempts=2)), look("b", arguments=ITEMS))
    begin(made)
    made.pass_time(7.0)
    assert made.facts("requeued")[0]["cause"] == "timeout"
    made.finish("c/a/1", "late", made.where("c/a/1"))
    assert "streams join it" in made.notices("late")[0]["reason"]


@pytest.mark.parametrize("again", [False, True])
def test_a_restart_knows_what_flows(again: bool) -> None:
    made = kit(look("a", retry=RetryPolicy(attempts=2)), look("b", arguments=ITEMS))
    begin(made)
    if again:
        made.fail("c/a/1")
    other = made.restarted()
    assert other.run().constellation.nodes["a"].flowing is not again
    assert other.state("b") == made.state("b")
    assert other.run().snapshot()["graph"] == made.run().snapshot()["graph"]
