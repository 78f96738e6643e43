"""Following a constellation to its end: events in, display and answers out."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import anyio
import typer
from anyio.abc import TaskGroup

from constellation.aip.inbox import Event
from constellation.client import HubClient
from constellation.errors import GraphError, InvalidTransition
from constellation.graph.export import from_json
from constellation.telling.text import clean
from constellation.telling.values import one_line, say_answer
from constellation.telling.watched import Watched

from .display import Display
from .output import console
from .questions import how_to_answer, prompt_line, read_answer


class Follower:
    """Follows one constellation.

    Args:
        hub: where it runs.
        identifier: its id.
        display: where progress is shown.
        approve: answer every approval with yes, as the person asked for.

    Attributes:
        watched: what is known of it.
        interrupted: True once the person asked to cancel it.
    """

    def __init__(
        self, hub: HubClient, identifier: str, display: Display, *, approve: bool = False
    ) -> None:
        self.watched = Watched(identifier)
        self.interrupted = False
        self._hub = hub
        self._display = display
        self._approve = approve
        self._terminal = anyio.Lock()
        self._asking: dict[str, anyio.CancelScope] = {}

    async def to_end(self) -> bool:
        """Return True when it has ended, False when the person stopped waiting.

        The first Ctrl-C asks the hub to cancel it; the second stops waiting.
        """
        events = await self._hub.follow(self.watched.constellation.id)
        with self._hub.link_told(self._tell_of_link):
            await self._follow(events)
        if not self.watched.is_whole:
            shown = await self._hub.show(self.watched.constellation.id)
            self.watched.replace(from_json(shown["graph"]))
        return self.watched.ended_at is not None

    async def _follow(self, events: AsyncGenerator[Event]) -> None:
        async with aclosing(events), anyio.create_task_group() as tasks:
            tasks.start_soon(self._obey_ctrl_c, tasks)
            tasks.start_soon(self._display.animate)
            async for event in events:
                self._display.show(self.watched, self.watched.take(event))
                self._attend(event, tasks)
            tasks.cancel_scope.cancel()

    async def _obey_ctrl_c(self, tasks: TaskGroup) -> None:
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            async for _ in signals:
                if self.interrupted:
                    tasks.cancel_scope.cancel()
                    return
                self.interrupted = True
                self._display.remark("Canceling. Ctrl-C again stops waiting.")
                tasks.start_soon(self._cancel)  # the hub may be away: that must not hold us up

    async def _cancel(self) -> None:
        with suppress(GraphError, InvalidTransition):  # it ended at the same moment
            await self._hub.ask(
                "cancel", constellation=self.watched.constellation.id, reason="interrupted"
            )

    def _tell_of_link(self, connected: bool) -> None:
        if connected:
            self._display.remark("The hub is back.")
        else:
            self._display.remark(
                "The hub does not answer. What runs on the devices goes on; waiting for the hub."
            )

    # ── questions ───────────────────────────────────────────────────────────────────────────────

    def _attend(self, event: Mapping[str, Any], tasks: TaskGroup) -> None:
        kind, body = event["kind"], event["body"]
        if kind == "asked":
            tasks.start_soon(self._ask, body["task"], body["question"])
        elif kind in ("answered", "finished", "requeued") and body["task"] in self._asking:
            self._asking[body["task"]].cancel()

    async def _ask(self, task: str, question: Mapping[str, Any]) -> None:
        if not self._is_open(task, question):
            return
        if self._approve and question["kind"] == "approval":
            self._display.remark(f"Approved, as --yes says: {one_line(question['prompt'])}")
            await self._answer(task, question, True)
        elif not sys.stdin.isatty() or not sys.stderr.isatty():
            self._say_how_to_answer(task, question)
        else:
            await self._ask_person(task, question)

    def _say_how_to_answer(self, task: str, question: Mapping[str, Any]) -> None:
        command = how_to_answer(self.watched.constellation.id, task, question)
        self._display.remark(f"To answer: {command}")

    def _is_open(self, task: str, question: Mapping[str, Any]) -> bool:
        # Events of the past are told again at the start: only the question open now is asked.
        node = self.watched.constellation.nodes.get(task)
        current = None if node is None else node.question
        return current is not None and current["id"] == question["id"]

    async def _ask_person(self, task: str, question: Mapping[str, Any]) -> None:
        with anyio.CancelScope() as scope:
            self._asking[task] = scope
            try:
                async with self._terminal:
                    with self._display.suspended():
                        name = self.watched.constellation.nodes[task].task.name or task
                        value = await _read_from_terminal(name, question)
                if value is None:
                    self._say_how_to_answer(task, question)
                else:
                    await self._answer(task, question, value)
            finally:
                del self._asking[task]

    async def _answer(self, task: str, question: Mapping[str, Any], value: Any) -> None:
        try:
            await self._hub.ask(
                "answer",
                constellation=self.watched.constellation.id,
                task=task,
                question=question["id"],
                answer=value,
            )
        except (GraphError, InvalidTransition) as error:
            # Somebody else answered, or the task ended while the person thought.
            self._display.remark(f"The answer {say_answer(value)} came too late: {error.message}")


async def _read_from_terminal(name: str, question: Mapping[str, Any]) -> Any:
    """Ask on the terminal until the answer makes sense; canceled without a trace.

    Returns:
        The answer; None if the terminal gives no more lines (Ctrl-D).
    """
    err = console(stderr=True)
    err.print(f"\n{clean(name)} asks: {clean(str(question['prompt']))}", style="bold", markup=False)
    while True:
        err.print(prompt_line(question), end="", markup=False)
        err.file.flush()
        # A thread in `input` could not be left behind; the terminal is readable per line.
        await anyio.wait_readable(sys.stdin)
        line = sys.stdin.readline()
        if not line:
            err.print()
            return None
        try:
            return read_answer(question, line)
        except typer.BadParameter as error:
            err.print(error.message, style="yellow", markup=False)
