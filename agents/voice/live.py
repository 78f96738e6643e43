"""A conversation as it happens: models in threads, time from a clock, a person at the other end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict

import anyio
from anyio.abc import TaskGroup

from constellation.errors import AudioError

from .audience import Audience, KeptVoice
from .conversation import Conversation, Found, Lane
from .events import (
    Announce,
    CommitAnswer,
    CommitTurn,
    Event,
    Frame,
    HangUp,
    Instruction,
    Mute,
    Played,
    Speak,
    Tick,
    Transcript,
)
from .interrupters import Interrupters
from .overview import Overview
from .phases import Phase
from .ports import Detector, Loudspeaker, Mind, Models, Screen
from .pvad import Listener, enrol
from .sound import Samples
from .timeline import Timeline

_LEVEL_FRAMES = 5
_TICK_S = 0.05
_NEWS_S = 2.0


class Lanes:
    """A desk whose lanes work in threads; see `agents.voice.conversation.Desk`.

    Args:
        found: takes what is found, in the event loop.
    """

    def __init__(self, tasks: TaskGroup, found: Callable[[Found], None]) -> None:
        self._tasks = tasks
        self._found = found
        self._waiting: dict[Lane, deque[Iterator[Found]]] = {}

    def start(self, lane: Lane, work: Iterator[Found]) -> None:
        if lane in self._waiting:
            self._waiting[lane].append(work)
            return
        self._waiting[lane] = deque([work])
        self._tasks.start_soon(self._run, lane)

    def busy(self, lane: Lane) -> bool:
        return lane in self._waiting

    async def _run(self, lane: Lane) -> None:
        waiting = self._waiting[lane]
        while waiting:
            work = waiting.popleft()
            while (found := await anyio.to_thread.run_sync(next, work, None)) is not None:
                self._found(found)
        del self._waiting[lane]


class Talk:
    """One person who talks with the agent.

    Args:
        screen: what the person sees.
        speaker: what the person hears.
        audience: what the mind is told of who is to be let interrupt.
        voice: keeps the voice that is enrolled; the one that it has may interrupt from the start.
        news: says what is to be announced; called in a thread.
        overview: what the fabric is at; the same object as long as nothing has changed.
        clock: seconds; never goes back.

    Attributes:
        interrupters: who may interrupt.
    """

    def __init__(
        self,
        detector: Detector,
        models: Models,
        mind: Mind,
        tasks: TaskGroup,
        screen: Screen,
        speaker: Loudspeaker,
        *,
        audience: Audience | None = None,
        voice: KeptVoice | None = None,
        news: Callable[[], Iterator[str]] = lambda: iter(()),
        overview: Callable[[], Overview] = Overview,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen = screen
        self._detector = detector
        self._voices = models.voices
        voice = voice or KeptVoice(None)
        self._ears = Listener(detector, voice.load(), models.voices)
        self._tasks = tasks
        self._news = news
        self._overview = overview
        self._seen = Overview()
        self._time = clock
        self._begun = clock()
        self._timeline = Timeline()
        self._frames = 0
        self._conversation = Conversation(
            self._ears,
            models,
            mind,
            speaker,
            Lanes(tasks, self._handle),
            told=self._told,
        )
        self.interrupters = Interrupters(
            self._ears,
            voice,
            audience or Audience(),
            screen.tell,
            lambda on: self._handle(Mute(on)),
        )
        self._phase = self._conversation.machine.phase
        if self._ears.voiceprint is not None:
            self._screen.tell("enrolled")

    def hear(self, samples: Samples, echo: float = 0.0) -> None:
        """Take in sound of the microphone, and how likely it is the agent's own voice."""
        self.interrupters.hear(samples)
        self._tick()
        self._conversation.hear(samples, self._now(), echo)
        learned = self.interrupters.learned()
        if learned is not None:
            self._tasks.start_soon(self._enrol, learned)
        self._show()

    def played(self, answer: int, samples: int) -> None:
        """The person has heard an answer up to a sample."""
        self._handle(Played(answer, samples))

    async def run(self) -> None:
        """Let time pass, until canceled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._bring_news)
            while True:
                await anyio.sleep(_TICK_S)
                self._tick()
                self._show()

    def hang_up(self) -> None:
        """The person is gone for good."""
        self._handle(HangUp())

    def _handle(self, found: Found) -> None:
        self._tick()
        self._conversation.handle(found, self._now())
        self._show()

    def _now(self) -> float:
        return self._time() - self._begun

    def _tick(self) -> None:
        """Let happen what is due."""
        deadline = self._conversation.machine.deadline()
        if deadline is not None and deadline <= self._now():
            self._conversation.handle(Tick(), self._now())

    async def _bring_news(self) -> None:
        while True:
            await anyio.sleep(_NEWS_S)
            for text in await anyio.to_thread.run_sync(lambda: list(self._news())):
                self._handle(Announce(text))

    async def _enrol(self, sound: Samples) -> None:
        try:
            voiceprint = await anyio.to_thread.run_sync(enrol, self._detector, sound, self._voices)
        except AudioError as error:
            self.interrupters.fail(str(error))
        else:
            self.interrupters.keep(voiceprint)

    # ── what the person sees ────────────────────────────────────────────────────────────────────

    def _told(self, what: Event | Instruction, now: float) -> None:
        self._timeline.note(what, now)
        match what:
            case Frame(anyone, primary):
                self._frames += 1
                self.interrupters.judge(anyone)
                if self._frames % _LEVEL_FRAMES == 0:
                    self._show_levels(anyone, primary)
            case Transcript(_, text):
                self._screen.tell("hearing", text=text)
            case Speak(answer, text):
                self._screen.tell("saying", answer=answer, text=text)
            case CommitTurn(_, text):
                self._ears.learn()
                self._screen.tell("said", who="person", text=text, cut=False)
            case CommitAnswer(answer, text, cut):
                self._screen.tell("said", who="agent", answer=answer, text=text, cut=cut)

    def _show_levels(self, anyone: float, primary: float) -> None:
        self._screen.levels(anyone, primary)
        share = self.interrupters.share
        if share is not None:
            self._screen.tell("learning", share=round(share, 3))

    def _show(self) -> None:
        """Tell what has changed."""
        self.interrupters.heed(listening=self._conversation.machine.phase is Phase.LISTENING)
        phase = self._conversation.machine.phase
        if phase is not self._phase:
            self._phase = phase
            self._screen.tell("phase", phase=phase)
        overview = self._overview()
        if overview != self._seen:
            self._seen = overview
            self._screen.tell("fabric", **asdict(overview))
        for entry in self._timeline.entries:
            self._screen.tell("happened", **entry.plain())
        # A conversation may last for days.
        self._timeline.entries.clear()
