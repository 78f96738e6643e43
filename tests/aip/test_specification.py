"""The tables of docs/protocol.md say what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.instructions import CloseCode
from constellation.aip.limits import Limits
from constellation.aip.messages import TYPES
from constellation.errors import ConstellationError
from constellation.graph.task import Requirement, RetryPolicy, Task
from constellation.orchestrator.requests import VERBS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text()
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in TEXT.splitlines()
    if line.startswith("| ")
]


def row(name: str, width: int) -> list[str]:
    """The table row of so many cells that begins with a name."""
    (found,) = [each for each in ROWS if len(each) == width and f"`{name}`" in each[0]]
    return found


def names(cell: str) -> set[str]:
    return set(re.findall("`([a-z_0-9.]+)`", cell))


def leaves(error: type[ConstellationError]) -> list[str]:
    """Codes of the errors that have no finer ones, of those that every part knows."""
    finer = [each for each in error.__subclasses__() if each.__module__ == error.__module__]
    return [code for each in finer for code in leaves(each)] or [error.code]


@pytest.mark.parametrize("name", TYPES)
def test_messages(name: str) -> None:
    kind = TYPES[name]
    _, senders, numbered, described, _ = row(name, 5)
    assert numbered == ("yes" if kind.numbered else "no")
    assert senders == "any" or set(senders.split(", ")) == kind.senders
    if name not in ("hello", "welcome"):
        optional = {each for part in re.findall(r"\[(.*?)\]", described) for each in names(part)}
        assert optional == set(kind.optional)
        assert names(described) == {*kind.required, *kind.optional}


@pytest.mark.parametrize("name", VERBS)
def test_verbs(name: str) -> None:
    verb = VERBS[name]
    _, params, _, permission = row(name, 4)
    assert permission == verb.permission
    if name != "submit":
        assert names(params) == set(verb.params.model_fields)
    else:
        plan = set(VERBS["plan"].params.model_fields)
        assert names(params) == set(verb.params.model_fields) - plan


def test_limits() -> None:
    for name, default in Limits().to_wire().items():
        assert row(name, 3)[1] == str(default)


def test_close_codes() -> None:
    codes = {value for name, value in vars(CloseCode).items() if name.isupper()}
    assert {int(each[0]) for each in ROWS if each[0].isdigit()} == codes


def test_error_codes() -> None:
    described = {code for each in ROWS if len(each) == 2 for code in names(each[0])}
    assert set(leaves(ConstellationError)) <= described


def test_facts() -> None:
    described = {name for each in ROWS if len(each) == 2 for name in names(each[0])}
    sources = (ROOT / "constellation" / "orchestrator").glob("*.py")
    recorded = {
        kind
        for source in sources
        for kind in re.findall(r'\.fact\(\s*\w+,\s*"(\w+)"', source.read_text())
    }
    assert len(recorded) > 10
    assert recorded <= described


def test_fields_of_tasks_and_cards() -> None:
    for part in (Task, Requirement, RetryPolicy):
        for each in fields(part):
            assert f"`{each.name}`" in TEXT, each.name
    for name in (*DeviceCard.model_fields, *SkillCard.model_fields):
        assert f"`{name}`" in TEXT, name
