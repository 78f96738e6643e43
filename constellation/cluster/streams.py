"""Reading streams of NATS, whichever node has them, and asking until one answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamInfo
from nats.js.errors import NotFoundError, ObjectNotFoundError

from constellation.errors import JournalError

from .names import Names

T = TypeVar("T")

# A message that was not acknowledged for so long is sent again; an election takes seconds.
ANSWER_S = 2.0
RETRY_S = 0.1
FOLLOW_S = 5.0
AT_ONCE = 500


class Missed(Exception):
    """A message was sent to us and did not arrive: what follows it is of no use."""


class Streams:
    """All coroutines belong to the event loop of the connection.

    Args:
        nats: the connection.
        names: of the streams.
        patience_s: how long something is tried while no node answers.
    """

    def __init__(self, nats: Client, names: Names, patience_s: float) -> None:
        self._jetstream = nats.jetstream(timeout=ANSWER_S)
        self._names = names
        self._patience_s = patience_s

    async def _messages(
        self,
        stream: str,
        subject: str,
        after: int,
        *,
        follow: bool = False,
        until: int | None = None,
        least: int = 0,
    ) -> AsyncGenerator[tuple[int, str, bytes]]:
        """Messages of a stream up to its end, in pieces, each by a consumer of its own.

        A consumer outlives the connection over which it is asked, and does not say again what was
        on its way when that broke. It counts what it sends: by that it is seen, and another one
        reads on behind the last message that came.

        Args:
            until: a number in the stream at which to end before that.
            least: a number up to which there are messages for sure, whatever a node says.

        Raises:
            JournalError: no node answers, or none has what is there for sure.
        """
        loop = asyncio.get_running_loop()
        patience = loop.time() + self._patience_s
        end = max(least, await self._end(stream, subject))
        while follow or after < end:
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=after + 1,
                ack_policy=AckPolicy.NONE,
                mem_storage=True,
                num_replicas=1,
                inactive_threshold=30.0,
            )
            reader = await self.insist(
                "read",
                partial(self._jetstream.pull_subscribe, subject, stream=stream, config=config),
            )
            try:
                pending, came = (await reader.consumer_info()).num_pending or 0, 0
                while pending or follow:
                    at_once = AT_ONCE if until is None else min(AT_ONCE, until - after)
                    for message in await self._fetch(reader, min(pending, at_once), came):
                        came += 1
                        if message.metadata.sequence.consumer != came:
                            raise Missed
                        after = message.metadata.sequence.stream
                        patience = loop.time() + self._patience_s
                        if until is not None and after >= until:
                            return
                        pending = message.metadata.num_pending
                        yield after, message.subject, message.data
                if "*" in subject or after >= end:
                    return
                # The consumer is on a node that has not everything yet: another one reads on.
                if loop.time() > patience:
                    raise self._unreachable("read", TimeoutError("its last messages are missing"))
                await asyncio.sleep(RETRY_S)
                end = max(least, await self._end(stream, subject))  # it may have been purged
            except (TimeoutError, NatsError, Missed):
                continue  # the node that had the consumer is gone, or a message: another reads on
            finally:
                await reader.unsubscribe()

    async def _end(self, stream: str, subject: str) -> int:
        """Number of the last message; of one constellation, that which the leader says is its."""
        if "*" in subject:
            return int((await self._info(stream)).state.last_seq)
        try:
            last = await self.insist("read", lambda: self._jetstream.get_last_msg(stream, subject))
        except NotFoundError:
            return 0
        return int(last.seq or 0)

    async def _fetch(
        self, reader: JetStreamContext.PullSubscription, pending: int, came: int
    ) -> list[Msg]:
        if pending:
            return await reader.fetch(min(pending, AT_ONCE), timeout=ANSWER_S)
        while True:
            with suppress(TimeoutError):
                return await reader.fetch(1, timeout=FOLLOW_S)
            # Nothing came; see that there is still somebody who would say so, and has not.
            sent = (await reader.consumer_info()).delivered
            if sent is not None and (sent.consumer_seq or 0) > came:
                raise Missed

    async def insist(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Do what may be done twice, again and again while no node answers.

        Args:
            what: the journal cannot be that, such as ``read``.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        while True:
            try:
                return await ask()
            except (NotFoundError, ObjectNotFoundError):
                raise
            except (TimeoutError, NatsError) as error:
                if loop.time() > until:
                    raise self._unreachable(what, error) from error
            await asyncio.sleep(RETRY_S)

    async def _info(self, stream: str, pattern: str | None = None) -> StreamInfo:
        return await self.insist(
            "read", lambda: self._jetstream.stream_info(stream, subjects_filter=pattern)
        )

    async def _subjects(self, stream: str, pattern: str) -> dict[str, int]:
        info = await self._info(stream, pattern)
        return {
            subject.rpartition(".")[2]: count
            for subject, count in (info.state.subjects or {}).items()
        }

    def _unreachable(self, what: str, reason: Exception) -> JournalError:
        return JournalError(
            f"The journal {self._names.journal} cannot be {what}: "
            f"{str(reason) or 'no node answers'}.",
            remedy="Look after the NATS servers; more than half of them must run.",
        )
