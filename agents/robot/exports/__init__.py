"""Recorded episodes as files that others read: data sets of LeRobot's, recordings of Rerun's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from constellation.errors import ConfigError

from ..ports import RobotSpec
from ..recording import Episode

Writer: TypeAlias = Callable[[Sequence[Episode]], None]


def export_to(target: str, robot: RobotSpec) -> Writer:
    """What writes episodes to where a person says. What can be wrong with that is said at once, not
    when the robot has done its work.

    Args:
        target: ``lerobot:FOLDER`` or ``rerun:FILE``; neither may be there.

    Raises:
        ConfigError: it is neither, something is there, or what writes it is not installed.
    """
    kind, _, place = target.partition(":")
    path = Path(place)
    if kind not in ("lerobot", "rerun") or not place:
        raise ConfigError(
            f"Nothing can be exported to {target!r}.", remedy="Take lerobot:FOLDER or rerun:FILE."
        )
    if path.exists() and not (path.is_dir() and kind == "lerobot" and not any(path.iterdir())):
        raise ConfigError(f"{path} is there already.", remedy="Name another place.", file=place)
    try:
        if kind == "lerobot":
            from .dataset import write_dataset

            return lambda episodes: write_dataset(path, episodes, robot)
        from .rerun import write_recording

        return lambda episodes: write_recording(path, episodes, robot)
    except ImportError as error:
        extra = "record" if kind == "lerobot" else "rerun"
        raise ConfigError(
            f"An export needs the extra '{extra}': {error}.",
            remedy=f"Install it: pip install 'constellation-fabric[{extra}]'.",
        ) from None
