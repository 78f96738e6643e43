"""A conversation at a sound card: what is heard, freed of the agent's voice, and what is played.

The card runs by its own clock and asks from its own thread. It is given sound that lies ready, so
that it never waits for the agent, and what it heard is taken in whenever the agent comes to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import anyio
import numpy as np
from anyio.abc import TaskGroup
from anyio.from_thread import BlockingPortal

from constellation.errors import ConfigError

from .echo import EchoCanceller
from .events import Played
from .features import BLOCK
from .live import Talk
from .player import Player
from .ports import Loudspeaker, Screen
from .sound import RATE_HZ, Samples

Card: TypeAlias = Callable[[Callable[[Samples], Samples]], AbstractContextManager[None]]
"""Opens a sound card: gives each block that it heard to a function, and plays what that returns."""

# What lies ready for the card: it may be late by one block.
_AHEAD = 2


class _Console:
    """What goes to and fro between the card's thread and the talk's."""

    def __init__(self, portal: BlockingPortal, talk: Talk, player: Player) -> None:
        self._portal = portal
        self._talk = talk
        self._player = player
        self._canceller = EchoCanceller()
        self._ready: deque[tuple[Samples, Played | None]] = deque([(_SILENCE, None)] * _AHEAD)

    def exchange(self, heard: Samples) -> Samples:
        """In the card's thread: a block was heard, and another is wanted."""
        sound, played = self._ready.popleft() if self._ready else (_SILENCE, None)
        self._portal.start_task_soon(self._take, heard.copy(), sound, played)
        return sound

    def _take(self, heard: Samples, sound: Samples, played: Played | None) -> None:
        if played is not None:
            self._talk.played(played.answer, played.samples)
        left = self._canceller.push(heard, sound)
        self._talk.hear(left, self._canceller.residue)
        if len(self._ready) < _AHEAD:
            self._ready.append(self._player.render(BLOCK))


async def converse(
    card: Card, make: Callable[[TaskGroup, Screen, Loudspeaker], Talk], say: Callable[[str], None]
) -> None:
    """Talk until canceled.

    Args:
        make: makes the talk, with the screen and the loudspeaker that it is given.
        say: takes a line for the person.
    """
    async with BlockingPortal() as portal, anyio.create_task_group() as tasks:
        player = Player()
        talk = make(tasks, _Lines(say), player)
        console = _Console(portal, talk, player)
        try:
            with card(console.exchange):
                await talk.run()
        finally:
            talk.hang_up()


class _Lines:
    """A terminal as the screen; see `agents.voice.ports.Screen`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def tell(self, kind: str, **fields: Any) -> None:
        match {"kind": kind, **fields}:
            case {"kind": "said", "who": who, "text": text, "cut": cut}:
                self._say(f"{'You' if who == 'person' else 'Agent'}: {text}{' —' if cut else ''}")
            case {"kind": "enrolling", "seconds": seconds, "enough": enough}:
                self._say(f"Speak for {seconds:.0f} seconds, please; {enough:.0f} will do.")
            case {"kind": "enrolled"}:
                self._say("Only you may interrupt.")
            case {"kind": "not enrolled", "message": problem}:
                self._say(problem)
            case {"kind": "everyone"}:
                self._say("Everyone may interrupt.")

    def levels(self, anyone: float, primary: float) -> None:
        pass


def sound_card() -> Card:
    """The default microphone and loudspeaker of this machine, by PortAudio.

    Raises:
        ConfigError: the extra, PortAudio or a sound card is missing.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"Sound cards cannot be used: {error}.",
            remedy="Install the extra, pip install 'constellation-fabric[console]', and PortAudio "
            "(on Debian, apt-get install libportaudio2).",
        ) from None
    form = {"samplerate": RATE_HZ, "channels": 1, "dtype": "float32"}
    try:
        sounddevice.check_input_settings(**form)
        sounddevice.check_output_settings(**form)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ConfigError(
            f"There is no sound card to talk at: {error}.",
            remedy="Connect a microphone and a loudspeaker, or talk on the page.",
        ) from None

    @contextmanager
    def card(exchange: Callable[[Samples], Samples]) -> Iterator[None]:
        def callback(heard: Samples, play: Samples, *_: object) -> None:
            play[:, 0] = exchange(heard[:, 0])

        with sounddevice.Stream(**form, blocksize=BLOCK, latency="low", callback=callback):
            yield

    return card


_SILENCE = np.zeros(BLOCK, np.float32)
