"""The application: one connection, a stack of screens, and a bounded number of paints a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from shutil import copyfile
from typing import Any, ClassVar

from anyio import to_thread
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import Worker, WorkerCancelled

from constellation.config import Settings
from constellation.errors import ConstellationError
from constellation.telling.text import clean

from .commands import Places
from .connection import Connection
from .model.fabric import Fabric
from .model.run import Run
from .screens.approvals import Approvals
from .screens.constellation import ConstellationScreen
from .screens.device import DeviceScreen
from .screens.help import Help
from .screens.journal import Journal
from .screens.overview import Overview
from .screens.pairing import Pairing
from .screens.request import RequestLine
from .screens.task import TaskScreen
from .screens.view import View
from .theme import DAY, NIGHT

PAINTS_PER_S = 15
WIDE = 130  # columns from which there is room for two things side by side


class ConstellationApp(App[None]):
    """A person's view of a hub.

    Args:
        settings: where the hub is.
        clock: the time, Unix seconds.

    Attributes:
        fabric: what is known of it.
        connection: the way to it.
    """

    TITLE = "Constellation"
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar[set[Any]] = App.COMMANDS | {Places}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash,n", "request", "New request", key_display="/"),
        Binding("a", "approvals", "Approvals"),
        Binding("j", "journal", "Journal"),
        Binding("P", "pair", "Pair a device", key_display="P", show=False),
        Binding("question_mark,f1", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.fabric = Fabric()
        self.connection = Connection(settings, self.fabric)
        self._clock = clock
        self._painted: tuple[object, ...] = ()
        self._link: Worker[None] | None = None

    @property
    def now(self) -> float:
        """The hub's time, Unix seconds."""
        hub = self.connection.hub
        return self._clock() + (0.0 if hub is None else hub.clock_offset_s)

    def on_mount(self) -> None:
        self.register_theme(NIGHT)
        self.register_theme(DAY)
        self.theme = NIGHT.name
        # A link that carries every frame of a glide makes the next key wait.
        self.animation_level = "none"
        self.push_screen(Overview())
        self._link = self.run_worker(self.connection.run())
        self.set_interval(1 / PAINTS_PER_S, self._paint)

    async def on_unmount(self) -> None:
        # The hub is told goodbye before the event loop ends.
        if self._link is not None:
            self._link.cancel()
            with suppress(WorkerCancelled):
                await self._link.wait()

    def _paint(self) -> None:
        """Paint what has changed, at most once in a while, however much has happened."""
        view = next((each for each in reversed(self.screen_stack) if isinstance(each, View)), None)
        fabric, link = self.fabric, self.connection
        state = (
            view,
            fabric.revision,
            fabric.devices.revision,
            link.is_up,
            link.trouble,
            int(self.now),
        )
        if view is not None and state != self._painted:
            self._painted = state
            view.repaint()

    # ── orders ──────────────────────────────────────────────────────────────────────────────────

    async def order(self, verb: str, **params: Any) -> dict[str, Any] | None:
        """Ask the hub for something; a refusal is shown with its remedy, and None returned."""
        try:
            return await self.connection.ask(verb, **params)
        except ConstellationError as error:
            self.complain(error)
            return None

    def complain(self, error: ConstellationError) -> None:
        """Show why something was refused, and what to do."""
        words = clean(f"{error.message}\n{error.remedy}".strip())
        self.notify(words, title="Refused", severity="error", markup=False)

    async def hand_over(self, file: str, name: str) -> None:
        """Give the person a file: in a browser to download, else in the folder of this process."""
        if self.is_web:
            # It is opened here, so that its name may go.
            self.deliver_binary(file, save_filename=name)
            return
        try:
            await to_thread.run_sync(copyfile, file, name)
        except OSError as error:
            words = clean(f"{name} cannot be written: {error.strerror}.")
            self.notify(words, title="Not saved", severity="error", markup=False)
        else:
            self.notify(f"Saved as {name}, in the folder where this was started.", markup=False)

    # ── where to go ─────────────────────────────────────────────────────────────────────────────

    def open_run(self, run: Run) -> None:
        """Show a constellation."""
        self.push_screen(ConstellationScreen(run.id))

    def open_task(self, run: Run, task: str) -> None:
        """Show a task."""
        self.push_screen(TaskScreen(run.id, task))

    def open_device(self, name: str) -> None:
        """Show a device."""
        self.push_screen(DeviceScreen(name))

    def action_request(self) -> None:
        self.push_screen(RequestLine())

    def action_approvals(self) -> None:
        self.push_screen(Approvals())

    def action_journal(self) -> None:
        self.push_screen(Journal())

    def action_pair(self) -> None:
        self.push_screen(Pairing())

    def action_help(self) -> None:
        self.push_screen(Help())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        yield SystemCommand("New request", "Say what is to be done", self.action_request)
        yield SystemCommand("Help", "Keys and signs", self.action_help)
        yield SystemCommand("Approvals", "What waits for you", self.action_approvals)
        yield SystemCommand("Journal", "The facts as they come", self.action_journal)
        yield SystemCommand("Pair a device", "With a code and a QR code", self.action_pair)
