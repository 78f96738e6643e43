"""What the voice agent's bench plays to its rules, and how it counts what they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.voice.events import FRAME_S
from agents.voice.pvad import Judgement, Model
from agents.voice.sound import RATE_HZ, Samples, write_wav
from bench.voice.deciders import follow, held_for, ours
from bench.voice.echoes import listen
from bench.voice.interruptions import Events
from bench.voice.mixtures import Condition, Stream, Turn, noise, streams
from bench.voice.speakers import Person, Where, people
from constellation.errors import ConfigError


def tone(hertz: float, seconds: float) -> Samples:
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.2 * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def person(name: str, hertz: float, source: str = "somewhere") -> Person:
    return Person(name, source, tone(hertz, 5), (tone(hertz, 1.3), tone(hertz, 0.7)))


def strength(sound: Samples, hertz: float) -> float:
    spectrum = np.abs(np.fft.rfft(sound)) / len(sound)
    return float(spectrum[round(hertz * len(sound) / RATE_HZ)])


def test_people_are_read_from_where_packages_put_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    folder = tmp_path / "prompts" / "anna"
    folder.mkdir(parents=True)
    for number in range(11):
        sound = np.concatenate([np.zeros(8_000), random.standard_normal(16_000) * 0.1])
        write_wav(folder / f"{number}.wav", sound)
    where = Where("prompts", "prompts-anna", "prompts/anna/*.wav")
    (found,) = people({"anna": where}, tmp_path)
    assert found.name == "anna"
    assert len(found.enrolment) >= 5 * RATE_HZ
    # The half second of quiet before each is cut out.
    assert all(len(each) == RATE_HZ for each in found.utterances)
    assert len(found.enrolment) + sum(map(len, found.utterances)) == 11 * RATE_HZ


def test_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prompts-anna") as caught:
        people({"anna": Where("prompts", "prompts-anna", "prompts/*.wav")}, tmp_path)
    assert caught.value.remedy == "Install them: apt-get install prompts-anna."


@pytest.mark.parametrize("condition", Condition)
def test_turns_are_where_their_people_speak(condition: Condition) -> None:
    own, other, stranger = person("a", 300), person("b", 500), person("c", 700, "elsewhere")
    crowd = [person(str(n), 900 + 50 * n) for n in range(7)]
    found = list(streams([own, other, stranger], crowd, condition, 2))
    # Both orders of the one pair from one source, twice.
    assert [each.person.name for each in found] == ["a", "b", "a", "b"]
    for stream in (found[0], found[2]):
        assert sum(turn.own for turn in stream.turns) == 5
        for turn in stream.turns:
            sound = stream.samples[turn.begin : turn.end]
            mine, theirs = strength(sound, 300), strength(sound, 500)
            if condition is not Condition.OVERLAP or not turn.own:
                assert (mine > 4 * theirs) == turn.own
            else:
                assert min(mine, theirs) > 0.003
    assert not np.array_equal(found[0].samples[:RATE_HZ], found[2].samples[:RATE_HZ])


def test_noise_is_as_loud_as_it_says() -> None:
    rng = np.random.default_rng(0)
    loud, soft = noise(RATE_HZ, 0, rng), noise(RATE_HZ, 20, rng)
    assert loud.std() == pytest.approx(10 * soft.std(), rel=0.01)


def test_speech_lasts_through_gaps_that_are_short_enough() -> None:
    speech = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 1], np.bool_)
    assert held_for(speech, 3).tolist() == [False] * 5 + [True] + [False] * 4
    assert held_for(speech, 4, gap=1).tolist() == [False] * 3 + [True] * 4 + [False] * 3


def test_rules_of_the_agent_come_in_their_order() -> None:
    judged = [Judgement(0.0, 0.0)] * 50 + [Judgement(0.99, 0.99)] * 50
    first = {name: int(np.argmax(fires)) for name, fires in ours(judged).items()}
    assert 50 <= first["duck"] < first["silent"] < first["believed"]


def test_second_opinion_is_asked_for_as_there_is_more_of_a_voice() -> None:
    judged = [Judgement(0.0, 0.0)] * 50 + [Judgement(0.99, 0.99)] * 100
    asked: list[tuple[float, float]] = []

    def compare(begin_s: float, end_s: float) -> float:
        asked.append((begin_s, end_s))
        return 0.0 if end_s < 2.0 else 0.99

    believed = follow(judged, compare=compare).decisions["believed"]
    assert [begin for begin, _ in asked] == pytest.approx([0.6] * len(asked), abs=0.05)
    assert np.diff([end for _, end in asked]) == pytest.approx(0.6, abs=0.03)
    changed = next(end for _, end in asked if end >= 2.0)
    assert int(np.argmax(believed)) / 50 == pytest.approx(changed + 0.2, abs=0.05)


def test_second_opinion_that_cannot_tell_leaves_it_to_the_belief() -> None:
    judged = [Judgement(0.0, 0.0)] * 50 + [Judgement(0.99, 0.99)] * 100
    assert follow(judged, compare=lambda begin_s, end_s: None).decisions["believed"].any()


def test_echo_is_measured_without_and_with_a_canceller() -> None:
    rng = np.random.default_rng(0)
    # Syllables of noise: what an echo is made of does not matter to a filter.
    answer = rng.standard_normal(29 * RATE_HZ) * np.repeat(rng.random(145) > 0.4, RATE_HZ // 5)
    found = listen([person("a", 300)], answer.astype(np.float32), Model(), -6.0)
    assert found["none"].loss_db[0] == pytest.approx(0, abs=0.5)
    assert found["linear, ours"].loss_db[0] > 6
    assert [len(each.events.waits_s["a"]) for each in found.values()] == [4] * len(found)
    assert found["none"].minutes == pytest.approx(29 / 60)


def test_waits_and_false_alarms_are_counted_by_person() -> None:
    events = Events()
    turns = (Turn(True, 0, RATE_HZ), Turn(False, 2 * RATE_HZ, 3 * RATE_HZ))
    for name, fired in (("a", [10]), ("a", [20, 120]), ("b", [])):
        fires = np.zeros(200, np.bool_)
        fires[fired] = True
        empty = np.zeros(0, np.float32)
        stream = Stream(Person(name, "", empty, ()), empty, turns)
        events.add(stream, fires, FRAME_S)
    assert events.waits_s["a"] == pytest.approx([11 * FRAME_S, 21 * FRAME_S])
    assert events.waits_s["b"] == [float("inf")]
    assert events.false == {"a": [False, True], "b": [False]}
    figures = events.figures()
    assert figures.turns == 3
    assert figures.median_s.value == pytest.approx(21 * FRAME_S)
    assert figures.t90_s.value == float("inf")
    assert figures.honoured.value == pytest.approx(2 / 3)
    assert figures.false.value == pytest.approx(1 / 3)
    assert figures.false.low <= figures.false.value <= figures.false.high
