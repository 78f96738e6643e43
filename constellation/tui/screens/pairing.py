"""Bringing a device in: a code that is good once, also as a QR code."""

from __future__ import annotations

from io import StringIO
from typing import ClassVar

import segno
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup, VerticalGroup
from textual.widgets import Input, Static

from constellation.telling.text import clean, duration
from constellation.tui.look import GREY

from .view import Dialog


class Pairing(Dialog[None]):
    """Asks for the device's name and shows its code."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "copy", "Copy", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self._command = ""

    def compose(self) -> ComposeResult:
        with VerticalGroup(classes="dialog") as box:
            box.border_title = "Pair a device"
            box.border_subtitle = "enter makes a code · esc leaves"
            yield Input(placeholder="its name; empty lets it choose")
            # Side by side, so that a code of any length fits into 24 lines.
            with HorizontalGroup():
                yield Static(id="offer")
                yield Static(id="qr")

    @on(Input.Submitted)
    @work(exclusive=True)
    async def _submitted(self, event: Input.Submitted) -> None:
        name = event.value.strip() or None
        offer = await self.face.order("pair", name=name)
        if offer is None:
            return
        code, url = clean(str(offer["code"])), clean(str(offer["url"]))
        command = self._command = (
            f"constellation agent --hub {url} --name {name or 'NAME'} --pair {code}"
        )
        self.query_one("#offer", Static).update(
            Text.assemble(
                (code, "bold"),
                (f"\ngood once, for {duration(offer['expires_s'])}\n\n", GREY),
                "On the device:\n",
                (command, "bold"),
            )
        )
        self.query_one("#qr", Static).update(_qr(f"{url}#pair={code}"))
        event.input.display = False
        self.query_one(".dialog").border_subtitle = "c copies the command · esc leaves"
        self.set_focus(None)

    def action_copy(self) -> None:
        """Put the command into the clipboard."""
        if self._command:
            self.app.copy_to_clipboard(self._command)
            self.notify("The command is in the clipboard.")


def _qr(text: str) -> Text:
    """A QR code, two modules a character; always dark on light, as readers expect it."""
    drawn = StringIO()
    matrix = [[*row] for row in segno.make(text, micro=False).matrix_iter(border=2)]
    if len(matrix) % 2:
        matrix.append([0] * len(matrix[0]))
    for upper, lower in zip(matrix[::2], matrix[1::2], strict=True):
        drawn.writelines(" ▄▀█"[2 * bool(a) + bool(b)] for a, b in zip(upper, lower, strict=True))
        drawn.write("\n")
    return Text(drawn.getvalue().rstrip("\n"), "black on white")
