"""From a condition in words to a predicate over the result of a skill."""

from __future__ import annotations

from collections.abc import Iterable

from constellation.aip.cards import SkillCard

from .conditions import Condition, Operator, Test
from .problems import UnplacedError
from .schemas import BYTES, Field, fields, text_field
from .words import concept, concepts

_FLIPPED: dict[Operator, Operator] = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "=="}
_UNITS = {"percent": concept("percent"), **dict.fromkeys(BYTES, concept("bytes"))}
_FREE = frozenset(concept(word) for word in ("free", "available", "left"))
_USED = concept("used")


def predicate(condition: Condition, skill: SkillCard, text: str) -> str:
    """The predicate that a condition means for the result of a skill.

    Args:
        condition: of kind ``test``.
        skill: whose result it looks at.
        text: the words that asked for the skill, for ``it``.

    Raises:
        UnplacedError: the result has no field that fits, or several.
    """
    test = condition.test or Test("empty")
    if test.operator in ("contains", "empty") or isinstance(test.value, str):
        holds = _about_text(condition, test, skill)
    else:
        said = condition.subject.concepts() or list(concepts(text))
        holds = _about_number(condition, test, skill, frozenset(said))
    return f"state == 'completed' and not ({holds})" if condition.negated else holds


def _about_text(condition: Condition, test: Test, skill: SkillCard) -> str:
    known = fields(skill.output)
    said = set(condition.subject.concepts())
    named = [field for field in known if field.words & said and field.type in ("string", "array")]
    main = text_field(skill.output)
    lists = [field.path for field in known if field.type == "array"]
    path = named[0].path if named else main or (lists[0] if lists else None)
    if path is None:
        raise _nothing(condition, skill, known)
    if test.operator == "contains":
        return f"{test.value!r} in output.{path}"
    if test.operator == "empty":
        kind = next(field.type for field in known if field.path == path)
        return f"output.{path} == {'[]' if kind == 'array' else repr('')}"
    return f"output.{path} == {test.value!r}"


def _about_number(condition: Condition, test: Test, skill: SkillCard, said: frozenset[str]) -> str:
    field = _number_field(condition, test, skill, said)
    operator, value = test.operator, test.value
    for word in test.words:
        value *= BYTES.get(word, 1)
    asks_free = bool(_FREE & _meanings(test.words)) and not _FREE & field.words
    tells_used = _USED in field.words | set(concepts(skill.description))
    if asks_free and tells_used and "percent" in test.words:
        operator, value = _FLIPPED[operator], 100 - value
    return f"output.{field.path} {operator} {value!r}"


def _number_field(
    condition: Condition, test: Test, skill: SkillCard, said: frozenset[str]
) -> Field:
    """The field of the right unit that shares most words with what was said.

    Of several, the one with the plainest name: ``percent`` rather than ``swap_percent``.
    """
    numbers = [field for field in fields(skill.output) if field.type in ("number", "integer")]
    unit = next((unit for word, unit in _UNITS.items() if word in test.words), None)
    fitting = [field for field in numbers if unit in set(concepts(field.path))] if unit else numbers
    wanted = said | _meanings(test.words)
    rank = {field.path: (len(field.words & wanted), -_length(field)) for field in fitting}
    best = max(rank.values(), default=(0, 0))
    found = [field for field in fitting if rank[field.path] == best]
    if len(found) != 1 or (best[0] == 0 and len(numbers) > 1):
        raise _nothing(condition, skill, numbers)
    return found[0]


def _length(field: Field) -> int:
    return len(list(concepts(field.path)))


def _meanings(words: Iterable[str]) -> set[str]:
    return {concept(word) for word in words}


def _nothing(condition: Condition, skill: SkillCard, known: list[Field]) -> UnplacedError:
    names = [field.path for field in known]
    said = f"its result has {', '.join(names)}" if names else "its card does not say what it gives"
    return UnplacedError(
        f"if {condition.text}",
        f"I cannot tell which part of the result of {skill.name} that looks at: {said}.",
        [f"if the {name} is …" for name in names[:3]],
    )
