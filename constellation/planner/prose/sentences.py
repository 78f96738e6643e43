"""What one sentence of a guide says: where, if what, what to run, and what not to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .commands import is_command
from .draft import OnResult

_CODE = re.compile(r"(`+)(.+?)\1")
_END = re.compile(r"(?<=[.!?;])\s+")
_IF = re.compile(
    r"(?:(?:and|then|but|only|now|also|next|first|finally|afterwards|after that|meanwhile"
    r"|at the same time|in parallel),?\s+)*(?:if|when|whenever|in case|should)\s+"
    r"(?P<words>.+?)(?:,\s*(?:then\s+)?|\s+then\s+|:\s*|\s*$)",
    re.IGNORECASE,
)
_ONLY_IF = re.compile(r"\s+(?:only\s+)?(?:if|when|in case)\s+(?P<words>.+?)[.:;]*$", re.IGNORECASE)
_ELSE = re.compile(r"(?:otherwise|if not|else|if it is not|if that is not the case)\b", re.I)
_NOT = re.compile(
    r"\b(?:do not|don't|don’t|never|must not|should not|avoid|instead of|rather than|not)\b", re.I
)
_SURE = re.compile(
    r"\b(?:run|runs|running|execute|executing|enter|issue|invoke|type)\b[^`]*$", re.IGNORECASE
)
_LIKELY = re.compile(
    r"\b(?:use|using|with|via|try|check|call|do|by|through|inspect|verify|confirm|look at|see)\b"
    r"[^`]*$",
    re.IGNORECASE,
)
_AND = re.compile(
    r"\s*(?:,|and|then|,?\s*and then|,\s*then|;)\s*"
    r"(?:,?\s*(?:at the same time|in parallel|simultaneously|concurrently|meanwhile)\s*,?\s*)?",
    re.IGNORECASE,
)
_NOUNS = "servers?|hosts?|machines?|nodes?|box(?:es)?|laptops?|desktops?|workstations?|devices?"
_PLACE = re.compile(
    r"\b(?:on|onto|log ?in(?:to| to)|log on to|connect to|ssh (?:in)?to|ssh to)\s+"
    r"(?:(?P<every>all|each|every)(?:\s+of)?(?:\s+the)?\s+(?:\w+\s+)?(?:NOUNS)\b"
    r"|(?:the\s+)?(?:NOUNS)\s+`?(?P<named>[A-Za-z0-9][\w.-]*)`?"
    r"|`(?P<code>[A-Za-z0-9][\w.-]*)`"
    r"|(?:the\s+)?(?P<role>[A-Za-z][\w-]*(?:\s[A-Za-z][\w-]*)?)\s+(?P<noun>NOUNS)\b"
    r"|(?:the\s+)?(?P<word>[A-Za-z0-9][\w.-]*[A-Za-z0-9]|[A-Za-z0-9]))".replace("NOUNS", _NOUNS),
    re.IGNORECASE,
)
# "When done, …" is no condition.
_NO_CONDITIONS = frozenset({"done", "finished", "ready", "complete", "completed", "you are done"})
_ELSEWHERE = re.compile(
    r"\b(?:go (?:back )?to|skip to|jump to|continue (?:with|at|in)|proceed (?:to|with)|"
    r"return to|start over|repeat (?:from|step))\b",
    re.IGNORECASE,
)
_HOST = re.compile(r"[A-Za-z-]\d+$")
_AT_ONCE = re.compile(
    r"\b(?:in parallel|at the same time|at once|simultaneously|in any order|concurrently)\b", re.I
)
# What begins a command that starts together with the one before it.
_MEANWHILE = re.compile(
    r"(?:(?:and|then|but|also),?\s+)?"
    r"(?:(?P<among>in parallel|simultaneously|concurrently)(?!\s*:)"
    r"|at the same time|meanwhile|in the meantime|while (?:that|this|it) runs)\b",
    re.IGNORECASE,
)
_TOGETHER = re.compile(
    r"\s*(?:both\s+|all\s+)?(?:in parallel|at the same time|simultaneously|concurrently|at once)\b",
    re.IGNORECASE,
)
# "on web-1, web-2 and `db-1`"
_NEXT_PLACE = re.compile(
    r"\s*(?:, and|,|and|as well as)\s+(?:also\s+)?`?(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)`?",
    re.IGNORECASE,
)
_ALSO_ON = re.compile(r"\s*(?:,|and|as well as|, and)\s*(?:also\s+)?", re.IGNORECASE)
_FAILED = re.compile(
    r"(?:it|this|that|(?:the|this) (?:command|check|step|test)|the previous step)\s+"
    r"(?:fails|failed|does not work|doesn't work|did not work|errors|returns an error|"
    r"exits with an error|is unsuccessful)",
    re.IGNORECASE,
)
_WORKED = re.compile(
    r"(?:it|this|that|(?:the|this) (?:command|check|step|test)|the previous step)\s+"
    r"(?:succeeds|succeeded|works|worked|passes|passed|is successful)",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"(?:the output is empty|there is no output|nothing is (?:shown|printed|listed)|"
    r"it (?:prints|shows|lists) nothing)",
    re.IGNORECASE,
)
_CONTAINS = re.compile(
    r"(?:it|this|that|the output|the result|the log)\s+"
    r"(?:contains|shows|says|includes|has|prints|mentions|is)\s+"
    r"(?:`(?P<code>[^`]+)`|\"(?P<double>[^\"]+)\"|“(?P<curly>[^”]+)”|'(?P<single>[^']+)')",
    re.IGNORECASE,
)


MAX_SENTENCE = 2000
"""What is longer is not read: no person wrote it for another."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence.

    Attributes:
        text: as it stands.
        start: its offset in its block.
        commands: what it says to run, each with its offset in the block.
        mentioned: what looks like a command, though nothing says to run it.
        forbidden: True if it says not to.
        condition: the words after "if"; empty for none.
        otherwise: True if it is the other branch of the condition before.
        places: names of devices, or ``all``; none if it says nothing of that.
        guessed: those of them that are descriptions, and no device's name.
        at_once: True if it says that things may happen together.
        joined: which of its commands start together with the one before, counted from 0; the first
            one with that of the sentence before.
        leads_elsewhere: True if it says to go on in another place of the guide.
    """

    text: str
    start: int
    commands: tuple[tuple[int, str], ...] = ()
    forbidden: bool = False
    condition: str = ""
    otherwise: bool = False
    places: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    at_once: bool = False
    joined: frozenset[int] = frozenset()
    mentioned: tuple[tuple[int, str], ...] = ()
    leads_elsewhere: bool = False


def sentences(text: str, devices: Collection[str] = ()) -> list[Sentence]:
    """The sentences of a paragraph, item or heading.

    What is longer than `MAX_SENTENCE` comes back unread.

    Args:
        devices: names of devices; a bare word after "on" is a place only if it is one of these or
            looks like a host (``db1``, ``web-2``).
    """
    # Ends of sentences and conditions are not looked for within code.
    veiled = _CODE.sub(lambda match: "`" + "\0" * (len(match[0]) - 2) + "`", text)
    found, start = [], 0
    for end in [*(match.end() for match in _END.finditer(veiled)), len(text)]:
        if end - start > MAX_SENTENCE:
            found.append(Sentence(text[start:end].strip(), start))
        elif veiled[start:end].strip():
            found.append(_read(text[start:end], veiled[start:end], start, devices))
        start = end
    return found


def _read(text: str, veiled: str, start: int, devices: Collection[str]) -> Sentence:
    begin = len(veiled) - len(veiled.lstrip())
    otherwise = bool(_ELSE.match(veiled, begin))
    condition, doing = "", (begin, len(veiled.rstrip()))
    if not otherwise and (match := _IF.match(veiled, begin)):
        condition = text[match.start("words") : match.end("words")]
        doing = (match.end(), doing[1])
    elif match := _ONLY_IF.search(veiled):
        condition = text[match.start("words") : match.end("words")]
        doing = (begin, match.start())
    if condition.strip(" .:;,").lower() in _NO_CONDITIONS:
        condition = ""
    forbidden = warns(veiled[slice(*doing)].partition("`")[0])
    found = list(_commands(text, doing, forbidden))
    places = list(_places(text, devices))
    said = [(at, code) for at, code, is_said in found if is_said]
    return Sentence(
        text=text.strip(),
        start=start + begin,
        commands=tuple((start + at, code) for at, code in said),
        mentioned=tuple((start + at, code) for at, code, is_said in found if not is_said),
        leads_elsewhere=bool(_ELSEWHERE.search(veiled)),
        forbidden=forbidden,
        condition=condition.strip(" .:;,"),
        otherwise=otherwise,
        places=tuple(name for name, _ in places),
        guessed=tuple(name for name, is_guessed in places if is_guessed),
        at_once=bool(_AT_ONCE.search(veiled)),
        joined=_joined(veiled, doing[0], said),
    )


def warns(words: str) -> bool:
    """True if words before a command say not to run it."""
    return bool(_NOT.search(words))


def _commands(
    text: str, doing: tuple[int, int], forbidden: bool
) -> Iterator[tuple[int, str, bool]]:
    """The commands of a sentence, each with its offset and whether it is said to run it.

    It is said by a word before it, or by nothing but the command standing there. In a sentence that
    says not to run something, every command is meant.
    """
    chained = False
    end = doing[0]
    for match in _CODE.finditer(text, *doing):
        before = text[doing[0] : match.start()]
        code = match[2].strip().removeprefix("$ ")
        chained = chained and bool(_AND.fullmatch(text[end : match.start()]))
        several = " " in code
        sure = chained or bool(_SURE.search(before)) or (forbidden and several)
        bare = not before.strip(" *_-:")
        if (sure or bare or forbidden or _LIKELY.search(before)) and is_command(code, sure=sure):
            yield match.start(2), code, True
            chained = True
        elif several and is_command(code, sure=False):
            yield match.start(2), code, False
        end = match.end()


def _joined(veiled: str, start: int, said: Sequence[tuple[int, str]]) -> frozenset[int]:
    """Which commands start together with the one before them."""
    if not said:
        return frozenset()
    ends = [at + len(code) + 1 for at, code in said]
    leading = _MEANWHILE.match(veiled, start)
    if len(said) > 1 and ((leading and leading["among"]) or _TOGETHER.match(veiled, ends[-1])):
        return frozenset(range(1, len(said)))
    between = (
        number
        for number in range(1, len(said))
        if _MEANWHILE.search(veiled, ends[number - 1], said[number][0])
    )
    return frozenset({0} if leading else ()) | frozenset(between)


def _places(text: str, devices: Collection[str]) -> Iterator[tuple[str, bool]]:
    """The first place, and those that stand beside it; each with whether it is a guess."""
    known = {name.lower(): name for name in devices}
    end = -1
    for match in _PLACE.finditer(text):
        if end >= 0 and not _ALSO_ON.fullmatch(text[end : match.start()]):
            return
        found = _place(match, known)
        if found is None:
            if end >= 0:
                return
            continue
        yield found
        if found[0] == "all":
            return
        end = match.end()
        for also in _NEXT_PLACE.finditer(text, end):
            name = also["name"].lower()
            if also.start() != end or not (name in known or _HOST.search(name)):
                break
            yield known.get(name, also["name"]), name not in known
            end = also.end()


def _place(match: re.Match[str], known: Mapping[str, str]) -> tuple[str, bool] | None:
    if match["every"]:
        return "all", False
    stated = match["named"] or match["code"] or match["word"]
    if stated and stated.lower() in known:
        return known[stated.lower()], False
    if stated and (match["named"] or match["code"]):
        return stated, bool(known)
    if stated and _HOST.search(stated):
        return stated, True
    if match["role"]:
        role = match["role"].lower().replace(" ", "-")
        name = f"{role}-{match['noun'].lower()}"
        found = known.get(name) or known.get(role)
        return found or name, not found
    return None


def on_result(condition: str) -> OnResult | None:
    """A condition that looks at the command before it; None if it is one in words."""
    if _FAILED.fullmatch(condition):
        return OnResult("failed")
    if _WORKED.fullmatch(condition):
        return OnResult("completed")
    if _EMPTY.fullmatch(condition):
        return OnResult("empty")
    if match := _CONTAINS.fullmatch(condition):
        return OnResult("contains", next(filter(None, match.groups())))
    return None
