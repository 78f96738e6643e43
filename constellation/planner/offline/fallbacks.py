"""Clauses that say what to do if something fails: the same again, here or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

from constellation.aip.cards import SkillCard
from constellation.graph.task import RetryPolicy
from constellation.planner.flow import FAILURE

from .devices import DevicePhrase
from .draft import Draft
from .notes import place_note
from .places import Place, Places
from .steps import Step
from .tokens import Phrase, pattern

MAX_ATTEMPTS = 100

_SHAPE = pattern(
    r"(?:<device> ?,? )?"
    r"(?:use|try|retry|run|do|repeat|redo|fall back|switch|go|start)"
    r"(?: (?:it|that|this|again|to|the same|same|thing|instead|over|back|once more))*"
    r"(?: <device>)?(?: (?:instead|again|too|as well))*"
    r"(?:(?: for)?(?: up to)?(?: at most)? (?P<count><number>|once|twice)(?: more)?(?: times?)?)?"
)
_REPEAT = pattern(
    r"(?:<device> ?,? )?(?:do|repeat) (?:the same|it|that|this)(?: thing)?(?: <device>)?"
)
_COUNTS = {"once": 2, "twice": 3}


@dataclass(frozen=True, slots=True)
class Fallback:
    """The same work again.

    Attributes:
        device: where; None for the same place.
        attempts: how many attempts in all.
    """

    device: DevicePhrase | None
    attempts: int = 2


def read_fallback(phrase: Phrase) -> Fallback | None:
    """What a clause after ``if it fails`` asks for; None if it is work of its own."""
    match = phrase.match(_SHAPE)
    if match is None or match.end() != len(phrase.shape):
        return None
    device = _device(phrase)
    if match["count"] != "<number>":
        return Fallback(device, _COUNTS.get(match["count"], 2))
    number = next(token.value for token in phrase.tokens if token.kind == "number")
    return Fallback(device, min(max(int(number), 1) + 1, MAX_ATTEMPTS))


def read_repeat(phrase: Phrase) -> DevicePhrase | None:
    """Where ``do the same on laptop`` wants the last command again; else None."""
    match = phrase.match(_REPEAT)
    if match is None or match.end() != len(phrase.shape):
        return None
    return _device(phrase)


def _device(phrase: Phrase) -> DevicePhrase | None:
    return next((token.value for token in phrase.tokens if token.kind == "device"), None)


def apply_fallback(
    draft: Draft, step: Step, fallback: Fallback, places: Places, clause: str
) -> str:
    """Let a step's tasks be tried again, or have stand-ins elsewhere; returns a note on it.

    Raises:
        UnplacedError: there is no such place, or it lacks the skill.
    """
    if fallback.device is None:
        for task in step.tasks.values():
            draft.retry(task, RetryPolicy(attempts=fallback.attempts))
        return f"“{step.text}” is tried up to {fallback.attempts} times."
    if fallback.device.mode == "another" and "" in step.tasks:
        draft.retry(step.tasks[""], RetryPolicy(attempts=fallback.attempts, elsewhere=True))
        return f"If “{step.text}” fails, it is tried again on another device."
    notes = []
    for device, first in list(step.tasks.items()):
        if fallback.device.mode == "another" and not _others(step.skill, device, places):
            notes.append(f"No other device that can do {step.skill.name} is connected yet.")
            continue
        *_, last = step.chain(first)
        place, _ = places.able(
            _elsewhere(fallback.device, device, places, clause), step.skill, clause
        )
        notes.append(_stand_in(draft, step, last, place, places))
    return " ".join(notes)


def _others(skill: SkillCard, device: str, places: Places) -> list[str]:
    cards = (card for card in places.cards if card.name != device)
    return [card.name for card in cards if card.skill(skill.name)]


def _elsewhere(found: DevicePhrase, device: str, places: Places, clause: str) -> Place:
    if found.mode == "another":
        others = tuple(card.name for card in places.cards if card.name != device)
        return Place(others, choice=True, quantified=True)
    return replace(places.meant(found, clause), choice=True)


def _stand_in(draft: Draft, step: Step, task: str, place: Place, places: Places) -> str:
    device = place.names[0] if len(place.names) == 1 else ""
    again = replace(
        draft.tasks[task],
        id=f"{step.skill.name}-{device or 'elsewhere'}",
        name=f"{step.text} on {device or 'another device'}",
        requirement=place.requirement(places.cards),
        join="all",
    )
    if device and draft.tasks[task].requirement.device is None:
        draft.avoid(task, device)
    step.stand_ins[task] = draft.add(again, {task: FAILURE})
    draft.flow.forgive(task)
    return f"If “{draft.tasks[task].name}” fails, the same runs {place_note(place)}."
