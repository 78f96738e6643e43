"""Every screen of the interface, on a real hub, in two sizes."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import anyio
import pytest
from tui_bench import NARROW, WIDE, bench, device_of, face_of, settings_of

from constellation.client import open_hub
from constellation.orchestrator.service import open_hub as serve_hub

pytestmark = pytest.mark.anyio

SIZES = pytest.mark.parametrize(
    "size",
    [pytest.param(WIDE, id="wide"), pytest.param(NARROW, id="narrow", marks=pytest.mark.full)],
)
CHAIN = ({"id": "a", "name": "First"}, {"id": "b", "name": "Second", "after": ["a"]})


@SIZES
async def test_the_overview_shows_work_devices_and_what_needs_a_person(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with bench(tmp_path, size) as it, device_of(it.hub) as desk:
        await it.sees("Nothing yet. Press /", "desk", "● connected")
        await it.submit(*CHAIN, name="Morning round")
        await it.sees("◐  Morning round", "0/2", "1 running", "1/4")
        desk.complete("a")
        await it.sees("1/2")
        desk.ask("b")
        await it.sees("Needs you", "May I burn it?", "? 1 for you")


async def test_a_request_is_planned_looked_at_and_run(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, is_quick=True):
        await it.press("slash")
        await it.type("do the work on desk")
        await it.press("enter")
        await it.sees("Plan", "not running", "work on desk", "r Run")
        assert (await it.hub.ask("list", all=True))["constellations"] == []
        await it.press("r")
        await it.sees("✓ completed", "do the work")
        (run,) = (await it.hub.ask("list", all=True))["constellations"]
        assert (run["state"], run["request"]) == ("completed", "do the work on desk")


async def test_what_speaks_against_a_changed_plan_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        await it.press("slash")
        await it.type("do the work on desk")
        await it.press("enter")
        await it.sees("r Run")
        await it.press("i")
        await it.sees("New task")
        await it.type("extra")
        await it.press("tab", "tab")
        await it.type("wrk")
        await it.press("ctrl+s")
        await it.sees("no connected device that fits has the skill 'wrk'. Did you mean 'work'?")


@pytest.mark.full
async def test_a_plan_is_changed_before_it_runs(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, is_quick=True):
        await it.press("slash")
        await it.type("do the work on desk")
        await it.press("enter")
        await it.sees("r Run")
        await it.press("i")
        await it.sees("New task")
        await it.type("extra")
        await it.press("tab", "tab")
        await it.type("work")
        await it.press("ctrl+s")
        await it.sees("2 tasks", "○ extra")
        await it.press("r")
        await it.sees("✓ completed", "2/2")


async def test_a_request_that_cannot_be_planned_says_why_and_can_be_mended(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub):
        await it.press("slash")
        await it.type("sing a song")
        await it.press("enter")
        await it.until(lambda: "Planning" not in it.text() and "sing a song" in it.text())
        await it.sees("What is to be done?")
        await it.press("escape")
        await it.sees_not("What is to be done?")


@SIZES
async def test_a_long_name_gives_way_to_how_it_stands(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with bench(tmp_path, size) as it, device_of(it.hub) as desk:
        await it.submit(*CHAIN, name="check every disk of every machine " * 3)
        await it.sees("0/2")
        await it.press("enter")
        desk.complete("a")
        await it.until(
            lambda: re.search(r"… +\S+ 1/2  (\d+ ms|[\d.]+ s) .*● \d", it.text()) is not None
        )


@SIZES
async def test_what_models_cost_stands_beside_what_they_may(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with bench(tmp_path, size) as it, device_of(it.hub) as desk:
        await it.submit(*CHAIN, name="Chain", max_cost=0.5)
        await it.sees("Chain")
        await it.press("enter")
        desk.complete("a", usage={"tokens": 1200, "cost": 0.05})
        await it.sees("1/2", "1,200 tokens, 0.05 of 0.50" if size == WIDE else "  0.05 of 0.50")


@SIZES
async def test_a_constellation_is_drawn_and_followed(tmp_path: Path, size: tuple[int, int]) -> None:
    async with bench(tmp_path, size) as it, device_of(it.hub) as desk:
        await it.submit(*CHAIN, name="Chain")
        await it.sees("Chain")
        await it.press("enter")
        await it.sees("◐ First", "○ Second", "▸")
        desk.complete("a", {"n": 7})
        await it.sees("✓ First", "◐ Second")
        await it.press("2")
        await it.sees("Device", "n: 7")
        await it.press("3")
        await it.sees("First", "desk")
        await it.press("4")
        await it.sees("Planned 2 tasks.", "First completed on desk")
        await it.press("1", "right", "enter")
        await it.sees("Chain › ◐ Second", "Waits for", "✓ completed  First")


@SIZES
async def test_a_task_shows_its_live_output_and_its_result(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with bench(tmp_path, size) as it, device_of(it.hub) as desk:
        await it.submit({"id": "a", "name": "First", "arguments": {"path": "notes"}})
        await it.sees("1 running")
        await it.press("enter")
        await it.sees("◐ First")
        await it.press("enter")
        desk.say("a", "half way")
        await it.sees("Arguments", "path: notes", "Output while it ran", "half way")
        desk.complete("a", {"text": "all well"})
        await it.sees("Result", "all well")


async def test_a_graph_and_what_a_result_names_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with bench(tmp_path) as it, device_of(it.hub) as desk:
        digest, length = await it.hub.put_artifact(BytesIO(b"all of it"))
        name = await it.submit({"id": "a", "name": "First"})
        await it.sees("1 running")
        await it.press("enter")
        await it.sees("◐ First")
        await it.press("M")
        graph = tmp_path / f"{name}.mmd"
        await it.until(lambda: graph.exists() and "First" in graph.read_text())
        await it.press("enter", "s")
        await it.sees("Its result names no artifact.")
        named = {"hash": digest, "size_bytes": length, "name": "../all.txt"}
        desk.complete("a", [named, {"hash": "0" * 64}])
        await it.sees("Artifacts", "all.txt  9 bytes")
        await it.press("s")
        await it.sees("Saved as", "Refused")
        assert (tmp_path / f"{digest[:8]}-all.txt").read_bytes() == b"all of it"


async def test_a_dangerous_step_is_refused_or_approved(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub) as desk:
        await it.submit({"id": "a"}, {"id": "b"}, name="Burn")
        await it.until(lambda: len(desk.assigned) == 2)
        for task in ("a", "b"):
            desk.ask(task)
        await it.press("a")
        await it.sees("2 questions", "May I burn it?", "Burn")
        await it.press("n")
        await it.sees("1 question")
        await it.press("enter")
        await it.sees("Approve (y)")
        await it.press("y")
        await it.sees("Nothing waits for you.")
        await it.until(lambda: len(desk.answers) == 2)
        assert [each["answer"] for each in desk.answers] == [False, True]


async def test_a_hasty_enter_does_not_approve(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub) as desk:
        await it.submit({"id": "a"})
        await it.until(lambda: desk.assigned)
        desk.ask("a")
        await it.sees("Needs you")
        await it.press("a", "enter")
        await it.sees("Refuse (n)")
        await it.press("enter")
        await it.until(lambda: desk.answers)
        assert desk.answers[0]["answer"] is False


@pytest.mark.full
async def test_a_choice_and_a_text_are_answered(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub) as desk:
        await it.submit({"id": "a"}, {"id": "b"})
        await it.until(lambda: len(desk.assigned) == 2)
        desk.ask("a", kind="choice", prompt="Which?", options=["red", "blue"])
        await it.press("a")
        await it.sees("Which?")
        await it.press("enter")
        await it.sees("red", "blue")
        await it.press("tab", "enter")
        await it.until(lambda: desk.answers)
        desk.ask("b", kind="text", prompt="How many?")
        await it.sees("How many?")
        await it.press("enter")
        await it.type("12")
        await it.press("enter")
        await it.until(lambda: len(desk.answers) == 2)
        assert [each["answer"] for each in desk.answers] == ["blue", "12"]


@SIZES
async def test_a_device_shows_its_card_and_what_it_works_on(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with bench(tmp_path, size) as it, device_of(it.hub):
        await it.submit({"id": "a", "name": "First"}, name="Morning round")
        await it.sees("desk")
        await it.press("tab", "enter")
        await it.sees("linux (computer)", "1 of 4", "◐  First", "burn", "dangerous")
        await it.press("escape")
        await it.sees("Morning round", "Constellations")


@SIZES
async def test_the_journal_follows_the_facts(tmp_path: Path, size: tuple[int, int]) -> None:
    async with bench(tmp_path, size) as it, device_of(it.hub, is_quick=True):
        await it.press("j")
        await it.sees("Nothing has happened yet.")
        await it.submit({"id": "a", "name": "First"})
        await it.sees("created", "finished", "First completed on desk", "ended", "following")
        await it.press("up")
        await it.sees("standing still")


async def test_the_journal_knows_what_was_before_it_was_opened(tmp_path: Path) -> None:
    async with serve_hub(settings_of(tmp_path)), open_hub(settings_of(tmp_path)) as hub:
        async with device_of(hub, is_quick=True):
            task = {"id": "a", "name": "First", "skill": "work"}
            edits = [{"op": "add_task", "task": task}]
            work = await hub.ask("submit", edits=edits, name="Early")
            async for event in await hub.watch(work["constellation"], after=0):
                if event["kind"] == "ended":
                    break
        async with face_of(settings_of(tmp_path), hub) as it:
            await it.press("j")
            await it.sees("created", "Early", "finished", "a completed", "ended", "5 facts")


@SIZES
async def test_help_is_searched(tmp_path: Path, size: tuple[int, int]) -> None:
    async with bench(tmp_path, size) as it:
        await it.press("question_mark")
        await it.sees("○ submitted", "say what is to be done")
        await it.type("undo")
        await it.sees("undo your last change")
        await it.sees_not("say what is to be done")


async def test_a_device_is_paired_with_a_code(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.press("P")
        await it.type("phone")
        await it.press("enter")
        await it.sees("good once", "phone --pair", "█▀▀▀▀▀█")
        await it.press("c")
        await it.sees("The command is in the clipboard.")
        assert "--name phone --pair" in it.app.clipboard


async def test_the_qr_code_fits_into_a_small_terminal(tmp_path: Path) -> None:
    async with bench(tmp_path, NARROW) as it:
        await it.press("P", "enter")
        await it.sees("good once")
        # The third of its corners.
        assert len(re.findall("█ ███ █", it.text())) == 3


@pytest.mark.full
async def test_the_palette_finds_a_device(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, "attic"):
        await it.sees("attic")
        await it.press("ctrl+p")
        await it.type("attic")
        await it.sees("Device, connected")
        await it.press("enter")
        await it.sees("Platform", "linux (computer)")


async def test_words_from_elsewhere_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    evil = "[red]evil[/b] \x1b[2J"
    shown = "[red]evil[/b] \\x1b[2J"
    async with bench(tmp_path) as it, device_of(it.hub) as desk:
        await it.submit({"id": "a", "name": evil}, name=evil)
        await it.until(lambda: desk.assigned)
        desk.ask("a", kind="choice", prompt=evil, options=[evil, "no"])
        desk.say("a", evil)
        await it.sees("Needs you", shown)
        await it.press("enter")
        await it.sees(f"? {shown}")
        await it.press("y")
        await it.sees("on desk", shown)
        await it.press("escape", "x")
        await it.sees(f"Cancel {shown}?")
        await it.press("n", "4")
        await it.sees(f"{shown} asks: {shown}")
        await it.press("1", "enter")
        await it.sees("Output while it ran", shown)
        await it.press("slash")
        await it.type("sing [/bold]")
        await it.press("enter")
        await it.until(lambda: it.text().count("[/bold]") > 1 and "Planning" not in it.text())


async def test_it_waits_for_a_hub_and_survives_its_restart(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with serve_hub(settings), open_hub(settings) as hub:
        # A hub of another time has left its credentials; now none runs.
        assert await hub.ask("status")
    async with face_of(settings, hub) as it:
        await it.sees("No hub is running here.", "constellation hub")
        async with serve_hub(settings), open_hub(settings) as it.hub:
            await it.sees("127.0.0.1")
            name = await it.submit({"id": "a", "name": "First"}, name="Before")
            await it.sees("○  Before")
        await it.sees("reconnecting")
        async with serve_hub(settings), open_hub(settings) as it.hub:
            await it.sees("● 127.0.0.1")
            await it.hub.ask("cancel", constellation=name)
            await it.sees("–  Before")
            with anyio.fail_after(100):
                await it.submit({"id": "b"}, name="After")
            await it.sees("○  After")
