"""The command `constellation voice`, as far as it goes without models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.voice.command import app
from agents.voice.dialogue import Dialogue
from agents.voice.language import LanguageMind, mind_of
from agents.voice.sound import write_wav
from constellation.errors import AudioError, ConfigError


def test_recording_that_is_none_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"a\.wav"):
        CliRunner().invoke(app, ["--wav", str(tmp_path / "a.wav")], catch_exceptions=False)


def test_recording_without_sound_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(0, np.float32))
    with pytest.raises(AudioError, match=r"a\.wav holds no sound"):
        CliRunner().invoke(app, ["--wav", str(tmp_path / "a.wav")], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "a.wav"], "--wav"),
        (["--picture", "a.svg"], "--wav"),
        (["--json"], "--wav"),
        (["--wav", "a.wav", "--console"], "--console"),
        (["--wav", "a.wav", "--wyoming", "127.0.0.1:1"], "--wyoming"),
        (["--wav", "a.wav", "--out", "nowhere/a.wav"], "nowhere"),
        (["--wyoming", "nonsense"], "nonsense"),
        (["--pipeline", "audio"], "--model"),
        (["--feelings", "a:B"], "--pipeline manner"),
        (["--console", "--port", "80"], "--port"),
        (["--wav", "a.wav", "--port", "80"], "--port"),
        (["--wav", "a.wav", "--out", "b.wav", "--picture", "./b.wav"], "files of their own"),
        (["--wav", "a.wav", "--out", "a.wav"], "files of their own"),
        (["--wav", "a.wav", "--enrol", "me.wav", "--out", "./me.wav"], "files of their own"),
        (["--wav", "a.wav", "--enrol", "me.wav", "--picture", "me.wav"], "--picture"),
        (["--wav", "a.wav", "--out", "."], "is a folder"),
        (["--wav", "a.wav", "--picture", "/"], "--picture"),
        (["--console", "--json"], "--wav"),
        (["--pipeline", "manner", "--console"], "--model"),
        (["--model", "m", "--pipeline", "audio", "--feelings", "a:B"], "--pipeline manner"),
        (["--wyoming", "127.0.0.1:70000"], "no address"),
        (["--wyoming", ":10400"], "no address"),
    ],
)
def test_arguments_that_would_be_ignored_are_refused(arguments: list[str], told: str) -> None:
    ran = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert ran.exit_code == 2
    assert told in ran.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "m", "--pipeline", "manner", "--feelings", "nowhere:It"], "nowhere"),
        (["--model", "m"], "OPENAI_API_KEY"),
    ],
)
def test_what_cannot_answer_is_met_before_anything_is_loaded(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("CONSTELLATION_STATE_DIR", str(tmp_path))
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    ran = CliRunner().invoke(app, ["--port", "0", *arguments])
    assert isinstance(ran.exception, ConfigError)
    assert told in str(ran.exception)
    assert "Loaded" not in ran.output


def test_help_says_how_it_is_used() -> None:
    ran = CliRunner().invoke(app, ["--help"])
    assert ran.exit_code == 0
    assert "constellation voice --wav question.wav" in ran.stdout


def test_mind_is_the_dialogue_unless_a_language_model_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    dialogue = Dialogue()
    assert mind_of(dialogue, "") is dialogue
    assert isinstance(mind_of(dialogue, "my-model"), LanguageMind)
