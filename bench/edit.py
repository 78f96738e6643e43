"""What concurrent revision saves: descendants held while a planner thinks, or everything held."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import anyio

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.client import find_hub, open_hub
from constellation.errors import PlanError
from constellation.fabric import Fabric
from constellation.graph.edits import AddDependency, AddTask, Batch, Edit
from constellation.graph.plain import batch_to_plain
from constellation.graph.task import Dependency, Task
from constellation.llm.spending import Account
from constellation.orchestrator import service
from constellation.planner.ports import Ahead, Plan

from .devices import timed_device
from .echo import BACKEND
from .fabric import bench_settings
from .harness import Options, Report, figure, summarise

CHAINS = 8
LENGTH = 6
TASK_S = 0.05
FAILURES = 4
WORK = SkillCard(name="work", effect="read", idempotent=True)


class Thinker:
    """A planner that thinks for a stated time about each failure, and then lets the plan stand.

    Args:
        think_s: how long.
        holds_all: pause the whole constellation meanwhile, as UFO³ does.
    """

    revise_on = frozenset({"failed"})

    def __init__(self, think_s: float, *, holds_all: bool) -> None:
        self._think_s = think_s
        self._holds_all = holds_all
        self._thinking = 0
        self.fabric: Fabric

    async def plan(
        self,
        request: str,
        devices: Sequence[DeviceCard],
        ahead: Ahead | None = None,
        account: Account | None = None,
    ) -> Plan:
        """Nobody asks for one here."""
        raise PlanError("This planner only revises.")

    async def revise(
        self,
        snapshot: Mapping[str, Any],
        event: Mapping[str, Any],
        devices: Sequence[DeviceCard],
        account: Account | None = None,
    ) -> tuple[Edit, ...]:
        """See `Planner.revise`."""
        work = self.fabric.work(snapshot["id"])
        self._thinking += 1
        if self._holds_all and self._thinking == 1:
            await work.pause()
        await anyio.sleep(self._think_s)
        self._thinking -= 1
        if self._holds_all and self._thinking == 0:
            await work.resume()
        return ()


def _outcome(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those that shall fail do."""
    if arguments["fails"]:
        return {"state": "failed", "error": {"code": "task.failed", "message": "It was to fail."}}
    return {"state": "completed"}


def chains(seed: int) -> list[Edit]:
    """Chains beside each other; some tasks fail, which stops nothing but has the planner asked."""
    spots = [(row, column) for row in range(CHAINS) for column in range(LENGTH - 1)]
    failing = set(random.Random(seed).sample(spots, FAILURES))
    edits: list[Edit] = []
    for row in range(CHAINS):
        for column in range(LENGTH):
            arguments = {"fails": (row, column) in failing}
            edits.append(
                AddTask(Task(f"t{row}-{column}", skill="work", arguments=arguments, optional=True))
            )
            if column:
                edits.append(AddDependency(Dependency(f"t{row}-{column - 1}", f"t{row}-{column}")))
    return edits


def run(options: Options) -> Report:
    """Measure both ways in turn, for planners of different speed."""
    return anyio.run(_measure, options, backend_options=BACKEND)


async def _measure(options: Options) -> Report:
    report = Report()
    table = report.table(
        f"{CHAINS} chains of {LENGTH} tasks of {TASK_S * 1e3:.0f} ms, {FAILURES} failures",
        "planner's thought, s",
        "makespan, descendants held, s",
        "everything held, s",
        "saved",
    )
    for think_s in (0.1,) if options.quick else (0.1, 1.0, 5.0):
        found: dict[bool, list[float]] = {False: [], True: []}
        for seed in range(options.times(5)):
            for holds_all in found:
                found[holds_all].append(await _makespan_s(think_s, seed, holds_all=holds_all))
        ours, theirs = summarise(found[False]), summarise(found[True])
        saved = 1 - ours.median / theirs.median
        table.add_row(figure(think_s), str(ours), str(theirs), f"{saved:.0%}")
        report.data[str(think_s)] = {
            "descendants_s": ours.to_plain(),
            "everything_s": theirs.to_plain(),
            "saved": saved,
        }
    report.notes.append(
        "Without any planner a chain takes "
        f"{figure(LENGTH * TASK_S)} s. Holding everything is how UFO³ does it, here by a pause."
    )
    return report


async def _makespan_s(think_s: float, seed: int, *, holds_all: bool) -> float:
    """Seconds on the hub's clock from the submission to the end."""
    planner = Thinker(think_s, holds_all=holds_all)
    async with AsyncExitStack() as stack:
        settings = stack.enter_context(bench_settings())
        await stack.enter_async_context(service.open_hub(settings, planner))
        card = DeviceCard(name="worker", skills=(WORK,), capacity=CHAINS * LENGTH)
        device = timed_device(find_hub(settings), card, TASK_S, _outcome)
        await stack.enter_async_context(device)
        client = await stack.enter_async_context(open_hub(settings, name="bench"))
        planner.fabric = Fabric(client)
        answer = await client.ask(
            "submit",
            edits=batch_to_plain(Batch(tuple(chains(seed))))["edits"],
            revise_on=sorted(planner.revise_on),
        )
        work = planner.fabric.work(answer["constellation"])
        times = {event.kind: event.time async for event in work.events()}
        return times["ended"] - times["created"]
