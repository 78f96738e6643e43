"""Which earlier work a clause speaks of: ``it``, ``the results``, ``the page``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constellation.aip.cards import SkillCard

from .problems import UnplacedError
from .schemas import ParameterKind, fields, parameters
from .steps import Step
from .tokens import Phrase
from .words import LIGHT_CONCEPTS, bag, concepts

_PLURAL = bag("""them those these results outputs everything findings answers responses both all""")
_OF_RESULTS = frozenset(concepts("result output answer response finding content contents report"))


def referred_steps(steps: Sequence[Step], phrase: Phrase, skill: SkillCard) -> list[Step]:
    """The steps whose results a clause means by ``it``, ``the results`` or the like.

    A singular means the latest step that has a result, or all that were asked for together with
    it; a plural means every such step. Words such as ``fetch`` in ``the fetch result`` narrow it.

    Raises:
        UnplacedError: there is no earlier result.
    """
    with_result = [step for step in steps if step.has_result and not step.conditional]
    latest = [step for step in steps if step.has_result][-1:]
    plural = means_several(phrase)
    own = set(concepts(f"{skill.name} {skill.description} {' '.join(skill.examples)}"))
    said = set(phrase.concepts()) - own - _OF_RESULTS - LIGHT_CONCEPTS
    narrowed = [step for step in with_result if said & set(concepts(step.text))]
    found = narrowed or (with_result if plural else latest)
    if not found:
        raise UnplacedError(
            str(phrase), "There is no earlier result that it could mean.", follows=True
        )
    return found


def means_several(phrase: Phrase) -> bool:
    """True if a clause speaks of earlier work in the plural."""
    return any(token.shape in _PLURAL for token in phrase.tokens)


def named_steps(steps: Sequence[Step], noun: Phrase) -> list[Step]:
    """The steps that a noun phrase names, such as ``the disk usage`` after ``check the disk``."""
    said = set(noun.concepts()) - LIGHT_CONCEPTS - _OF_RESULTS
    devices = {
        name for token in noun.tokens if token.kind == "device" for name in token.value.names
    }
    return [
        step
        for step in steps
        if said
        and step.has_result
        and 2 * len(said & step.words) > len(said)
        and (not devices or devices == step.devices)
    ]


def holding_steps(steps: Sequence[Step], noun: Phrase) -> list[Step]:
    """The latest step whose result has a field that a noun names, as ``the matches`` of a search.

    In a list, so that it reads like `named_steps`.
    """
    said = set(noun.concepts()) - LIGHT_CONCEPTS
    if not said or any(token.kind == "device" for token in noun.tokens):
        return []
    holding = [
        step
        for step in steps
        if step.has_result and any(said & field.words for field in fields(step.skill.output))
    ]
    return holding[-1:]


def earlier_values(
    steps: Sequence[Step], phrase: Phrase, kind: ParameterKind
) -> list[tuple[Step, Any]]:
    """What ``it`` or ``them`` means for a kind of parameter: a path, say, that was named before.

    Raises:
        UnplacedError: nothing of that kind was named.
    """
    found: list[tuple[Step, Any]] = []
    for step in steps:
        kinds = {each.name: each.kind for each in parameters(step.skill)}
        found += [(step, value) for name, value in step.arguments.items() if kinds[name] == kind]
    if not found:
        raise UnplacedError(str(phrase), f"No {kind} was named before.", follows=True)
    if means_several(phrase):
        sentence = found[-1][0].sentence
        return [(step, value) for step, value in found if step.sentence == sentence]
    return found[-1:]
