"""An hour of work with churn: whether memory and latency stay as they were."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio
import psutil

from constellation.client import HubClient

from .harness import Options, Report, figure, quantile
from .processes import Processes

AGENTS = 4
TASKS = 100
ROUND_S = 0.5
GRACE_S = 2.0
CHURN_S = 10.0
MIB = 1024 * 1024


@dataclass(slots=True)
class Window:
    """A part of the time.

    Attributes:
        step_s: from submitting one task to its end, each.
        tasks: that were done.
        lost: constellations that did not complete.
        hub_bytes: memory of the hub at the end.
    """

    step_s: list[float] = field(default_factory=list)
    tasks: int = 0
    lost: int = 0
    hub_bytes: int = 0


def run(options: Options) -> Report:
    """Work; ``--set minutes=N`` says for how long, 60 if it does not."""
    minutes = float(options.extra.get("minutes", 0.3 if options.quick else 60))
    return _report(minutes, anyio.run(_work, minutes * 60))


async def _work(seconds: float) -> list[Window]:
    windows = [Window() for _ in range(6)]
    os.environ["CONSTELLATION_HUB__GRACE_S"] = str(GRACE_S)
    with TemporaryDirectory(prefix="constellation-bench-") as folder:
        async with Processes(Path(folder), GRACE_S, "normal") as fabric:
            for number in range(AGENTS):
                await fabric.start_agent(f"d{number}")
            async with fabric.client() as client, anyio.create_task_group() as tasks:
                tasks.start_soon(_churn, fabric)
                begun = anyio.current_time()
                for number, window in enumerate(windows, 1):
                    await _window(client, window, begun + seconds * number / len(windows))
                    window.hub_bytes = psutil.Process(fabric.hub.process.pid).memory_info().rss
                tasks.cancel_scope.cancel()
    return windows


async def _window(client: HubClient, window: Window, deadline: float) -> None:
    due = anyio.current_time()
    while due < deadline:
        began = time.perf_counter()
        window.lost += not await _done(client, 1)
        window.step_s.append(time.perf_counter() - began)
        window.lost += not await _done(client, TASKS)
        window.tasks += 1 + TASKS
        due = max(due + ROUND_S, anyio.current_time())
        await anyio.sleep_until(due)


async def _done(client: HubClient, tasks: int) -> bool:
    """Run independent tasks; whether all were done."""
    arguments = {"ledger": os.devnull, "name": "soak", "seconds": 0.0}
    edits = [
        {
            "op": "add_task",
            "task": {"id": f"t{number}", "skill": "ledger.any", "arguments": arguments},
        }
        for number in range(tasks)
    ]
    submitted = await client.ask("submit", edits=edits)
    state = ""
    async for event in await client.follow(submitted["constellation"]):
        state = event["body"].get("state", state)
    return state == "completed"


async def _churn(fabric: Processes) -> None:
    """Cut links, and kill a device and start it again, now and then."""
    chance = random.Random(20261123)
    while True:
        await anyio.sleep(chance.uniform(0.5, 1.5) * CHURN_S)
        fabric.proxy.cut()
        name = f"d{chance.randrange(AGENTS)}"
        await fabric.kill_agent(name)
        await fabric.start_agent(name)


def _report(minutes: float, windows: Sequence[Window]) -> Report:
    report = Report()
    table = report.table(
        f"{figure(minutes)} minutes of work, {AGENTS} devices of which one dies every "
        f"{CHURN_S:.0f} s",
        "part",
        "tasks",
        "not completed",
        "one task p50 ms",
        "p99 ms",
        "hub MiB",
    )
    for number, window in enumerate(windows, 1):
        table.add_row(
            str(number),
            f"{window.tasks:,}",
            str(window.lost),
            figure(1000 * median(window.step_s)),
            figure(1000 * quantile(window.step_s, 0.99)),
            figure(window.hub_bytes / MIB),
        )
    report.data = {
        "minutes": minutes,
        "windows": [
            {
                "tasks": window.tasks,
                "lost": window.lost,
                "p50_ms": 1000 * median(window.step_s),
                "p99_ms": 1000 * quantile(window.step_s, 0.99),
                "hub_bytes": window.hub_bytes,
            }
            for window in windows
        ],
    }
    return report
