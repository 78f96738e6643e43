"""How a reply names the question that the next message answers."""

from __future__ import annotations

import pytest

from constellation.bridges.chat import Asked

ASKED = Asked("c-7f3k9q", "fetch the page] on desk?", "q&1", 12)


def test_a_reply_names_its_question_whatever_the_ids() -> None:
    assert Asked.read(f"Fetching.\n\n    Allow it?\n\n{ASKED.line()}\n") == ASKED


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Done.",
        f"    {ASKED.line()}\nc-1: completed.",
        f"Done.\n\n    {ASKED.line()}",
        f"Done: {ASKED.line()}",
        "[answers c-1?task=a&question=q]",
        "[answers c-1?task=a&question=q&after=-1]",
        "[answers c-1?task=a&task=b&question=q&after=1]",
    ],
)
def test_other_replies_name_none(reply: str) -> None:
    assert Asked.read(reply) is None
