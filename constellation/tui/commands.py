"""The command palette finds constellations and devices by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from constellation.telling.values import one_line

if TYPE_CHECKING:
    from .app import ConstellationApp


class Places(Provider):
    """Constellations and devices to go to."""

    async def discover(self) -> Hits:
        for name, go, help_text in self._places():
            yield DiscoveryHit(Content(name), go, text=name, help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, go, help_text in self._places():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), go, help=help_text)

    def _places(self) -> Iterator[tuple[str, Callable[[], None], str]]:
        app = cast("ConstellationApp", self.app)
        for run in app.fabric.newest():
            summary = run.summary
            name = f"{one_line(summary.name, 60)} ({run.id})"
            yield name, partial(app.open_run, run), f"Constellation, {summary.state}"
        for device in app.fabric.devices.rows.values():
            yield device.name, partial(app.open_device, device.name), f"Device, {device.presence}"
