"""A plan before it runs: looked at, changed, run or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from constellation.errors import ConstellationError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch, Edit, RemoveTask
from constellation.graph.plain import batch_from_plain, batch_to_plain
from constellation.telling.text import clean, plural
from constellation.tui.look import GREY, ORANGE
from constellation.tui.widgets.dag import Dag

from .draft import DraftDialog
from .view import View


class PlanScreen(View):
    """What the planner would do.

    Args:
        request: the words that it was planned from.
        plan: what the verb ``plan`` answered.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "run", "Run"),
        Binding("c", "change", "Change"),
        Binding("i", "insert", "Add task"),
        Binding("delete,backspace", "remove", "Remove", key_display="del"),
        Binding("escape", "app.pop_screen", "Drop"),
    ]

    def __init__(self, request: str, plan: Mapping[str, Any]) -> None:
        super().__init__()
        self._request = request
        self._plan = plan
        self._edits: list[Edit] = []
        self._graph = Constellation("plan")
        self._apply(batch_from_plain({"edits": plan["edits"]}).edits)

    def body(self) -> ComposeResult:
        yield Static(id="notes")
        yield Dag(id="dag")

    def on_mount(self) -> None:
        self._note(self._plan["notes"])
        self.query_one(Dag).focus()

    def _note(self, notes: Sequence[str], colour: str = GREY) -> None:
        text = Text(clean(self._request), "italic")
        for note in notes:
            text.append(f"\n· {clean(note)}", f"not italic {colour}")
        self.query_one("#notes", Static).update(text)

    def heading(self) -> Text:
        title, tasks = clean(self._plan["title"]), plural(len(self._graph.nodes), "task")
        return Text.assemble(("Plan", "bold"), (f"  {tasks}, not running  ", GREY), title)

    def paint(self) -> None:
        super().paint()
        self.query_one(Dag).show(self._graph)

    def _apply(self, edits: tuple[Edit, ...]) -> None:
        self._graph.apply(Batch(edits), 0.0)
        self._edits += edits

    def _change(self, edits: tuple[Edit, ...] | None) -> None:
        try:
            if edits:
                self._apply(edits)
                self._check()
        except ConstellationError as error:
            self.face.complain(error)
        self.repaint()

    @work(exclusive=True, group="check")
    async def _check(self) -> None:
        """Ask what speaks against the plan as it is now."""
        answer = await self.face.order("plan", edits=self._plain())
        if answer is not None:
            self._note(answer["notes"], ORANGE)

    def _plain(self) -> Any:
        return batch_to_plain(Batch(tuple(self._edits)))["edits"]

    @on(Dag.Chosen)
    def action_change(self) -> None:
        selected = self.query_one(Dag).selected
        if selected is not None:
            self.app.push_screen(DraftDialog(self._graph, selected), self._change)

    def action_insert(self) -> None:
        selected = self.query_one(Dag).selected
        self.app.push_screen(DraftDialog(self._graph, None, after=selected), self._change)

    def action_remove(self) -> None:
        selected = self.query_one(Dag).selected
        if selected is not None:
            self._change((RemoveTask(selected),))

    @work(exclusive=True)
    async def action_run(self) -> None:
        answer = await self.face.order(
            "submit",
            request=self._request,
            edits=self._plain(),
            name=self._plan["title"],
            revise_on=self._plan["revise_on"],
        )
        if answer is not None:
            self.app.pop_screen()
            run = self.face.fabric.runs.get(answer["constellation"])
            if run is not None:
                self.face.open_run(run)
