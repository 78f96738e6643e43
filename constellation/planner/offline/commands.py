"""From a clause to the commands it states: skill, arguments, place, and results it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from constellation.aip.cards import SkillCard

from .clauses import Clause
from .coordination import conjuncts
from .draft import Draft
from .matching import choose
from .places import ANYWHERE, Place, Places, narrowed, phrases, plain_text
from .problems import UnplacedError
from .results import earlier_values, means_several, referred_steps
from .schemas import Parameter
from .skills import Match, SkillIndex
from .steps import Step
from .tokens import Phrase
from .values import Reading


@dataclass(frozen=True, slots=True)
class Command:
    """One call of a skill, ready to become tasks.

    Attributes:
        text: the clause as typed, without its devices.
        skill: what to call.
        arguments: those that were stated.
        place: where.
        fills: the parameter that earlier results go into, or None.
        sources: the steps whose results go there; none means those of the same clause.
        takes: arguments that are fields of the result of the command right before it.
        chained: it comes after the command right before it.
        has_result: False if it only passes on what others found.
        left_out: devices of the place that lack the skill.
    """

    text: str
    skill: SkillCard
    arguments: dict[str, Any]
    place: Place
    fills: Parameter | None = None
    sources: tuple[Step, ...] = ()
    takes: Mapping[str, str] = field(default_factory=dict)
    chained: bool = False
    has_result: bool = True
    left_out: tuple[str, ...] = ()


class CommandReader:
    """Reads clauses that say straight what is to be done."""

    def __init__(self, index: SkillIndex, places: Places, draft: Draft) -> None:
        self.index = index
        self.places = places
        self.draft = draft
        self._scope: tuple[int, Place] | None = None

    def scope(self, clause: Clause) -> None:
        """Note a device at the head of a sentence, which goes for all of its clauses."""
        first = clause.phrase.tokens[0]
        if first.kind == "device":
            place = self.places.meant(first.value, clause.text)
            self._scope = (clause.sentence, replace(place, stated=False))

    def read(self, phrase: Phrase, sentence: int, following: Phrase | None = None) -> list[Command]:
        """The commands of a clause: one, or one for each of its objects.

        Args:
            phrase: the clause.
            sentence: number of its sentence.
            following: the clause after it in the same sentence, whose device may be shared.

        Raises:
            UnplacedError: it cannot be planned as it stands.
        """
        several = self._several(phrase, sentence, following)
        return several or self._single(phrase, sentence, following)

    def choose(self, phrase: Phrase, sentence: int) -> Match:
        """The skill of a clause, among those that its devices have.

        Raises:
            UnplacedError: see `matching.choose`.
        """
        place = self.stated_place(phrase, sentence)
        allowed = None
        if place is not None and place.names:
            cards = [card for card in self.places.cards if card.name in place.names]
            allowed = {skill.name for card in cards for skill in card.skills}
        return choose(self.index, phrase, allowed, str(phrase))

    def _several(self, phrase: Phrase, sentence: int, following: Phrase | None) -> list[Command]:
        parts = conjuncts(phrase)
        commands: list[Command] = []
        for part in parts:
            try:
                match = self.choose(part, sentence)
            except UnplacedError:
                return []
            if match.reading.free or match.reading.content:
                return []
            commands += self._commands(match, part, sentence, following)
        distinct = {(c.skill.name, repr(c.arguments), c.place.names) for c in commands}
        return commands if len(distinct) == len(parts) else []

    def _single(self, phrase: Phrase, sentence: int, following: Phrase | None) -> list[Command]:
        match = self.choose(phrase, sentence)
        if not _wants_content(match):
            return self._commands(match, phrase, sentence, following)
        if match.reading.free:
            raise UnplacedError(str(phrase), "Put the words that are meant literally in quotes.")
        raise UnplacedError(str(phrase), f"It does not say what {match.skill.name} is to be given.")

    # ── place ───────────────────────────────────────────────────────────────────────────────────

    def stated_place(self, phrase: Phrase, sentence: int) -> Place | None:
        """The place that a clause, or the head of its sentence, names; None if neither does.

        Raises:
            UnplacedError: it names several, or one that is unknown or unclear.
        """
        # One that is unknown tells more than that there are several.
        found = sorted(narrowed(phrases(phrase)), key=lambda each: each.mode != "unknown")
        if len(found) > 1 and found[0].mode != "unknown":
            several = ", ".join(each.text for each in found)
            raise UnplacedError(str(phrase), f"It names several places: {several}.")
        if found:
            return self.places.meant(found[0], str(phrase))
        if self._scope and self._scope[0] == sentence:
            return self._scope[1]
        return None

    def _place(
        self, match: Match, phrase: Phrase, sentence: int, following: Phrase | None
    ) -> Place:
        place = self.stated_place(phrase, sentence)
        if place is None and following is not None and match.skill.effect == "read":
            place = self.stated_place(following, sentence)
        return place or self.places.default(match.skill, str(phrase))

    # ── commands ────────────────────────────────────────────────────────────────────────────────

    def _commands(
        self, match: Match, phrase: Phrase, sentence: int, following: Phrase | None
    ) -> list[Command]:
        if match.reading.borrowed:
            return self._borrowing(match, phrase, sentence)
        sources: list[Step] = []
        if match.reading.content:
            sources = referred_steps(self.draft.steps, phrase, match.skill)
        place = self._place(match, phrase, sentence, following)
        return [self.command(match, phrase, place, sources=sources)]

    def command(
        self,
        match: Match,
        phrase: Phrase,
        place: Place,
        *,
        arguments: Mapping[str, Any] | None = None,
        sources: Sequence[Step] = (),
    ) -> Command:
        """A command of a skill.

        Raises:
            UnplacedError: a device that was named lacks it.
        """
        place, left_out = self.places.able(place, match.skill, str(phrase))
        fills = match.reading.content[0] if match.reading.content else None
        return Command(
            plain_text(phrase),
            match.skill,
            {**match.reading.arguments, **(arguments or {})},
            place,
            fills,
            tuple(sources),
            has_result=fills is None,
            left_out=left_out,
        )

    def _borrowing(self, match: Match, phrase: Phrase, sentence: int) -> list[Command]:
        """``delete them``: once for each file, say, that was spoken of right before."""
        parameter = match.reading.borrowed[0]
        stated = self.stated_place(phrase, sentence)
        earlier = earlier_values(self.draft.steps, phrase, parameter.kind)
        single = sum(len(step.tasks) for step, _ in earlier) == 1
        if single and match.skill.effect != "read" and means_several(phrase):
            raise UnplacedError(str(phrase), f"Only one {parameter.kind} was named before.")
        found = []
        for step, value in earlier:
            names = tuple(name for name in step.tasks if name)
            place = stated or (Place(names, stated=False) if names else ANYWHERE)
            found.append(self.command(match, phrase, place, arguments={parameter.name: value}))
        return found


def _wants_content(match: Match) -> bool:
    """True if it changes something at a path, and no content for it was given in quotes."""
    reading: Reading = match.reading
    content = [parameter.name for parameter in match.parameters if parameter.content]
    writes = match.skill.effect != "read" and any(p.kind == "path" for p in match.parameters)
    given = [name for name in content if name in reading.arguments and name not in reading.free]
    return bool(writes and content and not given and not reading.content)
