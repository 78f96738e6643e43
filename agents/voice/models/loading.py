"""Loading the models, once for all conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TypeVar

from constellation.errors import ConfigError

from ..ports import Feelings, Models
from ..pvad import Model
from .moonshine import Moonshine
from .piper import Piper
from .smart_turn import SmartTurn
from .wespeaker import WeSpeaker

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

    detector: Model
    models: Models


@contextmanager
def loaded(
    progress: Callable[[str], None] = lambda name: None, seed: int | None = None
) -> Iterator[Loaded]:
    """The models of this machine for as long as the context is open. Loading blocks.

    Args:
        progress: called with the name of each of `PARTS` as it is loaded, in its thread.
        seed: of the speech synthesis; see `Piper`.

    Raises:
        ConfigError: a package is missing; the message says which.
    """

    def load(name: str, kind: Callable[[], T]) -> T:
        model = kind()
        progress(name)
        return model

    with ThreadPoolExecutor() as pool:
        speaking = pool.submit(load, PARTS[0], partial(Piper, seed))
        detecting = pool.submit(load, PARTS[1], Model)
        recognising = pool.submit(load, PARTS[2], Moonshine)
        ending = pool.submit(load, PARTS[3], SmartTurn)
        comparing = pool.submit(load, PARTS[4], WeSpeaker)
    speaker = speaking.result()
    try:
        models = Models(recognising.result(), ending.result(), speaker, comparing.result())
        # The first sentence takes several times as long as the others.
        speaker.say("Hello.")
        progress(PARTS[5])
        yield Loaded(detecting.result(), models)
    finally:
        speaker.close()


def feelings_of(named: str) -> Feelings | None:
    """A model of feelings, made by what is named as ``module:callable``; None for no name.

    Raises:
        ConfigError: there is nothing of that name, or it cannot be made.
    """
    if not named:
        return None
    module, _, name = named.partition(":")
    try:
        made: Feelings = getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"The model of feelings {named!r} cannot be made: {error}.",
            remedy="Name something that can be called, such as my_package.my_module:MyModel.",
        ) from error
    return made
