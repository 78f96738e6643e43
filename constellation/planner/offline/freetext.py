"""Plain words of a clause that are a text themselves: ``say dinner is ready``, without quotes."""

from __future__ import annotations

from collections.abc import Collection

from .tokens import Phrase, pattern
from .words import ANAPHORA, LIGHT, bag

_SUBJECTS = bag("the a an my our your its their there it they we all every")
_CUE = pattern(
    r"(?:(?:for|about|saying|that says)(?: the (?:word|text))?"
    rf"|that(?= (?:{'|'.join(sorted(_SUBJECTS))}) )) (?P<text>.+?)"
)
_STOP = bag("in on at to into from as with within inside under using for")
_GOAL = bag("in on at to into onto")


def pointers(phrase: Phrase) -> list[int]:
    """The tokens that mean what came out of earlier work: ``it``, ``the results``."""
    return [
        index
        for index, token in enumerate(phrase.tokens)
        if token.kind == "word" and token.shape in ANAPHORA and not _determines(phrase, index)
    ]


def _determines(phrase: Phrase, index: int) -> bool:
    """``that file``, ``that the …`` and ``everything in /tmp`` point at what follows."""
    token = phrase.tokens[index]
    following = phrase.tokens[index + 1 : index + 2]
    if token.shape == "everything":
        return bool(following) and following[0].shape in ("in", "on", "under", "below")
    if token.shape == "that" and following and following[0].shape in _SUBJECTS:
        return True
    return token.shape in ("that", "this", "these", "those") and bool(
        following and following[0].concept and following[0].shape not in ANAPHORA
    )


def free_text(phrase: Phrase, taken: Collection[int], *, anywhere: bool) -> list[int]:
    """The run of plain words that are a text: those after ``for`` or ``saying``, else the object.

    Args:
        phrase: the clause.
        taken: tokens that mean something else.
        anywhere: the words after a preposition will do too, as in ``place it on the table``.
    """
    cue = _CUE.search(phrase.shape)
    span = _run(phrase, phrase.index(cue.start("text")), taken) if cue else []
    if span or _asks_for_information(phrase):
        return span
    span = _object(phrase, taken)
    if span or not anywhere:
        return span
    goals = (index + 1 for index in range(len(phrase)) if phrase.tokens[index].shape in _GOAL)
    return next((found for start in goals if (found := _run(phrase, start, taken))), [])


def _asks_for_information(phrase: Phrase) -> bool:
    """``tell me a joke``: its object is what is asked for, and no text to use as it stands."""
    verb = next((token for token in phrase.tokens if token.kind == "word"), None)
    return verb is not None and verb.shape in LIGHT


def _object(phrase: Phrase, taken: Collection[int]) -> list[int]:
    """The words after the verb, up to a preposition that leads to something else."""
    words = [*phrase.tokens]
    start = next((i for i, token in enumerate(words) if token.kind != "device"), len(words)) + 1
    while start < len(words) and words[start].shape in (
        "up",
        "down",
        "out",
        "off",
        "over",
        "me",
        "us",
    ):
        start += 1
    leads_away = start < len(words) and words[start].shape in _GOAL - {"to"}
    return [] if leads_away else _run(phrase, start, taken)


def _run(phrase: Phrase, start: int, taken: Collection[int]) -> list[int]:
    """The indices of plain words from a place on, until something else begins."""
    span: list[int] = []
    for index in range(start, len(phrase)):
        token = phrase.tokens[index]
        if token.kind != "word" or index in taken or (token.shape in _STOP and span):
            break
        span.append(index)
    said = any(phrase.tokens[index].concept for index in span)
    return span if said and not set(span) & set(pointers(phrase)) else []
