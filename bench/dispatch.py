"""Tasks through hub and devices: a chain, independent tasks, layers; beside the raw wire.

Everything is as it is used: processes of their own, websockets, the real session, scheduler, codec
and journal. The skill does nothing, so what is measured is what the fabric costs. Times are the
hub's own, from the facts in its journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import anyio

from constellation.fabric import Event
from constellation.graph.edits import Edit

from .echo import BACKEND, Echo, echo_server, measure_echo
from .fabric import Journal, Measured, cpu_s, measured_fabric
from .harness import Options, Report, figure, quantile, summarise
from .peers import PEERS, measure_peer
from .workloads import chain, independent, layered

POLL_S = 0.02
EDITS_AT_ONCE = 20_000
US = 1e6


@dataclass(frozen=True, slots=True)
class Run:
    """One constellation that was run.

    Attributes:
        tasks_per_s: from its release to its end.
        step_s: from the start of each task to its outcome, in a chain to the start of the next.
        hub_cpu_s, device_cpu_s: CPU time for each task, seconds; devices together.
    """

    tasks_per_s: float
    step_s: list[float]
    hub_cpu_s: float
    device_cpu_s: float


def run(options: Options) -> Report:
    """Measure; ``--set journal=full`` or ``off`` changes the hub's journal."""
    journal = cast(Journal, options.extra.get("journal", "normal"))
    return anyio.run(_measure, options, journal, backend_options=BACKEND)


async def _measure(options: Options, journal: Journal) -> Report:
    depth = options.size(100, 10)
    shapes: dict[str, list[Edit]] = {
        "chain": chain(options.size(1_000, 100)),
        "independent": independent(options.size(10_000, 500)),
        "layered": layered(100, depth),
    }
    runs: dict[str, list[Run]] = {shape: [] for shape in shapes}
    echoes: list[Echo] = []
    peers: dict[str, list[dict[str, float]]] = {}
    async with measured_fabric(journal=journal) as fabric:
        # The first run of all imports, compiles and learns.
        await _run(fabric, independent(200), is_chain=False)
        for _ in range(options.times(5)):
            trips = options.size(1_000, 100)
            # A new process each time: how fast two of them answer depends on where they were put.
            with echo_server() as url:
                echoes.append(await measure_echo(url, trips, options.size(20_000, 1_000)))
            for shape, edits in shapes.items():
                runs[shape].append(await _run(fabric, edits, is_chain=shape == "chain"))
            for peer in PEERS if options.peers else ():
                found = await measure_peer(peer, options)
                if found is not None:
                    peers.setdefault(peer, []).append(found)
        pending = await _memory_of_pending(fabric, options.size(100_000, 2_000))
    return _report(journal, echoes, runs, pending, peers)


async def _run(measured: Measured, edits: Sequence[Edit], *, is_chain: bool) -> Run:
    fabric = measured.fabric
    work = await fabric.submit(edits[:EDITS_AT_ONCE], paused=True)
    for start in range(EDITS_AT_ONCE, len(edits), EDITS_AT_ONCE):
        await work.edit(*edits[start : start + EDITS_AT_ONCE])
    hub_s, devices_s = cpu_s(measured.hub), sum(map(cpu_s, measured.devices))
    await work.resume()
    await _until_idle(measured)
    hub_s = cpu_s(measured.hub) - hub_s
    devices_s = sum(map(cpu_s, measured.devices)) - devices_s
    # Read back when it is over: nobody watches while it is measured.
    events = [event async for event in work.events()]
    return _of_facts(events, hub_s, devices_s, is_chain=is_chain)


async def _until_idle(measured: Measured) -> None:
    # Asked now and then: an observer of every fact would be measured along with the rest.
    while (await measured.fabric.hub.ask("status"))["constellations"]:  # noqa: ASYNC110
        await anyio.sleep(POLL_S)


def _of_facts(events: Sequence[Event], hub_s: float, devices_s: float, *, is_chain: bool) -> Run:
    started = {event.task: event.time for event in events if event.kind == "started"}
    finished = {event.task: event.time for event in events if event.kind == "finished"}
    (released,) = (event.time for event in events if event.kind == "resumed")
    (ended,) = (event.time for event in events if event.kind == "ended")
    if is_chain:
        times = list(started.values())
        steps = [later - earlier for earlier, later in pairwise(times)]
    else:
        steps = [finished[task] - time for task, time in started.items()]
    count = len(started)
    return Run(count / (ended - released), steps, hub_s / count, devices_s / count)


async def _memory_of_pending(measured: Measured, count: int) -> float:
    """Bytes of the hub for each task that waits."""
    before = measured.hub.memory_info().rss
    edits = layered(100, count // 100)
    work = await measured.fabric.submit(edits[:EDITS_AT_ONCE], paused=True)
    for start in range(EDITS_AT_ONCE, len(edits), EDITS_AT_ONCE):
        await work.edit(*edits[start : start + EDITS_AT_ONCE])
    used = (measured.hub.memory_info().rss - before) / count
    await work.cancel()
    return used


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def _report(
    journal: str,
    echoes: Sequence[Echo],
    runs: dict[str, list[Run]],
    pending: float,
    peers: dict[str, list[dict[str, float]]],
) -> Report:
    report = Report()
    rtt = summarise([quantile(echo.rtt_s, 0.5) * US for echo in echoes])
    wire = summarise([echo.pipelined_per_s for echo in echoes])
    table = report.table(
        f"Dispatch, journal {journal}",
        "",
        "tasks/s",
        "step p50 µs",
        "step p99 µs",
        "hub CPU µs/task",
        "devices' CPU µs/task",
    )
    table.add_row("raw echo, one at a time", "", str(rtt), "", "", "")
    table.add_row("raw echo, many in flight", str(wire), "", "", "", "")
    told: dict[str, Any] = {}
    for shape, found in runs.items():
        per_s = summarise([run.tasks_per_s for run in found])
        p50 = summarise([quantile(run.step_s, 0.5) * US for run in found])
        p99 = summarise([quantile(run.step_s, 0.99) * US for run in found])
        hub = summarise([run.hub_cpu_s * US for run in found])
        devices = summarise([run.device_cpu_s * US for run in found])
        table.add_row(shape, *map(str, (per_s, p50, p99, hub, devices)))
        told[shape] = {
            "tasks_per_s": per_s.median,
            "step_p50_us": p50.median,
            "step_p99_us": p99.median,
            "hub_cpu_us": hub.median,
            "devices_cpu_us": devices.median,
            "spread": per_s.to_plain(),
        }
    report.data = {
        "echo": {"rtt_p50_us": rtt.median, "pipelined_per_s": wire.median},
        "fabric": told,
        "peers": {},
        "journal": journal,
        "pending_bytes_per_task": pending,
    }
    for peer, all_found in peers.items():
        medians = {
            shape: summarise([found[shape] for found in all_found]) for shape in all_found[0]
        }
        report.data["peers"][peer] = {
            shape: {"tasks_per_s": rate.median} for shape, rate in medians.items()
        }
        for shape, rate in medians.items():
            table.add_row(f"{peer}: {shape}", str(rate), "", "", "", "")
    step = told["chain"]["step_p50_us"] / rtt.median
    report.notes += [
        f"A step of a chain takes {figure(step)} times a round trip of the raw echo.",
        f"A pending task takes {figure(pending)} bytes of the hub.",
        *(_ratio(peer, told, report.data["peers"][peer]) for peer in peers),
    ]
    return report


def _ratio(peer: str, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    ratios = ", ".join(
        f"{shape} {figure(ours[shape]['tasks_per_s'] / found['tasks_per_s'])}"
        for shape, found in theirs.items()
    )
    return f"Times the tasks/s of {peer}, which moves and places arbitrary objects: {ratios}."
