"""The error tree: documented, with distinct codes, and the same after a trip over the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from constellation import errors
from constellation.errors import (
    ConstellationError,
    InvalidTransition,
    TaskFailed,
    error_from_wire,
)


def tree(root: type[ConstellationError] = ConstellationError) -> Iterator[type[ConstellationError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


EVERY = list(tree())


def make(kind: type[ConstellationError]) -> ConstellationError:
    if kind is InvalidTransition:
        return InvalidTransition("task build", "completed", "start", remedy="Retry it.")
    return kind("It broke.", remedy="Mend it.", task="build", line=3)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_wire(kind: type[ConstellationError]) -> None:
    error = make(kind)
    again = error_from_wire(error.to_wire())
    assert type(again) is kind
    assert again.to_wire() == error.to_wire()
    assert str(again) == str(error)


def test_codes_are_distinct_and_extend_their_parents() -> None:
    assert len({kind.code for kind in EVERY}) == len(EVERY)
    for kind in EVERY:
        parent = kind.__mro__[1]
        if issubclass(parent, ConstellationError) and parent is not ConstellationError:
            assert kind.code.startswith(parent.code + ".")


def test_the_docstring_draws_every_error() -> None:
    drawn = set(re.findall(r"[A-Z]\w+", (errors.__doc__ or "").split("Each class")[0]))
    assert {kind.__name__ for kind in EVERY} <= drawn


def test_a_finer_code_keeps_its_nearest_ancestor() -> None:
    error = error_from_wire({"code": "task.failed.weather", "message": "It rained."})
    assert type(error) is TaskFailed
    assert error.details["code"] == "task.failed.weather"


@pytest.mark.parametrize("wire", [{}, {"code": "no.such.code"}, {"code": 7, "details": "x"}])
def test_an_unknown_error_is_still_an_error(wire: dict[str, object]) -> None:
    assert type(error_from_wire(wire)) is ConstellationError


def test_an_invalid_transition_says_what_is_impossible() -> None:
    error = make(InvalidTransition)
    assert str(error) == "task build is completed: start is not possible there. Retry it."
    assert error.details == {"subject": "task build", "state": "completed", "event": "start"}


def test_remedy_and_details_are_left_out_of_the_wire_if_empty() -> None:
    assert TaskFailed("No.").to_wire() == {"code": "task.failed", "message": "No."}
