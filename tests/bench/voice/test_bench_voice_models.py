"""The parts of the voice agent's bench that need its models, once at their smallest."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from time import process_time

import pytest

from agents.voice.models.loading import loaded
from agents.voice.pvad import Listener, enrol
from agents.voice.sound import RATE_HZ, resampled
from bench.voice.endings import COMPLETE, cases, enrolled, judge, waited
from bench.voice.load import cost_of_listening


def test_listening_costs_little_and_does_not_grow() -> None:
    cost = cost_of_listening(1)
    assert 0 < cost.stream_bytes < 1_000_000
    assert cost.grown_bytes == 0


@pytest.mark.full
def test_hesitation_is_not_the_end_of_a_turn() -> None:
    pytest.importorskip("moonshine_voice")
    with loaded(seed=0) as shared:
        found = [
            judge(each, shared.detector, shared.models)
            for number, each in enumerate(cases(shared.models.speaker))
            if number in (0, len(COMPLETE))
        ]
    complete, hesitant = found
    assert complete.complete
    # Whether it was soon enough is a matter of the machine.
    assert math.inf > complete.waits.answer_s >= complete.waits.turn_s > 0
    assert not hesitant.complete
    assert hesitant.ours
    assert not hesitant.silence


@pytest.mark.full
def test_enrolled_person_waits_for_a_comparison_and_another_is_not_taken() -> None:
    pytest.importorskip("moonshine_voice")
    with loaded(seed=0) as shared:
        models, detector = shared.models, shared.detector
        case = next(cases(models.speaker))
        theirs = enrolled(models.speaker, detector, models)
        # By what they take of a processor: others may keep it busy.
        found = waited(case, Listener(detector, theirs, models.voices), models, process_time)
        compared = found.by_name["the voice is compared"]
        assert math.inf > found.answer_s >= found.turn_s >= compared
        spoken = models.speaker.say("Good morning, and good luck to you all. " * 6).samples
        higher = resampled(spoken, round(1.35 * RATE_HZ), RATE_HZ)
        other = enrol(detector, higher, models.voices)
        lost = waited(case, Listener(detector, other, models.voices), models, process_time)
        assert lost.turn_s == lost.answer_s == math.inf


@pytest.mark.full
def test_endings_are_reported() -> None:
    pytest.importorskip("moonshine_voice")
    command = [sys.executable, "-m", "bench", "voice", "--quick", "--json", "--set", "only=endings"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["endings"]["silence"] == {"complete": 1.0, "hesitant": 0.0, "both": 0.5}
    assert found["latency_s"]["answer_s"]["p50"] > 0
    assert found["enrolled"] == {"said": 3, "taken": 3}
    assert found["latency_enrolled_s"]["answer_s"]["p50"] > 0


def test_unknown_part_is_refused() -> None:
    command = [sys.executable, "-m", "bench", "voice", "--set", "only=singing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "There is no part 'singing'; there are barge-in" in done.stderr
