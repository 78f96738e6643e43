"""From the clauses of a request to a constellation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from constellation.aip.cards import DeviceCard
from constellation.graph.task import Requirement
from constellation.planner.flow import SUCCESS, Edges
from constellation.planner.literals import literal

from .clauses import Clause
from .commands import Command, CommandReader
from .content import Source, content
from .draft import Draft, Step, new_task
from .fallbacks import apply_fallback, read_fallback, read_repeat
from .gates import Gate
from .notes import command_note, gate_note
from .places import Place, Places
from .problems import Problem, UnplacedError
from .skills import SkillIndex
from .subjects import find_subject, hidden_commands
from .tokens import Phrase
from .transfers import read_transfer, transfer_commands


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
        self.reader = CommandReader(index, self.places, self.draft)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.before: list[Step] = []
        self.stage: list[Step] = []
        self.gate: Gate | None = None

    def take(self, clause: Clause, following: Clause | None) -> None:
        """Plan a clause; ``following`` is the one after it."""
        try:
            self._take(clause, following)
        except UnplacedError as error:
            if not (error.follows and self.problems):
                self.problems.append(error.problem)

    def _take(self, clause: Clause, following: Clause | None) -> None:
        if clause.link in ("start", "then") and not clause.nested and self.stage:
            self.before, self.stage = self.stage, []
        gate = self._gate(clause)
        self.reader.scope(clause)
        fallback = read_fallback(clause.phrase)
        if gate and fallback and gate.condition.kind == "failure":
            for step in gate.steps:
                note = apply_fallback(self.draft, step, fallback, self.places, clause.text)
                self.notes.append(note)
            return
        previous = self.stage[-1] if clause.nested and self.stage else None
        if gate:
            self.notes.append(gate_note(clause.text, gate))
        for command in self._commands(clause, following):
            previous = self._add(command, clause, gate, previous)

    def _commands(self, clause: Clause, following: Clause | None) -> list[Command]:
        again = read_repeat(clause.phrase)
        if again:
            return self._repeated(clause, self.places.meant(again, clause.text))
        transfer = read_transfer(clause.phrase)
        if transfer:
            return transfer_commands(transfer, clause.phrase, self.reader)
        shared = None
        if following and following.link == "and" and following.sentence == clause.sentence:
            shared = following.phrase
        return self.reader.read(clause.phrase, clause.sentence, shared)

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
        else:
            steps = find_subject(condition, self.draft.steps, self.stage or self.before)
        if not steps:
            hidden = hidden_commands(condition, self.reader, clause.sentence)
            steps = tuple(self._add(command, clause, None, None) for command in hidden)
        self.gate = Gate(condition, steps)
        return self.gate

    # ── steps ───────────────────────────────────────────────────────────────────────────────────

    def _add(
        self, command: Command, clause: Clause, gate: Gate | None, previous: Step | None
    ) -> Step:
        """Add a command as a step.

        Args:
            gate: the condition that it runs on.
            previous: the step before it, if it belongs to the same clause or shares its fate.
        """
        self.places.remember(command.place)
        self.notes.append(
            command_note(command.text, command.skill.name, command.place, command.left_out)
        )
        chained = previous is not None and (command.chained or clause.nested)
        if command.fills and not command.sources and previous is not None:
            command, chained = replace(command, sources=(previous,)), True
        step = Step(
            command.text,
            command.skill,
            command.arguments,
            sentence=clause.sentence,
            conditional=gate is not None and gate.selective,
            has_result=command.has_result,
        )
        for device in [""] if command.place.choice else command.place.names:
            edges, any_of = self._edges(
                command, device, None if chained else gate, previous if chained else None
            )
            self._add_tasks(step, command, device, edges, previous, any_of=any_of)
        self.stage.append(step)
        self.draft.steps.append(step)
        return step

    def _edges(
        self, command: Command, device: str, gate: Gate | None, previous: Step | None
    ) -> tuple[Edges, bool]:
        """What a task waits for, its results aside, and whether one of them is enough."""
        gated, any_of = gate.edges(device) if gate else ({}, False)
        if any_of:
            if command.sources:
                reason = "It would run before it could use all of those results."
                raise UnplacedError(command.text, reason, ["Say it for each device by itself."])
            return gated, True
        edges: Edges = {}
        if previous is not None:
            edges.update(dict.fromkeys(previous.on(device), SUCCESS))
        for step in self.stage:
            if _must_follow(command, step):
                edges.update(self.draft.flow.after(step.on(device)))
        used = {task for step in command.sources for task in self._of(step, command, device)}
        here = {task for step in self.stage for task in step.ids}
        if not here & {*gated, *edges, *used}:
            edges = {**self._before(command, device), **edges}
        return {**edges, **gated}, False

    def _before(self, command: Command, device: str) -> Edges:
        """The edges to the stage before: for the same group of devices, each for itself."""
        devices = set(command.place.names)
        own = not command.place.stated and all(step.devices == devices for step in self.before)
        return self.draft.flow.after(self.draft.last_of(self.before, device if own else None))

    # ── tasks ───────────────────────────────────────────────────────────────────────────────────

    def _add_tasks(
        self,
        step: Step,
        command: Command,
        device: str,
        edges: Edges,
        previous: Step | None,
        *,
        any_of: bool,
    ) -> None:
        """Add the task of a step on a device; one more for each stand-in whose result it uses."""
        used = {
            task: source for source in command.sources for task in self._of(source, command, device)
        }
        uncertain = [task for task, source in used.items() if task in source.stand_ins]
        if len(uncertain) > 1:
            reason = "It uses several results that may come from stand-ins."
            raise UnplacedError(command.text, reason, ["Use one of them at a time."])
        swaps = list(used[uncertain[0]].chain(uncertain[0])) if uncertain else [""]
        last = ""
        for swap in swaps:
            chosen = [swap if task in uncertain else task for task in used]
            kept = {task: edge for task, edge in edges.items() if task not in swaps}
            data = dict.fromkeys(chosen, SUCCESS)
            sources = [
                Source(task, source.skill, self.draft.tasks[task].name)
                for task, source in zip(chosen, used.values(), strict=True)
            ]
            found = self._task(
                command,
                device,
                sources,
                previous,
                {**data, **kept},
                any_of=any_of,
                conditional=bool(uncertain),
            )
            if last:
                step.stand_ins[last] = found
            step.tasks.setdefault(device, found)
            last = found

    def _task(
        self,
        command: Command,
        device: str,
        sources: Sequence[Source],
        previous: Step | None,
        edges: Edges,
        *,
        any_of: bool,
        conditional: bool,
    ) -> str:
        arguments = {name: literal(value) for name, value in command.arguments.items()}
        if command.fills:
            arguments[command.fills.name] = content(command.fills, sources)
        if previous is not None:
            arguments |= _taken(command.takes, previous.on(device)[0])
        place = command.place
        requirement = Requirement(device=device) if device else place.requirement(self.cards)
        task = new_task(command.skill, device, arguments, command.text, requirement)
        task = replace(task, join="any" if any_of else "all")
        return self.draft.add(task, edges, conditional=conditional)

    def _of(self, source: Step, command: Command, device: str) -> list[str]:
        """The tasks of a source whose results a task on a device uses: its own, if it has one.

        Several devices that each use results use their own; a single one uses those of all.
        """
        if len(command.place.names) > 1 and not command.place.choice:
            return source.on(device)
        return list(source.tasks.values())


def _taken(takes: Mapping[str, str], task: str) -> dict[str, str]:
    return {name: f"${{{task}.output.{field}}}" for name, field in takes.items()}


def _must_follow(command: Command, step: Step) -> bool:
    """True if a command could disturb, or be disturbed by, a step of the same stage.

    What a dangerous command does is unknown, so what comes after it on the same device waits.
    """
    here = bool(step.devices & set(command.place.names)) or command.place.choice
    effects = {step.skill.effect, command.skill.effect}
    shared = {v for v in step.arguments.values() if isinstance(v, str)} & {
        v for v in command.arguments.values() if isinstance(v, str)
    }
    return here and (step.skill.effect == "dangerous" or (bool(shared) and effects != {"read"}))
