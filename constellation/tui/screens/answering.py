"""Answering what a task asks: approve or refuse, choose, or say something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalGroup
from textual.content import Content
from textual.widgets import Button, Input, Static

from constellation.telling.text import clean
from constellation.telling.values import full
from constellation.tui.look import GREY
from constellation.tui.model.fabric import Question

from .view import Dialog

if TYPE_CHECKING:
    from constellation.tui.app import ConstellationApp


def answer_question(app: ConstellationApp, question: Question) -> None:
    """Put a question to the person, and give the hub the answer; leaving it answers nothing."""

    def answered(answer: Any) -> None:
        if answer is not None:
            app.run_worker(send_answer(app, question, answer))

    app.push_screen(QuestionDialog(question), answered)


async def send_answer(app: ConstellationApp, question: Question, answer: Any) -> None:
    """Give the hub the answer to exactly this question."""
    await app.order(
        "answer",
        constellation=question.run.id,
        task=question.task,
        question=question.asked["id"],
        answer=answer,
    )


class QuestionDialog(Dialog[Any]):
    """A question, with what the task would do; returns the answer, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "approve(True)", "Approve"),
        Binding("n", "approve(False)", "Refuse"),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        self._options = list(question.asked.get("options") or ())

    def compose(self) -> ComposeResult:
        kind = self._question.asked["kind"]
        with VerticalGroup(classes="dialog") as box:
            box.border_title = Text(clean(self._question.label))
            yield Static(Text(clean(str(self._question.asked["prompt"])), "bold"))
            yield Static(self._details(), classes="details")
            if kind == "text":
                yield Input(placeholder="Your answer")
            else:
                with Horizontal(classes="buttons"):
                    if kind == "approval":
                        yield Button("Approve (y)", variant="success", id="yes")
                        yield Button("Refuse (n)", variant="error", id="no")
                    for number, option in enumerate(self._options):
                        yield Button(Content(clean(str(option))), id=f"option-{number}")

    def on_mount(self) -> None:
        if self._question.asked["kind"] == "approval":
            # A hasty enter must not approve.
            self.query_one("#no", Button).focus()

    def _details(self) -> Text:
        node = self._question.run.node(self._question.task)
        if node is None:
            return Text("")
        where = f"{node.task.skill} on {node.device}"
        return Text.assemble((clean(where), GREY), "\n", full(node.task.arguments))

    def action_approve(self, answer: bool) -> None:
        if self._question.asked["kind"] == "approval":
            self.dismiss(answer)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "yes" | "no" as word:
                self.dismiss(word == "yes")
            case str(name):
                self.dismiss(self._options[int(name.removeprefix("option-"))])

    @on(Input.Submitted)
    def _said(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)
