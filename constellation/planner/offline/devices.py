"""Phrases that mean devices: ``on desk``, ``every linux machine``, ``the other one``, ``there``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from constellation.aip.cards import DeviceCard

from .tokens import Phrase, Token, pattern
from .words import STOP, bag, is_verb, stem

Mode = Literal["each", "any", "same", "them", "other", "another", "unknown", "unclear"]

_ARTICLE = r"(?:the|my|our|this|that)"
_NOUN = r"(?:machines?|devices?|computers?|hosts?|box(?:es)?|nodes?|pcs?)"
_ALL = frozenset({"all", "every", "each"})
_SINGULAR = bag("machine device computer host box node pc one")
_PLACE = r"(?:on|at|from|to|of|in|by|via|using|with|onto|across|over|for|into)"
_ASK = re.compile(r"ask|have|let|tell|get|make|use|try")
_LABEL = r"[\w.-]+=[\w.-]+"
_PLATFORM_WORDS = {"mac": "darwin", "macos": "darwin", "macs": "darwin", "osx": "darwin"}
_NEVER = r"(?!)"
DEVICE_NOUNS = bag(
    "laptop notebook desktop workstation server nas phone smartphone tablet robot raspberry"
)
"""What people call a device by what it is, whatever words skills use."""

_NO_DEVICE = bag(
    """
    failure success error time once average total top demand purpose port
    """
)


@dataclass(frozen=True, slots=True)
class DevicePhrase:
    """What a phrase says of devices.

    Attributes:
        text: as typed.
        mode: ``each`` or ``any`` one of ``names``; the ``same`` as before; ``them``, those of
            before or else all ``names``; the ``other`` ones than before; ``another`` one than
            before; ``unknown`` or ``unclear``, with a ``problem``.
        place: the word that led it in, such as ``on`` or ``from``; empty if none.
        names: the devices meant.
        plural: for ``same`` and ``other``: several devices are meant.
        problem: why it is unknown or unclear, as a sentence.
        suggestions: what could have been meant.
        words: the tokens, if it may be no device at all, as in ``put it on the table``.
    """

    text: str
    mode: Mode
    place: str = ""
    names: tuple[str, ...] = ()
    plural: bool = False
    problem: str = ""
    suggestions: tuple[str, ...] = ()
    words: tuple[Token, ...] = ()


class DeviceGrammar:
    """Finds the phrases that mean devices, over the cards of the connected ones."""

    def __init__(self, cards: Sequence[DeviceCard]) -> None:
        self._all = tuple(card.name for card in cards)
        self._names = {name.lower(): name for name in self._all}
        self._properties = _properties(cards)
        kinds = sorted({card.kind.lower() for card in cards if card.kind.isalpha()})
        self._kinds = {form: kind for kind in kinds for form in (kind, f"{kind}s")}
        self._name = pattern(_alternatives(self._names))
        self._property = pattern(rf"{_alternatives(self._properties)}|{_LABEL}")
        self._phrase = pattern(self._grammar())
        self._unknown_noun = pattern(
            rf"(?P<place>{_PLACE} )?(?:{_ARTICLE}|every|each|all) (?P<word>[\w-]+) {_NOUN}"
        )
        nouns = _alternatives(DEVICE_NOUNS)
        self._unknown_place = pattern(
            rf"(?:(?P<led>{_PLACE} )|(?P<beside>(?:,|(?:, )?(?:and|or)) ))"
            rf"(?:(?:{_ARTICLE}|all|every|each|any) )*(?P<device>(?:{nouns})s?)"
            r"|(?:(?P<place>(?:on|from|at|onto) )|(?P<also>(?:, )?(?:and|or) ))"
            rf"(?:{_ARTICLE} )?(?P<word>[\w-]+)"
        )

    def _grammar(self) -> str:
        one = rf"(?:{_ARTICLE} )?(?:{_alternatives(self._names)})(?: {_NOUN})?"
        listed = rf"{one}(?:(?: ,)?(?: and| or| &| ,)(?: (?:on|of|from|at|to))? {one})*"
        label = rf"(?:{_alternatives(self._properties)}|{_LABEL})"
        adjectives = rf"(?:(?:{label}|connected|other) )"
        noun = rf"(?:{_NOUN}|{_alternatives(self._kinds)})"
        after = (
            rf"(?: (?:that are |which are )?(?:labell?ed|tagged|marked)(?: with| as)? {label}"
            rf"| with (?:the |a |an )?(?:label |role |tag )?{label}"
            rf"| (?:that run|running) {label}| (?:whose|where) \w+ is {label})"
        )
        quantifier = rf"(?:all|every|each|both|any|either)(?: one)?(?: of)?(?: {_ARTICLE})?"
        but = (
            rf"(?: ,)? (?:except|but not|excluding|other than|apart from)(?: for| on)? {listed}"
            rf"| but {listed}(?= ,| and| then|$)"
        )
        return (
            rf"(?P<place>{_PLACE} )?(?:"
            rf"(?P<list>(?:both )?{listed})"
            rf"|(?P<other>{_ARTICLE} other (?:two|ones?|{_NOUN}))"
            rf"|(?P<another>another(?: one| {_NOUN})?|a different(?: one| {_NOUN})"
            r"|elsewhere|somewhere else)"
            rf"|(?P<same>there(?! is| are| was)|here|the same(?: one| {_NOUN})"
            rf"|(?:this|that) {_NOUN})"
            rf"|(?P<every>everywhere)"
            r"|(?P<them>(?:all|each|every one) of (?:them|these|those))"
            rf"|(?P<both>both(?: of (?:them|these|those))?)(?! \w)"
            rf"|(?P<quantifier>{quantifier}) (?P<quantified>{adjectives}*)(?P<noun>{noun}|one)"
            rf"(?P<after>{after})?"
            rf"|(?P<article>(?:{_ARTICLE}|an?) )?(?P<described>{adjectives}+)"
            rf"(?P<described_noun>{noun})"
            rf"|(?P<plain_article>(?:{_ARTICLE}|an?) )?(?P<plain>{_NOUN})(?P<plain_after>{after})"
            rf"|{_ARTICLE} (?P<kind>{_alternatives(self._kinds)}|{_NOUN})"
            rf"|{_ARTICLE} (?P<nominal>{_alternatives(self._properties)})"
            rf")(?P<but>{but})?"
        )

    # ── finding ─────────────────────────────────────────────────────────────────────────────────

    def collapse(self, phrase: Phrase, vocabulary: frozenset[str]) -> Phrase:
        """The phrase with every device phrase as one token of kind ``device``.

        Args:
            phrase: a request.
            vocabulary: stems of the words that skills use, which are no names of unknown devices.
        """
        tokens: list[Token] = []
        index = 0
        while index < len(phrase):
            found = self._at(phrase, index, tokens)
            found = found or self._unknown_at(phrase, index, vocabulary, tokens)
            if found is None:
                tokens.append(phrase.tokens[index])
                index += 1
                continue
            start = index
            meant, index = found
            if tokens and not meant.place and re.fullmatch("ask|have|let|tell", tokens[-1].shape):
                tokens.pop()
                index += _is_next(phrase, index, "to")
            index += _is_next(phrase, index, ":")
            tokens.append(Token("device", meant.text, meant, phrase.tokens[start].before))
        return Phrase(tokens)

    def _at(
        self, phrase: Phrase, index: int, before: Sequence[Token]
    ) -> tuple[DevicePhrase, int] | None:
        match = phrase.match(self._phrase, index)
        if match is None or (before and _is_particle(before[-1], match["place"] or "")):
            return None
        end = phrase.index(match.end())
        following = phrase.tokens[end].shape if end < len(phrase) else ""
        if match["list"] and not match["place"] and not _stands_alone(before, following):
            return None
        if match["nominal"] and not (match["place"] and _stands_alone((), following)):
            return None
        end += _is_next(phrase, end, "'s")
        text = str(phrase[index:end])
        near = (*before[-1:], *phrase.tokens[end : end + 1])
        meant = self._also_fits(match, text, near) or self._meaning(match, text)
        return replace(meant, place=(match["place"] or "").strip()), end

    def _unknown_at(
        self,
        phrase: Phrase,
        index: int,
        vocabulary: frozenset[str],
        before: Sequence[Token],
    ) -> tuple[DevicePhrase, int] | None:
        match = phrase.match(self._unknown_noun, index)
        surely = match is not None
        match = match or phrase.match(self._unknown_place, index)
        if match is None:
            return None
        end, found = phrase.index(match.end()), match.groupdict()
        following = phrase.tokens[end] if end < len(phrase) else None
        if not surely and following and not _ends_phrase(following):
            return None
        joined = found.get("beside") or found.get("also")
        if joined and not (before and before[-1].kind == "device"):
            return None
        if found.get("also") and following and following.kind != "mark":
            return None
        word = found["word"] or found["device"]
        unlikely = word in STOP | _NO_DEVICE or is_verb(word) or stem(word) in vocabulary
        if unlikely and word.removesuffix("s") not in DEVICE_NOUNS:
            return None
        near = [self._names[name] for name in difflib.get_close_matches(word, self._names, n=2)]
        return DevicePhrase(
            str(phrase[index:end]),
            "unknown",
            place=(found["place"] or found.get("led") or "").strip(),
            problem=f"No connected device is called, or described as, {word!r}.",
            suggestions=tuple(near) or self._all,
            words=() if surely else phrase.tokens[index:end],
        ), end

    # ── meaning ─────────────────────────────────────────────────────────────────────────────────

    def _meaning(self, match: re.Match[str], text: str) -> DevicePhrase:
        excluded = self._listed(match["but"] or "")
        remaining = tuple(name for name in self._all if name not in excluded)
        if match["list"]:
            names = self._listed(match["list"])
            either = " or " in match["list"]
            return DevicePhrase(text, "any" if either else "each", names=names)
        if match["same"]:
            return DevicePhrase(text, "same")
        if match["other"]:
            return DevicePhrase(text, "other", plural=match["other"].split()[-1] not in _SINGULAR)
        if match["another"]:
            return DevicePhrase(text, "another")
        if match["every"]:
            return DevicePhrase(text, "each", names=remaining)
        if match["them"]:
            return DevicePhrase(text, "them", names=remaining, plural=True)
        if match["both"]:
            return _both(text, remaining)
        return self._described(match, text, remaining)

    def _also_fits(
        self, match: re.Match[str], text: str, near: Iterable[Token]
    ) -> DevicePhrase | None:
        """``the old server`` where both ``server`` and ``server-old`` are connected: unclear."""
        named = self._listed(match["list"] or "")
        if len(named) != 1:
            return None
        said = {token.shape for token in near} | _parts(named[0])
        others = tuple(
            name
            for name in self._all
            if name != named[0] and _parts(named[0]) < _parts(name) <= said
        )
        if not others:
            return None
        names = (*named, *others)
        problem = f"It could mean {' or '.join(names)}."
        return DevicePhrase(text, "unclear", problem=problem, suggestions=names)

    def _described(
        self, match: re.Match[str], text: str, remaining: tuple[str, ...]
    ) -> DevicePhrase:
        said = " ".join(
            match[group] or ""
            for group in ("quantified", "described", "after", "plain_after", "nominal")
        )
        noun = match["noun"] or match["described_noun"] or match["plain"] or match["kind"] or ""
        quantifier = (
            match["quantifier"] or match["article"] or match["plain_article"] or ""
        ).split()
        if "other" in said.split():
            several = noun not in _SINGULAR or not _ALL.isdisjoint(quantifier)
            return DevicePhrase(text, "other", plural=several)
        words = [found[0] for found in self._property.finditer(said)]
        if noun in self._kinds:
            words.append(self._kinds[noun])
        names = tuple(
            name
            for name in remaining
            if all(name in self._properties.get(word, ()) for word in words)
        )
        if not names:
            asked = " and ".join(map(repr, words)) or "left"
            problem = f"No connected device is {asked}."
            return DevicePhrase(text, "unknown", problem=problem, suggestions=self._all)
        if quantifier[:1] == ["both"]:
            return _both(text, names)
        if quantifier and quantifier[0] in ("any", "either", "a", "an"):
            return DevicePhrase(text, "any", names=names)
        every = quantifier[:1] in (["all"], ["every"], ["each"])
        one = match["nominal"] or noun in {*_SINGULAR, *self._kinds.values()}
        if one and not every and len(names) > 1:
            problem = f"{text!r} could be {' or '.join(names)}."
            return DevicePhrase(text, "unclear", problem=problem, suggestions=names)
        return DevicePhrase(text, "each", names=names)

    def _listed(self, text: str) -> tuple[str, ...]:
        found = (self._names[match[0]] for match in self._name.finditer(text))
        return tuple(dict.fromkeys(found))


def _parts(name: str) -> frozenset[str]:
    """The words that a device's name is made of."""
    return frozenset(re.split(r"[^a-z0-9]+", name.lower()))


def _properties(cards: Sequence[DeviceCard]) -> dict[str, tuple[str, ...]]:
    """The words that describe devices, each with the names of those it fits."""
    found: dict[str, tuple[str, ...]] = {}
    for card in cards:
        platform = card.platform.lower()
        words = {platform, card.kind.lower(), *(word.lower() for word in card.capabilities)}
        words |= {word for word, meant in _PLATFORM_WORDS.items() if meant == platform}
        for key, value in card.labels.items():
            words |= {form.lower() for form in (value, f"{key}={value}", f"{key} {value}")}
        for word in sorted(words):
            if re.fullmatch(r"[\w.+=-]+(?: [\w.+-]+)?", word) and word not in STOP:
                found[word] = (*found.get(word, ()), card.name)
    return found


def _alternatives(words: Iterable[str]) -> str:
    """A pattern for any of these words, the longest first; for none of them if there are none."""
    known = sorted(words, key=lambda word: (-len(word), word))
    return "|".join(map(re.escape, known)) if known else _NEVER


def _both(text: str, names: tuple[str, ...]) -> DevicePhrase:
    if len(names) == 2:
        return DevicePhrase(text, "each", names=names)
    return DevicePhrase(text, "same", plural=True)


def _stands_alone(before: Sequence[Token], following: str) -> bool:
    """True if a bare name means the device here, and is not an attribute of the next word."""
    if before and _ASK.fullmatch(before[-1].shape):
        return True
    return (
        following in ("", "'s", "instead", "fails")
        or not following[0].isalnum()
        or following in STOP
        or is_verb(following)
    )


def _is_particle(before: Token, place: str) -> bool:
    """True for ``turn on the lamp``: the word belongs to the verb and is no place."""
    return before.shape in ("turn", "switch", "power") and place.strip() == "on"


def _ends_phrase(token: Token) -> bool:
    return token.kind == "mark" or token.shape in STOP or is_verb(token.shape)


def _is_next(phrase: Phrase, index: int, shape: str) -> int:
    """1 if the token there has this shape, else 0: how many tokens to skip."""
    return int(index < len(phrase) and phrase.tokens[index].shape == shape)
