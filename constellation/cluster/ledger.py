"""What a gateway knows of a device's session: what it was given, and what it said unsecured.

The device keeps its results until they are acknowledged, and the gateway acknowledges what its
owner has secured. So a gateway may die: the device hands in at the next one what it still holds.
An owner may die too: what it had not secured is here, and is given to the next owner.

Several orchestrators give work to one device. The ledger keeps them to its capacity together: what
is too much waits here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

# What a device says that must reach the owner of the attempt; the rest may be lost.
KEPT = frozenset({"result", "reject", "input_required"})
_ENDING = frozenset({"result", "reject"})


class Said(NamedTuple):
    """A message of a device about an attempt, as it is passed on."""

    seq: int
    type: str
    body: Mapping[str, Any]


def constellation_of(attempt: str) -> str:
    """Which constellation an attempt belongs to."""
    return attempt.partition("/")[0]


class Ledger:
    """One session of one device.

    Args:
        capacity: how many attempts the device takes at once.
        running, held: attempts that its hello names.
    """

    def __init__(
        self, capacity: int, running: Iterable[str] = (), held: Iterable[str] = ()
    ) -> None:
        self.capacity = capacity
        # Attempts at the device, and who gave them; "" if that was before this session.
        self._open: dict[str, str] = dict.fromkeys(running, "")
        # Attempts whose results the device has announced, or which have come and are not secured.
        self._held: dict[str, None] = dict.fromkeys(held)
        self._waiting: deque[tuple[str, str, Mapping[str, Any]]] = deque()
        self._unsecured: dict[int, tuple[str, Said]] = {}
        self._newest = 0

    # ── what the device says ────────────────────────────────────────────────────────────────────

    def take(self, seq: int, type: str, body: Mapping[str, Any]) -> Said:
        """Take in a message about an attempt; one of `KEPT` stays until it is secured."""
        self._newest = max(self._newest, seq)
        attempt = body["attempt"]
        if type not in KEPT:
            return Said(0, type, body)
        said = Said(seq, type, body)
        self._unsecured[seq] = constellation_of(attempt), said
        if type in _ENDING:
            self._open.pop(attempt, None)
            self._held[attempt] = None
        return said

    def pass_by(self, seq: int) -> None:
        """Take in a message that need not be kept."""
        self._newest = max(self._newest, seq)

    def secure(self, seqs: Iterable[int]) -> None:
        """The owner has secured messages."""
        for seq in seqs:
            found = self._unsecured.pop(seq, None)
            if found is not None and found[1].type in _ENDING:
                self._held.pop(found[1].body["attempt"], None)

    @property
    def secured(self) -> int:
        """Number up to which everything that the device said is secured."""
        oldest = next(iter(self._unsecured), None)
        return self._newest if oldest is None else oldest - 1

    def unsecured(self, constellation: str) -> list[Said]:
        """What was said about a constellation and is not secured, in order."""
        return [said for name, said in self._unsecured.values() if name == constellation]

    @property
    def constellations(self) -> set[str]:
        """Those of which anything is here."""
        running, held = self.account()
        names = {constellation_of(each) for each in (*running, *held)}
        return names | {name for name, _ in self._unsecured.values()}

    # ── what the device is given ────────────────────────────────────────────────────────────────

    def give(self, owner: str, attempt: str, body: Mapping[str, Any]) -> bool:
        """An owner gives an attempt; True if it is to be sent now, else it waits for room."""
        if self._waiting or len(self._open) >= self.capacity:
            self._waiting.append((owner, attempt, body))
            return False
        self._open[attempt] = owner
        return True

    def take_waiting(self) -> Iterator[Mapping[str, Any]]:
        """Bodies of attempts that waited and for which there is room now."""
        while self._waiting and len(self._open) < self.capacity:
            owner, attempt, body = self._waiting.popleft()
            self._open[attempt] = owner
            yield body

    def withdraw(self, attempt: str) -> bool:
        """Take back an attempt that waits; False if the device has it already."""
        for each in self._waiting:
            if each[1] == attempt:
                self._waiting.remove(each)
                return True
        return False

    def drop_waiting(self, constellation: str) -> None:
        """A constellation has another owner, who gives anew what was not sent yet."""
        for _, attempt, _ in list(self._waiting):
            if constellation_of(attempt) == constellation:
                self.withdraw(attempt)

    def refuse(self, attempt: str) -> None:
        """An attempt could not be sent after all."""
        self._open.pop(attempt, None)

    @property
    def running(self) -> int:
        """Attempts that are at the device."""
        return len(self._open)

    @property
    def waiting(self) -> int:
        """Attempts that wait here for room at the device."""
        return len(self._waiting)

    @property
    def users(self) -> frozenset[str]:
        """Owners that have work here."""
        waiting = (owner for owner, _, _ in self._waiting)
        return frozenset((*self._open.values(), *waiting)) - {""}

    def forget_owner(self, owner: str) -> None:
        """An owner is gone; what it gave goes on until another says otherwise."""
        for attempt, giver in self._open.items():
            if giver == owner:
                self._open[attempt] = ""
        self._waiting = deque(
            ("" if giver == owner else giver, attempt, body)
            for giver, attempt, body in self._waiting
        )

    def pass_on(self, constellation: str, owner: str) -> None:
        """A constellation has another owner: what runs of it is that one's work."""
        for attempt in self._open:
            if constellation_of(attempt) == constellation:
                self._open[attempt] = owner

    def account(self, constellation: str | None = None) -> tuple[list[str], list[str]]:
        """Attempts that run or wait here, and those whose results are here or announced.

        Args:
            constellation: which one is meant; None for all.
        """

        def meant(attempts: Iterable[str]) -> list[str]:
            return [
                each
                for each in attempts
                if constellation is None or constellation_of(each) == constellation
            ]

        waiting = (attempt for _, attempt, _ in self._waiting)
        return meant([*self._open, *waiting]), meant(self._held)
