"""Devices inside the bench's own process, so that the bench sees when things reach them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup

from constellation.aip.backoff import Backoff
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.messages import Message

NOOP = SkillCard(name="noop", effect="read", idempotent=True)


class NoopDevice:
    """Completes whatever it is given, at once.

    Attributes:
        link: its session.
        slept_s: how long it has waited before dialing again, in all.
        assigned_at: when the first assignment came since `expect`, as `time.perf_counter` tells.
    """

    link: Link

    def __init__(self) -> None:
        self.slept_s = 0.0
        self.assigned_at = 0.0
        self._assigned = anyio.Event()

    def expect(self) -> None:
        """Look out for the next assignment."""
        self._assigned = anyio.Event()

    async def assigned(self) -> float:
        """Wait for the assignment that `expect` looks out for; when it came."""
        await self._assigned.wait()
        return self.assigned_at

    def take(self, messages: Sequence[Message]) -> None:
        """What the link calls."""
        for message in messages:
            if message.type == "assign":
                if not self._assigned.is_set():
                    self.assigned_at = time.perf_counter()
                    self._assigned.set()
                result = {"attempt": message.body["attempt"], "state": "completed"}
                self.link.send("result", result)
        self.link.acknowledge(messages[-1].seq)

    async def sleep(self, seconds: float) -> None:
        """What the link waits with."""
        began = time.perf_counter()
        await anyio.sleep(seconds)
        self.slept_s += time.perf_counter() - began


@asynccontextmanager
async def noop_device(
    hub: tuple[str, str],
    name: str,
    *,
    capacity: int = 256,
    backoff: Backoff | None = None,
    on_open: Callable[[bool, Sequence[Message]], None] = lambda resumed, lost: None,
) -> AsyncIterator[NoopDevice]:
    """Connect a device to a hub, given as address and token, for as long as the context is open."""
    device = NoopDevice()
    async with connect(
        hub[0],
        role="device",
        name=name,
        card=DeviceCard(name=name, kind="bench", skills=(NOOP,), capacity=capacity),
        credential=hub[1],
        on_messages=device.take,
        on_open=on_open,
        heartbeat=Heartbeat(interval_s=0.1),
        backoff=backoff,
        sleep=device.sleep,
        give_up=False,
    ) as device.link:
        yield device


class TimedDevice:
    """A device on which each task takes a stated time, and then has a stated outcome.

    Args:
        tasks: run what it is given.
        task_s: how long a task takes.
        outcome: what its result says besides the attempt, from the arguments of the task.
    """

    link: Link

    def __init__(
        self,
        tasks: TaskGroup,
        task_s: float,
        outcome: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        self._tasks = tasks
        self._task_s = task_s
        self._outcome = outcome

    def take(self, messages: Sequence[Message]) -> None:
        """What the link calls."""
        for message in messages:
            if message.type == "assign":
                self._tasks.start_soon(self._work, message.body)
        self.link.acknowledge(messages[-1].seq)

    async def _work(self, body: Mapping[str, Any]) -> None:
        await anyio.sleep(self._task_s)
        self.link.send("result", {"attempt": body["attempt"], **self._outcome(body["arguments"])})


@asynccontextmanager
async def timed_device(
    hub: tuple[str, str],
    card: DeviceCard,
    task_s: float,
    outcome: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> AsyncIterator[TimedDevice]:
    """Connect such a device; what it still runs at the end of the context is let go."""
    async with anyio.create_task_group() as tasks:
        device = TimedDevice(tasks, task_s, outcome)
        async with connect(
            hub[0],
            role="device",
            name=card.name,
            card=card,
            credential=hub[1],
            on_messages=device.take,
        ) as device.link:
            await device.link.ready()
            yield device
            tasks.cancel_scope.cancel()
