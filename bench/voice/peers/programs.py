"""Runs the programs of the other environment, one for many streams, beside what this one does."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from agents.voice.sound import Samples, to_pcm
from constellation.errors import ConfigError

PYTHON = Path(sys.prefix) / "peers-voice" / "bin" / "python"
_PROGRAMS = {"LiveKit's": "livekit_turns.py", "Pipecat's": "pipecat_turns.py"}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a framework made of a stream, in seconds of it.

    Attributes:
        starts: when a turn of the user's began, which interrupts the agent.
        stops: when each of them was over; the last may be missing.
    """

    starts: tuple[float, ...]
    stops: tuple[float, ...]

    def fires(self, frames: int, frame_s: float) -> NDArray[np.bool_]:
        """(frames,) whether the agent is interrupted, from a start until the next stop.

        What is decided when a frame is complete is decided in that frame.
        """
        found = np.zeros(frames, np.bool_)
        for start in self.starts:
            until = min((each for each in self.stops if each > start), default=np.inf)
            last = frames if until == np.inf else round(until / frame_s) - 1
            found[max(0, round(start / frame_s) - 1) : last] = True
        return found


def installed() -> dict[str, Peer]:
    """Those that there are, started, by whose they are; none without their environment."""
    return {name: Peer(name) for name in _PROGRAMS} if PYTHON.exists() else {}


class Peer:
    """A framework's program. It is asked first and answers when it is done.

    Args:
        name: whose.
        python: of the environment where its package is.

    Attributes:
        version: name and version of the package.

    Raises:
        ConfigError: it does not start, or ends too early.
    """

    def __init__(self, name: str, python: Path = PYTHON) -> None:
        self._program = _PROGRAMS[name]
        # Never read while it runs, so it must not be a pipe that fills up.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, Path(__file__).parent / self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        self.version = str(self._line()["version"])

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, sound: Samples, *, whole: bool = False) -> None:
        """Let it hear a stream from the start.

        Args:
            whole: whether it decides on the ends of turns as well; else each voice that lasts long
                enough begins one, and it is over with the voice.
        """
        assert self._process.stdin is not None
        pcm = to_pcm(sound)
        head = json.dumps({"samples": len(pcm) // 2, "whole": whole})
        try:
            self._process.stdin.write(head.encode() + b"\n" + pcm)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def heard(self) -> Heard:
        """The answer to the oldest question that has none yet."""
        told = self._line()
        return Heard(tuple(told["starts"]), tuple(told["stops"]))

    def close(self) -> None:
        """End it; once more does no harm."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._complaints.close()

    def _line(self) -> dict[str, list[float]]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        found: dict[str, list[float]] = json.loads(line)
        return found

    def _ended(self) -> ConfigError:
        code = self._process.wait()
        self._complaints.seek(0)
        last = self._complaints.read().decode(errors="replace").strip().splitlines()[-1:]
        self.close()
        return ConfigError(
            f"{self._program} ended with {code}: {' '.join(last)}",
            remedy="Install what it needs anew: rm .venv/.peers-voice; make .venv/.peers-voice.",
        )
