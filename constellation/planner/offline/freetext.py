"""Plain words of a clause that are a text themselves: ``say dinner is ready``, without quotes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .schemas import time_factors
from .tokens import Phrase, pattern
from .words import ANAPHORA, LIGHT, bag, stem

_SUBJECTS = bag("the a an my our your its their there it they we all every")
_CUE = pattern(
    r"(?:(?:for|about|saying|that says)(?: the (?:word|text))?"
    rf"|that(?= (?:{'|'.join(sorted(_SUBJECTS))}) )) (?P<text>.+?)"
)
_STOP = bag("in on at to into from as with within inside under using for")
_GOAL = bag("in on at to into onto")
_LEADING = bag("for within in during of with")
_ANOTHER_TIME = bag(
    """
    later soon tonight tomorrow yesterday today daily hourly nightly weekly monthly noon midnight
    """
)


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


def instruction(phrase: Phrase, taken: Collection[int], verbs: Collection[str]) -> list[int]:
    """The words of the task itself: its verb, and all that follows but what means something else.

    Args:
        phrase: the clause.
        taken: tokens that mean something else, such as ``for 20 s`` of ``hit the moles for 20 s``.
        verbs: stems of the words by which such a task may begin.

    Returns:
        The tokens; none if the clause begins by another word, has no object, or points at earlier
        work. When it shall be done is not understood, so words that say so are left over.
    """
    tokens = phrase.tokens
    start = next((index for index, token in enumerate(tokens) if token.concept), None)
    if start is None or stem(tokens[start].shape) not in verbs or pointers(phrase):
        return []
    span = [start]
    for index in range(start + 1, len(tokens)):
        counted = tokens[index].kind == "number" and _counts(phrase, index)
        fits = counted or tokens[index].kind in ("word", "quoted", "mark")
        if fits and index not in taken and tokens[index].shape not in _ANOTHER_TIME:
            span.append(index)
    while tokens[span[-1]].kind == "mark":
        span.pop()
    said = any(tokens[index].concept or tokens[index].kind == "quoted" for index in span[1:])
    return span if said else []


def leading(phrase: Phrase, taken: Collection[int]) -> list[int]:
    """The prepositions that lead to what means something else: ``within`` of ``within 30 s``."""
    return [
        index
        for index, token in enumerate(phrase.tokens)
        if token.shape in _LEADING and index not in taken and index + 1 in taken
    ]


def _counts(phrase: Phrase, index: int) -> bool:
    """True for the number in ``2 cubes``, but not for that in ``2 s`` and ``at 2``."""
    following = phrase.tokens[index + 1 : index + 2]
    return bool(following and following[0].concept) and following[0].shape not in time_factors()


def as_said(phrase: Phrase, span: Collection[int]) -> str:
    """Some tokens of a clause as typed, without the quotes."""
    tokens = [phrase.tokens[index] for index in span]
    plain = [replace(t, text=str(t.value)) if t.kind == "quoted" else t for t in tokens]
    return str(Phrase(plain))


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
