"""A conversation as a picture (SVG): both voices over time, and what happened when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from .sound import RATE_HZ, Samples
from .timeline import Entry

_PIXELS_PER_S = 60
_LANE = 60
_MARGIN = 70
_TOP = 30
_ROW = 16
# Of a letter, on average and amply, and between two labels.
_LETTER = 6.5
_GAP = 8
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
    marks = _placed(entries, width)
    rows = max((mark.row for mark in marks), default=0) + 1
    height = marks_top + rows * _ROW + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_axis(len(heard) / RATE_HZ, marks_top),
        *_lane("person", heard[:, 0], _TOP + _LANE // 2, "#06c"),
        *_lane("agent", heard[:, 1], _TOP + _LANE + _LANE // 2, "#080"),
        *_lines(marks, marks_top),
        *_labels(marks, marks_top),
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


@dataclass(frozen=True, slots=True)
class _Mark:
    """An entry in the picture; ``begin`` is where its label begins, in pixels."""

    x: float
    begin: float
    row: int
    colour: str
    label: str


def _placed(entries: Sequence[Entry], width: int) -> list[_Mark]:
    """Each label in the first row that has room for it, and within the picture."""
    marks: list[_Mark] = []
    ends: list[float] = []
    for entry in entries:
        if entry.what not in _COLOURS:
            continue
        after = "" if entry.after_s is None else f" +{1000 * entry.after_s:.0f} ms"
        label = f"{entry.what}{after}{f': {entry.text}' if entry.text else ''}"
        x, length = _x(entry.at_s), _LETTER * len(label)
        begin = max(0.0, min(x + 3, width - length))
        row = next((n for n, end in enumerate(ends) if end + _GAP <= begin), len(ends))
        ends[row : row + 1] = [begin + length]
        marks.append(_Mark(x, begin, row, _COLOURS[entry.what], label))
    return marks


def _lines(marks: Iterable[_Mark], top: int) -> Iterable[str]:
    for mark in marks:
        x, y = mark.x, top + (mark.row + 1) * _ROW
        yield f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{y}" stroke="{mark.colour}"/>'


def _labels(marks: Iterable[_Mark], top: int) -> Iterable[str]:
    for mark in marks:
        y = top + (mark.row + 1) * _ROW
        yield (
            f'<text x="{mark.begin:.1f}" y="{y}" fill="{mark.colour}" stroke="white" '
            f'stroke-width="3" paint-order="stroke">{escape(mark.label)}</text>'
        )


def _x(at_s: float) -> float:
    return round(_MARGIN + at_s * _PIXELS_PER_S, 1)
