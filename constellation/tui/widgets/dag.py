"""A constellation as a picture that can be panned and zoomed; only the visible part is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from constellation.graph.constellation import Constellation
from constellation.graph.node import Node
from constellation.tui.look import GREY, SYMBOLS, label, place, style_of
from constellation.tui.model.layers import Layout, Place, critical_chain, lay_out
from constellation.tui.model.wires import Gutter

MARGIN = 1


@dataclass(frozen=True, slots=True)
class Zoom:
    """How large a task is drawn: cells across at most, rows down to the next, with its device."""

    width: int
    pitch: int
    placed: bool


ZOOMS = (Zoom(1, 1, False), Zoom(14, 1, False), Zoom(30, 2, False), Zoom(44, 3, True))
BLANK = Layout((), {}, 0)


class Dag(ScrollView, can_focus=True):
    """The picture of a constellation, from left to right.

    Attributes:
        selected: the id of the task under the cursor, or None.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"dag--cursor", "dag--critical"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "walk('before')", "Left", show=False),
        Binding("right", "walk('after')", "Right", show=False),
        Binding("up", "step(-1)", "Up", show=False),
        Binding("down", "step(1)", "Down", show=False),
        Binding("plus,equals_sign", "zoom(1)", "Zoom in", show=False),
        Binding("minus", "zoom(-1)", "Zoom out", show=False),
        Binding("shift+left", "pan(-8,0)", "Pan left", show=False),
        Binding("shift+right", "pan(8,0)", "Pan right", show=False),
        Binding("shift+up", "pan(0,-4)", "Pan up", show=False),
        Binding("shift+down", "pan(0,4)", "Pan down", show=False),
        Binding("enter", "choose", "Open"),
    ]

    @dataclass
    class Moved(Message):
        """Another task is under the cursor."""

        task: str

    @dataclass
    class Chosen(Message):
        """A task was opened."""

        task: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.selected: str | None = None
        self._graph = Constellation("")
        self._layout = BLANK
        self._gutters: list[Gutter] = []
        self._starts: list[int] = []
        self._zoom = 2
        self._longest = 0
        self._shape: tuple[object, ...] = ()
        self._critical: frozenset[str] = frozenset()
        self._base = self._marked = self._lined = self._heavy = Style()

    def show(self, graph: Constellation) -> None:
        """Draw a constellation; it is laid out afresh only if its shape has changed."""
        shape = (graph, graph.version, len(graph.nodes))
        self._graph = graph
        if shape != self._shape:
            self._shape = shape
            self._layout = lay_out(graph)
            self._gutters = [Gutter(layer) for layer in self._layout.layers]
            self._critical = frozenset(critical_chain(graph))
            self._longest = max((cell_len(label(node)) for node in graph.nodes.values()), default=0)
            self._measure()
            if self.selected not in graph.nodes:
                self.selected = next(iter(graph.nodes), None)
        self.refresh()

    def point_at(self, task: str) -> None:
        """Put the cursor on a task and bring it into view."""
        if task in self._layout.places:
            self._select(self._layout.places[task])

    @property
    def _width(self) -> int:
        """Cells that a task takes: no more than the longest name, with its sign and gaps, needs."""
        return min(ZOOMS[self._zoom].width, self._longest + 3)

    def _measure(self) -> None:
        zoom = ZOOMS[self._zoom]
        widths = [self._width + gutter.channels + 3 for gutter in self._gutters]
        *self._starts, end = accumulate(widths, initial=MARGIN)
        self.virtual_size = Size(end + MARGIN, self._layout.height * zoom.pitch + MARGIN)

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────

    def render_lines(self, crop: Region) -> list[Strip]:
        # Looked up once for all lines: they are computed from all widgets around this one.
        self._base = self.rich_style
        self._marked = self.get_component_rich_style("dag--cursor")
        self._lined = self._base + Style(color=GREY)
        self._heavy = self.get_component_rich_style("dag--critical", partial=True)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width, left = self.size.width, self.scroll_offset.x
        zoom = ZOOMS[self._zoom]
        slot, row = divmod(y + self.scroll_offset.y, zoom.pitch)
        segments: list[Segment] = []
        at = left
        for number, start in enumerate(self._starts):
            gutter = self._gutters[number]
            end = start + self._width + gutter.channels + 3
            if end <= left or start >= left + width:
                continue
            if start > at:
                segments.append(Segment(" " * (start - at), self._base))
            text = self._piece(number, slot, row)
            at = end
            piece = Strip(list(text)).crop(max(0, left - start), left + width - start)
            segments += piece
        return Strip(segments).adjust_cell_length(width, self._base)

    def _piece(self, number: int, slot: int, row: int) -> Sequence[Segment]:
        """A layer's part of a row, with the gutter behind it."""
        gutter = self._gutters[number]
        line = self._lined
        found = self._layout.layers[number].get(slot)
        wires = gutter.row(slot) if row == 0 else gutter.between(slot)
        if found is None:
            return [Segment(" " * self._width + wires, line)]
        if found.passes:
            return [Segment(("─" if row == 0 else " ") * self._width + wires, line)]
        return [*self._cells(self._graph.nodes[found.task], row), Segment(wires, line)]

    def _cells(self, node: Node, row: int) -> list[Segment]:
        zoom = ZOOMS[self._zoom]
        base = self._base
        if node.id == self.selected:
            base += self._marked
        if row > 0:
            text = f"  {place(node)}" if zoom.placed and row == 1 else ""
            grey = self._base + Style(color=GREY)
            return [Segment(_fit(text, self._width), grey)]
        sign = Segment(SYMBOLS[node.state], base + Style.parse(style_of(node.state)))
        if self._width == 1:
            return [sign]
        style = base
        if node.id in self._critical:
            style += self._heavy
        elif node.ended:
            style += Style(color=GREY)
        return [sign, Segment(_fit(f" {label(node)}", self._width - 1), style)]

    # ── moving ──────────────────────────────────────────────────────────────────────────────────

    def action_walk(self, side: str) -> None:
        here = self._here()
        if here is None:
            return
        following = here
        while True:
            beside = following.before if side == "before" else following.after
            if not beside:
                return
            following = min(beside, key=lambda each: abs(each.slot - here.slot))
            if not following.passes:
                break
        self._select(following)

    def action_step(self, by: int) -> None:
        here = self._here()
        if here is None:
            return
        layer = self._layout.layers[here.layer]
        slots = sorted(slot for slot, each in layer.items() if not each.passes)
        index = slots.index(here.slot) + by
        if 0 <= index < len(slots):
            self._select(layer[slots[index]])

    def action_zoom(self, by: int) -> None:
        self._zoom = max(0, min(len(ZOOMS) - 1, self._zoom + by))
        self._measure()
        here = self._here()
        if here is not None:
            self._bring_into_view(here)
        self.refresh()

    def action_pan(self, x: int, y: int) -> None:
        self.scroll_relative(x, y, animate=False)

    def action_choose(self) -> None:
        if self.selected is not None:
            self.post_message(self.Chosen(self.selected))

    def on_click(self, event: events.Click) -> None:
        found = self._at(event.offset + self.scroll_offset)
        if found is not None:
            again = found.task == self.selected and event.chain > 1
            self._select(found)
            if again:
                self.action_choose()

    def _at(self, offset: Offset) -> Place | None:
        zoom = ZOOMS[self._zoom]
        for number, start in enumerate(self._starts):
            if start <= offset.x < start + self._width:
                found = self._layout.layers[number].get(offset.y // zoom.pitch)
                return None if found is None or found.passes else found
        return None

    def _here(self) -> Place | None:
        return None if self.selected is None else self._layout.places.get(self.selected)

    def _select(self, found: Place) -> None:
        if found.task != self.selected:
            self.selected = found.task
            self.refresh()
            self.post_message(self.Moved(found.task))
        self._bring_into_view(found)

    def _bring_into_view(self, found: Place) -> None:
        zoom = ZOOMS[self._zoom]
        region = Region(
            self._starts[found.layer] - MARGIN, found.slot * zoom.pitch, self._width + 2, 2
        )
        self.scroll_to_region(region, animate=False, force=True)


def _fit(text: str, width: int) -> str:
    """Text in exactly so many cells."""
    fitted = Text(text)
    fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted.plain
