"""Running programs so that nothing of them is left behind.

Each program leads a session and process group of its own. When it ends, is canceled or runs out of
time, the whole group is told to end (SIGTERM) and after a short grace made to (SIGKILL). On Linux
the agent is also the *subreaper* of its descendants (prctl(2)): a process that left the group and
whose parent died becomes the agent's child, is known by the mark in its environment, and is ended
the same way. Only a process that left the group, lost its parent and wiped its environment escapes.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import cast
from uuid import uuid4

import psutil

from constellation.config import ENV_PREFIX
from constellation.errors import SkillError, TaskTimedOut

from .capture import Capture

GRACE_S = 2.0
# How long a pipe is read on after the program has ended: what it wrote is in the pipe by then.
DRAIN_S = 0.2
MARK = "CONSTELLATION_PROCESS"
# What systemd tells the agent alone.
_SYSTEMD = frozenset({"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"})
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use; None for no bound.

    Attributes:
        cpu_s: seconds of processor time of each of its processes.
        memory_bytes: address space of each of its processes.
        file_bytes: size of each file that it writes.
        output_bytes: how much of stdout and of stderr is kept, half from the beginning and half
            from the end; more is left out, not refused.
    """

    cpu_s: int | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None
    output_bytes: int = 128 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        exit_code: what it returned; minus the signal's number if a signal ended it.
        stdout, stderr: what it printed, the middle left out if it was too much.
        duration_s: how long it ran.
        truncated: True if something was left out.
    """

    exit_code: int
    stdout: str
    stderr: str
    duration_s: float
    truncated: bool


async def run_program(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout_s: float | None = None,
    limits: Limits | None = None,
    on_output: Callable[[str, str], None] | None = None,
) -> Ended:
    """Run a program to its end.

    Args:
        argv: the program and its arguments.
        cwd: the folder to run it in.
        env: variables to add to the agent's own.
        stdin: text for its standard input, which is closed after it.
        timeout_s: it is ended after so many seconds.
        limits: what it may use.
        on_output: called with the channel (``stdout`` or ``stderr``) and each piece of text.

    Raises:
        TaskTimedOut: ``timeout_s`` were over; details hold what it printed.
        SkillError: there is no such program, or it cannot be run.
    """
    become_subreaper()
    limits = limits or Limits()
    mark = uuid4().hex
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    try:
        transport, program = await loop.subprocess_exec(
            partial(_Program, limits.output_bytes, on_output),
            *_limited(argv, limits),
            cwd=cwd,
            env={**_own_environment(), **(env or {}), MARK: mark},
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SkillError(
            f"{argv[0]!r} cannot be run: {reason}.",
            remedy="Check its name and that it is installed on this device.",
            field="argv",
        ) from None
    try:
        program.feed(transport, stdin)
        async with asyncio.timeout(timeout_s):
            exit_code = await asyncio.shield(program.exited)
    except TimeoutError:
        raise TaskTimedOut(
            f"{argv[0]!r} was ended: it ran longer than {timeout_s:g} s.",
            remedy="Give it a longer timeout_s, or less to do.",
            **program.printed(),
        ) from None
    finally:
        remains = _Remains(transport.get_pid(), program, mark)
        leaving = asyncio.create_task(_leave_nothing(transport, program, remains))
        try:
            await asyncio.shield(leaving)
        finally:
            if leaving.cancelling():
                # Here too: a task that is canceled before it began does nothing at all.
                await _end_at_once(transport, program, remains)
    return Ended(
        exit_code=exit_code,
        **program.printed(),
        duration_s=round(time.monotonic() - started, 6),
        truncated=program.truncated,
    )


class _Program(asyncio.SubprocessProtocol):
    """Takes in what a program prints, and its end.

    asyncio's own `Process.wait` also waits for the end of the pipes, which a process that the
    program started may hold open for ever.

    Attributes:
        exited: the exit code, once it ended.
        silent: done once nobody can write to its pipes any more.
    """

    def __init__(self, limit: int, on_output: Callable[[str, str], None] | None) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.silent: asyncio.Future[None] = loop.create_future()
        self._captures = {1: Capture(limit), 2: Capture(limit)}
        self._open = set(self._captures)
        self._on_output = on_output
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio's methods, not its classes.
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._take(fd, data, last=False)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd in self._open:
            self._take(fd, b"", last=True)
            self._open.remove(fd)
        if not self._open and not self.silent.done():
            self.silent.set_result(None)

    def process_exited(self) -> None:
        code = self._transport.get_returncode() if self._transport else None
        self.exited.set_result(-1 if code is None else code)

    def feed(self, transport: asyncio.SubprocessTransport, text: str) -> None:
        """Write its standard input and close it."""
        pipe = cast(asyncio.WriteTransport | None, transport.get_pipe_transport(0))
        if pipe is not None:
            pipe.write(text.encode())
            pipe.write_eof()

    def printed(self) -> dict[str, str]:
        return {"stdout": self._captures[1].text(), "stderr": self._captures[2].text()}

    @property
    def truncated(self) -> bool:
        return any(each.truncated for each in self._captures.values())

    def _take(self, fd: int, data: bytes, *, last: bool) -> None:
        text = self._captures[fd].feed(data, last=last)
        if text and self._on_output is not None:
            self._on_output("stdout" if fd == 1 else "stderr", text)


def _own_environment() -> dict[str, str]:
    """The agent's environment without what is meant for the agent alone."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _SYSTEMD and not name.startswith(ENV_PREFIX)
    }


def _limited(argv: Sequence[str], limits: Limits) -> list[str]:
    """The command with its limits set by a shell that it then replaces: no time passes without."""
    settings = []
    if limits.cpu_s is not None:
        settings.append(f"ulimit -t {limits.cpu_s}")
    if limits.memory_bytes is not None:
        settings.append(f"ulimit -v {max(1, limits.memory_bytes // 1024)}")
    if limits.file_bytes is not None:
        # POSIX counts in blocks of 512 bytes.
        settings.append(f"ulimit -f {max(1, limits.file_bytes // 512)}")
    if not settings:
        return list(argv)
    return ["/bin/sh", "-c", " && ".join([*settings, 'exec "$@"']), "sh", *argv]


# ── leaving nothing behind ──────────────────────────────────────────────────────────────────────


@cache
def become_subreaper() -> bool:
    """Let orphaned descendants become children of this process; True where that is possible."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


async def _leave_nothing(
    transport: asyncio.SubprocessTransport, program: _Program, remains: _Remains
) -> None:
    """End what is left of a program and read what it wrote."""
    try:
        if program.exited.done():
            # What it wrote lies in the pipes; what its children still write is not waited for.
            await asyncio.wait([program.silent], timeout=DRAIN_S)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not remains.signal(number):
                break
            await remains.gone(GRACE_S)
        await asyncio.wait([program.silent], timeout=GRACE_S)
        await asyncio.wait([program.exited], timeout=GRACE_S)
        remains.reap()
    except asyncio.CancelledError:
        await _end_at_once(transport, program, remains)
        raise
    finally:
        transport.close()


async def _end_at_once(
    transport: asyncio.SubprocessTransport, program: _Program, remains: _Remains
) -> None:
    """Kill what is left of a program: the agent itself ends, and its event loop with it.

    The loop must hear of the program's end first. asyncio waits for a child on a thread of its
    own, and closing a transport waits for the same child, if its end was not heard of: whichever
    comes second finds none, and complains. So does the thread if the loop is closed by then.
    """
    remains.signal(signal.SIGKILL)
    try:
        await asyncio.wait([program.exited], timeout=GRACE_S)
        await remains.gone(GRACE_S)
    finally:
        transport.close()


class _Remains:
    """The processes of one program that are still there: its own group, and those it made."""

    def __init__(self, leader: int, program: _Program, mark: str) -> None:
        self._leader = leader
        self._program = program
        self._mark = mark
        self._groups = {leader}

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to all; True if there were any."""
        self.reap()
        self._groups |= self._strays()
        reached = [_killed(group, number) for group in self._groups]
        return any(reached)

    async def gone(self, within_s: float) -> None:
        """Wait until none is there, for a time."""
        deadline = time.monotonic() + within_s
        pause = 0.001
        while self._any() and time.monotonic() < deadline:
            # The system tells of the end of children only, and these are mostly grandchildren.
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.1)

    def reap(self) -> None:
        """Take leave of the dead that became our children; the leader is left to asyncio."""
        if not self._program.exited.done():
            return
        for group in self._groups:
            with suppress(ChildProcessError):
                while os.waitpid(-group, os.WNOHANG) != (0, 0):
                    pass

    def _any(self) -> bool:
        self.reap()
        return any(_killed(group, 0) for group in {*self._groups, *self._strays()})

    def _strays(self) -> set[int]:
        """The groups of descendants of this agent that carry the mark, or whose parent is ours."""
        groups: set[int] = set()
        ours = {self._leader}
        # Parents come before their children.
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, ProcessLookupError):
                if child.ppid() in ours or child.environ().get(MARK) == self._mark:
                    ours.add(child.pid)
                    groups.add(os.getpgid(child.pid))
        return groups


def _killed(group: int, number: int) -> bool:
    """Send a signal to a process group; False if there is none, or none that obeys this user."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
