"""From the clauses of a request to a constellation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from constellation.aip.cards import DeviceCard

from .clauses import Clause, begins_command
from .commands import Command, CommandReader
from .coordination import verb_of
from .draft import Draft
from .fallbacks import apply_fallback, read_fallback, read_repeat
from .mood import check_asked_for, check_not_forbidden, wonders
from .names import check_whole_names
from .notes import command_note, gate_note
from .places import Place, Places
from .problems import Problem, UnplacedError, shortened
from .reading import ClauseReader
from .skills import SkillIndex
from .steps import Gate, Step
from .subjects import find_subject, hidden_commands
from .tokens import Phrase
from .transfers import read_transfers, transfer_commands, with_named_file
from .weaver import Weaver

MAX_WORDS = 100
"""In one clause; text in quotes counts as one."""


class Builder:
    """Takes the clauses one by one; what it cannot place is in ``problems`` afterwards.

    ``then`` and a new sentence begin a new stage, which waits for all of the stage before; ``and``
    and ``meanwhile`` add to the current one. Within a stage a step waits only for those whose
    results it uses or whose work it could disturb.
    """

    def __init__(self, cards: Sequence[DeviceCard], index: SkillIndex, request: Phrase) -> None:
        self.cards = tuple(cards)
        self.draft = Draft()
        self.places = Places(cards, request)
        self.index = index
        self.straight = CommandReader(index, self.places, self.draft)
        self.reader = ClauseReader(self.straight)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.before: list[Step] = []
        self.stage: list[Step] = []
        self.gate: Gate | None = None
        self.verb: Phrase | None = None
        self.wondering = False

    def take(self, clause: Clause, following: Clause | None) -> None:
        """Plan a clause; ``following`` is the one after it."""
        try:
            self._take(clause, following)
        except UnplacedError as error:
            if not (error.follows and self.problems):
                self.problems.append(error.problem)

    def _take(self, clause: Clause, following: Clause | None) -> None:
        if len(clause.phrase) > MAX_WORDS:
            raise UnplacedError(shortened(clause.text, 80), "It is too long for one command.")
        if clause.link in ("start", "then") and not clause.nested and self.stage:
            self.before, self.stage = self.stage, []
        condition = clause.condition
        if condition and condition.kind != "unread" and not len(clause.phrase):
            raise UnplacedError(condition.text, "It does not say what to do then.")
        gate = self._gate(clause)
        self.straight.scope(clause)
        fallback = read_fallback(clause.phrase)
        if gate and fallback and gate.condition.kind == "failure":
            for step in gate.steps:
                note = apply_fallback(self.draft, step, fallback, self.places, clause.text)
                self.notes.append(note)
            return
        if gate:
            self.notes.append(gate_note(clause.text, gate))
        recent: list[Step] = []
        for command in self._asked_for(clause, following):
            recent.append(self._add(command, clause, gate, recent))
        if begins_command(clause.phrase, self.index.verbs):
            self.verb = verb_of(clause.phrase)

    def _asked_for(self, clause: Clause, following: Clause | None) -> list[Command]:
        """The commands of a clause, if it asks for them and is clear about the files it names."""
        phrase, verbs = clause.phrase, self.index.verbs
        check_not_forbidden(phrase, verbs)
        commands = self._commands(clause, following)
        self.wondering = self.wondering or wonders(phrase, verbs)
        check_asked_for(phrase, commands, verbs, wondering=self.wondering)
        if any(command.skill.effect != "read" for command in commands):
            check_whole_names(phrase)
        return commands

    def _commands(self, clause: Clause, following: Clause | None) -> list[Command]:
        again = read_repeat(clause.phrase)
        if again:
            return self._repeated(clause, self.places.meant(again, clause.text))
        carried = with_named_file(clause.phrase, self.draft.steps)
        transfers = read_transfers(carried)
        if transfers:
            return [
                command
                for transfer, part in transfers
                for command in transfer_commands(transfer, part, self.straight)
            ]
        shared = None
        if following and following.link == "and" and following.sentence == clause.sentence:
            shared = following.phrase if following.condition is clause.condition else None
        try:
            return self.reader.read(clause.phrase, clause.sentence, shared, clause.condition)
        except UnplacedError:
            elided = None if begins_command(clause.phrase, self.index.verbs) else self.verb
            commands = elided and self.reader.elided(clause.phrase, clause.sentence, elided)
            if not commands:
                raise
            return commands

    def _repeated(self, clause: Clause, place: Place) -> list[Command]:
        """``do the same on laptop``: the latest steps once more."""
        steps = [step for step in self.stage or self.before if step.has_result]
        if not steps:
            raise UnplacedError(clause.text, "Nothing was said before it.", follows=True)
        return [Command(step.text, step.skill, dict(step.arguments), place) for step in steps]

    def _gate(self, clause: Clause) -> Gate | None:
        condition = clause.condition
        if condition is None or (self.gate and condition is self.gate.condition):
            return self.gate if condition else None
        if self.gate and condition.otherwise:
            steps = self.gate.steps
            self._forgive(self.gate)
        else:
            steps = find_subject(condition, self.draft.steps, self.stage or self.before)
        if not steps and condition.kind == "completion":
            return None
        if not steps:
            hidden = hidden_commands(condition, self.reader, clause.sentence)
            steps = tuple(self._add(command, clause, None, []) for command in hidden)
        self.gate = Gate(condition, steps)
        return self.gate

    def _forgive(self, gate: Gate) -> None:
        """With work for both outcomes of a step, what comes later goes on after either."""
        if gate.condition.kind in ("success", "failure"):
            for step in gate.steps:
                for task in step.ids:
                    self.draft.flow.forgive(task)

    # ── steps ───────────────────────────────────────────────────────────────────────────────────

    def _add(
        self, command: Command, clause: Clause, gate: Gate | None, recent: Sequence[Step]
    ) -> Step:
        """Add a command as a step.

        Args:
            gate: the condition that it runs on.
            recent: the steps of the same clause so far.
        """
        self.places.remember(command.place)
        note = command_note(command.text, command.skill.name, command.place, command.left_out)
        self.notes.append(note)
        previous = self.stage[-1] if clause.nested and self.stage else None
        if command.chained and recent:
            previous = recent[-1]
        goes_on = previous is not None
        if command.fills and not command.sources:
            command, goes_on = replace(command, sources=tuple(recent)), True
        step = Step(
            command.text,
            command.skill,
            command.arguments,
            sentence=clause.sentence,
            gate=gate or (previous.gate if previous else None),
            has_result=command.has_result,
        )
        own_gate = None if goes_on else gate
        weaver = Weaver(
            self.draft,
            self.cards,
            command,
            own_gate,
            previous,
            self.stage,
            self.before,
            together=clause.link == "together",
        )
        weaver.weave(step)
        self.stage.append(step)
        self.draft.steps.append(step)
        return step
