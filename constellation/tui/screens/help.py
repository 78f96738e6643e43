"""Help: what the signs mean and what the keys do; typing narrows it down."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from constellation.tui.look import COLOURS, GREY, PRESENCES, SYMBOLS, named

from .view import View

IN_LINE = 5
KEYS = (
    ("Everywhere", "/ or n", "say what is to be done"),
    ("Everywhere", "a", "approvals and questions"),
    ("Everywhere", "j", "the journal"),
    ("Everywhere", "P", "pair a device"),
    ("Everywhere", "ctrl+p", "find constellations, devices, commands, themes"),
    ("Everywhere", "esc", "back"),
    ("Everywhere", "tab", "the next part of the screen"),
    ("Everywhere", "q", "quit; work goes on"),
    ("Lists", "↑ ↓ pgup pgdn home end", "move"),
    ("Lists", "enter, double click", "open"),
    ("Graph", "← → ↑ ↓", "to the next task"),
    ("Graph", "shift and arrows, wheel", "pan"),
    ("Graph", "+ -", "zoom"),
    ("Constellation", "1 2 3 4", "graph, tasks, timeline, events"),
    ("Constellation", "p", "pause and resume"),
    ("Constellation", "i c del", "add, change, remove a task; its dependencies are in the form"),
    ("Constellation", "x X", "cancel the task, cancel all"),
    ("Constellation", "r", "retry the task"),
    ("Constellation", "u", "undo your last change"),
    ("Constellation", "y", "answer what a task asks"),
    ("Constellation", "m M", "copy the graph as Mermaid, save it"),
    ("Task", "m s", "copy the result, save the artifacts that it names"),
    ("Approvals", "y n", "approve, refuse"),
    ("Plan", "r", "run it"),
    ("Plan", "i c del", "add, change, remove a task before it runs"),
)


class Help(View):
    """Keys and signs."""

    def body(self) -> ComposeResult:
        yield Input(placeholder="find a key or what it does", id="find", compact=True)
        with VerticalScroll(can_focus=True):
            yield Static(_signs(), id="signs")
            yield Static(id="keys")

    def heading(self) -> Text:
        return Text("Help", "bold")

    def paint(self) -> None:
        super().paint()
        words = self.query_one("#find", Input).value.lower().split()
        self.query_one("#keys", Static).update(Text("\n").join(_keys(words)))

    @on(Input.Changed)
    def _changed(self) -> None:
        self.repaint()


def _signs() -> Text:
    signs = [named(state) for state in SYMBOLS]
    there = [Text(f"{sign} {word}", colour) for word, (sign, colour) in PRESENCES.items()]
    return Text.assemble(
        ("Tasks    ", GREY),
        _in_lines(signs),
        ("\nDevices  ", GREY),
        _in_lines(there),
        ("\nGraph    ", GREY),
        ("bold names are the longest chain, which decides when all is done", "bold"),
        "\n",
    )


def _in_lines(signs: list[Text]) -> Text:
    """Signs with their words, not too many on a line."""
    lines = [Text("  ").join(signs[at : at + IN_LINE]) for at in range(0, len(signs), IN_LINE)]
    return Text("\n         ").join(lines)


def _keys(words: list[str]) -> Iterator[Text]:
    part = ""
    for where, key, what in KEYS:
        if not all(word in f"{where} {key} {what}".lower() for word in words):
            continue
        if where != part:
            yield Text(f"{'' if not part else chr(10)}{where}", "bold")
            part = where
        yield Text.assemble("  ", (key.ljust(26), COLOURS["working"]), what)
