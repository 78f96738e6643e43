"""Whether it is clear where a file's name, or a number, begins and ends.

``delete a,b.txt`` and ``delete report 2024.pdf`` may each speak of one file or of a part of its
name. Such names are asked for in quotes, so that no other file is touched than the one meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .problems import UnplacedError
from .tokens import Phrase, Token, pattern
from .words import bag, concepts, is_verb

_DETERMINERS = bag("the this that these those every each all")
_FILE_NOUNS = frozenset(concepts("file folder directory document script log image photo"))
_NAMED = bag("called named titled entitled")
_INSIDE = pattern(
    r"(?:files?|folders?|directories|everything|anything|all|contents?|things|logs?|images|photos"
    r"|documents) (?:in|inside|within|under|below|of|from)(?: the)?(?: folder| directory)? <path>"
)
_CLOSERS = frozenset('.,;:!?)"')


def check_not_torn(request: Phrase) -> None:
    """Refuse a request with a path, an address or a number that touches other text.

    Raises:
        UnplacedError: one does.
    """
    for index, token in enumerate(request.tokens):
        if token.kind == "number" and _is_part(request.tokens[index + 1 : index + 3]):
            raise UnplacedError(
                _around(request, index), "Where that number begins and ends is not clear."
            )
        if token.kind in ("path", "url") and _touches(request, index):
            raise UnplacedError(
                _around(request, index), "Where that name begins and ends is not clear.", _QUOTED
            )


def check_whole_names(phrase: Phrase) -> None:
    """Refuse a clause that may mean another file than the path in it, or several.

    Raises:
        UnplacedError: a word beside the path may be part of a name with spaces, the path has
            wildcards, or what is in it is meant.
    """
    if _INSIDE.search(phrase.shape):
        raise UnplacedError(str(phrase), "It speaks of what is in a folder: name each file.")
    for index, token in enumerate(phrase.tokens):
        if token.kind == "path":
            if re.search(r"[*?]", token.text):
                reason = f"{token.text} may stand for several files: name each."
                raise UnplacedError(str(phrase), reason)
            for doubtful in (*_before(phrase, index), *_after(phrase, index)):
                raise UnplacedError(
                    str(phrase), f"“{doubtful}” may belong to the name {token.text}.", _QUOTED
                )


_QUOTED = ("put the name in quotes, such as 'my notes.txt'",)


def _is_part(after: tuple[Token, ...]) -> bool:
    """True if a number goes on, as in ``1,000``, ``1e9``, ``10.0.0.1`` and ``2024-01-02``."""
    if not after or after[0].before:
        return False
    following = after[1:] if after[0].shape in (",", ".", ":") else after
    digits = bool(following) and any(map(str.isdigit, following[0].text))
    return digits and not following[0].before


def _touches(request: Phrase, index: int) -> bool:
    tokens = request.tokens
    token, before, after = tokens[index], tokens[index - 1 : index], tokens[index + 1 : index + 2]
    if token.before and not token.before[-1].isspace():
        return True
    if before and not token.before and not _opens(tokens[:index]):
        return True
    if not after:
        return False
    following = after[0]
    if following.before:
        return not following.before[0].isspace()
    return following.shape not in _CLOSERS | {"\n", "'s"}


def _opens(before: tuple[Token, ...]) -> bool:
    """True if a path may follow without a space: after ``(``, or in ``a.txt,b.txt``."""
    *earlier, last = before
    if last.shape in ("(", "\n"):
        return True
    return last.shape == "," and bool(earlier) and earlier[-1].kind == "path"


def _around(request: Phrase, index: int) -> str:
    """The path with what touches it, from the space before it to the space after it."""
    token = request.tokens[index]
    before, after = (
        "".join(f"{each.before}{each.text}" for each in tokens)
        for tokens in (request.tokens[:index], request.tokens[index + 1 :])
    )
    head = re.search(r"\S*$", before + token.before)
    tail = re.match(r"\S*", after)
    return f"{head[0] if head else ''}{token.text}{tail[0] if tail else ''}"


def _before(phrase: Phrase, index: int) -> Iterator[str]:
    """The word before a path, if it may begin the file's name."""
    if not index or phrase.tokens[index - 1].kind not in ("word", "number"):
        return
    word = phrase.tokens[index - 1]
    determined = index > 1 and phrase.tokens[index - 2].shape in _DETERMINERS
    leads = determined or _is_file_noun(word) or word.shape in _NAMED
    if word.shape == "a" or (_weighs(word, phrase.tokens[: index - 1]) and not leads):
        yield word.text


def _after(phrase: Phrase, index: int) -> Iterator[str]:
    """The word after a path, if it may end the file's name."""
    if index + 1 >= len(phrase) or phrase.tokens[index + 1].kind not in ("word", "number"):
        return
    word = phrase.tokens[index + 1]
    determined = index > 0 and phrase.tokens[index - 1].shape in _DETERMINERS
    if _weighs(word, phrase.tokens[:index]) and not (determined and _is_file_noun(word)):
        yield word.text


def _weighs(token: Token, before: tuple[Token, ...]) -> bool:
    """True if it is a number or a word with a meaning, other than the verb of the clause."""
    if token.kind == "number":
        return True
    spoken = any(earlier.kind == "word" and is_verb(earlier.shape) for earlier in before)
    return bool(token.concept) and (spoken or not is_verb(token.shape))


def _is_file_noun(token: Token) -> bool:
    return token.concept in _FILE_NOUNS
