"""The lease machine of an orchestrator: how long it may act, and whose work it is to take over.

Each orchestrator keeps one entry in a bucket and renews it well within its lease. Nobody compares
clocks: whoever watches another's entry counts, by its own clock, how long that has not changed.

- The holder counts from when it *sent* the renewal that succeeded, a watcher from when it *saw* the
  entry that the renewal wrote. So the holder's lease is over first.
- A watcher that has seen no change for a whole lease buries the entry: it deletes that very
  revision. Had the holder renewed it meanwhile, that fails; else the holder can never renew again.
- What is claimed by an owner without an entry is free. Of those who live, the hash of both names
  says who takes it, so that two rarely try; the bucket lets one of them succeed.

A lease only saves work. That a deposed owner can change nothing is seen to by the log (`log`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

# A lease is renewed, and those of others are looked at, so often in its time.
BEATS = 5


# ── events ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Kept:
    """Our entry was written; ``sent_at`` is when the attempt to do so began."""

    sent_at: float


@dataclass(frozen=True, slots=True)
class Revoked:
    """Our entry is not ours any more: somebody has buried it."""


@dataclass(frozen=True, slots=True)
class LeasesSeen:
    """The entries that there are: revisions by owner."""

    revisions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Buried:
    """An entry was deleted, so that its owner cannot renew it."""

    owner: str


class Claimed(NamedTuple):
    """Who owns a constellation, and the epoch of that: the revision of the claim."""

    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ClaimsSeen:
    """All claims, and the owners that had an entry after the claims were read."""

    claims: Mapping[str, Claimed]
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; sent when `Tenure.deadline` is reached."""


Event = Kept | Revoked | LeasesSeen | Buried | ClaimsSeen | Tick

# ── instructions ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Renew:
    """Write our entry; then `Kept` or `Revoked`, or neither if nobody answers."""


@dataclass(frozen=True, slots=True)
class LookAround:
    """Read the entries; then `LeasesSeen`."""


@dataclass(frozen=True, slots=True)
class Bury:
    """Delete an entry if it still has this revision; then `Buried`, if it had."""

    owner: str
    revision: int


@dataclass(frozen=True, slots=True)
class ReadClaims:
    """Read the claims, then the entries; then `ClaimsSeen`."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Take over a constellation, if its claim still has this epoch."""

    constellation: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Resign:
    """Our lease is over: act no more. Nothing follows."""


Instruction = Renew | LookAround | Bury | ReadClaims | Claim | Resign


class Tenure:
    """One orchestrator's view of all leases.

    Args:
        me: names this life of this orchestrator; never used again.
        lease_s: how long an entry counts; longer than NATS takes to elect a leader.
        now: seconds by this machine's own steady clock, as everywhere here.
    """

    def __init__(self, me: str, lease_s: float, now: float) -> None:
        self._me = me
        self._lease_s = lease_s
        self._beat_s = lease_s / BEATS
        self._valid_until = float("-inf")
        self._renew_at = now
        self._look_at = now
        self._read_at = now
        self._resigned = False
        # When each entry of another was first seen with its revision.
        self._seen: dict[str, tuple[int, float]] = {}

    def holds(self, now: float) -> bool:
        """True while our lease is surely good: only then may anything be done."""
        return not self._resigned and now < self._valid_until

    def deadline(self) -> float | None:
        """When `Tick` is due; None once resigned."""
        if self._resigned:
            return None
        due = min(self._renew_at, self._look_at, self._read_at)
        return min(due, self._valid_until) if self._was_kept else due

    @property
    def _was_kept(self) -> bool:
        return self._valid_until > float("-inf")

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take one event; return what is to be done."""
        if self._resigned:
            return []
        if isinstance(event, Revoked) or (self._was_kept and now >= self._valid_until):
            self._resigned = True
            return [Resign()]
        match event:
            case Kept(sent_at):
                self._valid_until = max(self._valid_until, sent_at + self._lease_s)
            case LeasesSeen(revisions):
                return self._look(revisions, now)
            case Buried(owner):
                self._seen.pop(owner, None)
                return [ReadClaims()]
            case ClaimsSeen(claims, owners):
                return self._choose(claims, owners) if self.holds(now) else []
            case Tick():
                return self._tick(now)
        return []

    def _tick(self, now: float) -> list[Instruction]:
        due: list[Instruction] = []
        if now >= self._renew_at:
            self._renew_at = now + self._beat_s
            due.append(Renew())
        if now >= self._look_at:
            self._look_at = now + self._beat_s
            due.append(LookAround())
        if now >= self._read_at:
            # Whatever went wrong: what nobody owns is found within a lease.
            self._read_at = now + self._lease_s
            due.append(ReadClaims())
        return due

    def _look(self, revisions: Mapping[str, int], now: float) -> list[Instruction]:
        left = self._seen.keys() - revisions.keys()
        self._seen = {
            owner: self._seen[owner]
            if owner in self._seen and self._seen[owner][0] == revision
            else (revision, now)
            for owner, revision in revisions.items()
            if owner != self._me
        }
        silent: list[Instruction] = [
            Bury(owner, revision)
            for owner, (revision, since) in self._seen.items()
            if now - since >= self._lease_s
        ]
        # Whoever gave its lease back, or was buried by another, leaves something to take over.
        return [*silent, ReadClaims()] if left else silent

    def _choose(self, claims: Mapping[str, Claimed], owners: frozenset[str]) -> list[Instruction]:
        living = owners | {self._me}
        return [
            Claim(constellation, claimed.epoch)
            for constellation, claimed in claims.items()
            if claimed.owner not in living and preferred(constellation, living) == self._me
        ]


def preferred(subject: str, nodes: frozenset[str]) -> str:
    """Which of some nodes is to have something (rendezvous hashing, Thaler and Ravishankar).

    All who know of the same nodes say the same, and when one goes, only what it had moves.
    """
    return max(nodes, key=lambda node: (sha256(f"{node}/{subject}".encode()).digest(), node))
