"""The page of performance shows what each bench printed, by a command that runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from bench.__main__ import names

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- python -m bench (\w+).*? -->\n```text\n(.*?)\n```", re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall((PROJECT / "docs" / "performance.md").read_text(encoding="utf-8"))


def test_every_bench_of_the_page_is_there_and_has_printed_something() -> None:
    assert {name for name, _ in blocks()} <= set(names())
    for name, printed in blocks():
        # The harness ends with the machine and the versions that it ran on.
        assert re.search(r"Python 3\.\d+.*commit\s", printed, re.DOTALL), name


def test_make_bench_runs_what_the_page_shows() -> None:
    recipe = (PROJECT / "Makefile").read_text(encoding="utf-8")
    made = re.search(r"^\tfor name in (.*?); do", recipe, re.MULTILINE)
    assert made is not None
    assert set(made[1].split()) == {name for name, _ in blocks()}
