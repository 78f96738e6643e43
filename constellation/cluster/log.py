"""The log of facts in JetStream: what is appended, under which condition, and how it is read.

Each constellation has a subject of one stream. A message holds facts of one wake-up about it, and
is appended only if the last message of that subject is the one that its writer knows: so the log
itself refuses whoever was deposed, whatever clocks and leases say. A fact has the number
``message · FACTS + place``, which rises with each, and is the same whoever reads it.

A wake-up too large for one message is appended in parts; those before the last are marked, and
count once the last has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from itertools import count
from typing import Any, NamedTuple

import msgpack
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from constellation.errors import Deposed
from constellation.orchestrator.events import Fact

from .names import Names
from .streams import ANSWER_S, RETRY_S, Streams

# Facts of one message at most, so that their numbers find room.
FACTS = 1024
PART_BYTES = 4 * 1024 * 1024
EXPECTED_LAST = "Nats-Expected-Last-Subject-Sequence"
WRITE_ID = "Constellation-Write"
WRONG_LAST = frozenset({10071, 10164})


class Entry(NamedTuple):
    """A message of the log.

    Attributes:
        seq: its number in the stream.
        constellation: which one it is about.
        epoch: of the owner that wrote it.
        more: True if it counts only with the one that follows it.
        before: number of the last fact before it, if it holds none itself.
        facts: ``[[time, kind, body], …]``; none in the message by which an owner takes over.
    """

    seq: int
    constellation: str
    epoch: int
    more: bool
    before: int
    facts: list[list[Any]]

    @property
    def last(self) -> int:
        """Number of the last fact that is there by now."""
        return self.seq * FACTS + len(self.facts) - 1 if self.facts else self.before

    def numbered(self) -> Iterator[tuple[int, Fact]]:
        """The facts with their numbers."""
        for place, (time, kind, body) in enumerate(self.facts):
            yield self.seq * FACTS + place, Fact(time, self.constellation, kind, body)


class Log(Streams):
    """Reads and appends; all coroutines belong to the event loop of the connection.

    Args:
        nats: the connection.
        names: of the streams.
        writer: tells this writer's messages from those of others.
        patience_s: how long an append is tried while no node acknowledges it.

    Attributes:
        last: number in the stream of the last message about each constellation that is ours.
    """

    def __init__(self, nats: Client, names: Names, writer: str, patience_s: float) -> None:
        super().__init__(nats, names, patience_s)
        self._writer = writer
        self._writes = count(1)
        self._pack = msgpack.Packer(use_bin_type=True).pack
        self.last: dict[str, int] = {}

    # ── appending ───────────────────────────────────────────────────────────────────────────────

    async def append(self, constellation: str, epoch: int, facts: Sequence[Fact]) -> int:
        """Append facts about a constellation that is ours, or new; return the last one's number.

        Raises:
            Deposed: somebody else has appended to it since we last did.
            JournalError: no node acknowledges it.
        """
        seq = 0
        parts = list(self._parts(facts))
        for place, part in enumerate(parts):
            seq = await self._append(constellation, epoch, place < len(parts) - 1, part)
        return seq * FACTS + len(parts[-1]) - 1

    def _parts(self, facts: Sequence[Fact]) -> Iterator[list[bytes]]:
        part: list[bytes] = []
        size = 0
        for fact in facts:
            packed = self._pack((fact.time, fact.kind, fact.body))
            if part and (len(part) == FACTS or size + len(packed) > PART_BYTES):
                yield part
                part, size = [], 0
            part.append(packed)
            size += len(packed)
        yield part

    async def _append(
        self, constellation: str, epoch: int, more: bool, packed: Sequence[bytes], before: int = 0
    ) -> int:
        data = self._pack((epoch, more, before)) + b"".join(packed)
        seq = await self._publish(constellation, data, self.last.get(constellation, 0))
        self.last[constellation] = seq
        return seq

    async def _publish(self, constellation: str, data: bytes, expected: int) -> int:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        write = f"{self._writer}/{next(self._writes)}"
        headers = {EXPECTED_LAST: str(expected), WRITE_ID: write}
        in_doubt = False
        while True:
            try:
                ack = await self._jetstream.publish(
                    self._names.facts_of(constellation), data, timeout=ANSWER_S, headers=headers
                )
            except APIError as error:
                if error.err_code in WRONG_LAST:
                    found = await self._raw(constellation) if in_doubt else None
                    if found is not None and (found.headers or {}).get(WRITE_ID) == write:
                        # It had arrived, and only its acknowledgement was lost.
                        return int(found.seq or 0)
                    raise Deposed(
                        f"Another orchestrator owns {constellation}.", constellation=constellation
                    ) from None
                reason: Exception = error
            except (TimeoutError, NatsError) as error:
                reason = error
            else:
                return ack.seq
            in_doubt = True
            if loop.time() > until:
                raise self._unreachable("written", reason)
            await asyncio.sleep(RETRY_S)

    async def take(self, constellation: str, epoch: int) -> None:
        """Become its writer: from now on what earlier owners append is refused.

        Raises:
            Deposed: an owner of a later epoch has done so already.
            JournalError: no node answers.
        """
        while True:
            last = await self.last_entry(constellation)
            if last is not None:
                if last.epoch > epoch:
                    raise Deposed(
                        f"A later owner has {constellation}.", constellation=constellation
                    )
                self.last[constellation] = last.seq
            try:
                before = 0 if last is None else last.last
                await self._append(constellation, epoch, False, (), before)
            except Deposed:
                continue  # its owner goes on writing: we take what it has written into account
            return

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    async def entries(
        self, constellation: str, after: int = 0, *, follow: bool = False
    ) -> AsyncGenerator[Entry]:
        """What is in the log, after a number in the stream; ``*`` for all constellations.

        Args:
            follow: go on with what is appended, for ever; else what is there by now.

        Raises:
            JournalError: no node answers.
        """
        begun: dict[str, list[Entry]] = {}
        messages = self._messages(
            self._names.journal,
            self._names.facts_of(constellation),
            after,
            follow=follow,
            least=self.last.get(constellation, 0),
        )
        async with aclosing(messages):
            async for seq, subject, data in messages:
                entry = _entry(seq, subject, data)
                parts = begun.pop(entry.constellation, [])
                if parts and parts[0].epoch != entry.epoch:
                    # Whoever began it was deposed before it was whole.
                    parts = []
                parts.append(entry)
                if entry.more:
                    begun[entry.constellation] = parts
                    continue
                for part in parts:
                    yield part

    async def _raw(self, constellation: str) -> RawStreamMsg | None:
        subject = self._names.facts_of(constellation)
        try:
            return await self.insist(
                "read", lambda: self._jetstream.get_last_msg(self._names.journal, subject)
            )
        except NotFoundError:
            return None

    async def last_entry(self, constellation: str) -> Entry | None:
        """The last message about a constellation; None if there is none."""
        raw = await self._raw(constellation)
        if raw is None:
            return None
        return _entry(int(raw.seq or 0), str(raw.subject), raw.data or b"")

    async def last_number(self, constellation: str) -> int:
        """Number of the last fact about a constellation; 0 if there is none."""
        last = await self.last_entry(constellation)
        return 0 if last is None else last.last

    async def end_of_stream(self) -> int:
        """Number up to which there can be facts."""
        info = await self._info(self._names.journal)
        return int(info.state.last_seq) * FACTS + FACTS - 1

    async def is_known(self, constellation: str) -> bool:
        """True if anything was ever appended about it."""
        return await self.last_entry(constellation) is not None

    async def open_constellations(self) -> list[str]:
        """Those with facts that have not ended, oldest first."""
        names = self._names
        known = await self._subjects(names.journal, names.facts_of("*"))
        ended = await self._subjects(names.ended, names.end_of("*"))
        first = {}
        for each in known.keys() - ended.keys():
            first[each] = await self._first(each)
        return sorted(first, key=lambda each: first[each])

    async def _first(self, constellation: str) -> int:
        subject = self._names.facts_of(constellation)
        message = await self.insist(
            "read",
            lambda: self._jetstream.get_msg(self._names.journal, 1, subject=subject, next=True),
        )
        return int(message.seq or 0)


def _unpack(data: bytes) -> Iterator[Any]:
    """The values of a message one after the other: those of its head, then the facts."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=0)
    unpacker.feed(data)
    head = unpacker.unpack()
    yield from head
    yield from unpacker


def _entry(seq: int, subject: str, data: bytes) -> Entry:
    epoch, more, before, *facts = _unpack(data)
    return Entry(seq, subject.rpartition(".")[2], epoch, more, before, facts)
