"""What a person wants of work that was begun: which to stop, or where it should have been. Pure.

Works are referred to by words of their titles. What fits none is no wish but a request like any
other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from constellation.errors import PlanError

from .utterances import Meaning, is_hush, meaning, words_of

_POLITE = re.compile(r"^(please |can you |could you )+| (please|now)$")
_STOP = re.compile(r"(?:stop|cancel|abort)(?: (?P<what>.+))?")
_PROGRESS = re.compile(
    r"(?:how far (?:is|are) (?P<far>.+?)|is (?P<done>.+?) (?:done|ready|finished)|"
    r"(?P<doing>what are you doing))(?: now| yet)?"
)
_LAST = frozenset({"it", "that", "this", "the task", "you", "that one", "this one"})
_ALL = frozenset({"everything", "all", "all of it", "all of them", "it all"})
_EMPTY = frozenset(words_of("a an the my of on to in at and it that this one task work job"))
_CHOOSING = frozenset(words_of("for from i i'd like mean meant please take use machine device"))
_MACHINE = r"(?:one|machine|device|computer)"
_INSTEAD = re.compile(
    rf"(?P<no>(?:no )*(?:not (?:that|this|there)(?: {_MACHINE})? ?)?(?:i (?:meant|mean) |but )?)"
    rf"(?:on |to |from )?(?:the )?(?P<where>other(?: {_MACHINE})?|.+?)(?: {_MACHINE})?"
    r"(?P<instead> instead)?"
)


def which(what: str, working: Mapping[str, str]) -> list[str]:
    """Works that words refer to, by id: of several that fit, all; the latest last."""
    wanted = set(words_of(what)) - _EMPTY
    return [work for work, title in working.items() if wanted and wanted <= set(words_of(title))]


def chosen(prompt: str, choices: Mapping[str, str]) -> str | None:
    """The one of several, by its key, that an answer to "which one" names by words of its title."""
    wanted = [word for word in words_of(prompt) if word not in _CHOOSING]
    fitting = which(" ".join(wanted), choices)
    return fitting[0] if len(fitting) == 1 else None


@dataclass(frozen=True, slots=True)
class Stop:
    """Work is to be stopped.

    Attributes:
        works: by id; none if there is nothing to stop.
        unclear: only one of them is meant.
    """

    works: tuple[str, ...]
    unclear: bool = False


def to_stop(prompt: str, working: Mapping[str, str]) -> Stop | None:
    """What is to be stopped; None if it is not about that."""
    latest = Stop(tuple(working)[-1:])
    if meaning(prompt) is Meaning.COMMAND:
        return Stop(()) if is_hush(prompt) else latest
    found = _STOP.fullmatch(_bare(prompt))
    if found is None:
        return None
    what = found["what"]
    if what is None or what in _LAST:
        return latest
    if what in _ALL:
        return Stop(tuple(working))
    fitting = tuple(which(what, working))
    return Stop(fitting, unclear=len(fitting) > 1) if fitting else None


def asked_about(prompt: str, working: Mapping[str, str]) -> list[str] | None:
    """Works of which the person wants to know how far they are; None if it is about none."""
    found = _PROGRESS.fullmatch(_bare(prompt))
    if found is None:
        return None
    what = found["far"] or found["done"] or ""
    if found["doing"] or what in _LAST or what in _ALL or what == "everything":
        return list(working)
    return which(what, working) or None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A request that should have named another device.

    Attributes:
        device: the one that is meant; empty if it is not clear which of ``choices``.
        request: with that device in it.
    """

    device: str
    request: str
    choices: tuple[str, ...] = ()


def elsewhere(prompt: str, request: str, devices: Sequence[str]) -> Elsewhere | None:
    """What the last request becomes: "no, the other machine", "I meant desk", "server instead"."""
    found = _INSTEAD.fullmatch(_bare(prompt))
    if found is None:
        return None
    spoken = {" ".join(words_of(name)): name for name in devices}
    named = [name for name in devices if _mention(name).search(request)]
    other = found["where"].startswith("other")
    if not other and not (found["no"].strip() or found["instead"]):
        return None
    if other:
        choices = tuple(name for name in devices if name not in named)
    elif found["where"] in spoken:
        choices = (spoken[found["where"]],)
    else:
        return None
    if len(choices) != 1:
        return Elsewhere("", request, choices)
    return Elsewhere(choices[0], moved(request, choices[0], devices))


def moved(request: str, device: str, devices: Sequence[str]) -> str:
    """A request with that device in the place of the one that it names, if it names any."""
    named = [name for name in devices if _mention(name).search(request)]
    if not named:
        return f"{request} on {device}"
    # What is said twice is meant twice.
    return _mention(named[-1]).sub(device, request)


def where(error: PlanError, request: str) -> dict[str, str]:
    """Requests that would do, by the device that each names, of one that names none."""
    problems = error.details.get("problems")
    if not isinstance(problems, list) or len(problems) != 1:
        return {}
    clause, suggestions = problems[0]["clause"], problems[0]["suggestions"]
    found = {}
    for suggestion in suggestions:
        before, _, device = suggestion.rpartition(" on ")
        if before != clause or clause not in request:
            return {}
        found[device] = request.replace(clause, suggestion)
    return found


def _mention(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)


def _bare(prompt: str) -> str:
    return _POLITE.sub("", " ".join(words_of(prompt)))
