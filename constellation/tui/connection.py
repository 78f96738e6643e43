"""Keeps what is known of a hub in line with it, through cut links and restarts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import count
from typing import Any, BinaryIO

import anyio
import anyio.lowlevel

from constellation.client import HubClient, find_hub, open_hub
from constellation.config import Settings
from constellation.errors import ConstellationError, HubUnreachable, LimitExceeded

from .model.fabric import Fabric
from .model.run import Event, Run

RETRY_S = 1.0
# Devices are listed this often; what is known to have changed is asked for at every step.
STEP_S = 0.1
STEPS_TO_LISTING = 10
FACTS_AT_ONCE = 500
CARDS_AT_ONCE = 20
# So many facts of the past stand in the journal from the beginning.
PAST_FACTS = 500
# A flood of events is taken in such parts, so that keys and paints come between.
EVENTS_AT_ONCE = 100


class Connection:
    """A lasting connection to the hub of the settings.

    Attributes:
        fabric: what is known; only this writes to it.
        hub: the hub, once it was reached.
        url: its address; empty before.
        trouble: why it was not reached, the last time that was tried.
    """

    def __init__(self, settings: Settings, fabric: Fabric) -> None:
        self.fabric = fabric
        self.hub: HubClient | None = None
        self.url = ""
        self.trouble: ConstellationError | None = None
        self._settings = settings
        self._journal = ""
        self._seq = 0
        self._loading: set[str] = set()

    @property
    def is_up(self) -> bool:
        """True while the hub answers."""
        return self.hub is not None and self.hub.is_connected

    async def ask(self, verb: str, **params: Any) -> dict[str, Any]:
        """Make a request.

        Raises:
            ConstellationError: what the hub answered.
            HubUnreachable: there is no connection now.
        """
        return await self._reached().ask(verb, **params)

    async def get_artifact(self, digest: str, file: BinaryIO) -> None:
        """Write an artifact into a file.

        Raises:
            UnknownArtifactError: the hub does not have it.
            HubUnreachable: there is no connection now.
            SessionLost: the hub was restarted meanwhile.
        """
        await self._reached().get_artifact(digest, file)

    def _reached(self) -> HubClient:
        if self.hub is None or not self.hub.is_connected:
            raise HubUnreachable(
                "The hub does not answer.", remedy="Try again once it is connected."
            )
        return self.hub

    async def run(self) -> None:
        """Stay connected until canceled."""
        while True:
            try:
                found = find_hub(self._settings)
                self.url = found[0]
                async with open_hub(self._settings, name="tui") as hub:
                    await self._serve(hub, found)
            except ConstellationError as error:
                self.trouble = error
            except BaseExceptionGroup as group:
                known, others = group.split(ConstellationError)
                if known is None or others is not None:
                    raise
            self.hub = None
            await anyio.sleep(RETRY_S)

    async def _serve(self, hub: HubClient, found: tuple[str, str]) -> None:
        journal = (await hub.ask("status"))["journal"]
        if journal["path"] != self._journal or journal["seq"] < self._seq:
            self.fabric.clear()
            self._journal, self._seq = journal["path"], journal["seq"]
            after = max(0, self._seq - PAST_FACTS)
        else:
            after = self._seq
        # What is told from here on, and what is listed after it, leave no gap between them.
        events = await hub.watch(after=after)
        self.fabric.listed((await hub.ask("list", all=True))["constellations"])
        self.hub, self.trouble = hub, None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._take, events)
            tasks.start_soon(self._poll_devices)
            tasks.start_soon(self._load_open)
            await self._until_moved(hub, found)
            tasks.cancel_scope.cancel()

    async def _take(self, events: AsyncGenerator[Event]) -> None:
        async with aclosing(events):
            taken = 0
            async for event in events:
                self.fabric.take(event)
                self._seq = event.get("seq", self._seq)
                taken += 1
                if taken % EVENTS_AT_ONCE == 0:
                    await anyio.lowlevel.checkpoint()

    async def _until_moved(self, hub: HubClient, found: tuple[str, str]) -> None:
        """Return when the hub is to be found elsewhere, as one that was restarted may be."""
        moved = False
        while not moved:
            await anyio.sleep(RETRY_S)
            moved = not hub.is_connected and self._find() not in (None, found)

    def _find(self) -> tuple[str, str] | None:
        try:
            return find_hub(self._settings)
        except HubUnreachable:
            return None

    async def _poll_devices(self) -> None:
        devices = self.fabric.devices
        for step in count():
            if self.is_up and step % STEPS_TO_LISTING == 0:
                devices.listed((await self.ask("devices", cards=False))["devices"])
            while devices.wanted and self.is_up:
                names = devices.take_wanted(CARDS_AT_ONCE)
                devices.update((await self.ask("devices", names=names))["devices"])
            await anyio.sleep(STEP_S)

    # ── facts of the past ───────────────────────────────────────────────────────────────────────

    async def _load_open(self) -> None:
        for run in self.fabric.newest():
            if run.summary.ended_at is None:
                await self.load(run)

    async def load(self, run: Run) -> None:
        """Ask for the facts of a constellation, unless they are known or asked for already."""
        if run.is_live or run.id in self._loading:
            return
        self._loading.add(run.id)
        try:
            await self._load(run)
        finally:
            self._loading.discard(run.id)

    async def _load(self, run: Run) -> None:
        limit = FACTS_AT_ONCE
        more = True
        while more:
            try:
                answer = await self.ask(
                    "logs", constellation=run.id, after=run.last_seq, limit=limit
                )
            except LimitExceeded:
                # So many are more than one message may hold.
                if limit == 1:
                    raise
                limit = max(1, limit // 8)
                continue
            run.load(answer["facts"])
            more = answer["more"]
            await anyio.lowlevel.checkpoint()
        run.go_live()
        self.fabric.revision += 1
