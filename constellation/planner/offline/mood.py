"""Whether a clause asks for its work at all: it may forbid it, or wonder how it would be done.

What only looks like an order must not become one: ``I would not delete a.txt`` names a skill and
all of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable

from .commands import Command
from .problems import UnplacedError
from .schemas import parameters
from .tokens import Phrase, pattern
from .words import is_verb

_NEGATION = pattern(
    r"not|never|no|nor|neither|none|nobody|nothing|without|cannot|dont|doesnt|wont|cant|shouldnt"
    r"|\w+n['’]t|refrain|refraining|avoid|avoiding"
)
_WONDERING = pattern(
    r"(?:should|would|could|might|may|shall|can|must)(?! (?:you|be))|why|whether|suppose|maybe"
    r"|perhaps|\w+['’]d"
)
_QUESTION_WITHIN = pattern(r"(?:how|whether|what|when|where|why) to|should (?:i|we|he|she|they)")


def check_not_forbidden(phrase: Phrase, verbs: frozenset[str]) -> None:
    """Refuse a clause that says what is not to be done.

    Args:
        phrase: the clause.
        verbs: words that may begin a command, beside the usual ones.

    Raises:
        UnplacedError: a negation stands before its verb.
    """
    if _NEGATION.search(_head(phrase, verbs).shape):
        raise _forbidden(phrase)


def wonders(phrase: Phrase, verbs: frozenset[str]) -> bool:
    """True for ``should I …`` and ``why …``: what follows is not asked for either."""
    asks = _WONDERING.search(_head(phrase, verbs).shape) or _QUESTION_WITHIN.search(phrase.shape)
    return asks is not None


def check_asked_for(
    phrase: Phrase, commands: Iterable[Command], verbs: frozenset[str], *, wondering: bool
) -> None:
    """Refuse a clause that was read as commands although it may not ask for them.

    Words that became an argument, as in ``notify me that it did not work``, do not count.

    Args:
        phrase: the clause.
        commands: what it was read as.
        verbs: see `check_not_forbidden`.
        wondering: it, or a clause before it, asks what to do.

    Raises:
        UnplacedError: it denies something, or wonders about work that changes something.
    """
    found = list(commands)
    rest = _without(phrase, _spoken_values(phrase, found))
    if _NEGATION.search(rest.shape):
        raise _forbidden(phrase)
    changing = next((each.skill for each in found if each.skill.effect != "read"), None)
    asks_how = "how" in _head(phrase, verbs).shape.split()
    if changing and (wondering or asks_how):
        raise UnplacedError(
            str(phrase),
            f"It speaks of {changing.name} without clearly asking for it.",
            changing.examples[:1],
        )


def _forbidden(phrase: Phrase) -> UnplacedError:
    return UnplacedError(
        str(phrase), "It says what not to do. Only what is asked for is done, so leave that out."
    )


def _head(phrase: Phrase, verbs: frozenset[str]) -> Phrase:
    """What stands before the first verb of a clause; all of it if there is none."""
    for index, token in enumerate(phrase.tokens):
        if token.kind == "word" and (is_verb(token.shape) or token.shape in verbs):
            return phrase[:index]
    return phrase


def _spoken_values(phrase: Phrase, commands: Iterable[Command]) -> list[str]:
    """The texts among the arguments that were read from plain words, not from quotes.

    The words of a task itself are none: what it denies, it does not ask for.
    """
    quoted = [token.value for token in phrase.tokens if token.kind in ("quoted", "code")]
    return [
        value
        for command in commands
        for parameter in parameters(command.skill)
        if isinstance(value := command.arguments.get(parameter.name), str)
        and value not in quoted
        and parameter.kind != "instruction"
    ]


def _without(phrase: Phrase, texts: Iterable[str]) -> Phrase:
    """The clause without the runs of tokens that make up these texts."""
    dropped: set[int] = set()
    for text in texts:
        for start in range(len(phrase)):
            end = start + 1
            while end < len(phrase) and text.startswith(str(phrase[start : end + 1])):
                end += 1
            if str(phrase[start:end]) == text:
                dropped.update(range(start, end))
    return Phrase([token for index, token in enumerate(phrase.tokens) if index not in dropped])
