"""The site's hub as seen from above: what its devices can do, and constellations run below."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import TaskGroup

from constellation.aip.cards import DeviceCard
from constellation.aip.client import Link
from constellation.aip.inbox import Event
from constellation.errors import (
    ConstellationError,
    SessionLost,
    TaskCanceled,
    TaskFailed,
    error_from_wire,
)

from ..context import Context

CANCEL_S = 5.0
# So many tasks are asked for at once.
PART = 1_000


class SiteHub:
    """The site's hub, of which we are a client.

    Args:
        link: to it.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ask(self, verb: str, **params: Any) -> dict[str, Any]:
        """Make a request, again if the hub was restarted meanwhile: only such as may be repeated.

        Raises:
            ConstellationError: what the hub answered.
        """
        while True:
            await self._link.ready()
            with suppress(SessionLost):
                return dict(await self._link.request(verb, params))

    async def cards(self) -> list[DeviceCard]:
        """The devices that are connected now."""
        rows = (await self.ask("devices"))["devices"]
        return [DeviceCard(**row["card"]) for row in rows if row["presence"] == "connected"]

    async def moves(self) -> AsyncGenerator[None]:
        """Whenever a device may have come, gone or changed; at first at once."""
        while True:
            await self._link.ready()
            with suppress(SessionLost):
                subscribed = await self._link.request("subscribe", {})
                events = self._link.events(subscribed["subscription"])
                try:
                    yield
                    async for event in events:
                        if event["kind"] == "device":
                            yield
                finally:
                    events.close()

    async def run(self, name: str, work: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Run a constellation below, and wait for its end; canceling it cancels that.

        It outlives a restart of the site's hub and a cut link. What its tasks ask is asked here.

        Args:
            name: its id below: the same one is never run twice.
            work: what to submit.

        Returns:
            The outputs of its last tasks by their names.

        Raises:
            TaskFailed: it failed: the error of the first task that did.
            TaskCanceled: it was canceled below.
        """
        await self.ask("submit", **work, id=name)
        try:
            async with anyio.create_task_group() as tasks:
                state = await _Following(self, name, context, tasks).to_the_end(self._link)
                tasks.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(CANCEL_S, shield=True), suppress(ConstellationError):
                await self.ask("cancel", constellation=name, reason="canceled above")
            raise
        nodes, followed = await self._graph(name)
        if state == "canceled":
            raise TaskCanceled(f"The constellation {name} was canceled at the site.")
        if state != "completed":
            raise _failure(name, nodes)
        return {
            node["task"].get("name") or node["task"]["id"]: node.get("output")
            for node in nodes
            if node["task"]["id"] not in followed and node["state"] == "completed"
        }

    async def _graph(self, name: str) -> tuple[list[Mapping[str, Any]], set[str]]:
        """The tasks of a constellation, and which of them others depend on."""
        nodes: list[Mapping[str, Any]] = []
        followed: set[str] = set()
        after: int | None = 0
        while after is not None:
            shown = await self.ask("show", constellation=name, after=after, limit=PART)
            nodes += shown["graph"]["nodes"]
            followed |= {each["source"] for each in shown["graph"]["dependencies"]}
            after = shown["next"]
        return nodes, followed


class _Following:
    """Follows a constellation below, and passes on what is told and asked."""

    def __init__(self, site: SiteHub, name: str, context: Context, tasks: TaskGroup) -> None:
        self._site = site
        self._name = name
        self._context = context
        self._tasks = tasks
        self._seen = 0
        self._count = 0
        self._done = 0
        self._asked: dict[str, anyio.CancelScope] = {}

    async def to_the_end(self, link: Link) -> str:
        """How it ended; facts are taken once, though the site's hub is restarted."""
        while True:
            subscribed = await self._site.ask(
                "subscribe", constellation=self._name, after=self._seen
            )
            events = link.events(subscribed["subscription"])
            try:
                async for event in events:
                    self._seen = event.get("seq", self._seen)
                    if event["kind"] == "ended":
                        return str(event["body"]["state"])
                    self._take(event)
            except SessionLost:
                continue
            finally:
                events.close()

    def _take(self, event: Event) -> None:
        body = event["body"]
        match event["kind"]:
            case "edited":
                added = [each for each in body["batch"]["edits"] if each["op"] == "add_task"]
                self._count += len(added)
            case "finished":
                self._done += 1
                fraction = min(1.0, self._done / max(1, self._count))
                self._context.progress(fraction, f"{body['task']} {body['state']}")
                self._forget(body["task"])
            case "output":
                self._context.output(body.get("data"), body.get("channel", "output"))
            case "asked":
                self._tasks.start_soon(self._ask, body["task"], body["question"])
            case "answered":
                self._forget(body["task"])

    async def _ask(self, task: str, question: Mapping[str, Any]) -> None:
        """Have a person above answer, unless one below is sooner."""
        with anyio.CancelScope() as scope:
            self._asked[task] = scope
            prompt = f"{self._name}, {task}: {question['prompt']}"
            answer: bool | str
            match question["kind"]:
                case "approval":
                    answer = await self._context.approve(prompt)
                case "choice":
                    answer = await self._context.choose(prompt, question.get("options", ()))
                case _:
                    answer = await self._context.ask(prompt)
            # It may have been answered or have ended meanwhile.
            with suppress(ConstellationError):
                await self._site.ask(
                    "answer",
                    constellation=self._name,
                    task=task,
                    question=question["id"],
                    answer=answer,
                )

    def _forget(self, task: str) -> None:
        scope = self._asked.pop(task, None)
        if scope is not None:
            scope.cancel()


def _failure(name: str, nodes: Sequence[Mapping[str, Any]]) -> ConstellationError:
    for node in nodes:
        if node["state"] == "failed" and node.get("error"):
            return error_from_wire(node["error"])
    return TaskFailed(f"The constellation {name} failed at the site.")
