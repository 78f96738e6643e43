"""From what a model proposed to edits, checked against the devices that are there.

Nothing of a proposal is believed: devices, skills, arguments and references are looked up, and the
whole is tried on a scratch constellation before anybody runs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from typing import Any, get_args

from jsonschema import Draft202012Validator

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.errors import GraphError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    AddDependency,
    AddTask,
    Batch,
    CancelTask,
    Edit,
    RemoveTask,
    RetryTask,
    UpdateTask,
)
from constellation.graph.node import Node
from constellation.graph.references import references
from constellation.graph.task import ConditionKind, Dependency, Requirement, Task
from constellation.llm.reply import UnreadableError
from constellation.planner.referring import Source, wrong

from .doubt import doubt, steered
from .proposal import Add, Cancel, Change, Proposal, Remove, Retry, Revision, Step, Wait

_PLAIN_CONDITIONS = frozenset(get_args(ConditionKind)) - {"when"}


def compile_plan(
    proposal: Proposal, cards: Sequence[DeviceCard], request: str, *, max_tasks: int
) -> tuple[Edit, ...]:
    """The edits of a plan; tasks that the request itself does not ask for are tainted by the cards.

    Raises:
        UnreadableError: lists everything that is wrong with it.
    """
    edits = compile_part(proposal.tasks, cards, request, max_tasks=max_tasks)
    _try(Constellation("draft"), edits)
    return edits


def compile_part(
    steps: Sequence[Step], cards: Sequence[DeviceCard], request: str, *, max_tasks: int
) -> tuple[Edit, ...]:
    """The edits of the beginning of a plan; what it waits for may still be missing.

    Raises:
        UnreadableError: lists what is wrong with the steps, each by itself.
    """
    problems = _of_count(len(steps), max_tasks)
    sources = _sources(steps, cards)
    for step in steps:
        problems += _of_step(step, cards, sources)
    _raise(problems)
    return tuple(_edits_of(steps, [_doubt(step, cards, request) for step in steps]))


def _doubt(step: Step, cards: Sequence[DeviceCard], request: str) -> str:
    asked = doubt(step.skill, step.arguments, request)
    skills = (card.skill(step.skill) for card in cards if step.device in ("", card.name))
    return asked or next((steered(each, step.arguments) for each in skills if each), "")


def compile_revision(
    revision: Revision,
    cards: Sequence[DeviceCard],
    graph: Constellation,
    *,
    read: str,
    max_tasks: int,
) -> tuple[Edit, ...]:
    """The edits of a change; ``graph`` is tried on and then holds them.

    Args:
        read: what the model has read of results; whatever it wants after that is tainted by it.

    Raises:
        UnreadableError: lists everything that is wrong with it.
    """
    added = [change.task for change in revision.changes if isinstance(change, Add)]
    problems = _of_count(len(graph.nodes) + len(added), max_tasks)
    sources = {**_sources_there(graph, cards), **_sources(added, cards)}
    edits: list[Edit] = []
    for change in revision.changes:
        match change:
            case Add(task=step):
                problems += _of_step(step, cards, sources)
            case Remove(id=task):
                edits.append(RemoveTask(task))
            case Cancel(id=task, subtree=subtree):
                edits.append(CancelTask(task, "canceled by the planner", subtree))
            case Retry(id=task):
                edits.append(RetryTask(task))
            case Change():
                problems += _of_change(change, cards, graph, sources)
                edits.append(_update(change, read))
    _raise(problems)
    edits += _edits_of(added, [read] * len(added))
    _try(graph, edits)
    return tuple(edits)


def _raise(problems: list[str]) -> None:
    if problems:
        raise UnreadableError(problems)


def _try(graph: Constellation, edits: Sequence[Edit]) -> None:
    try:
        graph.apply(Batch(tuple(edits)), 0.0)
    except GraphError as error:
        raise UnreadableError([str(error)]) from None


# ── what is wrong ───────────────────────────────────────────────────────────────────────────────


def _of_count(count: int, most: int) -> list[str]:
    return [f"The plan has {count} tasks, the most is {most}."] if count > most else []


def _of_step(step: Step, cards: Sequence[DeviceCard], sources: Mapping[str, Source]) -> list[str]:
    return [f"Task {step.id}: {problem}" for problem in _problems_of_step(step, cards, sources)]


def _of_change(
    change: Change,
    cards: Sequence[DeviceCard],
    graph: Constellation,
    sources: Mapping[str, Source],
) -> list[str]:
    node = graph.nodes.get(change.id)
    if node is None:
        return [f"There is no task {change.id!r}."]
    changed = {
        key: value for key in ("device", "arguments") if (value := getattr(change, key)) is not None
    }
    return _of_step(_step_of(node).model_copy(update=changed), cards, sources)


def _step_of(node: Node) -> Step:
    task = node.task
    return Step.model_construct(
        id=node.id,
        skill=task.skill,
        device=_device_of(task),
        arguments=dict(task.arguments),
        for_each=task.for_each or "",
    )


def _sources(steps: Sequence[Step], cards: Sequence[DeviceCard]) -> dict[str, Source]:
    """What tasks refer to, as far as it is known."""
    found = ((step, _skill_of(step, cards)) for step in steps)
    return {step.id: Source(skill, bool(step.for_each)) for step, skill in found if skill}


def _sources_there(graph: Constellation, cards: Sequence[DeviceCard]) -> dict[str, Source]:
    nodes = [node for node in graph.nodes.values() if node.member_of is None]
    found = _sources([_step_of(node) for node in nodes], cards)
    late = {node.id for node in nodes if node.started and not (node.flowing or node.feeds)}
    return {name: each._replace(is_late=name in late) for name, each in found.items()}


def _skill_of(step: Step, cards: Sequence[DeviceCard]) -> SkillCard | None:
    able = (card.skill(step.skill) for card in cards if step.device in ("", card.name))
    return next(filter(None, able), None)


def _problems_of_step(
    step: Step, cards: Sequence[DeviceCard], sources: Mapping[str, Source]
) -> Iterator[str]:
    names = [card.name for card in cards]
    if step.device and step.device not in names:
        yield f"there is no device {step.device!r}{_meant(step.device, names)}"
        return
    skill = _skill_of(step, cards)
    if skill is None:
        where = step.device or "any device"
        able = [card for card in cards if step.device in ("", card.name)]
        offered = sorted({each.name for card in able for each in card.skills})
        yield f"{where} has no skill {step.skill!r}{_meant(step.skill, offered)}"
        return
    yield from _problems_of_arguments(step.arguments, skill)
    try:
        referred = [*references(step.arguments), *references(step.for_each)]
    except GraphError as error:
        yield str(error)
        return
    for reference in referred:
        if (source := sources.get(reference.task)) and (why := wrong(reference, source, skill)):
            yield f"${{{reference.text}}} leads nowhere: {why}"


def _meant(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}."


def _problems_of_arguments(arguments: Mapping[str, Any], skill: SkillCard) -> Iterator[str]:
    """What the skill's schema says against the arguments, references taken for what fits."""
    known = {key: value for key, value in arguments.items() if not _refers(value)}
    schema = _without(skill.input, arguments.keys() - known.keys())
    for error in Draft202012Validator(schema).iter_errors(known):
        where = ".".join(str(part) for part in error.absolute_path)
        yield f"arguments{'.' if where else ''}{where}: {error.message}"
    properties = skill.input.get("properties", {})
    if skill.input.get("additionalProperties") is False:
        for key in arguments.keys() - known.keys() - properties.keys():
            yield f"{skill.name} takes no argument {key!r}"


def _without(schema: Mapping[str, Any], given: Set[str]) -> dict[str, Any]:
    """A schema that does not ask for what is given, at its top or in one of its alternatives."""
    less = dict(schema)
    if "required" in schema:
        less["required"] = [key for key in schema["required"] if key not in given]
    for word in ("anyOf", "allOf"):
        if word in schema:
            less[word] = [_without(each, given) for each in schema[word]]
    if given:
        # Whether what is given excludes the others its device will say.
        less.pop("oneOf", None)
    return less


def _refers(value: Any) -> bool:
    match value:
        case str():
            return "${" in value
        case Mapping():
            return any(map(_refers, value.values()))
        case list() | tuple():
            return any(map(_refers, value))
    return False


# ── what is meant ───────────────────────────────────────────────────────────────────────────────


def _edits_of(steps: Sequence[Step], tainted: Sequence[str]) -> Iterator[Edit]:
    for step, taint in zip(steps, tainted, strict=True):
        yield AddTask(_task(step, taint))
    for step in steps:
        for wait in step.after:
            yield AddDependency(_dependency(wait, step.id))


def _task(step: Step, tainted: str) -> Task:
    return Task(
        id=step.id,
        name=step.name,
        skill=step.skill,
        arguments=step.arguments,
        requirement=Requirement(device=step.device or None),
        for_each=step.for_each or None,
        optional=step.optional,
        tainted=tainted,
    )


def _device_of(task: Task) -> str:
    return task.requirement.device or ""


def _dependency(wait: Wait, target: str) -> Dependency:
    if wait.on in _PLAIN_CONDITIONS:
        condition: Any = wait.on
        return Dependency(wait.task, target, condition)
    return Dependency(wait.task, target, "when", wait.on)


def _update(change: Change, tainted: str) -> Edit:
    changes: dict[str, Any] = {"tainted": tainted}
    if change.device is not None:
        changes["requirement"] = {"device": change.device or None}
    if change.arguments is not None:
        changes["arguments"] = change.arguments
    return UpdateTask(change.id, changes)
