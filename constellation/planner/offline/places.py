"""Where a clause runs: from the phrases in it, or from what was said before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.task import Requirement

from .clauses import strip_filler
from .devices import DevicePhrase
from .problems import UnplacedError
from .schemas import parameters
from .tokens import Phrase

FREE_KINDS = frozenset({"url", "number", "text", "boolean", "choice"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command runs.

    Attributes:
        names: one task on each of these devices; or, if ``choice``, one task on any of them.
        choice: one device is enough; no names then mean any device that has the skill.
        stated: the clause says so itself, rather than taking it over from before.
        quantified: it was said of a group, as in ``every machine``.
    """

    names: tuple[str, ...] = ()
    choice: bool = False
    stated: bool = True
    quantified: bool = False

    def phrase(self) -> DevicePhrase:
        """A phrase that means this place."""
        return DevicePhrase(", ".join(self.names), "each", names=self.names)

    def requirement(self, cards: Sequence[DeviceCard]) -> Requirement:
        """For a choice: every connected device but those is avoided."""
        if not self.names:
            return Requirement()
        if len(self.names) == 1:
            return Requirement(device=self.names[0])
        return Requirement(avoid=tuple(c.name for c in cards if c.name not in self.names))


ANYWHERE = Place(choice=True, stated=False)


def phrases(phrase: Phrase) -> list[DevicePhrase]:
    """The device phrases of a clause, in order."""
    return [token.value for token in phrase.tokens if token.kind == "device"]


def narrowed(found: list[DevicePhrase]) -> list[DevicePhrase]:
    """Device phrases of one clause, without what the name of a device makes clear: in ``stop the
    robot on arm`` and ``stop the robot arm``, the robot is ``arm``."""
    for named in found:
        if named.mode != "each" or len(named.names) != 1 or named.place not in ("", "on", "at"):
            continue
        (name,) = named.names
        others = [each for each in found if each is not named]
        if not any(each.place for each in others) and all(
            each.names == named.names or (each.mode == "unclear" and name in each.suggestions)
            for each in others
        ):
            return [named]
    return found


def plain_text(phrase: Phrase) -> str:
    """A clause as typed, without its device phrases."""
    return str(strip_filler(Phrase([t for t in phrase.tokens if t.kind != "device"])))


class Places:
    """Remembers which devices a request spoke of, and finds those a clause means."""

    def __init__(self, cards: Sequence[DeviceCard], request: Phrase) -> None:
        self.cards = tuple(cards)
        named = {found.names for found in phrases(request) if found.names}
        self._only = next(iter(named)) if len(named) == 1 else ()
        self.last: Place | None = None
        self._mentioned: list[str] = []

    def remember(self, place: Place) -> None:
        if place.names:
            self.last = place
            self._mentioned.extend(place.names)

    def meant(self, found: DevicePhrase, clause: str) -> Place:
        """The devices that a phrase means here.

        Raises:
            UnplacedError: none, or it is unclear which.
        """
        if found.mode in ("unknown", "unclear"):
            raise UnplacedError(clause, found.problem, found.suggestions)
        if found.mode in ("each", "any"):
            choice = found.mode == "any" and len(found.names) > 1
            return Place(found.names, choice=choice, quantified=len(found.names) > 1)
        if found.mode == "them":
            several = self.last is not None and len(self.last.names) > 1
            names = self.last.names if self.last and several else found.names
            return Place(names, stated=False, quantified=True)
        if found.mode == "same" and len(self.cards) == 1:
            return Place(self._names, stated=False)
        if self.last is None:
            raise UnplacedError(
                clause, f"{found.text!r} points at a device that was not named before.", self._names
            )
        if found.mode == "same":
            return self._same(found, clause)
        others = tuple(name for name in self._names if name not in self._mentioned)
        if found.mode == "another":
            others = tuple(name for name in self._names if name not in self.last.names)
        if not others:
            raise UnplacedError(clause, "There is no other device connected.")
        if found.mode == "another":
            return Place(others, choice=len(others) > 1)
        if len(others) > 1 and not found.plural:
            raise UnplacedError(clause, f"{found.text!r} could be {' or '.join(others)}.", others)
        return Place(others, quantified=len(others) > 1)

    def _same(self, found: DevicePhrase, clause: str) -> Place:
        last = self.last or ANYWHERE
        if found.plural and len(last.names) != 2:
            raise UnplacedError(
                clause,
                f"{found.text!r} means two devices, and {len(self._names)} are connected.",
                [f"on {one} and {two}" for one, two in pairwise(self._names)],
            )
        return Place(last.names, last.choice, stated=False, quantified=last.quantified)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(card.name for card in self.cards)

    def default(self, skill: SkillCard, clause: str) -> Place:
        """Where a clause runs that names no device.

        A skill that lives on its arguments alone (an address, a number) may run anywhere if it
        only reads. Everything else needs a device: the only one that has the skill, the only one
        that the request speaks of, or, for what only reads, those spoken of last.

        Raises:
            UnplacedError: that leaves several, and the request must say which.
        """
        able = tuple(card.name for card in self.cards if card.skill(skill.name))
        if len(able) == 1:
            return Place(able, stated=False)
        if skill.effect == "read" and _location_free(skill):
            return ANYWHERE
        if self._only and (skill.effect == "read" or len(self._only) == 1):
            return Place(self._only, stated=False, quantified=len(self._only) > 1)
        if skill.effect == "read" and self.last is not None:
            return Place(self.last.names, self.last.choice, stated=False)
        raise UnplacedError(
            clause,
            f"It does not say on which device, and {_and(able)} could do it.",
            [f"{clause} on {name}" for name in able],
        )

    def able(self, place: Place, skill: SkillCard, clause: str) -> tuple[Place, tuple[str, ...]]:
        """The place without devices that lack the skill, and those that were left out.

        Raises:
            UnplacedError: a device that was named lacks it, or all of a group do.
        """
        lacking = tuple(
            card.name
            for card in self.cards
            if card.name in place.names and card.skill(skill.name) is None
        )
        having = tuple(name for name in place.names if name not in lacking)
        if lacking and (not having or not (place.quantified or place.choice)):
            raise UnplacedError(clause, f"{_and(lacking)} cannot do {skill.name}.", self._names)
        return Place(having, place.choice, place.stated, place.quantified), lacking


def _location_free(skill: SkillCard) -> bool:
    required = [parameter for parameter in parameters(skill) if parameter.required]
    return bool(required) and all(parameter.kind in FREE_KINDS for parameter in required)


def _and(names: Iterable[str]) -> str:
    *most, last = tuple(names) or ("no device",)
    return f"{', '.join(most)} and {last}" if most else last
