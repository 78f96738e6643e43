"""The lines between two layers of a picture: which cells of a row they cross, and how.

Between two layers runs a gutter of channels. All lines to one place share an upright piece in one
channel; channels are given as in the left-edge algorithm of channel routing (Hashimoto and Stevens,
1971). What finds no channel of its own shares the last one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from .layers import Place

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
MAX_CHANNELS = 6
# Where a line ends: at a task that waits for the end of others, or reads along.
HEAD, STREAM_HEAD = "▸", "»"

# Box-drawing characters by the arms that they have.
_ARMS = {
    0: " ",
    UP: "╵",
    DOWN: "╷",
    LEFT: "╴",
    RIGHT: "╶",
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    DOWN | RIGHT: "╭",
    DOWN | LEFT: "╮",
    UP | RIGHT: "╰",
    UP | LEFT: "╯",
    UP | DOWN | RIGHT: "├",
    UP | DOWN | LEFT: "┤",
    DOWN | LEFT | RIGHT: "┬",
    UP | LEFT | RIGHT: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
}


@dataclass(slots=True)
class _Bus:
    """The upright piece of the lines to one place, or to several that share it."""

    top: int
    bottom: int
    sources: set[int]
    targets: set[int]


@dataclass(slots=True)
class _Channel:
    buses: list[_Bus] = field(default_factory=list)
    tops: list[int] = field(default_factory=list)

    def at(self, slot: int) -> _Bus | None:
        index = bisect_right(self.tops, slot) - 1
        found = self.buses[index] if index >= 0 else None
        return found if found is not None and slot <= found.bottom else None


class Gutter:
    """The lines from the places of one layer to those of the next.

    Attributes:
        channels: how many upright channels it has.
    """

    def __init__(self, layer: Mapping[int, Place]) -> None:
        buses: dict[int, _Bus] = {}
        self._heads: dict[int, str] = {}
        for slot, place in layer.items():
            for following in place.after:
                bus = buses.setdefault(
                    following.slot, _Bus(following.slot, following.slot, set(), {following.slot})
                )
                bus.sources.add(slot)
                if not following.passes:
                    self._heads[following.slot] = STREAM_HEAD if following.reads else HEAD
                bus.top, bus.bottom = min(bus.top, slot), max(bus.bottom, slot)
        self._channels: list[_Channel] = []
        for bus in sorted(buses.values(), key=lambda bus: (bus.top, bus.bottom)):
            self._place(bus)

    @property
    def channels(self) -> int:
        return len(self._channels)

    def _place(self, bus: _Bus) -> None:
        for channel in self._channels:
            if channel.buses[-1].bottom < bus.top:
                channel.buses.append(bus)
                channel.tops.append(bus.top)
                return
        if len(self._channels) < MAX_CHANNELS:
            self._channels.append(_Channel([bus], [bus.top]))
            return
        shared = self._channels[-1].buses[-1]
        shared.bottom = max(shared.bottom, bus.bottom)
        shared.sources |= bus.sources
        shared.targets |= bus.targets

    def row(self, slot: int) -> str:
        """The gutter in the middle row of a slot: a cell on the left, one a channel, two right."""
        width = len(self._channels) + 2
        arms = [0] * width
        for number, channel in enumerate(self._channels, 1):
            bus = channel.at(slot)
            if bus is None:
                continue
            arms[number] |= (UP if slot > bus.top else 0) | (DOWN if slot < bus.bottom else 0)
            if slot in bus.sources:
                _across(arms, 0, number)
            if slot in bus.targets:
                _across(arms, number, width - 1)
        line = "".join(_ARMS[each] for each in arms)
        if slot in self._heads:
            return line + self._heads[slot]
        return line + ("─" if arms[-1] else " ")

    def between(self, slot: int) -> str:
        """The gutter in the rows between a slot and the next."""
        cells = [" "]
        for channel in self._channels:
            bus = channel.at(slot)
            cells.append("│" if bus is not None and slot < bus.bottom else " ")
        return "".join(cells) + "  "


def _across(arms: list[int], start: int, end: int) -> None:
    """A level piece from one cell to another; at its ends it has one arm, where it turns."""
    for cell in range(start, end + 1):
        if cell > start or start == 0:
            arms[cell] |= LEFT
        if cell < end or end == len(arms) - 1:
            arms[cell] |= RIGHT
