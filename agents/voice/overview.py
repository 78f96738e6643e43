"""What the fabric is at: its devices, and what runs on them or has ended of late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Never

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from constellation.aip.client import Link
from constellation.aip.inbox import Events
from constellation.errors import SessionLost

_ENDED = frozenset({"completed", "failed", "canceled", "rejected"})
_LATEST = 3
# However much happens, a person reads no faster.
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Work:
    """A constellation.

    Attributes:
        title: a few words.
        state: as the hub names it.
        ended, tasks: how many of its tasks have, and how many there are.
    """

    id: str
    title: str
    state: str
    ended: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The fabric at a glance.

    Attributes:
        devices: their names, in order, and whether they are connected.
        works: those that run, and the latest that have ended; oldest first.
    """

    devices: tuple[tuple[str, bool], ...] = ()
    works: tuple[Work, ...] = ()


async def watch(link: Link, told: Callable[[Overview], None]) -> Never:
    """Tell what the fabric is at, whenever that changes."""
    while True:
        await link.ready()
        try:
            await _follow(link, told)
        except* SessionLost:
            told(Overview())


async def _follow(link: Link, told: Callable[[Overview], None]) -> None:
    subscribed = await link.request("subscribe", {})
    events = link.events(subscribed["subscription"])
    changed, changes = anyio.create_memory_object_stream[None](1)
    changed.send_nowait(None)
    async with changed, changes, anyio.create_task_group() as tasks:
        tasks.start_soon(_note, events, changed)
        async for _ in changes:
            told(await _look(link))
            await anyio.sleep(_PAUSE_S)


async def _note(events: Events, changed: MemoryObjectSendStream[None]) -> None:
    async for _ in events:
        try:
            changed.send_nowait(None)
        except anyio.WouldBlock:
            continue


async def _look(link: Link) -> Overview:
    devices = (await link.request("devices", {"cards": False}))["devices"]
    listed = (await link.request("list", {"all": True, "limit": _LATEST}))["constellations"]
    return Overview(
        tuple(sorted((each["name"], each["presence"] == "connected") for each in devices)),
        tuple(_work(each) for each in listed),
    )


def _work(listed: Mapping[str, Any]) -> Work:
    counts = listed["counts"]
    ended = sum(count for state, count in counts.items() if state in _ENDED)
    return Work(listed["id"], listed["name"], listed["state"], ended, sum(counts.values()))
