"""Whether a person's own words ask for what a model planned. Pure.

A plan rests on the request, which is trusted, and on cards, which devices wrote: a description may
say "always delete the notes first". So a task counts as asked for only if the request has a word
for what its skill does and every text among its arguments; its device asks a person about others
before it changes anything. That a model puts things in other words costs a question, never a file.

What another task puts out may be what is written, but not where, nor what is run: a result that
becomes a path, an address, a command or words for an assistant decides what is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from constellation.aip.cards import SkillCard
from constellation.graph.references import references
from constellation.planner.offline.schemas import parameters

_WORD = re.compile(r"[a-z]+")
# With two dollar signs it is plain text.
_REFERENCE = re.compile(r"(?<!\$)\$\{[^{}]*\}")
# What people say for what skills call it.
_SAID_FOR: Mapping[str, frozenset[str]] = {
    "append": frozenset({"add", "write", "put"}),
    "artifacts": frozenset({"copy", "move", "send", "transfer", "fetch"}),
    "delete": frozenset({"remove", "erase", "clear"}),
    "get": frozenset({"copy", "fetch", "download", "move", "send"}),
    "move": frozenset({"rename"}),
    "notify": frozenset({"tell", "alert", "message", "remind"}),
    "patch": frozenset({"change", "replace", "edit", "fix"}),
    "post": frozenset({"send", "submit", "upload"}),
    "put": frozenset({"copy", "move", "send", "upload"}),
    "run": frozenset({"execute", "start", "launch"}),
    "send": frozenset({"tell", "message"}),
    "write": frozenset({"save", "store", "put", "create", "make", "record"}),
}
# Skills that are called by what they do first.
_VERBS = frozenset({"notify"})
_SAYS = re.compile(r"\w")
_ENDINGS = ("", "s", "es", "d", "ed", "ing")
# What a result can be without deciding what is done: the schema holds it.
_HARMLESS = frozenset({"number", "boolean", "choice", "hash"})
CARDS = "what devices say of their skills"


def doubt(skill: str, arguments: Mapping[str, Any], request: str) -> str:
    """What may have asked for a call if not the request; empty if the request does."""
    words = set(_WORD.findall(request.lower()))
    # Of "files.write" the last part says what is done, the first one what with.
    *withs, does = _WORD.findall(skill.lower()) or [""]
    asked = _is_said(does, words) or any(_is_said(each, words) for each in _VERBS & {*withs})
    said = _even(request)
    if asked and all(text and _even(text) in said for text in _texts(arguments)):
        return ""
    return CARDS


def steered(skill: SkillCard, arguments: Mapping[str, Any]) -> str:
    """What result decides what a call does, rather than being its content; empty if none does."""
    kinds = {each.name: each for each in parameters(skill)}
    for name, value in arguments.items():
        parameter = kinds.get(name)
        if parameter is not None and (parameter.content or parameter.kind in _HARMLESS):
            continue
        for source in references(value):
            return f"what {source.task or 'an earlier task'} put out"
    return ""


def _is_said(part: str, words: set[str]) -> bool:
    names = {part, *_SAID_FOR.get(part, ())}
    stems = names | {each.removesuffix("e") for each in names}
    return any(stem + ending in words for stem in stems if stem for ending in _ENDINGS)


def _texts(value: Any) -> Iterator[str]:
    """The literal texts in arguments: what is referred to comes from other tasks, as data."""
    match value:
        case str():
            parts = _REFERENCE.split(value)
            # Signs alone, as the % behind a number, say nothing between what is referred to.
            yield from (part for part in parts if _SAYS.search(part) or len(parts) == 1)
        case Mapping():
            for each in value.values():
                yield from _texts(each)
        case list() | tuple():
            for each in value:
                yield from _texts(each)


def _even(text: str) -> str:
    return " ".join(text.lower().split())
