"""When running work is changed by edits, and when it has to be done anew."""

from __future__ import annotations

from typing import Any

import pytest

from agents.voice.amending import amendment


def task(skill: str, device: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"{skill}-{device}",
        "skill": skill,
        "name": f"{skill} on {device}",
        "requirement": {"device": device},
        **fields,
    }


def plan(device: str) -> list[dict[str, Any]]:
    path = {"path": "${zip-" + device + ".output.path}"}
    return [
        {"op": "add_task", "task": task("zip", device)},
        {"op": "add_task", "task": task("send", device, arguments=path)},
        {
            "op": "add_dependency",
            "dependency": {"source": f"zip-{device}", "target": f"send-{device}"},
        },
    ]


def running(device: str, *states: str) -> dict[str, Any]:
    *tasks, edge = plan(device)
    nodes = [
        {"task": each["task"], "state": state} for each, state in zip(tasks, states, strict=True)
    ]
    return {"nodes": nodes, "dependencies": [edge["dependency"]]}


def test_tasks_that_have_not_begun_go_to_the_other_device() -> None:
    edits = amendment(running("desk", "submitted", "submitted"), plan("server"))
    assert edits == [
        {
            "op": "update_task",
            "id": f"{skill}-desk",
            "changes": {"name": f"{skill} on server", "requirement": {"device": "server"}},
        }
        for skill in ("zip", "send")
    ]


def test_nothing_is_to_be_changed_into_itself() -> None:
    assert amendment(running("desk", "working", "submitted"), plan("desk")) == []


@pytest.mark.parametrize("state", ["working", "input-required", "completed", "failed"])
def test_what_has_begun_on_the_wrong_device_is_done_anew(state: str) -> None:
    assert amendment(running("desk", state, "submitted"), plan("server")) is None


def test_what_was_done_rightly_stays() -> None:
    planned = plan("desk")
    planned[1]["task"] = {**planned[1]["task"], "arguments": {"path": "b.zip"}}
    (edit,) = amendment(running("desk", "completed", "submitted"), planned) or []
    assert edit["changes"] == {"arguments": {"path": "b.zip"}}


COPY = {"op": "add_task", "task": task("copy", "desk")}
CANCEL = {"op": "cancel_task", "id": "zip-desk"}
ANYHOW = {"source": "zip-desk", "target": "send-desk", "condition": "completion"}


@pytest.mark.parametrize(
    "planned",
    [
        plan("desk")[:1],
        [*plan("desk"), CANCEL],
        [COPY, plan("desk")[1]],
        [*plan("desk")[:2], {"op": "add_dependency", "dependency": ANYHOW}],
    ],
)
def test_another_kind_of_work_is_done_anew(planned: list[dict[str, Any]]) -> None:
    assert amendment(running("desk", "submitted", "submitted"), planned) is None
