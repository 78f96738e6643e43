"""Where a small piece of data is kept that many change: by compare-and-set, in a book.

`MemoryBook` keeps it in this process, `BucketBook` in a bucket of NATS JetStream. Both pass the
same tests (``tests/cluster/test_book_conformance.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from constellation.errors import Unanswered

KEY = "table"


class Book(Protocol):
    """What is kept, with a revision that rises with each change."""

    async def read(self) -> tuple[bytes, int]:
        """What stands there, and its revision; nothing and 0 at first.

        Raises:
            Unanswered: nobody answered.
        """
        ...

    async def write(self, data: bytes, revision: int) -> bool:
        """Replace what has a revision; False if something else stands there by now.

        Raises:
            Unanswered: nobody answered; it may have been replaced.
        """
        ...

    async def watch(self, changed: Callable[[], None]) -> None:
        """From now on be told of changes, as a rule: some may be missed."""
        ...


class MemoryBook:
    """A book for the orchestrators of one process."""

    def __init__(self) -> None:
        self._data = b""
        self._revision = 0
        self._watchers: list[Callable[[], None]] = []

    async def read(self) -> tuple[bytes, int]:
        """See `Book.read`."""
        return self._data, self._revision

    async def write(self, data: bytes, revision: int) -> bool:
        """See `Book.write`."""
        if revision != self._revision:
            return False
        self._data = data
        self._revision += 1
        for changed in self._watchers:
            changed()
        return True

    async def watch(self, changed: Callable[[], None]) -> None:
        """See `Book.watch`."""
        self._watchers.append(changed)


class BucketBook:
    """A book in a bucket, which has one key.

    Args:
        nats: the connection.
        bucket: its name, and the subject on which changes are told.
        within_s: how long an answer may take.
    """

    def __init__(self, nats: Client, bucket: str, within_s: float) -> None:
        self._nats = nats
        self._jetstream = nats.jetstream(timeout=within_s)
        self._name = bucket
        self._bucket: KeyValue | None = None

    async def _opened(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._jetstream.key_value(self._name)
        return self._bucket

    async def read(self) -> tuple[bytes, int]:
        """See `Book.read`."""
        try:
            entry = await (await self._opened()).get(KEY)
        except KeyNotFoundError:
            return b"", 0
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None
        return entry.value or b"", int(entry.revision or 0)

    async def write(self, data: bytes, revision: int) -> bool:
        """See `Book.write`."""
        try:
            await (await self._opened()).update(KEY, data, last=revision)
            # Only now it can be read, so only now the others are told.
            await self._nats.publish(self._name)
        except KeyWrongLastSequenceError:
            return False
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None
        return True

    async def watch(self, changed: Callable[[], None]) -> None:
        """See `Book.watch`."""

        async def told(message: Msg) -> None:
            changed()

        await self._nats.subscribe(self._name, cb=told)
