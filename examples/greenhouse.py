"""A device that streams, asks and hands files over: a greenhouse with sensors and a valve.

`constellation agent --name greenhouse --kind greenhouse --skills examples/greenhouse.py --root .`
"""

from __future__ import annotations

import csv
import random
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from pydantic import Field

from agents.context import Context
from agents.skills import skill

Seconds = Annotated[float, Field(gt=0, le=3600)]


@skill("climate.watch", effect="read", examples=["watch the climate for 10 seconds"])
async def watch(seconds: Seconds = 10.0, every_s: Seconds = 1.0) -> AsyncIterator[dict[str, float]]:
    """Measure temperature and humidity for a while; each reading is sent as it is taken.

    Args:
        seconds: how long.
        every_s: seconds between readings.
    """
    for step in range(max(1, round(seconds / every_s))):
        if step:
            await anyio.sleep(every_s)
        yield {"temperature_c": random.gauss(21, 0.3), "humidity_percent": random.gauss(60, 2)}


@skill("climate.record", effect="write", examples=["record the climate as an artifact"])
def record(context: Context, readings: int = 100) -> dict[str, str | int]:
    """Record readings in a file and hand it to the fabric as an artifact."""
    with context.open("climate.csv", "w") as file:
        rows = csv.writer(file)
        for number in range(readings):
            context.progress(number / readings)
            rows.writerow([number, round(random.gauss(21, 0.3), 2)])
    digest, size = context.wait(context.put_artifact("climate.csv"))
    return {"hash": digest, "size": size}


@skill("valve.open", effect="write", capacity=1, timeout_s=60, examples=["water the tomatoes"])
async def open_valve(context: Context, litres: Annotated[float, Field(gt=0)]) -> str:
    """Water the beds; more than 20 litres need a person's word."""
    if litres > 20 and not await context.approve(f"Really {litres:g} litres?"):
        return "Nothing was watered."
    return f"{litres:g} litres were given."
