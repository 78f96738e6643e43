"""Pipecat's and LiveKit's own packages hear what the agent hears.

They live in an environment of their own: `make .venv/.peers-voice`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from agents.voice.models.loading import loaded
from agents.voice.sound import RATE_HZ
from bench.voice.deciders import Silero
from bench.voice.endings import COMPLETE, HESITANT, cases, judge
from bench.voice.interruptions import Events
from bench.voice.peers import PYTHON, Heard, Peer, installed
from constellation.errors import ConfigError


def test_agent_is_interrupted_from_a_start_until_the_next_stop() -> None:
    heard = Heard(starts=(0.032, 0.096, 0.192), stops=(0.128,))
    # The first frame is complete after 32 ms; the last turn is never over.
    assert heard.fires(8, 0.032).tolist() == [True] * 3 + [False] * 2 + [True] * 3
    assert not Heard((), ()).fires(8, 0.032).any()


def test_program_that_lacks_its_package_is_told() -> None:
    # Here it lacks what pipecat-ai needs.
    with pytest.raises(ConfigError, match=r"pipecat_turns\.py ended with 1: ModuleNotFoundError"):
        Peer("Pipecat's", Path(sys.executable))


def test_decisions_are_alike_within_a_tenth_of_a_second() -> None:
    one, other = Events(), Events()
    inf = float("inf")
    one.waits_s["a"], other.waits_s["a"] = [0.5, 0.5, inf, inf], [0.59, 0.61, inf, 3.0]
    one.false["a"], other.false["a"] = [True, False, True, True], [True, False, True, False]
    assert one.alike(other) == other.alike(one) == 5 / 8


@pytest.mark.full
@pytest.mark.skipif(not PYTHON.exists(), reason="the packages: make .venv/.peers-voice")
def test_packages_hear_as_their_rules_written_anew_do() -> None:
    pytest.importorskip("moonshine_voice")
    silero = Silero()
    with loaded(seed=0) as shared:
        said = shared.models.speaker.say("The captain caught it and blew the horn twice.").samples
    quiet = np.random.default_rng(0).normal(0, 1e-3, RATE_HZ).astype(np.float32)
    sound = np.concatenate([quiet, said, quiet])
    speech = silero.probabilities(sound)
    anew = {"LiveKit's": silero.livekit(speech), "Pipecat's": silero.pipecat(speech)}
    peers = installed()
    assert peers.keys() == anew.keys()
    for name, peer in peers.items():
        with peer:
            # Twice: it remembers nothing of the stream before.
            for _ in range(2):
                peer.ask(sound)
                heard = peer.heard()
                assert heard.starts[0] == pytest.approx(
                    (np.argmax(anew[name]) + 1) * silero.frame_s, abs=0.1
                )
                assert heard.stops[0] > heard.starts[0]
            peer.ask(quiet)
            assert peer.heard() == Heard((), ())


@pytest.mark.full
@pytest.mark.skipif(not PYTHON.exists(), reason="the packages: make .venv/.peers-voice")
def test_pipecat_ends_a_question_and_waits_for_the_rest_of_another() -> None:
    pytest.importorskip("moonshine_voice")
    with loaded(seed=0) as shared, Peer("Pipecat's") as pipecat:
        assert pipecat.version == "pipecat-ai 1.14.0"
        every = list(cases(shared.models.speaker))
        question = every[COMPLETE.index("What time is it?")]
        begun = every[
            len(COMPLETE) + HESITANT.index(("I want to", "restart the server in the cellar."))
        ]
        for case in (question, begun):
            assert judge(case, shared.detector, shared.models, pipecat).pipecat
