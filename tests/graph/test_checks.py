"""What a task and a dependency must satisfy before the graph is looked at."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from constellation.errors import EditConflictError, GraphError
from constellation.graph.checks import check_dependency, check_task
from constellation.graph.task import Dependency, RetryPolicy, Task


@given(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", fullmatch=True))
def test_ids_of_letters_digits_and_some_signs_are_accepted(name: str) -> None:
    assume(name != "item")
    assert check_task(Task(name, skill="s")) == []


def test_no_task_has_the_name_of_an_element_of_a_list() -> None:
    with pytest.raises(EditConflictError, match="something else"):
        check_task(Task("item", skill="s"))


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "a/b", "a[0]", "ä", "a\n", "x" * 129])
def test_other_ids_are_refused(name: str) -> None:
    with pytest.raises(EditConflictError, match="is no id") as caught:
        check_task(Task(name, skill="s"))
    assert caught.value.details["rule"] == "id"
    assert len(caught.value.message) < 400


def test_references_are_returned_from_everywhere_that_may_hold_one() -> None:
    task = Task(
        "t",
        skill="s",
        instruction="read ${a.output.path}",
        arguments={"x": "${b.output}", "y": "${item.name} of ${index}"},
        for_each="${c.output.list}",
    )
    assert [each.task for each in check_task(task)] == ["b", "", "", "a", "c"]


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        (Task("t"), "work"),
        (Task("t", skill="s", retry=RetryPolicy(attempts=0)), "retry"),
        (Task("t", skill="s", retry=RetryPolicy(factor=-1.0)), "retry"),
        (Task("t", skill="s", retry=RetryPolicy(max_backoff_s=-1.0)), "retry"),
        (Task("t", skill="s", timeout_s=0.0), "timeout_s"),
        (Task("t", skill="s", timeout_s=float("nan")), "timeout_s"),
        (Task("t", skill="s", deadline_s=-1.0), "deadline_s"),
        (Task("t", skill="s", max_parallel=0), "max_parallel"),
        (Task("t", skill="s", for_each="${a.output} ${b.output}"), "for_each"),
        (Task("t", skill="s", for_each="a.output"), "for_each"),
        (Task("t", skill="s", for_each="${index}"), "for_each"),
        (Task("t", skill="s", arguments={"x": ["${item}"]}), "item"),
    ],
)
def test_each_rule_is_named_with_its_task_and_a_remedy(task: Task, rule: str) -> None:
    with pytest.raises(EditConflictError) as caught:
        check_task(task)
    assert caught.value.details == {"task": "t", "rule": rule}
    assert caught.value.remedy


@pytest.mark.parametrize(
    "dependency",
    [
        Dependency("a", "b"),
        Dependency("a", "b", "completion"),
        Dependency("a", "b", "failure"),
        Dependency("a", "b", "when", "output.n > 1"),
    ],
)
def test_conditions_are_accepted(dependency: Dependency) -> None:
    check_dependency(dependency)


@pytest.mark.parametrize(
    "dependency",
    [
        Dependency("a", "b", cast(Any, "sometimes")),
        Dependency("a", "b", "when"),
        Dependency("a", "b", "when", "output.n >"),
        Dependency("a", "b", "when", "f(output)"),
        Dependency("a", "b", "success", "output.n > 1"),
    ],
)
def test_conditions_without_a_meaning_are_refused(dependency: Dependency) -> None:
    with pytest.raises(GraphError):
        check_dependency(dependency)
