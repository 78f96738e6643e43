"""Credentials that all gateways share: kept in a bucket, with a copy in the gateway's own file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from constellation.aip.credentials import Credential, CredentialStore, pack, unpack
from constellation.aip.private_files import write_private
from constellation.aip.scope import UNLIMITED
from constellation.orchestrator.sealing import KEY_BYTES

log = logging.getLogger("constellation.cluster")

KEY = "credentials"
SECRETS_KEY = "secrets-key"
LOOK_S = 1.0


async def share_secrets_key(file: Path, bucket: KeyValue) -> None:
    """See that a file holds the key under which all orchestrators seal secrets of tasks.

    One that is there stays: whoever does not want the key to lie in NATS, beside what is sealed
    under it, gives all orchestrators the same file.

    Raises:
        NatsError: no node answers.
        OSError: the file cannot be written.
    """
    if not await anyio.Path(file).exists():
        with suppress(KeyWrongLastSequenceError):
            await bucket.create(SECRETS_KEY, os.urandom(KEY_BYTES))
        write_private(file, (await bucket.get(SECRETS_KEY)).value or b"")


class SharedCredentials(CredentialStore):
    """Credentials of a gateway: what changes here is told to the others, and the other way round.

    What is revoked at one gateway is refused by the others within about a second.

    Args:
        path: the gateway's own copy, with which it starts if NATS does not answer.
        bucket: where they are shared.

    Attributes:
        on_restricted: told the name of each credential that another node allowed something else.
    """

    def __init__(self, path: Path, bucket: KeyValue) -> None:
        super().__init__(path)
        self._bucket = bucket
        self._revision = 0
        # What was last seen in the bucket: our own changes are the difference to it.
        self._shared: dict[str, Credential] = {}
        self._changed = anyio.Event()
        self._seen = -1
        self._at_work = anyio.Lock()
        self.on_restricted: Callable[[str], None] = lambda name: None

    def _save(self) -> None:
        super()._save()
        self._changed.set()

    async def run(self) -> None:
        """Keep in step with the bucket until canceled."""
        while True:
            await self.step()
            with anyio.move_on_after(LOOK_S):
                await self._changed.wait()
            self._changed = anyio.Event()

    async def step(self) -> bool:
        """Take in what others changed, and tell what was changed here; False if NATS is silent."""
        try:
            async with self._at_work:
                await self._take_in()
                if self._by_id != self._shared:
                    await self._tell_others()
        except KeyWrongLastSequenceError:
            self._changed.set()  # another gateway was quicker: once more
        except (TimeoutError, NatsError) as error:
            log.warning("Credentials cannot be shared: %s", error or type(error).__name__)
            return False
        return True

    async def _take_in(self) -> None:
        # Whether anything was written is asked first: all of it is large where there are many.
        written = (await self._bucket.status()).stream_info.state.last_seq
        if written == self._seen:
            return
        await self._read()
        self._seen = written

    async def _read(self) -> None:
        try:
            entry = await self._bucket.get(KEY)
        except KeyNotFoundError:
            return
        if entry.revision == self._revision:
            return
        theirs = {each.id: each for each in unpack(entry.value or b"")}
        ours = self._by_id
        added = {key: each for key, each in ours.items() if self._shared.get(key) != each}
        removed = self._shared.keys() - ours.keys()
        merged = {key: each for key, each in theirs.items() if key not in removed} | added
        gone = [key for key in ours if key not in merged]
        self._revision, self._shared = int(entry.revision or 0), theirs
        if merged != ours:
            allowed = {name: each.scope for name, each in self._by_name.items()}
            self._replace(merged)
            super()._save()
            for name, known in self._by_name.items():
                if allowed.get(name, UNLIMITED) != known.scope:
                    self.on_restricted(name)
            for each in gone:
                self._tell(each)

    async def _tell_others(self) -> None:
        told = dict(self._by_id)
        self._revision = await self._bucket.update(
            KEY, pack(list(told.values())), last=self._revision
        )
        self._shared = told
