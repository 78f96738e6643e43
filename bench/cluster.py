"""A cluster: tasks a second by orchestrators, takeover, owners that stand still, devices.

Everything is as it is used: NATS servers, orchestrators, gateways and agents are processes of their
own on this machine, and share its processors.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import asdict, astuple, dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import psutil
from anyio.streams.buffered import BufferedByteReceiveStream

from constellation.cli.cluster_scene import FABRIC, ClusterScene
from constellation.client import HubClient
from constellation.cluster.bus import connected
from constellation.cluster.log import Log
from constellation.cluster.names import Names
from constellation.errors import Deposed, UnknownConstellationError
from constellation.fabric import Event, Fabric
from constellation.orchestrator.events import Fact

from .echo import BACKEND
from .fabric import SKILLS, measured_fabric
from .harness import Options, Report, figure, quantile, summarise
from .processes import SKILLS as LEDGER
from .processes import layered, ledger_counts
from .sessions import allow_files
from .workloads import chain, independent

PARTS = ("throughput", "takeover", "stops", "sessions")
DEVICES = 2
CONSTELLATIONS = 4
LEASE_S = 2.0
STOP_LEASE_S = 1.0
POLL_S = 0.02
LAYERS, WIDTH, TASK_S = 40, 4, 0.05


def run(options: Options) -> Report:
    """Measure; ``--set parts=takeover,stops`` some of it, ``--set stops=N``, ``--set most=N``."""
    parts = options.extra.get("parts", ",".join(PARTS)).split(",")
    report = Report()
    for part in parts:
        anyio.run(_PARTS[part], options, report, backend_options=BACKEND)
    report.notes.append(
        "One machine holds everything, so more orchestrators share the same processors: what the "
        "table shows is what a cluster costs, not how it grows with machines."
    )
    return report


@asynccontextmanager
async def scene_of(
    *, nodes: int = 1, orchestrators: int = 2, lease_s: float, sync: str = "2m"
) -> AsyncIterator[ClusterScene]:
    """A cluster with one gateway, in a folder that is removed when the context ends."""
    with TemporaryDirectory(prefix="constellation-bench-", ignore_cleanup_errors=True) as folder:
        scene = ClusterScene(Path(folder), nodes=nodes, lease_s=lease_s, sync=sync)
        async with scene:
            for number in range(orchestrators):
                await scene.start("orchestrator", f"o{number + 1}")
            await scene.start("gateway", "g1")
            yield scene


# ── tasks a second ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one fabric did.

    Attributes:
        tasks_per_s: of independent tasks in several constellations at once.
        step_s: from the start of a task in a chain to that of the next, the median.
    """

    tasks_per_s: float
    step_s: float


async def _throughput(options: Options, report: Report) -> None:
    count = options.size(1_000, 50)
    found: dict[str, list[Throughput]] = {}
    cases = [(1, 1, "2m"), (1, 2, "2m"), (1, 4, "2m"), (3, 2, "always")]
    for _ in range(options.times(3)):
        async with measured_fabric(devices=DEVICES) as measured:
            case = "one hub, SQLite"
            found.setdefault(case, []).append(await _run(measured.fabric, count))
        for nodes, orchestrators, sync in cases:
            case = f"{orchestrators} orchestrators, {nodes} NATS"
            case += ", synced" if sync == "always" else ""
            async with scene_of(
                nodes=nodes, orchestrators=orchestrators, lease_s=20.0, sync=sync
            ) as scene:
                for number in range(DEVICES):
                    more = ("--kind", "bench", "--skills", str(SKILLS), "--capacity", "256")
                    await scene.add_agent(f"device-{number}", *more, "--drain-timeout", "0")
                async with scene.connect() as client:
                    found.setdefault(case, []).append(await _run(Fabric(client), count))
    table = report.table("Tasks", "", "tasks/s, 4 constellations", "chain step p50 µs")
    for case, runs in found.items():
        per_s = summarise([each.tasks_per_s for each in runs])
        step = summarise([each.step_s * 1e6 for each in runs])
        table.add_row(case, str(per_s), str(step))
        report.data[case] = {"tasks_per_s": per_s.to_plain(), "step_p50_us": step.to_plain()}


async def _run(fabric: Fabric, count: int) -> Throughput:
    await _independent(fabric, 50)
    events = await _independent(fabric, count)
    released = min(event.time for event in events if event.kind == "resumed")
    ended = max(event.time for event in events if event.kind == "ended")
    work = await fabric.submit(chain(200))
    starts = [event.time async for event in work.events() if event.kind == "started"]
    step_s = quantile([later - earlier for earlier, later in pairwise(starts)], 0.5)
    return Throughput(CONSTELLATIONS * count / (ended - released), step_s)


async def _independent(fabric: Fabric, count: int) -> Sequence[Event]:
    works = [await fabric.submit(independent(count), paused=True) for _ in range(CONSTELLATIONS)]
    for work in works:
        await work.resume()
    while (await fabric.hub.ask("status"))["constellations"]:  # noqa: ASYNC110
        await anyio.sleep(POLL_S)
    return [event for work in works for event in [each async for each in work.events()]]


# ── takeover ────────────────────────────────────────────────────────────────────────────────────


async def _takeover(options: Options, report: Report) -> None:
    gaps: dict[str, list[float]] = {"killed": [], "stopped in good order": []}
    async with scene_of(lease_s=LEASE_S) as scene:
        await scene.add_agent("one", "--kind", "test", "--skills", str(LEDGER))
        async with scene.connect() as client:
            for number in range(options.times(5)):
                for how, found in gaps.items():
                    name = f"{how.split()[0]}-{number}"
                    ledger = scene.folder / name
                    edits = layered(ledger, "ledger.once", LAYERS, WIDTH, TASK_S)
                    await client.ask("submit", edits=edits, id=name)
                    found.append(await _gap(scene, client, name, kill=how == "killed"))
                    with suppress(UnknownConstellationError):
                        await client.ask("cancel", constellation=name)
    table = report.table(f"From the end of an owner to the next fact, lease {LEASE_S:g} s", "", "s")
    for how, found in gaps.items():
        summary = summarise(found)
        table.add_row(f"owner {how}", str(summary))
        report.data[f"takeover, {how}"] = {"lease_s": LEASE_S, "s": summary.to_plain()}


async def _gap(scene: ClusterScene, client: HubClient, name: str, *, kill: bool) -> float:
    """Seconds from the end of the owner of a constellation to the next fact about it."""
    seen = 0
    ended_at = 0.0
    async for event in await client.watch(name, after=0):
        if event["kind"] != "finished":
            continue
        seen += 1
        if seen == 10:
            owner = str(await scene.owner(name))
            ended_at = time.time()
            if kill:
                await scene.kill(owner)
            else:
                os.kill(scene.nodes[owner].process.pid, signal.SIGTERM)
        elif ended_at and event["time"] > ended_at + 0.2:
            await scene.start("orchestrator", owner)
            return float(event["time"]) - ended_at
    raise RuntimeError(f"{name} ended too soon")


# ── owners that stand still ─────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Stops:
    """What came of owners that stood still for longer than their lease.

    Attributes:
        stopped: how often.
        resigned: how often an owner that went on found that its lease is over.
        refused: writes of deposed owners that the log refused: their own, and one for each stop
            that is made in the owner's name, as if it had been about to write when it was stopped.
        accepted: entries of the log with a lower epoch than one before them.
        tasks, lost, repeated: of the work meanwhile.
    """

    stopped: int = 0
    resigned: int = 0
    refused: int = 0
    accepted: int = 0
    tasks: int = 0
    lost: int = 0
    repeated: int = 0


async def stop_owners(times: int) -> Stops:
    """Stop the owner of what runs beyond its lease; it goes on when another has taken over."""
    toll = Stops()
    async with scene_of(lease_s=STOP_LEASE_S) as scene:
        await scene.add_agent("one", "--kind", "test", "--skills", str(LEDGER))
        async with scene.connect() as client, connected(scene.nats.urls, "bench") as nats:
            log = Log(nats, Names(FABRIC), "bench", STOP_LEASE_S)
            number = 0
            while toll.stopped < times:
                number += 1
                name, ledger = f"run-{number}", scene.folder / f"ledger-{number}"
                edits = layered(ledger, "ledger.once", LAYERS, WIDTH, TASK_S)
                await client.ask("submit", edits=edits, id=name)
                facts = await client.follow(name)
                async with anyio.create_task_group() as tasks:
                    ended = anyio.Event()
                    tasks.start_soon(_until_ended, facts, ended)
                    while toll.stopped < times and not ended.is_set():
                        await _stop_owner(scene, log, name, toll)
                    with anyio.fail_after(60):
                        await ended.wait()
                _judge(toll, await client.show(name), ledger)
            said = [scene.nodes[each].log.read_text() for each in ("o1", "o2")]
            toll.resigned = sum(each.count("The lease of") for each in said)
            toll.refused += sum(each.count("Another orchestrator owns") for each in said)
            toll.accepted = await _stale_entries(log)
    return toll


async def _until_ended(facts: Any, ended: anyio.Event) -> None:
    async for event in facts:
        if event["kind"] == "ended":
            ended.set()


async def _stop_owner(scene: ClusterScene, log: Log, name: str, toll: Stops) -> None:
    """Stop the owner until another has taken over and written, unless the work ends before."""
    owner = await scene.owner(name)
    known = await log.last_entry(name)
    if owner is None or known is None:
        await anyio.sleep(POLL_S)
        return
    pid = scene.nodes[owner].process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with anyio.fail_after(30):
            while await scene.owner(name) == owner:  # noqa: ASYNC110
                await anyio.sleep(POLL_S)
            await anyio.sleep(10 * TASK_S)
    finally:
        os.kill(pid, signal.SIGCONT)
    toll.stopped += 1
    log.last[name] = known.seq
    try:
        await log.append(name, known.epoch, [Fact(time.time(), name, "paused", {})])
    except Deposed:
        toll.refused += 1
    # It finds out, ends this life and begins another, which may be stopped next.
    await anyio.sleep(STOP_LEASE_S)


def _judge(toll: Stops, shown: dict[str, Any], ledger: Path) -> None:
    nodes = shown["graph"]["nodes"]
    toll.tasks += len(nodes)
    toll.lost += sum(node["state"] != "completed" for node in nodes)
    toll.repeated += sum(count > 1 for count in ledger_counts(ledger).values())


async def _stale_entries(log: Log) -> int:
    """Entries of the log that were written in an epoch before that of an earlier entry."""
    highest: dict[str, int] = {}
    stale = 0
    entries = log.entries("*")
    async with aclosing(entries):
        async for entry in entries:
            known = highest.get(entry.constellation, 0)
            stale += entry.epoch < known
            highest[entry.constellation] = max(entry.epoch, known)
    return stale


async def _stops(options: Options, report: Report) -> None:
    times = int(options.extra.get("stops", options.size(100, 2)))
    toll = await stop_owners(times)
    table = report.table(
        f"Owners stopped (SIGSTOP) beyond their lease of {STOP_LEASE_S:g} s",
        "times",
        "owners that resigned",
        "stale writes refused",
        "stale writes accepted",
        "tasks",
        "lost",
        "run twice",
    )
    table.add_row(*map(str, astuple(toll)))
    report.data["stops"] = asdict(toll)


# ── sessions ────────────────────────────────────────────────────────────────────────────────────


async def _sessions(options: Options, report: Report) -> None:
    count = int(options.extra.get("most", options.size(10_000, 50)))
    allow_files(count + 1_000)
    async with scene_of(lease_s=20.0) as scene:
        nodes = {name: psutil.Process(scene.nodes[name].process.pid) for name in ("g1", "o1", "o2")}
        before = {name: node.memory_info().rss for name, node in nodes.items()}
        command = [sys.executable, "-m", "bench.session_holder", scene.url, scene.token, str(count)]
        began = time.perf_counter()
        async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE) as holder:
            assert holder.stdout is not None
            await BufferedByteReceiveStream(holder.stdout).receive_until(b"\n", 100)
            opened_s = time.perf_counter() - began
            async with scene.connect() as client:
                while (await client.ask("status"))["devices"] < count:  # noqa: ASYNC110
                    await anyio.sleep(POLL_S)
            known_s = time.perf_counter() - began
            used = {name: node.memory_info().rss - before[name] for name, node in nodes.items()}
            holder.kill()
    per = {name: size / count / 1024 for name, size in used.items()}
    orchestrator = statistics.mean((per["o1"], per["o2"]))
    table = report.table(
        "Sessions at one gateway",
        "sessions",
        "opened/s",
        "gateway, KiB each",
        "orchestrator, KiB each",
        "known to all after s",
    )
    row = (count / opened_s, per["g1"], orchestrator, known_s)
    table.add_row(f"{count:,}", *map(figure, row))
    report.data["sessions"] = {
        "count": count,
        "opened_per_s": count / opened_s,
        "gateway_kib_each": per["g1"],
        "orchestrator_kib_each": orchestrator,
        "known_s": known_s,
    }


_PARTS = {
    "throughput": _throughput,
    "takeover": _takeover,
    "stops": _stops,
    "sessions": _sessions,
}
