"""What accidents cost: a device killed, a link cut, the hub killed, a running task canceled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from urllib.parse import urlsplit

import anyio
import psutil

from constellation.aip.backoff import Backoff
from constellation.aip.messages import Message
from constellation.client import find_hub, open_hub
from constellation.config import Settings
from constellation.fabric import Fabric
from constellation.graph.edits import AddTask
from constellation.graph.task import Requirement, Task
from constellation.testing.proxy import tcp_proxy

from .devices import noop_device
from .echo import BACKEND
from .fabric import bench_settings, device_process, hub_process, measured_fabric, until
from .harness import Options, Report, figure, quantile
from .workloads import independent

GRACE_S = 0.5
MS = 1e3
POLICY = '[skills]\n"shell.run" = "allow"\n'


def run(options: Options) -> Report:
    """Measure each accident by itself."""
    return anyio.run(_measure, options, backend_options=BACKEND)


async def _measure(options: Options) -> Report:
    report = Report()
    table = report.table("Recovery, milliseconds", "", "n", "p50", "p95", "most", "aim")

    def tell(key: str, what: str, found_s: Sequence[float], aim: str) -> None:
        found = [each * MS for each in found_s]
        p50, p95, most = quantile(found, 0.5), quantile(found, 0.95), max(found)
        table.add_row(what, str(len(found)), *map(figure, (p50, p95, most)), aim)
        report.data[key] = {"n": len(found), "p50_ms": p50, "p95_ms": p95, "max_ms": most}

    times = options.times(20)
    moved = await _kill_devices(times)
    tell("device_killed", "device killed, beyond the grace time", moved, "100 at p95")
    resumed, rtt_s = await _cut_links(5 * times)
    tell("link_cut", "link cut, beyond the backoff", resumed, f"{figure(2 * rtt_s * MS)} (2 trips)")
    report.data["link_cut"]["rtt_ms"] = rtt_s * MS
    canceled = await _cancel_commands(times)
    tell("cancel", "cancel until the process is gone", canceled, "100 at p95")
    for events in (1_000, 10_000, 100_000) if not options.quick else (1_000,):
        starts = [await _restart_hub(events) for _ in range(options.times(3))]
        what = f"hub killed, {events:,} events: first assignment"
        tell(f"hub_killed_{events}", what, starts, "")
    report.notes += [
        f"A device that dies keeps its tasks for the grace time, {figure(GRACE_S * MS)} ms here "
        "and 60 s by default; what is told is what follows it.",
        "A link that was cut waits a random time up to a bound that doubles, 100 ms at first.",
        "The hub's restart counts from the start of its process, the interpreter's own included.",
    ]
    return report


# ── a device is killed ──────────────────────────────────────────────────────────────────────────


async def _kill_devices(times: int) -> list[float]:
    """Seconds from SIGKILL until the task runs elsewhere, less the grace time."""
    with bench_settings(grace_s=GRACE_S) as settings:
        async with hub_process(settings), open_hub(settings, name="bench") as client:
            return [await _kill_device(settings, Fabric(client), each) for each in range(times)]


async def _kill_device(settings: Settings, fabric: Fabric, number: int) -> float:
    # New names each time: devices that only ever die are quarantined in the end.
    names = f"one-{number}", f"two-{number}"
    async with AsyncExitStack() as stack:
        devices = {
            name: await stack.enter_async_context(device_process(settings, name)) for name in names
        }
        work = await fabric.submit([AddTask(Task("hold", skill="hold"))])
        async with aclosing(work.events()) as events:
            # What was accepted before we watched is not told; that it was started is.
            first = await anext(event async for event in events if event.kind == "started")
            os.kill(devices.pop(first.body["device"]).process.pid, signal.SIGKILL)
            began = time.perf_counter()
            async for event in events:
                if event.kind == "accept" and event.body["device"] in devices:
                    break
            took = time.perf_counter() - began
        await work.cancel()
        await work.ended()
        return took - GRACE_S


# ── a link is cut ───────────────────────────────────────────────────────────────────────────────


async def _cut_links(times: int) -> tuple[list[float], float]:
    """Seconds from the cut until the session is resumed, less the backoff; and a round trip."""
    found: list[float] = []
    resumed = anyio.Event()

    def opened(is_resumed: bool, lost: Sequence[Message]) -> None:
        if is_resumed:
            resumed.set()

    async with AsyncExitStack() as stack:
        measured = await stack.enter_async_context(measured_fabric(devices=0))
        hub_url, token = find_hub(measured.settings)
        port = urlsplit(hub_url).port or 0
        proxy = await stack.enter_async_context(tcp_proxy("127.0.0.1", port))
        way = f"ws://127.0.0.1:{proxy.port}/aip", token
        device = await stack.enter_async_context(noop_device(way, "cut", on_open=opened))
        await device.link.ready()
        for _ in range(times):
            resumed, slept_s = anyio.Event(), device.slept_s
            began = time.perf_counter()
            proxy.cut()
            await resumed.wait()
            found.append(time.perf_counter() - began - (device.slept_s - slept_s))
        await until(lambda: device.link.rtt_s > 0)
        return found, device.link.rtt_s


# ── the hub is killed ───────────────────────────────────────────────────────────────────────────


async def _restart_hub(events: int) -> float:
    """Seconds from the start of a hub's process to its first assignment, after so many facts."""
    with bench_settings() as settings:
        async with hub_process(settings) as hub:
            address = find_hub(settings)
            async with open_hub(settings, name="bench") as client:
                await _fill_journal(Fabric(client), address, events)
            os.kill(hub.process.pid, signal.SIGKILL)
        steady = Backoff(lambda: 1.0, first_s=0.005, most_s=0.005)
        async with noop_device(address, "late", backoff=steady) as device:
            began = time.perf_counter()
            async with hub_process(settings, urlsplit(address[0]).port or 0):
                return await device.assigned() - began


async def _fill_journal(fabric: Fabric, address: tuple[str, str], events: int) -> None:
    """Run tasks, which leave two facts each, and leave one that waits for a device."""
    late = AddTask(Task("late", skill="noop", requirement=Requirement(device="late")))
    async with noop_device(address, "early", capacity=512) as device:
        await device.link.ready()
        work = await fabric.submit([late])
        for start in range(0, events // 2, 5_000):
            count = min(5_000, events // 2 - start)
            await work.edit(*independent(count, prefix=f"{start}-"))
        while await _completed(fabric) < events // 2:  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def _completed(fabric: Fabric) -> int:
    (only,) = await fabric.constellations()
    return int(only["counts"].get("completed", 0))


# ── a running task is canceled ──────────────────────────────────────────────────────────────────


async def _cancel_commands(times: int) -> list[float]:
    """Seconds from the request to cancel until the command's process is gone."""
    with bench_settings() as settings:
        policy = settings.state_dir / "policy.toml"
        policy.write_text(POLICY)
        more = f"--kind computer --policy {policy} --root {settings.state_dir}".split()
        async with (
            hub_process(settings),
            open_hub(settings, name="bench") as client,
            device_process(settings, "desk", *more),
        ):
            fabric = Fabric(client)
            return [await _cancel_command(settings, fabric, n) for n in range(times)]


async def _cancel_command(settings: Settings, fabric: Fabric, number: int) -> float:
    marked = settings.state_dir / f"{number}.pid"
    command = f"echo $$ > {marked.name}; exec sleep 1000"
    task = Task("sleep", skill="shell.run", arguments={"command": command})
    work = await fabric.submit([AddTask(task)])
    await until(lambda: marked.exists() and marked.read_text().strip() != "")
    pid = int(marked.read_text())
    began = time.perf_counter()
    await work.cancel()
    await until(lambda: not psutil.pid_exists(pid), look_every_s=0.0005)
    return time.perf_counter() - began
