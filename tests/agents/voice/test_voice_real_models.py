"""A whole conversation with the models that ship: speech made by one is understood by the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from fake_models import ticking
from typer.testing import CliRunner
from voices import silence

from agents.voice.command import app
from agents.voice.recorded import run
from agents.voice.sound import RATE_HZ, Samples, read_wav, write_wav
from constellation.errors import AudioError

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def spoken() -> Iterator[dict[str, Samples]]:
    """Sentences of one voice."""
    pytest.importorskip("moonshine_voice")
    pytest.importorskip("piper")
    from agents.voice.models.piper import Piper

    piper = Piper(seed=0)
    texts = (
        "Good morning, how are you doing today?",
        "What can you do?",
        "Wait, thank you very much.",
        "This is how my own voice sounds, and nobody else may interrupt while you talk to me. "
        "The old man in the harbour mends his nets, and he sings of a ship that never came home. "
        "How far is it to the next village, and is there a bakery that opens before seven?",
    )
    try:
        yield {text: 0.6 * piper.say(text).samples for text in texts}
    finally:
        piper.close()


def test_conversation_with_an_interruption(spoken: dict[str, Samples], tmp_path: Path) -> None:
    morning, what, wait, enrolment = spoken.values()
    gaps = [silence(seconds, seed) for seed, seconds in enumerate((1.0, 4.0, 3.0, 1.0))]
    recording = np.concatenate([gaps[0], morning, gaps[1], what, gaps[2], wait, gaps[3]])
    # Whatever the speed of this machine, each piece of work takes a tenth of a second or two.
    outcome = run(recording, [enrolment], None, clock=ticking(0.1))
    entries = outcome.timeline.entries
    turns = [entry.text for entry in entries if entry.what == "turn ended"]
    assert [turn.split()[0].strip(",").lower() for turn in turns[:2]] == ["good", "what"]
    # "Wait" may have stopped the answer before the rest was recognised.
    assert turns[2].lower().endswith("thank you very much.")
    heard = [entry.text for entry in entries if entry.what.startswith("heard")]
    assert heard[0] == "Fine, thank you. What can I do for you?"
    assert heard[1].startswith("I am your voice agent.")
    assert "stopped" in [entry.what for entry in entries]
    outcome.write(tmp_path / "out.wav", None)
    assert len(read_wav(tmp_path / "out.wav")) > len(recording) - RATE_HZ


def test_command_answers_a_recording(spoken: dict[str, Samples], tmp_path: Path) -> None:
    morning, *_, enrolment = spoken.values()
    write_wav(tmp_path / "in.wav", np.concatenate([silence(1.0), morning, silence(1.0)]))
    write_wav(tmp_path / "me.wav", enrolment)
    arguments = ["--wav", "in.wav", "--out", "out.wav", "--enrol", "me.wav", "--json"]
    paths = [str(tmp_path / each) if each.endswith(".wav") else each for each in arguments]
    ran = CliRunner().invoke(app, paths, catch_exceptions=False)
    told = {entry["what"]: entry.get("text", "") for entry in json.loads(ran.stdout)}
    assert told["turn ended"].lower().startswith("good morning")
    assert told["heard"] == "Fine, thank you. What can I do for you?"
    assert read_wav(tmp_path / "out.wav").any()


def test_half_a_sentence_sounds_less_complete_than_a_whole_one(spoken: dict[str, Samples]) -> None:
    if find_spec("pipecat") is None:
        pytest.skip("the model of turn ends is not installed")
    from agents.voice.models.smart_turn import SmartTurn

    model = SmartTurn()
    whole = spoken["Good morning, how are you doing today?"]
    assert model.complete(whole) > 0.8
    assert model.complete(whole[: len(whole) * 2 // 3]) < model.complete(whole)


def test_synthesis_outlives_what_cannot_be_spoken() -> None:
    pytest.importorskip("piper")
    from agents.voice.models.piper import Piper

    piper = Piper(seed=0)
    try:
        for text in ("", "...", "—", "\u200b", "\x00"):
            speech = piper.say(text)
            assert (len(speech.samples), speech.words) == (0, ())
        assert len(piper.say("One\x00two.").samples) > RATE_HZ // 4
        piper._process.kill()
        assert len(piper.say("Hello.").samples) > RATE_HZ // 4
    finally:
        piper.close()
    with pytest.raises(AudioError, match="closed"):
        piper.say("Hello.")
