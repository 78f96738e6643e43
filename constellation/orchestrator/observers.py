"""Who watches what: subscriptions to facts, which never slow the hub and never miss a fact.

A subscription is a cursor into the journal. While its reader keeps up, facts are pushed as they are
committed; when too much is waiting for it, pushing stops and goes on from the cursor, out of the
journal, once the reader has caught up. Notices, which are not journaled, are dropped meanwhile.
A fact that a reader cannot take, for its size or depth, is told as ``omitted``, with what of it is
small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from constellation.errors import LimitExceeded, ProtocolError

from .events import Fact, Notify
from .ports import JournalPort

HIGH_WATER_BYTES = 1024 * 1024
CATCH_UP_FACTS = 500
MAX_SUBSCRIPTIONS = 100
# Texts of an omitted fact that are told all the same: names, states.
SHORT_CHARS = 200


class Reader(Protocol):
    """Where events are sent: a connected client."""

    @property
    def pending(self) -> int:
        """Bytes queued and not yet acknowledged."""

    def send(self, type: str, body: Mapping[str, Any]) -> object:
        """Queue a message; `ProtocolError` if it is more or deeper than the reader takes."""

    def give_up(self, error: ProtocolError) -> None:
        """End the session of a reader that cannot take what it asked for."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One reader's cursor; ``constellation`` None watches all of them, and devices.

    ``sees`` says whether the reader may know of a constellation; None if it may of all.
    """

    id: str
    reader: Reader
    constellation: str | None
    cursor: int
    sees: Callable[[str], bool] | None = None
    behind: bool = False

    def wants(self, constellation: str) -> bool:
        if self.constellation is not None and self.constellation != constellation:
            return False
        return self.sees is None or self.sees(constellation)


class Observers:
    """All subscriptions of a hub."""

    def __init__(self, journal: JournalPort) -> None:
        self._journal = journal
        self._subscriptions: dict[tuple[int, str], Subscription] = {}
        self._next_id = 0

    def __len__(self) -> int:
        return len(self._subscriptions)

    @property
    def behind(self) -> bool:
        """True while a reader has to be served from the journal: call `catch_up` now and then."""
        return any(each.behind for each in self._subscriptions.values())

    def subscribe(
        self,
        reader: Reader,
        constellation: str | None = None,
        after: int | None = None,
        sees: Callable[[str], bool] | None = None,
    ) -> Subscription:
        """Watch facts with numbers above ``after``; None starts with what comes next.

        Args:
            sees: asked at each event whether the reader may know of its constellation.

        Raises:
            LimitExceeded: this reader has too many subscriptions already.
        """
        if sum(each.reader is reader for each in self._subscriptions.values()) >= MAX_SUBSCRIPTIONS:
            raise LimitExceeded(
                f"There are {MAX_SUBSCRIPTIONS} subscriptions already.",
                remedy="End some of them with `unsubscribe`, or watch all constellations with one.",
            )
        self._next_id += 1
        cursor = self._journal.seq if after is None else after
        found = Subscription(f"s{self._next_id}", reader, constellation, cursor, sees)
        found.behind = cursor < self._journal.seq
        self._subscriptions[id(reader), found.id] = found
        return found

    def unsubscribe(self, reader: Reader, subscription: str) -> bool:
        """Stop watching; False if there was no such subscription of this reader."""
        return self._subscriptions.pop((id(reader), subscription), None) is not None

    def forget(self, reader: Reader) -> None:
        """Drop every subscription of a reader that is gone."""
        for key in [key for key, each in self._subscriptions.items() if each.reader is reader]:
            del self._subscriptions[key]

    def publish(self, facts: list[Fact], last_seq: int) -> None:
        """Push facts just committed, the last of which has the number ``last_seq``."""
        first = last_seq - len(facts) + 1
        # A reader that cannot take what it is sent is forgotten on the way.
        for each in list(self._subscriptions.values()):
            if each.behind:
                continue
            for seq, fact in enumerate(facts, first):
                # Those that were read from the journal in the meantime are not told again.
                if seq > each.cursor and each.wants(fact.constellation):
                    if each.reader.pending > HIGH_WATER_BYTES:
                        each.behind = True
                        break
                    tell(each, fact, seq)
                each.cursor = max(each.cursor, seq)

    def notify(self, notice: Notify) -> None:
        """Push a notice to those who keep up."""
        for each in list(self._subscriptions.values()):
            if each.wants(notice.constellation) and not each.behind:
                if each.reader.pending > HIGH_WATER_BYTES:
                    each.behind = True
                else:
                    notify(each, notice)

    def catch_up(self) -> bool:
        """Serve readers that fell behind, a bounded number of facts each.

        Returns:
            False if none of them could take any: wait before the next call.
        """
        moved = False
        for each in [each for each in self._subscriptions.values() if each.behind]:
            if each.reader.pending <= HIGH_WATER_BYTES // 2:
                self._serve(each)
                moved = True
        return moved

    def _serve(self, subscription: Subscription) -> None:
        reader = subscription.reader
        # Commits may go on in another thread: what is in the journal by now, we will have seen.
        last = self._journal.seq
        for served, (seq, fact) in enumerate(self._missed(subscription)):
            if served == CATCH_UP_FACTS or reader.pending > HIGH_WATER_BYTES:
                return
            if subscription.wants(fact.constellation):
                tell(subscription, fact, seq)
            subscription.cursor = seq
        subscription.cursor = max(subscription.cursor, last)
        subscription.behind = False

    def _missed(self, subscription: Subscription) -> Iterator[tuple[int, Fact]]:
        return self._journal.facts(subscription.constellation, after=subscription.cursor)


def notify(subscription: Subscription, notice: Notify) -> None:
    """Send a notice; one that the reader cannot take is dropped."""
    with suppress(ProtocolError):
        subscription.reader.send("event", _event(subscription, notice))


def tell(subscription: Subscription, fact: Fact, seq: int) -> None:
    """Send a fact, or at least that there is one which the reader cannot take."""
    reader, event = subscription.reader, _event(subscription, fact)
    try:
        try:
            reader.send("event", {**event, "seq": seq})
        except ProtocolError as error:
            rest = {key: value for key, value in fact.body.items() if _is_small(value)}
            omitted = {"kind": fact.kind, "reason": error.message, "rest": rest}
            reader.send("event", {**event, "seq": seq, "kind": "omitted", "body": omitted})
    except ProtocolError as error:
        reader.give_up(error)


def _is_small(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= SHORT_CHARS
    return value is None or isinstance(value, bool | int | float)


def _event(subscription: Subscription, event: Fact | Notify) -> dict[str, Any]:
    return {
        "subscription": subscription.id,
        "time": event.time,
        "constellation": event.constellation,
        "kind": event.kind,
        "body": event.body,
    }
