"""The skill of the devices that are measured: it does nothing."""

from __future__ import annotations

from agents.skills import skill


@skill("noop", effect="read")
async def noop() -> None:
    """Do nothing."""
