"""Many sessions on one hub: memory, heartbeats, latency beside them, all of them reconnecting."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from subprocess import PIPE

import anyio
import psutil
from anyio.streams.buffered import BufferedByteReceiveStream

from constellation.client import find_hub, open_hub
from constellation.config import Settings
from constellation.fabric import Fabric

from .echo import BACKEND
from .fabric import bench_settings, cpu_s, device_process, hub_process
from .harness import Options, Report, figure, quantile
from .workloads import chain

COUNTS = (10, 100, 1_000, 10_000)
WATCH_S = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """What so many sessions cost.

    Attributes:
        opened_per_s: sessions opened.
        bytes_each: the hub's memory for each.
        cpu_share: of one core, for the heartbeats of all while nothing happens.
        step_s: of a chain of tasks beside them, the median, seconds.
        storm_s: from the cut of all links until all sessions are resumed, seconds.
    """

    opened_per_s: float
    bytes_each: float
    cpu_share: float
    step_s: float
    storm_s: float


def run(options: Options) -> Report:
    """Measure; ``--set most=1000`` stops at so many sessions."""
    most = int(options.extra.get("most", 100 if options.quick else COUNTS[-1]))
    allow_files(most + 1_000)
    return anyio.run(_measure, options, most, backend_options=BACKEND)


def allow_files(count: int) -> None:
    """Let this process and its children have so many open files, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _measure(options: Options, most: int) -> Report:
    report = Report()
    table = report.table(
        "Sessions on one hub",
        "idle sessions",
        "opened/s",
        "hub memory each",
        "heartbeats, % of a core",
        "chain step p50 µs",
        "all cut and resumed, s",
    )
    for count in (each for each in COUNTS if each <= most):
        found = await _with_sessions(count, 2.0 if options.quick else WATCH_S)
        table.add_row(
            f"{count:,}",
            figure(found.opened_per_s),
            f"{figure(found.bytes_each / 1024)} KiB",
            figure(found.cpu_share * 100),
            figure(found.step_s * 1e6),
            figure(found.storm_s),
        )
        report.data[str(count)] = {
            "opened_per_s": found.opened_per_s,
            "bytes_each": found.bytes_each,
            "heartbeat_cpu_share": found.cpu_share,
            "chain_step_p50_us": found.step_s * 1e6,
            "storm_s": found.storm_s,
        }
    report.notes += [
        "Sessions are those of devices, each with a card; the process that holds them shares the "
        "machine with the hub, and costs more than it.",
        "A link that was cut dials again after a random time of up to 100 ms, doubled each time.",
    ]
    return report


async def _with_sessions(count: int, watch_s: float) -> Found:
    with bench_settings() as settings:
        async with hub_process(settings) as hub, device_process(settings, "worker"):
            process = psutil.Process(hub.process.pid)
            url, token = find_hub(settings)
            await _step_s(settings)
            before = process.memory_info().rss
            began = time.perf_counter()
            async with _holder(url, token, count) as holder:
                opened_s = time.perf_counter() - began
                used = process.memory_info().rss - before
                idle_s = cpu_s(process)
                await anyio.sleep(watch_s)
                idle_s = cpu_s(process) - idle_s
                step_s = await _step_s(settings)
                began = time.perf_counter()
                await holder.cut_and_resumed()
                storm_s = time.perf_counter() - began
    return Found(count / opened_s, used / count, idle_s / watch_s, step_s, storm_s)


async def _step_s(settings: Settings) -> float:
    """The median time from the start of a task in a chain to that of the next."""
    async with open_hub(settings, name="bench") as client:
        work = await Fabric(client).submit(chain(300))
        events = [event async for event in work.events()]
    starts = [event.time for event in events if event.kind == "started"]
    return quantile([later - earlier for earlier, later in pairwise(starts)], 0.5)


class _Holder:
    """The process that holds the sessions."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdout is not None
        self._process = process
        self._said = BufferedByteReceiveStream(process.stdout)

    async def line(self) -> None:
        await self._said.receive_until(b"\n", 100)

    async def cut_and_resumed(self) -> None:
        """Cut all links at once and wait until all sessions are resumed."""
        assert self._process.stdin is not None
        await self._process.stdin.send(b"\n")
        await self.line()


@asynccontextmanager
async def _holder(url: str, token: str, count: int) -> AsyncIterator[_Holder]:
    command = [sys.executable, "-m", "bench.session_holder", url, token, str(count)]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        holder = _Holder(process)
        await holder.line()
        try:
            yield holder
        finally:
            process.kill()
