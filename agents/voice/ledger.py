"""What of an answer reached the ear: samples played, mapped to words. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from .events import Word


class Ledger:
    """The sound of one answer, as it is made and played.

    Attributes:
        samples: of sound that was made.
        played: samples that reached the ear, the furthest ever.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.played = 0
        self._words: list[str] = []
        self._ends: list[int] = []

    def add(self, words: Iterable[Word], samples: int) -> None:
        """Append sound; the ends of its words are counted from its own start."""
        for word in words:
            self._words.append(word.text)
            self._ends.append(self.samples + min(max(word.end, 0), samples))
        self.samples += samples

    def advance(self, played: int) -> bool:
        """Note how far it was played; return whether that is further than before."""
        further = min(played, self.samples)
        if further <= self.played:
            return False
        self.played = further
        return True

    @property
    def all_played(self) -> bool:
        return self.played == self.samples

    @property
    def heard(self) -> str:
        """The words whose last sample was played."""
        return " ".join(self._words[: self._count()])

    @property
    def text(self) -> str:
        """All words, heard or not."""
        return " ".join(self._words)

    def resume_point(self) -> int:
        """The sample at which the first word starts that was not heard to its end."""
        count = self._count()
        return self._ends[count - 1] if count else 0

    def _count(self) -> int:
        return bisect_right(self._ends, self.played)
