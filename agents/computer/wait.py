"""`wait.*` and `watch.process`: letting time pass, waiting for a file or for a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Annotated, Literal, TypeVar

import anyio
import psutil
from pydantic import Field
from typing_extensions import TypedDict

from constellation.errors import TaskFailed, TaskTimedOut

from ..context import Context
from ..roots import Roots
from ..skills import skill

# Looking is cheap and works on every file system, network ones included, where the system's own
# notifications do not tell what other machines do.
_LOOK_EVERY_S = 0.25

T = TypeVar("T")


class Waited(TypedDict):
    waited_s: Annotated[float, Field(description="How many seconds passed.")]


class Found(TypedDict):
    path: str
    exists: bool
    size_bytes: int
    waited_s: Annotated[float, Field(description="How many seconds passed.")]


class Seen(TypedDict):
    name: str
    running: bool
    waited_s: Annotated[float, Field(description="How many seconds passed.")]


@skill(
    "wait.seconds",
    effect="read",
    examples=("wait 5 seconds", "pause for 2 minutes", "sleep for half a minute"),
)
async def wait_seconds(
    context: Context, seconds: Annotated[float, Field(ge=0, le=7 * 86_400)]
) -> Waited:
    """Wait for some seconds.

    Args:
        seconds: how many.
    """
    started = anyio.current_time()
    steps = max(1, min(100, int(seconds)))
    for step in range(steps):
        context.progress(step / steps)
        await anyio.sleep_until(started + seconds * (step + 1) / steps)
    return Waited(waited_s=round(anyio.current_time() - started, 3))


@skill(
    "wait.file",
    effect="read",
    examples=("wait for the file done.flag", "wait until report.md exists"),
)
async def wait_file(
    context: Context,
    path: Annotated[str, Field(min_length=1, max_length=4096)],
    exists: bool = True,
    timeout_s: Annotated[float, Field(gt=0)] | None = None,
) -> Found:
    """Wait until a file appears, or until it is gone.

    Args:
        path: the file or folder.
        exists: true waits until it is there, false until it is gone.
        timeout_s: give up after so many seconds.
    """
    state = "appear" if exists else "go away"
    size, waited_s = await _until(
        lambda: _size(context.roots, path),
        lambda size: (size is not None) is exists,
        timeout_s,
        f"{path!r} did not {state}",
    )
    return Found(path=path, exists=exists, size_bytes=size or 0, waited_s=waited_s)


@skill(
    "watch.process",
    effect="read",
    examples=("watch until the process rsync exits", "watch until the process backup.sh exits"),
)
async def watch_process(
    name: Annotated[str, Field(min_length=1, max_length=256)],
    until: Literal["exit", "start"] = "exit",
    timeout_s: Annotated[float, Field(gt=0)] | None = None,
) -> Seen:
    """Watch until a process exits, or until it is there.

    Args:
        name: of its program or script, such as rsync or backup.sh.
        until: exit, until none of that name is there; or start, until one is.
        timeout_s: give up after so many seconds.
    """
    is_there = until == "start"
    _, waited_s = await _until(
        lambda: _runs(name), lambda runs: runs is is_there, timeout_s, f"{name!r} did not {until}"
    )
    return Seen(name=name, running=is_there, waited_s=waited_s)


async def _until(
    look: Callable[[], T], wanted: Callable[[T], bool], timeout_s: float | None, failing: str
) -> tuple[T, float]:
    """Look in a thread, again and again; return what was seen at last, and the seconds it took.

    Raises:
        TaskTimedOut: what was wanted was not seen in time.
    """
    started = anyio.current_time()
    with anyio.move_on_after(timeout_s):
        while True:
            seen = await anyio.to_thread.run_sync(look)
            if wanted(seen):
                return seen, round(anyio.current_time() - started, 3)
            await anyio.sleep(_LOOK_EVERY_S)
    raise TaskTimedOut(
        f"{failing} within {timeout_s:g} s.",
        remedy="Give it a longer timeout_s, or check its name.",
    )


def _runs(name: str) -> bool:
    """True if a program or a script of that name runs, whatever its folder."""
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        words = (process.info["cmdline"] or [])[:2]
        if name == process.info["name"] or name in [PurePath(word).name for word in words]:
            return True
    return False


def _size(roots: Roots, path: str) -> int | None:
    """The size of a file, or None if it is not there."""
    try:
        with roots.open_parent(path) as (folder, name):
            return os.lstat(name, dir_fd=folder).st_size
    except (TaskFailed, FileNotFoundError):
        return None
