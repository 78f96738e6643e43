"""The simulation finds each of a list of known bugs, and none where there is none."""

from __future__ import annotations

import pytest
from planted_bugs import BUGS as OTHER_BUGS
from planted_stream_bugs import STREAM_BUGS

from constellation.errors import ConstellationError
from constellation.testing.simulation import Story, Violation, play, tell

BUGS = {**OTHER_BUGS, **STREAM_BUGS}
# Where more goes wrong, a bug shows itself sooner.
STORIES = sorted(map(tell, range(1_500)), key=lambda story: -len(story.faults))
# What a bug may show itself by: a judgement, or a machine that refuses to go on.
SHOWN = (Violation, ConstellationError, KeyError, IndexError, AssertionError)


def found(name: str) -> Story | None:
    with BUGS[name]() as kinds:
        for story in STORIES:
            try:
                play(story, **kinds)
            except SHOWN:
                return story
    return None


@pytest.mark.full
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    assert found(name) is not None


@pytest.mark.parametrize(
    "name", ["reads_on_from_the_next_attempt", "takes_what_is_complete_for_done"]
)
def test_a_planted_bug_of_streams_is_found_soon(name: str) -> None:
    assert found(name) is not None


def test_there_are_enough_of_them() -> None:
    assert len(BUGS) >= 20
    assert len(STREAM_BUGS) >= 5
