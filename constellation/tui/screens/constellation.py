"""One constellation: its picture, its tasks, its course in time, its story; and orders to it."""

from __future__ import annotations

from tempfile import NamedTemporaryFile
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static, TabbedContent, TabPane

from constellation.errors import ConstellationError
from constellation.graph.edits import CancelTask, Edit, RemoveTask, RetryTask
from constellation.graph.export import to_mermaid
from constellation.graph.node import Node
from constellation.graph.plain import batch_to_plain, edit_to_plain
from constellation.graph.results import in_plan_order
from constellation.graph.task import TERMINAL
from constellation.telling.text import clean, clock, duration, models
from constellation.telling.values import one_line
from constellation.telling.watched import Line, Watched
from constellation.tui.look import COLOURS, GREY, label, meter, named, place, symbol, took
from constellation.tui.model.fabric import Question
from constellation.tui.model.run import Run
from constellation.tui.widgets.dag import Dag
from constellation.tui.widgets.rows import Column, Rows
from constellation.tui.widgets.timeline import Timeline

from .answering import answer_question
from .confirm import Confirm
from .draft import DraftDialog
from .story import task_story
from .view import View

TASKS = (
    Column("", 1),
    Column("Task", share=2),
    Column("Device", 12, needs=50),
    Column("Time", 11, justify="right"),
    Column("", share=3, needs=60),
)
STORY = (Column("Time", 12), Column("What happened", share=1))


class ConstellationScreen(View):
    """Shows one constellation.

    Args:
        run_id: its id.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "tab('graph')", "Graph", show=False),
        Binding("2", "tab('tasks')", "Tasks", show=False),
        Binding("3", "tab('time')", "Timeline", show=False),
        Binding("4", "tab('story')", "Events", show=False),
        Binding("p", "pause", "Pause"),
        Binding("r", "retry", "Retry"),
        Binding("x", "cancel", "Cancel"),
        Binding("y", "answer", "Answer", show=False),
        Binding("i", "insert", "Add"),
        Binding("c", "change", "Change"),
        Binding("u", "undo", "Undo"),
        Binding("delete", "remove", "Remove", key_display="del"),
        Binding("X", "cancel_all", "Cancel all", key_display="X"),
        Binding("m", "copy", "Copy Mermaid", show=False),
        Binding("M", "save", "Save Mermaid", show=False),
    ]

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._edited: list[int] = []
        self._shape: tuple[object, ...] = ()
        self._ordered: list[Node] = []

    @property
    def run(self) -> Run | None:
        """The constellation, unless it was forgotten."""
        return self.face.fabric.runs.get(self._run_id)

    def body(self) -> ComposeResult:
        with Horizontal(id="split"):
            with TabbedContent(id="tabs"):
                with TabPane("Graph 1", id="graph"):
                    yield Dag(id="dag")
                with TabPane("Tasks 2", id="tasks"):
                    yield Rows[Node](
                        TASKS, self._cells, lambda node: node.id, empty="No tasks.", id="task-rows"
                    )
                with TabPane("Timeline 3", id="time"):
                    yield Timeline(id="timeline")
                with TabPane("Events 4", id="story"):
                    yield Rows[Line](STORY, _line, id, empty="Nothing yet.", id="story-rows")
            with VerticalScroll(id="side", can_focus=False):
                yield Static(id="side-text")

    def on_mount(self) -> None:
        self.query_one(Dag).focus()
        self._load()

    @work
    async def _load(self) -> None:
        run = self.run
        if run is not None:
            try:
                await self.face.connection.load(run)
            except ConstellationError as error:
                self.face.complain(error)

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────

    def heading(self) -> Text:
        run = self.run
        if run is None:
            return Text(f"{self._run_id} is not known.")
        return Text.assemble(
            named(run.summary.shown_state), "  ", (one_line(run.summary.name), "bold")
        )

    def figures(self) -> Text:
        run = self.run
        if run is None:
            return Text("")
        summary = run.summary
        end = self.face.now if summary.ended_at is None else summary.ended_at
        share = summary.finished / summary.total if summary.total else 0.0
        return Text.assemble(
            "  ",
            meter(share, 8, COLOURS[run.summary.shown_state]),
            (f" {summary.finished}/{summary.total}  {duration(end - summary.created_at)}", GREY),
            (self._spent(run.watched), GREY),
        )

    def _spent(self, watched: Watched) -> str:
        took = models(watched.tokens, watched.cost, watched.max_cost)
        if took and not self.has_class("-wide"):
            took = took.split(", ")[-1]
        return took and f"  {took}"

    def paint(self) -> None:
        super().paint()
        run = self.run
        if run is None:
            return
        match self.query_one(TabbedContent).active:
            case "graph":
                self.query_one(Dag).show(run.graph)
            case "tasks":
                self.query_one("#task-rows", Rows).show(self._in_order(run))
            case "time":
                self.query_one(Timeline).show(run.graph, self.face.now)
            case "story":
                rows = self.query_one("#story-rows", Rows)
                rows.show(list(run.lines))
        node = self._selected()
        side = self.query_one("#side-text", Static)
        side.update("" if node is None else task_story(run, node, self.face.now, short=True))

    def _in_order(self, run: Run) -> list[Node]:
        """The tasks as planned; sorted out afresh only if there are others."""
        shape = (run, run.graph.version, len(run.graph.nodes))
        if shape != self._shape:
            self._shape, self._ordered = shape, in_plan_order(run.graph)
        return self._ordered

    def _cells(self, node: Node) -> list[Text | str]:
        run = self.run
        remark = "" if run is None else run.watched.remarks.get(node.id, "")
        if node.question is not None:
            remark = one_line(str(node.question["prompt"]))
        elif node.state in TERMINAL:
            error = node.error or {}
            remark = one_line(error.get("message", node.output))
        style = GREY if node.state in TERMINAL else ""
        name = label(node) if node.member_of is None else f"  {label(node)}"
        return [
            symbol(node.state),
            Text(name, style),
            clean(place(node)),
            Text(took(node, self.face.now), GREY),
            Text(clean(remark), GREY),
        ]

    @on(Dag.Moved)
    @on(Rows.Moved)
    @on(TabbedContent.TabActivated)
    def _moved(self) -> None:
        self.repaint()

    def action_tab(self, name: str) -> None:
        selected = self._selected()
        self.query_one(TabbedContent).active = name
        self.repaint()
        focus = {"graph": "#dag", "tasks": "#task-rows", "time": "#timeline"}
        self.query_one(focus.get(name, "#story-rows")).focus()
        if selected is not None:
            if name == "graph":
                self.query_one(Dag).point_at(selected.id)
            elif name == "tasks":
                self.query_one("#task-rows", Rows).point_at(selected.id)

    def _selected(self) -> Node | None:
        """The task that orders are about."""
        run = self.run
        if run is None:
            return None
        if self.query_one(TabbedContent).active == "tasks":
            found = self.query_one("#task-rows", Rows).current
            return found if isinstance(found, Node) else None
        selected = self.query_one(Dag).selected
        return None if selected is None else run.node(selected)

    @on(Dag.Chosen)
    @on(Rows.Chosen, "#task-rows")
    def _open(self) -> None:
        run, node = self.run, self._selected()
        if run is not None and node is not None:
            self.face.open_task(run, node.id)

    # ── orders ──────────────────────────────────────────────────────────────────────────────────

    @work
    async def action_pause(self) -> None:
        run = self.run
        if run is not None:
            verb = "resume" if run.summary.paused else "pause"
            await self.face.order(verb, constellation=run.id)

    def action_retry(self) -> None:
        node = self._selected()
        if node is not None:
            self._edit((RetryTask(node.id),))

    def action_cancel(self) -> None:
        node = self._selected()
        if node is not None:
            self._confirm(f"Cancel {label(node)}?", (CancelTask(node.id),))

    def action_remove(self) -> None:
        node = self._selected()
        if node is not None:
            self._edit((RemoveTask(node.id),))

    def action_change(self) -> None:
        run, node = self.run, self._selected()
        if run is not None and node is not None:
            self._ask_draft(run, DraftDialog(run.graph, node.id))

    def action_insert(self) -> None:
        run, node = self.run, self._selected()
        if run is not None:
            after = None if node is None else node.id
            self._ask_draft(run, DraftDialog(run.graph, None, after=after))

    def _ask_draft(self, run: Run, dialog: DraftDialog) -> None:
        version = run.graph.version

        def saved(edits: tuple[Edit, ...] | None) -> None:
            if edits:
                self._edit(edits, base_version=version)

        self.app.push_screen(dialog, saved)

    def _confirm(self, question: str, edits: tuple[Edit, ...]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._edit(edits)

        self.app.push_screen(Confirm(question), answered)

    @work
    async def _edit(self, edits: tuple[Edit, ...], base_version: int | None = None) -> None:
        plain = [edit_to_plain(edit) for edit in edits]
        answer = await self.face.order(
            "edit", constellation=self._run_id, edits=plain, base_version=base_version
        )
        if answer is not None:
            self._edited.append(answer["version"])

    @work(exclusive=True, group="undo")
    async def action_undo(self) -> None:
        run = self.run
        if run is None or not self._edited:
            self.notify("You have changed nothing here that could be undone.")
            return
        version = self._edited.pop()
        inverse = run.watched.inverses.get(version)
        if inverse is None:
            self.notify(f"Version {version} cannot be undone: it stopped work.", severity="warning")
            return
        plain = batch_to_plain(inverse)
        answer = await self.face.order(
            "edit", constellation=run.id, edits=plain["edits"], note=plain.get("note")
        )
        if answer is not None:
            self.notify(f"Version {version} is undone.")

    def action_cancel_all(self) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._cancel_all()

        self.app.push_screen(Confirm("Cancel the whole constellation?"), answered)

    @work
    async def _cancel_all(self) -> None:
        await self.face.order("cancel", constellation=self._run_id)

    def action_answer(self) -> None:
        run, node = self.run, self._selected()
        if run is None:
            return
        open_here = node is not None and node.id in run.questions
        task = node.id if node is not None and open_here else next(iter(run.questions), None)
        if task is not None:
            answer_question(self.face, Question(run, task, run.questions[task]))

    def action_copy(self) -> None:
        run = self.run
        if run is not None:
            self.app.copy_to_clipboard(to_mermaid(run.graph))
            self.notify("The graph is in the clipboard, as Mermaid.")

    @work
    async def action_save(self) -> None:
        run = self.run
        if run is not None:
            with NamedTemporaryFile("w", encoding="utf-8") as file:
                file.write(to_mermaid(run.graph))
                file.flush()
                await self.face.hand_over(file.name, f"{run.id}.mmd")


def _line(line: Line) -> list[Any]:
    return [Text(clock(line.time), GREY), Text(line.text.replace("\n", " "), line.style)]
