"""A request as tokens: words, and literals that later steps never look into.

Text in quotes or backticks, addresses and paths are single tokens, so that ``"rm -rf / and then"``
is a value and never grammar.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from .words import STOP, concept

Kind = Literal["word", "mark", "number", "quoted", "code", "url", "path", "label", "device"]

_NAME = r"[^\s/,;:!\"'<>|()&`“”‘’«»…]"
"""What a file's name is made of when it is typed without quotes."""

_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("code", r"```(?:\w*\n)?(.+?)```|`([^`\n]+)`"),
    (
        "quoted",
        r'"([^"\n]*)"|“([^”\n]*)”|«([^»\n]*)»|‘([^’\n]*)’'
        r"|(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w))*)'(?!\w)",
    ),
    ("url", r"(?:https?|wss?|ftp)://[^\s\"'<>`]+|localhost:\d+[^\s\"'<>`]*"),
    ("label", r"[A-Za-z][\w.-]*=[\w.-]+"),
    (
        "path",
        r"[A-Za-z]:\\[^\s,;\"'<>|]+"
        r"|(?<!\w)(?:~|\.{1,2})?/[^\s,;:\"'<>()`]*"
        rf"|(?!and/or\b){_NAME}+(?:/{_NAME}+)+/?|{_NAME}+/(?!\w)"
        rf"|(?!(?:e\.g|i\.e)\b){_NAME}+\.[A-Za-z][A-Za-z0-9]{{0,7}}(?!\w)"
        r"|(?<![\w.])\.[A-Za-z][\w.-]*\w",
    ),
    ("number", r"-?\d+(?:\.\d+)?"),
    ("word", r"[^\W\d_]\w*(?:-\w+)*(?:['’]\w+)?|'s\b|>=|<=|==|!=|>|<|%"),
    ("mark", r"[.,;:!?()\n&]"),
)
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS), re.DOTALL)
_TRAILING = ".,;:!?"


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: what it is.
        text: as typed.
        value: what it stands for: the text inside quotes, the number, or a device phrase.
        before: what stands between it and the token before it, mostly a space.
    """

    kind: Kind
    text: str
    value: Any = None
    before: str = " "

    @property
    def shape(self) -> str:
        """How it looks to the grammar: a word or label as itself, a literal as ``<kind>``."""
        plain = self.kind in ("word", "mark", "label")
        return self.text.lower() if plain else f"<{self.kind}>"

    @property
    def concept(self) -> str | None:
        """The word's meaning; None if it has no weight or is no word."""
        if self.kind != "word" or self.shape in STOP or not self.shape[0].isalpha():
            return None
        return concept(self.shape)


def tokenize(text: str, names: Collection[str] = ()) -> Iterator[Token]:
    """The tokens of a request.

    Args:
        text: what a person wrote.
        names: names of devices, which are words whatever they look like.
    """
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    name = re.compile(rf"(?:{known})(?![\w-]|\.\w|[/=])", re.IGNORECASE) if known else None
    position = end = 0  # end: of the last token
    while position < len(text):
        free = position == 0 or not (text[position - 1].isalnum() or text[position - 1] in "/._-")
        if name and free and (found := name.match(text, position)):
            yield Token("word", found[0], found[0], text[end:position])
            position = end = found.end()
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            position += 1
            continue
        token = replace(_token(match), before=text[end:position])
        yield from _split(token)
        position += len(token.text)
        end = position


def _token(match: re.Match[str]) -> Token:
    kind, text = match.lastgroup or "mark", match[0]
    if kind in ("code", "quoted"):
        inner = next((group for group in match.groups()[1:] if group and group != text), "")
        return Token(
            "code" if kind == "code" else "quoted", text, inner.strip("\n") if inner.strip() else ""
        )
    if kind in ("url", "path", "label"):
        trimmed = text.rstrip(_TRAILING) or text
        if kind == "url":
            return Token("url", trimmed, trimmed)
        return Token("path" if kind == "path" else "label", trimmed, trimmed)
    if kind == "number":
        return Token("number", text, float(text) if "." in text else int(text[:18]))
    return Token("word" if kind == "word" else "mark", text, text)


def _split(token: Token) -> Iterator[Token]:
    """``desk's`` as ``desk`` and ``'s``; everything else as it is."""
    head, apostrophe, tail = token.text.replace("’", "'").partition("'")
    if token.kind == "word" and head and apostrophe and tail.lower() == "s":
        yield Token("word", head, head, token.before)
        yield Token("word", "'s", "'s", "")
    else:
        yield token


class Phrase:
    """A run of tokens that regular expressions can search by shape.

    A pattern is matched against the shapes joined by single spaces, at token boundaries:
    ``"write <quoted> to <path>"``.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tuple(tokens)
        self.shape = " ".join(token.shape for token in self.tokens)
        self._starts: list[int] = []
        position = 0
        for token in self.tokens:
            self._starts.append(position)
            position += len(token.shape) + 1

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, span: slice) -> Phrase:
        return Phrase(self.tokens[span])

    def __add__(self, other: Phrase) -> Phrase:
        return Phrase(self.tokens + other.tokens)

    def __str__(self) -> str:
        first, rest = self.tokens[:1], self.tokens[1:]
        text = "".join((*(t.text for t in first), *(f"{t.before}{t.text}" for t in rest)))
        return " ".join(text.split())

    def offset(self, index: int) -> int:
        """Where the shape of a token starts."""
        return self._starts[index] if index < len(self._starts) else len(self.shape) + 1

    def index(self, offset: int) -> int:
        """The token whose shape starts at or after an offset."""
        return bisect_left(self._starts, offset)

    def match(self, pattern: re.Pattern[str], index: int = 0) -> re.Match[str] | None:
        """Match a pattern at a token."""
        if index >= len(self.tokens):
            return None
        return pattern.match(self.shape, self.offset(index))

    def concepts(self) -> list[str]:
        """The meanings of its words that carry weight, in order."""
        return [token.concept for token in self.tokens if token.concept]


def pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern over shapes; it begins and ends at token boundaries."""
    return re.compile(rf"(?<!\S)(?:{text})(?!\S)")
