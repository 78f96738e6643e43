"""``check the disk and the memory on every machine``: one verb, several objects."""

from __future__ import annotations

from .tokens import Phrase
from .words import STOP, is_verb

_JOINTS = frozenset({"and", ",", "&", "plus"})
_ARTICLES = frozenset({"the", "a", "an", "both", "its", "their"})


def conjuncts(phrase: Phrase) -> list[Phrase]:
    """The clause once for each of its objects; empty if it has only one.

    Each object gets the verb of the whole, and the device phrase that follows it, or else the one
    before it.
    """
    chunks = _chunks(phrase)
    if len(chunks) < 2:
        return []
    head = verb_of(chunks[0])
    if not head:
        return []
    places = [Phrase([t for t in chunk.tokens if t.kind == "device"]) for chunk in chunks]
    bare = [Phrase([t for t in chunk.tokens if t.kind != "device"]) for chunk in chunks]
    found = []
    for number, chunk in enumerate(bare):
        objects = chunk[len(head) :] if number == 0 else chunk
        if not len(objects):
            return []
        place = next(
            (place for place in [*places[number:], *reversed(places[:number])] if len(place)),
            Phrase(()),
        )
        found.append(head + objects + place)
    return found


def _chunks(phrase: Phrase) -> list[Phrase]:
    chunks: list[Phrase] = []
    start = 0
    for index in range(len(phrase) + 1):
        if index == len(phrase) or phrase.tokens[index].shape in _JOINTS:
            if index > start:
                chunks.append(phrase[start:index])
            start = index + 1
    return chunks


def verb_of(chunk: Phrase) -> Phrase:
    """The verb and the words up to the first object, device phrases left out."""
    words = [token for token in chunk.tokens if token.kind != "device"]
    for index, token in enumerate(words):
        begins_object = token.kind != "word" or (
            index > 0 and token.shape not in STOP and not is_verb(token.shape)
        )
        if begins_object:
            end = index
            while end > 1 and words[end - 1].shape in _ARTICLES:
                end -= 1
            return Phrase(words[:end])
    return Phrase(())
