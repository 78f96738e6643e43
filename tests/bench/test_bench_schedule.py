"""The bench of scheduling rules: its workloads, its bound, its simulator and what it tells."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from bench.harness import Options
from bench.schedule import run
from bench.schedule.bench import LEARNING, play_cases
from bench.schedule.bounds import critical_path_s, lower_bound_s, work_bound_s
from bench.schedule.fleet import CONDITIONS, accidents, fleet
from bench.schedule.model import Accidents, Graph, Job, Machine, Spell
from bench.schedule.recording import read_journal, to_plain
from bench.schedule.rules import DEFAULT, RULES
from bench.schedule.simulator import play
from bench.schedule.statistics import median_of
from bench.schedule.workloads import WORKLOADS, read_graphs
from constellation.errors import ConfigError
from constellation.orchestrator.events import Fact
from constellation.orchestrator.journal import Journal
from constellation.orchestrator.placement import EarliestFinish, Fifo


def chain(*work_s: float) -> Graph:
    jobs = [Job(f"j{n}", "k", each) for n, each in enumerate(work_s)]
    edges = tuple((one.id, other.id) for one, other in pairwise(jobs))
    return Graph({job.id: job for job in jobs}, edges)


def beside(count: int) -> Graph:
    return Graph({f"j{n}": Job(f"j{n}", "k", 1.0) for n in range(count)}, ())


def machine(name: str, speed: float, capacity: int = 1, delay_s: float = 0.0) -> Machine:
    return Machine(name, "linux", capacity, {"k": speed}, delay_s)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_follows_from_its_seed(name: str) -> None:
    make = WORKLOADS[name]
    assert make(3) == make(3)
    assert make(3) != make(4)
    for graph in make(3):
        order = list(graph.jobs)
        assert all(order.index(source) < order.index(target) for source, target in graph.edges)


def test_the_bound_is_the_longest_path_or_all_the_work() -> None:
    one, quick = machine("one", 1.0, delay_s=0.1), machine("quick", 2.0, delay_s=0.1)
    assert critical_path_s(chain(2.0, 4.0), [one, quick]) == pytest.approx(3.4)
    assert work_bound_s((beside(30),), [one, quick]) == pytest.approx(10.0, rel=0.01)
    assert lower_bound_s((beside(30), chain(50.0)), [one, quick]) == pytest.approx(26.67, rel=0.01)


def test_the_bound_on_work_shares_kinds_out_to_who_does_them_well() -> None:
    jobs = {f"{kind}{n}": Job(f"{kind}{n}", kind, 1.0) for kind in "ab" for n in range(10)}
    machines = [
        Machine("x", "linux", 1, {"a": 10.0, "b": 1.0}, 0.0),
        Machine("y", "linux", 1, {"a": 1.0, "b": 10.0}, 0.0),
    ]
    assert work_bound_s((Graph(jobs, ()),), machines) == pytest.approx(1.0, rel=0.02)


def test_no_schedule_is_below_the_bound() -> None:
    for name in ("fork–join", "requests"):
        for case in play_cases(name, 5, WORKLOADS[name](5)):
            assert all(found > case.bound_s for found in case.makespans_s.values()), case


def test_what_is_simulated_is_what_was_asked_for() -> None:
    played = play((chain(2.0, 4.0),), [machine("m", 2.0, delay_s=0.1)], Accidents(), Fifo())
    assert played.makespan_s == pytest.approx(3.4)
    assert (played.attempts, played.requeued, played.raced) == (2, 0, 0)


def test_the_same_seed_is_the_same_schedule() -> None:
    workload = WORKLOADS["random layered"](1)
    machines = fleet(1, {job.kind for graph in workload for job in graph.jobs.values()})
    trouble = accidents("stragglers", 1, machines, 50.0)
    found = {play(workload, machines, trouble, EarliestFinish()).makespan_s for _ in range(2)}
    assert len(found) == 1


def test_a_dead_machine_takes_its_work_with_it() -> None:
    machines = [machine("m", 1.0)]
    trouble = Accidents(outages=(Spell("m", 1.0, 2.0),))
    played = play((chain(3.0),), machines, trouble, Fifo())
    assert played.makespan_s == pytest.approx(5.0)
    assert played.requeued == 1


def test_a_sick_machine_fails_what_it_gets() -> None:
    trouble = Accidents(sick=(Spell("m", 0.0, 0.5),))
    played = play((chain(3.0),), [machine("m", 1.0)], trouble, Fifo())
    assert played.attempts > 1
    assert played.makespan_s > 3.2


def test_a_machine_that_comes_late_gets_work_at_once() -> None:
    trouble = Accidents(absences=(Spell("late", 0.0, 0.5),))
    played = play((beside(2),), [machine("m", 1.0), machine("late", 1.0)], trouble, Fifo())
    assert played.makespan_s == pytest.approx(1.5)
    assert played.requeued == 0


def test_a_machine_that_takes_leave_finishes_what_it_has_and_takes_nothing_more() -> None:
    machines = [machine("goes", 1.0), machine("stays", 1.0)]
    trouble = Accidents(absences=(Spell("goes", 0.5, 9.0),))
    played = play((beside(4),), machines, trouble, Fifo())
    assert played.makespan_s == pytest.approx(3.0)
    assert (played.attempts, played.requeued) == (4, 0)


def test_one_that_is_back_before_it_had_gone_has_lost_nothing() -> None:
    trouble = Accidents(absences=(Spell("m", 1.0, 2.0),))
    played = play((chain(3.0, 1.0),), [machine("m", 1.0, delay_s=0.1)], trouble, Fifo())
    assert played.makespan_s == pytest.approx(4.4)
    assert (played.attempts, played.requeued) == (2, 0)


def test_there_is_every_kind_of_trouble() -> None:
    machines = fleet(0, {"k"})
    found = [accidents(condition, 2, machines, 10.0) for condition in CONDITIONS]
    assert found[0] == Accidents()
    assert found[1].straggling > 0
    assert found[2].outages
    assert found[3].sick
    assert found[4].absences
    assert len(found[4].absences) + len(found[4].outages) == len(machines) - 2


def test_the_interval_of_a_median_is_that_of_order_statistics() -> None:
    found = median_of([float(n) for n in range(1, 31)])
    assert (found.median, found.low, found.high) == (15.5, 10.0, 21.0)
    assert median_of([1.0, 2.0, 3.0]).low == 1.0


def test_it_tells_of_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    report = run(Options(quick=True, extra={"only": "fork", "seeds": "1"}))
    assert report.data["calm"].keys() == RULES.keys()
    calm = {rule: found["fork–join"]["median"] for rule, found in report.data["calm"].items()}
    assert 1.0 < calm[DEFAULT] < min(calm["first come, first served"], calm["round robin"])
    assert report.data["beside default"].keys() == RULES.keys() - {DEFAULT}


@pytest.mark.parametrize(
    "extra", [{"only": "nothing"}, {"first": str(LEARNING)}, {"journal": "/no/such"}]
)
def test_what_there_is_not_is_said(extra: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        run(Options(quick=True, extra=extra))


def test_a_journal_is_read_back_as_a_workload(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    edits = [
        {"op": "add_task", "task": {"id": "a", "skill": "work"}},
        {"op": "add_task", "task": {"id": "b", "skill": "look"}},
        {"op": "add_dependency", "dependency": {"source": "a", "target": "b"}},
    ]
    created = {
        "name": "",
        "request": "",
        "owner": "",
        "priority": 0,
        "weight": 1.0,
        "revise_on": [],
        "revise_within_s": 1.0,
        "paused": False,
    }
    with Journal(path) as journal:
        journal.commit(
            [
                Fact(0.0, "c", "created", created),
                Fact(0.0, "c", "edited", {"batch": {"edits": edits}, "version": 1}),
                Fact(1.0, "c", "started", started("a")),
                Fact(3.5, "c", "finished", finished("a")),
                Fact(4.0, "c", "started", started("b")),
                Fact(4.0, "c", "finished", finished("b")),
            ]
        )
    (graph,) = read_journal(path)
    assert graph.jobs["a"] == Job("a", "work", 2.5)
    assert graph.jobs["b"].work_s > 0
    assert graph.edges == (("a", "b"),)
    assert read_graphs(to_plain((graph,))) == (graph,)


def started(task: str) -> dict[str, object]:
    return {"task": task, "attempt": 1, "device": "d", "idempotent": True}


def finished(task: str) -> dict[str, object]:
    return {"task": task, "attempt": 1, "state": "completed", "settle": True}
