"""A constellation rebuilt from its events remembers how its edits are undone."""

from __future__ import annotations

from typing import Any

from constellation.graph.plain import batch_to_plain
from constellation.telling.watched import KEPT_INVERSES, Watched


def edited(version: int, edit: dict[str, Any], time: float = 1.0) -> dict[str, Any]:
    return {
        "kind": "edited",
        "time": time,
        "body": {"batch": {"edits": [edit]}, "version": version},
    }


def add(name: str) -> dict[str, Any]:
    return {"op": "add_task", "task": {"id": name, "skill": "work"}}


def test_the_inverse_of_an_edit_takes_it_back() -> None:
    watched = Watched("c-1")
    watched.take(edited(1, add("a")))
    watched.take(edited(2, add("b")))
    inverse = watched.inverses[2]
    assert inverse is not None
    (undo,) = batch_to_plain(inverse)["edits"]
    watched.take(edited(3, undo))
    assert list(watched.constellation.nodes) == ["a"]


def test_old_inverses_are_forgotten() -> None:
    watched = Watched("c-1")
    for version in range(1, KEPT_INVERSES + 4):
        watched.take(edited(version, add(f"t{version}")))
    assert len(watched.inverses) == KEPT_INVERSES
