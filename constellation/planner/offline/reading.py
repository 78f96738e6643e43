"""Reading a clause in every way that makes sense, the straight way first.

What is not said straight may be hidden in a noun (``save the memory of server to m.txt``), in where
the result goes (``fetch … into page.html``), in the word report, in the condition (``notify me if
…``), or in the verb of the clause before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .antecedents import with_antecedent
from .commands import Command, CommandReader
from .conditions import Condition
from .devices import DEVICE_NOUNS
from .nominals import is_report, split_nominal, split_target
from .places import phrases, plain_text
from .problems import UnplacedError
from .results import holding_steps, named_steps
from .schemas import own_words, parameters
from .steps import Step
from .tokens import Phrase, Token
from .words import bag

_EXPLAINED = 0.9
"""Share of a clause that its skill must cover for the clause to name nothing else."""
_POINTING = ("it ", "that ", "this ")
_DETERMINERS = bag("the a an my our its this that")


class ClauseReader:
    """Reads clauses, with what a person leaves unsaid."""

    def __init__(self, straight: CommandReader) -> None:
        self.straight = straight

    def read(
        self,
        phrase: Phrase,
        sentence: int,
        following: Phrase | None = None,
        condition: Condition | None = None,
    ) -> list[Command]:
        """The commands of a clause.

        Args:
            phrase: the clause.
            sentence: number of its sentence.
            following: the clause after it in the same sentence, whose device may be shared.
            condition: when it is to run; its words may serve as the message of a notification.

        Raises:
            UnplacedError: it cannot be planned as it stands.
        """
        commands = self._without_place(phrase, sentence)
        if commands:
            return commands
        try:
            return self.straight.read(phrase, sentence, following)
        except UnplacedError as problem:
            commands = (
                self._with_antecedent(phrase, sentence)
                or self._with_nominal(phrase, sentence)
                or self._with_target(phrase, sentence)
                or self._report(phrase, sentence)
                or self._announcing(phrase, sentence, condition)
            )
            if not commands:
                raise problem from None
            return commands

    def elided(self, phrase: Phrase, sentence: int, verb: Phrase) -> list[Command]:
        """``then b.txt on server``: a clause that shares the verb before it, if it only reads."""
        return self._harmless(verb + phrase, sentence)

    def _without_place(self, phrase: Phrase, sentence: int) -> list[Command]:
        """``put it on the table``: what looks like an unknown device may be an argument."""
        doubtful = next((found for found in phrases(phrase) if found.words), None)
        if doubtful is None:
            return []
        tokens = [
            word
            for token in phrase.tokens
            for word in (doubtful.words if token.value is doubtful else (token,))
        ]
        commands = self._tried(Phrase(tokens), sentence)
        name = doubtful.words[-1].text
        kinds = {
            parameter.kind
            for command in commands
            for parameter in parameters(command.skill)
            if name in str(command.arguments.get(parameter.name, "")).split()
        }
        # A task in its own words takes in whatever is said.
        sure = kinds - {"instruction"} or (kinds and _is_a_thing(doubtful.words))
        return commands if sure else []

    def _with_antecedent(self, phrase: Phrase, sentence: int) -> list[Command]:
        """``put it into the bowl``, after ``pick up the cube``: by the same device."""
        drafted = self.straight.draft.steps
        clear = with_antecedent(phrase, drafted)
        if clear is None:
            return []
        try:
            commands = self.read(clear, sentence)
        except UnplacedError:
            return []
        same = all(
            own_words(command.skill) in command.arguments
            and {*command.place.names} == drafted[-1].devices
            for command in commands
        )
        return commands if same else []

    def _with_nominal(self, phrase: Phrase, sentence: int) -> list[Command]:
        """``save the memory of server to m.txt``: work hidden in a noun, then its use."""
        parts = split_nominal(phrase)
        if parts is None:
            return []
        noun, rest = parts
        drafted = self.straight.draft.steps
        steps = named_steps(drafted, noun) or holding_steps(drafted, noun)
        asked = Phrase([Token("word", "check")]) + noun
        hidden = [] if steps else self._harmless(asked, sentence)
        keeping = self._keeping(rest, phrase, sentence, steps)
        return [*hidden, keeping] if keeping and (steps or hidden) else []

    def _with_target(self, phrase: Phrase, sentence: int) -> list[Command]:
        """``fetch http://… into page.html on desk``: a reading, and where its result goes."""
        parts = split_target(phrase)
        if parts is None:
            return []
        reading, rest = parts
        whole = self.straight.index.matches(phrase)
        closest = max(whole, key=lambda match: match.covered, default=None)
        if closest and closest.skill.effect != "read" and closest.covered >= _EXPLAINED:
            return []  # all of it speaks of that one skill
        hidden = self._harmless(reading, sentence)
        keeping = self._keeping(rest, phrase, sentence)
        return [*hidden, keeping] if keeping and hidden else []

    def _report(self, phrase: Phrase, sentence: int) -> list[Command]:
        """``write a report``, of everything found so far, if the clause names nothing else."""
        steps = [
            step for step in self.straight.draft.steps if step.has_result and not step.conditional
        ]
        if not steps or not is_report(phrase):
            return []
        asked = phrase + Phrase([Token("word", "results")])
        keeping = self._keeping(asked, phrase, sentence, steps, explained=_EXPLAINED)
        return [replace(keeping, text=plain_text(phrase))] if keeping else []

    def _announcing(
        self, phrase: Phrase, sentence: int, condition: Condition | None
    ) -> list[Command]:
        """``notify me if the disk is full``: the condition is the message.

        Of ``if it fails`` the message names the work as well.
        """
        if condition is None:
            return []
        steps = self.straight.draft.steps
        pointing = condition.about_outcome and condition.text.lower().startswith(_POINTING)
        about = f"{steps[-1].text}: " if pointing and steps else ""
        message = Phrase([Token("quoted", condition.text, about + condition.text)])
        commands = self._tried(phrase + message, sentence)
        lasting = any(p.kind == "path" for c in commands for p in parameters(c.skill))
        mild = all(command.skill.effect != "dangerous" for command in commands)
        return commands if mild and not lasting else []

    # ── helpers ─────────────────────────────────────────────────────────────────────────────────

    def _tried(self, phrase: Phrase, sentence: int) -> list[Command]:
        try:
            return self.straight.read(phrase, sentence)
        except UnplacedError:
            return []

    def _harmless(self, phrase: Phrase, sentence: int) -> list[Command]:
        """The commands of a clause if all of them only read, else none."""
        commands = self._tried(phrase, sentence)
        return commands if all(command.skill.effect == "read" for command in commands) else []

    def _keeping(
        self,
        rest: Phrase,
        clause: Phrase,
        sentence: int,
        sources: Sequence[Step] = (),
        *,
        explained: float = 0.0,
    ) -> Command | None:
        """The command that does something with results, if the rest of a clause says so.

        Args:
            rest: the clause without what the results come from.
            clause: all of it.
            sources: the steps whose results are meant; none means those of the same clause.
            explained: how much of the rest the skill must cover.

        Raises:
            UnplacedError: it does not say where.
        """
        try:
            match = self.straight.choose(rest, sentence)
        except UnplacedError:
            return None
        if not match.reading.content or match.covered < explained:
            return None
        place = self.straight.stated_place(rest, sentence)
        place = place or self.straight.places.default(match.skill, str(clause))
        return self.straight.command(match, rest, place, sources=sources)


def _is_a_thing(words: Sequence[Token]) -> bool:
    """True for ``on the table``, but not for ``on mars`` and ``on the laptop``."""
    noun = words[-1].shape
    determined = any(word.shape in _DETERMINERS for word in words)
    return determined and noun.removesuffix("s") not in DEVICE_NOUNS
