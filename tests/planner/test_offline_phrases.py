"""The grammar by itself: tokens, phrases that mean devices, clauses and conditions."""

from __future__ import annotations

import pytest

from constellation.aip.cards import DeviceCard
from constellation.planner.offline.clauses import Clause, split
from constellation.planner.offline.devices import DeviceGrammar, DevicePhrase
from constellation.planner.offline.tokens import Phrase, tokenize

CARDS = (
    DeviceCard(name="desk", platform="linux", labels={"role": "office"}),
    DeviceCard(name="pi-2.local", platform="linux", capabilities=("gpu",), labels={"role": "db"}),
    DeviceCard(name="arm", kind="robot", platform="ros"),
    DeviceCard(name="mac", platform="darwin"),
)
NAMES = tuple(card.name for card in CARDS)


def _phrase(text: str) -> Phrase:
    grammar = DeviceGrammar(CARDS)
    return grammar.collapse(Phrase(list(tokenize(text, NAMES))), frozenset({"disk"}))


def _devices(text: str) -> list[DevicePhrase]:
    return [token.value for token in _phrase(text).tokens if token.kind == "device"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("read notes.txt.", "word path mark"),
        ('write "a, b; c" to ~/x', "word quoted word path"),
        ("say 'it's fine' now", "word quoted word"),
        ("don't `rm -rf /`!", "word code mark"),
        ("see https://a.b/c?d=e, ok", "word url mark word"),
        ("over 80%", "word number word"),
        ("wait 5s", "word number word"),
        ("in C:\\temp\\x and /var/log", "word path word path"),
        ("on pi-2.local and pi-2.local.txt", "word word word path"),
        ("and/or", "word word"),
        ("role=db *.log ./run.sh", "label path path"),
        ("e.g. this", "word mark word mark word"),
    ],
)
def test_tokens(text: str, kinds: str) -> None:
    assert " ".join(token.kind for token in tokenize(text, NAMES)) == kinds


@pytest.mark.parametrize("text", ["a,  b 'c' — d.e/f ${g} (h)", "desk's disk", "x\ty"])
def test_a_phrase_reads_as_it_was_typed(text: str) -> None:
    assert str(Phrase(list(tokenize(text)))) == " ".join(text.replace(" — ", " — ").split())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("on desk", ["desk"]),
        ("on the desk and on pi-2.local", ["desk", "pi-2.local"]),
        ("on both linux machines", ["desk", "pi-2.local"]),
        ("on every machine except desk and arm", ["pi-2.local", "mac"]),
        ("on the machines labelled role=db", ["pi-2.local"]),
        ("on the db machine", ["pi-2.local"]),
        ("on all machines with a gpu", ["pi-2.local"]),
        ("on the machine whose role is office", ["desk"]),
        ("on machines running linux", ["desk", "pi-2.local"]),
        ("on all robots", ["arm"]),
        ("with the robot", ["arm"]),
        ("everywhere but not on mac", ["desk", "pi-2.local", "arm"]),
        ("on the office", ["desk"]),
        ("check desk's disk", ["desk"]),
        ("ask desk to rest", ["desk"]),
        ("desk: rest", ["desk"]),
    ],
)
def test_devices_that_are_meant(text: str, names: list[str]) -> None:
    (found,) = _devices(text)
    assert (found.mode, list(found.names)) == ("each", names)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("on any linux machine", "any"),
        ("on desk or mac", "any"),
        ("there", "same"),
        ("on the same machine", "same"),
        ("on the other one", "other"),
        ("on another machine", "another"),
        ("elsewhere", "another"),
        ("on all of them", "them"),
        ("on the linux machine", "unclear"),
        ("on mars", "unknown"),
        ("from the moon machine", "unknown"),
        ("on the windows machines", "unknown"),
    ],
)
def test_ways_to_mean_devices(text: str, mode: str) -> None:
    (found,) = _devices(text)
    assert found.mode == mode


@pytest.mark.parametrize(
    "text",
    [
        "read the desk notes",
        "turn on disk",
        "at the same time",
        "on failure",
        "there is more",
        "on disk",
        "at once",
    ],
)
def test_words_that_mean_no_device(text: str) -> None:
    assert _devices(text) == []


def _clauses(text: str) -> list[tuple[str, str, str]]:
    def told(clause: Clause) -> str:
        condition = clause.condition
        if condition is None:
            return ""
        return f"{'not ' if condition.negated else ''}{condition.kind}: {condition.text}"

    return [(each.link, each.text, told(each)) for each in split(_phrase(text), frozenset())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Read a.txt. Then read b.txt; finally read c.txt",
            [("start", "Read a.txt", ""), ("then", "read b.txt", ""), ("then", "read c.txt", "")],
        ),
        (
            "read a.txt and b.txt and list x/",
            [("start", "read a.txt and b.txt", ""), ("and", "list x/", "")],
        ),
        (
            "read a.txt while listing x/",
            [("start", "read a.txt", ""), ("together", "listing x/", "")],
        ),
        (
            "read a.txt and list x/ at the same time",
            [("start", "read a.txt", ""), ("together", "list x/", "")],
        ),
        (
            "read a.txt and list x/ all at once",
            [("start", "read a.txt", ""), ("together", "list x/", "")],
        ),
        (
            "read a.txt after listing x/",
            [("start", "listing x/", ""), ("then", "read a.txt", "")],
        ),
        (
            "before reading a.txt, list x/",
            [("start", "list x/", ""), ("then", "reading a.txt", "")],
        ),
        (
            "once both of them are done, read a.txt",
            [("start", "read a.txt", "nothing: once both of them are done")],
        ),
        (
            "read a.txt if b.txt exists",
            [("start", "read a.txt", "event: b.txt exists")],
        ),
        (
            "list x/, and if it fails read a.txt, otherwise read b.txt",
            [
                ("start", "list x/", ""),
                ("and", "read a.txt", "failure: it fails"),
                ("and", "read b.txt", "success: not it fails"),
            ],
        ),
        (
            "unless the page says ok, read a.txt",
            [("start", "read a.txt", "not test: not the page says ok")],
        ),
        (
            "if the disk is over 80 % full and read a.txt",
            [("start", "read a.txt", "test: the disk is over 80 % full")],
        ),
        (
            "should it fail, read a.txt; in any case read b.txt",
            [
                ("start", "read a.txt", "failure: it fail"),
                ("then", "read b.txt", "completion: in any case"),
            ],
        ),
        ("please, could you read a.txt for me?", [("start", "read a.txt", "")]),
        ("and then, then.", []),
    ],
)
def test_clauses(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert _clauses(text) == expected
