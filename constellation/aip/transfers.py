"""Artifacts over a session: bytes by content hash, checked at the receiving end.

The bytes go on a stream labelled `LABEL`, so a cut costs nothing of what was taken in. A lost
session does: then a transfer begins anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from anyio import to_thread

from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    RemoteProtocolError,
    SessionLost,
    TaskCanceled,
    error_from_wire,
)

from .inbox import fail
from .messages import Message
from .pipes import IncomingStream

if TYPE_CHECKING:
    from .endpoint import Endpoint

LABEL = "artifact"
CHUNK_BYTES = 64 * 1024
HASH_BYTES = 128 * 1024
# Streams that no message has claimed yet; each holds up to a window of bytes.
MAX_UNCLAIMED = 16


class Writer(Protocol):
    """Takes the bytes of one artifact."""

    def write(self, data: bytes) -> None:
        """Append bytes; `ConstellationError` if they are too many."""

    def finish(self) -> object:
        """Put it in its place; `ConstellationError` if it is not what was announced.

        What is returned may be awaitable: then it is secured only once that is over.
        """

    def abort(self) -> None:
        """Drop it."""


class Store(Protocol):
    """Where artifacts are kept."""

    def __contains__(self, digest: str) -> bool: ...

    def has(self, digest: str) -> bool:
        """True if one need not be sent to be put; `ConstellationError` if it cannot be."""

    def path(self, digest: str) -> Path:
        """Where one lies; `UnknownArtifactError` if it is not here."""

    def receive(self, digest: str, size: int) -> Writer:
        """Begin to take one in; `ConstellationError` if it cannot be taken."""

    async def fetch(self, digest: str) -> None:
        """Bring one here that is not, if it is kept elsewhere too."""


class _Incoming:
    """Takes an artifact in from its stream, then tells how it went.

    Args:
        done: called at the end, with what was wrong at this end, if anything.
        broken_off: called instead if it was the sender who gave up, or the session was lost.
    """

    def __init__(
        self,
        writer: Writer,
        done: Callable[[ConstellationError | None], None],
        broken_off: Callable[[ConstellationError], None],
    ) -> None:
        self._writer = writer
        self._done = done
        self._broken_off = broken_off
        self._securing: asyncio.Future[None] | None = None

    def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
        except ConstellationError as error:
            self._fail(error)
            raise

    def close(self, error: ConstellationError | None) -> None:
        if error is not None:
            self._writer.abort()
            self._broken_off(error)
            return
        try:
            secured = self._writer.finish()
        except ConstellationError as wrong:
            self._fail(wrong)
            raise
        if isinstance(secured, Awaitable):
            self._securing = asyncio.ensure_future(self._secure(secured))
        else:
            self._done(None)

    async def _secure(self, secured: Awaitable[object]) -> None:
        try:
            await secured
        except ConstellationError as error:
            self._done(error)
        else:
            self._done(None)

    def _fail(self, error: ConstellationError) -> None:
        self._writer.abort()
        self._done(error)


class Transfers:
    """Artifacts in both directions over one session.

    Args:
        store: what the peer may put into and get from; None for nothing.
    """

    def __init__(self, endpoint: Endpoint, store: Store | None) -> None:
        self._endpoint = endpoint
        self._store = store
        self._unclaimed: dict[int, IncomingStream] = {}
        self._puts: dict[str, tuple[int, asyncio.Future[None]]] = {}
        self._gets: dict[str, tuple[_FileWriter, asyncio.Future[int]]] = {}
        self._next_id = 0
        self._fetching: set[asyncio.Future[None]] = set()
        endpoint.streams.takers[LABEL] = self._take_stream

    # ── for the application ─────────────────────────────────────────────────────────────────────

    async def put(self, file: BinaryIO, name: str = "") -> tuple[str, int]:
        """Give the peer the whole of a file; return its SHA-256 in hexadecimal and its size.

        The file must stay as it is meanwhile, or the peer refuses what it gets.

        Raises:
            PermissionDenied, LimitExceeded: the peer does not take it.
            SessionLost: the session was lost meanwhile; put it again.
        """
        digest, size = await to_thread.run_sync(_measure, file)
        if digest in self._puts:
            _, confirmed = self._puts[digest]
            await asyncio.shield(confirmed)
        else:
            await self._send(file, digest, size, name)
        return digest, size

    async def _send(self, file: BinaryIO, digest: str, size: int, name: str) -> None:
        streams = self._endpoint.streams
        writer = streams.open_bytes(LABEL)
        body = {"hash": digest, "size": size, "name": name, "stream": writer.number}
        self._endpoint.send("artifact_put", body)
        streams.pump(writer, _chunks(file))
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._puts[digest] = writer.number, confirmed
        try:
            await asyncio.shield(confirmed)
        finally:
            # Whoever gave the file may close it now.
            del self._puts[digest]
            canceled = TaskCanceled("The transfer was canceled.")
            streams.stop(writer, canceled)
            fail(confirmed, canceled)

    async def get(self, digest: str, file: BinaryIO) -> int:
        """Write an artifact of the peer to a file; return its size in bytes.

        Raises:
            UnknownArtifactError: the peer does not have it.
            RemoteProtocolError: what came is not what its hash says; the file is not to be used.
            SessionLost: the session was lost meanwhile; get it again.
        """
        self._next_id += 1
        request = f"a{self._next_id}"
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._gets[request] = _FileWriter(digest, file), done
        try:
            self._endpoint.send("artifact_get", {"id": request, "hash": digest})
            return await done
        finally:
            self._gets.pop(request, None)

    # ── for the endpoint ────────────────────────────────────────────────────────────────────────

    def _take_stream(self, stream: IncomingStream) -> None:
        # A message will say which artifact it is.
        if stream.qos != "reliable":
            stream.refuse(RemoteProtocolError("An artifact comes on a reliable stream."))
        elif len(self._unclaimed) < MAX_UNCLAIMED:
            self._unclaimed[stream.number] = stream
        else:
            stream.refuse(LimitExceeded("Too many artifacts come without a word."))

    def receive(self, messages: Sequence[Message]) -> None:
        """Take the messages about artifacts; others are left to others."""
        for message in messages:
            match message.type:
                case "artifact_put":
                    self._take_put(message.body)
                case "artifact_get":
                    self._take_get(message.body)
                case "artifact":
                    self._take_answer(message.body)

    def lose(self) -> None:
        """The session was lost, and every transfer with it."""
        error = SessionLost("The session was lost during the transfer.", remedy="Try again.")
        self._unclaimed.clear()
        for _, confirmed in self._puts.values():
            fail(confirmed, error)
        for _, done in self._gets.values():
            fail(done, error)

    # ── receiving ───────────────────────────────────────────────────────────────────────────────

    def _take_put(self, body: Mapping[str, Any]) -> None:
        digest, size = body["hash"], body["size"]
        stream = self._unclaimed.pop(body["stream"], None)
        confirm = partial(self._confirm, {"hash": digest, "size": size, "stream": body["stream"]})
        if stream is None:
            confirm(RemoteProtocolError(f"There is no stream {body['stream']} for an artifact."))
            return
        try:
            if self._store is None:
                raise PermissionDenied("No artifacts are taken here.")
            writer = None if self._store.has(digest) else self._store.receive(digest, size)
        except ConstellationError as error:
            stream.refuse(error)
            confirm(error)
            return
        if writer is None:
            stream.refuse()  # it is here already
            confirm(None)
        else:
            stream.pour_into(_Incoming(writer, confirm, broken_off=lambda error: None))

    def _confirm(self, body: dict[str, Any], error: ConstellationError | None) -> None:
        if error is not None:
            body["error"] = error.to_wire()
        self._endpoint.send("artifact", body)

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def _take_get(self, body: Mapping[str, Any]) -> None:
        if self._store is None or body["hash"] in self._store:
            self._answer_get(body)
        else:
            fetching = asyncio.ensure_future(self._fetch(self._store, body))
            self._fetching.add(fetching)
            fetching.add_done_callback(self._fetching.discard)

    async def _fetch(self, store: Store, body: Mapping[str, Any]) -> None:
        """Answer once it was looked for elsewhere, unless the session is lost meanwhile."""
        losses = self._endpoint.losses
        error: ConstellationError | None = None
        try:
            await store.fetch(body["hash"])
        except ConstellationError as trouble:
            error = trouble
        if self._endpoint.losses == losses:
            self._answer_get(body, error)

    def _answer_get(
        self, body: Mapping[str, Any], trouble: ConstellationError | None = None
    ) -> None:
        answer: dict[str, Any] = {"id": body["id"], "hash": body["hash"]}
        try:
            if trouble is not None:
                raise trouble
            if self._store is None:
                raise PermissionDenied("No artifacts are given away here.")
            path = self._store.path(body["hash"])
            writer = self._endpoint.streams.open_bytes(LABEL)
        except ConstellationError as error:
            self._endpoint.send("artifact", {**answer, "error": error.to_wire()})
            return
        answer |= {"size": path.stat().st_size, "stream": writer.number}
        self._endpoint.send("artifact", answer)
        self._endpoint.streams.pump(writer, _read(path))

    # ── answers ─────────────────────────────────────────────────────────────────────────────────

    def _take_answer(self, body: Mapping[str, Any]) -> None:
        request = body.get("id")
        error = body.get("error")
        if request is None:
            self._take_confirmation(body)
            return
        stream = self._unclaimed.pop(body.get("stream") or 0, None)
        writer, done = self._gets.pop(request, (None, None))
        if writer is None or done is None or done.done():
            if stream is not None:
                stream.refuse()
        elif error is not None:
            fail(done, error_from_wire(error))
        elif stream is None:
            fail(done, RemoteProtocolError("The peer gave an artifact without its bytes."))
        else:
            finish = partial(_finish, done, writer)
            stream.pour_into(_Incoming(writer, finish, broken_off=finish))

    def _take_confirmation(self, body: Mapping[str, Any]) -> None:
        if body["hash"] not in self._puts:
            return
        number, confirmed = self._puts[body["hash"]]
        error = body.get("error")
        if body.get("stream") not in (None, number):
            return  # it is about an earlier try
        if error is not None:
            fail(confirmed, error_from_wire(error))
        elif not confirmed.done():
            confirmed.set_result(None)


class _FileWriter:
    """Writes an artifact to a file and checks its hash."""

    def __init__(self, digest: str, file: BinaryIO) -> None:
        self.size = 0
        self._digest = digest
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> None:
        self._file.flush()
        if self._hash.hexdigest() != self._digest:
            raise RemoteProtocolError(
                f"The bytes that came are not the artifact {self._digest}.", remedy="Try again."
            )

    def abort(self) -> None:
        pass


def _finish(
    done: asyncio.Future[int], writer: _FileWriter, error: ConstellationError | None
) -> None:
    if error is not None:
        fail(done, error)
    elif not done.done():
        done.set_result(writer.size)


def _measure(file: BinaryIO) -> tuple[str, int]:
    """SHA-256 and size of a file, read from its start; it is left there."""
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(HASH_BYTES):
        began = time.perf_counter()
        digest.update(piece)
        # Half of a processor: the other half is for tasks, which come first.
        time.sleep(time.perf_counter() - began)
    size = file.tell()
    file.seek(0)
    return digest.hexdigest(), size


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK_BYTES), b"")


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _chunks(file)
