"""The form in which a task is written or changed."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalGroup
from textual.widgets import Button, Input, Label, Static, TextArea

from constellation.errors import ConstellationError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Edit
from constellation.telling.text import clean
from constellation.tui.model.draft import Draft, draft_of, edits_for

from .view import Dialog


class DraftDialog(Dialog[tuple[Edit, ...]]):
    """A task's fields; returns the edits that make it so, or None.

    Args:
        graph: where the task is, or is to be.
        task_id: its id; None for a new one.
        after: the task that a new one is to wait for.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save")]

    def __init__(
        self, graph: Constellation, task_id: str | None, *, after: str | None = None
    ) -> None:
        super().__init__()
        self._graph = graph
        self._task_id = task_id
        self._draft = Draft(after=after or "") if task_id is None else draft_of(graph, task_id)

    def compose(self) -> ComposeResult:
        draft = self._draft
        with VerticalGroup(classes="dialog") as box:
            title = "New task" if self._task_id is None else f"Task {self._task_id}"
            box.border_title = Text(title)
            box.border_subtitle = "ctrl+s saves · esc leaves"
            for name, value, hint in (
                ("id", draft.id, "letters, digits, _ - ."),
                ("name", draft.name, "what a person reads"),
                ("skill", draft.skill, "such as files.list"),
                ("device", draft.device, "any"),
                ("after", draft.after, "ids of tasks to wait for, with commas"),
            ):
                with Horizontal(classes="field"):
                    yield Label(name)
                    yield Input(
                        value,
                        placeholder=hint,
                        id=f"field-{name}",
                        compact=True,
                        disabled=name == "id" and self._task_id is not None,
                    )
            with Horizontal(classes="field area"):
                yield Label("arguments")
                yield TextArea(draft.arguments, language=None, id="field-arguments", compact=True)
            yield Static(id="said")
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="primary", id="save")

    def on_mount(self) -> None:
        self.query_one("#field-id" if self._task_id is None else "#field-name", Input).focus()

    @on(Button.Pressed, "#save")
    @on(Input.Submitted)
    def action_save(self) -> None:
        read = {
            name: self.query_one(f"#field-{name}", Input).value.strip()
            for name in ("id", "name", "skill", "device", "after")
        }
        draft = Draft(**read, arguments=self.query_one("#field-arguments", TextArea).text)
        try:
            self.dismiss(edits_for(self._graph, self._task_id, draft))
        except ConstellationError as error:
            said = clean(f"{error.message} {error.remedy}")
            self.query_one("#said", Static).update(Text(said))
