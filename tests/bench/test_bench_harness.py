"""The harness of the benches, and each bench once at its smallest."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.__main__ import names, summary
from bench.harness import Options, circumstances, figure, interleave, quantile, summarise
from bench.peers import graph_of
from bench.workloads import chain, independent, layered
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.full
def test_faults_cost_nothing() -> None:
    found = json.loads(bench("faults", "--quick", "--json").stdout)
    for fault in ("hub killed", "link cut", "device stopped beyond its grace", "hub stopped"):
        toll = found[fault]
        assert toll["times"] > 0
        assert toll["tasks"] >= 180
        assert toll["lost"] == toll["wrong"] == toll["repeated"] == 0


@pytest.mark.full
def test_soak_loses_nothing_while_devices_die() -> None:
    found = json.loads(bench("soak", "--quick", "--json").stdout)
    assert len(found["windows"]) == 6
    assert all(each["tasks"] > 100 and each["lost"] == 0 for each in found["windows"])


def test_they_are_listed_with_what_they_measure() -> None:
    listed = bench().stdout
    assert "dispatch" in names()
    for name in names():
        assert f"{name:10} {summary(name)[:40]}" in listed
        assert summary(name)


def test_what_there_is_not_is_refused() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert "dispatch" in done.stderr


def test_cases_are_measured_in_turn() -> None:
    order: list[str] = []

    def case(name: str) -> int:
        order.append(name)
        return len(order)

    found = interleave({"a": lambda: case("a"), "b": lambda: case("b")}, 2)
    assert order == ["a", "b", "a", "b"]
    assert found == {"a": [1, 3], "b": [2, 4]}


def test_medians_and_their_spread() -> None:
    found = summarise([3.0, 1.0, 100.0])
    assert found.to_plain() == {"median": 3.0, "min": 1.0, "max": 100.0}
    assert str(found) == "3.00 (1.00–100)"
    assert str(summarise([3.0])) == "3.00"


@pytest.mark.parametrize(("q", "value"), [(0.0, 1), (0.5, 3), (0.99, 5), (1.0, 5)])
def test_quantiles(q: float, value: int) -> None:
    assert quantile([5, 1, 4, 2, 3], q) == value


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (12.345, "12.3"), (0.1, "0.10")])
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


def test_circumstances_can_be_sent_as_json() -> None:
    found = json.loads(json.dumps(circumstances()))
    assert found["cpus"] > 0
    assert found["libraries"]["websockets"]


def test_options_know_how_much_is_enough() -> None:
    assert Options().times(5) == 5
    assert Options(quick=True).times(5) == 1
    assert Options(quick=True, repetitions=3).times(5) == 3


@pytest.mark.parametrize(
    ("edits", "tasks", "edges"),
    [(chain(10), 10, 9), (independent(10), 10, 0), (layered(10, 5), 50, 120)],
)
def test_workloads(edits: list[Any], tasks: int, edges: int) -> None:
    graph = Constellation("c")
    graph.apply(Batch(tuple(edits)), 0.0)
    assert len(graph.nodes) == tasks
    assert sum(len(graph.predecessors(name)) for name in graph.nodes) == edges
    assert sum(len(before) for _, before in graph_of(edits)) == edges


@pytest.mark.full
def test_dispatch() -> None:
    found = json.loads(bench("dispatch", "--quick", "--json").stdout)
    assert found["journal"] == "normal"
    assert found["echo"].keys() == {"rtt_p50_us", "pipelined_per_s"}
    for shape in ("chain", "independent", "layered"):
        assert found["fabric"][shape]["tasks_per_s"] > 0
        assert found["fabric"][shape]["step_p50_us"] <= found["fabric"][shape]["step_p99_us"]
    assert found["circumstances"]["commit"]


@pytest.mark.full
def test_recovery() -> None:
    found = json.loads(bench("recovery", "--quick", "--json").stdout)
    accidents = {"device_killed", "link_cut", "cancel", "hub_killed_1000"}
    assert accidents <= found.keys()
    for accident in accidents:
        assert 0 < found[accident]["p50_ms"] <= found[accident]["max_ms"]
    assert found["link_cut"]["rtt_ms"] > 0


@pytest.mark.full
def test_sessions() -> None:
    found = json.loads(bench("sessions", "--quick", "--json", "--set", "most=10").stdout)
    assert found["10"]["opened_per_s"] > 0
    assert found["10"]["storm_s"] > 0


@pytest.mark.full
def test_stream() -> None:
    found = json.loads(bench("stream", "--quick", "--json").stdout)
    assert found["items"]["delivered"] > 0
    assert found["items"]["late"] == 0
    assert found["artifact_mb_per_s"] > 0


@pytest.mark.full
def test_plan() -> None:
    found = json.loads(bench("plan", "--quick", "--json").stdout)["0.3/200.0"]
    assert all(found[way]["median"] > 0 for way in ("whole", "streaming", "speculating", "both"))
    assert found["saved"] < 1


@pytest.mark.full
def test_edit() -> None:
    found = json.loads(bench("edit", "--quick", "--json").stdout)["0.1"]
    assert found["descendants_s"]["median"] < found["everything_s"]["median"]
