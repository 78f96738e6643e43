"""Noun phrases that stand for work: ``save the memory usage of server to m.txt on desk``."""

from __future__ import annotations

import re

from .tokens import Phrase, Token, pattern

_TARGET = pattern(r"(?:to|into|in|as|at) (?:the file |a file |file )?<(?:path|url)>")
_GOES_TO = pattern(r"(?:to|into|onto|as) (?:the file |a file |file )?<(?:path|url)>")
_FORMS = frozenset({"report", "summary", "overview", "table"})
_ABOUT = pattern(
    r"(?:the |a |an )?(?P<form>report|summary|overview|list|table|results?|outputs?|contents?)"
    r" (?:of|about|on|with|from)(?: the)?"
)


def split_target(phrase: Phrase) -> tuple[Phrase, Phrase] | None:
    """A reading and where its result goes: ``fetch … into page.html on desk``.

    Gives ``fetch …`` and ``save it into page.html on desk``; None if the clause is not so built.
    """
    target = _last(_GOES_TO, phrase, 1)
    if target is None:
        return None
    words = [Token("word", "save"), Token("word", "it")]
    return phrase[:target], Phrase(words) + phrase[target:]


def is_report(phrase: Phrase) -> bool:
    """True for ``write a report``: a form that takes whatever was found, if nothing is named."""
    return any(token.shape in _FORMS for token in phrase.tokens)


def _last(target: re.Pattern[str], phrase: Phrase, start: int) -> int | None:
    """The preposition that leads to the last path or address of a clause."""
    found = [index for index in range(start, len(phrase)) if phrase.match(target, index)]
    return found[-1] if found else None


def split_nominal(phrase: Phrase) -> tuple[Phrase, Phrase] | None:
    """The noun phrase between a verb and the path it goes to, and the clause with ``it`` instead.

    ``write a report of the disk usage to r.md on desk`` gives ``disk usage`` and ``write report it
    to r.md on desk``. None if the clause is not so built, or the noun holds quoted text.
    """
    start = 0
    while start < len(phrase) and phrase.tokens[start].kind != "word":
        start += 1
    target = _last(_TARGET, phrase, start + 1)
    if target is None or target <= start + 1:
        return None
    verb, noun = phrase[: start + 1], phrase[start + 1 : target]
    form = Phrase(())
    about = noun.match(_ABOUT)
    if about and noun.index(about.end()) < len(noun):
        form = Phrase([Token("word", about["form"])]) if about["form"] in _FORMS else form
        noun = noun[noun.index(about.end()) :]
    if any(token.kind in ("quoted", "code") for token in noun.tokens) or not noun.concepts():
        return None
    return noun, verb + form + Phrase([Token("word", "it")]) + phrase[target:]
