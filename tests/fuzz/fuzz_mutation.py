"""Wrong inputs out of right ones, many and cheaply. The same seed gives the same inputs.

One step does for all mutations: a piece of an input is cut out and another put in its place. What
is cut and what is put in may be empty, so this deletes, inserts, overwrites, repeats and splices.
Lengths are mostly kept small, so that much of an input stays right and its reader gets far.
"""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 16_384
POOL = 1 << 12

BYTES = (b"", b"", b"\x00", b"\xff", b"\x7f", b"\x80", b"\xc0", b"\xc1", b"\x01", b" ")
TEXTS = tuple(
    text.encode()
    for text in (
        *("[", "]", "{", "}", '"', ",", ":", "0", "-1", "1e400", "null", "true", "[[[[", '{"a":'),
        *("\\ud800", "\\u0000", "\\", "NaN", "9" * 20, "1e-7", "é", '"":', "{}", "[]"),
    )
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is mutated.

    Attributes:
        seeds: right inputs.
        tokens: pieces that are put in, beside random bytes and pieces of the seeds.
        untouched: of so many inputs one is left as it is: fresh seeds may be wrong in themselves.
    """

    seeds: Sequence[bytes]
    tokens: Sequence[bytes] = BYTES
    untouched: int = 8


@dataclass(slots=True)
class Mutator:
    """Mutates a corpus.

    Args:
        corpus: see `Corpus`.
        seed: of all that is random.
        fresh: more seeds, for this mutator alone.
    """

    corpus: Corpus
    seed: int
    fresh: Sequence[bytes] = ()
    _random: random.Random = field(init=False)
    _seeds: list[bytes] = field(init=False)
    _pieces: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        pick = self._random = random.Random(self.seed)
        self._seeds = [*self.corpus.seeds, *self.fresh]
        noise = pick.randbytes(POOL)
        self._pieces = list(self.corpus.tokens)
        for _ in range(32):
            start = pick.randrange(POOL - 8)
            self._pieces.append(noise[start : start + pick.randrange(1, 5)])
            other = pick.choice(self._seeds)
            start = pick.randrange(len(other) or 1)
            self._pieces.append(other[start : start + pick.randrange(1, 48)])

    def batch(self, count: int) -> list[bytes]:
        """So many inputs."""
        seeds, pieces = self._seeds, self._pieces
        many, pieces_many, untouched = len(seeds), len(pieces), self.corpus.untouched
        dice = array("I", self._random.randbytes(4 * 16 * count))
        made = []
        at = 0
        for _ in range(count):
            data = seeds[dice[at] % many]
            how = dice[at + 1]
            if how % untouched:
                for step in range(at + 2, at + 4 + 2 * (how >> 8 & 3), 2):
                    where, what = dice[step], dice[step + 1]
                    start = where % (len(data) + 1)
                    cut = what & 7 if what & 0x300 else what >> 12 & 255
                    data = data[:start] + pieces[(what >> 10) % pieces_many] + data[start + cut :]
            made.append(data[:MOST_BYTES])
            at += 16
        return made


def value(pick: random.Random, depth: int) -> Any:
    """Plain data."""
    plain = [None, True, -1, 0, 7, 2**63, 1.5, "", "x" * 200, "reliable", "completed"]
    if depth == 0 or pick.random() < 0.7:
        return pick.choice(plain)
    if pick.random() < 0.5:
        return [value(pick, depth - 1) for _ in range(pick.randrange(4))]
    return {pick.choice("abcid"): value(pick, depth - 1) for _ in range(pick.randrange(3))}


def documents(seeds: Sequence[bytes], count: int, seed: int) -> list[bytes]:
    """JSON that can be read, in which some values are others, or absent."""
    pick = random.Random(seed)
    made = []
    for _ in range(count):
        tree = json.loads(pick.choice(seeds))
        for _ in range(pick.randrange(3)):
            _spoil(tree, pick)
        made.append(json.dumps(tree, separators=pick.choice([None, (",", ":")])).encode())
    return made


def _spoil(tree: Any, pick: random.Random) -> None:
    """Change one value, somewhere in a tree of lists and objects."""
    while isinstance(tree, dict | list) and tree:
        key: Any = pick.choice(list(tree)) if isinstance(tree, dict) else pick.randrange(len(tree))
        if isinstance(tree[key], dict | list) and tree[key] and pick.random() < 0.8:
            tree = tree[key]
        elif pick.random() < 0.2:
            del tree[key]
            return
        else:
            tree[key] = value(pick, 2)
            return
