"""Who runs first, where, and what happens when nobody can."""

from __future__ import annotations

import pytest
from scheduling_kit import Kit, look, work

from constellation.aip.cards import SkillCard
from constellation.errors import EditConflictError, GraphError, LimitExceeded
from constellation.graph.edits import AddTask, Batch, UpdateTask
from constellation.graph.task import Dependency, Requirement, Task
from constellation.orchestrator.events import (
    Assign,
    DeviceDraining,
    DeviceUpdated,
    Fact,
    Paused,
    Resumed,
    Submitted,
)
from constellation.orchestrator.settings import Settings


def test_the_head_of_the_longest_path_comes_first() -> None:
    kit = Kit()
    kit.submit(
        look("short"),
        look("head"),
        look("body"),
        look("tail"),
        edges=[Dependency("head", "body"), Dependency("body", "tail")],
    )
    assert kit.assigned(kit.join("a", 1)) == ["c/head/1"]


def test_explicit_priority_goes_before_the_longest_path_and_across_constellations() -> None:
    kit = Kit()
    kit.submit(look("x"), look("y"), edges=[Dependency("x", "y")], id="c1")
    kit.submit(look("u", priority=1), look("v"), id="c2", priority=2)
    assert kit.assigned(kit.join("a", 2)) == ["c2/u/1", "c2/v/1"]


def test_a_device_is_never_given_more_than_its_capacity() -> None:
    kit = Kit()
    kit.join("a", 2)
    kit.submit(*(look(f"t{n}") for n in range(5)))
    assert kit.on("a") == ["c/t0/1", "c/t1/1"]
    kit.finish("c/t0/1")
    assert kit.on("a") == ["c/t1/1", "c/t2/1"]


def test_nor_more_calls_of_a_skill_than_that_takes_while_others_go_by() -> None:
    kit = Kit()
    kit.join("a", 3)
    kit.submit(Task("l1", "lens"), Task("l2", "lens"), look("x"))
    assert kit.on("a") == ["c/l1/1", "c/x/1"]
    kit.finish("c/l1/1")
    assert kit.on("a") == ["c/x/1", "c/l2/1"]


@pytest.mark.parametrize(
    ("requirement", "device"),
    [
        (Requirement(device="b"), "b"),
        (Requirement(platform="darwin"), "b"),
        (Requirement(labels={"room": "lab"}), "b"),
        (Requirement(capabilities=("gpu",)), "b"),
        (Requirement(capabilities=("look",), avoid=("a",)), "b"),
        (Requirement(), "a"),
    ],
)
def test_a_task_goes_only_where_its_requirement_is_met(
    requirement: Requirement, device: str
) -> None:
    kit = Kit()
    kit.join("a", platform="linux")
    kit.join("b", platform="darwin", labels={"room": "lab"}, capabilities=("gpu",))
    kit.submit(look("x", requirement=requirement))
    assert kit.on(device) == ["c/x/1"]


def test_a_new_card_opens_a_device_to_tasks_that_wait() -> None:
    kit = Kit()
    kit.join("a", skills=(SkillCard(name="work"),))
    kit.submit(look("x"))
    assert kit.on("a") == []
    card = kit.scheduler.devices["a"].card
    kit.send(DeviceUpdated(card.model_copy(update={"skills": (SkillCard(name="look"),)})))
    assert kit.on("a") == ["c/x/1"]


def test_an_exclusive_resource_is_held_by_one_task_of_the_whole_hub() -> None:
    kit = Kit()
    kit.join("a")
    kit.join("b")
    alone = Requirement(exclusive=("camera",))
    kit.submit(look("x", requirement=alone), look("y"), id="c1")
    kit.submit(look("x", requirement=Requirement(exclusive=("camera", "arm"))), id="c2")
    assert sorted(kit.on("a") + kit.on("b")) == ["c1/x/1", "c1/y/1"]
    kit.finish("c1/x/1")
    assert "c2/x/1" in kit.on("a") + kit.on("b")


def test_a_resource_that_becomes_free_is_offered_on_other_devices_too() -> None:
    kit = Kit()
    kit.join("a")
    kit.join("b")
    there = [Requirement(device=name, exclusive=("camera",)) for name in "ab"]
    kit.submit(look("x", requirement=there[0]), look("y", requirement=there[1]))
    assert kit.on("b") == []
    kit.finish("c/x/1")
    assert kit.on("b") == ["c/y/1"]


def test_constellations_share_by_weight() -> None:
    kit = Kit()
    kit.submit(*(look(f"t{n}") for n in range(40)), id="heavy", weight=3.0)
    kit.submit(*(look(f"t{n}") for n in range(40)), id="light")
    kit.join("a", 20)
    mine = [attempt.partition("/")[0] for attempt in kit.on("a")]
    assert mine.count("heavy") == 15


def test_one_that_was_idle_does_not_make_up_for_it() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(*(look(f"t{n}") for n in range(40)), id="old")
    for n in range(20):
        kit.finish(f"old/t{n}/1")
    kit.submit(*(look(f"t{n}") for n in range(10)), id="new")
    before = len(kit.assigned())
    for _ in range(8):
        kit.finish(kit.on("a")[0])
    later = [attempt.partition("/")[0] for attempt in kit.assigned()[before:]]
    assert later.count("new") in (3, 4, 5)


def test_a_paused_constellation_starts_nothing_and_goes_on_when_resumed() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), look("y"), edges=[Dependency("x", "y")])
    for _ in range(2):
        kit.send(Paused("c"))
    kit.finish("c/x/1")
    assert kit.on("a") == []
    for _ in range(2):
        kit.send(Resumed("c"))
    assert kit.on("a") == ["c/y/1"]
    assert kit.facts("paused") == [{}]
    assert kit.facts("resumed") == [{}]


def test_a_constellation_can_be_submitted_paused() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), paused=True)
    assert kit.assigned() == []
    assert kit.assigned(kit.send(Resumed("c"))) == ["c/x/1"]


def test_an_assignment_carries_what_the_device_needs() -> None:
    kit = Kit()
    kit.now = 100.0
    kit.join("a")
    task = work(
        "y",
        arguments={"path": "${x.output.path}", "n": 3},
        instruction="Look at ${x.output.path}.",
        name="Second",
        timeout_s=5.0,
        deadline_s=60.0,
    )
    kit.submit(look("x"), task)
    kit.finish("c/x/1", {"path": "/tmp/x"})
    assign = [each for each in kit.said if isinstance(each, Assign)][-1]
    assert assign.device == "a"
    assert assign.body == {
        "attempt": "c/y/1",
        "skill": "work",
        "arguments": {"path": "/tmp/x", "n": 3},
        "instruction": "Look at /tmp/x.",
        "timeout_s": 5.0,
        "idempotent": False,
        "deadline": 160.0,
        "context": {"constellation": "c", "task": "y", "name": "Second"},
    }


def test_arguments_that_cannot_be_resolved_fail_the_task_with_the_reason() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), work("y", arguments={"path": "${x.output.path}"}), look("z"))
    kit.finish("c/x/1", {"other": 1})
    assert kit.state("y") == "failed"
    assert "x.output.path" in kit.error("y")["message"]
    assert kit.on("a") == ["c/z/1"]


def test_facts_come_first_and_in_causal_order() -> None:
    kit = Kit()
    kit.join("a")
    said = kit.submit(look("x"))
    kinds = [each.kind for each in said if isinstance(each, Fact)]
    assert kinds == ["created", "edited", "started"]
    assert [isinstance(each, Fact) for each in said] == [True, True, True, False]


def test_the_end_of_a_constellation_is_told_with_its_counts() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), look("y"), edges=[Dependency("x", "y", "failure")])
    kit.now = 4.0
    kit.finish("c/x/1")
    assert kit.facts("ended") == [
        {"state": "completed", "counts": {"completed": 1, "canceled": 1}, "duration_s": 4.0}
    ]
    assert kit.notices("skipped")[0]["task"] == "y"
    assert kit.run().ended_at == 4.0


def test_an_update_moves_a_waiting_task_to_another_queue() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x", requirement=Requirement(device="b")))
    assert kit.on("a") == []
    kit.edit(UpdateTask("x", {"requirement": {"device": "a"}}))
    assert kit.on("a") == ["c/x/1"]


# ── nobody can ──────────────────────────────────────────────────────────────────────────────────


def test_a_task_without_a_device_waits_and_says_why_once() -> None:
    kit = Kit()
    kit.join("a", platform="linux")
    kit.submit(look("x", requirement=Requirement(platform="darwin")), look("y"))
    kit.finish("c/y/1")
    (notice,) = kit.notices("waiting")
    assert notice["task"] == "x"
    assert "a runs linux, not darwin" in notice["reason"]


def test_so_does_one_whose_devices_take_nothing_new() -> None:
    kit = Kit()
    kit.join("a")
    kit.send(DeviceDraining("a"))
    kit.submit(look("x"))
    assert "takes nothing new" in kit.notices("waiting")[0]["reason"]


def test_a_busy_device_is_no_reason_to_complain() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(look("x"), look("y"))
    assert kit.notices("waiting") == []


def test_at_its_deadline_it_fails_for_want_of_a_device() -> None:
    kit = Kit()
    kit.submit(look("x", deadline_s=5.0))
    kit.pass_time(4.9)
    assert kit.state("x") == "submitted"
    kit.pass_time(0.2)
    assert kit.error("x")["code"] == "scheduling.no_device"
    assert "No device is connected" in kit.error("x")["message"]


def test_with_a_limit_set_it_does_not_wait_for_ever() -> None:
    kit = Kit(Settings(no_device_fail_s=3.0))
    kit.submit(look("x"), look("y"))
    kit.pass_time(3.5)
    assert kit.error("x")["code"] == kit.error("y")["code"] == "scheduling.no_device"
    assert kit.run().ended_at == 3.0


def test_the_limit_is_off_once_a_device_has_come() -> None:
    kit = Kit(Settings(no_device_fail_s=3.0))
    kit.submit(look("x"))
    kit.join("a")
    kit.pass_time(10)
    assert kit.state("x") == "working"


# ── limits ──────────────────────────────────────────────────────────────────────────────────────


def test_constellations_and_tasks_are_bounded() -> None:
    kit = Kit(Settings(max_constellations=1, max_tasks=2))
    with pytest.raises(LimitExceeded, match="may have 2"):
        kit.submit(look("x"), look("y"), look("z"))
    kit.submit(look("x"), look("y"))
    with pytest.raises(LimitExceeded, match="1 constellations are open"):
        kit.submit(look("x"), id="d")
    with pytest.raises(LimitExceeded, match="would have 3 tasks"):
        kit.edit(AddTask(look("z")))


def test_a_map_that_would_grow_past_the_bound_fails_also_when_the_bound_is_another_later() -> None:
    kit = Kit(Settings(max_tasks=5))
    kit.join("a")
    kit.submit(look("x"), look("y", for_each="${x.output}"))
    kit.finish("c/x/1", output=[1, 2, 3, 4])
    assert kit.error("y")["code"] == "task.failed.map.limit"
    assert kit.state("y") == "failed"
    again = Kit()
    for each in kit.said:
        if isinstance(each, Fact):
            again.scheduler.restore(each)
    assert again.run().constellation.snapshot() == kit.run().constellation.snapshot()


def test_a_refused_submission_leaves_no_trace() -> None:
    kit = Kit()
    kit.submit(look("x"))
    with pytest.raises(GraphError):
        kit.submit(look("x"), look("x"), id="d")
    with pytest.raises(EditConflictError, match="already"):
        kit.submit(look("x"))
    with pytest.raises(EditConflictError, match="weight"):
        kit.send(Submitted("d", Batch(()), weight=0.0))
    assert list(kit.scheduler.runs) == ["c"]
