"""Data files beside runbooks: read as safely, with the place of each mistake."""

from __future__ import annotations

import json

import pytest

from constellation.errors import PlanError
from constellation.planner.runbook import read_data


def test_json_and_yaml_give_plain_data() -> None:
    data = {"edits": [{"op": "cancel_task", "id": "a"}], "base_version": 3}
    assert read_data(json.dumps(data), "e.json") == data
    assert read_data("edits:\n- {op: cancel_task, id: a}\nbase_version: 3\n", "e.yaml") == data
    assert read_data("on: 2020-01-01", "e.yaml") == {"on": "2020-01-01"}
    assert read_data("", "e.yaml") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", r"e\.yaml:1:\d+: This is not YAML"),
        ("a: 1\na: 2", r"e\.yaml:2:1: The key 'a' stands here a second time"),
        ("a: &x [*x]", r"e\.yaml:1:8: Aliases are not read"),
        ("a: !!python/object:os.system {}", r"e\.yaml:1:4: The tag .* is not read"),
        ("[" * 100_000, r"e\.yaml:1:25: Values nest more than 24 deep here"),
    ],
)
def test_mistakes_have_a_place(text: str, says: str) -> None:
    with pytest.raises(PlanError, match=says):
        read_data(text, "e.yaml")
