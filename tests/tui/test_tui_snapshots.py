"""Every screen in two sizes, letter by letter, beside how it looked when that was last approved.

After a change that was meant, write the pictures anew with ``make snapshots`` and look at what git
says of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from tui_bench import NARROW, WIDE, settings_of, text_of
from tui_facts import ID, Play

from constellation.graph.task import Task
from constellation.tui.app import ConstellationApp
from constellation.tui.screens.plan import PlanScreen

pytestmark = pytest.mark.anyio

SNAPSHOTS = Path(__file__).parent / "snapshots"
NOW = 187.0
# Local time, which differs from machine to machine.
CLOCK = re.compile(r"\d\d:\d\d:\d\d")
TASKS = (
    Task("disks", "work", name="check the disks on desk", arguments={"mount": "/"}),
    Task("memory", "work", name="check the memory on desk"),
    Task("backup", "work", name="run `sh backup.sh` on server", timeout_s=90.0),
    Task("delete", "work", name="delete old.log on desk", arguments={"path": "old.log"}),
    Task("report", "work", name="write a report of all results to report.md on desk"),
    Task("copy", "work", name="copy report.md from desk to laptop"),
)
EDGES = ((0, 4), (1, 4), (2, 4), (3, 4), (4, 5))
DEVICES = (
    ("desk", "connected", "", [f"{ID}/backup/1", f"{ID}/delete/1"], 0.004),
    ("laptop", "detached", "lost its link 12 s ago", [], None),
    ("server", "quarantined", "failed 3 tasks in a row", [], 0.011),
)
CARD = {
    "kind": "computer",
    "platform": "linux",
    "description": "The machine under the desk.",
    "capacity": 4,
    "labels": {"role": "desk"},
    "hardware": {"cpus": 8, "memory_bytes": 17179869184},
    "skills": [
        {"name": "files.list", "effect": "read", "description": "List the files in a folder."},
        {"name": "files.write", "effect": "write", "description": "Write a text into a file."},
        {"name": "shell.run", "effect": "dangerous", "description": "Run a command."},
    ],
}
PLAN = {
    "title": "Tidy up",
    "notes": ["old.log is deleted for good."],
    "revise_on": [],
    "edits": [
        {"op": "add_task", "task": {"id": "look", "skill": "files.list", "name": "list the files"}},
        {"op": "add_task", "task": {"id": "tidy", "skill": "files.delete", "name": "delete one"}},
        {"op": "add_dependency", "dependency": {"source": "look", "target": "tidy"}},
    ],
}
SCREENS: dict[str, Sequence[str]] = {
    "overview": (),
    "graph": ("enter",),
    "graph-far": ("enter", "minus"),
    "tasks": ("enter", "2"),
    "timeline": ("enter", "3"),
    "events": ("enter", "4"),
    "task": ("enter", "enter"),
    "device": ("tab", "enter"),
    "approvals": ("a",),
    "question": ("a", "enter"),
    "journal": ("j",),
    "help": ("question_mark",),
    "request": ("slash",),
    "pairing": ("P",),
    "new-task": ("enter", "i"),
    "confirm": ("enter", "X"),
    "plan": (),
}


def fill(app: ConstellationApp) -> None:
    """Give the interface what a hub would have told it."""
    play = Play(EDGES, tasks=TASKS, name="check everything and write a report")
    for word, number in (("finish", 0), ("fail", 1), ("retry", 1), ("ask", 3), ("finish", 1)):
        play.move(word, number)
    for event in play.events:
        app.fabric.take(event)
    app.fabric.devices.update(map(device, DEVICES))


def device(row: Sequence[Any]) -> dict[str, Any]:
    name, presence, unavailable, running, rtt_s = row
    known = {"name": name, "presence": presence, "unavailable": unavailable}
    return {**known, "running": running, "rtt_s": rtt_s, "card": {"name": name, **CARD}}


@pytest.mark.parametrize(
    "size",
    [pytest.param(WIDE, id="wide"), pytest.param(NARROW, id="narrow", marks=pytest.mark.full)],
)
@pytest.mark.parametrize("name", SCREENS)
async def test_a_screen_looks_as_it_did(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    app = ConstellationApp(settings_of(tmp_path), clock=lambda: NOW)
    async with app.run_test(size=size) as pilot:
        with anyio.fail_after(100):
            while app.connection.trouble is None:
                await pilot.pause()
        fill(app)
        if name == "plan":
            app.push_screen(PlanScreen("tidy up on desk", PLAN))
        await pilot.pause()
        for key in SCREENS[name]:
            app.simulate_key(key)
            await pilot.pause()
        seen, before = "", None
        with anyio.fail_after(100):
            while seen != before:
                before = seen
                for _ in range(5):
                    await pilot.pause()
                seen = text_of(app)
    lines = (line.rstrip() for line in CLOCK.sub("hh:mm:ss", seen).splitlines())
    picture = "\n".join(lines) + "\n"
    kept = SNAPSHOTS / f"{name}-{size[0]}x{size[1]}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(picture, encoding="utf-8")
    assert picture == kept.read_text(encoding="utf-8")
