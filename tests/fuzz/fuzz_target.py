"""What a target of the fuzzer is, and what a batch of inputs does to one."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fuzz_mutation import Corpus, Mutator

Hit = Callable[[bytes], bool]
"""Takes an input; True if it was good. Whatever it raises is a defect."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes bytes of strangers.

    Attributes:
        name: short, with the part of the fabric before the dash.
        corpus: what its inputs are made of.
        start: makes whatever takes the inputs of one batch; batches do not know each other.
        share: of all inputs, relative to other targets.
        batch: inputs in a batch.
        fresh: more seeds for a batch, from its seed.
    """

    name: str
    corpus: Corpus
    start: Callable[[], Hit]
    share: float = 1.0
    batch: int = 2_000
    fresh: Callable[[int], Sequence[bytes]] | None = None

    def seed_of(self, seed: int, number: int) -> int:
        """The seed of a batch."""
        return zlib.crc32(f"{self.name} {seed} {number}".encode())

    def inputs(self, seed: int, number: int) -> list[bytes]:
        """The inputs of a batch, the same each time."""
        own = self.seed_of(seed, number)
        fresh = self.fresh(own) if self.fresh else ()
        return Mutator(self.corpus, own, fresh).batch(self.batch)


class Defect(Exception):
    """An input did what none may do.

    Attributes:
        index: of the input in its batch.
        data: the input.
    """

    def __init__(self, index: int, data: bytes) -> None:
        super().__init__(f"input {index}: {data[:200]!r}")
        self.index = index
        self.data = data


def run_batch(hit: Hit, inputs: Sequence[bytes]) -> int:
    """Try inputs; return how many were good.

    Raises:
        Defect: one of them raised; its cause says what.
    """
    good = 0
    for index, data in enumerate(inputs):
        try:
            if hit(data):
                good += 1
        except BaseException as error:
            raise Defect(index, data) from error
    return good
