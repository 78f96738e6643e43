"""Recorded episodes, read back: by pyarrow, and by Rerun and LeRobot where they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from agents.robot.command import app
from agents.robot.events import Executed, Released, Source
from agents.robot.exports import export_to
from agents.robot.pictures import pixels_of
from agents.robot.ports import Observation
from agents.robot.recording import Episode, Recorder, Step
from agents.robot.sims.robot import simulated
from constellation.errors import ConfigError

LEROBOT = Path(sys.prefix) / "lerobot" / "bin" / "python"
ROBOT = simulated("whack", 0).spec


def step(
    number: int,
    task: str = "hit",
    state: str = "driven",
    clamped: bool = False,
    released: Released | None = None,
    **values: Any,
) -> Step:
    sensed = {
        "mole": np.float32([0.1, number]),
        "score": np.float32([number]),
        "observation/front": np.full((4, 6, 3), number, np.uint8),
    }
    seen = Observation(number / 50, np.full(6, number, np.float32), sensed | values)
    source = Source("future-state", 7, number, (clamped, False)) if number else hold()
    executed = Executed(number, 100 + number / 50, np.float32([number, 1]), source)
    return Step(state, task, seen, executed, released)


def hold() -> Source:
    return Source("hold", None, None, (False, False))


def recorded(*steps: Step) -> list[Episode]:
    recorder = Recorder()
    for each in steps:
        recorder(each)
    return recorder.episodes


RELEASED = Released(5, "smoke", "ann")
TWO = recorded(
    *(step(n, clamped=n == 2) for n in range(5)),
    *(step(n, "rest", released=RELEASED) for n in (5, 6)),
)


def test_episodes_begin_with_each_task_and_after_each_rest() -> None:
    steps = [
        step(0),
        step(1),
        step(2, state="held"),
        step(3),
        step(4, state="steered"),
        step(5, "rest"),
        Step("driven", "", None, step(6).executed),
        step(7, "rest"),
    ]
    found = [
        (each.task, [frame.executed.step for frame in each.frames]) for each in recorded(*steps)
    ]
    assert found == [("hit", [0, 1]), ("hit", [3, 4]), ("rest", [5]), ("rest", [7])]


def test_an_episode_knows_who_released_the_robot_before_it() -> None:
    other = replace(RELEASED, step=3)
    steps = [
        step(0),
        step(1, released=RELEASED),
        step(2, released=RELEASED),
        step(3, released=other),
        step(4, "rest", released=other),
    ]
    found = [(len(each.frames), each.released) for each in recorded(*steps)]
    assert found == [(1, None), (2, RELEASED), (1, other), (1, None)]


def test_a_full_recording_leaves_out_what_follows_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder(most_bytes=300)
    for number in range(5):
        recorder(step(number))
    assert sum(len(each.frames) for each in recorder.episodes) == 2
    assert recorder.left_out == 3
    assert caplog.text.count("full") == 1


def test_arrays_that_a_robot_fills_anew_are_kept_as_they_were() -> None:
    state, image = np.zeros(6, np.float32), np.zeros((4, 6, 3), np.uint8)
    recorder = Recorder()
    for number in range(3):
        state[:], image[:] = number, number
        executed = Executed(number, 0.0, np.float32([0, 0]), hold())
        recorder(Step("driven", "", Observation(0.0, state, {"front": image}), executed))
    (episode,) = recorder.episodes
    assert [frame.seen.state[0] for frame in episode.frames] == [0, 1, 2]
    assert [frame.seen.values["front"][0, 0, 0] for frame in episode.frames] == [0, 1, 2]


def exported(folder: Path, episodes: Sequence[Episode]) -> dict[str, Any]:
    export_to(f"lerobot:{folder}", ROBOT)(episodes)
    info: dict[str, Any] = json.loads((folder / "meta" / "info.json").read_text())
    return info


def test_a_data_set_has_what_was_seen_and_done_and_why(tmp_path: Path) -> None:
    info = exported(tmp_path, TWO)
    assert (info["fps"], info["total_episodes"], info["total_frames"]) == (50, 2, 7)
    assert info["features"]["action"] == {
        "dtype": "float32",
        "shape": [2],
        "names": ["joint_0", "joint_1"],
    }
    assert info["features"]["observation.images.front"]["shape"] == [4, 6, 3]
    rows = pq.read_table(tmp_path / "data/chunk-000/file-000.parquet").to_pylist()
    assert len(rows) == 7
    first, third, last = rows[0], rows[2], rows[6]
    assert third["observation.state"] == [2] * 6
    assert third["action"] == [2, 1]
    assert third["observation.mole"] == pytest.approx([0.1, 2])
    assert third["value.score"] == 2
    assert (third["source.strategy"], third["source.chunk"], third["source.index"]) == (
        "future-state",
        7,
        2,
    )
    assert third["source.clamped"] == [True, False]
    assert (first["source.strategy"], first["source.chunk"]) == ("hold", -1)
    assert (pixels_of(third["observation.images.front"]["bytes"]) == 2).all()
    places = ("index", "frame_index", "episode_index", "task_index")
    assert [last[name] for name in places] == [6, 1, 1, 1]
    assert [row["timestamp"] for row in rows] == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0, 0.02])
    episodes = pq.read_table(tmp_path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [each["tasks"] for each in episodes] == [["hit"], ["rest"]]
    assert [each["dataset_to_index"] for each in episodes] == [5, 7]
    assert episodes[1]["stats/observation.state/mean"] == [5.5] * 6


def test_statistics_are_those_of_all_steps(tmp_path: Path) -> None:
    exported(tmp_path, TWO)
    statistics = json.loads((tmp_path / "meta" / "stats.json").read_text())
    of_actions = statistics["action"]
    assert of_actions["min"] == [0, 1]
    assert of_actions["max"] == [6, 1]
    assert of_actions["mean"] == [3, 1]
    assert of_actions["std"] == pytest.approx([2, 0])
    assert of_actions["q50"] == [3, 1]
    assert of_actions["count"] == [7]
    assert statistics["observation.images.front"]["max"] == [[[6 / 255]]] * 3
    assert "source.strategy" not in statistics


def test_what_is_not_there_in_every_step_is_left_out(tmp_path: Path) -> None:
    odd = recorded(step(0), step(1, extra=np.zeros(3)), step(2, "rest", mole=np.zeros(5)))
    features = exported(tmp_path, odd)["features"]
    assert "observation.extra" not in features
    assert "observation.mole" not in features
    assert "observation.images.front" in features


@pytest.mark.parametrize("target", ["", "lerobot", "lerobot:", "csv:x", "rerun:"])
def test_a_target_that_is_none_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match="Nothing can be exported"):
        export_to(target, ROBOT)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    for target in (f"rerun:{tmp_path}/there", f"lerobot:{tmp_path}/there", f"lerobot:{tmp_path}"):
        with pytest.raises(ConfigError, match="is there already"):
            export_to(target, ROBOT)


def test_a_recording_can_be_read_by_rerun(tmp_path: Path) -> None:
    """CI has no Rerun: it is half a gigabyte."""
    pytest.importorskip("rerun")
    chunks = pytest.importorskip("rerun.chunk")
    path = tmp_path / "new" / "played.rrd"
    export_to(f"rerun:{path}", ROBOT)(TWO)
    wanted = {"step", "Scalars:scalars", "EncodedImage:blob", "TextLog:text"}
    found: dict[str, Any] = {}
    for chunk in chunks.RrdReader(str(path)).stream().to_chunks():
        rows, kept = chunk.to_record_batch(), found.setdefault(chunk.entity_path, {})
        for name in wanted & set(rows.schema.names):
            kept.setdefault(name, []).extend(rows[name].to_pylist())
    order = np.argsort(found["/action"]["step"])
    actions = np.array(found["/action"]["Scalars:scalars"])[order]
    assert actions.tolist() == [[n, 1] for n in range(7)]
    assert sorted(found["/source/index"]["step"]) == list(range(7))
    assert found["/source/clamped"]["Scalars:scalars"][2] == [1, 0]
    (blob,) = found["/observation/images/front"]["EncodedImage:blob"][3]
    assert (pixels_of(bytes(blob)) == 3).all()
    told = [text for (text,) in found["/strategy"]["TextLog:text"]]
    assert sorted(told) == ["future-state", "hit: hold", "rest: future-state"]
    assert found["/released"]["TextLog:text"] == [["ann, after: smoke"]]
    assert found["/released"]["step"] == [5]


def test_what_is_played_is_exported(tmp_path: Path) -> None:
    folder = tmp_path / "played"
    line = ["--sim", "whack", "--camera", "--play", "0.4", "--export", f"lerobot:{folder}"]
    played = CliRunner().invoke(app, [*line, "--prompt", "hit them"])
    assert played.exit_code == 0, played.output
    assert "control steps in 1 episode." in played.output
    rows = pq.read_table(folder / "data/chunk-000/file-000.parquet").to_pylist()
    assert len(rows) >= 20
    assert {row["source.strategy"] for row in rows} <= {"hold", "future-state-dynamics"}
    image = pixels_of(rows[-1]["observation.images.camera"]["bytes"])
    assert image.shape == (96, 96, 3)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 3
    refused = CliRunner().invoke(app, line)
    assert isinstance(refused.exception, ConfigError)


LOAD = """
import json, sys
from lerobot.datasets.lerobot_dataset import LeRobotDataset
found = LeRobotDataset("local/x", root=sys.argv[1], delta_timestamps={"action": [0, 0.02]})
item = found[6]
print(json.dumps([
    len(found), found.num_episodes, found.fps, item["task"], item["action"].tolist(),
    item["observation.images.front"].mul(255).round().unique().tolist(),
    sorted(found.meta.stats), found.meta.episodes[1]["dataset_from_index"],
]))
"""


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.skipif(not LEROBOT.exists(), reason="LeRobot: make .venv/.lerobot")
def test_lerobot_loads_the_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    exported(folder, TWO)
    line = [LEROBOT, "-c", LOAD, folder]
    done = subprocess.run(line, check=True, cwd=tmp_path, capture_output=True)
    *found, statistics, start = json.loads(done.stdout.splitlines()[-1])
    assert found == [7, 2, 50, "rest", [[6, 1], [6, 1]], [6]]
    assert "observation.state" in statistics
    assert start == 5
