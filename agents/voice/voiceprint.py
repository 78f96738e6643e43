"""What a voice is like: for the ears, frame by frame, and for a comparison over seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .odds import probability
from .sound import RATE_HZ, Samples

SIZE = 256
# The more of a voice is known, the likelier the model takes it for anybody who is a little like it.
# That the agent's thresholds mean the same for all, it is taken off (docs/voice-training.md).
_LITTLE_S, _MUCH_S = 5.0, 10.0
_SURPLUS_ODDS = 0.385
# Of a comparison the latest seconds count.
_LATEST_S = 3.0


class Voices(Protocol):
    """What a voice is like, told from seconds of it. Its calls block, and come from any thread.

    Attributes:
        even: the cosine between two voices at which they are as likely one as two.
        steepness: log-odds that they are one, for each unit above that.
    """

    even: float
    steepness: float

    def embed(self, sound: Samples) -> NDArray[np.float32]:
        """(n,) of length one; the cosine between two says how alike the voices are.

        Raises:
            AudioError: there is too little to be heard.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Voiceprint:
    """What a voice is like.

    Attributes:
        vector: (n,) of length one, by which a detector knows it; (256,) of `pvad`.
        heard_s: seconds of the voice that it was made from.
        embedding: (n,) of length one, of `Voices`; None if there were none.
    """

    vector: NDArray[np.float32]
    heard_s: float = 5.0
    embedding: NDArray[np.float32] | None = None

    @property
    def surplus(self) -> float:
        """Log-odds by which everybody is likelier taken for this person than from five seconds."""
        share = (self.heard_s - _LITTLE_S) / (_MUCH_S - _LITTLE_S)
        return _SURPLUS_ODDS * min(1.0, max(0.0, share))

    def likeness(self, other: Voiceprint) -> float:
        """The cosine between two."""
        return float(self.vector @ other.vector)


def mean_of(prints: Sequence[Voiceprint]) -> Voiceprint:
    """The voiceprint of a person who was enrolled several times."""
    embeddings = [each.embedding for each in prints if each.embedding is not None]
    return Voiceprint(
        of_length_one(np.sum([each.vector for each in prints], axis=0)),
        sum(each.heard_s for each in prints),
        of_length_one(np.sum(embeddings, axis=0)) if len(embeddings) == len(prints) else None,
    )


def compared(voiceprint: Voiceprint, voices: Voices, sound: Samples) -> float | None:
    """How probably the voice in a sound is that of a voiceprint; None if that has no embedding.

    Raises:
        AudioError: there is too little to be heard.
    """
    if voiceprint.embedding is None:
        return None
    latest = sound[-round(_LATEST_S * RATE_HZ) :]
    cosine = float(voices.embed(latest) @ voiceprint.embedding)
    return probability(voices.steepness * (cosine - voices.even))


def of_length_one(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same direction."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-6)).astype(np.float32)
