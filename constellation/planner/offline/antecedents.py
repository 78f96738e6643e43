"""``put it into the bowl``: what a pronoun means after a task in its own words.

What such a task does is unknown, and what came out of it is no thing to pick up. So ``it`` is what
the task right before it was said to be about.
"""

from __future__ import annotations

from collections.abc import Sequence

from .schemas import own_words
from .steps import Step
from .tokens import Phrase, Token, tokenize
from .words import bag

_PRONOUNS = bag("it them")
_PARTICLES = bag("up down out off over away back")
_LEADS_AWAY = bag(
    """
    in on at to into onto from as with within inside under using for by near beside next behind
    below above between against along through across towards toward around until while
    """
)
_UNSURE = bag("a an some any another one")


def with_antecedent(phrase: Phrase, steps: Sequence[Step]) -> Phrase | None:
    """A clause with the thing in place of its one pronoun; None if that is not clear.

    Args:
        phrase: the clause.
        steps: those before it; the last must be a task in its own words.
    """
    pronouns = [i for i, token in enumerate(phrase.tokens) if token.shape in _PRONOUNS]
    words = steps[-1].arguments.get(str(own_words(steps[-1].skill))) if steps else None
    if len(pronouns) != 1 or not isinstance(words, str):
        return None
    thing = _thing(words)
    (place,) = pronouns
    if not thing or not _agree(phrase.tokens[place], thing):
        return None
    return Phrase([*phrase.tokens[:place], *thing, *phrase.tokens[place + 1 :]])


def _thing(words: str) -> list[Token]:
    """What a task is about: the words after its verb, up to where it leads; none if there are none.

    ``pick up a red cube from the table`` is about ``the red cube``.
    """
    tokens = list(tokenize(words, []))[1:]
    while tokens and tokens[0].shape in _PARTICLES:
        tokens.pop(0)
    end = next((i for i, token in enumerate(tokens) if _ends(token)), len(tokens))
    tokens = tokens[:end]
    while tokens and (tokens[-1].shape in _PARTICLES or tokens[-1].shape.endswith("ly")):
        tokens.pop()
    if tokens and tokens[0].shape in _UNSURE:
        tokens[0] = Token("word", "the")
    return tokens if any(token.concept for token in tokens) else []


def _ends(token: Token) -> bool:
    return token.kind not in ("word", "number") or token.shape in _LEADS_AWAY | _PRONOUNS


def _agree(pronoun: Token, thing: Sequence[Token]) -> bool:
    """``them`` are several, and ``it`` is none of which a number was said."""
    counted = any(token.kind == "number" for token in thing)
    if pronoun.shape == "them":
        return counted or thing[-1].shape.endswith("s")
    return not counted
