"""What waits for a person, of all constellations."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from constellation.telling.text import clean, plural
from constellation.telling.values import one_line
from constellation.tui.look import GREY, symbol
from constellation.tui.model.fabric import Question
from constellation.tui.widgets.rows import Column, Rows

from .answering import answer_question, send_answer
from .story import task_story
from .view import View

COLUMNS = (
    Column("", 1),
    Column("Task", share=2),
    Column("Asks", share=3),
    Column("Constellation", share=2, needs=90),
)


class Approvals(View):
    """Questions and approvals."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "approve(True)", "Approve"),
        Binding("n", "approve(False)", "Refuse"),
        Binding("o", "open", "Open the task"),
    ]

    def body(self) -> ComposeResult:
        yield Rows[Question](
            COLUMNS,
            _row,
            lambda each: (each.run.id, each.task, each.asked["id"]),
            empty="Nothing waits for you.",
            id="asked",
        )
        with VerticalScroll(id="asked-box", can_focus=False):
            yield Static(id="asked-text")

    def heading(self) -> Text:
        count = sum(1 for _ in self.face.fabric.questions())
        return Text.assemble(("Approvals", "bold"), (f"  {plural(count, 'question')}", GREY))

    def paint(self) -> None:
        super().paint()
        rows = self.query_one("#asked", Rows)
        rows.show(list(self.face.fabric.questions()))
        question = self._current()
        node = None if question is None else question.run.node(question.task)
        text = Text("")
        if question is not None and node is not None:
            text = task_story(question.run, node, self.face.now)
        self.query_one("#asked-text", Static).update(text)

    def _current(self) -> Question | None:
        found = self.query_one("#asked", Rows).current
        return found if isinstance(found, Question) else None

    @on(Rows.Moved)
    def _moved(self) -> None:
        self.repaint()

    @on(Rows.Chosen)
    def _answer(self) -> None:
        question = self._current()
        if question is not None:
            answer_question(self.face, question)

    @work
    async def action_approve(self, answer: bool) -> None:
        question = self._current()
        if question is None:
            return
        if question.asked["kind"] == "approval":
            await send_answer(self.face, question, answer)
        else:
            answer_question(self.face, question)

    def action_open(self) -> None:
        question = self._current()
        if question is not None:
            self.face.open_task(question.run, question.task)


def _row(question: Question) -> list[Text | str]:
    prompt = one_line(str(question.asked["prompt"]))
    name = Text(one_line(question.run.summary.name), GREY)
    return [symbol("input-required"), clean(question.label), prompt, name]
