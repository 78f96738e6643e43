"""Moving a file from one device to another, through whatever the fabric has for it.

No skill copies between devices. A pair does: one that reads a path and gives a token (such as a
hash), and one on the other side that takes the token and a path. The pair is found by schemas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from constellation.aip.cards import SkillCard

from .commands import Command, CommandReader
from .places import Place, Places, phrases, plain_text
from .problems import UnplacedError
from .results import earlier_values
from .schemas import Parameter, fields, parameters
from .steps import Step
from .tokens import Phrase, Token, pattern
from .words import STOP, concept

_CARRYING = ("copy", "send", "bring", "push", "upload", "share", "download")
_VERBS = frozenset(concept(word) for word in _CARRYING)
_MOVES = frozenset({"move", "moving"})
_POINTERS = frozenset({"it", "them", "that", "those"})
_JOINTS = frozenset({"and", ","})
_NOUNS = frozenset(map(concept, ("file", "folder", "directory", "copy", "document", "report")))
_PLAIN = STOP | {"onto", "into", "across", "directly", "new", "other"}
_SECOND = pattern(r"to|as|into|onto")
_TOWARDS = frozenset({"to", "onto", "into"})


@dataclass(frozen=True, slots=True)
class Pair:
    """Two skills that carry a file: ``token`` is what the first gives and the second takes."""

    put: SkillCard
    put_path: str
    get: SkillCard
    get_path: str
    token: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a clause wants carried.

    Attributes:
        files: path at the source and path at the destination, for each file.
        removes: the file is to be moved, not copied.
    """

    files: tuple[tuple[str, str], ...]
    removes: bool


def read_transfers(phrase: Phrase) -> list[tuple[Transfer, Phrase]]:
    """What a clause wants carried, each with the words that say it; nothing if it is another kind.

    Raises:
        UnplacedError: it says more than that, or not all of it.
    """
    parts = _parts(phrase)
    found = [(transfer, part) for part in parts if (transfer := _read_transfer(part))]
    if found and len(found) < len(parts):
        raise UnplacedError(str(phrase), "It does not say from where to where for each.", _FORMS)
    return found


def _parts(phrase: Phrase) -> list[Phrase]:
    """``copy A from x to y and B from z to y``: one clause each, if each says where."""
    tokens, cuts = phrase.tokens, [1]
    for index, (before, token) in enumerate(pairwise(tokens), 1):
        if token.kind == "path" and before.shape in _JOINTS and index > 1:
            cuts.append(index)
    parts = [phrase[start:end] for start, end in pairwise([*cuts, len(tokens)])]
    if len(parts) < 2 or not all(phrases(part) for part in parts):
        return [phrase]
    return [phrase[0:1] + _without_joints(part) for part in parts]


def _without_joints(part: Phrase) -> Phrase:
    end = len(part)
    while end and part.tokens[end - 1].shape in _JOINTS:
        end -= 1
    return part[:end]


def _read_transfer(phrase: Phrase) -> Transfer | None:
    words = [token.shape for token in phrase.tokens if token.kind == "word"]
    removes = bool(words) and words[0] in _MOVES
    if not words or not (removes or concept(words[0]) in _VERBS) or not phrases(phrase):
        return None
    if any(token.kind in ("quoted", "code", "url") for token in phrase.tokens):
        return None
    sources: list[str] = []
    target = ""
    before = ""
    for token in phrase.tokens:
        if token.kind == "path" and sources and _SECOND.fullmatch(before):
            target = token.text
        elif token.kind == "path":
            sources.append(token.text)
        before = token.shape
    towards = any(found.place in _TOWARDS for found in phrases(phrase))
    if sources and not (target or towards):
        _refuse_unknown_target(phrase)
    if not sources or (target and len(sources) > 1) or not (target or towards):
        return None
    unknown = [word for word in words[1:] if word not in _PLAIN and concept(word) not in _NOUNS]
    if unknown:
        raise UnplacedError(str(phrase), f"Nothing can be made of “{unknown[0]}”.", _FORMS)
    return Transfer(tuple((path, target or path) for path in sources), removes)


def _refuse_unknown_target(phrase: Phrase) -> None:
    """``copy a.txt from desk to server``, and there is no server: that is what to say of it."""
    for before, token in pairwise(phrase.tokens):
        if before.shape in _TOWARDS and token.kind == "word":
            problem = f"No connected device is called, or described as, {token.text!r}."
            raise UnplacedError(str(phrase), problem, _FORMS)


def with_named_file(phrase: Phrase, steps: Sequence[Step]) -> Phrase:
    """``copy it to laptop``: the clause with the file that was named before, and where it is."""
    words = [token.shape for token in phrase.tokens]
    carries = bool(words) and (words[0] in _MOVES or concept(words[0]) in _VERBS)
    towards = any(found.place in _TOWARDS for found in phrases(phrase))
    if not carries or not towards or not _POINTERS & set(words) or "<path>" in words:
        return phrase
    earlier = earlier_values(steps, phrase, "path")
    verb, *rest = (token for token in phrase.tokens if token.shape not in _POINTERS)
    tokens = [verb, *(Token("path", str(path), path) for _, path in earlier), *rest]
    holder = Place(tuple(name for name in earlier[-1][0].tasks if name))
    if holder.names and all(found.place in _TOWARDS for found in phrases(phrase)):
        tokens.append(Token("device", "", holder.phrase()))
    return Phrase(tokens)


def find_pair(skills: Sequence[SkillCard]) -> Pair | None:
    """The two skills that carry files, or None if no connected device has such."""
    for get in skills:
        needed = [parameter for parameter in parameters(get) if parameter.required]
        paths = [parameter for parameter in needed if parameter.kind == "path"]
        tokens = [parameter for parameter in needed if parameter.kind == "hash"]
        if not len(paths) == len(tokens) == 1 or len(needed) != 2:
            continue
        for put in skills:
            source = _only_path(put)
            if source and tokens[0].name in {field.path for field in fields(put.output)}:
                return Pair(put, source.name, get, paths[0].name, tokens[0].name)
    return None


def _only_path(skill: SkillCard) -> Parameter | None:
    needed = [parameter for parameter in parameters(skill) if parameter.required]
    return needed[0] if len(needed) == 1 and needed[0].kind == "path" else None


def transfer_commands(transfer: Transfer, phrase: Phrase, reader: CommandReader) -> list[Command]:
    """The commands that carry the files.

    Raises:
        UnplacedError: no skills can, or source or destination are unclear.
    """
    clause = str(phrase)
    pair = find_pair(reader.index.skills)
    if pair is None:
        raise UnplacedError(clause, "No connected device can hand files to another.")
    source, target = _ends(phrase, reader.places)
    commands: list[Command] = []
    for path, new_path in transfer.files:
        text = f"{plain_text(phrase)}: {{}} {path}"
        commands += [
            Command(text.format("put"), pair.put, {pair.put_path: path}, source, has_result=False),
            Command(
                text.format("get"),
                pair.get,
                {pair.get_path: new_path},
                target,
                takes={pair.token: pair.token},
                chained=True,
                has_result=False,
            ),
        ]
        if transfer.removes:
            remove = Phrase([Token("word", "delete"), Token("path", path, path)])
            (removal,) = reader.read(remove + _at(source), -1)
            commands.append(replace(removal, chained=True))
    for command in commands:
        reader.places.able(command.place, command.skill, clause)
    return commands


def _at(place: Place) -> Phrase:
    return Phrase([Token("device", place.names[0], place.phrase())])


def _ends(phrase: Phrase, places: Places) -> tuple[Place, Place]:
    """Where the files are, and where they are to go."""
    clause = str(phrase)
    found = phrases(phrase)
    towards = [each for each in found if each.place in _TOWARDS]
    others = [each for each in found if each.place not in _TOWARDS]
    if not towards and [each.place for each in others] in (["from", "on"], ["on", "on"]):
        others, towards = others[:1], others[1:]  # copy a.txt from desk to b.txt on laptop
    if len(towards) > 1 or len(others) > 1:
        raise UnplacedError(clause, "It names too many devices.", _FORMS)
    if others:
        source = places.meant(others[0], clause)
    elif places.last is not None:
        source = places.last
    else:
        there = {name for each in towards for name in each.names}
        forms = [f"{clause} from {c.name}" for c in places.cards if c.name not in there]
        raise UnplacedError(clause, "It does not say from which device.", forms)
    if len(source.names) != 1:
        raise UnplacedError(clause, "The file must come from one device.", _FORMS)
    places.remember(source)
    if not towards:
        return source, source
    target = places.meant(towards[0], clause)
    names = tuple(name for name in target.names if name not in source.names)
    if not names:
        raise UnplacedError(clause, "Source and destination are the same.", _FORMS)
    return source, replace(target, names=names)


_FORMS = ("copy notes.txt from NAME to NAME", "copy a.txt to b.txt on NAME")
