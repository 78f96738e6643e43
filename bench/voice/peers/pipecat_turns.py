"""Pipecat's turns: a program that runs where ``pipecat-ai`` is installed, and nothing of ours.

It says which version it is, and then reads requests: a line of JSON (``samples``: their number;
``whole``: whether ends of turns are wanted) and so many samples of PCM16 at 16 kHz. It answers each
with a line of JSON: when turns began and ended, in seconds of sound.

All that decides is Pipecat's, as it comes: `SileroVADAnalyzer` with its default parameters in a
`VADController`, the default strategies for the start of a turn, and Smart Turn 3 with its default
fallback of three seconds for its end. Three things differ from a pipeline. Sound comes frame by
frame, each when what the one before caused is done, and what Smart Turn asks of the clock is told
by the sound, so that the machine's speed changes nothing. The limit of five seconds, by the clock,
after which any turn is over is out of reach. And no transcript is waited for at the end of a turn,
an option of Pipecat's for those who have none.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib.metadata import version

from loguru import logger
from pipecat.audio.turn.smart_turn import base_smart_turn
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_controller import VADController
from pipecat.clocks.system_clock import SystemClock
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.turns.user_start import UserTurnStartedParams
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_controller import UserTurnController
from pipecat.turns.user_turn_strategies import (
    UserTurnStrategies,
    default_user_turn_start_strategies,
)
from pipecat.utils.asyncio.task_manager import TaskManager

RATE_HZ = 16_000
# A window of Silero's.
FRAME = 512
# By the machine's clock, which is not the sound's.
NEVER_S = 3_600.0


class SoundClock:
    """Stands for the module `time` where Smart Turn asks when a piece of sound came."""

    perf_counter = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds of sound."""
        return self.now


CLOCK = SoundClock()


class Turns:
    """Hears one stream."""

    def __init__(self, whole: bool) -> None:
        self.starts: list[float] = []
        self.stops: list[float] = []
        self._whole = whole
        self._now = 0.0
        self._analyzer = SileroVADAnalyzer(sample_rate=RATE_HZ)
        self._vad = VADController(self._analyzer)
        self._strategies = default_user_turn_start_strategies()
        self._turns = UserTurnController(
            user_turn_strategies=UserTurnStrategies(
                start=self._strategies,
                stop=[
                    TurnAnalyzerUserTurnStopStrategy(
                        turn_analyzer=LocalSmartTurnAnalyzerV3(), wait_for_transcript=False
                    )
                ],
            ),
            user_turn_stop_timeout=NEVER_S,
        )

    async def hear(self, sound: bytes, setup: FrameProcessorSetup) -> None:
        """Take in a stream from its start to its end."""
        await self._vad.setup(setup)
        self._vad.add_event_handler("on_speech_started", self._speech_started)
        self._vad.add_event_handler("on_speech_stopped", self._speech_stopped)
        if self._whole:
            await self._turns.setup(setup)
            self._turns.add_event_handler("on_user_turn_started", self._started)
            self._turns.add_event_handler("on_user_turn_stopped", self._stopped)
        else:
            for strategy in self._strategies:
                strategy.add_event_handler("on_user_turn_started", self._started)
        for begin in range(0, len(sound) - 2 * FRAME + 1, 2 * FRAME):
            self._now = CLOCK.now = (begin / 2 + FRAME) / RATE_HZ
            frame = InputAudioRawFrame(
                audio=sound[begin : begin + 2 * FRAME], sample_rate=RATE_HZ, num_channels=1
            )
            await self._tell(frame)
            await self._vad.process_frame(frame)
        if self._whole:
            await self._turns.cleanup()
        await self._vad.cleanup()

    async def _tell(self, frame: Frame) -> None:
        if self._whole:
            await self._turns.process_frame(frame)
            return
        # Whether somebody who begins to speak interrupts: the agent speaks all the time.
        for strategy in self._strategies:
            await strategy.process_frame(frame)

    async def _speech_started(self, _: VADController) -> None:
        await self._tell(VADUserStartedSpeakingFrame(start_secs=self._analyzer.params.start_secs))

    async def _speech_stopped(self, _: VADController) -> None:
        await self._tell(VADUserStoppedSpeakingFrame(stop_secs=self._analyzer.params.stop_secs))
        if not self._whole:
            self.stops.append(self._now)

    async def _started(self, *arguments: object) -> None:
        params = arguments[-1]
        if isinstance(params, UserTurnStartedParams) and params.enable_interruptions:
            self.starts.append(self._now)

    async def _stopped(self, *_: object) -> None:
        self.stops.append(self._now)


async def serve() -> None:
    """Answer requests until there are no more."""
    worker = PipelineWorker(Pipeline([]))
    setup = FrameProcessorSetup(
        clock=SystemClock(), task_manager=TaskManager(), pipeline_worker=worker
    )
    print(json.dumps({"version": f"pipecat-ai {version('pipecat-ai')}"}), flush=True)
    while line := sys.stdin.buffer.readline():
        wanted = json.loads(line)
        turns = Turns(wanted["whole"])
        await turns.hear(sys.stdin.buffer.read(2 * wanted["samples"]), setup)
        print(json.dumps({"starts": turns.starts, "stops": turns.stops}), flush=True)


if __name__ == "__main__":
    logger.remove()
    base_smart_turn.time = CLOCK
    asyncio.run(serve())
