"""From one clause to the commands it holds: skill, arguments, place, and results it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from constellation.aip.cards import SkillCard

from .clauses import Clause
from .conditions import Condition
from .coordination import conjuncts
from .draft import Draft
from .matching import choose
from .nominals import is_report, split_nominal, split_target
from .places import ANYWHERE, Place, Places, phrases, plain_text
from .problems import UnplacedError
from .results import earlier_values, named_steps, referred_steps
from .schemas import Parameter, parameters
from .skills import Match, SkillIndex
from .steps import Step
from .tokens import Phrase, Token
from .values import Reading

_EXPLAINED = 0.9
"""Share of a clause that its skill must cover for the clause to name nothing else."""


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
    """Reads clauses against the skills, the devices, and what was planned before."""

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

    def read(
        self,
        phrase: Phrase,
        sentence: int,
        following: Phrase | None = None,
        condition: Condition | None = None,
    ) -> list[Command]:
        """The commands of a clause: one, or one for each of its objects.

        Args:
            phrase: the clause.
            sentence: number of its sentence.
            following: the clause after it in the same sentence, whose device may be shared.
            condition: when it is to run; its words may serve as the message of a notification.

        Raises:
            UnplacedError: it cannot be planned as it stands.
        """
        several = self._several(phrase, sentence, following)
        if several:
            return several
        try:
            return self._single(phrase, sentence, following)
        except UnplacedError as problem:
            commands = self._announcing(phrase, sentence, condition)
            if not commands:
                raise problem from None
            return commands

    def _announcing(
        self, phrase: Phrase, sentence: int, condition: Condition | None
    ) -> list[Command]:
        """``notify me if the disk is full``: the condition is the message."""
        if condition is None:
            return []
        message = Phrase([Token("quoted", condition.text, condition.text)])
        try:
            commands = self._single(phrase + message, sentence, None)
        except UnplacedError:
            return []
        lasting = any(p.kind == "path" for c in commands for p in parameters(c.skill))
        mild = all(command.skill.effect != "dangerous" for command in commands)
        return commands if mild and not lasting else []

    def _several(self, phrase: Phrase, sentence: int, following: Phrase | None) -> list[Command]:
        parts = conjuncts(phrase)
        commands: list[Command] = []
        for part in parts:
            try:
                match = self._choose(part, self._stated_place(part, sentence))
            except UnplacedError:
                return []
            if match.reading.free or match.reading.content:
                return []
            commands += self._commands(match, part, sentence, following)
        distinct = {(command.skill.name, repr(command.arguments)) for command in commands}
        return commands if len(distinct) == len(parts) else []

    def _single(self, phrase: Phrase, sentence: int, following: Phrase | None) -> list[Command]:
        try:
            match = self._choose(phrase, self._stated_place(phrase, sentence))
        except UnplacedError as problem:
            commands = self._with_nominal(phrase, sentence) or self._with_target(phrase, sentence)
            if not commands:
                raise problem from None
            return commands
        if not _wants_content(match):
            return self._commands(match, phrase, sentence, following)
        commands = self._with_nominal(phrase, sentence) or self._report(match, phrase, sentence)
        if commands:
            return commands
        if match.reading.free:
            raise UnplacedError(str(phrase), "Put the words that are meant literally in quotes.")
        raise UnplacedError(str(phrase), f"It does not say what {match.skill.name} is to be given.")

    def _report(self, match: Match, phrase: Phrase, sentence: int) -> list[Command]:
        """``write a report``, of everything found so far, if the clause names nothing else."""
        found = any(step.has_result for step in self.draft.steps)
        if not found or not is_report(phrase) or match.covered < _EXPLAINED:
            return []
        asked = phrase + Phrase([Token("word", "results")])
        steps = [step for step in self.draft.steps if step.has_result and not step.conditional]
        keeping = self._keeping(asked, phrase, sentence, tuple(steps))
        return [replace(keeping, text=plain_text(phrase))] if keeping else []

    def _choose(self, phrase: Phrase, place: Place | None) -> Match:
        allowed = None
        if place is not None and place.names:
            allowed = {
                skill.name
                for card in self.places.cards
                if card.name in place.names
                for skill in card.skills
            }
        return choose(self.index, phrase, allowed, str(phrase))

    # ── place ───────────────────────────────────────────────────────────────────────────────────

    def _stated_place(self, phrase: Phrase, sentence: int) -> Place | None:
        found = phrases(phrase)
        if len(found) > 1:
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
        place = self._stated_place(phrase, sentence)
        if place is None and following is not None and match.skill.effect == "read":
            place = self._stated_place(following, sentence)
        return place or self.places.default(match.skill, str(phrase))

    # ── commands ────────────────────────────────────────────────────────────────────────────────

    def _commands(
        self, match: Match, phrase: Phrase, sentence: int, following: Phrase | None
    ) -> list[Command]:
        reading = match.reading
        if reading.borrowed:
            return self._borrowing(match, phrase, sentence)
        sources: tuple[Step, ...] = ()
        if reading.content:
            sources = tuple(referred_steps(self.draft.steps, phrase, match.skill))
        place = self._place(match, phrase, sentence, following)
        return [self._command(match, phrase, place, reading.arguments, sources)]

    def _command(
        self,
        match: Match,
        phrase: Phrase,
        place: Place,
        arguments: dict[str, Any],
        sources: tuple[Step, ...] = (),
    ) -> Command:
        place, left_out = self.places.able(place, match.skill, str(phrase))
        fills = match.reading.content[0] if match.reading.content else None
        return Command(
            plain_text(phrase),
            match.skill,
            arguments,
            place,
            fills,
            sources,
            has_result=fills is None,
            left_out=left_out,
        )

    def _borrowing(self, match: Match, phrase: Phrase, sentence: int) -> list[Command]:
        """``delete them``: once for each file, say, that was spoken of right before."""
        parameter = match.reading.borrowed[0]
        stated_place = self._stated_place(phrase, sentence)
        found = []
        for step, value in earlier_values(self.draft.steps, phrase, parameter):
            place = stated_place or Place(tuple(name for name in step.tasks if name), stated=False)
            place = place if place.names else ANYWHERE
            arguments = {**match.reading.arguments, parameter.name: value}
            found.append(self._command(match, phrase, place, arguments))
        return found

    def _with_nominal(self, phrase: Phrase, sentence: int) -> list[Command]:
        """``save the memory of server to m.txt``: work hidden in a noun, then its use."""
        parts = split_nominal(phrase)
        if parts is None:
            return []
        noun, rest = parts
        steps = named_steps(self.draft.steps, noun)
        asked = Phrase([Token("word", "check")]) + noun
        hidden = [] if steps else self._harmless(asked, sentence)
        keeping = self._keeping(rest, phrase, sentence, tuple(steps))
        return [*hidden, keeping] if keeping and (steps or hidden) else []

    def _with_target(self, phrase: Phrase, sentence: int) -> list[Command]:
        """``fetch http://… into page.html on desk``: a reading, and where its result goes."""
        parts = split_target(phrase)
        if parts is None:
            return []
        reading, rest = parts
        hidden = self._harmless(reading, sentence)
        keeping = self._keeping(rest, phrase, sentence)
        return [*hidden, keeping] if keeping and hidden else []

    def _keeping(
        self, rest: Phrase, clause: Phrase, sentence: int, sources: tuple[Step, ...] = ()
    ) -> Command | None:
        """The command that does something with a result, if that is what the rest of a clause says.

        Raises:
            UnplacedError: it does not say where.
        """
        try:
            match = self._choose(rest, self._stated_place(rest, sentence))
        except UnplacedError:
            return None
        if not match.reading.content:
            return None
        place = self._stated_place(rest, sentence) or self.places.default(match.skill, str(clause))
        return self._command(match, rest, place, match.reading.arguments, sources)

    def _harmless(self, phrase: Phrase, sentence: int) -> list[Command]:
        """The commands of a clause if all of them only read, else none."""
        try:
            commands = self.read(phrase, sentence)
        except UnplacedError:
            return []
        return commands if all(command.skill.effect == "read" for command in commands) else []

    def elided(self, phrase: Phrase, sentence: int, verb: Phrase) -> list[Command]:
        """``then b.txt on server``: a clause that shares the verb before it, if it only reads."""
        return self._harmless(verb + phrase, sentence)


def _wants_content(match: Match) -> bool:
    """True if it changes something at a path, and no content for it was given in quotes."""
    reading: Reading = match.reading
    content = [parameter.name for parameter in match.parameters if parameter.content]
    writes = match.skill.effect != "read" and any(p.kind == "path" for p in match.parameters)
    given = [name for name in content if name in reading.arguments and name not in reading.free]
    return bool(writes and content and not given and not reading.content)
