"""Leases and claims in JetStream's buckets: each change is a compare-and-set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KV_DEL, KV_OP, KV_PURGE, KeyValue

from constellation.errors import Unanswered

from .names import Names
from .tenure import Claimed

AT_ONCE = 500
RETRY_S = 0.1


async def entries(
    jetstream: JetStreamContext, bucket: str, within_s: float
) -> AsyncIterator[tuple[str, bytes, int]]:
    """Key, value and revision of everything that is in a bucket now.

    Raises:
        NatsError: no node answers.
    """
    stream, subject = f"KV_{bucket}", f"$KV.{bucket}.>"
    reader = await jetstream.pull_subscribe(
        subject,
        stream=stream,
        config=ConsumerConfig(
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            ack_policy=AckPolicy.NONE,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=30.0,
        ),
    )
    try:
        pending, came = (await reader.consumer_info()).num_pending or 0, 0
        while pending:
            for message in await reader.fetch(min(pending, AT_ONCE), timeout=within_s):
                came += 1
                if message.metadata.sequence.consumer != came:
                    # It was lost with a connection, and would not be said again.
                    raise TimeoutError("an entry did not arrive")
                pending = message.metadata.num_pending
                if (message.headers or {}).get(KV_OP) not in (KV_DEL, KV_PURGE):
                    key = message.subject.split(".", 2)[2]
                    yield key, message.data, message.metadata.sequence.stream
    finally:
        await reader.unsubscribe()


class Claims:
    """Who lives and who owns what; one for each life of an orchestrator.

    Args:
        nats: the connection.
        names: of the buckets.
        me: the owner on whose behalf it acts.
        within_s: how long an answer may take.
    """

    def __init__(self, nats: Client, names: Names, me: str, within_s: float) -> None:
        self._jetstream = nats.jetstream(timeout=within_s)
        self._names = names
        self._me = me
        self._within_s = within_s
        self._revision = 0
        self._leases: KeyValue | None = None
        self._claims: KeyValue | None = None

    async def open(self) -> None:
        """Find the buckets; before anything else."""
        self._leases = await self._jetstream.key_value(self._names.leases)
        self._claims = await self._jetstream.key_value(self._names.claims)

    # ── leases ──────────────────────────────────────────────────────────────────────────────────

    async def renew(self) -> bool:
        """Write our entry; False if it was taken from us.

        Raises:
            Unanswered: nobody answered.
        """
        leases = _opened(self._leases)
        try:
            self._revision = await leases.update(self._me, b"", last=self._revision)
        except KeyWrongLastSequenceError:
            return await self._was_renewed(leases)
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None
        return True

    async def _was_renewed(self, leases: KeyValue) -> bool:
        """An earlier renewal that nobody confirmed may have been made: nobody else writes it."""
        try:
            entry = await leases.get(self._me)
        except KeyNotFoundError:
            return False
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None
        self._revision = int(entry.revision or 0)
        return True

    async def leases(self) -> dict[str, int]:
        """Revisions of all entries by owner."""
        try:
            found = entries(self._jetstream, self._names.leases, self._within_s)
            return {owner: revision async for owner, _, revision in found}
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None

    async def bury(self, owner: str, revision: int) -> bool:
        """Delete an entry that still has a revision; False if it has another, or is gone."""
        try:
            await _opened(self._leases).delete(owner, last=revision)
        except APIError:
            return False
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None
        return True

    async def leave(self) -> None:
        """Delete our own entry: others take over at once what we own."""
        if self._revision:
            await self.bury(self._me, self._revision)

    # ── claims ──────────────────────────────────────────────────────────────────────────────────

    async def all(self) -> dict[str, Claimed]:
        """Who owns what."""
        try:
            found = entries(self._jetstream, self._names.claims, self._within_s)
            return {name: Claimed(owner.decode(), epoch) async for name, owner, epoch in found}
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None

    async def owner(self, constellation: str) -> Claimed | None:
        """Who owns a constellation; None if it has ended, or there is none."""
        claims = _opened(self._claims)
        try:
            entry = await claims.get(constellation)
        except KeyNotFoundError:
            return None
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None
        return Claimed((entry.value or b"").decode(), int(entry.revision or 0))

    async def make(self, constellation: str, *, anew: bool = False) -> int | None:
        """Claim a constellation that nobody owns; return the epoch, or None if somebody does.

        Args:
            anew: None as well if it is ours already.
        """
        return await self._set(constellation, None, anew)

    async def replace(self, constellation: str, epoch: int) -> int | None:
        """Claim a constellation whose claim has an epoch; return ours, or None if it has not."""
        return await self._set(constellation, epoch)

    async def _set(self, constellation: str, epoch: int | None, anew: bool = False) -> int | None:
        claims, owner = _opened(self._claims), self._me.encode()
        loop = asyncio.get_running_loop()
        until = loop.time() + 10 * self._within_s
        while True:
            try:
                if epoch is None:
                    return await claims.create(constellation, owner)
                return await claims.update(constellation, owner, last=epoch)
            except KeyWrongLastSequenceError:
                if anew:
                    return None
                # Ours, if an earlier try had arrived.
                found = await self.owner(constellation)
                return found.epoch if found is not None and found.owner == self._me else None
            except (TimeoutError, NatsError) as error:
                if loop.time() > until:
                    raise Unanswered(str(error)) from None
                await asyncio.sleep(RETRY_S)

    async def release(self, constellation: str, epoch: int) -> None:
        """A constellation has ended: nobody owns it any more."""
        try:
            await _opened(self._claims).delete(constellation, last=epoch)
        except APIError:
            return  # somebody has taken it over: it is theirs to release
        except (TimeoutError, NatsError) as error:
            raise Unanswered(str(error)) from None


def _opened(bucket: KeyValue | None) -> KeyValue:
    if bucket is None:
        raise RuntimeError("the buckets are not open")
    return bucket
