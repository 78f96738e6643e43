"""`make demo-voice`: a recorded conversation with the real agent, real models and a real fabric.

No microphone and no sound card is needed. A person asks, a television talks in between, the person
interrupts, and a device does what was asked for. Prints what happened when, and writes
``demo-out/conversation.wav`` (left the person, right the agent) and ``demo-out/conversation.svg``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from anyio.from_thread import start_blocking_portal

from agents.voice.models.piper import Piper
from agents.voice.recorded import run
from agents.voice.sound import RATE_HZ, Samples, resampled
from constellation.cli.embedded import embedded_hub
from constellation.config import LocalHub, load_settings

OUT = Path("demo-out")
ENROLMENT = """This is how I sound, and nobody else may interrupt you while I talk to you about it.
The old man in the harbour mends his nets, and he sings of a ship that never came home.
How far is it to the next village, and is there a bakery that opens before seven?"""
# Seconds of quiet before it, who speaks, and what.
SCRIPT = (
    (1.0, "person", "Good morning, how are you doing today?"),
    (4.5, "person", "What can you do?"),
    (2.0, "television", "And now the weather for tomorrow, with rain in the north."),
    (1.0, "person", "Wait. How much disk space is free?"),
    (3.0, "person", "Right."),
    (5.0, "person", "Thank you very much."),
    (1.0, "person", ""),
)


def spoken() -> tuple[Samples, Samples]:
    """What the microphone hears, and the enrolment."""
    piper = Piper(seed=0)
    random = np.random.default_rng(1)
    parts = []
    try:
        for gap_s, who, text in SCRIPT:
            parts.append(np.zeros(round(gap_s * RATE_HZ), np.float32))
            if text:
                sound = piper.say(text).samples
                parts.append(0.6 * sound if who == "person" else _as_another(sound))
        enrolment = piper.say(ENROLMENT).samples
    finally:
        piper.close()
    room = np.concatenate(parts)
    return room + 0.0008 * random.standard_normal(len(room)).astype(np.float32), enrolment


def _as_another(sound: Samples) -> Samples:
    """Another voice: a shorter vocal tract and a higher pitch."""
    return 0.4 * resampled(sound, round(1.35 * RATE_HZ), RATE_HZ)


def main() -> None:
    """Hold the conversation."""
    recording, enrolment = spoken()
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, start_blocking_portal() as portal:
        settings = load_settings({"state_dir": Path(folder) / "state"})
        fabric = embedded_hub(settings, Path(folder))
        with portal.wrap_async_context_manager(fabric):
            local = LocalHub.find(settings.state_dir)
            outcome = run(recording, [enrolment], local)
    outcome.write(OUT / "conversation.wav", OUT / "conversation.svg")
    for line in outcome.timeline.lines():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"Listen to {OUT / 'conversation.wav'}, and see {OUT / 'conversation.svg'}.\n")


if __name__ == "__main__":
    main()
