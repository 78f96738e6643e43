"""Changing what runs from the interface: each order reaches the hub, refusals say why."""

from __future__ import annotations

from pathlib import Path

import pytest
from tui_bench import Bench, bench, device_of

pytestmark = pytest.mark.anyio

PLAN = (
    {"id": "a", "name": "First"},
    {"id": "b", "name": "Second", "after": ["a"]},
    {"id": "c", "name": "Third", "after": ["b"]},
)


async def opened(it: Bench) -> str:
    """A constellation of three tasks, the first of which runs, on the screen."""
    name = await it.submit(*PLAN, name="Chain")
    await it.sees("Chain", "0/3")
    await it.press("enter")
    await it.sees("◐ First", "○ Third")
    return name


async def test_a_task_is_added_and_the_addition_undone(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        name = await opened(it)
        await it.press("i")
        await it.sees("New task")
        await it.type("extra")
        await it.press("tab", "tab")
        await it.type("work")
        await it.press("ctrl+s")
        await it.sees("○ extra", "0/4")
        assert (await it.node(name, "extra"))["task"]["skill"] == "work"
        await it.press("u")
        await it.sees("0/3", "is undone")
        with pytest.raises(KeyError):
            await it.node(name, "extra")


async def test_a_task_is_renamed_and_pointed_elsewhere(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        name = await opened(it)
        await it.press("right", "right", "c")
        await it.sees("Task c", "Third")
        await it.press("end", "X", "tab", "tab", "tab", "end", "backspace", "a")
        await it.press("ctrl+s")
        await it.sees("ThirdX")
        shown = await it.hub.ask("show", constellation=name)
        edges = {(each["source"], each["target"]) for each in shown["graph"]["dependencies"]}
        assert edges == {("a", "b"), ("a", "c")}


async def test_a_refused_edit_says_why(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        await opened(it)
        await it.press("delete")
        await it.sees("Refused", "Task a", "can no longer")
        await it.press("u")
        await it.sees("You have changed nothing here")


@pytest.mark.full
async def test_a_task_is_removed_and_comes_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        name = await opened(it)
        await it.press("right", "right", "delete")
        await it.sees("0/2")
        await it.press("u")
        await it.sees("0/3", "○ Third")
        assert (await it.node(name, "c"))["task"]["name"] == "Third"


async def test_a_task_is_canceled_and_tried_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        name = await opened(it)
        await it.press("right", "x")
        await it.sees("Cancel Second?")
        await it.press("y")
        await it.sees("– Second")
        await it.press("r")
        await it.sees("○ Second")
        assert (await it.node(name, "b"))["state"] == "submitted"


async def test_a_constellation_is_paused_resumed_and_canceled(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub) as desk:
        await opened(it)
        await it.press("p")
        await it.sees("‖ paused")
        desk.complete("a")
        await it.sees("✓ First", "○ Second")
        await it.press("p")
        await it.sees("◐ Second")
        await it.press("X")
        await it.sees("Cancel the whole")
        await it.press("n")
        await it.sees_not("Cancel the whole")
        await it.press("X", "y")
        await it.sees("– canceled")


@pytest.mark.full
async def test_the_graph_is_copied_as_mermaid(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        await opened(it)
        await it.press("m")
        await it.sees("in the clipboard")
        assert it.app.clipboard.startswith("flowchart")


async def test_an_edit_to_what_has_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        name = await opened(it)
        await it.press("right", "right", "c")
        await it.sees("Task c")
        edit = {"op": "update_task", "id": "c", "changes": {"name": "Changed"}}
        await it.hub.ask("edit", constellation=name, edits=[edit])
        await it.press("end", "X", "ctrl+s")
        await it.sees("Refused")
        assert (await it.node(name, "c"))["task"]["name"] == "Changed"
