"""English, as far as requests to computers need it: stems, synonyms, verbs, words without weight.

Nothing here knows a skill or a device: those words come from the cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache


def bag(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


STOP = bag(
    """
    a an the this that these those my our your its their his her me us you i we they it
    them he she and or but of on in at to from by with for into onto as is are was were be
    been being am do does did done has have had will would can could should shall may
    might must please just also now then so too everything very there here what which who whose how
    much many when where why if else not no any some all every each both either up out off
    over about let lets let's s 's go sure want like need i'd i'll we'd would kindly
    thanks thank hub ok okay well really actually currently right still again together
    first next finally afterwards using via use one ones new same other already currently
    whether called named
    """
)
"""Words that say nothing of what is to be done."""

LIGHT = bag(
    """
    check show tell give look see inspect get know find report print display examine view
    """
)
"""Verbs that fit almost any skill: they count little when one is sought."""

_SYNONYMS = (
    "fetch download retrieve grab",
    "read cat open",
    "write save store record dump put",
    "delete remove erase rm unlink trash",
    "run execute launch invoke",
    "copy transfer sync",
    "search grep locate",
    "list ls enumerate",
    "wait sleep pause",
    "memory ram",
    "disk storage drive filesystem",
    "process program",
    "network interface ip nic",
    "directory folder dir",
    "notify alert notification",
    "page website url site web http webpage",
    "info information details overview summary",
    "usage used utilization utilisation full",
    "free left remaining available unused",
    "patch modify edit",
    "say speak announce",
    "picture photo image snapshot",
    "move drive go",
    "turn switch flip",
)

VERBS = bag(
    """
    add alert append ask back bring build calculate capture cat check clean clear close
    collect compare compute copy count create delete deploy display download drop dump
    edit empty erase examine execute fetch find follow get give go grab grep halt inspect
    install kill launch let list load locate look make measure merge modify monitor mount
    move notify open patch pause pick ping place play post pull push put query read reboot
    record remove rename replace report request resize restart retrieve retry rotate run
    save say search see send set show shut sleep snap speak start stop store summarise
    summarize switch sync take tell test transfer trash try turn unpack unmount update
    upgrade upload use verify view wait watch wipe write zip announce
    """
)
"""Words that may begin a command."""

QUESTION = bag("what which how who where is are does do")

TEXT_NOUNS = bag("word words text string line sentence phrase")
"""What may stand before a text in quotes and says no more than the quotes do."""

ANAPHORA = bag(
    """
    it that this them those these result results output outputs answer answers everything
    findings response responses contents content
    """
)
"""Words that mean what came out of earlier work."""

_IRREGULAR = {
    "ran": "run",
    "wrote": "write",
    "written": "write",
    "sent": "send",
    "found": "find",
    "took": "take",
    "taken": "take",
    "got": "get",
    "using": "use",
    "used": "use",
}


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A word without its ending, so that ``processes`` and ``process`` meet."""
    word = _IRREGULAR.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes", "zes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


_CONCEPTS: dict[str, str] = {}
for _group in _SYNONYMS:
    _words = _group.split()
    for _word in _words:
        _CONCEPTS.setdefault(stem(_word), stem(_words[0]))


@lru_cache(maxsize=4096)
def concept(word: str) -> str:
    """What a word means, as one stem for all of its synonyms."""
    key = stem(word)
    return _CONCEPTS.get(key, key)


GENERIC = concept("file")
"""What so many skills are about that it tells little."""

LIGHT_CONCEPTS = frozenset({GENERIC, *(concept(word) for word in LIGHT)})


def is_verb(word: str) -> bool:
    """True if the word may begin a command, in any of its forms."""
    return word in VERBS or (word not in STOP and stem(word) in _VERB_STEMS)


_VERB_STEMS = frozenset(stem(word) for word in VERBS)


def weighty(text: str) -> Iterator[str]:
    """The words of a text that carry weight, in lower case; ``snake_case`` and dots split."""
    return (word for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in STOP)


def concepts(text: str) -> Iterator[str]:
    """The meanings of the words of a text that carry weight."""
    return map(concept, weighty(text))
