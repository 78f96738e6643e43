"""A conversation at a sound card, of a room in which the microphone hears the agent too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Semaphore, Thread, current_thread, main_thread
from typing import Any

import anyio
import numpy as np
import pytest
from anyio.abc import TaskGroup
from fake_models import AlwaysComplete, Answers, Tones
from voices import Voice

from agents.voice.console import converse
from agents.voice.features import BLOCK
from agents.voice.live import Talk
from agents.voice.ports import Loudspeaker, Models, Screen, Speech
from agents.voice.pvad import Model
from agents.voice.sound import Samples
from agents.voice.speech import timed

pytestmark = pytest.mark.anyio

ME = Voice(pitch_hz=110, tract=0.92)
QUESTION, LATER = ME.says(1.2, seed=1), ME.says(1.2, seed=2)
KNOWN = {"How full is the disk?": QUESTION, "No, of the desk, please": LATER}
ANSWER = "the disk of the server is half full and forty gigabytes are left for you to use " * 3


class Paced(Model):
    """Tells how many blocks were heard, and lets the card go on with each."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0
        self.free = Semaphore(4)

    def step(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if current_thread() is main_thread():
            self.heard += 1
            self.free.release()
        return super().step(inputs)


class Alike:
    """Recognises utterances by their likeness, which an echo on top would spoil."""

    def transcribe(self, sound: Samples) -> str:
        return " ".join(text for text, known in KNOWN.items() if likeness(sound, known) > 0.9)


def likeness(sound: Samples, known: Samples) -> float:
    if len(sound) < len(known):
        return 0.0
    size = len(sound) + len(known)
    both = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(known, size))
    found = np.fft.irfft(both, size)[: len(sound) - len(known) + 1]
    sums = np.cumsum(np.concatenate([[0.0], sound**2]))
    powers = sums[len(known) :] - sums[: -len(known)]
    return float((found / np.sqrt(powers * (known @ known) + 1e-9)).max())


class Agent(Tones):
    """Speaks with a voice of its own."""

    def say(self, text: str) -> Speech:
        sound = Voice(pitch_hz=200, tract=1.15).says(len(text.split()) * 0.3, seed=7)
        return Speech(sound, timed(text, sound))


class Room:
    """A sound card in a room where a person speaks; see `agents.voice.console.Card`.

    Attributes:
        played: the blocks that were.
        lines: what the person was told.
    """

    def __init__(self, model: Paced) -> None:
        self.played: list[Samples] = []
        self.lines: list[str] = []
        self.over = anyio.Event()
        self._model = model
        self._token = anyio.lowlevel.current_token()

    @contextmanager
    def card(self, exchange: Callable[[Samples], Samples]) -> Iterator[None]:
        thread = Thread(target=self._run, args=(exchange,))
        thread.start()
        yield
        thread.join()

    def _run(self, exchange: Callable[[Samples], Samples]) -> None:
        echo = np.zeros(BLOCK, np.float32)
        for block in self._speaks():
            self._model.free.acquire()
            played = exchange(block + echo)
            echo = np.float32(0.5) * played
            self.played.append(played)
        anyio.from_thread.run_sync(self.over.set, token=self._token)

    def _speaks(self) -> Iterator[Samples]:
        yield from self._quiet_until(lambda: len(self.played) == 50)
        yield from QUESTION.reshape(-1, BLOCK)
        yield from self._quiet_until(lambda: self._loud() == 100)
        yield from LATER.reshape(-1, BLOCK)
        yield from self._quiet_until(lambda: len(self.lines) == 3)

    def _quiet_until(self, reached: Callable[[], bool]) -> Iterator[Samples]:
        for _ in range(5_000):
            if reached():
                return
            yield np.zeros(BLOCK, np.float32)

    def _loud(self) -> int:
        return sum(float(np.abs(block).max()) > 0.01 for block in self.played)


async def test_person_is_understood_over_the_agents_own_voice() -> None:
    model = Paced()
    room = Room(model)

    def make(tasks: TaskGroup, screen: Screen, speaker: Loudspeaker) -> Talk:
        return Talk(
            model,
            Models(Alike(), AlwaysComplete(), Agent()),
            Answers(ANSWER),
            tasks,
            screen,
            speaker,
            clock=lambda: model.heard * 0.02,
        )

    with anyio.fail_after(100):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(converse, room.card, make, room.lines.append)
            await room.over.wait()
            tasks.cancel_scope.cancel()
    asked, answered, interrupted = room.lines
    assert asked == "You: How full is the disk?"
    assert answered.startswith("Agent: the disk of the server")
    assert answered.endswith(" —")
    assert interrupted == "You: No, of the desk, please"
