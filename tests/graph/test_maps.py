"""Map tasks: fan-out over a list that only a result reveals."""

from __future__ import annotations

import pytest
from graph_kit import CANCELED, COMPLETED, FAILED, end, mapped, ready

from constellation.errors import InvalidTransition, UnknownTaskError
from constellation.graph.edits import (
    Batch,
    CancelTask,
    RetryTask,
)
from constellation.graph.task import TaskState


def test_a_map_task_runs_once_for_each_element() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    assert ready(graph) == ["each[0]", "each[1]"]
    assert graph.arguments("each[1]") == {"path": "y", "n": 1}
    end(graph, "each[1]", output="Y")
    end(graph, "each[0]", output="X")
    changes = graph.take_changes()
    assert changes.ended == ["each"]
    assert changes.ready[-1] == "after"
    assert graph.arguments("after") == {"all": ["X", "Y"]}


def test_a_map_over_nothing_completes_at_once() -> None:
    graph = mapped()
    end(graph, "list", output={"files": []})
    assert ready(graph) == ["after"]
    assert graph.nodes["each"].output == []


def test_a_map_over_no_list_fails_and_says_so() -> None:
    graph = mapped()
    end(graph, "list", output={"files": "text"})
    assert graph.nodes["each"].state is FAILED
    assert "is not a list" in graph.nodes["each"].error["message"]  # type: ignore[index]
    assert graph.nodes["after"].state is CANCELED


def test_max_parallel_bounds_the_elements_that_run() -> None:
    graph = mapped(max_parallel=2)
    end(graph, "list", output={"files": [{"path": str(n)} for n in range(4)]})
    assert ready(graph) == ["each[0]", "each[1]"]
    end(graph, "each[0]")
    assert ready(graph) == ["each[2]"]


def test_canceling_elements_keeps_the_bound_and_never_wakes_a_canceled_one() -> None:
    graph = mapped(max_parallel=1)
    end(graph, "list", output={"files": [{"path": str(n)} for n in range(5)]})
    assert ready(graph) == ["each[0]"]
    graph.apply(Batch((CancelTask("each[1]"), CancelTask("each[3]"))), 3.0)
    assert ready(graph) == []
    end(graph, "each[0]")
    assert ready(graph) == ["each[2]"]
    graph.apply(Batch((CancelTask("each[2]"),)), 4.0)
    changes = graph.take_changes()
    assert (changes.ready, changes.unready) == (["each[4]"], ["each[2]"])
    end(graph, "each[4]")
    assert graph.nodes["each"].state is FAILED
    assert graph.nodes["each"].output == [None] * 5
    assert graph.done


def test_a_refused_cancel_of_an_element_wakes_nobody() -> None:
    graph = mapped(max_parallel=1)
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    graph.take_changes()
    with pytest.raises(UnknownTaskError):
        graph.apply(Batch((CancelTask("each[0]"), CancelTask("nope"))), 3.0)
    assert graph.take_changes() == ([], [], [], [])
    assert graph.nodes["each[0]"].ready
    assert not graph.nodes["each[1]"].ready


def test_a_large_map_is_let_go_one_by_one_without_copying_what_waits() -> None:
    graph = mapped(max_parallel=1)
    end(graph, "list", output={"files": [{"path": "x"}] * 300})
    for n in range(300):
        assert graph.nodes["each"].released == n + 1
        end(graph, f"each[{n}]")
    assert graph.nodes["each"].state is COMPLETED


def test_a_map_task_runs_by_its_elements_alone() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}]})
    with pytest.raises(InvalidTransition, match="elements"):
        graph.requeue("each", "lost", 3.0)
    with pytest.raises(InvalidTransition):
        graph.start("each", "d", 3.0)


def test_an_element_that_is_held_for_a_planner_does_not_hold_its_map_task() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}]})
    end(graph, "each[0]", settle=False)
    assert graph.nodes["each"].state is COMPLETED
    graph.settle("each[0]", 3.0)
    assert graph.counts[COMPLETED] == 3


def test_what_became_of_an_element_is_for_its_map_task_to_tell() -> None:
    graph = mapped(optional=True)
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    assert graph.apply(Batch((CancelTask("each[1]"),)), 3.0).inverse is None
    end(graph, "each[0]", output="X")
    assert graph.nodes["each"].output == ["X", None]
    end(graph, "after")
    assert graph.state is COMPLETED


def test_a_failed_element_fails_the_map_after_the_others_ended() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    end(graph, "each[0]", FAILED)
    assert graph.nodes["each"].state is TaskState.WORKING
    end(graph, "each[1]", output="Y")
    assert graph.nodes["each"].state is FAILED
    assert graph.nodes["each"].output == [None, "Y"]


def test_a_map_run_again_never_uses_an_attempt_number_twice() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}]})
    end(graph, "each[0]", FAILED)
    graph.apply(Batch((RetryTask("each"),)), 3.0)
    assert graph.start("each[0]", "d", 4.0) == 2


def test_canceling_a_map_stops_its_elements() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    graph.start("each[0]", "d", 3.0)
    applied = graph.apply(Batch((CancelTask("each"),)), 4.0)
    assert applied.canceled == ("each[0]",)
    assert graph.nodes["each[1]"].state is CANCELED
    assert graph.done
