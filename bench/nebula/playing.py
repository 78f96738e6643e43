"""One request from its words to its verdicts, by one planner."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import anyio
import yaml

from constellation.errors import GraphError, InvalidTransition, PlanError
from constellation.fabric import Work
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch, Edit
from constellation.graph.metrics import Metrics, measure
from constellation.graph.task import Dependency, Requirement, Task
from constellation.llm import ModelUnavailable, OverBudget
from constellation.planner.runbook import load

from .checking import verdicts
from .model import Device, Request
from .world import Folders, World

Planner: TypeAlias = Literal["oracle", "sequential", "words"]


@dataclass(frozen=True, slots=True)
class Played:
    """How a request went.

    Attributes:
        request: which one.
        verdicts: of each subtask.
        planned_s: until there was a plan, or a refusal.
        took_s: from there to its end; None if it was refused.
        metrics: of what ran.
        tasks, edits: how many tasks there were; how often the plan was changed.
        questions: how often a person was asked, who allows everything.
        tokens, cost: what language models took.
    """

    request: Request
    verdicts: Sequence[bool]
    planned_s: float
    took_s: float | None
    metrics: Metrics | None = None
    tasks: int = 0
    edits: int = 0
    questions: int = 0
    tokens: int = 0
    cost: float = 0.0

    @property
    def done(self) -> bool:
        """Whether every subtask is."""
        return all(self.verdicts)


async def play(
    world: World,
    request: Request,
    planner: Planner,
    beside: Callable[[Work], Coroutine[Any, Any, None]] | None = None,
    *,
    patience_s: float = 60.0,
) -> Played:
    """Run one request and check what came of it.

    Args:
        beside: runs while the request does; both end before this returns.
        patience_s: after so long it is canceled.
    """
    folders = world.folders
    folders.reset(request.files)
    before = folders.files()
    began = time.perf_counter()
    try:
        work = await _submit(world, request, planner)
    except (ModelUnavailable, OverBudget):
        # That there is no plan is no refusal of the request.
        missed = [False for _ in verdicts(request.checks, folders, None, before)]
        return Played(request, missed, time.perf_counter() - began, None)
    except PlanError:
        planned_s = time.perf_counter() - began
        return Played(request, verdicts(request.checks, folders, None, before), planned_s, None)
    planned_s = time.perf_counter() - began
    began = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for later in request.later:
            tasks.start_soon(_appear, folders, later.after_s, later.on, later.files)
        if beside is not None:
            tasks.start_soon(beside, work)
        asked: list[str] = []
        tasks.start_soon(_allow, work, asked)
        graph = await _ended(work, patience_s)
        took_s = time.perf_counter() - began
    shown = await world.fabric.hub.show(work.id)
    return Played(
        request,
        verdicts(request.checks, folders, graph, before),
        planned_s,
        took_s,
        measure(graph, 0.0),
        tasks=len(graph.nodes),
        edits=graph.version - 1,
        questions=len(asked),
        tokens=shown["tokens"],
        cost=shown["cost"],
    )


async def _allow(work: Work, asked: list[str]) -> None:
    """Be the person who allows what a plan's steps ask, until it has ended."""
    async with aclosing(work.events()) as events:
        async for event in events:
            if event.kind == "asked" and event.task is not None:
                asked.append(event.task)
                with suppress(GraphError, InvalidTransition):  # it ended at the same moment
                    await work.answer(event.task, True, question=event.body["question"]["id"])


async def _ended(work: Work, patience_s: float) -> Constellation:
    with anyio.move_on_after(patience_s):
        return (await work.ended()).constellation
    await work.cancel()
    return (await work.ended()).constellation


async def _appear(
    folders: Folders, after_s: float, device: Device, files: Mapping[str, str]
) -> None:
    await anyio.sleep(after_s)
    folders.put(device, files)


async def _submit(world: World, request: Request, planner: Planner) -> Work:
    if planner == "words":
        return await world.fabric.submit(request.request.replace("{site}", world.site))
    edits = await _planned(world, request)
    return await world.fabric.submit(in_sequence(edits) if planner == "sequential" else edits)


async def _planned(world: World, request: Request) -> tuple[Edit, ...]:
    if request.oracle is None:
        raise PlanError("Nobody could do that.")
    text = yaml.safe_dump({"title": request.id, "steps": request.oracle})
    runbook = load(text.replace("{site}", world.site), f"{request.id}.yaml")
    cards = [device.card for device in await world.fabric.devices()]
    return runbook.plan({}, cards).edits


async def makespan_s(world: World, request: Request, planner: Planner, task_s: float) -> float:
    """How long the shape of an oracle's plan takes if each of its tasks takes as long."""
    edits = in_even_steps(await _planned(world, request), task_s)
    if planner == "sequential":
        edits = in_sequence(edits)
    ended = await (await world.fabric.submit(edits, name=request.id)).ended()
    return measure(ended.constellation, 0.0).makespan_s


def in_even_steps(edits: Sequence[Edit], task_s: float) -> tuple[Edit, ...]:
    """The same tasks on the same devices in the same order, each of which only takes its time."""
    even: list[Edit] = []
    for edit in edits:
        match edit:
            case AddTask(task):
                where = Requirement(device=task.requirement.device)
                waits = Task(task.id, "wait.seconds", {"seconds": task_s}, requirement=where)
                even.append(AddTask(waits))
            case AddDependency(dependency):
                source, target = dependency.source, dependency.target
                even.append(AddDependency(Dependency(source, target, "completion")))
    return tuple(even)


def in_sequence(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The same plan with one task after the other, in an order that its dependencies allow."""
    one_by_one = tuple(
        AddTask(replace(edit.task, max_parallel=1))
        if isinstance(edit, AddTask) and edit.task.for_each is not None
        else edit
        for edit in edits
    )
    graph = Constellation("order")
    graph.apply(Batch(one_by_one), 0.0)
    ordered = sorted(graph.nodes.values(), key=lambda node: node.label)
    chain = [
        AddDependency(Dependency(before.id, after.id, "completion"))
        for before, after in pairwise(ordered)
        if before.id not in after.incoming
    ]
    return (*one_by_one, *chain)
