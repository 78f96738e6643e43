"""Choosing the skill for a clause, or saying why none can be chosen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from constellation.aip.cards import SkillCard

from .problems import UnplacedError
from .schemas import Parameter, parameters
from .skills import MARGIN, Match, SkillIndex
from .tokens import Phrase
from .words import QUESTION, concepts

_CLOSE = 0.25
"""Share of a clause that a skill must cover to be named in a question."""

_SURELY = 0.75
"""A skill that covers this share of a clause is what it is about."""

_MUCH_BETTER = 1.2
"""A skill that covers this much more than one that could run is what was probably meant."""


def choose(index: SkillIndex, phrase: Phrase, allowed: Collection[str] | None, text: str) -> Match:
    """The skill that a clause asks for.

    Args:
        index: the skills.
        phrase: the clause.
        allowed: names of the skills that its devices have; None for all.
        text: the clause as typed.

    A question only ever reads.

    Raises:
        UnplacedError: no skill fits, an argument is missing, or several fit equally.
    """
    matches = index.matches(phrase, allowed)
    asks = bool(len(phrase)) and phrase.tokens[0].shape in QUESTION
    accepted = [
        match for match in matches if match.accepted and not (asks and match.skill.effect != "read")
    ]
    most = max((match.covered for match in matches), default=0.0)
    if most == 0 or (not accepted and most < _CLOSE):
        raise _no_skill(index, matches, phrase, text)
    if not accepted:
        raise _incomplete(_likeliest(matches, phrase), text)
    best, *others = accepted
    for match in matches:
        if _meant_instead(match, best):
            raise _incomplete(match, text)
    rivals = [other for other in others if other.score > MARGIN * best.score]
    more = [other for other in rivals if len(other.reading.used) >= len(best.reading.used)]
    if more:
        names = [best.skill.name, *(other.skill.name for other in more)]
        raise UnplacedError(
            text,
            f"It could mean {' or '.join(names)}.",
            [example for match in (best, *more) for example in match.skill.examples[:1]],
        )
    return best


def _meant_instead(match: Match, best: Match) -> bool:
    """True if a skill that lacks an argument was more probably meant than the best that does not.

    What only reads is preferred in doubt; for everything else the doubt counts.
    """
    if match.accepted or match.reading.leftover:
        return False
    if best.reading.free and match.spoken > max(_SURELY, _MUCH_BETTER * best.spoken):
        return True
    bar = _MUCH_BETTER if best.skill.effect == "read" else 1.0
    return match.potential > bar * best.score


def _likeliest(matches: Sequence[Match], phrase: Phrase) -> Match:
    """What was probably meant: what covers the clause, else what has its verb in the name."""
    verb = set(phrase.concepts()[:1])
    sure = [match for match in matches if match.covered >= _SURELY]
    named = [match for match in matches if verb & set(concepts(match.skill.name))]
    likely = sure or named or matches[:1]
    return min(likely, key=lambda match: (-match.covered, _runs_code(match)))


def _runs_code(match: Match) -> bool:
    return any(parameter.kind == "code" for parameter in match.parameters)


def _for_code(index: SkillIndex, phrase: Phrase) -> list[SkillCard]:
    """The skills that run what stands in quotes or backticks, if nothing else is said."""
    quoted = any(token.kind in ("quoted", "code") for token in phrase.tokens)
    if not quoted or phrase.concepts():
        return []
    return [s for s in index.skills if any(p.kind in ("command", "code") for p in parameters(s))]


def _no_skill(
    index: SkillIndex, matches: Sequence[Match], phrase: Phrase, text: str
) -> UnplacedError:
    if not index.skills:
        return UnplacedError(text, "No connected device has any skill.")
    near = [match.skill for match in matches[:3]] or _for_code(index, phrase)
    examples = [example for skill in near for example in skill.examples[:1]]
    return UnplacedError(text, "None of the connected devices' skills fits it.", examples)


def _incomplete(match: Match, text: str) -> UnplacedError:
    skill, reading = match.skill, match.reading
    if reading.missing:
        wanted = " and ".join(_ask_for(parameter) for parameter in reading.missing)
        reason = f"{skill.name} needs {wanted}."
    elif reading.leftover:
        extra = ", ".join(token.text for token in reading.leftover)
        reason = f"{skill.name} seems meant, and has no use for {extra}."
    elif match.unknown:
        words = " and ".join(f"“{word}”" for word in match.unknown[:3])
        reason = f"{skill.name} is the nearest skill, but it says nothing of {words}."
    else:
        reason = f"{skill.name} is the nearest skill, but that is too unsure to act on."
    return UnplacedError(text, reason, skill.examples[:2])


def _ask_for(parameter: Parameter) -> str:
    """A missing argument, and how to state it."""
    how = {
        "command": "the command, in quotes",
        "code": "the code, in quotes",
        "path": "a path",
        "url": "an address such as https://…",
        "text": f"the {parameter.name}, in quotes",
        "instruction": f"the {parameter.name}, in words that stand by themselves",
        "number": f"a number for {parameter.name}",
        "boolean": f"yes or no for “{parameter.name}”",
    }
    return how.get(parameter.kind, f"the {parameter.name}")
