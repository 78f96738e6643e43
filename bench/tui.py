"""The terminal interface in a flood: from a key to its paint, CPU and memory.

The interface runs without a terminal, in this process, with one large constellation and many
devices; facts are given to its model at a steady rate while keys are pressed.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from constellation.config import Settings
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.graph.plain import batch_to_plain
from constellation.graph.task import Outcome, TaskState
from constellation.tui.app import ConstellationApp

from .harness import Options, Report, quantile
from .workloads import layered

SIZE = (140, 40)
WIDTH = 100
RUN = "c-bench"
EVENTS_PER_S = 1_000
# Each task makes two events: five screens in turn use up what 10,000 tasks make.
SECONDS, QUICK_SECONDS = 3.9, 0.3
KEY_EVERY_S = 0.1
STEP_S = 0.005
TO_THE_SCREEN = {
    "overview": (),
    "graph": ("enter",),
    "tasks": ("2",),
    "timeline": ("3",),
    "events": ("4",),
}


@dataclass(slots=True)
class Costs:
    """What one screen cost.

    Attributes:
        keys: seconds from each key to its paint.
        cpu: seconds of CPU, without those that making the events took.
        events: how many were taken.
        wall: seconds that it lasted.
    """

    keys: list[float] = field(default_factory=list)
    cpu: float = 0.0
    events: int = 0
    wall: float = 0.0


class Flood:
    """The facts of a constellation whose tasks start and end in turn."""

    def __init__(self, tasks: int) -> None:
        self._graph = Constellation(RUN)
        self._batch = Batch(tuple(layered(WIDTH, tasks // WIDTH)))
        self._graph.apply(self._batch, 0.0)
        self._ready: deque[str] = deque()
        self._running: deque[str] = deque()
        self._seq = 0

    def beginning(self) -> list[dict[str, Any]]:
        """What creates it."""
        edited = {"batch": batch_to_plain(self._batch), "version": 1}
        return [self._fact("created", {"name": "Flood"}), self._fact("edited", edited)]

    def next(self) -> dict[str, Any]:
        """A task starts, or the one that has run longest ends."""
        self._ready += self._graph.take_changes().ready
        if self._ready and len(self._running) < WIDTH:
            name = self._ready.popleft()
            self._graph.start(name, "d0", time.time())
            self._running.append(name)
            return self._fact("started", {"task": name, "attempt": 1, "device": "d0"})
        name = self._running.popleft()
        self._graph.finish(name, Outcome(TaskState.COMPLETED, {"n": 1}), time.time())
        return self._fact("finished", {"task": name, "state": "completed", "output": {"n": 1}})

    def _fact(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._seq += 1
        return {
            "seq": self._seq,
            "time": time.time(),
            "constellation": RUN,
            "kind": kind,
            "body": body,
        }


def run(options: Options) -> Report:
    """Measure each screen in turn."""
    tasks = options.size(10_000, 1_000)
    devices = options.size(1_000, 20)
    seconds = QUICK_SECONDS if options.quick else SECONDS
    found = asyncio.run(_measure(tasks, devices, seconds))
    report = Report()
    table = report.table(
        f"{tasks:,} tasks, {devices:,} devices, {EVENTS_PER_S:,} events a second",
        "screen",
        "key to paint, p50 ms",
        "p95 ms",
        "CPU, % of a core",
        "events/s taken",
    )
    for name, costs in found.items():
        row = {
            "key_p50_ms": quantile(costs.keys, 0.5) * 1e3,
            "key_p95_ms": quantile(costs.keys, 0.95) * 1e3,
            "cpu_percent": 100 * costs.cpu / costs.wall,
            "events_per_s": costs.events / costs.wall,
        }
        report.data[name] = row
        table.add_row(name, *(f"{each:,.0f}" for each in row.values()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report.data["peak_memory_mib"] = peak
    report.notes.append(f"At most {peak:,.0f} MiB of memory, the source of the events included.")
    report.notes.append("A terminal's own drawing is not counted, nor the socket to the hub.")
    return report


async def _measure(tasks: int, devices: int, seconds: float) -> dict[str, Costs]:
    with TemporaryDirectory() as state:
        app = ConstellationApp(Settings(state_dir=Path(state)))
        async with app.run_test(size=SIZE) as pilot:
            flood = Flood(tasks)
            for event in flood.beginning():
                app.fabric.take(event)
            app.fabric.devices.update(_device(number) for number in range(devices))
            await pilot.pause()
            found = {}
            for name, keys in TO_THE_SCREEN.items():
                await pilot.press(*keys)
                found[name] = await _flooded(app, flood, seconds)
            return found


def _device(number: int) -> dict[str, Any]:
    name = f"d{number}"
    return {
        "name": name,
        "presence": "connected",
        "unavailable": "",
        "running": [],
        "rtt_s": 0.001,
        "card": {"name": name, "capacity": 16},
    }


async def _flooded(app: ConstellationApp, flood: Flood, seconds: float) -> Costs:
    costs = Costs()
    making = 0.0
    began, cpu_began = time.perf_counter(), time.process_time()
    next_key = began
    while (now := time.perf_counter()) < began + seconds:
        due = int((now - began) * EVENTS_PER_S) - costs.events
        made_from = time.thread_time()
        events = [flood.next() for _ in range(due)]
        making += time.thread_time() - made_from
        for event in events:
            app.fabric.take(event)
        costs.events += due
        if now >= next_key:
            next_key = now + KEY_EVERY_S
            costs.keys.append(await _key_to_paint(app, "down" if len(costs.keys) % 2 else "up"))
        await asyncio.sleep(STEP_S)
    costs.wall = time.perf_counter() - began
    costs.cpu = time.process_time() - cpu_began - making
    return costs


async def _key_to_paint(app: ConstellationApp, key: str) -> float:
    painted = asyncio.Event()
    began = time.perf_counter()
    app.simulate_key(key)
    app.screen.call_after_refresh(painted.set)
    await painted.wait()
    return time.perf_counter() - began
