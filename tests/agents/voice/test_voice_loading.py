"""Models in the place of those that ship: by name, in a whole conversation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pitch_models import Chroma, Pitch
from typer.testing import CliRunner
from voices import Voice, silence

from agents.voice.audience import KeptVoice
from agents.voice.command import app
from agents.voice.models import wespeaker
from agents.voice.models.loading import PARTS, kinds, loaded
from agents.voice.pvad import Listener, enrol
from agents.voice.sound import Samples, read_wav, write_wav
from constellation.errors import ConfigError

OWN = """
import numpy as np
from agents.voice.events import Word
from agents.voice.ports import Speech

class Ears:
    def transcribe(self, sound):
        return "What can you do?" if abs(sound).max() > 0.1 else ""

class Ends:
    def complete(self, sound):
        return 0.99

class Mouth:
    closed = 0
    def say(self, text):
        return Speech(0.25 * np.ones(16000, np.float32), (Word(text, 16000),))
    def close(self):
        Mouth.closed += 1

number = 7
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CONSTELLATION_STATE_DIR", str(tmp_path / "state"))
    return "own_models"


def test_models_of_ones_own_hold_a_conversation(own: str, tmp_path: Path) -> None:
    said = Voice(pitch_hz=110, tract=0.92).says(1.2, seed=1)
    write_wav(tmp_path / "in.wav", np.concatenate([silence(1.0), said, silence(1.0)]))
    arguments = ["--wav", str(tmp_path / "in.wav"), "--out", str(tmp_path / "out.wav"), "--json"]
    arguments += ["--recogniser", f"{own}:Ears", "--turn-ends", f"{own}:Ends"]
    arguments += ["--synthesis", f"{own}:Mouth"]
    ran = CliRunner().invoke(app, arguments, catch_exceptions=False)
    told = {entry["what"]: entry.get("text", "") for entry in json.loads(ran.stdout)}
    assert told["turn ended"] == "What can you do?"
    assert told["heard"].startswith("I am your voice agent.")
    assert np.abs(read_wav(tmp_path / "out.wav")).max() == pytest.approx(0.25 / 2, abs=0.2)


def test_they_are_loaded_with_progress_and_closed(own: str) -> None:
    wanted = kinds(f"{own}:Ears", f"{own}:Ends", f"{own}:Mouth")
    told: list[str] = []
    with loaded(told.append, wanted=wanted) as shared:
        assert shared.models.recogniser.transcribe(np.zeros(800, np.float32)) == ""
        assert sorted(told) == sorted(PARTS)
        mouth = type(shared.models.speaker)
        before = mouth.closed  # type: ignore[attr-defined]
    assert mouth.closed == before + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("option", ["--recogniser", "--detector", "--voices"])
@pytest.mark.parametrize(
    "name", ["nowhere:It", "own_models:Nothing", "own_models:number", "own_models"]
)
def test_what_is_not_there_is_met_before_anything_is_loaded(
    own: str, option: str, name: str
) -> None:
    ran = CliRunner().invoke(app, ["--port", "0", option, name])
    assert isinstance(ran.exception, ConfigError)
    assert name in str(ran.exception)
    assert "Loaded" not in ran.output


ME, OTHER = Voice(pitch_hz=110, tract=0.92), Voice(pitch_hz=215, tract=1.15)
PITCH = ["--detector", "pitch_models:Pitch", "--voices", "pitch_models:Chroma"]


def timeline(own: str, folder: Path, said: Samples, *more: str) -> dict[str, str]:
    """What happens, and the words of it, where that is said and nothing else."""
    write_wav(folder / "in.wav", np.concatenate([silence(1.0), said, silence(1.0)]))
    arguments = ["--wav", str(folder / "in.wav"), "--json", *PITCH, *more]
    arguments += ["--recogniser", f"{own}:Ears", "--turn-ends", f"{own}:Ends"]
    arguments += ["--synthesis", f"{own}:Mouth"]
    ran = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return {entry["what"]: entry.get("text", "") for entry in json.loads(ran.stdout)}


def test_detector_and_embedding_of_ones_own_say_whose_voice_it_is(own: str, tmp_path: Path) -> None:
    write_wav(tmp_path / "me.wav", ME.says(5, seed=9))
    enrolled = ["--enrol", str(tmp_path / "me.wav")]
    assert timeline(own, tmp_path, ME.says(1.2, 1), *enrolled)["turn ended"] == "What can you do?"
    assert "turn ended" not in timeline(own, tmp_path, OTHER.says(1.2, 1), *enrolled)
    assert "turn ended" in timeline(own, tmp_path, OTHER.says(1.2, 1))


def test_embedding_of_ones_own_has_the_last_word(own: str) -> None:
    names = (f"{own}:Ears", f"{own}:Ends", f"{own}:Mouth", *PITCH[1::2])
    with loaded(wanted=kinds(*names)) as shared:
        voices = shared.models.voices
        known = enrol(shared.detector, ME.says(5, seed=9), voices)
        listener = Listener(shared.detector, known, voices)
        assert (listener.compare(ME.says(2, seed=1)) or 0.0) > 0.9
        assert (listener.compare(OTHER.says(2, seed=1)) or 1.0) < 0.1
        assert listener.compare(silence(2)) is None


def test_voice_that_other_models_know_is_not_taken_for_known(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state" / "voice" / "voiceprint.npy"
    names = kinds(detector=PITCH[1], voices=PITCH[3]).known_by
    print_of_pitch = enrol(Pitch(), ME.says(5, seed=9), Chroma())
    KeptVoice(path, names).keep(print_of_pitch)
    again = KeptVoice(path, names).load()
    assert again is not None
    assert again.vector == pytest.approx(print_of_pitch.vector)
    assert again.embedding == pytest.approx(print_of_pitch.embedding)
    assert again.heard_s == print_of_pitch.heard_s
    ran = CliRunner().invoke(app, ["--port", "0"])
    assert isinstance(ran.exception, ConfigError)
    assert "is known to other models" in str(ran.exception)
    assert "--enrol" in str(ran.exception.remedy)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--detector", "pitch_models:Deaf"],
            "Deaf' cannot be made: it has no stream",
        ),
        (["--detector", "pitch_models:broken"], "its weights are missing"),
        (["--voices", "pitch_models:Pitch"], "it has no embed and no even and no steepness"),
        (["--recogniser", "own_models:Ends"], "it has no transcribe"),
        (["--turn-ends", "pitch_models:pitch_hz"], "missing 1 required positional argument"),
    ],
)
def test_model_that_is_none_of_its_kind_is_told(
    own: str, tmp_path: Path, arguments: list[str], told: str
) -> None:
    write_wav(tmp_path / "in.wav", silence(1.0))
    # What is named last counts; all others are there without a package.
    others = ["--recogniser", f"{own}:Ears", "--turn-ends", f"{own}:Ends"]
    others += ["--synthesis", f"{own}:Mouth"]
    ran = CliRunner().invoke(app, ["--wav", str(tmp_path / "in.wav"), *others, *arguments])
    assert isinstance(ran.exception, ConfigError)
    assert told in str(ran.exception)


def test_agent_without_a_hub_says_so_before_its_models_are_there(own: str) -> None:
    arguments = ["--recogniser", f"{own}:Ears", "--turn-ends", f"{own}:Ends"]
    arguments += ["--synthesis", f"{own}:Mouth", "--detector", "pitch_models:Deaf"]
    ran = CliRunner().invoke(app, ["--port", "0", *arguments])
    assert isinstance(ran.exception, ConfigError)
    assert "it has no stream" in str(ran.exception)
    told = ran.output.splitlines()
    assert told[0].startswith("No hub runs on this machine, so the agent only talks.")
    assert told[1].startswith("Talk to the agent at http://127.0.0.1:")


def test_without_a_model_that_compares_voices_the_agent_does_without(
    own: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wespeaker, "find_spec", lambda name: None)
    with loaded(wanted=kinds(f"{own}:Ears", f"{own}:Ends", f"{own}:Mouth")) as shared:
        assert shared.models.voices is None
    assert "by the detector alone" in caplog.text
