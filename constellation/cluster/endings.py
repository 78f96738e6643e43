"""What is kept of constellations that have ended: a line each, for listings, until forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import msgpack

from .streams import ANSWER_S, Streams

# Of those that have ended, where one owner's are looked for.
LOOKED_AT = 10_000


class Endings(Streams):
    """The stream of constellations that have ended, in the order in which they did."""

    async def end(self, constellation: str, summary: Mapping[str, Any] | None) -> None:
        """Keep what listings show of a constellation that has ended; None if it goes on."""
        subject = self._names.end_of(constellation)
        if summary is None:
            await self.insist(
                "written", lambda: self._jetstream.purge_stream(self._names.ended, subject=subject)
            )
        else:
            packed = msgpack.packb(summary, use_bin_type=True)
            await self.insist(
                "written", lambda: self._jetstream.publish(subject, packed, timeout=ANSWER_S)
            )

    async def summaries(self, limit: int, owner: str | None) -> list[Any]:
        """What listings show of those that ended last, the latest last; of one owner or of all.

        It reads backwards, in pieces that double, until there are enough: a page costs what it
        holds, however many have ended. Of one owner's it sees those among the latest `LOOKED_AT`.
        """
        names = self._names
        info = await self._info(names.ended)
        # An empty stream says that its first message would be number 0.
        last, first = info.state.last_seq, max(1, info.state.first_seq)
        found: list[Any] = []
        step, looked = max(limit, 1), 0
        before = last + 1
        while before > first and len(found) < limit and looked < LOOKED_AT:
            start = max(first, before - step)
            piece = []
            messages = self._messages(names.ended, names.end_of("*"), start - 1, until=before)
            async with aclosing(messages):
                async for _, _, data in messages:
                    looked += 1
                    told = msgpack.unpackb(data)
                    if owner is None or told["owner"] == owner:
                        piece.append(told)
            found = piece + found
            before, step = start, 2 * step
        return found[-limit:]

    async def ended_before(self, time: float, most: int) -> list[str]:
        """Constellations that ended before a time, so many at most, the longest gone first."""
        found: list[str] = []
        names = self._names
        messages = self._messages(names.ended, names.end_of("*"), 0)
        async with aclosing(messages):
            async for _, subject, data in messages:
                # They are in the order in which they ended.
                if msgpack.unpackb(data)["ended_at"] >= time or len(found) >= most:
                    break
                found.append(subject.rpartition(".")[2])
        return found

    async def purge(self, constellation: str) -> bool:
        """Forget a constellation that has ended; False if it goes on, and stays.

        The line of the listing goes last: whoever dies in between is followed by one who finds it.
        """
        names = self._names
        if constellation not in await self._subjects(names.ended, names.end_of(constellation)):
            return False
        for stream, subject in (
            (names.journal, names.facts_of(constellation)),
            (names.ended, names.end_of(constellation)),
        ):
            await self.insist(
                "written", partial(self._jetstream.purge_stream, stream, subject=subject)
            )
        return True
