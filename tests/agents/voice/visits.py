"""A visit to the agent's page: in a real browser, whose microphone is a recording."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from anyio.abc import TaskGroup
from chromium import browsing
from fake_models import AlwaysComplete, Answers, Tones
from voices import Voice

from agents.voice.audience import KeptVoice
from agents.voice.live import Talk
from agents.voice.overview import Overview, Work
from agents.voice.page import Page
from agents.voice.ports import Loudspeaker, Models, Screen
from agents.voice.pvad import Model, enrol
from agents.voice.sound import Samples, write_wav

ANSWER = (
    "the disk of the server is half full and forty gigabytes are left for you to use and the one "
    "of the desk has even more of them so you need not throw anything away before next year"
)
ME = Voice(pitch_hz=110, tract=0.92)
FABRIC = Overview(
    (("desk", True), ("attic", False)), (Work("c-1", "back up the photos", "working", 1, 4),)
)


class Loudness:
    """Recognises a question where there is any sound."""

    def transcribe(self, sound: Samples) -> str:
        return "How full is the disk?" if float(np.abs(sound).max(initial=0.0)) > 0.05 else ""


@dataclass
class Visit:
    """Attributes:
    page: as playwright has it.
    cut: breaks the page's connection off.
    load: has a part of the agent be there.
    sockets: the websockets that the page opened.
    """

    page: Any
    cut: Callable[[], None]
    load: Callable[[str], None]
    sockets: list[Any] = field(default_factory=list)


@asynccontextmanager
async def opened(
    recording: Samples | None, folder: Path, *, only_me: bool = False, parts: tuple[str, ...] = ()
) -> AsyncIterator[Visit]:
    """The page, with the recording as its microphone, if any, and the agent behind it.

    Args:
        parts: what the agent still has to load.
    """
    microphone = None if recording is None else folder / "microphone.wav"
    if recording is not None and microphone is not None:
        write_wav(microphone, recording)
    model, models = Model(), Models(Loudness(), AlwaysComplete(), Tones())
    voice = KeptVoice(folder / "voiceprint.npy")
    if only_me:
        voice.keep(enrol(model, ME.says(5, seed=99)))

    def make(tasks: TaskGroup, screen: Screen, speaker: Loudspeaker) -> Talk:
        mind = Answers(ANSWER)
        return Talk(
            model, models, mind, tasks, screen, speaker, voice=voice, overview=lambda: FABRIC
        )

    async with anyio.create_task_group() as tasks:
        served = Page(None if parts else make, tasks, parts)

        def load(part: str) -> None:
            served.loaded(part)
            if all(served._loaded.values()):
                served.ready(make)

        def cut() -> None:
            for peer in served._visits:
                if peer._transport is not None:
                    peer._transport.transport.abort()

        async with (
            served.served("127.0.0.1", 0),
            browsing(served.url, microphone=microphone) as page,
        ):
            visit = Visit(page, cut, load)
            page.on("websocket", lambda socket: visit.sockets.append(socket))
            await page.focus("#start")
            await page.keyboard.press("Enter")
            yield visit
        tasks.cancel_scope.cancel()
