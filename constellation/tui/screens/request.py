"""The line on which a request is typed, from anywhere."""

from __future__ import annotations

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalGroup
from textual.widgets import Input, Static

from constellation.errors import ConstellationError
from constellation.telling.text import clean

from .plan import PlanScreen
from .view import Dialog


class RequestLine(Dialog[None]):
    """Takes a request and shows the plan for it, or why there is none."""

    def __init__(self, words: str = "") -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        with VerticalGroup(id="request") as box:
            box.border_title = "What is to be done?"
            box.border_subtitle = "enter plans it · esc leaves"
            yield Input(self._words, placeholder="show the memory of every machine")
            yield Static(id="said")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        words = event.value.strip()
        if words:
            self._say("Planning …")
            self._plan(words)

    @work(exclusive=True)
    async def _plan(self, words: str) -> None:
        try:
            plan = await self.face.connection.ask("plan", request=words)
        except ConstellationError as error:
            self._say(f"{error.message} {error.remedy}")
            return
        self.dismiss(None)
        self.app.push_screen(PlanScreen(words, plan))

    def _say(self, words: str) -> None:
        self.query_one("#said", Static).update(Text(clean(words)))
