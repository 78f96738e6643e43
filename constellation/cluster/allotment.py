"""Who in a cluster has which exclusive resources, and who waits for them: one table for all.

A constellation gets all the resources of a wish at once or none of them, the longest waiting first:
so nobody waits for one while it holds another, and nobody is overtaken for ever. An entry bears the
id of its wish, which only the orchestrator that made the wish knows how to end, and the epoch in
which that owns the constellation: who takes a constellation over gives what it has new ids, and
from then on nothing that an earlier owner does to the table changes it.

This is data and what may be done to it. `asking` says what an orchestrator does, and `book` where
the table is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import msgpack


class Hold(NamedTuple):
    """A resource is had.

    Attributes:
        constellation: by which.
        epoch: of its owner.
        wish: by which wish.
    """

    constellation: str
    epoch: int
    wish: str


class Wish(NamedTuple):
    """A constellation waits for resources.

    Attributes:
        id: unique; ``node/number``.
        constellation: which.
        epoch: of its owner.
        resources: all that it wants at once.
    """

    id: str
    constellation: str
    epoch: int
    resources: tuple[str, ...]


class Allotment:
    """The table.

    Attributes:
        held: who has a resource.
        waiting: wishes in the order in which they are fulfilled.
    """

    def __init__(self) -> None:
        self.held: dict[str, Hold] = {}
        self.waiting: list[Wish] = []

    @classmethod
    def read(cls, data: bytes) -> Allotment:
        """What `pack` wrote; nothing is an empty table."""
        table = cls()
        if data:
            held, waiting = msgpack.unpackb(data)
            table.held = {resource: Hold(*entry) for resource, entry in held.items()}
            table.waiting = [
                Wish(id, name, epoch, tuple(resources)) for id, name, epoch, resources in waiting
            ]
        return table

    def pack(self) -> bytes:
        """As bytes; the same table gives the same."""
        held = {resource: self.held[resource] for resource in sorted(self.held)}
        packed: bytes = msgpack.packb([held, self.waiting])
        return packed

    @property
    def constellations(self) -> set[str]:
        """Those that have or want something."""
        return {each.constellation for each in self._entries()}

    def _entries(self) -> list[Hold | Wish]:
        return [*self.held.values(), *self.waiting]

    def ids(self) -> set[str]:
        """Of all wishes, fulfilled or waiting."""
        return {each.wish for each in self.held.values()} | {each.id for each in self.waiting}

    def has(self, wish: str) -> bool:
        """Whether a wish is fulfilled, and something that came of it is still had."""
        return any(each.wish == wish for each in self.held.values())

    def want(self, wish: Wish) -> None:
        """Let a wish wait its turn; not if the constellation has a later owner."""
        theirs = [each for each in self._entries() if each.constellation == wish.constellation]
        if all(each.epoch <= wish.epoch for each in theirs):
            self.waiting.append(wish)

    def drop(self, wishes: Collection[str]) -> None:
        """End wishes: what they had is free."""
        self.held = {key: each for key, each in self.held.items() if each.wish not in wishes}
        self.waiting = [each for each in self.waiting if each.id not in wishes]

    def release(self, resource: str) -> None:
        """A resource is free."""
        self.held.pop(resource, None)

    def drop_constellation(self, constellation: str, before: int | None = None) -> None:
        """Forget what a constellation has and wants; only of owners before an epoch, if given."""

        def stays(each: Hold | Wish) -> bool:
            if each.constellation != constellation:
                return True
            return before is not None and each.epoch >= before

        self.held = {key: each for key, each in self.held.items() if stays(each)}
        self.waiting = [each for each in self.waiting if stays(each)]

    def pass_on(self, constellation: str, epoch: int, wish: str) -> None:
        """A constellation has another owner: what it has, it has by that one's wish from now on."""
        for resource, each in self.held.items():
            if each.constellation == constellation and each.epoch < epoch:
                self.held[resource] = Hold(constellation, epoch, wish)
        self.drop_constellation(constellation, epoch)

    def settle(self) -> None:
        """Fulfil wishes of which nobody else has a part, or waits longer for one."""
        taken = set(self.held)
        waiting = []
        for wish in self.waiting:
            if taken.isdisjoint(wish.resources):
                hold = Hold(wish.constellation, wish.epoch, wish.id)
                self.held.update(dict.fromkeys(wish.resources, hold))
            else:
                waiting.append(wish)
            taken.update(wish.resources)
        self.waiting = waiting
