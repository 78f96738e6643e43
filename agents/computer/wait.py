"""`wait.*`: letting time pass, or waiting for a file."""

from __future__ import annotations

import os
from typing import Annotated

import anyio
from pydantic import Field
from typing_extensions import TypedDict

from constellation.errors import TaskFailed, TaskTimedOut

from ..context import Context
from ..roots import Roots
from ..skills import skill

# Looking is cheap and works on every file system, network ones included, where the system's own
# notifications do not tell what other machines do.
_LOOK_EVERY_S = 0.25


class Waited(TypedDict):
    waited_s: Annotated[float, Field(description="How many seconds passed.")]


class Found(TypedDict):
    path: str
    exists: bool
    size_bytes: int
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
    started = anyio.current_time()
    with anyio.move_on_after(timeout_s):
        while True:
            size = _size(context.roots, path)
            if (size is not None) is exists:
                waited = round(anyio.current_time() - started, 3)
                return Found(path=path, exists=exists, size_bytes=size or 0, waited_s=waited)
            await anyio.sleep(_LOOK_EVERY_S)
    state = "appear" if exists else "go away"
    raise TaskTimedOut(
        f"{path!r} did not {state} within {timeout_s:g} s.",
        remedy="Give it a longer timeout_s, or check the path.",
        path=path,
    )


def _size(roots: Roots, path: str) -> int | None:
    """The size of a file, or None if it is not there."""
    try:
        with roots.open_parent(path) as (folder, name):
            return os.lstat(name, dir_fd=folder).st_size
    except (TaskFailed, FileNotFoundError):
        return None
