"""What ran where and when: a row for each lane of a device, scaled to the width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from constellation.graph.constellation import Constellation
from constellation.telling.text import duration
from constellation.tui.look import COLOURS, GREY, INK, SYMBOLS
from constellation.tui.model.lanes import Lane, Span, lanes_of

NAME_WIDTH = 14
# It is made anew as a whole and moves slowly: the more tasks there are, the less often.
REDRAW_S, REDRAW_S_PER_TASK = 0.5, 0.0002

_BARS = {state: Style(color=INK, bgcolor=colour) for state, colour in COLOURS.items()}


@dataclass(frozen=True, slots=True)
class _Scale:
    start: float
    end: float
    width: int

    def cell(self, time: float) -> int:
        share = (time - self.start) / max(self.end - self.start, 1e-9)
        return min(self.width - 1, max(0, int(share * self.width)))


class Timeline(ScrollView, can_focus=True):
    """The attempts of a constellation by device."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lanes: list[Lane] = []
        self._span = (0.0, 1.0)
        self._graph: Constellation | None = None
        self._shown_at = 0.0
        self._base = Style()

    def show(self, graph: Constellation, now: float) -> None:
        """Draw a constellation up to ``now``, the hub's time; what comes sooner is left out."""
        rest = max(REDRAW_S, REDRAW_S_PER_TASK * len(graph.nodes))
        if graph is self._graph and 0 <= now - self._shown_at < rest:
            return
        self._graph, self._shown_at = graph, now
        self._lanes = lanes_of(graph, now)
        spans = [span for lane in self._lanes for span in lane.spans]
        if spans:
            self._span = (min(each.start for each in spans), max(each.end for each in spans))
        self.virtual_size = Size(self.size.width, len(self._lanes) + 1)
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        # Looked up once for all lines: it is computed from all widgets around this one.
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        scale = _Scale(*self._span, max(10, width - NAME_WIDTH - 1))
        if y == 0:
            segments = [Segment(self._axis(scale), Style(color=GREY))]
        else:
            index = y - 1 + self.scroll_offset.y
            segments = []
            if index < len(self._lanes):
                segments = list(_segments(self._lanes[index], scale))
        return Strip(segments).adjust_cell_length(width).apply_style(self._base)

    def _axis(self, scale: _Scale) -> str:
        if not self._lanes:
            return " Nothing has run yet."
        start, end = self._span
        half, whole = duration((end - start) / 2), duration(end - start)
        left = f"0{half:>{(scale.width + len(half)) // 2 - 1}}"
        return " " * NAME_WIDTH + left + whole.rjust(max(0, scale.width - len(left)))


def _segments(lane: Lane, scale: _Scale) -> Iterator[Segment]:
    yield Segment(f" {lane.title}"[: NAME_WIDTH - 1].ljust(NAME_WIDTH))
    bars: list[tuple[int, int, Span]] = []
    at = 0
    for span in lane.spans:
        first, last = max(at, scale.cell(span.start)), scale.cell(span.end)
        if last >= first:
            bars.append((first, last + 1, span))
            at = last + 1
    at = 0
    nexts = [first for first, _, _ in bars[1:]]
    for (first, end, span), until in zip(bars, [*nexts, scale.width], strict=True):
        yield Segment(" " * (first - at))
        inside, behind = _label(span, end - first, until - end)
        yield Segment(inside, _BARS[span.state])
        yield Segment(behind, Style(color=GREY))
        at = end + len(behind)


def _label(span: Span, width: int, room: int) -> tuple[str, str]:
    """What stands in a bar and what behind it: the name stands where it is not cut, if anywhere."""
    sign = SYMBOLS[span.state]
    text = f"{sign} {span.label}"
    needs = len(text) + 1
    if width >= needs:
        return f" {text}".ljust(width), ""
    if room >= needs + width:
        return sign.ljust(width), f" {span.label}"
    return text[:width], ""
