"""How states look: a symbol and a colour each, so that neither has to be told apart alone.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which people with any kind
of colour vision can tell apart.
"""

from __future__ import annotations

from rich.text import Text

from constellation.graph.node import Node
from constellation.telling.text import clean, duration

ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#2bb08a", "#f0e442"
VERMILION, PURPLE, GREY = "#e8743b", "#cc79a7", "#8a93a3"

SYMBOLS = {
    "submitted": "○",
    "working": "◐",
    "input-required": "?",
    "completed": "✓",
    "failed": "✗",
    "rejected": "⊘",
    "canceled": "–",
    "paused": "‖",
}
COLOURS = {
    "submitted": GREY,
    "working": SKY,
    "input-required": YELLOW,
    "completed": GREEN,
    "failed": VERMILION,
    "rejected": VERMILION,
    "canceled": PURPLE,
    "paused": ORANGE,
}
PRESENCES = {
    "connected": ("●", GREEN),
    "draining": ("◑", ORANGE),
    "quarantined": ("▲", VERMILION),
    "detached": ("◌", ORANGE),
    "lost": ("✗", GREY),
    "revoked": ("⊘", GREY),
}


INK = "#0e121b"
# Yellow can be read as a ground on any theme, but not as a letter on a light one.
ASKING = f"bold {INK} on {YELLOW}"


def style_of(state: str) -> str:
    """The style of a state's symbol."""
    return ASKING if state == "input-required" else COLOURS[state]


def symbol(state: str) -> Text:
    """The symbol of a state, in its colour."""
    return Text(SYMBOLS[state], style_of(state))


def named(state: str) -> Text:
    """The symbol and the word."""
    return Text(f"{SYMBOLS[state]} {state}", style_of(state))


def presence(word: str) -> Text:
    """How a device stands, as a symbol and the word."""
    sign, colour = PRESENCES[word]
    return Text(f"{sign} {word}", colour)


def meter(share: float, width: int, colour: str = SKY) -> Text:
    """A bar that is full to a share from 0 to 1, in steps of an eighth of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    bar = "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text.assemble((bar, colour), ("·" * (width - len(bar)), GREY))


def label(node: Node) -> str:
    """What a task is called."""
    return clean(node.task.name or node.id)


def place(node: Node) -> str:
    """Where a task runs or ran, or the device that it must run on."""
    return node.device or node.task.requirement.device or ""


def took(node: Node, now: float) -> str:
    """How long a task has run, or ran; empty before it starts."""
    if node.started_at is None:
        return ""
    end = now if node.finished_at is None else node.finished_at
    return duration(end - node.started_at)
