"""A robot at work as a film or as a strip of pictures: what happened, to be looked at afterwards.

Wants the extra ``record``, and ``video`` for MP4. Drawn is what the robot senses: its joints, the
things around it, how it was commanded, and when it held. Sampled from outside: the control loop
knows nothing of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from constellation.errors import ConfigError

from .agent import Assembly
from .ports import Array, Observation, RobotSpec
from .sims.extra import needs
from .sims.tee import corners

_VIDEO = ".mp4"
KINDS = (".gif", _VIDEO, ".png", ".webp")
PER_SECOND = 10
# Seconds that are kept: of a robot that works for days, the last.
KEPT_S = 60
SIZE = (280, 330)
# Pictures in a strip.
_STRIP = 6
_FIELD, _CHART = (10, 26, 270, 236), (10, 252, 270, 320)
_INK, _FAINT, _ROBOT, _THING, _HELD = "#222222", "#cccccc", "#1f77b4", "#d62728", "#f7d7d7"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One moment.

    Attributes:
        seen: what was sensed.
        commanded: (A,).
        caption: what moved it.
        held: whether it held.
    """

    seen: Observation
    commanded: Array
    caption: str
    held: bool


def checked(path: Path) -> None:
    """Refuses files that no film can be written to, before anything moves.

    Raises:
        ConfigError: its name ends otherwise, its folder does not exist, or a package is missing.
    """
    if path.suffix.lower() == _VIDEO:
        with needs("av", "record,video"):
            import av  # noqa: F401
    if path.suffix.lower() not in KINDS:
        raise ConfigError(
            f"No film is written to {path.name!r}.", remedy=f"End its name in {', '.join(KINDS)}."
        )
    if not path.parent.is_dir():
        raise ConfigError(f"There is no folder {path.parent}.", remedy="Make it first.")


@contextmanager
def recorded(assembly: Assembly, path: Path) -> Iterator[None]:
    """Watches while the context is open, and writes the film when it is left.

    Args:
        path: ``.gif``, ``.mp4`` or ``.webp`` for a film, ``.png`` for a strip of pictures.

    Raises:
        ConfigError: see `checked`.
    """
    checked(path)
    shots: deque[Shot] = deque(maxlen=KEPT_S * PER_SECOND)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1 / PER_SECOND):
            shot = taken(assembly)
            if shot is not None:
                shots.append(shot)

    watcher = threading.Thread(target=watch, name="film", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        if shots:
            written(assembly.pilot.spec, tuple(shots), path)


def taken(assembly: Assembly) -> Shot | None:
    """This moment; None before anything was sensed."""
    controller = assembly.loop.controller
    seen, record = controller.seen, controller.record
    if seen is None or not record:
        return None
    source = record[-1].source
    chunk = "" if source.chunk is None else f", chunk {source.chunk}, action {source.index}"
    held = source.strategy == "hold"
    return Shot(seen, controller.commanded, f"{source.strategy}{chunk}", held)


def written(spec: RobotSpec, shots: Sequence[Shot], path: Path) -> None:
    """Draws shots and writes them to a file of one of `KINDS`."""
    if path.suffix.lower() == ".png":
        chosen = np.linspace(0, len(shots) - 1, min(_STRIP, len(shots))).round().astype(int)
        strip = Image.new("RGB", (SIZE[0] * len(chosen), SIZE[1]), "white")
        for place, index in enumerate(chosen):
            strip.paste(drawn(spec, shots[: index + 1]), (place * SIZE[0], 0))
        strip.save(path)
        return
    pictures = (drawn(spec, shots[: index + 1]) for index in range(len(shots)))
    if path.suffix.lower() == _VIDEO:
        _encode(pictures, path)
        return
    first, *others = pictures
    first.save(
        path, save_all=True, append_images=others, duration=round(1_000 / PER_SECOND), loop=0
    )


def _encode(pictures: Iterable[Image.Image], path: Path) -> None:
    """Writes pictures of one size to an MP4, as H.264."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode())


def drawn(spec: RobotSpec, shots: Sequence[Shot]) -> Image.Image:
    """The last of some shots, with what was commanded until then."""
    picture = Image.new("RGB", SIZE, "white")
    draw, last = ImageDraw.Draw(picture), shots[-1]
    score = last.seen.values.get("score")
    draw.text((10, 6), f"{last.seen.time:5.1f} s  {last.caption}", fill=_INK)
    draw.rectangle(_FIELD, outline=_FAINT, fill=_HELD if last.held else None)
    if score is not None:
        draw.text((_FIELD[0] + 6, _FIELD[1] + 4), f"score {float(score[0]):.2f}", fill=_INK)
    scenes = {"balance": _pole, "intercept": _paddle, "pusht": _tee}
    scenes.get(spec.name, _field)(draw, spec, last)
    _chart(draw, spec, shots)
    return picture


def _field(draw: ImageDraw.ImageDraw, spec: RobotSpec, shot: Shot) -> None:
    """Two joints as a place in the plane, with things beside it; one joint or many as bars."""
    joints = spec.action_dim
    if joints == 1 or not _things(shot):
        for joint in range(joints):
            low, high = spec.limits.low[joint], spec.limits.high[joint]
            share = float((shot.commanded[joint] - low) / (high - low))
            y = _FIELD[1] + (joint + 0.5) * (_FIELD[3] - _FIELD[1]) / joints
            draw.line((_FIELD[0] + 10, y, _FIELD[2] - 10, y), fill=_FAINT)
            _dot(draw, (_FIELD[0] + 10 + share * 240, y), 6, _ROBOT)
        return
    low, high = _window(spec)
    for thing in _things(shot):
        _dot(draw, _at(thing[:2], low, high), 9, _THING)
    commanded = _at(shot.commanded[:2], low, high)
    # Where a robot has more than its commands in its state, the next entries are where it is.
    sensed = shot.seen.state[joints : joints + 2]
    is_at = _at(sensed, low, high) if len(sensed) == 2 else commanded
    draw.line((commanded, is_at), fill=_ROBOT)
    _dot(draw, is_at, 5, _ROBOT)


def _pole(draw: ImageDraw.ImageDraw, spec: RobotSpec, shot: Shot) -> None:
    """A cart with its pole."""
    lean, where = float(shot.seen.state[3]), float(shot.seen.state[1])
    x, y = 140 + where * 100, 200.0
    draw.rectangle((x - 16, y, x + 16, y + 12), fill=_ROBOT)
    top = (x + 130 * np.sin(lean), y - 130 * np.cos(lean))
    draw.line((x, y, *top), fill=_INK, width=4)


def _paddle(draw: ImageDraw.ImageDraw, spec: RobotSpec, shot: Shot) -> None:
    """A paddle at the bottom, and the ball on its way down."""
    x, y = 140 + float(shot.seen.state[1]) * 200, 226
    draw.line((x - 12, y, x + 12, y), fill=_ROBOT, width=5)
    ball = shot.seen.values["ball"]
    _dot(draw, (140 + float(ball[1]) * 200, 226 - float(ball[0]) * 190), 6, _THING)


def _tee(draw: ImageDraw.ImageDraw, spec: RobotSpec, shot: Shot) -> None:
    """A block, where it shall lie, and the finger that pushes it."""
    low, high = (each[:2].astype(np.float32) for each in (spec.limits.low, spec.limits.high))
    for name, colour in (("goal", _FAINT), ("block", _THING)):
        outline = corners(shot.seen.values[name].astype(float)).astype(np.float32)
        draw.polygon([_at(each, low, high) for each in outline], outline=colour, width=3)
    _dot(draw, _at(shot.seen.state[2:4], low, high), 7, _ROBOT)


def _chart(draw: ImageDraw.ImageDraw, spec: RobotSpec, shots: Sequence[Shot]) -> None:
    """What was commanded, a line for each joint; shaded where it held."""
    draw.rectangle(_CHART, outline=_FAINT)
    width, height = _CHART[2] - _CHART[0], _CHART[3] - _CHART[1]
    recent = shots[-(width // 4) :]
    low, high = spec.limits.low, spec.limits.high
    for index, shot in enumerate(recent):
        if shot.held:
            left = _CHART[0] + 4 * index
            draw.rectangle((left, _CHART[1] + 1, left + 3, _CHART[3] - 1), fill=_HELD)
    shares = np.array([(each.commanded - low) / (high - low) for each in recent])
    for joint in range(spec.action_dim):
        way = [
            (_CHART[0] + 4 * index, _CHART[3] - float(share) * height)
            for index, share in enumerate(shares[:, joint])
        ]
        draw.line(way, fill=(_ROBOT, _THING, _INK)[joint % 3])


def _things(shot: Shot) -> list[Array]:
    """What else is sensed and may be a place: two finite numbers or a few more."""
    return [
        value
        for name, value in sorted(shot.seen.values.items())
        if value.ndim == 1 and 2 <= value.size <= 6 and np.isfinite(value).all()
    ]


def _window(spec: RobotSpec) -> tuple[Array, Array]:
    """The part of the first two joints' range that is shown: the middle, where most happens."""
    low, high = spec.limits.low[:2], spec.limits.high[:2]
    middle, half = (low + high) / 2, (high - low) / 2 * 0.6
    return (middle - half).astype(np.float32), (middle + half).astype(np.float32)


def _at(place: Array, low: Array, high: Array) -> tuple[float, float]:
    share = np.clip((place - low) / (high - low), 0.0, 1.0)
    width, height = _FIELD[2] - _FIELD[0], _FIELD[3] - _FIELD[1]
    return _FIELD[0] + float(share[0]) * width, _FIELD[3] - float(share[1]) * height


def _dot(draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, colour: str) -> None:
    draw.ellipse((at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius), fill=colour)
