"""Deadlines by key, the earliest first."""

from __future__ import annotations

import heapq

Key = tuple[str, ...]


class Timers:
    """A heap of deadlines in which setting, moving and dropping one costs O(log n) at most.

    Entries that were moved or dropped stay in the heap until they surface, or until they are more
    than half of it: then it is rebuilt, so that its size is bounded by what is pending.
    """

    def __init__(self) -> None:
        self._current: dict[Key, int] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._current)

    def __contains__(self, key: Key) -> bool:
        return key in self._current

    def set(self, key: Key, at: float) -> None:
        """Arm a deadline, in the machine's seconds; a pending one of the same key is replaced."""
        self._number += 1
        self._current[key] = self._number
        heapq.heappush(self._heap, (at, self._number, key))
        if len(self._heap) > 2 * len(self._current) + 64:
            self._heap = [entry for entry in self._heap if self._current.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def drop(self, key: Key) -> None:
        """Disarm a deadline, if it is armed."""
        self._current.pop(key, None)

    def next(self) -> float | None:
        """When the earliest deadline is due; None if there is none."""
        heap = self._heap
        while heap:
            at, number, key = heap[0]
            if self._current.get(key) == number:
                return at
            heapq.heappop(heap)
        return None

    def take(self, now: float) -> Key | None:
        """Remove and return a deadline that is due; None if there is none."""
        at = self.next()
        if at is None or at > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._current[key]
        return key
