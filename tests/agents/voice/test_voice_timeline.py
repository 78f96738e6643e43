"""What is told of a conversation, in lines, as JSON and as a picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from agents.voice.events import (
    CommitAnswer,
    CommitTurn,
    DropTurn,
    Duck,
    Examine,
    Frame,
    OpenTurn,
    Play,
    Restore,
    StopPlayback,
)
from agents.voice.picture import svg
from agents.voice.recorded import Outcome
from agents.voice.sound import RATE_HZ, read_wav
from agents.voice.timeline import Entry, Timeline


@pytest.fixture
def timeline() -> Timeline:
    timeline = Timeline()
    for at, what in (
        (0.5, OpenTurn(1, 0.1)),
        (1.0, Frame(0.9, 0.9)),
        (1.2, Frame(0.1, 0.1)),
        (1.2, Examine(1, 1)),
        (1.4, CommitTurn(1, "Is 1 < 2 & so on?")),
        (1.6, Play(1)),
        (2.0, Duck(1)),
        (2.2, StopPlayback(1)),
        (2.4, CommitAnswer(1, "It is", cut=True)),
    ):
        timeline.note(what, at)
    return timeline


def test_latency_counts_from_the_end_of_speech(timeline: Timeline) -> None:
    assert timeline.latencies_s() == [pytest.approx(0.6)]
    turn, audio = timeline.entries[1:3]
    assert turn.plain() == {
        "at_s": 1.4,
        "what": "turn ended",
        "text": "Is 1 < 2 & so on?",
        "after_s": 0.4,
    }
    assert audio.plain() == {"at_s": 1.6, "what": "first audio", "after_s": 0.6}


def test_only_what_was_asked_is_waited_for() -> None:
    timeline = Timeline()
    for at, what in (
        (1.0, Frame(0.9, 0.9)),
        (1.2, Examine(1, 1)),
        (1.4, CommitTurn(1, "Is it full?")),
        # Somebody else's voice, before the answer.
        (2.0, Frame(0.9, 0.6)),
        (2.2, Examine(2, 1)),
        (2.3, DropTurn(2)),
        (2.5, Play(1)),
        (3.0, Examine(3, 1)),
        (3.1, DropTurn(3)),
        # An announcement.
        (4.0, Play(2)),
    ):
        timeline.note(what, at)
    assert timeline.latencies_s() == [pytest.approx(1.5)]


def test_answer_that_ran_out_while_it_was_soft_is_told_to_be_loud_again() -> None:
    timeline = Timeline()
    for at, what in (
        (1.0, Duck(1)),
        (1.5, Play(1)),
        (2.0, Duck(1)),
        (2.2, Restore(1)),
        (3, Play(1)),
    ):
        timeline.note(what, at)
    assert [entry.what for entry in timeline.entries] == ["ducked", "restored"] * 2


def test_lines_for_people(timeline: Timeline) -> None:
    lines = list(timeline.lines())
    assert lines[0].split() == ["0.50", "s", "voice"]
    assert lines[1].endswith("turn ended: Is 1 < 2 & so on?  (after 400 ms)")
    assert lines[-2].endswith("heard in part: It is")
    assert lines[-1] == "First audio after 600 ms, the median of 1."


def test_sound_and_picture_are_written(timeline: Timeline, tmp_path: Path) -> None:
    heard = np.zeros((3 * RATE_HZ, 2), np.float32)
    heard[RATE_HZ : 2 * RATE_HZ, 1] = 0.5
    wav, picture = tmp_path / "out.wav", tmp_path / "out.svg"
    Outcome(timeline, heard).write(wav, picture)
    assert read_wav(wav)[RATE_HZ + 10] == pytest.approx(0.25, abs=1e-3)
    root = ElementTree.fromstring(picture.read_text())
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "turn ended +400 ms: Is 1 < 2 & so on?" in texts
    assert "ducked" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polygon"))) == 2


def test_labels_of_a_picture_lie_beside_one_another_and_within_it() -> None:
    told = "What can you do for me today, and what will it be tomorrow?"
    entries = [Entry(at / 4, "turn ended", told, 0.5) for at in range(12)]
    root = ElementTree.fromstring(svg(entries, np.zeros((3 * RATE_HZ, 2), np.float32)))
    labels = [
        (float(each.get("y", 0)), float(each.get("x", 0)))
        for each in root.iter("{http://www.w3.org/2000/svg}text")
        if (each.text or "").startswith("turn ended")
    ]
    assert len(labels) == len(set(labels)) == len(entries)
    # They are all too long to share a row.
    assert len({y for y, _ in labels}) == len(entries)
    assert max(y for y, _ in labels) < float(root.get("height", 0))
    assert all(x >= 0 for _, x in labels)
