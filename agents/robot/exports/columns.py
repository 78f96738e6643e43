"""Episodes as columns: for each thing that was sensed or done, one array over all steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..events import Released
from ..recording import Episode, Frame

# What a robot says of how it goes, not of what it sees: no policy should learn from it.
_VERDICTS = ("score", "done")
# No chunk, no index: nobody's policy drove.
NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """One episode.

    Attributes:
        task: in words.
        numbers: (n, k) each, by name: ``observation.state``, ``action``, other ``observation.…``,
            ``value.score``, and of where actions came from ``source.chunk``, ``source.index`` and
            ``source.clamped``.
        strategies: by which each action was chosen.
        images: of each step, by name: ``observation.images.…``.
        times: when each action was executed, seconds on the robot's clock.
        released: who ended an emergency stop before it, and of what; empty if nobody had to.
    """

    task: str
    numbers: dict[str, NDArray[Any]]
    strategies: list[str]
    images: dict[str, list[NDArray[np.uint8]]]
    times: list[float]
    released: str


def columns_of(episode: Episode) -> Columns:
    """An episode as columns. Values that are not sensed in every step, or not always in the same
    shape, are left out."""
    frames = episode.frames
    values = _always([frame.seen.values for frame in frames])
    sources = [frame.executed.source for frame in frames]
    numbers: dict[str, NDArray[Any]] = {
        "observation.state": np.stack([frame.seen.state for frame in frames]),
        "action": np.stack([frame.executed.action for frame in frames]),
    }
    images: dict[str, list[NDArray[np.uint8]]] = {}
    for name in values:
        column = [frame.seen.values[name] for frame in frames]
        if column[0].dtype == np.uint8 and column[0].ndim == 3:
            images["observation.images." + plain(name)] = [
                np.asarray(each, np.uint8) for each in column
            ]
        else:
            numbers[_name(name)] = np.stack(column).reshape(len(frames), -1).astype(np.float32)
    numbers["source.chunk"] = _whole([each.chunk for each in sources])
    numbers["source.index"] = _whole([each.index for each in sources])
    numbers["source.clamped"] = np.array([each.clamped for each in sources], bool)
    strategies = [each.strategy for each in sources]
    return Columns(
        episode.task, numbers, strategies, images, _times(frames), _said(episode.released)
    )


def plain(name: str) -> str:
    """The name of a value without slashes and without what is said before it anyway."""
    for prefix in ("observation.images.", "observation/", "observation."):
        name = name.removeprefix(prefix)
    return name.replace("/", ".")


def _name(value: str) -> str:
    return ("value." if value in _VERDICTS else "observation.") + plain(value)


def _always(values: Sequence[Any]) -> list[str]:
    first = values[0]
    return [
        name
        for name, value in first.items()
        if value.size and all(name in each and each[name].shape == value.shape for each in values)
    ]


def _whole(numbers: Sequence[int | None]) -> NDArray[np.int64]:
    column = [[NONE if number is None else number] for number in numbers]
    return np.array(column, np.int64)


def _said(released: Released | None) -> str:
    return "" if released is None else f"{released.person}, after: {released.stopped}"


def _times(frames: Sequence[Frame]) -> list[float]:
    return [frame.executed.time for frame in frames]
