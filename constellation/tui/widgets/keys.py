"""The last line: the keys that do something here, as many of them as have room."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

HELP = "question_mark"
# What a key takes beside its name and what it does.
_AROUND = 3


class Keys(Footer):
    """Shows keys in their order, and leaves out whole ones where there is no room for all.

    The key of the help, which tells of the others, always stays; that of the palette goes first.
    """

    _room: int | None = None

    def compose(self) -> ComposeResult:
        made: list[Widget] = [*super().compose()]
        keys = [each for each in made if isinstance(each, FooterKey)]
        room = self._room = self.app.size.width
        if sum(map(_width, keys)) > room:
            keys = [each for each in keys if not each.has_class("-command-palette")]
            room -= sum(_width(each) for each in keys if each.key == HELP)
        for key in keys:
            if key.key == HELP:
                yield key
            elif _width(key) <= room:
                room -= _width(key)
                yield key

    async def on_resize(self, event: events.Resize) -> None:
        """See again what has room, if the screen was made wider or narrower."""
        if self._room not in (None, self.app.size.width):
            await self.recompose()


def _width(key: FooterKey) -> int:
    return len(key.key_display) + len(key.description) + _AROUND
