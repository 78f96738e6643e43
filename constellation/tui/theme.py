"""Two themes of our own, beside those of Textual."""

from __future__ import annotations

from textual.theme import Theme

from .look import GREEN, ORANGE, SKY, VERMILION

NIGHT = Theme(
    name="constellation-night",
    primary="#7aa2f7",
    secondary=SKY,
    accent="#c3a6ff",
    warning=ORANGE,
    error=VERMILION,
    success=GREEN,
    foreground="#c8d0e0",
    background="#10141f",
    surface="#151b2a",
    panel="#1c2437",
    dark=True,
)
DAY = Theme(
    name="constellation-day",
    primary="#2f5fc4",
    secondary="#1f7fb5",
    accent="#7a4fc0",
    warning="#9a6700",
    error="#b8431a",
    success="#0f7a5a",
    foreground="#1c2333",
    background="#f6f7fb",
    surface="#eceff6",
    panel="#dfe4ef",
    dark=False,
)
