"""A device as the scheduler sees it: its card, its link, its credit and what runs on it."""

from __future__ import annotations

from enum import StrEnum

from constellation.aip.cards import DeviceCard
from constellation.errors import InvalidTransition

from .attempts import Attempt
from .estimates import Estimate
from .health import Condition, Health

MAX_HELD = 10_000


class Presence(StrEnum):
    """How a device stands towards the hub; the last two are connected as well."""

    CONNECTED = "connected"
    DETACHED = "detached"
    LOST = "lost"
    DRAINING = "draining"
    QUARANTINED = "quarantined"


# The life of a device's session. Quarantine is a matter of health, not of the session: see health.
TRANSITIONS: dict[Presence, dict[str, Presence]] = {
    Presence.CONNECTED: {
        "join": Presence.CONNECTED,
        "return": Presence.CONNECTED,
        "drain": Presence.DRAINING,
        "detach": Presence.DETACHED,
        "lose": Presence.LOST,
    },
    Presence.DRAINING: {
        "join": Presence.CONNECTED,
        "return": Presence.DRAINING,
        "drain": Presence.DRAINING,
        "detach": Presence.DETACHED,
        "lose": Presence.LOST,
    },
    Presence.DETACHED: {
        "join": Presence.CONNECTED,
        "return": Presence.CONNECTED,
        "return draining": Presence.DRAINING,
        "detach": Presence.DETACHED,
        "lose": Presence.LOST,
    },
    Presence.LOST: {"join": Presence.CONNECTED, "lose": Presence.LOST},
}


class Device:
    """One device.

    Attributes:
        card: what it says of itself.
        link: its session's state.
        running: the attempts that hold a place on it, by id, in the order of their start.
        credit: how many more attempts it may be given now; negative if its capacity shrank.
        room: likewise for each skill that has a capacity of its own.
        health: see `Health`.
        durations: estimates by skill, shared with `Estimates`.
        rtt_s: round trip of its link.
        artifacts: hashes of artifacts that it holds, the latest last.
        skills: names of its skills; ``words`` are those and its capabilities.
        watched: skills whose running attempts a straggler timer watches.
    """

    __slots__ = (
        "artifacts",
        "capacities",
        "card",
        "credit",
        "durations",
        "health",
        "idempotent",
        "link",
        "name",
        "reading",
        "room",
        "rtt_s",
        "running",
        "skills",
        "was_draining",
        "watched",
        "words",
    )

    def __init__(self, card: DeviceCard, health: Health, durations: dict[str, Estimate]) -> None:
        self.name = card.name
        self.link = Presence.DETACHED
        self.was_draining = False
        self.running: dict[str, Attempt] = {}
        self.health = health
        self.durations = durations
        self.rtt_s = 0.0
        self.artifacts: dict[str, None] = {}
        self.watched: dict[str, None] = {}
        self.card = card
        self.adopt(card)

    @property
    def presence(self) -> Presence:
        """What a person is told: the link, or the quarantine of a connected device."""
        quarantined = self.health.condition is Condition.QUARANTINED
        if quarantined and self.link is Presence.CONNECTED:
            return Presence.QUARANTINED
        return self.link

    def move(self, event: str) -> None:
        """Take a transition of the table.

        Raises:
            InvalidTransition: the table has none.
        """
        if event == "return" and self.link is Presence.DETACHED and self.was_draining:
            event = "return draining"
        following = TRANSITIONS[self.link].get(event)
        if following is None:
            raise InvalidTransition(f"Device {self.name}", self.link, event)
        if event == "detach":
            self.was_draining = self.was_draining or self.link is Presence.DRAINING
        elif event == "join":
            self.was_draining = False
        self.link = following
        self.count()

    def adopt(self, card: DeviceCard) -> None:
        """Take over a new card."""
        self.card = card
        self.skills = frozenset(skill.name for skill in card.skills)
        self.words = self.skills | frozenset(card.capabilities)
        self.idempotent = frozenset(skill.name for skill in card.skills if skill.idempotent)
        self.reading = frozenset(skill.name for skill in card.skills if skill.reads)
        self.capacities = {
            skill.name: skill.capacity for skill in card.skills if skill.capacity is not None
        }
        self.count()

    def count(self) -> None:
        """Derive the credit afresh, after anything but a start or an end changed it."""
        self.credit = self._limit() - len(self.running)
        self.room = dict(self.capacities)
        for attempt in self.running.values():
            if attempt.skill in self.room:
                self.room[attempt.skill] -= 1

    def _limit(self) -> int:
        if self.link is not Presence.CONNECTED:
            return 0
        match self.health.condition:
            case Condition.QUARANTINED:
                return 0
            case Condition.PROBING:
                return min(1, self.card.capacity)
        return self.card.capacity

    def has_room(self, skill: str) -> bool:
        """Whether it may be given one more call of a skill now."""
        return self.credit > 0 and (skill not in self.room or self.room[skill] > 0)

    def take(self, attempt: Attempt) -> None:
        """Give it an attempt."""
        self.running[attempt.id] = attempt
        self.credit -= 1
        if attempt.skill in self.room:
            self.room[attempt.skill] -= 1

    def release(self, attempt: Attempt) -> None:
        """An attempt holds its place no longer."""
        del self.running[attempt.id]
        self.credit += 1
        if attempt.skill in self.room:
            self.room[attempt.skill] += 1

    def hold(self, hashes: tuple[str, ...]) -> None:
        """Note artifacts that it has; the oldest are forgotten beyond a bound."""
        held = self.artifacts
        for each in hashes:
            held.pop(each, None)
            held[each] = None
        for each in list(held)[: max(0, len(held) - MAX_HELD)]:
            del held[each]

    def unavailable(self) -> str:
        """Why it takes nothing now, as a clause; empty if it does or is merely busy."""
        match self.presence:
            case Presence.DETACHED:
                return "is out of reach"
            case Presence.LOST:
                return "is not connected"
            case Presence.DRAINING:
                return "finishes what it has and takes nothing new"
            case Presence.QUARANTINED:
                return f"is in quarantine: {self.health.reason}"
        return "takes no tasks (its capacity is 0)" if self.card.capacity == 0 else ""
