"""Skills that hand on what they make while they make it; `follow.yaml` joins them.

Try it: `constellation agent --skills examples/readings.py`, and `constellation run` with that file.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator

from agents.skills import skill


@skill("sensor.measure", effect="read")
async def measure(count: int = 100, every_s: float = 0.1) -> AsyncIterator[float]:
    """Read the thermometer now and then; each value is an item for whoever reads along."""
    for number in range(count):
        await asyncio.sleep(every_s)
        yield round(20 + 5 * math.sin(number / 10), 3)


@skill("readings.smooth", effect="read")
async def smooth(readings: AsyncIterator[float], over: int = 8) -> AsyncIterator[float]:
    """Give the mean of the last few readings for each that comes.

    Args:
        readings: of a sensor; a list, or what another task puts out.
        over: how many.
    """
    last: deque[float] = deque(maxlen=over)
    async for reading in readings:
        last.append(reading)
        yield round(sum(last) / len(last), 3)


@skill("readings.highest", effect="read")
async def highest(readings: AsyncIterator[float]) -> dict[str, float]:
    """Tell the highest of all readings."""
    top, count = -math.inf, 0
    async for reading in readings:
        top, count = max(top, reading), count + 1
    return {"highest": top, "readings": count}
