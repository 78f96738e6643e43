"""Who watches what at a gateway: facts from the log, notices as they fly by.

A subscription reads the log by itself and waits for its reader. So it misses no fact, whoever
owns the constellation, and a slow reader holds up nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgpack
from anyio import CancelScope
from nats.aio.client import Client
from nats.aio.msg import Msg

from constellation.errors import JournalError, LimitExceeded, SessionLost
from constellation.orchestrator.events import Fact, Notify
from constellation.orchestrator.observers import (
    HIGH_WATER_BYTES,
    MAX_SUBSCRIPTIONS,
    Subscription,
    notify,
    tell,
)

from .log import FACTS, Log
from .names import Names

if TYPE_CHECKING:
    from constellation.aip.server import Peer

    from .gateway import Gateway


class Watching:
    """All subscriptions of a gateway.

    Args:
        gateway: where the readers are.
        facts: the log.
    """

    def __init__(self, gateway: Gateway, nats: Client, names: Names, facts: Log) -> None:
        self._gateway = gateway
        self._nats = nats
        self._names = names
        self._facts = facts
        self._subscriptions: dict[tuple[int, str], tuple[Subscription, CancelScope]] = {}
        self._next_id = 0

    async def run(self) -> None:
        """Begin to pass notices on."""
        await self._nats.subscribe(self._names.notices_of("*"), cb=self._notice_came)

    async def subscribe(
        self, peer: Peer, constellation: str | None, after: int | None
    ) -> dict[str, Any]:
        """Watch facts with numbers above ``after``; None starts with what comes next.

        Raises:
            LimitExceeded: this reader has too many subscriptions already.
            JournalError: the log cannot be read.
        """
        if sum(key[0] == id(peer) for key in self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise LimitExceeded(
                f"There are {MAX_SUBSCRIPTIONS} subscriptions already.",
                remedy="End some of them with `unsubscribe`, or watch all constellations with one.",
            )
        end = await self._facts.end_of_stream()
        last = end if constellation is None else await self._facts.last_number(constellation)
        self._next_id += 1
        cursor = end if after is None else after
        found = Subscription(f"s{self._next_id}", peer, constellation, cursor)
        scope = CancelScope()
        self._subscriptions[id(peer), found.id] = found, scope
        self._gateway.start(self._serve, peer, found, scope)
        return {"subscription": found.id, "last": last}

    def unsubscribe(self, peer: Peer, subscription: str) -> bool:
        """Stop watching; False if there was no such subscription of this reader."""
        found = self._subscriptions.pop((id(peer), subscription), None)
        if found is not None:
            found[1].cancel()
        return found is not None

    def forget(self, peer: Peer) -> None:
        """Drop every subscription of a reader that is gone."""
        for key in [key for key in self._subscriptions if key[0] == id(peer)]:
            self._subscriptions.pop(key)[1].cancel()

    async def _serve(self, peer: Peer, each: Subscription, scope: CancelScope) -> None:
        with scope:
            while True:
                try:
                    await self._follow(peer, each)
                except JournalError:
                    continue  # no node answered for a while: it is read on from the cursor
                except SessionLost:
                    return

    async def _follow(self, peer: Peer, each: Subscription) -> None:
        pattern = each.constellation or "*"
        entries = self._facts.entries(pattern, max(0, each.cursor // FACTS - 1), follow=True)
        async with aclosing(entries):
            async for entry in entries:
                for number, fact in entry.numbered():
                    if number > each.cursor:
                        await peer.until(lambda: peer.pending <= HIGH_WATER_BYTES)
                        tell(each, fact, number)
                        each.cursor = number

    async def _notice_came(self, message: Msg) -> None:
        body: Mapping[str, Any] = msgpack.unpackb(message.data, strict_map_key=False)
        notice = Notify(body["time"], body["constellation"], body["kind"], body["body"])
        for each, _ in list(self._subscriptions.values()):
            if each.wants(notice.constellation) and each.reader.pending <= HIGH_WATER_BYTES:
                notify(each, notice)

    async def logs(self, constellation: str, after: int, limit: int, most_bytes: int) -> Any:
        """Facts of a constellation as the verb ``logs`` gives them, and whether others follow."""
        rows: list[dict[str, Any]] = []
        size = 0
        entries = self._facts.entries(constellation, max(0, after // FACTS - 1))
        async with aclosing(entries):
            async for entry in entries:
                for number, fact in entry.numbered():
                    if number <= after:
                        continue
                    row = _row(number, fact)
                    size += len(msgpack.packb(row, use_bin_type=True))
                    if rows and (len(rows) == limit or size > most_bytes):
                        return {"facts": rows, "more": True}
                    rows.append(row)
        return {"facts": rows, "more": False}


def _row(number: int, fact: Fact) -> dict[str, Any]:
    return {"seq": number, "time": fact.time, "kind": fact.kind, "body": fact.body}
