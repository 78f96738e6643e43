"""`notify.send`: a message to the person at the device."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ..context import Context
from ..skills import skill
from .processes import run_program

_TIMEOUT_S = 10.0


class Notified(TypedDict):
    message: str
    via: Annotated[
        Literal["desktop", "terminal"],
        Field(description="desktop: a notification was shown; terminal: a line was printed."),
    ]


@skill(
    "notify.send",
    effect="write",
    examples=(
        "notify me that the backup is done",
        "send a notification saying 'lunch'",
        "tell me when it is finished",
        "alert me",
    ),
)
async def send(
    context: Context,
    message: Annotated[str, Field(min_length=1, max_length=2000)],
    title: str = "Constellation",
) -> Notified:
    """Show a notification to the person at this device.

    Args:
        message: what to say.
        title: the heading.
    """
    command = _desktop(title, message)
    if command is not None:
        ended = await run_program(command, cwd=os.sep, timeout_s=_TIMEOUT_S)
        if ended.exit_code == 0:
            return Notified(message=message, via="desktop")
    line = "".join(each if each.isprintable() else " " for each in f"{title}: {message}")
    sys.stderr.write(f"{line}\n")
    context.output(message, "notification")
    return Notified(message=message, via="terminal")


def _desktop(title: str, message: str) -> list[str] | None:
    """The program that shows a notification here, or None."""
    if shutil.which("notify-send") and os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return ["notify-send", "--", title, message]
    if shutil.which("osascript"):
        script = "on run {what, head}\ndisplay notification what with title head\nend run"
        return ["osascript", "-e", script, message, title]
    return None
