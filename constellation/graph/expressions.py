"""Predicates over an outcome: a small, safe expression language.

``output.percent > 90 and "ok" in output.words`` — comparison, ``and``/``or``/``not``, membership,
field access, indexing, arithmetic signs and literals. Nothing can be called and nothing changed.
Names: ``output``, ``state``, ``error``, ``device``. A field that is not there is null, and an
ordering comparison with null is false, so a predicate has a value for every outcome.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from constellation.errors import GraphError

MAX_LENGTH = 1000
MAX_DEPTH = 32
NAMES = ("output", "state", "error", "device")

Scope = Mapping[str, Any]
Predicate = Callable[[Scope], Any]

_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
_ORDERINGS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class ExpressionError(GraphError):
    """The predicate cannot be read; ``details`` holds ``column`` (from 1)."""

    code = "graph.expression"


@lru_cache(maxsize=4096)
def compile_predicate(source: str) -> Predicate:
    """Read a predicate.

    Returns:
        A function of a mapping of the names to their values. It raises nothing but TypeError, and
        that only where types cannot be compared, such as text with a number.

    Raises:
        ExpressionError: what is wrong, where, and what would be right.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"The condition is longer than {MAX_LENGTH} characters.", column=1)
    text = source.strip()
    try:
        with warnings.catch_warnings():
            # Python warns of what it will refuse one day, such as the escape in "\\d".
            warnings.simplefilter("error")
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(
            f"The condition {text!r} cannot be read at column {error.offset or 1}: {error.msg}.",
            remedy="Write it like: output.percent > 90 and state == 'completed'.",
            column=error.offset or 1,
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError(
            "The condition cannot be read: it nests too deeply or holds a null character.", column=1
        ) from None
    return _build(tree, 0)


def evaluate(source: str, scope: Scope) -> bool:
    """Whether the predicate holds in this scope.

    Raises:
        ExpressionError: it cannot be read.
        TypeError: it compares what cannot be compared.
    """
    return bool(compile_predicate(source)(scope))


def _build(node: ast.expr, depth: int) -> Predicate:
    if depth > MAX_DEPTH:
        raise _refused(node, "it nests too deeply")
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return lambda scope: value
        case ast.Name(id=name):
            return _name(node, name)
        case ast.Attribute(value=inner, attr=field):
            base = _build(inner, depth + 1)
            return lambda scope: _field(base(scope), field)
        case ast.Subscript(value=inner, slice=index):
            base, key = _build(inner, depth + 1), _build(index, depth + 1)
            return lambda scope: _field(base(scope), key(scope))
        case ast.BoolOp(op=op, values=values):
            return _boolean(op, [_build(value, depth + 1) for value in values])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner_value = _build(operand, depth + 1)
            return lambda scope: not inner_value(scope)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return lambda scope: -number
        case ast.List(elts=items) | ast.Tuple(elts=items):
            parts = [_build(item, depth + 1) for item in items]
            return lambda scope: [part(scope) for part in parts]
        case ast.Compare(left=left, ops=ops, comparators=others):
            operands = [_build(each, depth + 1) for each in (left, *others)]
            return _comparison(operands, [_comparator(node, op) for op in ops])
    raise _refused(node, f"{type(node).__name__} is not part of the language")


def _name(node: ast.expr, name: str) -> Predicate:
    if name.lower() in _CONSTANTS:
        value = _CONSTANTS[name.lower()]
        return lambda scope: value
    if name in NAMES:
        return lambda scope: scope.get(name)
    raise _refused(node, f"there is no name {name!r}; use one of {', '.join(NAMES)}")


def _boolean(op: ast.boolop, parts: list[Predicate]) -> Predicate:
    if isinstance(op, ast.And):
        return lambda scope: all(part(scope) for part in parts)
    return lambda scope: any(part(scope) for part in parts)


def _comparison(
    operands: list[Predicate], comparators: list[Callable[[Any, Any], bool]]
) -> Predicate:
    def compare(scope: Scope) -> bool:
        values = [operand(scope) for operand in operands]
        return all(
            each(left, right)
            for each, left, right in zip(comparators, values, values[1:], strict=False)
        )

    return compare


def _comparator(node: ast.expr, op: ast.cmpop) -> Callable[[Any, Any], bool]:
    match op:
        case ast.Eq() | ast.Is():
            return _equal
        case ast.NotEq() | ast.IsNot():
            return lambda left, right: not _equal(left, right)
        case ast.In():
            return _contains
        case ast.NotIn():
            return lambda left, right: not _contains(left, right)
    ordering = _ORDERINGS.get(type(op))
    if ordering is None:
        raise _refused(node, "this comparison is not part of the language")
    return lambda left, right: left is not None and right is not None and ordering(left, right)


def _equal(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _contains(item: Any, container: Any) -> bool:
    if container is None:
        return False
    if isinstance(container, str) and not isinstance(item, str):
        return False
    if not isinstance(container, str | list | tuple | Mapping):
        raise TypeError(f"'in' needs a list, a mapping or text, not {type(container).__name__}")
    if isinstance(container, Mapping) and not isinstance(item, str):
        return False
    return item in container


def _field(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key) if isinstance(key, str) else None
    if isinstance(value, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if -len(value) <= key < len(value) else None
    return None


def _refused(node: ast.expr, why: str) -> ExpressionError:
    column = node.col_offset + 1
    return ExpressionError(
        f"The condition is refused at column {column}: {why}.",
        remedy="Use comparisons, and/or/not, in, and fields of output, state, error and device.",
        column=column,
    )
