"""The first screen: constellations, devices, and what needs a person."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Static

from constellation.graph.task import TERMINAL
from constellation.telling.text import clean, duration
from constellation.telling.values import one_line
from constellation.tui.look import COLOURS, GREY, meter, presence, symbol
from constellation.tui.model.devices import DeviceRow
from constellation.tui.model.fabric import Question
from constellation.tui.model.run import Run
from constellation.tui.widgets.rows import Column, Rows

from .answering import answer_question
from .view import View

RUNS = (
    Column("", 1),
    Column("Constellation", share=1),
    Column("Progress", 10, needs=44),
    Column("Tasks", 9, justify="right"),
    Column("Time", 12, justify="right", needs=56),
)
DEVICES = (
    Column("Device", share=1),
    Column("Presence", 13),
    Column("Load", 8, needs=46),
    Column("", 5, justify="right"),
    Column("Link", 7, justify="right", needs=36),
)
WAITING = "The hub was not reached yet."
EMPTY = (
    "Nothing yet. Press / and say what is to be done.",
    "No device yet. Press P to bring one in.",
)
QUESTIONS = (Column("", 1), Column("Task", share=1), Column("Asks", share=3))


class Overview(View):
    """What goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "nothing", show=False),
        Binding("tab", "app.focus_next", "Next list", show=False),
    ]

    def body(self) -> ComposeResult:
        yield Static(id="trouble")
        with Container(id="overview"):
            runs = Rows[Run](
                RUNS,
                self._run,
                lambda run: run.id,
                id="runs",
            )
            runs.border_title = "Constellations"
            yield runs
            devices = Rows[DeviceRow](
                DEVICES,
                _device,
                lambda row: row.name,
                id="devices",
            )
            devices.border_title = "Devices"
            yield devices
        questions = Rows[Question](
            QUESTIONS, _question, lambda each: (each.run.id, each.task), id="questions"
        )
        questions.border_title = "Needs you"
        yield questions

    def heading(self) -> Text:
        runs = [run.summary for run in self.face.fabric.runs.values()]
        busy = sum(each.ended_at is None for each in runs)
        return Text.assemble(("✦ Constellation", "bold"), (f"  {busy} running", GREY))

    def paint(self) -> None:
        super().paint()
        fabric, link = self.face.fabric, self.face.connection
        runs, devices = self.query_one("#runs", Rows), self.query_one("#devices", Rows)
        runs.empty, devices.empty = (WAITING, WAITING) if link.hub is None else EMPTY
        runs.show(fabric.newest())
        devices.show(sorted(fabric.devices.rows.values(), key=lambda row: row.name))
        questions = list(fabric.questions())
        shown = self.query_one("#questions", Rows)
        shown.display = bool(questions)
        shown.show(questions)
        trouble = self.query_one("#trouble", Static)
        trouble.display = link.trouble is not None
        if link.trouble is not None:
            trouble.update(Text(clean(f"{link.trouble.message} {link.trouble.remedy}")))

    def _run(self, run: Run) -> list[Text | str]:
        summary = run.summary
        state = summary.shown_state
        end = self.face.now if summary.ended_at is None else summary.ended_at
        share = summary.finished / summary.total if summary.total else 0.0
        style = GREY if state in TERMINAL else ""
        return [
            symbol(state),
            Text(one_line(summary.name), style),
            meter(share, 10, COLOURS[state]),
            Text(f"{summary.finished}/{summary.total}", style),
            Text(duration(end - summary.created_at), GREY),
        ]

    def action_nothing(self) -> None:
        """There is nothing to go back to."""

    @on(Rows.Chosen, "#runs")
    def _open_run(self) -> None:
        run = self.query_one("#runs", Rows).current
        if isinstance(run, Run):
            self.face.open_run(run)

    @on(Rows.Chosen, "#devices")
    def _open_device(self) -> None:
        row = self.query_one("#devices", Rows).current
        if isinstance(row, DeviceRow):
            self.face.open_device(row.name)

    @on(Rows.Chosen, "#questions")
    def _answer(self) -> None:
        question = self.query_one("#questions", Rows).current
        if isinstance(question, Question):
            answer_question(self.face, question)


def _device(row: DeviceRow) -> list[Text | str]:
    return [
        clean(row.name),
        presence(row.presence),
        meter(row.load, 8),
        Text(f"{len(row.running)}/{row.capacity}", GREY),
        Text("" if row.rtt_s is None else duration(row.rtt_s), GREY),
    ]


def _question(question: Question) -> list[Text | str]:
    prompt = one_line(str(question.asked["prompt"]))
    return [symbol("input-required"), clean(question.label), prompt]
