"""The facts of the hub's journal, as they come."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from constellation.telling.text import clock, plural
from constellation.tui.look import GREY
from constellation.tui.model.fabric import Entry
from constellation.tui.widgets.rows import Column, Rows

from .view import View

COLUMNS = (
    Column("Number", 8, justify="right"),
    Column("Time", 12),
    Column("Constellation", 12, needs=90),
    Column("Fact", 9),
    Column("", share=1),
)


class Journal(View):
    """Lists facts; follows the latest until the cursor is moved up."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f", "follow", "Follow")]

    def __init__(self) -> None:
        super().__init__()
        self._follows = True

    def body(self) -> ComposeResult:
        yield Rows[Entry](
            COLUMNS, _row, lambda entry: entry.seq, empty="Nothing has happened yet.", id="facts"
        )

    def heading(self) -> Text:
        count = plural(len(self.face.fabric.journal), "fact")
        follows = "following" if self._follows else "standing still, f follows"
        return Text.assemble(("Journal", "bold"), (f"  {count}, {follows}", GREY))

    def paint(self) -> None:
        super().paint()
        rows = self.query_one("#facts", Rows)
        rows.show(list(self.face.fabric.journal))
        if self._follows:
            rows.action_last()

    @on(Rows.Moved)
    def _moved(self) -> None:
        rows = self.query_one("#facts", Rows)
        self._follows = bool(rows.items) and rows.current is rows.items[-1]

    def action_follow(self) -> None:
        self._follows = True
        self.repaint()

    @on(Rows.Chosen)
    def _open(self) -> None:
        entry = self.query_one("#facts", Rows).current
        run = self.face.fabric.runs.get(entry.constellation) if isinstance(entry, Entry) else None
        if run is not None:
            self.face.open_run(run)


def _row(entry: Entry) -> list[Text | str]:
    return [
        Text(str(entry.seq), GREY),
        Text(clock(entry.time), GREY),
        Text(entry.constellation, GREY),
        entry.kind,
        Text(entry.text.replace("\n", " "), entry.style),
    ]
