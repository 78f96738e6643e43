"""Who may interrupt: what the person wants, and the voice that is kept for it."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from constellation.errors import ConfigError

from .utterances import words_of
from .voiceprint import SIZE, Voiceprint

_EVERYONE = re.compile(
    r"(everyone|everybody|anyone|anybody) (may|can) (interrupt|stop)( you)?( now| again)?|"
    r"listen to (everyone|everybody)( again)?"
)
_ONE = re.compile(
    r"(only (i|me)|nobody (else|but me))( (may|can))? (interrupt|stop)s?( you)?( now)?|"
    r"(only listen|listen only) to me|(remember|learn|enroll?) my voice|"
    r"listen to (him|her|them|some(one|body) else|another (voice|person))( now)?"
)
_SHAPES = ((SIZE,), (SIZE + 1,), (2 * SIZE + 1,))


class Wish(Enum):
    """Who is to be let interrupt from now on."""

    EVERYONE = auto()
    ONE = auto()


def wish_of(prompt: str) -> Wish | None:
    """What words want; None if they are not about that."""
    said = " ".join(words_of(prompt))
    if _EVERYONE.fullmatch(said):
        return Wish.EVERYONE
    return Wish.ONE if _ONE.fullmatch(said) else None


class Audience:
    """Carries a wish from the dialogue, in its thread, to the conversation.

    Attributes:
        wish: what was wanted last and is not done yet.
    """

    def __init__(self) -> None:
        self.wish: Wish | None = None

    def take(self) -> Wish | None:
        """What is to be done now."""
        wish, self.wish = self.wish, None
        return wish


class KeptVoice:
    """The voiceprint of the one person who may interrupt, in a file that only its owner can read.

    Args:
        path: of the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Voiceprint | None:
        """The voiceprint that was kept last, if there is one.

        Raises:
            ConfigError: the file is damaged.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            vector = np.load(io.BytesIO(self._path.read_bytes()), allow_pickle=False)
        except (ValueError, EOFError, BadZipFile) as error:
            raise self._damaged() from error
        if not isinstance(vector, np.ndarray) or vector.shape not in _SHAPES:
            raise self._damaged()
        voiceprint = Voiceprint(vector[:SIZE].astype(np.float32))
        # An older file does not say how much of the voice was heard, or has nothing to compare.
        if vector.size > SIZE:
            voiceprint = replace(voiceprint, heard_s=float(vector[SIZE]))
        if vector.size > SIZE + 1:
            voiceprint = replace(voiceprint, embedding=vector[SIZE + 1 :].astype(np.float32))
        return voiceprint

    def keep(self, voiceprint: Voiceprint) -> None:
        """Keep it for the next time."""
        if self._path is None:
            return
        data = io.BytesIO()
        kept = [voiceprint.vector, np.array([voiceprint.heard_s], np.float32)]
        if voiceprint.embedding is not None:
            kept.append(voiceprint.embedding)
        np.save(data, np.concatenate(kept))
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data.getvalue())
        part.replace(self._path)

    def forget(self) -> None:
        """Keep none."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _damaged(self) -> ConfigError:
        return ConfigError(
            f"{self._path} is no voiceprint.", remedy="Remove it, and enrol your voice again."
        )
