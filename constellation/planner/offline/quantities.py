"""Numbers in a clause, with their units, for the parameters of a skill."""

from __future__ import annotations

from .schemas import BYTES, Parameter, time_factors
from .tokens import Phrase, pattern
from .words import concept

_ONE = pattern(rf"(?P<half>half )?(?:an?|one) (?P<unit>{'|'.join(sorted(time_factors()))})")
_AGAIN = frozenset({"every", "each"})
_REPEATED = frozenset({"interval", "every", "period"})
_TIMED = frozenset({"timeout", "duration", "delay", "interval", "wait"})


def quantity(
    parameter: Parameter, phrase: Phrase, index: int, *, alone: bool
) -> tuple[float, tuple[int, ...]] | None:
    """The number at a token for a parameter, by its unit or its neighbour words.

    Args:
        parameter: what wants a number.
        phrase: the clause.
        index: where the number stands.
        alone: no other number of the clause is free, so a parameter that needs one may take it.

    Returns:
        The value in the parameter's unit, and the tokens it was read from; None if it does not fit.
    """
    value = phrase.tokens[index].value
    after = _shape(phrase, index + 1)
    said = {parameter.name.lower(), *parameter.name.lower().split("_")}
    described = str(parameter.schema.get("description", "")).lower()
    if after in time_factors():
        unit = next((word for word in said if word in time_factors()), None)
        if not (unit or said & _TIMED or "second" in described):
            return None
        if _shape(phrase, index - 1) in _AGAIN and not said & _REPEATED:
            return None
        seconds = value * time_factors()[after]
        return seconds / time_factors()[unit or "s"], (index, index + 1)
    if after in BYTES and "bytes" in said:
        return value * BYTES[after], (index, index + 1)
    for neighbour in (index - 1, index + 1):
        word = _shape(phrase, neighbour)
        if word.isalpha() and concept(word) in parameter.words:
            return value, (index, neighbour)
    counts = "how many" in described
    fits = (parameter.required or counts) and alone and after != "%"
    return (value, (index,)) if fits else None


def one_of_unit(parameter: Parameter, phrase: Phrase) -> tuple[float, tuple[int, ...]] | None:
    """``a minute`` and ``half an hour`` for a parameter in seconds; None if neither is said."""
    said = {parameter.name.lower(), *parameter.name.lower().split("_")}
    unit = next((word for word in said if word in time_factors()), None)
    match = _ONE.search(phrase.shape)
    if unit is None or match is None:
        return None
    start, end = phrase.index(match.start()), phrase.index(match.end())
    seconds = time_factors()[match["unit"]] * (0.5 if match["half"] else 1.0)
    return seconds / time_factors()[unit], tuple(range(start, end))


def _shape(phrase: Phrase, index: int) -> str:
    return phrase.tokens[index].shape if 0 <= index < len(phrase) else ""
