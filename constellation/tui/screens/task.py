"""One task: what it is to do, what it says, how its attempts went, what came out."""

from __future__ import annotations

from tempfile import NamedTemporaryFile
from typing import BinaryIO, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from constellation.errors import ConstellationError
from constellation.graph.node import Node
from constellation.telling.artifacts import artifacts_in
from constellation.telling.values import full, one_line
from constellation.tui.look import GREY, label, symbol
from constellation.tui.model.fabric import Question
from constellation.tui.model.run import Run

from .answering import answer_question
from .confirm import Confirm
from .story import task_story
from .view import View


class TaskScreen(View):
    """Shows one task.

    Args:
        run_id: the constellation's id.
        task_id: the task's.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer", "Answer"),
        Binding("r", "retry", "Retry"),
        Binding("x", "cancel", "Cancel"),
        Binding("m", "copy", "Copy result"),
        Binding("s", "save", "Save artifacts"),
    ]

    def __init__(self, run_id: str, task_id: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._task_id = task_id

    @property
    def run(self) -> Run | None:
        """Its constellation, unless it was forgotten."""
        return self.face.fabric.runs.get(self._run_id)

    @property
    def node(self) -> Node | None:
        """The task, unless it was removed."""
        run = self.run
        return None if run is None else run.node(self._task_id)

    def body(self) -> ComposeResult:
        with VerticalScroll(id="story-box"):
            yield Static(id="story-text")

    def on_mount(self) -> None:
        self.query_one("#story-box").focus()

    def heading(self) -> Text:
        run, node = self.run, self.node
        if run is None or node is None:
            return Text(f"{self._task_id} is not known.")
        above = one_line(run.summary.name, 40)
        return Text.assemble((f"{above} › ", GREY), symbol(node.state), " ", (label(node), "bold"))

    def paint(self) -> None:
        super().paint()
        run, node = self.run, self.node
        if run is not None and node is not None:
            self.query_one("#story-text", Static).update(task_story(run, node, self.face.now))

    def action_answer(self) -> None:
        run = self.run
        if run is not None and self._task_id in run.questions:
            answer_question(self.face, Question(run, self._task_id, run.questions[self._task_id]))

    @work
    async def action_retry(self) -> None:
        await self.face.order("retry", constellation=self._run_id, task=self._task_id)

    def action_cancel(self) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._cancel()

        node = self.node
        if node is not None:
            self.app.push_screen(Confirm(f"Cancel {label(node)}?"), answered)

    @work
    async def _cancel(self) -> None:
        await self.face.order("cancel", constellation=self._run_id, task=self._task_id)

    def action_copy(self) -> None:
        node = self.node
        if node is not None and node.output is not None:
            self.app.copy_to_clipboard(full(node.output))
            self.notify("The result is in the clipboard.")

    @work(exclusive=True, group="save")
    async def action_save(self) -> None:
        node = self.node
        artifacts = [] if node is None else artifacts_in(node.output)
        if not artifacts:
            self.notify("Its result names no artifact.")
        for artifact in artifacts:
            with NamedTemporaryFile() as file:
                try:
                    await self.face.connection.get_artifact(artifact.hash, cast(BinaryIO, file))
                except ConstellationError as error:
                    self.face.complain(error)
                    continue
                file.flush()
                name = f"{artifact.hash[:8]}-{artifact.file_name}"
                await self.face.hand_over(file.name, name)
