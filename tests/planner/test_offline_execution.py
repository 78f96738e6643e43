"""What planned requests do when they run: branches, fallbacks, and what comes after them."""

from __future__ import annotations

from typing import Any

import pytest
from planner_running import FAILS, Run

from constellation.aip.cards import DeviceCard
from constellation.graph.task import TaskState
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio

Cards = tuple[DeviceCard, ...]

BRANCHES = (
    "if the disk on server is over 80% full, notify me on desk 'full', otherwise write 'ok' to "
    "ok.txt on desk. Finally read x.txt on laptop"
)
FALLBACK = (
    "fetch http://a.b/c on server, if that fails try it on laptop instead, then write the result "
    "to c.txt on desk. Then check the memory on desk"
)
BOTH_OUTCOMES = (
    "run `make` on desk; if it succeeds, check the disk on desk, otherwise check the memory on "
    "desk. Then check the battery on laptop"
)


async def _run(request: str, cards: Cards, outputs: dict[str, Any] | None = None) -> Run:
    return Run(await OfflinePlanner().plan(request, cards), outputs)


@pytest.mark.parametrize(
    ("percent", "branch"), [(90, "notify-send-desk"), (20, "files-write-desk")]
)
async def test_one_branch_runs_and_the_rest_goes_on(
    percent: int, branch: str, cards: Cards
) -> None:
    run = await _run(BRANCHES, cards, {"system-disks-server": {"percent": percent}})
    assert run.ran == ["system-disks-server", branch, "files-read-laptop"]
    assert run.state is TaskState.COMPLETED


async def test_if_what_a_condition_looks_at_fails_no_branch_runs(cards: Cards) -> None:
    run = await _run(BRANCHES, cards, {"system-disks-server": FAILS})
    assert run.ran == ["system-disks-server"]
    assert run.state is TaskState.FAILED


async def test_a_failing_branch_stops_what_comes_after(cards: Cards) -> None:
    outputs = {"system-disks-server": {"percent": 90}, "notify-send-desk": FAILS}
    run = await _run(BRANCHES, cards, outputs)
    assert run.ran == ["system-disks-server", "notify-send-desk"]


async def test_without_a_failure_the_stand_in_rests(cards: Cards) -> None:
    run = await _run(FALLBACK, cards, {"http-get-server": {"body": "first"}})
    assert run.ran == ["http-get-server", "files-write-desk", "system-memory-desk"]
    assert run.arguments["files-write-desk"] == {"path": "c.txt", "content": "first"}


async def test_the_stand_ins_result_is_used(cards: Cards) -> None:
    outputs = {"http-get-server": FAILS, "http-get-laptop": {"body": "second"}}
    run = await _run(FALLBACK, cards, outputs)
    assert run.ran == [
        "http-get-server",
        "http-get-laptop",
        "files-write-desk-2",
        "system-memory-desk",
    ]
    assert run.arguments["files-write-desk-2"] == {"path": "c.txt", "content": "second"}
    assert run.state is TaskState.COMPLETED


async def test_if_the_stand_in_fails_too_all_of_it_fails(cards: Cards) -> None:
    run = await _run(FALLBACK, cards, {"http-get-server": FAILS, "http-get-laptop": FAILS})
    assert run.ran == ["http-get-server", "http-get-laptop"]
    assert run.state is TaskState.FAILED


@pytest.mark.parametrize(
    ("outputs", "branch"), [({}, "system-disks-desk"), ({"shell-run-desk": FAILS}, "memory")]
)
async def test_with_work_for_both_outcomes_the_rest_always_goes_on(
    outputs: dict[str, Any], branch: str, cards: Cards
) -> None:
    run = await _run(BOTH_OUTCOMES, cards, outputs)
    first, chosen, last = run.ran
    assert first == "shell-run-desk"
    assert branch in chosen
    assert last == "system-battery-laptop"
    assert run.state is TaskState.COMPLETED


async def test_steps_that_share_a_condition_are_skipped_together(cards: Cards) -> None:
    request = (
        "If the battery on laptop is below 20%, notify me on laptop 'charge me', then run "
        "`hibernate` on laptop. Then check the disk on desk"
    )
    run = await _run(request, cards, {"system-battery-laptop": {"percent": 80}})
    assert run.ran == ["system-battery-laptop", "system-disks-desk"]


async def test_one_device_over_the_limit_is_enough_for_any(cards: Cards) -> None:
    request = "check the disk on every machine and if any is over 90% full notify me on laptop"
    run = await _run(request, cards, {"system-disks-server": {"percent": 95}})
    assert "notify-send-laptop" in run.ran
    run = await _run(request, cards)
    assert "notify-send-laptop" not in run.ran


async def test_each_device_acts_on_its_own_result(cards: Cards) -> None:
    request = "check the disk on every machine. If it is over 90% full, run `clean` there"
    run = await _run(request, cards, {"system-disks-server": {"percent": 95}})
    assert [task for task in run.ran if task.startswith("shell")] == ["shell-run-server"]


async def test_results_reach_the_report_under_their_titles(cards: Cards) -> None:
    request = (
        "check the disk on desk and laptop, then write a report of the results to r.md on desk"
    )
    outputs = {"system-disks-desk": {"percent": 1}, "system-disks-laptop": {"percent": 2}}
    run = await _run(request, cards, outputs)
    assert run.arguments["report-write-desk"]["sections"] == [
        {"title": "check the disk on desk", "body": {"percent": 1}},
        {"title": "check the disk on laptop", "body": {"percent": 2}},
    ]


async def test_what_was_quoted_arrives_letter_by_letter(cards: Cards) -> None:
    request = "write 'pay ${price.output} and $${more}' to bill.txt on desk"
    run = await _run(request, cards)
    assert run.arguments["files-write-desk"]["content"] == "pay ${price.output} and $${more}"
