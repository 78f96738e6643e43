"""Reading a skill's arguments out of a clause, by the skill's JSON Schema."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .freetext import as_said, free_text, instruction, leading, pointers
from .quantities import one_of_unit, quantity
from .schemas import Parameter, type_of
from .tokens import Phrase, Token, pattern
from .words import STOP, bag, concept, is_verb

_LITERALS = frozenset({"number", "quoted", "code", "url", "path", "label"})
_TITLE_NAMES = frozenset({"title", "name", "subject", "heading"})
_TITLE_CUE = pattern(r"(?:titled|called|named|entitled|headed|with the title|title)")
_NAMED_PLACE = pattern(
    r"(?:folder|directory|dir)(?: called| named)? (?P<after>[\w-]+)"
    r"|the (?P<before>[\w-]+) (?:folder|directory|dir)"
)
_WORKING_FOLDER = pattern(
    r"(?:in|inside|within|under|from)(?: the)?(?: (?P<noun>folder|directory|dir))? "
    r"(?P<path><path>|<quoted>)"
)
_INSIDE = frozenset({"in", "inside", "within", "under", "of"})
_ARTICLES = frozenset({"the", "my", "its"})
_NO_FOLDERS = bag(
    """
    file files folder folders directory directories document documents content contents text
    order detail details parallel turn total general full sequence time name names
    """
)
_INPUT = frozenset(map(concept, ("input", "stdin")))
_SWITCHES = bag("on enabled active power powered")


@dataclass(slots=True)
class Reading:
    """What a clause says of a skill's arguments.

    Attributes:
        arguments: the values found.
        used: indices of the tokens that they were read from.
        loose: those among them that are plain words, without quotes.
        content: the parameters that earlier results are to fill.
        borrowed: the parameters whose value is that of an earlier command (``read it``).
        missing: required parameters without a value.
        free: parameters whose value was read from plain words, without quotes.
        leftover: literals that no parameter took.
        speaks_of_earlier: it holds ``it``, ``the results`` or the like.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    loose: set[int] = field(default_factory=set)
    content: list[Parameter] = field(default_factory=list)
    borrowed: list[Parameter] = field(default_factory=list)
    missing: list[Parameter] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    leftover: list[Token] = field(default_factory=list)
    speaks_of_earlier: bool = False

    @property
    def stated(self) -> set[int]:
        """The tokens that can be nothing but values."""
        return self.used - self.loose

    @property
    def unheard(self) -> bool:
        """True if the clause speaks of earlier work, and no parameter has a use for that."""
        return self.speaks_of_earlier and not (self.content or self.borrowed)

    @property
    def complete(self) -> bool:
        return not self.missing and not self.leftover


def read_arguments(
    parameters: Sequence[Parameter], phrase: Phrase, verbs: Collection[str] = ()
) -> Reading:
    """Read what a clause states; device tokens are not values.

    Args:
        parameters: the skill's, required ones first.
        phrase: the clause.
        verbs: stems of the words by which a request for the skill may begin.
    """
    reader = _Reader(parameters, phrase, verbs)
    reader.read()
    return reader.reading


class _Reader:
    def __init__(
        self, parameters: Sequence[Parameter], phrase: Phrase, verbs: Collection[str]
    ) -> None:
        self.parameters = parameters
        self.phrase = phrase
        self.verbs = verbs
        self.reading = Reading()
        self.anaphora = pointers(phrase)

    def read(self) -> None:
        self._choices()
        self._titles()
        self._take_kind("url", ("url",))
        self._searched_names()
        self._patterns()
        self._take_kind("path", ("path",))
        self._working_folder()
        self._take_kind("command", ("code", "quoted"))
        self._take_kind("code", ("code", "quoted"))
        self._hashes()
        self._take_text(("quoted", "code"))
        self._take_kind("path", ("quoted",))
        self._named_places()
        self._bare_places()
        self._numbers()
        self._flags()
        self._instructions()
        self._results()
        self._free_text()
        self._conclude()

    # ── helpers ─────────────────────────────────────────────────────────────────────────────────

    def _open(self, kind: str) -> Iterator[Parameter]:
        taken = {parameter.name for parameter in self.reading.content}
        for parameter in self.parameters:
            unset = parameter.name not in self.reading.arguments and parameter.name not in taken
            if parameter.kind == kind and unset:
                yield parameter

    def _tokens(self, *kinds: str) -> list[int]:
        return [
            index
            for index, token in enumerate(self.phrase.tokens)
            if token.kind in kinds and index not in self.reading.used
        ]

    def _shape(self, index: int) -> str:
        inside = 0 <= index < len(self.phrase)
        return self.phrase.tokens[index].shape if inside else ""

    def _set(self, parameter: Parameter, value: Any, *used: int) -> None:
        self.reading.arguments[parameter.name] = value
        self.reading.used.update(used)

    # ── literals ────────────────────────────────────────────────────────────────────────────────

    def _choices(self) -> None:
        for parameter in self._open("choice"):
            options = {str(option).lower(): option for option in parameter.schema["enum"]}
            for index, token in enumerate(self.phrase.tokens):
                if token.kind == "word" and token.shape in options:
                    self._set(parameter, options[token.shape], index)
                    break

    def _titles(self) -> None:
        """``titled "…"``: quoted text that a word before it gives to a title."""
        for parameter in self.parameters:
            if parameter.kind == "text" and parameter.name.lower() in _TITLE_NAMES:
                for index in self._tokens("quoted"):
                    if _TITLE_CUE.fullmatch(self._shape(index - 1)):
                        self._set(parameter, self.phrase.tokens[index].value, index - 1, index)
                        break

    def _searched_names(self) -> None:
        """``search for notes.txt in /docs``: what follows ``for`` is sought, not the place."""
        if len(self._tokens("path")) < 2:
            return
        for parameter in self._open("text"):
            for index in self._tokens("path"):
                if self._shape(index - 1) == "for":
                    self._set(parameter, self.phrase.tokens[index].value, index)
                    return

    def _patterns(self) -> None:
        """``list *.log``: a name with ``*`` or ``?`` in it, for a skill that takes such."""
        for parameter in list(self._open("pattern")):
            for index in self._tokens("path"):
                if re.search(r"[*?]", self.phrase.tokens[index].value):
                    self._set(parameter, self.phrase.tokens[index].value, index)
                    break

    def _working_folder(self) -> None:
        """``run `make` in /src``: only a path that is said to be where the work is done."""
        match = _WORKING_FOLDER.search(self.phrase.shape)
        for parameter in list(self._open("folder")):
            index = self.phrase.index(match.start("path")) if match else -1
            if match and index not in self.reading.used:
                noun = self.phrase.index(match.start("noun")) if match["noun"] else index
                self._set(parameter, self.phrase.tokens[index].value, noun, index)

    def _take_kind(self, kind: str, literals: tuple[str, ...]) -> None:
        for parameter in list(self._open(kind)):
            for index in self._tokens(*literals):
                value = self.phrase.tokens[index].value
                if kind == "command" and type_of(parameter.schema) == "array":
                    value = _argv(value)
                if kind in ("command", "code") and self._given(kind):
                    continue
                if value:
                    self._set(parameter, value, index)
                    break

    @property
    def _runs(self) -> bool:
        return any(parameter.kind in ("command", "code") for parameter in self.parameters)

    def _spoken_of(self, parameter: Parameter) -> list[int]:
        """``with the input 'y'``: beside a command, a text is for what the words say."""
        names = {*parameter.words, *(_INPUT if parameter.name.lower() == "stdin" else ())}
        return [index for index, token in enumerate(self.phrase.tokens) if token.concept in names]

    def _given(self, kind: str) -> bool:
        """True if another parameter of this kind (``argv`` beside ``command``) has its value."""
        return any(p.kind == kind and p.name in self.reading.arguments for p in self.parameters)

    def _take_text(self, literals: tuple[str, ...]) -> None:
        for parameter in sorted(self._open("text"), key=_by_need):
            for index in self._tokens(*literals):
                if not parameter.required and parameter.name.lower() in _TITLE_NAMES:
                    continue
                spoken_of = self._spoken_of(parameter) if self._runs else []
                if self._runs and not spoken_of:
                    continue
                self._set(parameter, self.phrase.tokens[index].value, index, *spoken_of)
                break

    def _named_places(self) -> None:
        """``the folder logs``, ``the logs folder``."""
        for parameter in self._open("path"):
            match = _NAMED_PLACE.search(self.phrase.shape)
            word = match and (match["after"] or match["before"])
            if not match or not word or word in STOP or is_verb(word):
                continue
            group = "after" if match["after"] else "before"
            index = self.phrase.index(match.start(group))
            self._set(parameter, self.phrase.tokens[index].text, index)

    def _bare_places(self) -> None:
        """``list the files in logs``: a folder without a word that says so, if that is optional.

        Left out, it would mean another place. So it is read, and at worst there is no such folder.
        """
        for parameter in self._open("path"):
            for index in self._tokens("word")[1:] if not parameter.required else ():
                ends = not self._shape(index + 1) or self.phrase.tokens[index + 1].kind != "word"
                article = 1 if self._shape(index - 1) in _ARTICLES else 0
                inside = self._shape(index - 1 - article) in _INSIDE
                if ends and inside and self._shape(index) not in STOP | _NO_FOLDERS:
                    self._set(parameter, self.phrase.tokens[index].text, index)
                    return

    def _hashes(self) -> None:
        for parameter in list(self._open("hash")):
            for index in self._tokens("quoted", "code"):
                value = self.phrase.tokens[index].value
                if re.fullmatch(r"[0-9a-f]{64}", value):
                    self._set(parameter, value, index)

    # ── numbers and flags ───────────────────────────────────────────────────────────────────────

    def _numbers(self) -> None:
        for parameter in list(self._open("number")):
            for index in self._tokens("number"):
                alone = len(self._tokens("number")) == 1
                found = quantity(parameter, self.phrase, index, alone=alone)
                if found is not None:
                    value, used = found
                    whole = type_of(parameter.schema) == "integer"
                    self._set(parameter, round(value) if whole else value, *used)
                    break
            else:
                one = one_of_unit(parameter, self.phrase)
                if one and (parameter.required or self._shape(one[1][0] - 1) == "for"):
                    self._set(parameter, one[0], *one[1])

    def _flags(self) -> None:
        for parameter in list(self._open("boolean")):
            for index, token in enumerate(self.phrase.tokens):
                if token.shape in ("on", "off") and parameter.name.lower() in _SWITCHES:
                    self._set(parameter, token.shape == "on", index)
                elif token.concept and concept(token.shape.removesuffix("ly")) in parameter.words:
                    self.reading.arguments[parameter.name] = True
                    self.reading.used.update([index] if index else [])  # the verb says more

    # ── words ───────────────────────────────────────────────────────────────────────────────────

    def _results(self) -> None:
        """``write the result to …``: content that earlier work provides; ``read it``: its path."""
        if not self.anaphora:
            return
        wanting = [
            parameter
            for parameter in self.parameters
            if parameter.content and parameter.name not in self.reading.arguments
        ]
        if wanting:
            self.reading.content.append(min(wanting, key=_as_container))
            self.reading.used.update(self.anaphora)
            return
        for kind in ("path", "url"):
            for parameter in self._open(kind):
                if parameter.required:
                    self.reading.borrowed.append(parameter)
                    self.reading.used.update(self.anaphora)
                    return

    def _instructions(self) -> None:
        """``track the blue ball``, for a parameter that takes the words of the task itself."""
        for parameter in list(self._open("instruction")):
            taken = self.reading.used | set(leading(self.phrase, self.reading.used))
            span = instruction(self.phrase, taken, self.verbs)
            if span:
                self.reading.used.update(taken)
                # The verb has to be a word of the skill all the same.
                self._set(parameter, as_said(self.phrase, span), *span[1:])
                self.reading.free.append(parameter.name)
                self.reading.loose.update(span[1:])

    def _free_text(self) -> None:
        """Plain words for a required text: those after ``for`` or ``saying``, else the object."""
        for parameter in list(self._open("text")):
            if not parameter.required:
                continue
            span = free_text(self.phrase, self.reading.used, anywhere=not parameter.content)
            if span:
                text = str(self.phrase[span[0] : span[-1] + 1])
                self._set(parameter, text, *span)
                self.reading.free.append(parameter.name)
                self.reading.loose.update(span)

    def _conclude(self) -> None:
        reading = self.reading
        reading.speaks_of_earlier = bool(self.anaphora)
        filled = {parameter.name for parameter in (*reading.content, *reading.borrowed)}
        reading.missing = [
            parameter
            for parameter in self.parameters
            if (parameter.required or (parameter.kind == "instruction" and self.anaphora))
            and parameter.name not in reading.arguments
            and parameter.name not in filled
        ]
        reading.leftover = [
            token
            for index, token in enumerate(self.phrase.tokens)
            if token.kind in _LITERALS and index not in reading.used
        ]


def _by_need(parameter: Parameter) -> tuple[bool, bool]:
    return not parameter.required, not parameter.content


def _as_container(parameter: Parameter) -> tuple[bool, bool]:
    """Required ones first, then a list that takes each result by itself."""
    return not parameter.required, parameter.kind != "list"


def _argv(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []
