"""The parts of the voice agent's bench that need its models, once at their smallest."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from agents.voice.models.loading import loaded
from bench.voice.endings import COMPLETE, cases, judge
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
    assert math.inf > complete.answer_s >= complete.turn_s > 0
    assert not hesitant.complete
    assert hesitant.ours
    assert not hesitant.silence


@pytest.mark.full
def test_endings_are_reported() -> None:
    pytest.importorskip("moonshine_voice")
    command = [sys.executable, "-m", "bench", "voice", "--quick", "--json", "--set", "only=endings"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["endings"]["silence"] == {"complete": 1.0, "hesitant": 0.0, "both": 0.5}
    assert found["latency_s"]["answer_s"]["p50"] > 0


def test_unknown_part_is_refused() -> None:
    command = [sys.executable, "-m", "bench", "voice", "--set", "only=singing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "There is no part 'singing'; there are barge-in" in done.stderr
