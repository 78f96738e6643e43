"""Tasks of an answer that is still being written."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.llm.reply import UnreadableError, read
from constellation.planner.llm.partial import TaskReader
from constellation.planner.llm.proposal import Proposal

texts = st.text(st.sampled_from('ab"\\{}[]:, \n\u00e9\U0001f600<think></think>tasks'), max_size=12)
plain = st.recursive(
    st.none() | st.integers() | texts,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(texts, each, max_size=3),
    max_leaves=6,
)
steps = st.fixed_dictionaries(
    {"id": st.from_regex(r"[a-z]{1,4}", fullmatch=True), "skill": texts},
    optional={"arguments": st.dictionaries(texts, plain, max_size=3), "name": texts},
)
plans = st.fixed_dictionaries(
    {"tasks": st.lists(steps, max_size=4)},
    optional={"title": texts, "notes": st.lists(texts, max_size=2)},
)


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


@given(plans, st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([None, 1]))
def test_every_task_is_given_whole_and_in_order(
    plan: dict[str, Any], cuts: list[int], indent: int | None
) -> None:
    reader = TaskReader()
    answer = json.dumps(plan, ensure_ascii=False, indent=indent)
    found = [task for piece in in_pieces(answer, cuts) for task in reader.feed(piece)]
    assert found == plan["tasks"]


@given(st.text(st.sampled_from('{}[]":,\\ tasksid1')), st.lists(st.integers(0, 99), max_size=6))
def test_whatever_comes_nothing_is_given_that_is_no_object(text: str, cuts: list[int]) -> None:
    reader = TaskReader()
    pieces = ['{"tasks":[', *in_pieces(text, cuts)]
    assert all(isinstance(task, dict) for piece in pieces for task in reader.feed(piece))


@given(plans, texts)
def test_what_is_given_is_what_a_whole_answer_is_read_as(plan: dict[str, Any], after: str) -> None:
    reader = TaskReader()
    answer = f'<think>{{"tasks": [{{"id": "no"}}]}}</think>```json\n{json.dumps(plan)}\n```{after}'
    found = [task for char in answer for task in reader.feed(char)]
    try:
        whole = read(answer, Proposal)
    except UnreadableError:
        return
    assert [task["id"] for task in found] == [step.id for step in whole.tasks]


def test_a_task_is_given_at_its_last_brace() -> None:
    reader = TaskReader()
    assert reader.feed('{"title": "x", "tasks": [{"id": "a", "arguments": {"b": 1}') == []
    assert reader.feed("}, {") == [{"id": "a", "arguments": {"b": 1}}]
    assert reader.feed('"id": "b"}') == [{"id": "b"}]


@pytest.mark.parametrize(
    "text",
    [
        '{"notes": [{"id": "a"}]}',
        '{"inner": {"tasks": [{"id": "a"}]}}',
        '{"tasks": {"list": [{"id": "a"}]}}',
        '{"title": "tasks", "notes": [{"id": "a"}]}',
        '{} {"tasks": [{"id": "a"}]}',
        '[{"id": "a"}]',
        "{]}",
    ],
)
def test_what_is_no_task_of_the_plan_is_not_given(text: str) -> None:
    assert TaskReader().feed(text) == []
