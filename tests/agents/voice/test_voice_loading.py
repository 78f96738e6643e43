"""Models in the place of those that ship: by name, in a whole conversation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from voices import Voice, silence

from agents.voice.command import app
from agents.voice.models import wespeaker
from agents.voice.models.loading import PARTS, kinds, loaded
from agents.voice.sound import read_wav, write_wav
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
        before = wanted.speaker.closed  # type: ignore[attr-defined]
    assert wanted.speaker.closed == before + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name", ["nowhere:It", "own_models:Nothing", "own_models:number", "own_models"]
)
def test_what_is_not_there_is_met_before_anything_is_loaded(own: str, name: str) -> None:
    ran = CliRunner().invoke(app, ["--port", "0", "--recogniser", name])
    assert isinstance(ran.exception, ConfigError)
    assert name in str(ran.exception)
    assert "Loaded" not in ran.output


def test_without_a_model_that_compares_voices_the_agent_does_without(
    own: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wespeaker, "find_spec", lambda name: None)
    with loaded(wanted=kinds(f"{own}:Ears", f"{own}:Ends", f"{own}:Mouth")) as shared:
        assert shared.models.voices is None
    assert "by the detector alone" in caplog.text
