"""The least that has to go wrong for a story to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .life import Story


def shrink(story: Story, fails: Callable[[Story], bool]) -> Story:
    """Leave out faults, many at once and then one by one, as long as the story still fails.

    It is the one-minimal result of Zeller and Hildebrandt, "Simplifying and Isolating
    Failure-Inducing Input" (2002), without their complements.

    Args:
        story: fails.
        fails: plays a story.
    """
    size = max(1, len(story.faults) // 2)
    while True:
        shorter = _without(story, size, fails)
        if shorter is not None:
            story = shorter
            size = max(1, min(size, len(story.faults) // 2))
        elif size == 1:
            return story
        else:
            size //= 2


def _without(story: Story, size: int, fails: Callable[[Story], bool]) -> Story | None:
    for start in range(0, len(story.faults), size):
        fewer = story.faults[:start] + story.faults[start + size :]
        candidate = replace(story, faults=fewer)
        if fails(candidate):
            return candidate
    return None
