"""The fabric as hands: a client of the hub that a dialogue can use from its own thread."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from constellation.aip.client import Link, connect
from constellation.aip.states import State
from constellation.aip.trust import trusting
from constellation.config import LocalHub
from constellation.errors import (
    AgentError,
    ConstellationError,
    GraphError,
    HubUnreachable,
    SessionLost,
    UnknownConstellationError,
)

from .amending import amendment
from .hands import Asked, Outcome
from .overview import Overview, watch

_TIMEOUT_S = 10.0
# Of what is not planned: that may take a model minutes, and nothing waits for it here.
_ANSWER_S = 20.0
_SHOWN = 200
_LONGEST_TITLE = 200


class Hub:
    """A connection to a hub; see `agents.voice.hands.Hands`."""

    def __init__(self, portal: BlockingPortal, link: Link) -> None:
        self._portal = portal
        self._link = link
        # Questions of work that has not ended.
        self._answered: dict[str, set[str]] = {}
        self._overview = Overview()
        # What is being planned: to be begun, by the id that it will have, and to be a change.
        self._submits: dict[str, Future[str]] = {}
        self._changes: dict[str, Future[dict[str, Any]]] = {}
        self._unwanted: set[str] = set()

    def submit(self, request: str, within_s: float) -> tuple[str, str | None]:
        """See `Hands`."""
        self._portal.call(self._reach)
        work = f"c-{secrets.token_hex(6)}"
        change = self._changes.pop(request, None)
        self._submits[work] = self._portal.start_task_soon(self._submit, work, request, change)
        return work, self.planned(work, within_s)

    def planned(self, work: str, within_s: float) -> str | None:
        """See `Hands`."""
        submit = self._submits.get(work)
        # Another thread may have canceled it just now.
        if submit is None or not wait([submit], within_s).done:
            return None
        self._submits.pop(work, None)
        return submit.result()

    def close(self) -> None:
        """Give up what is being planned: the hub then does so too."""
        # What is unwanted forgets itself meanwhile.
        for submit in list(self._submits.values()):
            submit.cancel()
        for change in list(self._changes.values()):
            change.cancel()

    def amend(self, work: str, request: str, within_s: float) -> str | None:
        """See `Hands`."""
        self._portal.call(self._reach)
        planning = self._portal.start_task_soon(self._plan, request)
        done, _ = wait([planning], within_s)
        if not done:
            # It is of use for the work that is begun instead.
            self._changes[request] = planning
            return None
        plan = planning.result()
        shown = self._ask("show", constellation=work, limit=_SHOWN)
        edits = amendment(shown["graph"], plan["edits"])
        if edits is None:
            return None
        try:
            if edits:
                version = shown["graph"]["version"]
                named = {"name": plan["title"]} if plan["title"] else {}
                self._ask("edit", constellation=work, edits=edits, base_version=version, **named)
        except (GraphError, UnknownConstellationError):
            # It has gone on, or ended, while this was thought about.
            return None
        return str(plan["title"])

    def outcome(self, work: str, within_s: float) -> Outcome | Asked | None:
        """See `Hands`."""
        return self._portal.call(self._outcome, work, within_s)

    def reply(self, asked: Asked, answer: bool | str) -> None:
        """See `Hands`."""
        self._answered.setdefault(asked.work, set()).add(asked.question)
        self._ask(
            "answer",
            constellation=asked.work,
            task=asked.task,
            question=asked.question,
            answer=answer,
        )

    def cancel(self, work: str) -> None:
        """See `Hands`."""
        submit = self._submits.get(work)
        if submit is None:
            self._ask("cancel", constellation=work)
            return
        if submit.done():
            self._submits.pop(work, None)
        else:
            self._unwanted.add(work)
        # Something of it may have begun before its plan is whole, or nothing.
        with suppress(UnknownConstellationError):
            self._ask("cancel", constellation=work)

    def devices(self) -> Sequence[str]:
        """See `Hands`."""
        found = self._ask("devices", cards=False)["devices"]
        return sorted(each["name"] for each in found if each["presence"] == "connected")

    @property
    def overview(self) -> Overview:
        """What the fabric is at, as far as is known: without the hub no device can be reached."""
        seen = self._overview
        if self._link.state is State.OPEN:
            return seen
        return replace(seen, devices=tuple((name, False) for name, _ in seen.devices))

    def saw(self, overview: Overview) -> None:
        """The fabric is at something else."""
        self._overview = overview

    def _ask(self, verb: str, **params: Any) -> dict[str, Any]:
        return self._portal.call(self._request, verb, params)

    async def _reach(self) -> None:
        with anyio.move_on_after(_TIMEOUT_S):
            await self._link.ready()
            return
        raise HubUnreachable(
            "Your devices cannot be reached: their hub does not answer.",
            remedy="See that it runs.",
        )

    async def _request(self, verb: str, params: Mapping[str, Any]) -> dict[str, Any]:
        await self._reach()
        with anyio.move_on_after(_ANSWER_S):
            return dict(await self._link.request(verb, params))
        await self._reach()
        raise AgentError(
            "The hub of your devices is there, but has not answered that yet.",
            remedy="Ask again in a moment.",
        )

    async def _plan(self, request: str) -> dict[str, Any]:
        return dict(await self._link.request("plan", {"request": request}))

    async def _submit(self, work: str, request: str, change: Future[dict[str, Any]] | None) -> str:
        """Have it begun once it is planned, however long that takes; return what it is called."""
        wanted: dict[str, Any] = {"id": work, "request": request}
        try:
            if change is not None:
                plan = await asyncio.wrap_future(change)
                title = plan["title"][:_LONGEST_TITLE]
                wanted |= {"name": title, "edits": plan["edits"], "revise_on": plan["revise_on"]}
            return str((await self._link.request("submit", wanted))["title"])
        except SessionLost:
            # It may have begun: who asks for its outcome learns that.
            return request
        finally:
            if work in self._unwanted:
                self._unwanted.discard(work)
                self._submits.pop(work, None)
                with suppress(ConstellationError):
                    await self._link.request("cancel", {"constellation": work})

    async def _outcome(self, work: str, within_s: float) -> Outcome | Asked | None:
        subscribed = await self._request("subscribe", {"constellation": work, "after": 0})
        events = self._link.events(subscribed["subscription"])
        try:
            with anyio.move_on_after(within_s):
                async for event in events:
                    body = event["body"]
                    if event["kind"] == "ended":
                        return await self._ended(work, body["state"])
                    answered = self._answered.get(work, ())
                    if event["kind"] == "asked" and body["question"]["id"] not in answered:
                        return _asked(work, body)
        finally:
            events.close()
        return None

    async def _ended(self, work: str, state: str) -> Outcome:
        self._answered.pop(work, None)
        shown = await self._request("show", {"constellation": work, "limit": _SHOWN})
        graph = shown["graph"]
        if state != "completed":
            errors = [node["error"]["message"] for node in graph["nodes"] if node.get("error")]
            return Outcome(state, errors[0] if errors else None)
        followed = {dependency["source"] for dependency in graph["dependencies"]}
        outputs = {
            node["task"].get("name") or node["task"]["id"]: node.get("output")
            for node in graph["nodes"]
            if node["task"]["id"] not in followed and node["state"] == "completed"
        }
        return Outcome(state, next(iter(outputs.values())) if len(outputs) == 1 else outputs)


def _asked(work: str, body: Mapping[str, Any]) -> Asked:
    question = body["question"]
    return Asked(
        work, body["task"], question["id"], question["prompt"], question["kind"] == "approval"
    )


@contextmanager
def connected(local: LocalHub, timeout_s: float = _TIMEOUT_S) -> Iterator[Hub]:
    """The hub of this machine, for as long as the context is open.

    Args:
        timeout_s: until when it must answer.

    Raises:
        HubUnreachable: it does not answer.
        AuthenticationError: it refuses the credential.
    """
    name = f"voice-{socket.gethostname().split('.')[0]}-{os.getpid()}"
    opened = connect(
        local.url,
        role="client",
        name=name,
        credential=local.token.get_secret_value(),
        ssl=trusting(local.url, local.ca),
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened) as link:
        portal.call(_wait, link, local.url, timeout_s)
        hub = Hub(portal, link)
        watching = portal.start_task_soon(watch, link, hub.saw)
        try:
            yield hub
        finally:
            watching.cancel()
            hub.close()


async def _wait(link: Link, url: str, timeout_s: float) -> None:
    with anyio.move_on_after(timeout_s):
        await link.ready()
        return
    raise HubUnreachable(f"The hub at {url} does not answer.", remedy="See that it runs.")
