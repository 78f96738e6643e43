"""Artifacts: bytes by content hash, kept as files.

A file is written beside its place and moved there when its hash is right, so a reader never sees
half of one, whatever dies when.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from constellation.errors import LimitExceeded, RemoteProtocolError, UnknownArtifactError

CHUNK_BYTES = 256 * 1024
_HASH_CHARS = frozenset("0123456789abcdef")


def is_hash(text: str) -> bool:
    """True for a lowercase hexadecimal SHA-256."""
    return len(text) == 64 and set(text) <= _HASH_CHARS


class ArtifactStore:
    """A folder of artifacts, bounded in bytes; the least recently used leave first.

    Args:
        root: the folder; made if missing.
        max_bytes: bound on what is kept.
    """

    def __init__(self, root: Path, *, max_bytes: int = 10 * 1024**3) -> None:
        self.root = root
        self.max_bytes = max_bytes
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in root.glob("*.part"):
            leftover.unlink(missing_ok=True)
        self._bytes = sum(entry.stat().st_size for entry in self._entries())

    def path(self, digest: str) -> Path:
        """Where an artifact lies.

        Raises:
            UnknownArtifactError: it is not here, or ``digest`` is no hash.
        """
        path = self.root / digest[:2] / digest
        if not is_hash(digest) or not path.is_file():
            raise UnknownArtifactError(f"There is no artifact {digest[:80]!r}.", hash=digest[:80])
        os.utime(path)
        return path

    def __contains__(self, digest: str) -> bool:
        return is_hash(digest) and (self.root / digest[:2] / digest).is_file()

    def receive(self, digest: str, size: int) -> ArtifactWriter:
        """Begin to take in an artifact whose hash and size the sender has stated.

        Raises:
            LimitExceeded: it is larger than the store.
            RemoteProtocolError: ``digest`` is no hash or ``size`` no size.
        """
        if not is_hash(digest) or size < 0:
            raise RemoteProtocolError("An artifact needs a SHA-256 in hexadecimal and a size.")
        if size > self.max_bytes:
            raise LimitExceeded(
                f"The artifact has {size:,} bytes; this store holds {self.max_bytes:,}.",
                remedy="Raise max_artifact_bytes in the hub's configuration.",
            )
        return ArtifactWriter(self, digest, size)

    def adopt(self, part: Path, digest: str, size: int) -> Path:
        """Move a finished file into its place and make room for it."""
        target = self.root / digest[:2] / digest
        if target.is_file():
            part.unlink()
            return target
        target.parent.mkdir(exist_ok=True, mode=0o700)
        part.replace(target)
        self._bytes += size
        if self._bytes > self.max_bytes:
            self._evict(keep=target)
        return target

    def _entries(self) -> Iterator[Path]:
        return (path for path in self.root.glob("??/*") if path.is_file())

    def _evict(self, keep: Path) -> None:
        oldest_first = sorted(self._entries(), key=lambda path: path.stat().st_mtime)
        for path in oldest_first:
            if self._bytes <= self.max_bytes:
                return
            if path != keep:
                self._bytes -= path.stat().st_size
                path.unlink()


class ArtifactWriter:
    """Takes the bytes of one artifact; `finish` checks them against the stated hash."""

    def __init__(self, store: ArtifactStore, digest: str, size: int) -> None:
        self._store = store
        self._digest = digest
        self._size = size
        self._written = 0
        self._hash = hashlib.sha256()
        handle, name = tempfile.mkstemp(suffix=".part", dir=store.root)
        self._part = Path(name)
        self._file = os.fdopen(handle, "wb")

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            RemoteProtocolError: more bytes came than were announced; the artifact is dropped.
        """
        self._written += len(data)
        if self._written > self._size:
            self.abort()
            raise RemoteProtocolError(f"More than the {self._size:,} bytes announced came.")
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> Path:
        """Put the artifact in its place.

        Raises:
            RemoteProtocolError: size or hash differ from what was announced; it is dropped.
        """
        if self._written != self._size or self._hash.hexdigest() != self._digest:
            self.abort()
            raise RemoteProtocolError(
                f"The bytes that came are not the artifact {self._digest}.",
                remedy="Send it again.",
            )
        self._file.close()
        return self._store.adopt(self._part, self._digest, self._size)

    def abort(self) -> None:
        """Drop what came so far; after `finish` this does nothing."""
        if not self._file.closed:
            self._file.close()
            self._part.unlink(missing_ok=True)
