"""`report.write`, and data as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.computer.markdown import MAX_ROWS, as_markdown
from agents.computer.report import write
from agents.testing import Trial

pytestmark = pytest.mark.anyio

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


async def test_a_report_has_title_and_sections(trial: Trial, root: Path) -> None:
    output = await trial.run(
        write,
        path="out/report.md",
        title="Disks  of\nthe fleet",
        body="All is well.",
        sections=[
            {"title": "desk", "body": {"percent": 43.5, "free_bytes": 3_221_225_472}},
            {"body": [{"mount": "/", "percent": 12}, {"mount": "/home", "percent": 80.25}]},
        ],
    )
    assert output["path"] == str(root / "out" / "report.md")
    assert output["sections"] == 2
    text = (root / "out" / "report.md").read_text()
    assert output["size_bytes"] == len(text.encode())
    assert text == (
        "# Disks of the fleet\n\nAll is well.\n\n"
        "## desk\n\n- **percent:** 43.5 %\n- **free:** 3.0 GiB\n\n"
        "| mount | percent |\n| --- | --- |\n| / | 12 % |\n| /home | 80.25 % |\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as *it* is\n", "as *it* is"),
        (None, "–"),
        (True, "yes"),
        ([], "–"),
        (["a", 2], "- a\n- 2"),
        ({"size_bytes": 512}, "- **size:** 512 B"),
        ({"waited_s": 0.25}, "- **waited:** 0.25 s"),
        ({"modified_s": 1_763_888_000.5}, "- **modified:** 2025-11-23 08:53:20 UTC"),
        ({"ratio": 85034668032.1234567}, "- **ratio:** 85034668032.12346"),
        ({"nested": {"a_b": 1}}, "- **nested:**\n\n  - **a b:** 1\n"),
        ({"stdout": "one\ntwo\n"}, "- **stdout:**\n\n  ```\n  one\n  two\n  ```\n"),
    ],
)
def test_data_as_markdown(value: Any, text: str) -> None:
    assert as_markdown(value) == text


def test_data_cannot_break_out_of_its_place() -> None:
    table = as_markdown([{"name": "a|b\n<script>"}])
    assert table.splitlines()[2] == r"| a\|b &lt;script> |"
    fenced = as_markdown({"log": "x\n```\n# not a heading"})
    assert fenced.count("````") == 2


def test_long_lists_are_cut() -> None:
    text = as_markdown([{"n": n} for n in range(MAX_ROWS + 5)])
    assert text.endswith("… and 5 more")
    assert len(text.splitlines()) == MAX_ROWS + 4


@given(PLAIN)
def test_any_data_can_be_shown(value: Any) -> None:
    text = as_markdown(value)
    assert isinstance(text, str)
