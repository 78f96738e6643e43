"""The loudspeaker, the memory of the microphone, and where words lie in sound."""

from __future__ import annotations

import numpy as np
import pytest

from agents.voice.events import Duck, Pause, Play, Played, Restore, Resume, StopPlayback
from agents.voice.hearing import Memory
from agents.voice.player import DUCKED, Player
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.speech import timed

BLOCK = 320


def ramp(count: int) -> Samples:
    return np.linspace(0.1, 0.9, count, dtype=np.float32)


@pytest.fixture
def player() -> Player:
    player = Player()
    player.add(1, ramp(10 * BLOCK))
    player.do(Play(1))
    return player


def peak(player: Player) -> float:
    sound, _ = player.render(BLOCK)
    return float(np.abs(sound).max())


def test_sound_is_played_and_its_position_told(player: Player) -> None:
    sound, played = player.render(BLOCK)
    assert sound == pytest.approx(ramp(10 * BLOCK)[:BLOCK])
    assert played == Played(1, BLOCK)
    assert player.render(BLOCK)[1] == Played(1, 2 * BLOCK)


def test_nothing_is_played_before_it_is_time() -> None:
    player = Player()
    player.add(1, ramp(BLOCK))
    sound, played = player.render(BLOCK)
    assert not sound.any()
    assert played is None


def test_end_of_the_sound_is_told_once(player: Player) -> None:
    for _ in range(10):
        player.render(BLOCK)
    assert player.render(BLOCK)[1] is None
    player.add(1, ramp(100))
    assert player.render(BLOCK)[1] == Played(1, 10 * BLOCK + 100)


def test_ducking_is_smooth_and_can_be_taken_back(player: Player) -> None:
    player.do(Duck(1))
    first, _ = player.render(BLOCK)
    assert first[0] == pytest.approx(ramp(10 * BLOCK)[0])
    assert peak(player) == pytest.approx(DUCKED * ramp(10 * BLOCK)[2 * BLOCK - 1], rel=1e-4)
    player.do(Restore(1))
    player.render(BLOCK)
    assert player.gain == 1.0


def test_pause_is_silence_within_ten_milliseconds_and_resume_goes_back(player: Player) -> None:
    player.render(BLOCK)
    player.do(Pause(1))
    fading, played = player.render(BLOCK)
    assert fading[0] > 0
    assert not fading[160:].any()
    assert played is None
    assert peak(player) == 0
    player.do(Resume(1, 100))
    assert player.render(BLOCK)[1] == Played(1, 100 + BLOCK)
    assert player.render(BLOCK)[0] == pytest.approx(ramp(10 * BLOCK)[420:740])


def test_what_was_stopped_is_gone(player: Player) -> None:
    player.do(StopPlayback(1))
    player.render(BLOCK)
    player.do(Play(1))
    assert peak(player) == 0


def test_sound_is_remembered_by_its_time() -> None:
    memory = Memory(kept_s=1.0)
    sound = np.arange(3 * RATE_HZ, dtype=np.float32)
    for end in range(BLOCK, len(sound) + 1, BLOCK):
        memory.push(sound[end - BLOCK : end], end / RATE_HZ)
    assert list(memory.since(2.5)) == list(sound[-RATE_HZ // 2 :])
    assert list(memory.since(0.0)) == list(sound[-RATE_HZ:])
    assert len(memory.since(3.5)) == 0


def test_words_lie_where_the_voice_is() -> None:
    sound = np.concatenate([np.zeros(8000), np.full(16000, 0.5), np.zeros(8000)])
    words = timed("A considerable pause, then", sound.astype(np.float32))
    assert [word.text for word in words] == ["A", "considerable", "pause,", "then"]
    ends = [word.end for word in words]
    assert ends == sorted(ends)
    assert 8000 < ends[0] < ends[1] - 4000
    assert ends[-1] == pytest.approx(24_000, abs=320)


def test_words_of_silence_end_with_it() -> None:
    assert timed("a b", np.zeros(1000, np.float32))[-1].end == 1000
    assert timed("", np.zeros(1000, np.float32)) == ()
