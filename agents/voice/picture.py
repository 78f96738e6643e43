"""A conversation as a picture (SVG): both voices over time, and what happened when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from .sound import RATE_HZ, Samples
from .timeline import Entry

_PIXELS_PER_S = 60
_LANE = 60
_MARGIN = 70
_TOP = 30
_ROWS = 5
_ROW = 16
_HOP = RATE_HZ // 50
_COLOURS = {
    "ducked": "#b80",
    "restored": "#b80",
    "paused": "#c40",
    "resumed": "#c40",
    "stopped": "#c00",
    "turn ended": "#06c",
    "first audio": "#080",
}


def svg(entries: Sequence[Entry], heard: NDArray[np.float32]) -> str:
    """Draw (n, 2) samples, the microphone and what the person heard, and marks for the entries."""
    width = _MARGIN * 2 + len(heard) * _PIXELS_PER_S // RATE_HZ
    marks_top = _TOP + 2 * _LANE + 20
    height = marks_top + _ROWS * _ROW + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_axis(len(heard) / RATE_HZ, marks_top),
        *_lane("person", heard[:, 0], _TOP + _LANE // 2, "#06c"),
        *_lane("agent", heard[:, 1], _TOP + _LANE + _LANE // 2, "#080"),
        *_marks(entries, marks_top),
        "</svg>",
    ]
    return "\n".join(parts)


def _axis(seconds: float, bottom: int) -> Iterable[str]:
    for second in range(int(seconds) + 1):
        x = _x(second)
        yield f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{_TOP - 8}" text-anchor="middle" fill="#555">{second} s</text>'


def _lane(name: str, sound: Samples, middle: int, colour: str) -> Iterable[str]:
    yield f'<text x="8" y="{middle + 4}">{name}</text>'
    hops = sound[: len(sound) // _HOP * _HOP].reshape(-1, _HOP)
    peaks = np.abs(hops).max(axis=1, initial=0.0) * _LANE * 0.48
    upper = [f"{_x(n / 50):.1f},{middle - peak:.1f}" for n, peak in enumerate(peaks)]
    lower = [f"{_x(n / 50):.1f},{middle + peak:.1f}" for n, peak in enumerate(peaks)]
    yield f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="{colour}"/>'


def _marks(entries: Sequence[Entry], top: int) -> Iterable[str]:
    shown = [entry for entry in entries if entry.what in _COLOURS]
    for number, entry in enumerate(shown):
        x, y = _x(entry.at_s), top + (number % _ROWS + 1) * _ROW
        colour = _COLOURS[entry.what]
        after = "" if entry.after_s is None else f" +{1000 * entry.after_s:.0f} ms"
        label = escape(f"{entry.what}{after}{f': {entry.text}' if entry.text else ''}")
        yield f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{y}" stroke="{colour}"/>'
        yield f'<text x="{x + 3}" y="{y}" fill="{colour}">{label}</text>'


def _x(at_s: float) -> float:
    return round(_MARGIN + at_s * _PIXELS_PER_S, 1)
