"""Skills for the tests of the agent's process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anyio

from agents.context import Context
from agents.skills import skill


@skill("mark", effect="write", idempotent=False)
async def mark(file: str, seconds: float = 0.0) -> int:
    """Add a line to a file, then wait."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, b"ran\n")
    os.close(descriptor)
    await anyio.sleep(seconds)
    return len(Path(file).read_text().splitlines())


@skill("deaf", effect="read")
def deaf(context: Context) -> None:
    """Never end, whatever anybody says."""
    context.progress(message="deaf")
    threading.Event().wait()
