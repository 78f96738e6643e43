"""Loading the models, once for all conversations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from constellation.errors import ConfigError

from ..ports import Detector, Feelings, Models, Recogniser, Speaker, TurnEnds
from ..pvad import Model
from ..voiceprint import Voices
from .moonshine import Moonshine
from .piper import Piper
from .smart_turn import SmartTurn
from .wespeaker import WeSpeaker

log = logging.getLogger("constellation.agent")

T = TypeVar("T")

PARTS = (
    "speech synthesis",
    "personalised voice activity detection",
    "speech recognition",
    "ends of turns",
    "comparison of voices",
    "a first sentence",
)
"""What is loaded, by the names that `loaded` tells."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that is shared."""

    detector: Detector
    models: Models


@dataclass(frozen=True, slots=True)
class Kinds:
    """What makes each model; see `agents.voice.ports`. A speaker with a ``close`` is closed.

    Attributes:
        voices: makes None where there is nothing that compares voices.
        known_by: names what voices are known by: what one detector knows, another does not.
    """

    recogniser: Callable[[], Recogniser]
    turn_ends: Callable[[], TurnEnds]
    speaker: Callable[[], Speaker]
    detector: Callable[[], Detector]
    voices: Callable[[], Voices | None]
    known_by: str = ""


def kinds(
    recogniser: str = "",
    turn_ends: str = "",
    speaker: str = "",
    detector: str = "",
    voices: str = "",
    *,
    seed: int | None = None,
) -> Kinds:
    """The models that ship, or others in their place, named as ``module:callable``.

    Args:
        seed: of the speech synthesis that ships; see `Piper`.

    Raises:
        ConfigError: there is nothing of that name.
    """
    return Kinds(
        _kind(recogniser, "transcribe") if recogniser else Moonshine,
        _kind(turn_ends, "complete") if turn_ends else SmartTurn,
        _kind(speaker, "say") if speaker else partial(Piper, seed),
        _kind(detector, "stream", "enrol") if detector else Model,
        _kind(voices, "embed", "even", "steepness") if voices else _carried,
        f"{detector} {voices}".strip(),
    )


def _carried() -> Voices | None:
    """What compares voices, if it is there: the agent does without, if it must."""
    try:
        return WeSpeaker()
    except ConfigError as error:
        log.warning("%s Voices are told apart by the detector alone.", error.message)
        return None


@contextmanager
def loaded(
    progress: Callable[[str], None] = lambda name: None,
    seed: int | None = None,
    wanted: Kinds | None = None,
) -> Iterator[Loaded]:
    """The models of this machine for as long as the context is open. Loading blocks.

    Args:
        progress: called with the name of each of `PARTS` as it is loaded, in its thread.
        seed: of the speech synthesis; see `Piper`.
        wanted: None for those that ship.

    Raises:
        ConfigError: a package is missing, or a model cannot be made; the message says which.
    """
    wanted = wanted or kinds(seed=seed)

    def load(name: str, kind: Callable[[], T]) -> T:
        model = kind()
        progress(name)
        return model

    with ThreadPoolExecutor() as pool:
        speaking = pool.submit(load, PARTS[0], wanted.speaker)
        detecting = pool.submit(load, PARTS[1], wanted.detector)
        recognising = pool.submit(load, PARTS[2], wanted.recogniser)
        ending = pool.submit(load, PARTS[3], wanted.turn_ends)
        comparing = pool.submit(load, PARTS[4], wanted.voices)
    speaker = speaking.result()
    try:
        models = Models(recognising.result(), ending.result(), speaker, comparing.result())
        # The first sentence takes several times as long as the others.
        speaker.say("Hello.")
        progress(PARTS[5])
        yield Loaded(detecting.result(), models)
    finally:
        close = getattr(speaker, "close", None)
        if close is not None:
            close()


def feelings_of(named: str) -> Feelings | None:
    """A model of feelings, made by what is named as ``module:callable``; None for no name.

    Raises:
        ConfigError: there is nothing of that name, or it cannot be made.
    """
    if not named:
        return None
    made: Feelings = _kind(named, "feeling")()
    return made


def _kind(named: str, *wanted: str) -> Callable[[], Any]:
    """What makes a model that has the attributes that are wanted of it.

    Raises:
        ConfigError: there is nothing of that name. What it makes raises it too, if it fails.
    """
    make = _named(named)

    def made() -> Any:
        try:
            model = make()
        except (TypeError, ValueError, LookupError, ImportError, OSError, RuntimeError) as error:
            raise _unmade(named, error) from error
        missing = [each for each in wanted if not hasattr(model, each)]
        if missing:
            raise _unmade(named, TypeError(f"it has no {' and no '.join(missing)}"))
        return model

    return made


def _named(named: str) -> Callable[[], Any]:
    module, _, name = named.partition(":")
    try:
        found: Callable[[], Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise _unmade(named, error) from error
    if not callable(found):
        raise _unmade(named, TypeError("it cannot be called"))
    return found


def _unmade(named: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"The model {named!r} cannot be made: {error}.",
        remedy="Name something that can be called, such as my_package.my_module:MyModel.",
    )
