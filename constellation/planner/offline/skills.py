"""Finding the skill that a clause asks for, by the words of the skills' own cards.

A clause is compared with each skill by the share of its meaning that the skill's name, examples and
description cover, each word weighted by how rare it is among the skills (inverse document
frequency, as in Spärck Jones 1972), and by how well its literals fit the skill's arguments.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from constellation.aip.cards import DeviceCard, SkillCard

from .schemas import Parameter, one_of, parameters
from .tokens import Phrase, Token, tokenize
from .values import Reading, read_arguments
from .words import (
    GENERIC,
    LIGHT_CONCEPTS,
    STOP,
    TEXT_NOUNS,
    concept,
    concepts,
    is_verb,
    stem,
    weighty,
)

THRESHOLD: Mapping[str, float] = {"read": 0.4, "write": 0.5, "dangerous": 0.55}
"""How much of a clause a skill must cover to be chosen, by what it does to the world."""

MARGIN = 0.9
"""A second skill whose score is above this share of the best makes the choice unclear."""

_SYNONYM = 0.8
_WEIGHTS = (
    ("name", 1.0),
    ("examples", 0.85),
    ("switches", 0.85),
    ("description", 0.6),
    ("arguments", 0.4),
)
_LIGHT = 0.25
_PER_LEFTOVER = 0.35
_PER_MISSING = 0.5
_PER_UNHEARD = 0.6
_OTHER_VERB = 0.6
_OTHER_NAME = 0.75
_UNNAMED_CODE = 0.7


@dataclass(frozen=True, slots=True)
class Match:
    """A skill that may be meant, with what the clause says of its arguments.

    Attributes:
        score: between 0 and 1.
        potential: the score it would have if no argument were missing.
        covered: share of the clause's meaning that the skill's card covers, arguments aside.
        spoken: the same, with arguments read from plain words counted as meaning.
        unknown: the words of the clause that the skill's card says nothing of.
    """

    skill: SkillCard
    parameters: tuple[Parameter, ...]
    reading: Reading
    score: float
    potential: float
    covered: float
    spoken: float
    unknown: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """True if it is good enough to be planned, for what the skill does to the world.

        What changes something must account for every word.
        """
        enough = self.reading.complete and self.score >= THRESHOLD[self.skill.effect]
        return enough and (self.skill.effect == "read" or not self.unknown)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A skill with the weight of each word on its card: as written, and by meaning.

    Its verbs are the stems of the words by which a request for it may begin.
    """

    skill: SkillCard
    parameters: tuple[Parameter, ...]
    stems: Mapping[str, float]
    meanings: Mapping[str, float]
    examples: tuple[tuple[str, ...], ...]
    verbs: frozenset[str]

    def weight(self, word: str) -> float:
        """How well the card covers a word; a synonym counts less than the word itself."""
        synonym = _SYNONYM * self.meanings.get(concept(word), 0.0)
        return max(self.stems.get(stem(word), 0.0), synonym)


class SkillIndex:
    """The skills of the connected devices, by name."""

    def __init__(self, cards: Sequence[DeviceCard]) -> None:
        skills: dict[str, SkillCard] = {}
        for card in cards:
            for skill in card.skills:
                skills.setdefault(skill.name, skill)
        self._entries = {name: _entry(skill) for name, skill in sorted(skills.items())}
        frequency: dict[str, int] = {}
        for entry in self._entries.values():
            for word in entry.meanings:
                frequency[word] = frequency.get(word, 0) + 1
        count = len(self._entries)
        self._rarity = {word: math.log(1 + count / seen) for word, seen in frequency.items()}
        self._unknown = math.log(1 + count)
        self.vocabulary = frozenset(
            word for entry in self._entries.values() for word in entry.stems
        )

    @property
    def verbs(self) -> frozenset[str]:
        """The words that begin the skills' examples."""
        return frozenset(
            example[0]
            for entry in self._entries.values()
            for example in entry.examples[:-1]  # the last is the description
            if example and example[0] not in STOP
        )

    def matches(self, phrase: Phrase, allowed: Iterable[str] | None = None) -> list[Match]:
        """Every skill that shares some meaning with a clause, the best first.

        Args:
            phrase: the clause.
            allowed: names of the skills to look at; None for all.
        """
        names = None if allowed is None else frozenset(allowed)
        found = [
            self._match(entry, phrase)
            for name, entry in self._entries.items()
            if names is None or name in names
        ]
        return sorted(
            (match for match in found if match.score > 0),
            key=lambda match: (-match.score, match.skill.name),
        )

    @property
    def skills(self) -> list[SkillCard]:
        return [entry.skill for entry in self._entries.values()]

    def _match(self, entry: _Entry, phrase: Phrase) -> Match:
        reading = read_arguments(entry.parameters, phrase, entry.verbs)
        asked = _asked(phrase, reading.used, entry)
        fit = _fit(entry, reading, frozenset(map(concept, asked)))
        if _is_example(phrase, entry):
            return _matched(entry, reading, fit, 1.0, 1.0, ())
        covered = self._coverage(asked, entry)
        spoken = self._coverage(_asked(phrase, reading.stated, entry), entry)
        score = covered * fit
        if asked and concept(asked[0]) not in LIGHT_CONCEPTS | set(entry.meanings):
            score *= _OTHER_VERB
        score *= _OTHER_NAME + (1 - _OTHER_NAME) * self._named(asked, entry)
        unknown = tuple(word for word in dict.fromkeys(asked) if not entry.weight(word))
        return _matched(entry, reading, score, covered, spoken, unknown)

    def _named(self, asked: Sequence[str], entry: _Entry) -> float:
        """How much of the skill's own name the clause says."""
        name = [word for word in concepts(entry.skill.name) if word != GENERIC]
        said = set(map(concept, asked))
        total = sum(self._rarity[word] for word in name)
        return sum(self._rarity[word] for word in name if word in said) / total if total else 0.0

    def _coverage(self, asked: Sequence[str], entry: _Entry) -> float:
        total = covered = 0.0
        for word in dict.fromkeys(asked):
            weight = self._rarity.get(concept(word), self._unknown)
            if concept(word) in LIGHT_CONCEPTS:
                weight *= _LIGHT
            total += weight
            covered += weight * entry.weight(word)
        return covered / total if total else 0.0


def _entry(skill: SkillCard) -> _Entry:
    examples = tuple(_words(example) for example in (*skill.examples, skill.description))
    texts = {
        "name": skill.name,
        "examples": " ".join(word for example in examples[:-1] for word in example),
        "switches": " ".join(p.name for p in parameters(skill) if p.kind == "boolean"),
        "description": skill.description,
        "arguments": " ".join(parameter.name for parameter in parameters(skill)),
    }
    stems: dict[str, float] = {}
    meanings: dict[str, float] = {}
    for part, weight in _WEIGHTS:  # the heaviest first
        for word in weighty(texts[part]):
            stems.setdefault(stem(word), weight)
            meanings.setdefault(concept(word), weight)
    first = [example[0] for example in examples[:-1] if example]
    verbs = frozenset(map(stem, (*first, *weighty(skill.name))))
    return _Entry(skill, parameters(skill), stems, meanings, examples, verbs)


def _words(text: str) -> tuple[str, ...]:
    return tuple(token.shape for token in tokenize(text) if token.kind == "word")


def _matched(
    entry: _Entry,
    reading: Reading,
    score: float,
    covered: float,
    spoken: float,
    unknown: tuple[str, ...],
) -> Match:
    potential = score / _PER_MISSING ** len(reading.missing)
    return Match(entry.skill, entry.parameters, reading, score, potential, covered, spoken, unknown)


def _asked(phrase: Phrase, read: Collection[int], entry: _Entry) -> list[str]:
    """The words of a clause that a skill has to account for.

    Those it read as values do not count, nor does what only says that a text follows.
    """
    return [
        word
        for index, token in enumerate(phrase.tokens)
        if index not in read and not _announces_text(phrase, index)
        for word in _weighty_in(token, entry)
    ]


def _announces_text(phrase: Phrase, index: int) -> bool:
    """True for ``word`` in ``write the word 'full' to …``."""
    following = phrase.tokens[index + 1 : index + 2]
    return phrase.tokens[index].shape in TEXT_NOUNS and bool(
        following and following[0].kind == "quoted"
    )


def _weighty_in(token: Token, entry: _Entry) -> list[str]:
    """The words of a token that carry weight.

    A device that is the object of a clause, as in ``turn the lamp on``, may be what its skill is
    named for, and need not be.
    """
    if token.kind == "device":
        plain = not token.value.place
        return [w for w in weighty(token.text) if plain and stem(w) in entry.stems]
    return [token.shape] if token.concept else []


def _is_example(phrase: Phrase, entry: _Entry) -> bool:
    """True if a clause says just what one of the skill's examples says, maybe with a device more.

    Literals do not count: ``wait 5 seconds`` is said by ``wait 10 seconds``.
    """
    said = [
        (word, token.kind == "device")
        for token in phrase.tokens
        if token.kind in ("word", "device")
        for word in _words(token.text)
    ]
    for example in entry.examples:
        for start in range(len(said) - len(example) + 1):
            end = start + len(example)
            rest = (*said[:start], *said[end:])
            same = tuple(word for word, _ in said[start:end]) == example
            if example and same and all(device for _, device in rest):
                return True
    return False


def _fit(entry: _Entry, reading: Reading, said: frozenset[str]) -> float:
    """How well the clause's literals and the skill's arguments go together; 1 is perfectly."""
    groups = one_of(entry.skill)
    if groups and not any(group <= set(reading.arguments) for group in groups):
        known = {parameter.name: parameter for parameter in entry.parameters}
        wanted = sorted(groups[0] & set(known))
        reading.missing.extend(known[name] for name in wanted if known[name] not in reading.missing)
    stated = reading.arguments or reading.content or reading.borrowed
    if entry.skill.effect == "dangerous" and entry.parameters and not stated:
        reading.missing.extend(p for p in entry.parameters[:1] if p not in reading.missing)
    fit = _PER_MISSING ** len(reading.missing) * _PER_LEFTOVER ** len(reading.leftover)
    if reading.unheard:
        fit *= _PER_UNHEARD
    if _takes_unnamed_code(entry, reading, said):
        fit *= _UNNAMED_CODE
    return fit


def _takes_unnamed_code(entry: _Entry, reading: Reading, said: frozenset[str]) -> bool:
    """True if it would run text as code though neither code nor a language was spoken of."""
    nouns = {concept(word) for word in weighty(entry.skill.name) if not is_verb(word)}
    return any(
        parameter.kind == "code"
        and parameter.name in reading.arguments
        and not said & {*nouns, *parameter.words}
        for parameter in entry.parameters
    )
