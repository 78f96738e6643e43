"""Artifacts: bytes by content hash, kept as files.

A file is written beside its place and moved there when its hash is right, so a reader never sees
half of one, whatever dies when. Who put it is kept beside it (`holders`).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from constellation.errors import (
    ConfigError,
    LimitExceeded,
    RemoteProtocolError,
    UnknownArtifactError,
)

from .holders import Holders

CHUNK_BYTES = 256 * 1024
_HASH_CHARS = frozenset("0123456789abcdef")


def is_hash(text: str) -> bool:
    """True for a lowercase hexadecimal SHA-256."""
    return len(text) == 64 and set(text) <= _HASH_CHARS


class ArtifactStore:
    """A folder of artifacts, bounded in bytes; the least recently used leave first.

    Args:
        root: the folder; made if missing.
        max_bytes: bound on what is kept and what is being taken in, together.
        max_bytes_each: bound on what one holder has put; None for none but ``max_bytes``.

    Raises:
        ConfigError: the folder cannot be made or read.
    """

    def __init__(
        self, root: Path, *, max_bytes: int = 10 * 1024**3, max_bytes_each: int | None = None
    ) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self.max_bytes_each = min(max_bytes, max_bytes_each or max_bytes)
        self.holders = Holders()
        # Sizes by hash, the least recently used first.
        self._kept: dict[str, int] = {}
        self._kept_bytes = 0
        self._incoming_bytes = 0
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for leftover in root.glob("*.part"):
                leftover.unlink(missing_ok=True)
            found = [(path, path.stat()) for path in root.glob("??/*") if is_hash(path.name)]
        except OSError as error:
            raise ConfigError(
                f"The artifacts in {root} cannot be kept: {error.strerror or error}.",
                remedy="Let the hub's user write there, or name another --state-dir.",
                path=str(root),
            ) from error
        for path, status in sorted(found, key=lambda each: each[1].st_mtime):
            self._kept[path.name] = status.st_size
            self._kept_bytes += status.st_size
            self.holders.load(path, status.st_size)

    def path(self, digest: str) -> Path:
        """Where an artifact lies.

        Raises:
            UnknownArtifactError: it is not here, or ``digest`` is no hash.
        """
        if digest not in self:
            raise UnknownArtifactError(f"There is no artifact {digest[:80]!r}.", hash=digest[:80])
        self._kept[digest] = self._kept.pop(digest)
        path = self._place(digest)
        # The time is what tells after a restart how long it was not used.
        os.utime(path)
        return path

    def __contains__(self, digest: str) -> bool:
        return digest in self._kept and self._place(digest).is_file()

    def has(self, digest: str) -> bool:
        """True if it need not be sent to be put."""
        return digest in self

    def hold(self, digest: str, holder: str) -> None:
        """One that is here counts as put by another holder too.

        Raises:
            LimitExceeded: the disk does not take that.
        """
        with _disk():
            self.holders.add(self._place(digest), self._kept[digest], holder)
            self._make_room(holder)

    async def fetch(self, digest: str) -> None:
        """What is not here is nowhere else."""

    def receive(self, digest: str, size: int, holder: str = "") -> ArtifactWriter:
        """Begin to take in an artifact whose hash and size the sender has stated.

        Args:
            holder: the credential that puts it; empty for none.

        Raises:
            LimitExceeded: there is no room for it beside what is being taken in, or it is larger
                than what one holder may fill.
            RemoteProtocolError: ``digest`` is no hash or ``size`` no size.
        """
        if not is_hash(digest) or size < 0:
            raise RemoteProtocolError("An artifact needs a SHA-256 in hexadecimal and a size.")
        if holder and size > self.max_bytes_each:
            raise LimitExceeded(
                f"The artifact has {size:,} bytes; one credential may fill "
                f"{self.max_bytes_each:,}.",
                remedy="Send it in smaller pieces, or raise hub.artifacts_bytes_each.",
            )
        if size > self.max_bytes - self._incoming_bytes:
            raise LimitExceeded(
                f"The artifact has {size:,} bytes; this store holds {self.max_bytes:,}, of which "
                f"{self._incoming_bytes:,} are for others that are on their way.",
                remedy="Send it later, or in smaller pieces.",
            )
        with _disk():
            writer = ArtifactWriter(self, digest, size, holder)
        self._incoming_bytes += size
        return writer

    def adopt(self, part: Path, digest: str, size: int, holder: str = "") -> Path:
        """Move a finished file into its place and make room for it."""
        target = self._place(digest)
        if digest in self:
            part.unlink()
        else:
            target.parent.mkdir(exist_ok=True, mode=0o700)
            part.replace(target)
        self._kept_bytes += size - self._kept.pop(digest, 0)
        self._kept[digest] = size
        self.holders.add(target, size, holder)
        self._make_room(holder)
        return target

    def release(self, size: int) -> None:
        """An artifact that was announced with this size is not on its way any more."""
        self._incoming_bytes -= size

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def _make_room(self, holder: str) -> None:
        holders = self.holders
        while holder and holders.bytes_of(holder) > self.max_bytes_each:
            oldest = next(holders.held_by(holder, iter(self._kept)))
            if holders.drop(self._place(oldest), self._kept[oldest], holder):
                self._remove(oldest)
        while self._kept_bytes > self.max_bytes:
            self._remove(next(iter(self._kept)))

    def _remove(self, digest: str) -> None:
        size, place = self._kept.pop(digest), self._place(digest)
        self._kept_bytes -= size
        self.holders.forget(place, size)
        place.unlink(missing_ok=True)


class ArtifactWriter:
    """Takes the bytes of one artifact; `finish` checks them against the stated hash."""

    def __init__(self, store: ArtifactStore, digest: str, size: int, holder: str) -> None:
        self._store = store
        self._holder = holder
        self._digest = digest
        self._size = size
        self._written = 0
        self._hash = hashlib.sha256()
        handle, name = tempfile.mkstemp(suffix=".part", dir=store.root)
        self._part = Path(name)
        self._file = os.fdopen(handle, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            RemoteProtocolError: more bytes came than were announced; the artifact is dropped.
            LimitExceeded: the disk does not take them; the artifact is dropped.
        """
        self._written += len(data)
        if self._written > self._size:
            self.abort()
            raise RemoteProtocolError(f"More than the {self._size:,} bytes announced came.")
        self._hash.update(data)
        try:
            with _disk():
                written = self._file.write(data)
                while written < len(data):
                    written += self._file.write(data[written:])
        except LimitExceeded:
            self.abort()
            raise

    def finish(self) -> Path:
        """Put the artifact in its place.

        Raises:
            RemoteProtocolError: size or hash differ from what was announced; it is dropped.
            LimitExceeded: the disk does not take it; it is dropped.
        """
        if self._written != self._size or self._hash.hexdigest() != self._digest:
            self.abort()
            raise RemoteProtocolError(
                f"The bytes that came are not the artifact {self._digest}.",
                remedy="Send it again.",
            )
        self._file.close()
        self._store.release(self._size)
        try:
            with _disk():
                return self._store.adopt(self._part, self._digest, self._size, self._holder)
        except LimitExceeded:
            self._part.unlink(missing_ok=True)
            raise

    def abort(self) -> None:
        """Drop what came so far; after `finish` this does nothing."""
        if not self._file.closed:
            self._file.close()
            self._part.unlink(missing_ok=True)
            self._store.release(self._size)


@contextmanager
def _disk() -> Iterator[None]:
    """Turn what the file system says into an error that the sender can be told."""
    try:
        yield
    except OSError as error:
        raise LimitExceeded(
            f"The artifact cannot be kept: {error.strerror or error}.",
            remedy="Free disk space where it is to be kept, then send it again.",
        ) from error
