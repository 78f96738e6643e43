"""Episodes as a data set of LeRobot's, version 3.0.

``data/`` holds all steps of all episodes in one Parquet file, images as PNG within it; ``meta/``
says what the columns are, which steps make an episode, what the tasks were, and statistics for
normalisation. Format: lerobot 0.4.4, `datasets/lerobot_dataset.py` (Hugging Face, Apache-2.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..pictures import png
from ..ports import RobotSpec
from ..recording import Episode
from .columns import Columns, columns_of

_FILE = "chunk-000/file-000.parquet"
_PATTERN = "chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
_TYPES = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}
# So many images tell the statistics of all of them.
_IMAGES = 100

Feature = dict[str, Any]
Statistics = dict[str, Any]


def write_dataset(folder: Path, episodes: Sequence[Episode], robot: RobotSpec) -> None:
    """Writes episodes into a new folder. Columns that not all episodes have are left out.

    Raises:
        OSError: it cannot be written.
    """
    whole, rate_hz = [columns_of(episode) for episode in episodes], float(robot.rate_hz)
    features = _features(whole, robot)
    tasks = list(dict.fromkeys(each.task for each in whole))
    places = _placed(whole, tasks, rate_hz)
    _write(folder / "data" / _FILE, _steps(whole, places, features))
    _write(folder / "meta" / "episodes" / _FILE, _episodes(whole, places, features))
    _write(folder / "meta" / "tasks.parquet", _tasks(tasks))
    frames = sum(len(each.times) for each in whole)
    _dump(folder / "meta" / "stats.json", _statistics(whole, features))
    _dump(
        folder / "meta" / "info.json",
        {
            "codebase_version": "v3.0",
            "robot_type": robot.name,
            "total_episodes": len(whole),
            "total_frames": frames,
            "total_tasks": len(tasks),
            "chunks_size": 1000,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": int(rate_hz) if rate_hz.is_integer() else rate_hz,
            "splits": {"train": f"0:{len(whole)}"},
            "data_path": f"data/{_PATTERN}",
            "video_path": None,
            "features": features,
        },
    )


# ── what there is ───────────────────────────────────────────────────────────────────────────────


def _features(whole: Sequence[Columns], robot: RobotSpec) -> dict[str, Feature]:
    """The columns that all episodes have, as LeRobot describes them."""
    joints = [f"joint_{index}" for index in range(robot.action_dim)]
    features: dict[str, Feature] = {}
    first = whole[0]
    for name, values in first.numbers.items():
        if {_shape(each.numbers.get(name)) for each in whole} == {values.shape[1:]}:
            named = joints if name in ("action", "source.clamped") else None
            features[name] = _feature(str(values.dtype), values.shape[1:], named)
    features["source.strategy"] = _feature("string", (1,))
    for name, images in first.images.items():
        shapes = {_shape(each.images.get(name)) for each in whole}
        if shapes == {images[0].shape}:
            features[name] = _feature("image", images[0].shape, ["height", "width", "channels"])
    features["timestamp"] = _feature("float32", (1,))
    for name in ("frame_index", "episode_index", "index", "task_index"):
        features[name] = _feature("int64", (1,))
    return features


def _feature(dtype: str, shape: Sequence[int], names: list[str] | None = None) -> Feature:
    return {"dtype": dtype, "shape": list(shape), "names": names}


def _shape(values: Sequence[NDArray[Any]] | NDArray[Any] | None) -> tuple[int, ...] | None:
    """Of one step's entry of a column."""
    return None if values is None else values[0].shape


def _placed(
    whole: Sequence[Columns], tasks: Sequence[str], rate_hz: float
) -> list[dict[str, NDArray[Any]]]:
    """Of each episode, where its steps stand among all. Times are counted in steps: LeRobot takes
    the steps of an episode to be evenly spaced, and refuses those that are not quite."""
    places: list[dict[str, NDArray[Any]]] = []
    start = 0
    for number, each in enumerate(whole):
        count = len(each.times)
        steps = np.arange(count)
        places.append(
            {
                "timestamp": (steps / rate_hz).astype(np.float32),
                "frame_index": steps,
                "episode_index": np.full(count, number),
                "index": start + steps,
                "task_index": np.full(count, tasks.index(each.task)),
            }
        )
        start += count
    return places


# ── tables ──────────────────────────────────────────────────────────────────────────────────────


def _steps(
    whole: Sequence[Columns],
    places: Sequence[dict[str, NDArray[Any]]],
    features: dict[str, Feature],
) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for name, feature in features.items():
        columns[name] = pa.concat_arrays(
            [_column(name, feature, each, place) for each, place in zip(whole, places, strict=True)]
        )
    return pa.table(columns)


def _column(
    name: str, feature: Feature, episode: Columns, place: dict[str, NDArray[Any]]
) -> pa.Array:
    if feature["dtype"] == "image":
        files = [
            {"bytes": png(image), "path": f"frame-{index:06d}.png"}
            for index, image in enumerate(episode.images[name])
        ]
        return pa.array(files, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    kind = _TYPES[feature["dtype"]]
    if name == "source.strategy":
        return pa.array(episode.strategies, kind)
    values = episode.numbers.get(name, place.get(name))
    assert values is not None
    (width,) = feature["shape"]
    flat = pa.array(values.reshape(-1), kind)
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def _episodes(
    whole: Sequence[Columns],
    places: Sequence[dict[str, NDArray[Any]]],
    features: dict[str, Feature],
) -> pa.Table:
    rows = []
    for number, (each, place) in enumerate(zip(whole, places, strict=True)):
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [each.task],
            "length": len(each.times),
            # LeRobot reads over what it does not know.
            "released": each.released,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": int(place["index"][0]),
            "dataset_to_index": int(place["index"][-1]) + 1,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        for name, statistics in _statistics([each], features).items():
            row |= {f"stats/{name}/{what}": value for what, value in statistics.items()}
        rows.append(row)
    return pa.Table.from_pylist(rows)


def _tasks(tasks: Sequence[str]) -> pa.Table:
    """The tasks, by which pandas will find their numbers: they are its index."""
    index = "__index_level_0__"
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), index: list(tasks)})
    kinds = {"task_index": ("task_index", "int64", "int64"), index: (None, "unicode", "object")}
    columns = [
        {"name": name, "field_name": field, "pandas_type": kind, "numpy_type": numpy}
        for field, (name, kind, numpy) in kinds.items()
    ]
    pandas = {"index_columns": [index], "column_indexes": [], "columns": columns}
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


# ── statistics ──────────────────────────────────────────────────────────────────────────────────


def _statistics(whole: Sequence[Columns], features: dict[str, Feature]) -> Statistics:
    """Of each column that can be normalised."""
    found: Statistics = {}
    for name, feature in features.items():
        if feature["dtype"] == "image":
            shown = list(_sampled([image for each in whole for image in each.images[name]]))
            flat = np.concatenate([image.reshape(-1, 3) for image in shown]) / 255.0
            summary = _summary(flat, len(shown))
            # LeRobot wants those of images as (3, 1, 1).
            found[name] = {
                what: value if what == "count" else [[[channel]] for channel in value]
                for what, value in summary.items()
            }
        elif feature["dtype"] != "string" and name in whole[0].numbers:
            values = np.concatenate([each.numbers[name] for each in whole]).astype(np.float64)
            found[name] = _summary(values, len(values))
    return found


def _summary(values: NDArray[np.float64], count: int) -> dict[str, list[Any]]:
    """Statistics of values, (n, k)."""
    quantiles = np.quantile(values, list(_QUANTILES.values()), axis=0)
    return {
        "min": values.min(axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
        "mean": values.mean(axis=0).tolist(),
        "std": values.std(axis=0).tolist(),
        "count": [count],
        **{name: row.tolist() for name, row in zip(_QUANTILES, quantiles, strict=True)},
    }


def _sampled(images: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    every = max(1, len(images) // _IMAGES)
    yield from images[::every]


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=4), encoding="utf-8")
