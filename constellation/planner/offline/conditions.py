"""Conditions in words: ``the disk is over 80 % full``, ``it fails``, ``the page contains "ok"``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from .tokens import Phrase, Token, pattern
from .words import bag, is_verb

Kind = Literal["success", "failure", "completion", "test", "event", "unread", "nothing"]
Operator = Literal[">", ">=", "<", "<=", "==", "contains", "empty"]

_OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(("over", "above", "exceeds", "exceed", "exceeding", ">"), ">"),
    **dict.fromkeys((f"{word} than" for word in ("more", "greater", "higher", "larger")), ">"),
    **dict.fromkeys(("at least", "no less than", ">="), ">="),
    **dict.fromkeys(("under", "below", "<"), "<"),
    **dict.fromkeys((f"{word} than" for word in ("less", "lower", "smaller", "fewer")), "<"),
    **dict.fromkeys(("at most", "no more than", "<="), "<="),
    **dict.fromkeys(("exactly", "equal to", "=="), "=="),
}
_BE = r"(?:is|are|was|were|be|gets|goes|becomes|has|have|returns|equals|drops|falls|rises)"
_NOT = r"(?P<{}>(?:does |do |did )?not |doesn't |don't |isn't |n't )?"
_MEASURE = (
    r"<number>(?: (?P<{0}unit>%|percent|per cent|[kmgt]i?b))?"
    r"(?: (?P<{0}quality>full|used|free|available|left|in use|busy|charged))?"
    r"(?P<{0}noun>(?: (?!then |and |<)\w+){{1,2}}(?= ,| then|$))?"
)
_PREDICATE = (
    r"(?P<failure>(?:has |have )?failed|fails?(?: too| again| as well)?|goes wrong"
    r"|(?:does not|doesn't|did not|didn't) (?:work|succeed)|breaks?|errors?"
    r"|times out|is unsuccessful"
    r"|is (?:down|unreachable|offline|missing|absent|not (?:reachable|there|up|found))"
    r"|(?:does not|doesn't) exist|cannot be reached)"
    r"|(?P<success>succeeds?|succeeded|works?|worked|passes|passed|goes well"
    r"|is (?:ok|okay|fine|successful|up|reachable))"
    rf"|(?P<compare>(?:{_BE} )?{_NOT.format('not_over')}(?:{_BE} )?"
    rf"(?P<operator>{'|'.join(sorted(map(re.escape, _OPERATORS), key=len, reverse=True))}) "
    rf"{_MEASURE.format('')})"
    rf"|(?P<equals>(?:{_BE}|!=) {_NOT.format('not_equal')}{_MEASURE.format('equal_')})"
    rf"|(?P<contains>{_NOT.format('not_contains')}"
    r"(?:contains?|includes?|mentions?|has|have|says?|shows?)"
    r"(?: the (?:word|text|string|line))? (?:<quoted>|<code>|\w+))"
    rf"|(?P<same>{_BE} {_NOT.format('not_same')}(?:<quoted>|<code>))"
    rf"|(?P<empty>(?:is|are) {_NOT.format('not_empty')}(?:empty|blank))"
    r"|(?P<event>appears|exists|shows up|arrives|is there)"
)
_CONDITION = pattern(rf"(?P<subject>(?:(?!,|then )\S+ ){{0,14}}?)(?:{_PREDICATE})")
_END = pattern(r"(?:,|then)(?: then)?")
_UP_TO = pattern(r"(?P<text>.*?)(?= ,| then|$)")
_PRONOUNS = bag(
    """
    it that this they them those these any all one of the either both command step last
    anything something everything
    """
)


@dataclass(frozen=True, slots=True)
class Test:
    """A predicate over a result.

    Attributes:
        operator: how the field is compared.
        value: what it is compared with.
        words: unit and quality, such as ``percent`` and ``full``, which help to find the field.
    """

    operator: Operator
    value: Any = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for a clause.

    Attributes:
        kind: an outcome, a ``test`` of a result, an ``event`` to wait for, ``unread``, or
            ``nothing`` for one that points back where nothing is.
        text: as typed.
        subject: what it is about; empty if it is the work right before.
        test: only for ``test``.
        negated: the test must not hold.
        otherwise: it is the opposite of the condition before it, of the same subject.
    """

    kind: Kind
    text: str
    subject: Phrase
    test: Test | None = None
    negated: bool = False
    otherwise: bool = False

    @property
    def about_outcome(self) -> bool:
        """True if it asks whether the work right before went well."""
        return self.kind in ("success", "failure") and not len(self.subject)

    def negation(self) -> Condition:
        """The condition of ``otherwise``."""
        opposite: dict[Kind, Kind] = {"success": "failure", "failure": "success"}
        return replace(
            self,
            kind=opposite.get(self.kind, self.kind),
            text=f"not {self.text}",
            otherwise=True,
            negated=not self.negated if self.kind == "test" else self.negated,
        )


NO_CONDITION = Condition("nothing", "otherwise", Phrase(()))
"""``otherwise``, or ``once that is done``, where nothing stands before it."""


def read_condition(sentence: Phrase, start: int, after_word: int) -> tuple[Condition, int]:
    """Read a condition.

    Args:
        sentence: the whole sentence.
        start: where the joint and the word that opens the condition begin.
        after_word: the token after that word.

    Returns:
        The condition, and the token after it and its comma.
    """
    word = str(sentence[start:after_word]).lower()
    nothing = Phrase(())
    for outcome, words in _WORDS.items():
        if re.search(words, word):
            end = _skip_end(sentence, after_word)
            return Condition(outcome, word, nothing), end
    match = sentence.match(_CONDITION, after_word)
    if match is None:
        rest = sentence.match(_UP_TO, after_word)
        end = sentence.index(rest.end()) if rest else after_word
        text = str(sentence[after_word:end])
        return Condition("unread", text, nothing), _skip_end(sentence, end)
    end = sentence.index(match.end())
    condition = _condition(sentence, match, after_word, end)
    for group in ("noun", "equal_noun"):
        if match[group]:
            noun = sentence[sentence.index(match.start(group)) : end]
            if is_verb(noun.tokens[0].shape):
                end -= len(noun)
                condition = replace(condition, text=str(sentence[after_word:end]))
            else:
                condition = replace(condition, subject=condition.subject + noun)
    while end < len(sentence) and sentence.tokens[end].kind == "device":
        condition = replace(condition, subject=condition.subject + sentence[end : end + 1])
        end += 1
    if "even if" in word:
        condition = replace(condition, kind="completion")
    elif "unless" in word:
        condition = replace(condition.negation(), otherwise=False)
    return condition, _skip_end(sentence, end)


_WORDS: dict[Kind, str] = {
    "failure": r"\bon failure$",
    "success": r"\bon success$",
    "completion": r"\b(?:whatever happens|in any case|regardless|either way)$",
}


def _skip_end(sentence: Phrase, index: int) -> int:
    match = sentence.match(_END, index)
    return sentence.index(match.end()) if match else index


def _condition(sentence: Phrase, match: re.Match[str], start: int, end: int) -> Condition:
    subject = sentence[start : sentence.index(match.end("subject"))]
    if all(_points_back(token) for token in subject.tokens):
        subject = Phrase(())
    text = str(sentence[start:end])
    for kind in _OUTCOMES:
        if match[kind]:
            return Condition(kind, text, subject)
    test, negated = _test(match, sentence[start:end])
    return Condition("test", text, subject, test, negated)


_OUTCOMES: tuple[Kind, ...] = ("failure", "success", "event")
_RESULTS = bag("result output results answer response")


def _points_back(token: Token) -> bool:
    """True for words that mean earlier work or its devices, and name nothing."""
    if token.kind == "device":
        return token.value.mode in ("same", "them")
    return token.shape in _PRONOUNS or token.shape in _RESULTS


def _test(match: re.Match[str], phrase: Phrase) -> tuple[Test, bool]:
    literal = phrase.tokens[-1]
    number = next((token.value for token in phrase.tokens if token.kind == "number"), None)
    if match["compare"]:
        words = _measure(match["unit"], match["quality"])
        return Test(_OPERATORS[match["operator"]], number, words), bool(match["not_over"])
    if match["equals"]:
        words = _measure(match["equal_unit"], match["equal_quality"])
        negated = bool(match["not_equal"]) or "!=" in match["equals"]
        return Test("==", number, words), negated
    if match["contains"]:
        value = literal.text if literal.value is None else literal.value
        return Test("contains", str(value)), bool(match["not_contains"])
    if match["same"]:
        return Test("==", literal.value), bool(match["not_same"])
    return Test("empty"), bool(match["not_empty"])


def _measure(unit: str | None, quality: str | None) -> tuple[str, ...]:
    words = "percent" if unit in ("%", "percent", "per cent") else unit or ""
    return tuple(f"{words} {quality or ''}".split())
