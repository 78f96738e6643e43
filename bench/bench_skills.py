"""The skills of the devices that are measured."""

from __future__ import annotations

import asyncio

from agents.skills import skill


@skill("noop", effect="read")
async def noop() -> None:
    """Do nothing."""


@skill("hold", effect="read")
async def hold() -> None:
    """Never end."""
    await asyncio.Event().wait()
