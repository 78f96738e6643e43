"""Which artifacts a cluster keeps, who has put them, and how much each credential fills with them.

Both are entries of one bucket: one for each artifact, with the object that holds its bytes and who
has put it; one for each credential, with what it has put, the oldest first. No two entries change
in one step, so each time that somebody puts something bears a token: what is let go of is that one
time. An object has a name that is never used again: whoever removes it removes no later one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgpack
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

# So many artifacts one credential has at most, so that its entry stays small.
MOST_EACH = 4096


class Kept(NamedTuple):
    """An artifact.

    Attributes:
        object: where its bytes are.
        size: of them.
        holders: by credential that has put it, the token of the last time.
    """

    object: str
    size: int
    holders: dict[str, str]


class Holdings:
    """The bucket.

    Args:
        max_bytes_each: how much one credential may fill.

    All methods raise `NatsError` or `TimeoutError` if no node answers.
    """

    def __init__(self, bucket: KeyValue, max_bytes_each: int) -> None:
        self._bucket = bucket
        self._max_bytes_each = max_bytes_each

    async def _get(self, key: str) -> tuple[Any, int]:
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError:
            return None, 0
        return msgpack.unpackb(entry.value or b""), int(entry.revision or 0)

    async def _set(self, key: str, value: Any, revision: int) -> bool:
        try:
            if revision:
                await self._bucket.update(key, msgpack.packb(value), last=revision)
            else:
                await self._bucket.create(key, msgpack.packb(value))
        except KeyWrongLastSequenceError:
            return False
        return True

    async def find(self, digest: str) -> Kept | None:
        """What is known of an artifact; None if it is not kept."""
        found, _ = await self._get(f"kept.{digest}")
        return None if found is None else Kept(*found)

    # ── putting ─────────────────────────────────────────────────────────────────────────────────

    async def begin(self, digest: str, kept: Kept) -> bool:
        """Keep an artifact whose object is stored; False if it is kept already."""
        return await self._set(f"kept.{digest}", kept, 0)

    async def hold(self, digest: str, holder: str, token: str) -> bool:
        """Somebody puts one that may be kept already; False if it is not."""
        while True:
            found, revision = await self._get(f"kept.{digest}")
            if found is None:
                return False
            kept = Kept(*found)
            kept.holders[holder] = token
            if await self._set(f"kept.{digest}", kept, revision):
                return True

    async def charge(
        self,
        digest: str,
        size: int,
        holder: str,
        token: str,
        remove: Callable[[str], Awaitable[None]],
    ) -> None:
        """Count what somebody has put; what it has too much by now, the oldest first, it loses.

        Args:
            remove: is told of objects that nobody needs any more.
        """
        key = f"of.{hashlib.sha256(holder.encode()).hexdigest()}"
        while True:
            found, revision = await self._get(key)
            listed = [each for each in found or [] if each[0] != digest]
            listed.append([digest, size, token])
            filled = sum(each[1] for each in listed)
            while filled > self._max_bytes_each or len(listed) > MOST_EACH:
                # Let go of first: whoever dies in between leaves one that is counted, not one
                # that is not.
                oldest, its_size, its_token = listed.pop(0)
                filled -= its_size
                name = await self._let_go(oldest, holder, its_token)
                if name is not None:
                    await remove(name)
            if await self._set(key, listed, revision):
                return

    async def _let_go(self, digest: str, holder: str, token: str) -> str | None:
        """End one time that somebody put an artifact; return an object that is of no use now."""
        key = f"kept.{digest}"
        while True:
            found, revision = await self._get(key)
            if found is None:
                return None
            kept = Kept(*found)
            if kept.holders.get(holder) != token:
                return None
            del kept.holders[holder]
            if kept.holders:
                if await self._set(key, kept, revision):
                    return None
                continue
            try:
                await self._bucket.delete(key, last=revision)
            except KeyWrongLastSequenceError:
                continue
            return kept.object
