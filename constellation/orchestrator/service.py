"""The hub as a process: files, sockets and signals around a `Hub`."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import anyio

from constellation.aip import limits as aip
from constellation.aip.auth import CredentialStore, PairingDesk, StoreAuthenticator
from constellation.aip.eventloop import calm_collector
from constellation.aip.identity import Identity
from constellation.aip.private_files import write_private
from constellation.aip.server import serve
from constellation.config import DISCOVERY_FILE, Settings
from constellation.errors import AuthenticationError, ConfigError
from constellation.planner.choice import make_planner
from constellation.planner.ports import Planner
from constellation.tracing import Tracer, tracing

from .artifacts import ArtifactStore
from .audit import AuditLog
from .front import Front
from .hub import Hub
from .journal import Journal
from .rates import Rates
from .scheduler import Scheduler
from .sealing import KEY_FILE
from .settings import Settings as Limits
from .shelves import Shelf, named_by_results
from .views import MOST_BYTES

# What comes in goes out again inside of events and answers, to clients that take the defaults.
INTAKE = aip.Limits(max_body=MOST_BYTES, max_depth=24)
LOCAL_CREDENTIAL = "local"
TOKEN_FILE = "local.token"
# Without letters and digits that are easily taken for each other.
_ID_CHARS = "23456789abcdefghjkmnpqrstvwxyz"


def new_constellation_id() -> str:
    """An id that is short to type and will not come twice."""
    return "c-" + "".join(secrets.choice(_ID_CHARS) for _ in range(8))


class Found(Protocol):
    """What programs of the same user are to find.

    Attributes:
        url: where it listens.
        access: who may connect.
    """

    url: str
    access: StoreAuthenticator


@asynccontextmanager
async def open_hub(
    settings: Settings, planner: Planner | None = None, tracer: Tracer | None = None
) -> AsyncIterator[Hub]:
    """Run a hub for as long as the context is open; `Hub.url` says where it listens.

    Args:
        planner: who plans; None for the one of the settings.
        tracer: where spans go; None for where the environment says.

    Raises:
        ConfigError: an address cannot be bound, TLS files cannot be read, or the state directory
            cannot be made or written.
        JournalError: the journal cannot be opened, or (later) not be written.
    """
    state, options = settings.make_state_dir(), settings.hub
    with (
        tracing("constellation-hub", socket.gethostname()) as found,
        Journal(settings.journal_file, sync=options.journal_sync) as journal,
        closing(AuditLog(state, time.time(), options.audit_file_bytes)) as audit,
    ):
        hub = Hub(
            scheduler=Scheduler(
                settings=Limits(grace_s=options.grace_s, stream_lag=options.stream_lag)
            ),
            journal=journal,
            planner=planner or make_planner(settings.planner),
            revise_within_s=settings.planner.revise_within_s,
            access=StoreAuthenticator(CredentialStore(state / "credentials.json"), PairingDesk()),
            new_id=new_constellation_id,
            tracer=tracer or found,
            audit=audit,
            secrets_key=state / KEY_FILE,
            rates=Rates(options.requests_per_s, options.submits_per_s),
            streams=state / "streams",
            streams_kept_bytes=options.stream_kept_bytes,
        )
        hub.access.on_paired = hub.auditor.paired
        hub.pipeline.recover()
        if hub.streaming is not None:
            hub.streaming.recover()
        front = Front.of(options, state)
        store = ArtifactStore(
            state / "artifacts",
            max_bytes=options.artifacts_bytes,
            max_bytes_each=options.artifacts_bytes_each,
        )
        listening = serve(
            hub,
            hub.access,
            options.host,
            options.port,
            ssl=front.ssl,
            authority=front.authority_text,
            on_refused=hub.auditor.refused,
            # The scheduler's lease ends first, and with a reason that a person understands.
            grace_s=options.grace_s + 1.0,
            limits=INTAKE,
            artifacts_of=partial(_shelf, hub, store),
            clock=hub.pipeline.now,
            on_stream=hub.on_stream,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hub.run, tasks)
            async with listening as server, metrics_of(hub, options.metrics_port):
                tasks.start_soon(front.keep_fresh)
                hub.url = front.url(server.port)
                hub.fingerprint = front.fingerprint
                local = front.local_url(server.port)
                with discoverable(state, hub, local, front.authority_file):
                    hub.auditor.started(version("constellation-fabric"))
                    yield hub
                    hub.auditor.stopped()
            tasks.cancel_scope.cancel()
        if hub.streaming is not None:
            hub.streaming.close()
        hub.pipeline.close()


def _shelf(hub: Hub, store: ArtifactStore, identity: Identity) -> Shelf:
    """The artifacts as one of those that connect has them."""
    owner = identity.name

    def is_bounded() -> bool:
        return identity.kind == "client" and hub.gate.scope(identity).constellations == "own"

    def named(digest: str) -> bool:
        theirs = [run.id for run in list(hub.scheduler.runs.values()) if run.owner == owner]
        return named_by_results(hub.journal, theirs, owner, digest)

    return Shelf(store, owner, is_bounded, named)


async def serve_until_stopped(settings: Settings, ready: Callable[[Hub], None]) -> None:
    """Run a hub until SIGTERM or SIGINT; call ``ready`` once it listens.

    Raises:
        ConfigError, JournalError: see `open_hub`.
    """
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_hub(settings) as hub:
            calm_collector(rarely=True)
            ready(hub)
            async for _ in signals:
                return


class Observed(Protocol):
    """What serves metrics.

    Attributes:
        metrics_port: where, on this machine; None if it does not.
    """

    metrics_port: int | None

    def observe(self) -> dict[str, Any]:
        """What it counts; see `Telemetry.to_plain`."""


@asynccontextmanager
async def metrics_of(hub: Observed, port: int | None) -> AsyncIterator[None]:
    """Serve the metrics of a hub for as long as the context is open, if there is a port for it.

    Raises:
        ConfigError: the port cannot be bound, or the extra ``metrics`` is not installed.
    """
    if port is None:
        yield
        return
    # An extra: only those who want metrics have the library.
    from .metrics import serve_metrics

    async with serve_metrics(hub.observe, port) as hub.metrics_port:
        yield


@contextmanager
def discoverable(
    state: Path, hub: Found, url: str, ca: Path | None = None, name: str = LOCAL_CREDENTIAL
) -> Iterator[None]:
    """Let programs of the same user find the hub, with a credential of that name for them."""
    path = state / DISCOVERY_FILE
    try:
        found = {"url": url, "token": _local_token(state, hub, name), "pid": os.getpid()}
        if ca is not None:
            found["ca"] = str(ca.absolute())
        write_private(path, json.dumps(found).encode())
    except OSError as error:
        raise ConfigError(
            f"The state directory {state} cannot be written: {error.strerror or error}.",
            remedy="Free disk space, let the hub's user write there, or name another --state-dir.",
            file=str(state),
        ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _local_token(state: Path, hub: Found, name: str) -> str:
    """The credential of this machine's user.

    It outlives the hub, so that whoever was connected when the hub was killed goes on with the next
    one; once revoked, the next start makes another.
    """
    path = state / TOKEN_FILE
    try:
        token = path.read_text().strip()
        hub.access.authenticate(token, time.time())
    except (FileNotFoundError, AuthenticationError):
        _, token = hub.access.credentials.issue(name, "admin", time.time())
        write_private(path, token.encode())
    return token
