"""A torch.distributed job on 2 and 4 devices as one task, with a member killed on the way.

Needs torch in some interpreter: ``--set python=FILE`` names it, else this one is tried. It stays
out of `make bench` and of the tests, for its size; those add up numbers over sockets instead.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import anyio

from constellation.cli.processes import Child, child
from constellation.client import open_hub
from constellation.errors import ConfigError
from constellation.fabric import Fabric, Work
from constellation.graph.edits import AddTask
from constellation.graph.task import RetryPolicy, Task

from .echo import BACKEND
from .fabric import bench_settings, hub_process
from .harness import Options, Report, figure

SKILLS = Path(__file__).with_name("gang_skills.py")
GRACE_S = 0.5
# The slope of the line that the job fits; its noise moves the fit by less than the tolerance.
WANTED, TOLERANCE = 3.0, 0.1


def run(options: Options) -> Report:
    """Measure."""
    python = options.extra.get("python", sys.executable)
    if subprocess.run([python, "-c", "import torch.distributed"], capture_output=True).returncode:
        raise ConfigError(
            f"{python} has no torch.", remedy="pip install torch there, or --set python=FILE."
        )
    return anyio.run(_measure, options, python, backend_options=BACKEND)


async def _measure(options: Options, python: str) -> Report:
    report = Report()
    table = report.table("A gang of torch.distributed (gloo)", "", "s", "attempts", "all agree on")
    for size in (2, 4):
        for kill in (False, True):
            name = f"{size} ranks{', a member killed' if kill else ''}"
            took: list[float] = []
            attempts, fitted = 0, [0.0]
            for _ in range(options.times(3)):
                seconds, attempts, fitted = await _job(size, python, kill=kill)
                took.append(seconds)
            table.add_row(name, figure(median(took)), str(attempts), str(fitted[0]))
            agree = len(set(fitted)) == 1 and abs(fitted[0] - WANTED) < TOLERANCE
            report.data[name] = {
                "seconds": median(took),
                "attempts": attempts,
                "weights": fitted,
                "right": agree and attempts == 1 + kill,
            }
    report.notes.append(
        f"The agent of the last rank is killed once all have begun; the hub gives it {GRACE_S:g} "
        "s, then all ranks begin anew, one of them on a device that was idle."
    )
    return report


async def _job(size: int, python: str, *, kill: bool) -> tuple[float, int, list[float]]:
    """Seconds, how many attempts it took, and what each rank says."""
    async with AsyncExitStack() as stack:
        settings = stack.enter_context(bench_settings(grace_s=GRACE_S))
        await stack.enter_async_context(hub_process(settings))
        client = await stack.enter_async_context(open_hub(settings, name="bench"))
        agents: dict[str, Child] = {}
        for number in range(size + 1):
            name = f"device-{number}"
            work = ["agent", "--name", name, "--kind", "bench", "--skills", str(SKILLS)]
            agent = child(name, [*work, "--drain-timeout", "0"], settings)
            agents[name] = await stack.enter_async_context(agent)
            await agents[name].ready()
        arguments = {"python": python, "steps": 100}
        retry = RetryPolicy(attempts=3, backoff_s=0.1)
        task = Task("train", "gang.torch", arguments, gang=size, retry=retry)
        began = time.perf_counter()
        job = await Fabric(client).submit([AddTask(task)], name="train together")
        if kill:
            victim = agents[await _device_of_last(job, size)]
            victim.process.kill()
            await victim.process.wait()
        nodes = (await job.ended()).constellation.nodes
        seconds = time.perf_counter() - began
        if nodes["train"].output is None:
            raise ConfigError(f"The job failed: {nodes['train'].error}")
        return seconds, nodes["train[0]"].attempt, list(nodes["train"].output)


async def _device_of_last(job: Work, size: int) -> str:
    """Where the last rank runs, once all have begun."""
    begun: dict[str, str] = {}
    async for event in job.events():
        if event.kind == "accept":
            begun.update(dict.fromkeys(event.body["attempts"], event.body["device"]))
            if len(begun) == size:
                break
    return next(device for attempt, device in begun.items() if f"[{size - 1}]" in attempt)
