"""How late the control loop of a robot is that serves a hub, while the hub is as busy as it can be.

Hub, robot and another device are processes of their own; the tasks that keep the hub busy are for
the other device. The robot is driven by its skill, and so its progress passes through the hub too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import Process

from bench.fabric import measured_fabric
from bench.workloads import independent
from constellation import AddTask, Requirement, Task
from constellation.config import ENV_PREFIX, Settings
from constellation.fabric import Fabric

from .clocked import NAME

_TASKS = 2_000
_WARM_UP_S = 1.0


def lateness_on_a_hub(rate_hz: float, seconds: float, *, busy: bool) -> tuple[list[float], float]:
    """How late each of the last control steps was, in seconds; tasks a second of the hub.

    Args:
        busy: as many tasks as it can take go through the hub meanwhile; none otherwise.
    """
    return anyio.run(_measured, rate_hz, seconds, busy)


async def _measured(rate_hz: float, seconds: float, busy: bool) -> tuple[list[float], float]:
    done = 0

    async def load(fabric: Fabric) -> None:
        nonlocal done
        while True:
            work = await fabric.submit(independent(_TASKS))
            await work.result()
            done += _TASKS

    async with measured_fabric(devices=1) as measured, _robot(rate_hz, measured.settings) as robot:
        motion = Task(
            "play",
            skill="robot.hit",
            arguments={"seconds": 3600},
            requirement=Requirement(device=NAME),
        )
        await measured.fabric.submit([AddTask(motion)])
        async with anyio.create_task_group() as group:
            if busy:
                group.start_soon(load, measured.fabric)
            await anyio.sleep(_WARM_UP_S + seconds)
            late = await _told(robot)
            group.cancel_scope.cancel()
    # Leave out what it did before it was driven, and how it came to rest.
    return late[-round(seconds * rate_hz) :], done / (_WARM_UP_S + seconds)


@asynccontextmanager
async def _robot(rate_hz: float, settings: Settings) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "bench.robot.clocked", str(rate_hz)]
    environment = {**os.environ, f"{ENV_PREFIX}STATE_DIR": str(settings.state_dir)}
    process = await anyio.open_process(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        await process.stdout.receive()
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            _signal(process, signal.SIGKILL)
            await process.aclose()


async def _told(robot: Process) -> list[float]:
    _signal(robot, signal.SIGTERM)
    assert robot.stdout is not None
    text = b"".join([part async for part in robot.stdout])
    await robot.wait()
    late: list[float] = json.loads(text)
    return late


def _signal(process: Process, number: signal.Signals) -> None:
    """Signals a process that has not ended.

    Its own methods look whether it has ended, and then take its exit code away from the event loop,
    which complains of an unknown child.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
