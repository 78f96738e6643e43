"""The ways from what a person says to what a language model is given of it."""

from __future__ import annotations

from enum import StrEnum


class Pipeline(StrEnum):
    """Cascaded: the words alone. Semi-cascaded: what a transcript loses as well.

    Attributes:
        CASCADED: the words.
        MANNER: and a few that say how they were said.
        AUDIO: and the sound itself, for a model that takes ``input_audio``.
    """

    CASCADED = "cascaded"
    MANNER = "manner"
    AUDIO = "audio"
