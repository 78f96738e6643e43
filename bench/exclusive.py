"""Exclusive resources in a cluster: what a use costs, and owners harmed while they have one."""

from __future__ import annotations

import os
import signal
import statistics
from dataclasses import asdict, astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio

from constellation.cli.cluster_scene import ClusterScene
from constellation.client import HubClient
from constellation.fabric import Fabric
from constellation.graph.edits import AddTask
from constellation.graph.task import Requirement, Task

from .cluster import scene_of
from .echo import BACKEND
from .fabric import SKILLS, measured_fabric
from .harness import Options, Report, summarise
from .processes import SKILLS as LEDGER
from .workloads import SKILL

CONSTELLATIONS = 4
RESOURCE = "arm"
LEASE_S = 1.0
USE_S = 0.05
USES = 25
POLL_S = 0.02


@dataclass(slots=True)
class Toll:
    """What was done to owners, and what came of it.

    Attributes:
        killed: owners that were killed while a task of theirs had the resource.
        stopped: owners that stood still beyond their lease then, and went on.
        tasks: that all need the resource and must not be repeated.
        lost: of them, those that did not complete.
        twice: those that ran more than once.
        together: times that one began while another one had the resource.
    """

    killed: int = 0
    stopped: int = 0
    tasks: int = 0
    lost: int = 0
    twice: int = 0
    together: int = 0


def run(options: Options) -> Report:
    """Measure; ``--set harms=N`` says how often an owner is killed or stopped."""
    report = Report()
    anyio.run(_rate, options, report, backend_options=BACKEND)
    anyio.run(_harm, options, report, backend_options=BACKEND)
    return report


# ── uses a second ───────────────────────────────────────────────────────────────────────────────


async def _rate(options: Options, report: Report) -> None:
    count = options.size(100, 10)
    found: dict[str, list[float]] = {}
    for _ in range(options.times(3)):
        async with measured_fabric(devices=1) as measured:
            found.setdefault("one hub", []).append(await _use(measured.fabric, count))
        for orchestrators in (1, 2):
            async with scene_of(orchestrators=orchestrators, lease_s=20.0) as scene:
                more = ("--kind", "bench", "--skills", str(SKILLS), "--capacity", "16")
                await scene.add_agent("device", *more, "--drain-timeout", "0")
                async with scene.connect() as client:
                    case = f"{orchestrators} orchestrators, 1 NATS"
                    found.setdefault(case, []).append(await _use(Fabric(client), count))
    table = report.table("Tasks that take no time and need the same", "", "from one to the next")
    for case, runs in found.items():
        between = summarise([each * 1e3 for each in runs])
        table.add_row(case, f"{between} ms")
        report.data[case] = {"between_ms": between.to_plain()}


async def _use(fabric: Fabric, count: int) -> float:
    """Seconds from the start of a task to that of the next, the median; all need the same."""
    alone = Requirement(exclusive=(RESOURCE,))
    edits = [AddTask(Task(f"t{n}", skill=SKILL, requirement=alone)) for n in range(count)]
    works = [await fabric.submit(edits, paused=True) for _ in range(CONSTELLATIONS)]
    for work in works:
        await work.resume()
    while (await fabric.hub.ask("status"))["constellations"]:  # noqa: ASYNC110
        await anyio.sleep(POLL_S)
    events = [event for work in works async for event in work.events()]
    starts = sorted(event.time for event in events if event.kind == "started")
    return statistics.median(later - earlier for earlier, later in pairwise(starts))


# ── owners that are harmed ──────────────────────────────────────────────────────────────────────


async def _harm(options: Options, report: Report) -> None:
    toll = await harm_owners(int(options.extra.get("harms", options.size(100, 2))))
    table = report.table(
        f"Owners harmed while they have the resource; lease {LEASE_S:g} s",
        "killed",
        "stopped",
        "tasks",
        "lost",
        "run twice",
        "two at once",
    )
    table.add_row(*map(str, astuple(toll)))
    report.data["harm"] = asdict(toll)


async def harm_owners(times: int) -> Toll:
    """Kill and stop in turn whoever owns what has the resource, so often."""
    toll = Toll()
    async with scene_of(lease_s=LEASE_S) as scene:
        more = ("--kind", "test", "--skills", str(LEDGER), "--capacity", "16")
        await scene.add_agent("one", *more)
        async with scene.connect() as client:
            number = 0
            while toll.killed + toll.stopped < times:
                number += 1
                ledger = scene.folder / f"ledger-{number}"
                ledger.touch()
                names = [f"run-{number}-{n}" for n in range(CONSTELLATIONS)]
                for name in names:
                    await client.ask("submit", edits=_uses(ledger, name), id=name)
                while await _open(client, names):
                    if toll.killed + toll.stopped < times:
                        await _harm_one(scene, ledger, toll)
                    await anyio.sleep(POLL_S)
                for name in names:
                    _judge(toll, await client.show(name))
                _read(toll, ledger)
    return toll


def _uses(ledger: Path, name: str) -> list[Any]:
    """Edits of tasks that each note when they begin and end."""
    return [
        {
            "op": "add_task",
            "task": {
                "id": f"t{n}",
                "skill": "ledger.alone",
                "arguments": {"ledger": str(ledger), "name": f"{name}/t{n}", "seconds": USE_S},
                "requirement": {"exclusive": [RESOURCE]},
            },
        }
        for n in range(USES)
    ]


async def _open(client: HubClient, names: list[str]) -> bool:
    rows = (await client.ask("list"))["constellations"]
    return any(row["id"] in names and row["ended_at"] is None for row in rows)


async def _harm_one(scene: ClusterScene, ledger: Path, toll: Toll) -> None:
    """Harm the owner of what has the resource now, until another has taken over."""
    name = _in_use_by(ledger)
    owner = None if name is None else await scene.owner(name)
    if name is None or owner is None:
        return
    if toll.killed <= toll.stopped:
        await scene.kill(owner)
        toll.killed += 1
        await _taken_over(scene, name, owner)
        await scene.start("orchestrator", owner)
        return
    pid = scene.nodes[owner].process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await _taken_over(scene, name, owner)
    finally:
        os.kill(pid, signal.SIGCONT)
    toll.stopped += 1
    # It finds out, ends this life and begins another, which may be harmed next.
    await anyio.sleep(LEASE_S)


def _in_use_by(ledger: Path) -> str | None:
    """The constellation of the task that has the resource; None between two of them."""
    lines = ledger.read_text().splitlines()
    if not lines or not lines[-1].startswith("begin "):
        return None
    return lines[-1].partition(" ")[2].partition("/")[0]


async def _taken_over(scene: ClusterScene, name: str, owner: str) -> None:
    with anyio.fail_after(100):
        while await scene.owner(name) == owner:  # noqa: ASYNC110
            await anyio.sleep(POLL_S)
    # The next one gives the resource to several while the one before stands still.
    await anyio.sleep(5 * USE_S)


def _judge(toll: Toll, shown: dict[str, Any]) -> None:
    nodes = shown["graph"]["nodes"]
    toll.tasks += len(nodes)
    toll.lost += sum(node["state"] != "completed" for node in nodes)


def _read(toll: Toll, ledger: Path) -> None:
    """The device wrote down what really ran, in order."""
    at_work: set[str] = set()
    begun: set[str] = set()
    for line in ledger.read_text().splitlines():
        what, _, name = line.partition(" ")
        if what == "end":
            at_work.discard(name)
            continue
        toll.together += bool(at_work)
        toll.twice += name in begun
        at_work.add(name)
        begun.add(name)
