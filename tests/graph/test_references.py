"""References: how they are read, followed and put into arguments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.errors import GraphError
from constellation.graph.references import (
    MAX_DEPTH,
    Reference,
    ReferenceSyntaxError,
    parse_reference,
    references,
    rename,
    resolve,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.output", ("a", "output", ())),
        (" a.output ", ("a", "output", ())),
        ("a.output.b", ("a", "output", ("b",))),
        ("a.output[0].b[-1]", ("a", "output", (0, "b", -1))),
        ('a.output["two words"]', ("a", "output", ("two words",))),
        ("fetch-1.raw.output.x", ("fetch-1.raw", "output", ("x",))),
        ("a.error.message", ("a", "error", ("message",))),
        ("a.state", ("a", "state", ())),
        ("a.device", ("a", "device", ())),
        ("a.output.output", ("a", "output", ("output",))),
        ("a.state.output", ("a", "state", ("output",))),
        ("items.output.x", ("items", "output", ("x",))),
        ("index.output", ("index", "output", ())),
        ("item", ("", "item", ())),
        ("item.path[0]", ("", "item", ("path", 0))),
        ("item.output.state", ("", "item", ("output", "state"))),
        ("item[1]", ("", "item", (1,))),
        ("item-2.output", ("item-2", "output", ())),
        ("index", ("", "index", ())),
    ],
)
def test_reading(text: str, expected: tuple[Any, ...]) -> None:
    found = parse_reference(text)
    assert (found.task, found.field, found.path) == expected
    assert found.text == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b",
        "a.outputs",
        ".output",
        "a.output.",
        "a.output[",
        "a.output[x]",
        "a.output[0",
        "a.output[12345678901]",
        "a.output b",
        "a b.output",
        "a/b.output",
        "items",
        "ITEM",
        "a.output()",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ReferenceSyntaxError) as caught:
        parse_reference(text)
    assert caught.value.remedy
    assert caught.value.details["reference"] == text.strip()


def test_references_are_found_in_order_wherever_they_stand() -> None:
    data = {
        "x": "${a.output}",
        "y": ["and ${b.output.n} then ${c.state}", {"z": ("${d.error}",)}],
        "n": 3,
        "kept": "$${e.output} ${ not closed",
    }
    assert [found.task for found in references(data)] == ["a", "b", "c", "d"]


def test_data_that_nest_too_deeply_are_refused() -> None:
    nested: Any = "${a.output}"
    for _ in range(MAX_DEPTH):
        nested = [nested]
    assert len(list(references(nested))) == 1
    with pytest.raises(GraphError, match=f"{MAX_DEPTH} levels"):
        list(references([nested]))


OUTPUT = {
    "files": [{"path": "/x", "size": 3}],
    "ok": True,
    "none": None,
    "name": "db ${a.state}",
    "greeting": {"de": "Grüße"},
}


def look_up(reference: Reference) -> Any:
    return reference.follow(OUTPUT if reference.field == "output" else reference.field)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${a.output.ok}", True),
        ("${a.output.none}", None),
        ("${a.output.files[0].size}", 3),
        ("${a.output.files}", [{"path": "/x", "size": 3}]),
        ("${a.output.files[-1].path}", "/x"),
        ("size ${a.output.files[0].size}", "size 3"),
        (" ${a.output.ok}", " true"),
        ("${a.output.none}!", "null!"),
        ("${a.output.files[0].path}${a.state}", "/xstate"),
        ("in ${a.output.files[0]}", 'in {"path": "/x", "size": 3}'),
        ("in ${a.output.greeting}", 'in {"de": "Grüße"}'),
        ("$${a.output}", "${a.output}"),
        ("$${a.output} is ${a.output.ok}", "${a.output} is true"),
        ("cost: 5$ or ${", "cost: 5$ or ${"),
    ],
)
def test_a_whole_reference_keeps_its_type_and_an_embedded_one_becomes_text(
    text: str, expected: Any
) -> None:
    assert resolve(text, look_up) == expected
    assert resolve({"deep": [text, 1]}, look_up) == {"deep": [expected, 1]}


def test_what_a_reference_brings_in_is_data_and_is_not_read_again() -> None:
    assert resolve("${a.output.name}", look_up) == "db ${a.state}"
    assert resolve("<${a.output.name}>", look_up) == "<db ${a.state}>"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.output.missing", "'missing' is not in an object with files, ok, none, name, greeting"),
        ("a.output.files[1]", "1 is not in a list of 1"),
        ("a.output.files.path", "'path' is not in a list of 1"),
        ("a.output.name[0]", "0 is not in a value of type str"),
        ("a.output.none.x", "'x' is not in nothing"),
        ("a.output.ok.x", "'x' is not in a value of type bool"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ended(text: str, words: str) -> None:
    with pytest.raises(LookupError) as caught:
        resolve(f"${{{text}}}", look_up)
    assert caught.value.args[0] == words


keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,5}", fullmatch=True)
paths = st.lists(keys | st.integers(0, 3), max_size=5)


@given(paths, st.none() | st.integers() | st.text(max_size=4))
def test_following_a_path_finds_what_lies_at_its_end(path: list[str | int], leaf: Any) -> None:
    value = leaf
    for part in reversed(path):
        value = {part: value} if isinstance(part, str) else [None] * part + [value]
    text = "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in path)
    assert resolve(f"${{a.output{text}}}", lambda found: found.follow(value)) == leaf


def test_references_may_name_tasks_by_other_ids() -> None:
    before = {
        "whole": "${a.output.x}",
        "among": ["$${a.output} of ${ a.output[0] }, ${b.state} and ${item.a}"],
        "count": 3,
    }
    assert rename(before, {"a": "one.two", "item": "never"}) == {
        "whole": "${one.two.output.x}",
        "among": ["$${a.output} of ${one.two.output[0]}, ${b.state} and ${item.a}"],
        "count": 3,
    }


@pytest.mark.parametrize("text", ["${a}", "${a.b}"])
def test_what_is_no_reference_cannot_be_renamed(text: str) -> None:
    with pytest.raises(ReferenceSyntaxError):
        rename(text, {"a": "b"})
