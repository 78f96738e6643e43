"""Processes of our own commands: started, watched and stopped by whoever opened the context."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process

from constellation.config import ENV_PREFIX, Settings
from constellation.errors import HubUnreachable

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process that we started.

    Attributes:
        name: for messages.
        process: its handle.
        log: where its stderr goes.
        log_start: where in the log it began.
    """

    name: str
    process: Process
    log: Path
    log_start: int

    async def ready(self) -> None:
        """Wait for the line in which it says that it is ready; it prints nothing after it.

        Raises:
            HubUnreachable: it ended or took too long; the message quotes its log.
        """
        stdout = self.process.stdout
        with anyio.move_on_after(START_TIMEOUT_S), suppress(anyio.EndOfStream):
            if stdout is not None and await stdout.receive():
                return
        raise self.trouble("did not start")

    def trouble(self, what: str) -> HubUnreachable:
        """An error that says what happened to it, with the end of its log."""
        said = self.log.read_bytes()[self.log_start :].decode(errors="replace")
        last = said.strip().removeprefix("Error: ").splitlines()[-3:]
        reason = " ".join(last) or "it said nothing."
        return HubUnreachable(
            f"The {self.name} {what}: {reason}",
            remedy=f"Its log is {self.log}; see also `constellation doctor`.",
            log=str(self.log),
        )

    async def stop(self) -> None:
        """End it politely, then by force; a second call does nothing."""
        process = self.process
        if process.returncode is None:
            # Not its own `terminate`: that looks whether it has ended and takes its exit code away
            # from the event loop, which then complains on our stderr.
            os.kill(process.pid, signal.SIGTERM)
            with anyio.move_on_after(STOP_TIMEOUT_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
        await process.aclose()


@asynccontextmanager
async def child(name: str, arguments: Sequence[str], settings: Settings) -> AsyncIterator[Child]:
    """Run one of our commands; its stderr goes to a log named after it, its stdout to us.

    Raises:
        ConfigError: the state directory cannot be made.
    """
    path = settings.make_state_dir("logs") / f"{name}.log"
    with path.open("ab") as log:
        start = log.tell()
        process = await anyio.open_process(
            [sys.executable, "-m", "constellation.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, f"{ENV_PREFIX}STATE_DIR": str(settings.state_dir)},
            # Ctrl-C in the terminal is for us: we cancel the work first, then stop the children.
            start_new_session=True,
        )
    started = Child(name, process, path, start)
    try:
        yield started
    finally:
        with anyio.CancelScope(shield=True):
            await started.stop()
