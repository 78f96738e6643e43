"""Episodes as a recording that Rerun's viewer shows: https://rerun.io."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rerun as rr

from ..pictures import png
from ..ports import RobotSpec
from ..recording import Episode
from .columns import Columns, columns_of

APPLICATION = "constellation"


def write_recording(path: Path, episodes: Sequence[Episode], robot: RobotSpec) -> None:
    """Writes episodes into one new file, one after the other in time.

    Numbers are curves, images are images, and the tasks and strategies are a log: told when they
    change. Another one tells who released it from an emergency stop.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(exist_ok=False)
    with rr.RecordingStream(APPLICATION, recording_id=f"{robot.name}-{path.stem}") as stream:
        stream.save(path)
        first = 0
        for episode in episodes:
            columns = columns_of(episode)
            _tell(stream, columns, first)
            first += len(columns.times)
        stream.flush()


def _tell(stream: rr.RecordingStream, columns: Columns, first: int) -> None:
    count = len(columns.times)
    steps = np.arange(first, first + count)

    def indexes() -> list[rr.TimeColumn]:
        return [
            rr.TimeColumn("step", sequence=steps),
            rr.TimeColumn("time", duration=np.array(columns.times)),
        ]

    for name, values in columns.numbers.items():
        curves = rr.Scalars.columns(scalars=values.astype(np.float64))
        stream.send_columns(_entity(name), indexes(), curves)
    for name, images in columns.images.items():
        files = rr.EncodedImage.columns(
            blob=[png(image) for image in images], media_type=["image/png"] * count
        )
        stream.send_columns(_entity(name), indexes(), files)
    if columns.released:
        _at(stream, int(steps[0]), columns.times[0])
        stream.log("released", rr.TextLog(columns.released))
    told = None
    for step, time, strategy in zip(steps, columns.times, columns.strategies, strict=True):
        if strategy != told:
            _at(stream, int(step), time)
            stream.log("strategy", rr.TextLog(strategy if told else f"{columns.task}: {strategy}"))
            told = strategy


def _at(stream: rr.RecordingStream, step: int, time: float) -> None:
    stream.set_time("step", sequence=step)
    stream.set_time("time", duration=time)


def _entity(name: str) -> str:
    return name.replace(".", "/")
