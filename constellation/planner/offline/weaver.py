"""From one command to its tasks: where each runs, what it waits for, which results it gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from constellation.aip.cards import DeviceCard
from constellation.graph.task import Requirement, Task
from constellation.planner.flow import SUCCESS, Edges
from constellation.planner.literals import literal

from .commands import Command
from .content import Source, content
from .draft import Draft, new_task
from .problems import UnplacedError
from .schemas import own_words
from .steps import Gate, Step
from .words import concept, concepts

WAIT = concept("wait")


@dataclass(frozen=True, slots=True)
class Weaver:
    """Makes the tasks of one command.

    Attributes:
        draft: gets them.
        cards: the connected devices.
        command: what is to be done.
        gate: the condition that it runs on, or None.
        previous: the step whose success it needs because it goes on from there, or None.
        stage: the steps that are asked for together with it.
        before: the steps that all of these wait for.
        together: it was asked for at the same time as the stage, whatever that may disturb.
    """

    draft: Draft
    cards: Sequence[DeviceCard]
    command: Command
    gate: Gate | None
    previous: Step | None
    stage: Sequence[Step]
    before: Sequence[Step]
    together: bool = False

    def weave(self, step: Step) -> None:
        """Add one task for each device, and note it in the step.

        Raises:
            UnplacedError: the results it uses cannot be told apart from those it waits for.
        """
        for device in [""] if self.command.place.choice else self.command.place.names:
            used = self._used(device)
            uncertain = [task for task, source in used.items() if task in source.stand_ins]
            if len(uncertain) > 1:
                raise UnplacedError(
                    self.command.text, "It uses several results that may come from stand-ins."
                )
            if uncertain:
                self._add_variants(step, device, used, uncertain[0])
            else:
                edges, any_of = self._edges(device, used)
                task = self._task(device, used, any_of=any_of)
                step.tasks[device] = self.draft.add(task, edges, conditional=step.conditional)

    def _add_variants(self, step: Step, device: str, used: dict[str, Step], uncertain: str) -> None:
        """One task for the result itself and one for each of its stand-ins: just one will run."""
        chain = list(used[uncertain].chain(uncertain))
        edges, any_of = self._edges(device, used)
        others = {task: edge for task, edge in edges.items() if task not in chain}
        last = ""
        for variant in chain:
            chosen = {variant if task == uncertain else task: used[task] for task in used}
            task = self._task(device, chosen, any_of=any_of)
            found = self.draft.add(task, {variant: SUCCESS, **others}, conditional=True)
            if last:
                step.stand_ins[last] = found
            step.tasks.setdefault(device, found)
            last = found

    # ── the task ────────────────────────────────────────────────────────────────────────────────

    def _task(self, device: str, used: dict[str, Step], *, any_of: bool) -> Task:
        command, place = self.command, self.command.place
        arguments = {name: literal(value) for name, value in command.arguments.items()}
        if command.fills:
            names = {task: self.draft.tasks[task].name for task in used}
            sources = [Source(task, step.skill, names[task]) for task, step in used.items()]
            arguments[command.fills.name] = content(command.fills, sources)
        for name, field in command.takes.items():
            source = self.previous.on(device)[0] if self.previous else ""
            arguments[name] = f"${{{source}.output.{field}}}"
        requirement = Requirement(device=device) if device else place.requirement(self.cards)
        task = new_task(command.skill, device, arguments, command.text, requirement)
        return replace(task, join="any" if any_of else "all")

    def _used(self, device: str) -> dict[str, Step]:
        """The tasks whose results it uses, each with its step.

        Several devices that each use results use their own; a single one uses those of all.
        """
        several = len(self.command.place.names) > 1 and not self.command.place.choice
        return {
            task: step
            for step in self.command.sources
            for task in step.on(device if several else None)
        }

    # ── what it waits for ───────────────────────────────────────────────────────────────────────

    def _edges(self, device: str, used: dict[str, Step]) -> tuple[Edges, bool]:
        """Its incoming edges, and whether the first one that is met is enough."""
        own = not self.command.place.stated or len(self.command.place.names) > 1
        gated, any_of = self.gate.edges(device if own else None) if self.gate else ({}, False)
        if any_of and used:
            raise UnplacedError(
                self.command.text,
                "It would run at the first result that fits, and use them all: say it for each "
                "device by itself.",
            )
        if any_of:
            return gated, True
        edges = {**self._within_stage(device), **dict.fromkeys(used, SUCCESS)}
        here = {task for step in self.stage for task in step.ids}
        if not here & {*gated, *edges}:
            edges = {**self._after_stage(device), **edges}
        return {**edges, **gated}, False

    def _within_stage(self, device: str) -> Edges:
        """The edges to steps of the same stage that it goes on from or could disturb."""
        waits = [step for step in self.stage if step is self.previous or self._must_follow(step)]
        goes_on = self.previous.on(device) if self.previous else []
        last = self.draft.last_of(waits, device)
        disturbed = self.draft.flow.after(task for task in last if task not in goes_on)
        return {**disturbed, **dict.fromkeys(goes_on, SUCCESS)}

    def _after_stage(self, device: str) -> Edges:
        """The edges to the stage before; for the same group of devices, each to its own."""
        names = set(self.command.place.names)
        stated = self.command.place.stated
        own = not stated and all(step.devices == names for step in self.before)
        return self.draft.flow.after(self.draft.last_of(self.before, device if own else None))

    def _must_follow(self, step: Step) -> bool:
        """True if it could disturb, or be disturbed by, a step of the same stage.

        What a dangerous command does is unknown, so what comes after it on the same device waits;
        and what comes after waiting waits. What a task in its own words does is unknown too: a
        robot picks something up before it puts it down, and then goes home.
        """
        if self.together:
            return False
        if WAIT in concepts(step.skill.name):
            return True
        if not step.devices & set(self.command.place.names) or _exclude(self.gate, step.gate):
            return False
        shared = _texts(step.arguments.values()) & _texts(self.command.arguments.values())
        skills = (step.skill, self.command.skill)
        changes = {skill.effect for skill in skills} != {"read"}
        if all(skill.effect != "read" for skill in skills) and any(map(own_words, skills)):
            return True
        return step.skill.effect == "dangerous" or (changes and bool(shared))


def _texts(values: Iterable[object]) -> set[str]:
    return {value for value in values if isinstance(value, str)}


def _exclude(one: Gate | None, other: Gate | None) -> bool:
    """True if of two conditions on the same steps only one can hold."""
    if one is None or other is None or one.steps != other.steps:
        return False
    return one.condition is not other.condition
