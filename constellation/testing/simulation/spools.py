"""What tasks put out, on a disk in memory that survives its hub."""

from __future__ import annotations

from collections.abc import Collection

from constellation.orchestrator.spool import SpoolPort


class MemorySpool:
    """What `constellation.orchestrator.spool.Spool` is to a real hub."""

    def __init__(self) -> None:
        self.items = 0
        self._kept = bytearray()
        self._partial = b""

    @property
    def end(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        return len(self._kept)

    def write(self, data: bytes) -> int:
        lines, found, rest = (self._partial + data).rpartition(b"\n")
        self._partial = rest
        self._kept += lines + found
        count = (lines + found).count(b"\n")
        self.items += count
        return count

    def forget_partial(self) -> None:
        self._partial = b""

    def read(self, offset: int) -> bytes:
        return bytes(self._kept[offset : offset + 64])

    def find(self, index: int) -> int:
        if index > self.items:
            raise LookupError(index)
        return len(b"".join(bytes(self._kept).splitlines(keepends=True)[:index]))

    def trim(self, index: int) -> None:
        pass

    def close(self) -> None:
        self._partial = b""


class MemorySpools:
    """All of them."""

    def __init__(self) -> None:
        self._spools: dict[tuple[str, str], MemorySpool] = {}

    def has(self, constellation: str, stream: str) -> bool:
        return (constellation, stream) in self._spools

    def open(self, constellation: str, stream: str) -> SpoolPort:
        return self._spools.setdefault((constellation, stream), MemorySpool())

    def forget(self, constellation: str, stream: str | None = None) -> None:
        for each in [*self._spools]:
            if each[0] == constellation and stream in (None, each[1]):
                del self._spools[each]

    def keep(self, constellations: Collection[str]) -> None:
        for constellation, stream in [*self._spools]:
            if constellation not in constellations:
                self.forget(constellation, stream)
