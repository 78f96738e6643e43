"""The personalised VAD on recordings of people, where they lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.voice.bargein import SPEAKING, Evidence
from agents.voice.events import FRAME_S, Frame
from agents.voice.pvad import Listener, Model, enrol
from agents.voice.sound import RATE_HZ, Samples

CLIPS = Path(__file__).parents[3].parent / "shared" / "data" / "librispeech-clips"
SPEAKERS = 12

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not CLIPS.is_dir(), reason="the recordings are not beside the checkout"),
]


@pytest.fixture(scope="module")
def people() -> list[Samples]:
    """Recordings of different people, each longer than 10 s."""
    soundfile = pytest.importorskip("soundfile")
    sounds = (soundfile.read(path, dtype="float32")[0] for path in sorted(CLIPS.glob("*.flac")))
    long = [sound for sound in sounds if len(sound) > 11 * RATE_HZ]
    return long[:: len(long) // SPEAKERS][:SPEAKERS]


def first_stop_s(listener: Listener, sound: Samples) -> float:
    """When a turn in this sound would be honoured while the agent speaks; infinity if never."""
    evidence = Evidence()
    listener.push(np.zeros(RATE_HZ // 2, np.float32))
    for number, judged in enumerate(listener.push(sound)):
        evidence.hear(Frame(judged.anyone, judged.primary), SPEAKING, number * FRAME_S)
        if evidence.primary:
            return number * FRAME_S
    return float("inf")


def test_enrolled_people_interrupt_and_others_do_not(people: list[Samples]) -> None:
    model = Model()
    late, false = [], 0
    for number, person in enumerate(people):
        voiceprint = enrol(model, person[: 5 * RATE_HZ])
        other = people[(number + 5) % len(people)]
        turn, others_turn = person[6 * RATE_HZ : 9 * RATE_HZ], other[6 * RATE_HZ : 9 * RATE_HZ]
        late.append(first_stop_s(Listener(model, voiceprint), turn))
        false += first_stop_s(Listener(model, voiceprint), others_turn) < float("inf")
    assert np.median(late) <= 0.4
    assert np.mean(np.array(late) < 2.0) >= 0.8
    assert false <= SPEAKERS // 4
