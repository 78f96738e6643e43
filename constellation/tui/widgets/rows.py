"""A list of any length of which only the visible rows are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

T = TypeVar("T")
GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column; those with a ``share`` divide what the others leave.

    Attributes:
        title: its heading.
        width: in cells, for columns without a share.
        needs: left out where the list is narrower than so many cells.
    """

    title: str
    width: int = 0
    share: int = 0
    justify: Literal["left", "right"] = "left"
    needs: int = 0


class Rows(ScrollView, Generic[T], can_focus=True):
    """Rows under headings, with a cursor.

    Args:
        columns: the columns.
        cells: makes the cells of one item, one for each column.
        key: what an item is known by; the cursor stays on it when items come and go.
        empty: what is said when there are none; may be changed.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--heading", "rows--empty"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
        Binding("enter", "choose", "Open"),
    ]

    @dataclass
    class Moved(Message):
        """The cursor stands on another item."""

        rows: Rows[Any]

        @property
        def control(self) -> Rows[Any]:
            return self.rows

    @dataclass
    class Chosen(Message):
        """An item was opened."""

        rows: Rows[Any]

        @property
        def control(self) -> Rows[Any]:
            return self.rows

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[T], Sequence[Text | str]],
        key: Callable[[T], object],
        *,
        empty: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = columns
        self._cells = cells
        self._key = key
        self.empty = empty
        self._items: Sequence[T] = ()
        self._cursor = 0
        self._base = Style()

    @property
    def current(self) -> T | None:
        """The item under the cursor, if there is any."""
        return self._items[self._cursor] if self._cursor < len(self._items) else None

    @property
    def items(self) -> Sequence[T]:
        """What is listed."""
        return self._items

    def show(self, items: Sequence[T]) -> None:
        """List these items; the cursor stays on its item if that is still there."""
        before = self.current
        self._items = items
        if before is not None and not self._is_at(self._cursor, before):
            wanted = self._key(before)
            found = (index for index, each in enumerate(items) if self._key(each) == wanted)
            self._cursor = next(found, min(self._cursor, max(0, len(items) - 1)))
        self.virtual_size = Size(self.size.width, len(items) + 1)
        self.refresh()

    def _is_at(self, index: int, item: T) -> bool:
        return index < len(self._items) and self._key(self._items[index]) == self._key(item)

    def point_at(self, key: object) -> None:
        """Put the cursor on the item of a key, if it is listed."""
        for index, item in enumerate(self._items):
            if self._key(item) == key:
                self._go_to(index)

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────

    def render_lines(self, crop: Region) -> list[Strip]:
        # Looked up once for all lines: it is computed from all widgets around this one.
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            titles = [Text(column.title) for column in self._columns]
            return self._line(titles, self.get_component_rich_style("rows--heading"), width)
        index = y - 1 + self.scroll_offset.y
        if index < len(self._items):
            marked = index == self._cursor and self.has_focus
            style = self.get_component_rich_style("rows--cursor") if marked else self._base
            return self._line(self._cells(self._items[index]), style, width)
        style = self._base
        if not self._items and y == 1:
            empty = self.get_component_rich_style("rows--empty")
            return self._strip(Text(f" {self.empty}", end=""), empty, width)
        return Strip.blank(width, style)

    def _line(self, cells: Sequence[Text | str], style: Style, width: int) -> Strip:
        line = Text(" ", no_wrap=True, end="")
        for cell, column, room in zip(cells, self._columns, self._widths(width), strict=True):
            if not room:
                continue
            text = cell.copy() if isinstance(cell, Text) else Text(cell)
            text.truncate(room, overflow="ellipsis")
            text.align(column.justify, room)
            line.append_text(text)
            line.append(" " * GAP)
        return self._strip(line, style, width)

    def _strip(self, text: Text, style: Style, width: int) -> Strip:
        segments = [
            Segment(segment.text, style + segment.style if segment.style else style)
            for segment in text.render(self.app.console)
        ]
        return Strip(segments).adjust_cell_length(width, style)

    def _widths(self, width: int) -> list[int]:
        shown = [column for column in self._columns if width >= column.needs]
        shares = sum(column.share for column in shown)
        left = width - 1 - sum(column.width + GAP for column in shown)
        return [
            0
            if column not in shown
            else max(4, left * column.share // shares)
            if column.share
            else column.width
            for column in self._columns
        ]

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._items) + 1)

    # ── moving ──────────────────────────────────────────────────────────────────────────────────

    def action_move(self, by: int) -> None:
        self._go_to(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._go_to(self._cursor + by * max(1, self.size.height - 2))

    def action_first(self) -> None:
        self._go_to(0)

    def action_last(self) -> None:
        self._go_to(len(self._items) - 1)

    def action_choose(self) -> None:
        if self.current is not None:
            self.post_message(self.Chosen(self))

    def _go_to(self, index: int) -> None:
        index = max(0, min(index, len(self._items) - 1))
        if index != self._cursor:
            self._cursor = index
            self.refresh()
            self.post_message(self.Moved(self))
        # The heading covers the first line.
        self.scroll_to_region(Region(0, index, 1, 2), animate=False, force=True)

    def on_click(self, event: events.Click) -> None:
        index = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and index < len(self._items):
            again = index == self._cursor and event.chain > 1
            self._go_to(index)
            if again:
                self.action_choose()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
