"""A constellation rebuilt from its events, and how it is told and drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console, RenderableType

from constellation.cli.render import (
    counts_text,
    devices_table,
    ending,
    live_table,
    notes_text,
    plan_table,
    result_texts,
    run_heading,
    runs_table,
    task_table,
)
from constellation.graph.results import in_plan_order, results
from constellation.telling.watched import Watched


def event(kind: str, time: float, **body: Any) -> dict[str, Any]:
    return {"kind": kind, "time": time, "constellation": "c-1", "body": body}


def task(id: str, **fields: Any) -> dict[str, Any]:
    return {"op": "add_task", "task": {"id": id, "skill": "shell", **fields}}


def edited(version: int, *edits: dict[str, Any], time: float = 100.0) -> dict[str, Any]:
    return event("edited", time, batch={"edits": list(edits)}, version=version)


PLANNED = [
    event("created", 100.0, name="Collect", request="collect and report"),
    edited(1, task("collect"), task("report", arguments={"text": "${collect.output}"})),
]
COLLECTED = [
    *PLANNED,
    event("started", 100.5, task="collect", attempt=1, device="desk"),
    event("finished", 102.0, task="collect", attempt=1, state="completed", output="two files"),
]


def told(events: list[dict[str, Any]]) -> tuple[Watched, list[str]]:
    watched = Watched("c-1")
    lines = [line.text for each in events for line in watched.take(each)]
    return watched, lines


def printed(*parts: RenderableType, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class TestStory:
    def test_a_run_from_plan_to_end(self) -> None:
        watched, lines = told(
            [
                *COLLECTED,
                event("started", 102.1, task="report", attempt=1, device="lap"),
                event("finished", 102.3, task="report", attempt=1, state="completed", output=None),
                event("ended", 102.3, state="completed"),
            ]
        )
        assert lines == [
            "Planned 2 tasks.",
            "collect started on desk",
            "collect completed on desk in 1.5 s: two files",
            "report started on lap",
            "report completed on lap in 200 ms",
        ]
        assert watched.name == "Collect"
        assert printed(ending(watched)).startswith("Completed in 2.3 s: 2 completed.")

    def test_it_is_called_as_it_was_named_last(self) -> None:
        batch = {"edits": [task("also")]}
        renamed = event("edited", 101.0, batch=batch, version=2, name="Collect twice")
        watched, _ = told([*PLANNED, renamed, edited(3, task("more"))])
        assert watched.name == "Collect twice"

    def test_what_begins_before_the_plan_is_whole(self) -> None:
        edge = {"source": "collect", "target": "report", "condition": "success"}
        added = {"op": "add_dependency", "dependency": edge}
        removed = {"op": "remove_dependency", "source": "collect", "target": "report"}
        _, lines = told(
            [
                event("created", 100.0, name="Collect", request="collect", planning=True),
                edited(1, task("collect")),
                edited(2, task("report"), added),
                event("planned", 100.0, name="Collect and report"),
                edited(3, removed),
            ]
        )
        assert lines == [
            "Begun while the plan is being written: added collect.",
            "Edited to version 2: added report, report after collect.",
            "Planned 2 tasks.",
            "Edited to version 3: report no longer after collect.",
        ]

    def test_a_failure_names_its_reason_and_what_is_skipped(self) -> None:
        error = {"code": "task.failed", "message": "No such file.", "remedy": "Check the path."}
        _, lines = told(
            [
                *PLANNED,
                event("started", 100.5, task="collect", attempt=1, device="desk"),
                event("finished", 101.0, task="collect", attempt=1, state="failed", error=error),
            ]
        )
        assert lines[2] == "collect failed on desk in 500 ms: No such file. Check the path."
        assert lines[3].startswith("report is skipped: ")
        assert "collect" in lines[3]

    def test_a_lost_attempt_is_told_and_the_next_is_numbered(self) -> None:
        _, lines = told(
            [
                *PLANNED,
                event("started", 100.5, task="collect", attempt=1, device="desk"),
                event("requeued", 101.0, task="collect", reason="desk was lost"),
                event("started", 101.5, task="collect", attempt=2, device="lap"),
            ]
        )
        assert lines[2:] == [
            "collect is queued again: desk was lost",
            "collect started on lap (attempt 2)",
        ]

    def test_a_question_and_its_answer(self) -> None:
        question = {"id": "q", "kind": "approval", "prompt": "Run \x1b[2Krm?"}
        watched, lines = told(
            [
                *PLANNED,
                event("started", 100.5, task="collect", attempt=1, device="desk"),
                event("asked", 101.0, task="collect", question=question),
            ]
        )
        assert lines[-1] == "collect asks: Run \\x1b[2Krm?"
        assert "asks: Run" in printed(task_table(watched.constellation, 102.0))
        answer = event("answered", 103.0, task="collect", question="q", answer=False, by="ada")
        assert [line.text for line in watched.take(answer)] == [
            "collect was answered no by ada",
        ]

    def test_an_edit_names_what_it_changed(self) -> None:
        _, lines = told(
            [
                *PLANNED,
                edited(2, task("extra"), {"op": "cancel_task", "id": "report"}, time=101.0),
            ]
        )
        assert lines[-1] == "Edited to version 2: added extra, canceled report."

    def test_a_long_edit_is_cut_short(self) -> None:
        _, lines = told([*PLANNED, edited(2, *(task(f"t{n}") for n in range(9)))])
        assert lines[-1].endswith("added t3, and 5 more.")

    def test_pause_resume_and_cancellation(self) -> None:
        watched, lines = told(
            [
                *PLANNED,
                event("paused", 101.0),
                event("resumed", 102.0),
                event("canceled", 103.0, reason="wrong request"),
                event("ended", 103.0, state="canceled"),
            ]
        )
        assert lines[1:] == ["Paused.", "Resumed.", "Cancellation: wrong request."]
        assert watched.state == "canceled"
        assert watched.ended_at == 103.0

    def test_a_reason_to_wait_is_told_once(self) -> None:
        waiting = event("waiting", 100.2, task="collect", reason="no device has the skill shell")
        watched, lines = told([*PLANNED, waiting, waiting])
        assert lines[1:] == ["collect waits: no device has the skill shell"]
        table = task_table(watched.constellation, 101.0, watched.remarks)
        assert "no device has the skill shell" in printed(table)

    def test_progress_is_shown_while_a_task_runs(self) -> None:
        watched, lines = told(
            [
                *PLANNED,
                event("started", 100.5, task="collect", attempt=1, device="desk"),
                event("progress", 101.0, task="collect", fraction=0.25, message="reading"),
            ]
        )
        assert len(lines) == 2
        assert "25% reading" in printed(task_table(watched.constellation, 102.0, watched.remarks))
        watched.take(event("output", 101.5, task="collect", channel="stdout", data="line 7\n"))
        assert "line 7" in printed(task_table(watched.constellation, 102.0, watched.remarks))

    def test_facts_of_kinds_yet_unknown_are_passed_over(self) -> None:
        assert told([*PLANNED, event("invented", 101.0)])[1] == ["Planned 2 tasks."]


class TestTables:
    def test_running_time_grows_with_the_clock(self) -> None:
        watched, _ = told(COLLECTED[:3])
        assert "3.5 s" in printed(task_table(watched.constellation, 104.0))

    def test_a_limited_table_shows_what_runs_first(self) -> None:
        planned = edited(1, *(task(f"t{n}") for n in range(20)))
        started = event("started", 101.0, task="t17", attempt=1, device="desk")
        watched, _ = told([PLANNED[0], planned, started])
        shown = printed(live_table(watched.constellation, 102.0, {}, rows=3, width=100))
        assert "t17" in shown
        assert "… and 17 more" in shown
        assert len(shown.splitlines()) < 8

    @pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
    def test_a_live_table_fits_its_terminal_with_one_line_for_each_task(self, width: int) -> None:
        name = "check the disks and the memory of a machine with a rather long name"
        planned = edited(1, *(task(f"t{n}", name=name) for n in range(4)))
        started = event("started", 101.0, task="t0", attempt=1, device="d" * 64)
        finished = event("finished", 109.0, task="t0", attempt=1, state="completed", output=name)
        watched, _ = told([PLANNED[0], planned, started, finished])
        table = live_table(watched.constellation, 110.0, {}, rows=9, width=width)
        lines = printed(table, width=width).splitlines()
        assert len(lines) == 2 + 4
        assert max(map(len, lines)) <= width
        assert all("check" in line for line in lines[2:])
        assert "completed" in lines[2] or width < 28
        assert ("8.0 s" in lines[2]) == (width >= 60)

    def test_elements_of_a_map_stand_below_it(self) -> None:
        events = [
            PLANNED[0],
            edited(
                1,
                task("list"),
                task("each", for_each="${list.output}", arguments={"name": "${item}"}),
                task("last"),
            ),
            event("started", 101.0, task="list", attempt=1, device="desk"),
            event("finished", 102.0, task="list", attempt=1, state="completed", output=["a", "b"]),
        ]
        watched, _ = told(events)
        order = [node.id for node in in_plan_order(watched.constellation)]
        assert order == ["list", "each", "each[0]", "each[1]", "last"]

    def test_results_are_those_of_the_last_tasks(self) -> None:
        watched, _ = told(
            [
                *COLLECTED,
                event("started", 102.1, task="report", attempt=1, device="lap"),
                event("finished", 102.3, task="report", attempt=1, state="completed", output="ok"),
            ]
        )
        assert results(watched.constellation) == {"report": "ok"}
        assert printed(*result_texts(watched.constellation)).strip() == "ok"

    def test_a_long_result_is_cut_with_a_remark(self) -> None:
        done = event("finished", 102.0, task="a", attempt=1, state="completed", output="x\n" * 100)
        started = event("started", 101.0, task="a", attempt=1, device="desk")
        watched, _ = told([PLANNED[0], edited(1, task("a")), started, done])
        assert "… 40 more lines" in printed(*result_texts(watched.constellation))

    def test_markup_in_data_is_not_obeyed(self) -> None:
        watched, _ = told([PLANNED[0], edited(1, task("a", name="[red]x[/red]"))])
        assert "[red]x[/red]" in printed(task_table(watched.constellation, 101.0))

    def test_a_plan_says_what_where_and_after_what(self) -> None:
        edits = [
            task("list", arguments={"path": "/tmp"}, requirement={"device": "desk"}),
            task("each", for_each="${list.output}", requirement={"labels": {"room": "lab"}}),
            {"op": "add_task", "task": {"id": "think", "instruction": "Think."}},
        ]
        watched, _ = told([PLANNED[0], edited(1, *edits)])
        rows = [
            " ".join(row.split()) for row in printed(plan_table(watched.constellation)).split("\n")
        ]
        assert "list shell(path: /tmp) desk" in rows
        assert "each shell() for each of ${list.output} room=lab list" in rows
        assert "think Think. any" in rows

    def test_listings(self) -> None:
        row = {
            "id": "c-1",
            "name": "Collect",
            "request": "",
            "state": "working",
            "paused": True,
            "counts": {"completed": 1, "working": 2},
            "created_at": 0.0,
            "ended_at": None,
            "version": 3,
            "tokens": 1_200,
            "cost": 0.05,
            "max_cost": 0.5,
        }
        shown = printed(runs_table([row]))
        assert "paused" in shown
        assert "1 completed, 2 working" in shown
        assert "version 3" in printed(run_heading(row))
        assert "language models: 1,200 tokens, 0.05 of 0.50" in printed(run_heading(row))

    def test_devices(self) -> None:
        card: Mapping[str, Any] = {
            "platform": "linux",
            "capacity": 4,
            "labels": {"room": "lab"},
            "skills": [{}, {}],
        }
        device = {"name": "desk", "presence": "connected", "running": ["a"], "card": card}
        shown = " ".join(printed(devices_table([device])).split())
        assert "desk connected 1 of 4 linux 2 room=lab" in shown

    def test_notes_follow_the_title(self) -> None:
        assert printed(notes_text("Collect", ["On desk."])) == "Collect\n  On desk.\n"

    def test_counts_leave_out_nothings(self) -> None:
        assert counts_text({"completed": 2, "failed": 0}) == "2 completed"
