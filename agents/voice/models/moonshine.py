"""Speech into text with Moonshine (tiny, English, MIT), from the package `moonshine-voice`."""

from __future__ import annotations

from threading import Lock

from constellation.errors import AudioError, ConfigError

from ..sound import RATE_HZ, Samples

_SHORTEST = RATE_HZ // 4


class Moonshine:
    """A recogniser; see `agents.voice.ports.Recogniser`.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from moonshine_voice.errors import MoonshineError
            from moonshine_voice.moonshine_api import ModelArch
            from moonshine_voice.transcriber import Transcriber
            from moonshine_voice.utils import get_model_path
        except ImportError as error:
            raise ConfigError(
                "There is no speech recognition.",
                remedy="Install it: pip install moonshine-voice==0.0.73.",
            ) from error
        # Its own voice activity detector would cut the sound once more, and worse.
        options = {"vad_threshold": "0.0"}
        self._transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY, options=options)
        self._lock = Lock()
        self._error = MoonshineError

    def transcribe(self, sound: Samples) -> str:
        """See `agents.voice.ports.Recogniser`."""
        if len(sound) < _SHORTEST:
            return ""
        try:
            with self._lock:
                found = self._transcriber.transcribe_without_streaming(sound.tolist(), RATE_HZ)
        except self._error as error:
            raise AudioError(f"The speech recognition failed: {error}.") from error
        return " ".join(line.text.strip() for line in found.lines).strip()
