"""The predicate language: what it says, and that it says nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.graph.expressions import ExpressionError, compile_predicate, evaluate

SCOPE = {
    "output": {
        "n": 3,
        "name": "db-1",
        "tags": ["a", "b"],
        "nested": {"x": [10, 20]},
        "flag": True,
        "text": "disk full",
    },
    "state": "completed",
    "error": None,
    "device": "desk",
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("output.n > 2", True),
        ("output.n >= 3 and output.n < 4", True),
        ("2 < output.n < 4", True),
        ("2 < output.n < 3", False),
        ("output.n == 3.0", True),
        ("output.n != 3", False),
        ("output.n == -3", False),
        ("output['name'] == 'db-1'", True),
        ("'a' in output.tags", True),
        ("'z' not in output.tags", True),
        ("'full' in output.text", True),
        ("3 in output.text", False),
        ("'x' in output.nested", True),
        ("1 in output.nested", False),
        ("output.n in [1, 2, 3]", True),
        ("output.nested.x[1] == 20", True),
        ("output.nested.x[-1] == 20", True),
        ("output.nested.x[9] == 20", False),
        ("output.missing.deeper == null", True),
        ("output.missing > 1", False),
        ("output.missing < 1", False),
        ("'a' in output.missing", False),
        ("not output.missing", True),
        ("output.flag", True),
        ("output.flag == true", True),
        ("output.flag == 1", False),
        ("state == 'completed' or device == 'x'", True),
        ("error is None", True),
        ("error is not None", False),
    ],
)
def test_values(source: str, value: bool) -> None:
    assert evaluate(source, SCOPE) is value


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "cannot be read"),
        ("output.n >", "column"),
        ("__import__('os')", "Call"),
        ("output.__class__.__mro__[1]()", "Call"),
        ("open('x')", "Call"),
        ("name == 1", "no name 'name'"),
        ("[x for x in output]", "ListComp"),
        ("lambda: 1", "Lambda"),
        ("output.n + 1 > 2", "BinOp"),
        ("f'{output}'", "JoinedStr"),
        ("output[0:1]", "Slice"),
        ("(x := 1)", "NamedExpr"),
        ("b'x' == output", "Constant"),
        ("not " * 40 + "output", "nests"),
        ("output" + "[0]" * 40, "nests"),
        ("output" + ".a" * 40, "nests"),
        ("1 == (" * 40 + "1" + ")" * 40, "nests"),
        ("[" * 40 + "]" * 40, "nests"),
        ("(1 or " * 40 + "1" + ")" * 40, "nests"),
        ("(" * 300 + "1" + ")" * 300, "cannot be read"),
        ("output\0", "cannot be read"),
        ("1 " * 600, "longer"),
        (r"output == '\d'", "invalid escape"),
    ],
)
def test_everything_else_is_refused(source: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words) as caught:
        compile_predicate(source)
    assert caught.value.details["column"] >= 1


def test_attributes_of_python_are_out_of_reach() -> None:
    assert evaluate("output.__class__ == null", SCOPE)
    assert evaluate("state.upper == null", SCOPE)


@pytest.mark.parametrize("source", ["output.n > 'x'", "1 in output.n", "output.tags < 3"])
def test_what_cannot_be_compared_raises_type_error(source: str) -> None:
    with pytest.raises(TypeError):
        evaluate(source, SCOPE)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.text(alphabet="output.sterx[]()'\"0123 <>=!andorit", max_size=40), plain)
def test_no_text_does_anything_but_have_a_value_or_be_refused(source: str, output: Any) -> None:
    try:
        value = evaluate(source, {"output": output, "state": "completed"})
    except (ExpressionError, TypeError):
        return
    assert isinstance(value, bool)
