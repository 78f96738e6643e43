"""A device that is lost while a plan runs: for a while or for good; early, halfway or late."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from typing import Literal, TypeAlias, get_args

import anyio

from constellation.fabric import Work

from .model import Device, Request
from .playing import Played, play
from .world import World

Moment: TypeAlias = Literal["start", "middle", "end"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)

AWAY_S = 0.3
# Work for a device that is gone for good waits for it; a person would cancel it some time.
PATIENCE_S = 4.0
LOST: Device = "server"


def fitting(requests: list[Request]) -> list[Request]:
    """Plans of several steps, with work for the device that is lost and for others."""
    return [
        request
        for request in requests
        if request.oracle is not None and len(request.oracle) > 1 and LOST in str(request.oracle)
    ]


async def play_with_loss(
    world: World, request: Request, moment: Moment, *, for_good: bool, stack: AsyncExitStack
) -> Played:
    """Run a request by its oracle's plan and lose the device; it is back for the next one.

    Args:
        stack: owns the agent that takes the place of the lost one.
    """
    struck = anyio.Event()

    async def strike(work: Work) -> None:
        await _until(work, moment)
        await world.kill(LOST)
        struck.set()
        if not for_good:
            await anyio.sleep(AWAY_S)
            await world.start(LOST, stack)

    played = await play(world, request, "oracle", strike, patience_s=PATIENCE_S)
    if for_good and struck.is_set():
        await world.start(LOST, stack)
    return played


async def _until(work: Work, moment: Moment) -> None:
    """Wait for the first start, for half of the ends, or for the last start but for that."""
    graph = await work.show()
    count = len(graph.nodes)
    started: set[str] = set()
    ended: set[str] = set()
    async with aclosing(work.events()) as events:
        async for event in events:
            if event.kind == "started":
                started.add(event.task or "")
            elif event.kind == "finished":
                ended.add(event.task or "")
            reached = {
                "start": bool(started),
                "middle": 2 * len(ended) >= count,
                "end": len(started) >= count or len(ended) >= count - 1,
            }
            if reached[moment]:
                return
