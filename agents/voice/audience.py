"""Who may interrupt: what the person wants, and the voice that is kept for it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

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
_NOTHING = np.zeros(0, np.float32)
# Of older files.
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
        known_by: the models that made it, by name; what others made says nothing to them.
    """

    def __init__(self, path: Path | None, known_by: str = "") -> None:
        self._path = path
        self._known_by = known_by

    def load(self) -> Voiceprint | None:
        """The voiceprint that was kept last, if there is one.

        Raises:
            ConfigError: the file is damaged, or of other models.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            found = np.load(io.BytesIO(self._path.read_bytes()), allow_pickle=False)
            known_by, voiceprint = _older(found) if isinstance(found, np.ndarray) else _kept(found)
        except (ValueError, EOFError, LookupError, TypeError, BadZipFile) as error:
            raise ConfigError(
                f"{self._path} is no voiceprint.", remedy="Remove it, and enrol your voice again."
            ) from error
        if known_by != self._known_by:
            raise ConfigError(
                f"The voice in {self._path} is known to other models.",
                remedy="Enrol it again, with --enrol, or remove the file.",
            )
        return voiceprint

    def keep(self, voiceprint: Voiceprint) -> None:
        """Keep it for the next time."""
        if self._path is None:
            return
        data = io.BytesIO()
        # An embedding that is not there is kept as none at all: of no numbers.
        embedding = _NOTHING if voiceprint.embedding is None else voiceprint.embedding
        np.savez(
            data,
            known_by=np.array(self._known_by),
            vector=voiceprint.vector,
            heard_s=np.array(voiceprint.heard_s),
            embedding=embedding,
        )
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


def _kept(found: Mapping[str, Any]) -> tuple[str, Voiceprint]:
    """What a file holds, and by which models."""
    vector, known_by = _vector(found["vector"]), str(found["known_by"])
    if not known_by and vector.shape != (SIZE,):
        raise ValueError(vector.shape)
    embedding = _vector(found["embedding"]) if found["embedding"].size else None
    return known_by, Voiceprint(vector, float(found["heard_s"]), embedding)


def _vector(found: NDArray[Any]) -> NDArray[np.float32]:
    vector = np.asarray(found, np.float32)
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
        raise ValueError(vector.shape)
    return vector


def _older(found: NDArray[Any]) -> tuple[str, Voiceprint]:
    """What a file of an older version holds: one array, which may end early."""
    if found.shape not in _SHAPES:
        raise ValueError(found.shape)
    voiceprint = Voiceprint(_vector(found[:SIZE]))
    if found.size > SIZE:
        voiceprint = replace(voiceprint, heard_s=float(found[SIZE]))
    if found.size > SIZE + 1:
        voiceprint = replace(voiceprint, embedding=_vector(found[SIZE + 1 :]))
    return "", voiceprint
