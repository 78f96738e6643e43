"""The hub as a process: files, sockets and signals around a `Hub`."""

from __future__ import annotations

import json
import os
import secrets
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from constellation.aip.auth import CredentialStore, PairingDesk
from constellation.aip.server import serve
from constellation.config import DISCOVERY_FILE, Settings
from constellation.errors import ConfigError
from constellation.planner.offline import OfflinePlanner

from .artifacts import ArtifactStore
from .hub import Hub
from .journal import Journal
from .scheduler import Scheduler

JOURNAL_FILE = "journal.db"
LOCAL_CREDENTIAL = "local"
# Without letters and digits that are easily taken for each other.
_ID_CHARS = "23456789abcdefghjkmnpqrstvwxyz"


def new_constellation_id() -> str:
    """An id that is short to type and will not come twice."""
    return "c-" + "".join(secrets.choice(_ID_CHARS) for _ in range(8))


@asynccontextmanager
async def open_hub(settings: Settings) -> AsyncIterator[Hub]:
    """Run a hub for as long as the context is open; `Hub.url` says where it listens.

    Raises:
        ConfigError: the address cannot be bound, or TLS files cannot be read.
        JournalError: the journal cannot be opened, or (later) not be written.
    """
    state = settings.state_dir
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Journal(state / JOURNAL_FILE, sync=settings.hub.journal_sync) as journal:
        credentials = CredentialStore(state / "credentials.json")
        hub = Hub(
            scheduler=Scheduler(),
            journal=journal,
            artifacts=ArtifactStore(state / "artifacts"),
            planner=OfflinePlanner(),
            credentials=credentials,
            pairing=PairingDesk(),
            new_id=new_constellation_id,
        )
        hub.pipeline.recover()
        try:
            async with anyio.create_task_group() as tasks:
                async with serve(
                    hub,
                    hub.authenticator,
                    settings.hub.host,
                    settings.hub.port,
                    ssl=_tls(settings),
                    grace_s=settings.hub.grace_s,
                ) as server:
                    hub.url = server.url
                    tasks.start_soon(hub.run, tasks)
                    with _discovery_file(state, hub):
                        yield hub
                tasks.cancel_scope.cancel()
        finally:
            hub.pipeline.close()


async def serve_until_stopped(settings: Settings, ready: Callable[[Hub], None]) -> None:
    """Run a hub until SIGTERM or SIGINT; call ``ready`` once it listens."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_hub(settings) as hub:
            ready(hub)
            async for _ in signals:
                return
