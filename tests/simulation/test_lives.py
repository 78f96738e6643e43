"""Whole lives of the fabric, with faults, judged by what devices did and what the journal says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_bugs import BUGS
from typer.testing import CliRunner

from constellation.testing.simulation import Life, Story, Violation, play, shrink, tell
from constellation.testing.simulation.__main__ import app


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_nothing_goes_wrong(first: int) -> None:
    for seed in range(first, first + 50):
        play(tell(seed))


@pytest.mark.full
@pytest.mark.parametrize("first", range(1_000, 3_000, 250))
def test_nothing_goes_wrong_in_many_lives(first: int) -> None:
    for seed in range(first, first + 250):
        play(tell(seed))


def traced(story: Story) -> list[tuple[float, str]]:
    life = Life(story, traced=True)
    life.play()
    return life.world.trace


def test_the_same_story_is_the_same_life() -> None:
    story = next(story for story in map(tell, range(100)) if len(story.faults) >= 8)
    assert traced(story) == traced(story)
    assert traced(story) != traced(replace(story, seed=story.seed + 1))
    assert any("killed" in sentence for _, sentence in traced(story))


def test_a_failing_story_is_shrunk_to_what_matters() -> None:
    with BUGS["forgets_results_once_they_are_sent"]() as kinds:

        def fails(story: Story) -> bool:
            try:
                play(story, **kinds)
            except Violation:
                return True
            return False

        story = next(each for each in map(tell, range(400)) if len(each.faults) > 3 and fails(each))
        least = shrink(story, fails)
        assert 0 < len(least.faults) < len(story.faults)
        assert set(least.faults) <= set(story.faults)
        assert fails(least)
        for fault in least.faults:
            others = tuple(each for each in least.faults if each != fault)
            assert not fails(replace(least, faults=others))


def test_the_command_says_what_it_played() -> None:
    done = CliRunner().invoke(app, ["--seeds", "20"])
    assert done.exit_code == 0
    assert "20 lives" in done.output


def test_the_command_shows_one_life() -> None:
    done = CliRunner().invoke(app, ["--seed", "7", "--faults", "0", "--trace"])
    assert done.exit_code == 0
    assert str(tell(7).faults[0]) in done.output
    assert str(tell(7).faults[1]) not in done.output


def test_the_command_finds_a_bug_and_says_how_to_see_it_again() -> None:
    with BUGS["repeats_what_was_interrupted"]():
        done = CliRunner().invoke(app, ["--seeds", "400"])
        assert done.exit_code == 1
        assert "must not be repeated" in done.output
        again = done.output.partition("simulation --seed ")[2].replace("'", "").split()
        assert CliRunner().invoke(app, ["--seed", again[0], *again[1:]]).exit_code == 1


@pytest.mark.parametrize("wrong", ["99", "x"])
def test_faults_that_there_are_not(wrong: str) -> None:
    done = CliRunner().invoke(app, ["--seed", "7", "--faults", wrong])
    assert done.exit_code == 2
    assert "has faults 0 to" in done.output
