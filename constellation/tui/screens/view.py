"""What all screens have in common: a line on top that says where one is, and painting."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from constellation.telling.text import duration
from constellation.tui.look import ASKING, GREEN, GREY, ORANGE
from constellation.tui.widgets.keys import Keys

if TYPE_CHECKING:
    from constellation.tui.app import ConstellationApp

T = TypeVar("T")


class View(Screen[None]):
    """A screen that shows what is known of the hub.

    Those that derive from it fill `body` and `paint`; `paint` is called when something has changed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "Back")]

    def __init__(self) -> None:
        super().__init__()
        self._is_complete = False

    @property
    def face(self) -> ConstellationApp:
        """The application."""
        return cast("ConstellationApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(id="bar")
        yield from self.body()
        yield Keys()

    def body(self) -> ComposeResult:
        """What stands between the first line and the last."""
        yield from ()

    def heading(self) -> Text:
        """Where one is; cut where there is no room for it."""
        return Text("")

    def figures(self) -> Text:
        """How it stands, behind the heading; never cut."""
        return Text("")

    def paint(self) -> None:
        """Draw what is known now."""
        bar = self.query_one("#bar", Static)
        heading, figures, link = self.heading(), self.figures(), self._link()
        width = self.size.width - 2
        if heading.cell_len + figures.cell_len + link.cell_len + 2 > width:
            link = self._link(short=True)
        bar.update(_justified(heading, figures, link, width))

    def on_mount(self) -> None:
        self._is_complete = True
        self.call_after_refresh(self.repaint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        """Paint, unless some of its parts are still to be made, or gone already."""
        if self._is_complete and self.is_running and self.app.is_running:
            self.paint()

    def _link(self, short: bool = False) -> Text:
        """How the connection stands, and what waits for a person; short without the address."""
        link, fabric = self.face.connection, self.face.fabric
        waiting = sum(len(run.questions) for run in fabric.runs.values())
        text = Text()
        if waiting:
            text.append(f" ? {waiting} for you ", ASKING).append("  ")
        if link.hub is None:
            text.append("◌ no hub" if link.trouble else "◌ connecting", ORANGE)
        elif link.is_up:
            text.append("● ", GREEN)
            if not short:
                text.append(f"{link.url.split('//')[-1].removesuffix('/aip')}  ")
            text.append(duration(link.hub.rtt_s), GREY)
        else:
            text.append("◌ reconnecting", ORANGE)
        return text


class Dialog(ModalScreen[T]):
    """A box over the screen; escape leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    @property
    def face(self) -> ConstellationApp:
        """The application."""
        return cast("ConstellationApp", self.app)

    def action_leave(self) -> None:
        self.dismiss(None)


def _justified(heading: Text, figures: Text, link: Text, width: int) -> Text:
    """A line of two ends, of which the heading gives way."""
    room = max(0, width - figures.cell_len - link.cell_len - 2)
    heading = heading.copy()
    heading.truncate(room, overflow="ellipsis")
    gap = " " * (room - heading.cell_len + 2)
    return Text.assemble(heading, figures, gap, link, no_wrap=True)
