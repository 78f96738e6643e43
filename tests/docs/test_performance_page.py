"""The pages of performance show what each bench printed, by a command that runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.__main__ import names

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- python -m bench (\w+).*? -->\n```text\n(.*?)\n```", re.DOTALL)


PAGES = {
    "performance.md": "bench",
    "performance-scheduling.md": "bench-schedule",
    "performance-robot.md": "bench-robot",
    "performance-voice.md": "bench-voice",
}


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((PROJECT / "docs" / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_bench_of_a_page_is_there_and_has_printed_something(page: str) -> None:
    found = blocks(page)
    assert {name for name, _ in found} <= set(names())
    for name, printed in found:
        # The harness ends with the machine and the versions that it ran on.
        assert re.search(r"Python 3\.\d+.*commit\s", printed, re.DOTALL), name


@pytest.mark.parametrize(("page", "target"), PAGES.items())
def test_a_target_of_make_runs_what_the_page_shows(page: str, target: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    _, _, rest = makefile.partition(f"\n{target}: ")
    recipe, _, _ = rest.partition("\n\n")
    listed = re.search(r"for name in (.*?); do", recipe)
    made = listed[1].split() if listed else re.findall(r"-m bench (\w+)", recipe)
    assert set(made) == {name for name, _ in blocks(page)}
