"""Films and strips of robots at work, by real loops."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import pytest
from PIL import Image, ImageDraw

from agents.robot.agent import assemble
from agents.robot.film import PER_SECOND, SIZE, Shot, checked, drawn, recorded, taken
from agents.robot.policies.local import local_policy
from agents.robot.ports import Observation
from agents.robot.sims.robot import WORLDS, simulated
from agents.robot.strategies import STRATEGIES
from constellation.errors import ConfigError


def filmed(path: Path, world: str, seconds: float = 0.6) -> None:
    assembly = assemble(simulated(world, 0, endless=True), local_policy(world))
    with assembly.loop, recorded(assembly, path):
        anyio.run(assembly.pilot.drive, "play", seconds, lambda share, message: None)


def test_a_film_moves(tmp_path: Path) -> None:
    filmed(tmp_path / "a.gif", "whack")
    with Image.open(tmp_path / "a.gif") as film:
        assert film.size == SIZE
        assert getattr(film, "n_frames", 1) > 1


def test_an_mp4_holds_what_was_seen(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="MP4: the extra video")
    filmed(tmp_path / "a.mp4", "whack")
    with av.open(str(tmp_path / "a.mp4")) as film:
        (stream,) = film.streams.video
        pictures = [frame.to_image() for frame in film.decode(stream)]

    assert stream.codec_context.name == "h264"
    assert float(stream.average_rate) == PER_SECOND
    assert len(pictures) > 1
    assert pictures[0].size == SIZE
    # Ink and colours on white, as drawn.
    low, high = pictures[-1].convert("L").getextrema()
    assert (low < 100, high > 230) == (True, True)


def test_an_mp4_wants_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match="av") as error:
        checked(tmp_path / "a.mp4")
    assert "video" in error.value.remedy


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_a_strip_has_a_picture_beside_the_other(tmp_path: Path, world: str) -> None:
    filmed(tmp_path / "a.png", world)
    with Image.open(tmp_path / "a.png") as strip:
        assert strip.size[0] >= 2 * SIZE[0]
        assert strip.size[1] == SIZE[1]
        assert len(strip.getcolors(1 << 20) or ()) > 3


def test_what_is_held_is_seen_at_once() -> None:
    assembly = assemble(simulated("track", 0), local_policy("track"))
    assert taken(assembly) is None
    assembly.loop.cycle(0.0)
    shot = taken(assembly)
    assert shot is not None
    assert shot.held
    assert drawn(assembly.pilot.spec, [shot]).getpixel((14, 30)) == (247, 215, 215)


def test_a_block_is_drawn_where_it_lies_and_where_it_shall() -> None:
    spec = replace(simulated("track", 0).spec, name="pusht")
    full = np.full(2, 512.0)
    spec = replace(spec, limits=replace(spec.limits, low=np.zeros(2), high=full))

    def colours(x: float) -> set[tuple[int, int, int]]:
        values = {"block": np.float32([x, 256, 0]), "goal": np.float32([256, 256, 1])}
        seen = Observation(0.0, np.float32([0, 0, 20, 20, 0, 0]), values)
        picture = drawn(spec, [Shot(seen, np.float32([0, 0]), "place", held=False)])
        left = picture.crop((11, 60, 100, 235))
        return {colour for _, colour in left.getcolors(1 << 20) or ()}

    assert (214, 39, 40) in colours(100)
    assert (214, 39, 40) not in colours(400)


def test_what_is_written_above_a_picture_fits() -> None:
    draw = ImageDraw.Draw(Image.new("RGB", SIZE))
    longest = max(STRATEGIES, key=len)
    written = f"9999.9 s  {longest}, chunk 99999, action 99"
    assert draw.textlength(written) <= SIZE[0] - 20


@pytest.mark.parametrize("name", ["a.avi", "a", "missing/a.gif"])
def test_what_cannot_be_written_is_refused_before_anything_moves(tmp_path: Path, name: str) -> None:
    assembly = assemble(simulated("track", 0), local_policy("track"))
    with pytest.raises(ConfigError), recorded(assembly, tmp_path / name):
        pytest.fail("it was begun")
