"""The clauses of a request: what is to be done, in which order, on which condition.

The grammar works on the shapes of tokens, after device phrases have become single tokens. It knows
sentences, sequence (``then``, ``after that``, ``once it is done``, ``before``), company
(``meanwhile``, ``at the same time``), coordination (``and``, commas) and conditions (``if``,
``unless``, ``when``, ``otherwise``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from .conditions import NO_CONDITION, Condition, read_condition
from .tokens import Phrase, Token, pattern
from .words import QUESTION, is_verb

Link = Literal["start", "then", "and", "together"]

_DONE = r"(?:done|finished|complete|completed|ready|over|through)"
_ONCE = (
    r"(?:once|when|as soon as|after) (?:\S+ ){1,5}?"
    rf"(?:is |are |has |have |been |all |both )*{_DONE}"
)
_THEN = (
    rf"{_ONCE}|once done|when done|after (?:that|this|which|it)|afterwards?|then|finally|lastly"
    r"|at last|in the end|at the end|followed by|subsequently|next(?= ,)|before"
)
_ENDS_SCOPE = frozenset({"finally", "lastly", "at last", "in the end", "at the end"})
_AT_ONCE = r"(?:all )?at (?:the same time|once)|simultaneously|concurrently|in parallel"
_TOGETHER = (
    rf"meanwhile|in the meantime|(?:{_AT_ONCE})(?: with (?:that|this|it))?"
    r"|while (?:that|it) (?:runs|is running|happens)|while"
)
_NO_NAME = re.compile(r"(?:the|my|our|this|that) ", re.IGNORECASE)
_JOINT = r"(?:and|but|also|plus|as well as|as well|&|,|or(?: ,)?(?= if))"
_IF = (
    r"(?:only )?(?:(?:once|as soon as)(?= (?:the|a|all|both|it|they|<path>) )"
    r"|if|unless|in case|even if|should(?= (?:it|that|the) )|whenever|when"
    r"|provided(?: that)?|as long as|on failure|on success|whatever happens|in any case"
    r"|regardless|either way)"
)
_ELSE = r"(?:or else|otherwise|else|if not)"

_CONNECTIVE = pattern(
    rf"(?:{_JOINT} )*(?P<otherwise>{_ELSE})(?: ,)?(?: then)?"
    rf"|(?:{_JOINT} )*(?P<then>{_THEN})(?: ,)?"
    rf"|(?P<adverb>{_AT_ONCE})(?= <device>(?: ,| and| then|$))"
    rf"|(?:{_JOINT} )*(?P<together>{_TOGETHER})(?: ,)?"
    rf"|(?P<joint>(?:{_JOINT} )*)(?P<if>{_IF})"
    rf"|(?P<and>{_JOINT}(?: {_JOINT})*)"
)
_FILLER = pattern(
    r"(?:(?:please|kindly|just|first|now|also|then|next|so|ok|okay|hey|hi|hello|go and"
    r"|make sure(?: that| to| you)?|try to|(?:can|could|would|will) you"
    r"|i(?:'d| would)? (?:want|like|need) you to"
    r"|i(?:'d| would)? (?:want|like|need) to|let's|let us|you (?:should|must|can)|you|to|,|:|and)"
    r" ?)+"
)
_POLITE_END = pattern(r"(?:,|please|for me|thanks|thank you|too|as well)")
_BEFORE = pattern(r"before (?P<second>[^,]+?) , (?P<first>.+)")
_AFTER = pattern(r"(?P<second>.+?) after (?P<first>(?!(?:that|this|which|it)\b)\w+ing .+)")
_AFTER_FIRST = pattern(r"after (?P<first>\w+ing [^,]+?) , (?P<second>.+)")
_WHILE_FIRST = pattern(r"while (?P<first>[^,]+?) , (?P<second>.+)")


@dataclass(frozen=True, slots=True)
class Clause:
    """One command of a request.

    Attributes:
        phrase: its tokens, without connectives and conditions.
        link: how it follows the clause before it.
        condition: what must hold for it, or None.
        sentence: number of its sentence, from 0.
        nested: True if it follows, in the same sentence, a clause whose condition it shares.
    """

    phrase: Phrase
    link: Link
    condition: Condition | None = None
    sentence: int = 0
    nested: bool = False

    @property
    def text(self) -> str:
        return str(self.phrase)


def split(request: Phrase, verbs: frozenset[str]) -> list[Clause]:
    """The clauses of a request, in the order in which they are to be understood.

    Args:
        request: the whole of it, device phrases collapsed.
        verbs: words that may begin a command, beside the usual ones.
    """
    clauses: list[Clause] = []
    for number, sentence in enumerate(_sentences(request)):
        reader = _Reader(sentence, number, clauses, verbs)
        clauses.extend(reader.read())
    return clauses


def _sentences(request: Phrase) -> Iterator[Phrase]:
    start = 0
    for index, token in enumerate((*request.tokens, None)):
        if token is None or (token.kind == "mark" and token.text in ".;!?\n"):
            if index > start:
                yield _ordered(request[start:index])
            start = index + 1


def _ordered(sentence: Phrase) -> Phrase:
    """The sentence in the order of the work: ``B after doing A`` as ``A then B``."""
    for order, word in (
        (_BEFORE, "then"),
        (_AFTER_FIRST, "then"),
        (_AFTER, "then"),
        (_WHILE_FIRST, "meanwhile"),
    ):
        match = sentence.match(order)
        if match:
            first, second = (
                sentence[sentence.index(match.start(name)) : sentence.index(match.end(name))]
                for name in ("first", "second")
            )
            return first + Phrase([Token("word", word)]) + second
    return sentence


class _Reader:
    """Reads one sentence from left to right."""

    def __init__(
        self, sentence: Phrase, number: int, before: list[Clause], verbs: frozenset[str]
    ) -> None:
        self.sentence = sentence
        self.verbs = verbs
        self.number = number
        self.link: Link = "then" if before else "start"
        self.condition: Condition | None = None
        self.last = next((c.condition for c in reversed(before) if c.condition), None)
        self.nested = False
        self.clauses: list[Clause] = []

    def read(self) -> list[Clause]:
        start = position = 0
        while position < len(self.sentence):
            match = self.sentence.match(_CONNECTIVE, position)
            if match is None:
                position += 1
                continue
            end = self.sentence.index(match.end())
            if match["adverb"] and self._is_undivided(start, position):
                # ``list the files in parallel on desk and server``: one command all the same.
                self.sentence = self.sentence[:position] + self.sentence[end:]
                continue
            if match["and"] and not self._is_boundary(start, position, end):
                position = end
                continue
            if match["if"]:
                start = position = self._take_condition(match, start, position)
                continue
            self._close(start, position)
            self._follow(match)
            start = position = end
        self._close(start, len(self.sentence))
        if self.condition is not None and all(
            clause.condition is not self.condition for clause in self.clauses
        ):
            # It must not get lost that something was to be done on that condition.
            nothing = Clause(Phrase(()), self.link, self.condition, self.number, self.nested)
            self.clauses.append(nothing)
        return self.clauses

    def _is_boundary(self, start: int, position: int, end: int) -> bool:
        """True if ``and`` or a comma separates two commands, and not two things of one."""
        before, after = self.sentence[start:position], self.sentence[end:]
        return _has_command(before) and begins_command(after, self.verbs)

    def _is_undivided(self, start: int, position: int) -> bool:
        """True if a command began and has named no device yet: ``the robot`` is no name."""
        begun = self.sentence[start:position]
        named = [token.value for token in begun.tokens if token.kind == "device"]
        return _has_command(begun) and not any(
            each.place or not _NO_NAME.match(each.text) for each in named
        )

    def _follow(self, match: re.Match[str]) -> None:
        if match["otherwise"]:
            self.condition = self.last.negation() if self.last else NO_CONDITION
            self.link, self.nested = "and", False
        elif match["then"]:
            if self.link == "start" and not self.clauses and " " in match["then"]:
                self.condition = replace(NO_CONDITION, text=match["then"])
                return
            self.nested = (self.nested or self.condition is not None) and (
                match["then"] not in _ENDS_SCOPE
            )
            self.condition = None
            self.link = "then"
        elif match["together"] or match["adverb"]:
            self.condition, self.nested = None, False
            self.link = "together"
            if self.clauses and not _has_command(self.sentence[self.sentence.index(match.end()) :]):
                first, *others = self.clauses
                self.clauses = [first, *(replace(other, link="together") for other in others)]
        else:
            self.link = "and"

    def _take_condition(self, match: re.Match[str], start: int, position: int) -> int:
        """Read a condition; returns where the next clause starts.

        It belongs to the command before it (``notify me if …``), or to the one after it if a
        comma or ``and`` stands before it (``fetch …, and if that fails use …``).
        """
        condition, end = read_condition(self.sentence, position, self.sentence.index(match.end()))
        follows = begins_command(self.sentence[end:], self.verbs)
        trailing = _has_command(self.sentence[start:position]) and not (
            follows and (match["joint"] or condition.about_outcome)
        )
        if trailing:
            kept, self.condition = self.condition, condition
            self._close(start, position)
            self.condition = kept
        else:
            self._close(start, position)
            self.condition = condition
        self.last, self.nested = condition, False
        return end

    def _close(self, start: int, end: int) -> None:
        phrase = strip_filler(self.sentence[start:end])
        if self.condition is not None and len(phrase) and phrase.tokens[-1].shape == "instead":
            phrase = phrase[: len(phrase) - 1]  # of what did not work out
        if len(phrase):
            clause = Clause(phrase, self.link, self.condition, self.number, self.nested)
            self.clauses.append(clause)
            self.link = "and"


def strip_filler(phrase: Phrase) -> Phrase:
    """The phrase without words of politeness and stray commas at its ends."""
    match = phrase.match(_FILLER)
    start = phrase.index(match.end()) if match else 0
    end = len(phrase)
    while polite := next((n for n in (1, 2) if _is_polite(phrase[max(start, end - n) : end])), 0):
        end -= polite
    return phrase[start:end]


def _is_polite(phrase: Phrase) -> bool:
    return bool(len(phrase)) and _POLITE_END.fullmatch(phrase.shape) is not None


def begins_command(phrase: Phrase, verbs: frozenset[str]) -> bool:
    """True if a command starts here: a verb or a question, maybe after a device.

    Args:
        verbs: words that may begin a command, beside the usual ones.
    """
    phrase = strip_filler(phrase)
    while len(phrase) and phrase.tokens[0].kind == "device":
        phrase = strip_filler(phrase[1 : len(phrase)])
    if not len(phrase):
        return False
    first = phrase.tokens[0]
    return first.kind == "word" and (is_verb(first.shape) or first.shape in QUESTION | verbs)


def _has_command(phrase: Phrase) -> bool:
    """True if more stands here than devices and filler."""
    return any(token.kind not in ("device", "mark") for token in strip_filler(phrase).tokens)
