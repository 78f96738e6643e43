"""YAML as a tree: what is read, what is refused, and where it stood."""

from __future__ import annotations

import pytest

from constellation.planner.runbook.findings import Findings, Mark
from constellation.planner.runbook.tree import MAX_DEPTH, Node, compose, resolve


def _read(text: str) -> Node:
    findings = Findings()
    node = compose(text, findings)
    assert not findings
    assert node is not None
    return node


def _refused(text: str) -> tuple[str, int, int]:
    findings = Findings()
    compose(text, findings)
    return findings[0].code, findings[0].line, findings[0].column


def test_values_keep_their_places() -> None:
    root = _read("a: 1\nb:\n  - x\n  - y: z\n")
    assert root.plain() == {"a": 1, "b": ["x", {"y": "z"}]}
    assert root.entries is not None
    assert root.entries["b"].mark == Mark(2, 1)
    places = {path: node.mark for path, node in root.scalars()}
    assert places == {"a": Mark(1, 4), "b[0]": Mark(3, 5), "b[1].y": Mark(4, 8)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("0x1f", "0x1f"),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        pytest.param("9" * 5000, "9" * 5000, id="long"),
        ("true", True),
        ("~", None),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_quotes_make_text() -> None:
    assert _read("a: '1'\nb: \"true\"\n").plain() == {"a": "1", "b": "true"}


def test_on_is_an_ordinary_key() -> None:
    assert _read("on: desk").plain() == {"on": "desk"}


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: 1\na: 2\n", "yaml.duplicate", 2, 1),
        ("a: &x 1\nb: *x\n", "yaml.alias", 2, 4),
        ("a: !!python/object:os.system {}\n", "yaml.tag", 1, 4),
        ("a: 1\n---\nb: 2\n", "yaml.documents", 2, 1),
        ("? [1]\n: 2\n", "yaml.key", 1, 3),
        ("a: [1\n", "yaml.syntax", 2, 1),
        ("a:\n\t- b\n", "yaml.syntax", 2, 1),
        ("ok: 1\nbad: \x07\n", "yaml.character", 2, 6),
        ("[" * (MAX_DEPTH + 1), "yaml.depth", 1, MAX_DEPTH + 1),
        ("[" * 100_000, "yaml.depth", 1, MAX_DEPTH + 1),
    ],
)
def test_refused_with_its_place(text: str, code: str, line: int, column: int) -> None:
    assert _refused(text) == (code, line, column)


def test_places_count_from_the_origin() -> None:
    findings = Findings()
    node = compose("a: b", findings, Mark(10, 5))
    assert node is not None
    assert node.entries is not None
    assert node.entries["a"].value.mark == Mark(10, 8)


def test_an_empty_document_is_no_node_and_no_error() -> None:
    findings = Findings()
    assert compose("# nothing\n", findings) is None
    assert not findings
