"""What words mean for the turn: nothing, "I am listening", "stop", or something said. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def words_of(text: str) -> list[str]:
    """The words in lower case, without punctuation."""
    return _WORD.findall(text.lower().replace("’", "'").replace("-", ""))


_BACKCHANNELS = frozenset(
    words_of(
        "alright cool exactly good great i nice oh ok okay really right see sure true well wow "
        "yeah yep yes yup"
    )
)
# However a recogniser spells a hum: "mhm", "uh-huh", "Mm. H. M."
_HUM = re.compile(r"[mhu]+|a+h+a*")
# Beyond so many words even of these, somebody speaks.
_MOST_BACKCHANNELS = 4

_HUSHES = (
    "stop talking",
    "wait",
    "wait a minute",
    "wait a second",
    "hold on",
    "hang on",
    "be quiet",
    "quiet",
    "enough",
    "that's enough",
    "shut up",
)
_STOPS = (
    "stop",
    "stop it",
    "stop that",
    "please stop",
    "okay stop",
    "no stop",
    "cancel",
    "cancel that",
    "never mind",
    "nevermind",
)
_COMMAND = re.compile(rf"(?:{'|'.join(_HUSHES + _STOPS)})(?: (?:please|stop|now|it))*")
_HUSH = re.compile(rf"(?:{'|'.join(_HUSHES)})(?: (?:please|now))*")

FILLERS = frozenset(words_of("er erm hm hmm mm uh uhm um"))
# Words after which English goes on.
_UNFINISHED = FILLERS | frozenset(
    words_of(
        """a about also an and are as at because but by can could create for from how i if in into
        is it's its just like make maybe my of on or our put send so such than that's the their then
        this to very was we were what when where which while who why will with would you're your"""
    )
)
_WHOLE = frozenset(
    words_of("yes no yeah yep nope okay ok sure thanks hello hi bye goodbye please stop")
)


class Meaning(StrEnum):
    """What words are, said while the agent speaks."""

    NOTHING = "nothing"
    BACKCHANNEL = "backchannel"
    COMMAND = "command"
    SPEECH = "speech"


def meaning(text: str) -> Meaning:
    """What a transcript means for who has the floor."""
    words = words_of(text)
    if not words:
        return Meaning.NOTHING
    if _COMMAND.fullmatch(" ".join(words)):
        return Meaning.COMMAND
    if len(words) <= _MOST_BACKCHANNELS and all(map(_is_backchannel, words)):
        return Meaning.BACKCHANNEL
    return Meaning.SPEECH


def is_hush(text: str) -> bool:
    """Whether a command asks for silence alone, and not for an end of what is done."""
    return _HUSH.fullmatch(" ".join(words_of(text))) is not None


def _is_backchannel(word: str) -> bool:
    return word in _BACKCHANNELS or _HUM.fullmatch(word) is not None


def is_echo(text: str, spoken: str) -> bool:
    """Whether a transcript is a run of words that the agent itself says.

    One word alone is taken for an echo only if it is long: people say "no" and "yes" too.
    """
    words = words_of(text)
    if not words or (len(words) == 1 and len(words[0]) < 6):
        return False
    return f" {' '.join(words)} " in f" {' '.join(words_of(spoken))} "


def completeness(text: str) -> float:
    """How probably the words are a whole turn, from 0 to 1, by their last one.

    A recogniser puts a full stop wherever sound ends, so a mark says little; only what it writes
    for a voice that trails off ("…", ",") and a question mark count.
    """
    words = words_of(text)
    if not words:
        return 0.5
    bare = text.rstrip()
    if words[-1] in _UNFINISHED or bare.endswith(("...", "…", ",", "-", "–")):
        return 0.08
    if bare.endswith("?") or (len(words) == 1 and words[0] in _WHOLE):
        return 0.9
    return 0.75
