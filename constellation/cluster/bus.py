"""The connection to NATS, and the streams and buckets that a fabric needs there."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    KeyValueConfig,
    ObjectStoreConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError

from constellation.errors import ConfigError, HubUnreachable

from .names import Names

log = logging.getLogger("constellation.cluster")

# A fact may be as large as a message that the hub takes in; a part of a commit is never larger.
LEAST_PAYLOAD_BYTES = 12 * 1024 * 1024
RECONNECT_S = 0.2
CONNECT_S = 5


@asynccontextmanager
async def connected(servers: Sequence[str], name: str) -> AsyncIterator[Client]:
    """A connection to NATS for as long as the context is open; it goes to whichever node is up.

    Raises:
        HubUnreachable: no node answers.
        ConfigError: the nodes take only small messages.
    """

    async def report(error: Exception) -> None:
        log.warning("NATS: %s", error or type(error).__name__)

    try:
        # It would try for ever, which is right only once it was connected.
        with anyio.fail_after(CONNECT_S):
            client = await nats.connect(
                list(servers),
                name=name,
                error_cb=report,
                connect_timeout=CONNECT_S,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_S,
                ping_interval=2,
                max_outstanding_pings=2,
                pending_size=64 * 1024 * 1024,
            )
    except (NatsError, OSError):
        raise HubUnreachable(
            f"No NATS server answers at {shown(servers)}.",
            remedy="Start it, or give the addresses with --nats.",
        ) from None
    try:
        if client.max_payload < LEAST_PAYLOAD_BYTES:
            raise ConfigError(
                f"The NATS servers take messages of {client.max_payload:,} bytes at most.",
                remedy=f"Set max_payload to {LEAST_PAYLOAD_BYTES} or more in their configuration.",
            )
        yield client
    finally:
        with anyio.CancelScope(shield=True):
            await client.close()


def shown(servers: Sequence[str]) -> str:
    """Addresses for people, without the credentials that they may carry."""
    return ", ".join(
        urlsplit(each)._replace(netloc=urlsplit(each).netloc.rpartition("@")[2]).geturl()
        for each in servers
    )


async def prepare(jetstream: JetStreamContext, names: Names, replicas: int) -> None:
    """Make what the fabric needs, unless it is there.

    Args:
        replicas: on how many nodes everything is kept; 3 survives the loss of one.

    Raises:
        ConfigError: NATS refuses it, such as for too few nodes.
    """
    try:
        for stream, subject, per_subject in (
            (names.journal, names.facts_of("*"), -1),
            (names.ended, names.end_of("*"), 1),
        ):
            await jetstream.add_stream(
                StreamConfig(
                    name=stream,
                    subjects=[subject],
                    retention=RetentionPolicy.LIMITS,
                    storage=StorageType.FILE,
                    max_msgs_per_subject=per_subject,
                    num_replicas=replicas,
                    # What was just acknowledged must be seen: the leader answers.
                    allow_direct=False,
                )
            )
        for bucket in (
            names.leases,
            names.claims,
            names.resources,
            names.access,
            names.holdings,
        ):
            await jetstream.create_key_value(
                KeyValueConfig(bucket=bucket, history=1, replicas=replicas, direct=False)
            )
        for store in (names.snapshots, names.artifacts):
            await jetstream.create_object_store(store, ObjectStoreConfig(replicas=replicas))
    except APIError as error:
        raise ConfigError(
            f"NATS cannot keep what {names.fabric} needs: {error.description}.",
            remedy="Let JetStream run on as many nodes as there are replicas.",
        ) from None
