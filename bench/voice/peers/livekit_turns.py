"""LiveKit's interruptions: a program that runs where ``livekit-agents`` is, and nothing of ours.

It says which version it is, and then reads requests: a line of JSON (``samples``: their number) and
so many samples of PCM16 at 16 kHz. It answers each with a line of JSON: when an interruption began
and ended, in seconds of sound.

The detector is LiveKit's Silero plug-in with its defaults, and how long somebody has to speak is
what a session asks for by default. That the one is held against the other is done here, in one
line, as `AgentActivity.on_vad_inference_done` does it: a whole session goes by the clock, so that
it cannot hear faster than in real time. A session that may ask LiveKit's cloud whether a voice
means to interrupt does so; offline none can.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import version

from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.vad import VADEventType
from livekit.plugins import silero

RATE_HZ = 16_000
FRAME = 160


async def heard(
    detector: silero.VAD, sound: bytes, least_s: float
) -> tuple[list[float], list[float]]:
    """When speech had lasted long enough to interrupt, and when it was over."""
    stream = detector.stream()
    for begin in range(0, len(sound) - 2 * FRAME + 1, 2 * FRAME):
        stream.push_frame(rtc.AudioFrame(sound[begin : begin + 2 * FRAME], RATE_HZ, 1, FRAME))
    stream.end_input()
    starts: list[float] = []
    stops: list[float] = []
    async for event in stream:
        interrupting = len(starts) > len(stops)
        if event.type == VADEventType.INFERENCE_DONE and not interrupting:
            if event.speech_duration >= least_s:
                starts.append(event.timestamp)
        elif event.type == VADEventType.END_OF_SPEECH and interrupting:
            stops.append(event.timestamp)
    await stream.aclose()
    return starts, stops


async def serve() -> None:
    """Answer requests until there are no more."""
    detector = silero.VAD.load()
    least_s = AgentSession(vad=detector).options.interruption["min_duration"]
    print(json.dumps({"version": f"livekit-agents {version('livekit-agents')}"}), flush=True)
    while line := sys.stdin.buffer.readline():
        sound = sys.stdin.buffer.read(2 * json.loads(line)["samples"])
        starts, stops = await heard(detector, sound, least_s)
        print(json.dumps({"starts": starts, "stops": stops}), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
