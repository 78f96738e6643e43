"""Who put which artifact, and how much of the store each fills. Kept beside the artifacts.

Beside an artifact lies a file with the names of the credentials that have put it, a line each.
Several may put the same bytes: it counts for each of them, and goes when the last has let go of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".who"


class Holders:
    """The holders of all artifacts of one store."""

    def __init__(self) -> None:
        self._of: dict[str, set[str]] = {}
        self._bytes: Counter[str] = Counter()

    def load(self, place: Path, size: int) -> None:
        """Read who holds the artifact of that place."""
        try:
            lines = _beside(place).read_text("utf-8", "replace").splitlines(keepends=True)
        except FileNotFoundError:
            return
        # A crash may have left a part of the last name, which might be another's.
        for name in (line[:-1] for line in lines if line.endswith("\n")):
            self._note(place.name, size, name)

    def add(self, place: Path, size: int, name: str) -> None:
        """Somebody has put it.

        Raises:
            OSError: it cannot be written down.
        """
        if name and name not in self._of.get(place.name, ()):
            with _beside(place).open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
            self._note(place.name, size, name)

    def _note(self, digest: str, size: int, name: str) -> None:
        held = self._of.setdefault(digest, set())
        if name not in held:
            held.add(name)
            self._bytes[name] += size

    def drop(self, place: Path, size: int, name: str) -> bool:
        """Somebody has let go of it; True if nobody holds it any more.

        Raises:
            OSError: it cannot be written down.
        """
        held = self._of.get(place.name, set())
        held.discard(name)
        self._bytes[name] -= size
        if held:
            _beside(place).write_text("".join(f"{each}\n" for each in sorted(held)), "utf-8")
        return not held

    def forget(self, place: Path, size: int) -> None:
        """It is gone."""
        for name in self._of.pop(place.name, ()):
            self._bytes[name] -= size
        _beside(place).unlink(missing_ok=True)

    def has(self, digest: str, name: str) -> bool:
        """True if somebody has put it."""
        return name in self._of.get(digest, ())

    def bytes_of(self, name: str) -> int:
        """How much somebody fills."""
        return self._bytes[name]

    def held_by(self, name: str, digests: Iterator[str]) -> Iterator[str]:
        """Those of some artifacts that somebody has put, in their order."""
        return (each for each in digests if self.has(each, name))


def _beside(place: Path) -> Path:
    return place.with_name(place.name + SUFFIX)
