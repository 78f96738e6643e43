"""Tasks that run on several devices at once."""

from __future__ import annotations

import pytest
from scheduling_kit import Kit, look, work

from constellation.errors import EditConflictError
from constellation.graph.edits import CancelTask, RetryTask
from constellation.graph.task import Dependency, Outcome, Requirement, RetryPolicy, Task, TaskState
from constellation.orchestrator.events import (
    AttemptRejected,
    CancelRequested,
    DeviceDetached,
    DeviceLost,
    Instruction,
    Paused,
)
from constellation.orchestrator.settings import Settings


def gang(id: str = "g", size: int = 2, **fields: object) -> Task:
    fields.setdefault("retry", RetryPolicy(attempts=3, backoff_s=2.0))
    return look(id, gang=size, **fields)


def house(*names: str, capacity: int = 1, settings: Settings | None = None) -> Kit:
    kit = Kit(settings)
    for name in names or ("a", "b", "c"):
        kit.join(name, capacity)
    return kit


def meeting(kit: Kit, attempt: str, said: list[Instruction] | None = None) -> dict[str, object]:
    bodies = [each.body for each in kit.said if getattr(each, "body", {}).get("attempt") == attempt]
    found: dict[str, object] = bodies[-1]["context"]["gang"]
    return found


def test_all_members_begin_together_each_with_its_rank_and_where_to_meet() -> None:
    kit = house()
    kit.submit(gang(size=3))
    assert kit.assigned() == ["c/g[0]/1", "c/g[1]/1", "c/g[2]/1"]
    assert sorted(kit.where(each) for each in kit.assigned()) == ["a", "b", "c"]
    told = [meeting(kit, each) for each in kit.assigned()]
    assert [each["rank"] for each in told] == [0, 1, 2]
    assert all(each["size"] == 3 and each["port"] == told[0]["port"] for each in told)
    assert told[0]["devices"] == [kit.where(each) for each in kit.assigned()]


def test_no_device_has_two_members_of_one_gang() -> None:
    kit = house("a", capacity=4)
    kit.submit(gang())
    assert kit.assigned() == []
    kit.join("b")
    assert len(kit.assigned()) == 2


def test_its_output_is_that_of_all_members_by_rank() -> None:
    kit = house()
    kit.submit(gang(arguments={"mine": "${index}"}), look("x"), edges=[Dependency("g", "x")])
    kit.finish("c/g[1]/1", "one")
    assert kit.state("g") == "working"
    kit.finish("c/g[0]/1", "zero")
    assert kit.state("g") == "completed"
    assert kit.run().constellation.nodes["g"].output == ["zero", "one"]
    assert "c/x/1" in kit.assigned()


def test_it_waits_until_there_are_enough_and_says_so() -> None:
    kit = house("a", "b")
    kit.submit(work("x"))
    kit.submit(gang(), id="d")
    said = kit.scheduler.why_waiting(kit.run("d"), ["g[0]"], kit.now)
    assert said == {"g[0]": "It needs 2 devices at once, of which 1 can take it now."}
    kit.finish("c/x/1")
    assert kit.assigned()[1:] == ["d/g[0]/1", "d/g[1]/1"]


def test_places_are_kept_for_it_so_that_small_tasks_do_not_starve_it() -> None:
    kit = house("a", "b")
    kit.submit(work("x0"), work("x1"))
    kit.submit(gang(), id="d")
    kit.submit(*(work(f"y{n}") for n in range(5)), id="e")
    kit.finish("c/x0/1")
    assert len(kit.assigned()) == 2, "the place of x0 is kept"
    kit.finish("c/x1/1")
    assert kit.assigned()[2:] == ["d/g[0]/1", "d/g[1]/1"]
    kit.finish("d/g[0]/1")
    assert len(kit.assigned()) == 5


def test_what_is_more_urgent_may_have_a_place_that_is_kept() -> None:
    kit = house("a", "b")
    kit.submit(work("x0"), work("x1"))
    kit.submit(gang(), id="d")
    kit.finish("c/x0/1")
    kit.submit(work("now", priority=5), id="e")
    assert kit.assigned()[-1] == "e/now/1"


@pytest.mark.parametrize("how", ["cancel", "pause", "lose", "detach"])
def test_places_are_kept_no_longer_than_it_can_use_them(how: str) -> None:
    kit = house("a", "b")
    kit.submit(work("x0"), work("x1"))
    kit.submit(gang(), id="d")
    kit.submit(work("y"), id="e")
    kit.finish("c/x0/1")
    assert "e/y/1" not in kit.assigned()
    other = kit.where("c/x1/1")
    kit.send(
        {
            "cancel": CancelRequested("d"),
            "pause": Paused("d"),
            "lose": DeviceLost(other, "bye"),
            "detach": DeviceDetached(other),
        }[how]
    )
    assert "e/y/1" in kit.assigned()


def test_two_gangs_do_not_block_each_other() -> None:
    kit = house("a", "b", "c")
    kit.submit(work("x0"), work("x1"), work("x2"))
    kit.submit(gang(size=2), id="d")
    kit.submit(gang(size=3), id="e")
    for n in range(3):
        kit.finish(f"c/x{n}/1")
    for id, size in (("d", 2), ("e", 3)):
        for rank in range(size):
            kit.finish(f"{id}/g[{rank}]/1")
        assert kit.state("g", id) == "completed"


def test_a_failed_member_has_the_whole_begin_anew() -> None:
    kit = house()
    kit.submit(gang())
    kit.finish("c/g[0]/1", "zero")
    kit.fail("c/g[1]/1")
    assert kit.facts("regrouped")[0]["cause"] == "failed"
    kit.pass_time(1.9)
    assert len(kit.assigned()) == 2
    kit.pass_time(0.2)
    assert kit.assigned()[2:] == ["c/g[0]/2", "c/g[1]/2"], "also the one that had completed"
    ports = {meeting(kit, f"c/g[0]/{number}")["port"] for number in (1, 2)}
    assert len(ports) == 2


def test_those_that_still_run_are_stopped_first() -> None:
    kit = house("a", "b")
    kit.submit(gang())
    kit.fail("c/g[1]/1")
    stopped = (kit.where("c/g[0]/1"), "c/g[0]/1")
    assert kit.canceled() == [stopped]
    kit.pass_time(5.0)
    assert len(kit.assigned()) == 2, "its place is not free before it has stopped"
    kit.report("c/g[0]/1", Outcome(TaskState.CANCELED))
    assert len(kit.assigned()) == 4


def test_it_fails_when_its_attempts_are_used_up() -> None:
    kit = house()
    kit.submit(gang(retry=RetryPolicy(attempts=2, backoff_s=0.0)))
    kit.fail("c/g[1]/1")
    kit.report("c/g[0]/1", Outcome(TaskState.CANCELED))
    kit.fail("c/g[0]/2", "task.failed.net")
    assert kit.state("g") == "failed"
    assert kit.error("g")["code"] == "task.failed.net"
    assert "g[0] failed: it went wrong" in kit.error("g")["message"]
    assert kit.state("g[1]") == "canceled"


def test_what_must_not_be_repeated_is_not() -> None:
    kit = house()
    kit.submit(Task("g", "work", gang=2, retry=RetryPolicy(attempts=3)))
    kit.fail("c/g[1]/1")
    assert kit.state("g") == "failed"
    assert kit.canceled() == [(kit.where("c/g[0]/1"), "c/g[0]/1")]


def test_a_member_whose_device_is_lost_has_the_whole_begin_anew() -> None:
    kit = house()
    kit.submit(gang())
    kit.send(DeviceLost(kit.where("c/g[1]/1"), "it burnt"))
    kit.report("c/g[0]/1", Outcome(TaskState.CANCELED))
    assert kit.assigned()[2:] == ["c/g[0]/2", "c/g[1]/2"]


def test_a_refused_member_goes_elsewhere_with_all_others() -> None:
    kit = house()
    kit.submit(gang())
    refuses = kit.where("c/g[1]/1")
    kit.send(AttemptRejected(refuses, "c/g[1]/1", {"code": "task.rejected", "message": "no"}))
    kit.report("c/g[0]/1", Outcome(TaskState.CANCELED))
    assert refuses not in {kit.where("c/g[0]/2"), kit.where("c/g[1]/2")}
    kit.send(
        AttemptRejected(
            kit.where("c/g[0]/2"), "c/g[0]/2", {"code": "task.rejected", "message": "no"}
        )
    )
    assert kit.state("g") == "failed", "there is one device left"


def test_a_member_that_a_person_cancels_takes_the_whole_with_it() -> None:
    kit = house()
    kit.submit(gang())
    kit.edit(CancelTask("g[1]"))
    assert kit.state("g") == kit.state("g[0]") == "canceled"
    assert len(kit.canceled()) == 2


def test_a_deadline_ends_it_whether_it_runs_or_waits() -> None:
    for names in (("a", "b"), ("a",)):
        kit = house(*names)
        kit.submit(gang(deadline_s=10.0))
        kit.pass_time(10.0)
        assert kit.state("g") == "failed"
        assert kit.error("g")["code"] == "task.timeout.deadline"


def test_it_fails_if_there_are_never_enough_devices() -> None:
    kit = house("a", settings=Settings(no_device_fail_s=5.0))
    kit.submit(gang())
    kit.pass_time(5.0)
    assert kit.state("g") == "failed"
    assert kit.error("g")["code"].startswith("scheduling.no_")


def test_a_restarted_hub_knows_who_belongs_together() -> None:
    kit = house()
    kit.submit(gang())
    kit.fail("c/g[1]/1")
    kit.report("c/g[0]/1", Outcome(TaskState.CANCELED))
    kit.pass_time(2.0)
    other = kit.restarted()
    where = {each: kit.where(each) for each in ("c/g[0]/2", "c/g[1]/2")}
    for attempt, device in where.items():
        other.rejoin(device, running=[attempt])
    other.fail("c/g[1]/2", device=where["c/g[1]/2"])
    assert other.facts("regrouped")[0]["attempt"] == 2
    assert other.run().trouble["g"].failures == 2


@pytest.mark.parametrize(
    "task",
    [
        gang(size=0),
        gang(size=100_000),
        gang(requirement=Requirement(exclusive=("arm",))),
        gang(requirement=Requirement(device="a")),
        gang(for_each="${x.output.items}"),
    ],
)
def test_what_cannot_be_a_gang_is_refused(task: Task) -> None:
    with pytest.raises(EditConflictError):
        Kit().submit(look("x"), task)


def test_a_retry_of_the_whole_is_an_edit_like_any_other() -> None:
    kit = house()
    kit.submit(gang(retry=RetryPolicy()), look("x", requirement=Requirement(device="c")))
    kit.fail("c/g[0]/1")
    kit.report("c/g[1]/1", Outcome(TaskState.CANCELED))
    kit.edit(RetryTask("g"))
    assert kit.assigned()[-2:] == ["c/g[0]/2", "c/g[1]/2"]
