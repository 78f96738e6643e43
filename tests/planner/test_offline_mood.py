"""What is denied, doubted or asked about is never done, however plainly it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from planner_cards import COMPUTER, computers

from constellation.errors import PlanError
from constellation.graph.edits import AddTask
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio

CARDS = computers()
EFFECTS = {skill.name: skill.effect for skill in COMPUTER}
PLANNED = [
    line[2:]
    for line in Path(__file__).with_name("requests.txt").read_text(encoding="utf-8").splitlines()
    if line.startswith("> ")
]
PREFIXES = ["don't", "I would not", "should I", "tell me whether to"]
MORE_PREFIXES = [
    "do not",
    "never",
    "please don't",
    "why",
    "there is no need to",
    "you must not",
    "nobody should",
    "what if I",
]


async def _changes(request: str) -> list[str]:
    """The skills in its plan that change something; none if it is refused."""
    try:
        plan = await OfflinePlanner().plan(request, CARDS)
    except PlanError:
        return []
    skills = [edit.task.skill for edit in plan.edits if isinstance(edit, AddTask)]
    return [skill for skill in skills if EFFECTS[skill] != "read"]


@pytest.mark.parametrize(
    "prefix",
    [*PREFIXES, *(pytest.param(prefix, marks=pytest.mark.full) for prefix in MORE_PREFIXES)],
)
async def test_nothing_is_changed(prefix: str) -> None:
    for request in PLANNED:
        words = f"{prefix} {request[0].lower()}{request[1:]}"
        assert await _changes(words) == [], words


@pytest.mark.parametrize("words", ["tomorrow", "only", "as root", "- just kidding", "instead"])
@pytest.mark.parametrize(
    "request_text",
    [
        "delete a.txt on desk",
        "run `make` on desk",
        "write 'x' to a.txt on desk",
        "copy a.txt from desk to laptop",
        "move a.txt from desk to laptop",
        "replace 'a' by 'b' in a.txt on desk",
        "send a POST request to http://a/b with the body 'x' from desk",
    ],
)
async def test_what_changes_something_accounts_for_every_word(
    request_text: str, words: str
) -> None:
    assert await _changes(request_text)
    assert await _changes(f"{request_text} {words}") == []


@pytest.mark.parametrize(
    "request_text",
    [
        "could you delete a.txt on desk",
        "I want you to delete a.txt on desk",
        "please delete a.txt on desk",
    ],
)
async def test_politeness_is_no_doubt(request_text: str) -> None:
    assert await _changes(request_text) == ["files.delete"]
