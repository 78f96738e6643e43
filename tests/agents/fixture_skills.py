"""Skills for the tests of the agent's process."""

from __future__ import annotations

import threading

import anyio

from agents.context import Context
from agents.skills import skill


@skill("mark", effect="write", idempotent=False)
async def mark(context: Context, file: str, seconds: float = 0.0) -> int:
    """Add a line to a file, then wait; return how many lines it has."""
    async with await anyio.open_file(file, "a") as ledger:
        await ledger.write("ran\n")
        length = await ledger.tell()
    context.progress(message="marked")
    await anyio.sleep(seconds)
    return length // len("ran\n")


@skill("deaf", effect="read")
def deaf(context: Context) -> None:
    """Never end, whatever anybody says."""
    context.progress(message="deaf")
    threading.Event().wait()
