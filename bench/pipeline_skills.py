"""Stages of a pipeline, which say when they put out and took each item."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from agents.context import Context
from agents.skills import skill


@skill("pipeline.source", effect="read")
async def source(context: Context, count: int, each_s: float) -> list[float]:
    """Put out items; the result is when each had been put out."""
    times = []
    for _ in range(count):
        await asyncio.sleep(each_s)
        await context.emit(time.monotonic())
        times.append(time.monotonic())
    return times


@skill("pipeline.stage", effect="read")
async def stage(items: AsyncIterator[Any], context: Context, each_s: float) -> list[float]:
    """Work on each item; the result is when each was taken."""
    times = []
    async for item in items:
        times.append(time.monotonic())
        if each_s:
            await asyncio.sleep(each_s)
        await context.emit(item)
    return times
