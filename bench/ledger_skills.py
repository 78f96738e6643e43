"""Skills that leave a trace of each time they really ran: one line for each, appended at once."""

from __future__ import annotations

import os

import anyio

from agents.skills import skill


def _append(ledger: str, line: str) -> None:
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@skill("ledger.once", effect="write", idempotent=False)
async def once(ledger: str, name: str, seconds: float) -> dict[str, str]:
    """Write a name into the ledger; must not be repeated."""
    _append(ledger, name)
    await anyio.sleep(seconds)
    return {"name": name}


@skill("ledger.any", effect="read", idempotent=True)
async def any_number(ledger: str, name: str, seconds: float) -> dict[str, str]:
    """Write a name into the ledger; may be repeated."""
    _append(ledger, name)
    await anyio.sleep(seconds)
    return {"name": name}


@skill("ledger.alone", effect="write", idempotent=False)
async def alone(ledger: str, name: str, seconds: float) -> dict[str, str]:
    """Write into the ledger when it begins and when it ends; must not be repeated."""
    _append(ledger, f"begin {name}")
    await anyio.sleep(seconds)
    _append(ledger, f"end {name}")
    return {"name": name}
