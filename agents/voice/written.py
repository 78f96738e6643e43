"""What was said as it would have been typed: numbers and dots come as words. Pure."""

from __future__ import annotations

import re

from .utterances import words_of

_ONES = words_of(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = words_of("twenty thirty forty fifty sixty seventy eighty ninety")
_VALUES = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_UNITS = re.compile(
    r"(?:milli)?seconds?|minutes?|hours?|days?|weeks?|times|percent|(?:kilo|mega|giga|tera)?bytes?"
)
_TOKEN = re.compile(r"[A-Za-z]+|[^A-Za-z]+")
_A_SCALE = re.compile(r"\ban? (?=hundred|thousand|million)", re.IGNORECASE)
_DOT = re.compile(r"(?<=\w) dot (?=\w)", re.IGNORECASE)
# "One" and its like also mean other things than a count.
_SMALL = 10


# "Stop the server" and "wait until it is there" are requests.
_OPENING = re.compile(
    r"^((stop|wait|hold on)[,.!]+\s+|"
    r"(no|ok|okay|well|so|hi|hello|hey|thanks|thank you|please)[,.!]*\s+)+",
    re.IGNORECASE,
)


def requested(prompt: str) -> str:
    """What is wanted, without the words by which people take the floor."""
    return written(_OPENING.sub("", prompt).rstrip(" .,;:!?"))


def written(text: str) -> str:
    """A request with its numbers as digits and its dots as dots."""
    tokens: list[str] = _TOKEN.findall(_A_SCALE.sub("one ", _DOT.sub(".", text)))
    out: list[str] = []
    at = 0
    while at < len(tokens):
        value, end = _number(tokens, at)
        if end == at or not _counts(tokens, at, end, value):
            out.append(tokens[at])
            at += 1
        else:
            out.append(str(value))
            at = end
    return "".join(out)


def _counts(tokens: list[str], begin: int, end: int, value: int) -> bool:
    """Whether a number is meant as one: a large one is, a small one beside a unit."""
    following = tokens[end + 1].lower() if end + 1 < len(tokens) and tokens[end].isspace() else ""
    return value > _SMALL or _UNITS.fullmatch(following) is not None


def _number(tokens: list[str], begin: int) -> tuple[int, int]:
    """A number that begins at a token, and the token behind it; the same one if there is none."""
    whole = part = 0
    end = at = begin
    hundreds = False
    while at < len(tokens):
        word = tokens[at].lower()
        if word in _SCALES and end > begin and (part or whole):
            scale = _SCALES[word]
            part *= scale
            if scale > 100:
                whole, part = whole + part, 0
            hundreds = scale == 100
        elif word in _VALUES and _fits(_VALUES[word], part):
            part += _VALUES[word]
        elif not (word == "and" and hundreds):
            break
        end = at + 1 if word != "and" else end
        at += 1
        if at >= len(tokens) or tokens[at] not in (" ", "-"):
            break
        at += 1
    return whole + part, end


def _fits(value: int, part: int) -> bool:
    """Whether a word goes on with a number: "twenty five" does, "five six" are two."""
    if part == 0:
        return True
    return value > 0 and (part % 100 == 0 if value >= 10 else part % 10 == 0 and part % 100 != 10)
