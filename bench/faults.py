"""Hubs killed, links cut, processes stopped: what is lost, repeated or mixed up."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import psutil

from .harness import Options, Report, figure
from .processes import Processes, layered, ledger_counts

GRACE_S = 20.0
SHORT_GRACE_S = 1.0
STOPPED_S = 3.0
LAYERS, WIDTH = 30, 6
TASK_S = 0.02
MIB = 1024 * 1024


@dataclass(slots=True)
class Toll:
    """What became of the work while something was done to the fabric.

    Attributes:
        faults: how often.
        tasks: that were given.
        lost: of them, those that never completed.
        wrong: those that completed with a result that is not theirs.
        repeated: those that ran twice though they must not.
        hub_bytes: memory of the hub, in the end.
        took_s: all in all.
        causes: why tasks were lost.
    """

    faults: int = 0
    tasks: int = 0
    lost: int = 0
    wrong: int = 0
    repeated: int = 0
    hub_bytes: int = 0
    took_s: float = 0.0
    causes: Counter[str] = field(default_factory=Counter)

    def judge(self, shown: dict[str, Any], ledger: Path) -> None:
        """Take in a constellation that has ended, and what of it ran."""
        for node in shown["graph"]["nodes"]:
            self.tasks += 1
            if node["state"] != "completed":
                self.lost += 1
                self.causes[(node.get("error") or {}).get("message", node["state"])] += 1
            elif node["output"] != {"name": node["task"]["id"]}:
                self.wrong += 1
        ran = ledger_counts(ledger)
        self.repeated += sum(n > 1 for name, n in ran.items() if "once" in name)

    def line(self) -> str:
        """It in a line, while it goes on."""
        return (
            f"{self.took_s:,.0f} s: {self.faults:,} faults, {self.tasks:,} tasks, "
            f"{self.lost} lost, {self.wrong} mixed up, {self.repeated} run twice"
        )


Fault = Callable[[Processes, str, int], Awaitable[int]]
"""Does harm to a constellation that runs, at most so often; returns how often it did."""


def run(options: Options) -> Report:
    """Do harm; ``--set kills=N``, ``--set cuts=N`` and ``--set stops=N`` say how often.

    ``--set minutes=N`` ends each kind of harm after that time, with what was done by then.
    """
    return anyio.run(_measure, options)


async def _measure(options: Options) -> Report:
    def often(name: str, usual: int, quick: int) -> int:
        return int(options.extra.get(name, options.size(usual, quick)))

    kills, cuts, stops = often("kills", 50, 3), often("cuts", 500, 10), often("stops", 6, 1)
    found: dict[str, Toll] = {}
    suffer = partial(_suffer, within_s=60 * float(options.extra.get("minutes", "inf")))
    if kills:
        found["hub killed"] = await suffer(_kill_hub, kills, "ledger.once", GRACE_S)
    if cuts:
        found["link cut"] = await suffer(_cut_links, cuts, "ledger.once", GRACE_S)
    if stops:
        found["device stopped beyond its grace"] = await suffer(
            _stop_device, stops, "ledger.any", SHORT_GRACE_S
        )
        found["hub stopped"] = await suffer(_stop_hub, stops, "ledger.once", GRACE_S)
    report = Report()
    table = report.table(
        "Faults on real processes",
        "fault",
        "times",
        "tasks",
        "lost",
        "results mixed up",
        "run twice",
        "hub, MiB",
        "s",
    )
    for name, toll in found.items():
        table.add_row(
            name,
            f"{toll.faults:,}",
            f"{toll.tasks:,}",
            str(toll.lost),
            str(toll.wrong),
            str(toll.repeated),
            figure(toll.hub_bytes / MIB),
            figure(toll.took_s),
        )
        report.data[name] = {
            "times": toll.faults,
            "tasks": toll.tasks,
            "lost": toll.lost,
            "wrong": toll.wrong,
            "repeated": toll.repeated,
            "causes": dict(toll.causes),
            "hub_bytes": toll.hub_bytes,
        }
    report.notes += [
        f"{name}, {count} tasks: {cause}"
        for name, toll in found.items()
        for cause, count in toll.causes.most_common(3)
    ]
    report.notes.append(
        "Tasks write a line into a file each time they run. Those that must not be repeated run "
        "once; where a device is stopped for longer than its hub waits for it they may be "
        "repeated, and their results still count once."
    )
    return report


async def _suffer(fault: Fault, times: int, skill: str, grace_s: float, within_s: float) -> Toll:
    toll = Toll()
    began = time.monotonic()
    with TemporaryDirectory(prefix="constellation-bench-") as folder:
        # The hub is told by its environment, which it has from ours.
        os.environ["CONSTELLATION_HUB__GRACE_S"] = str(grace_s)
        async with Processes(Path(folder) / "state", grace_s, "normal") as fabric:
            for name in ("one", "two"):
                await fabric.start_agent(name)
            number = 0
            while toll.faults < times and time.monotonic() - began < within_s:
                number += 1
                ledger = Path(folder) / f"ledger-{number}"
                edits = layered(ledger, skill, LAYERS, WIDTH, TASK_S)
                async with fabric.client() as client:
                    await client.ask("submit", edits=edits, id=f"run-{number}")
                toll.faults += await fault(fabric, f"run-{number}", times - toll.faults)
                toll.judge(await fabric.ended(f"run-{number}", within_s=300), ledger)
                toll.took_s = time.monotonic() - began
                # Hours of it may be broken off: what was done by then is said.
                sys.stderr.write(toll.line() + "\n")
            toll.hub_bytes = psutil.Process(fabric.hub.process.pid).memory_info().rss
    toll.took_s = time.monotonic() - began
    return toll


async def _kill_hub(fabric: Processes, work: str, most: int) -> int:
    seen = 0
    # So often that the run is nearly over.
    kills = min(most, LAYERS)
    for _ in range(kills):
        seen = await fabric.after_events(work, _CHANCE.randrange(1, 2 * WIDTH), after=seen)
        await fabric.kill_hub()
        await fabric.start_hub()
    return kills


async def _cut_links(fabric: Processes, work: str, most: int) -> int:
    before = fabric.proxy.accepted
    async with fabric.client() as client:
        async for event in await client.follow(work):
            if event["kind"] == "finished" and fabric.proxy.accepted - before < most:
                fabric.proxy.cut_after(_CHANCE.randrange(50, 2_000))
    return fabric.proxy.accepted - before


async def _stop_device(fabric: Processes, work: str, most: int) -> int:
    return await _stopped(fabric, work, fabric.agents["one"].process.pid)


async def _stop_hub(fabric: Processes, work: str, most: int) -> int:
    return await _stopped(fabric, work, fabric.hub.process.pid)


async def _stopped(fabric: Processes, work: str, whom: int) -> int:
    await fabric.after_events(work, _CHANCE.randrange(10, 60), after=0)
    os.kill(whom, signal.SIGSTOP)
    await anyio.sleep(STOPPED_S)
    os.kill(whom, signal.SIGCONT)
    return 1


_CHANCE = random.Random(20261123)
