"""Gateways and orchestrators as processes."""

from __future__ import annotations

import logging
import math
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import anyio
from anyio import to_thread
from nats.js import JetStreamContext

from constellation.aip.auth import PairingDesk, StoreAuthenticator
from constellation.aip.eventloop import calm_collector
from constellation.aip.identity import Identity
from constellation.aip.server import serve
from constellation.config import Settings
from constellation.errors import HubUnreachable, JournalError
from constellation.orchestrator.artifacts import ArtifactStore
from constellation.orchestrator.audit import AuditLog
from constellation.orchestrator.auditing import Auditor
from constellation.orchestrator.front import Front
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.rates import Rates
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.sealing import KEY_FILE
from constellation.orchestrator.service import (
    INTAKE,
    discoverable,
    metrics_of,
    new_constellation_id,
)
from constellation.orchestrator.settings import Settings as Limits
from constellation.planner.choice import make_planner
from constellation.tracing import Tracer, tracing

from .access import SharedCredentials, share_secrets_key
from .artifacts import SharedArtifacts
from .book import BucketBook
from .bus import connected, prepare
from .claims import Claims
from .endings import Endings
from .gateway import Gateway
from .journal import JetStreamJournal
from .log import Log
from .names import Names
from .orchestrator import Orchestrator
from .retention import Retention
from .shelves import Naming, SharedShelf
from .tenure import BEATS, Tenure

log = logging.getLogger("constellation.cluster")

NEXT_LIFE_S = 0.5
LEAVE_S = 5.0


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a node finds the others.

    Attributes:
        servers: addresses of NATS.
        name: of this node, unique in the cluster.
        fabric: whose nodes work together.
        replicas: on how many NATS servers everything is kept.
        lease_s: after so long without a sign of its owner a constellation is taken over. NATS may
            take ten seconds to elect a leader.
        keep_ended_s: so long constellations are kept that have ended; None for ever.
    """

    servers: Sequence[str]
    name: str
    fabric: str = "constellation"
    replicas: int = 3
    lease_s: float = 20.0
    keep_ended_s: float | None = None

    @property
    def names(self) -> Names:
        """Of streams and subjects."""
        return Names(self.fabric)

    @property
    def answer_s(self) -> float:
        """How long NATS may take to answer when a lease is renewed."""
        return min(2.0, self.lease_s / BEATS)

    def new_life(self) -> str:
        """Names a life of this node; a name is never used again."""
        return f"{self.name}-{secrets.token_hex(4)}"


# ── gateways ────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def open_gateway(settings: Settings, options: ClusterOptions) -> AsyncIterator[Gateway]:
    """Run a gateway for as long as the context is open; `Gateway.url` says where it listens.

    Raises:
        HubUnreachable: no NATS server answers.
        ConfigError: an address cannot be bound, or what is needed cannot be kept.
    """
    state, hub = settings.make_state_dir(), settings.hub
    me = options.new_life()
    with closing(AuditLog(state, time.time(), hub.audit_file_bytes)) as audit:
        async with connected(options.servers, me) as nats:
            jetstream = nats.jetstream()
            await prepare(jetstream, options.names, options.replicas)
            credentials = await _credentials(state / "credentials.json", options, jetstream)
            claims = Claims(nats, options.names, me, options.answer_s)
            await claims.open()
            facts = Log(nats, options.names, me, options.lease_s)
            access = StoreAuthenticator(credentials, PairingDesk())
            front = Front.of(hub, state)
            auditor = Auditor(audit, lambda error: gateway.start(_fail, error))
            access.on_paired = auditor.paired
            rates = Rates(hub.requests_per_s, hub.submits_per_s)
            gateway = Gateway(nats, options.names, me, access, auditor, rates, claims, facts)
            here = ArtifactStore(
                state / "artifacts",
                max_bytes=hub.artifacts_bytes,
                max_bytes_each=hub.artifacts_bytes_each,
            )
            artifacts = await SharedArtifacts.open(jetstream, options.names, here)
            endings = Endings(nats, options.names, options.lease_s)
            naming = Naming(facts, endings, gateway.desk.open_of)
            listening = serve(
                gateway,
                access,
                hub.host,
                hub.port,
                ssl=front.ssl,
                authority=front.authority_text,
                on_refused=auditor.refused,
                name=options.name,
                grace_s=hub.grace_s + 1.0,
                limits=INTAKE,
                artifacts_of=partial(_shelf, gateway, artifacts, naming),
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(credentials.run)
                await gateway.run(tasks)
                async with listening as server, metrics_of(gateway, hub.metrics_port):
                    tasks.start_soon(front.keep_fresh)
                    gateway.url = front.url(server.port)
                    gateway.fingerprint = front.fingerprint
                    local, file = front.local_url(server.port), front.authority_file
                    with discoverable(state, gateway, local, file, f"local-{options.name}"):
                        await credentials.step()
                        auditor.started(version("constellation-fabric"))
                        try:
                            yield gateway
                        finally:
                            auditor.stopped()
                            with anyio.move_on_after(LEAVE_S, shield=True):
                                await gateway.mesh.tell_all("leaving")
                                await nats.flush()
                tasks.cancel_scope.cancel()


def _shelf(
    gateway: Gateway, artifacts: SharedArtifacts, naming: Naming, identity: Identity
) -> SharedShelf:
    """The artifacts as one of those that connect has them."""
    is_bounded = partial(gateway.desk.sees_its_own_alone, identity)
    return SharedShelf(artifacts, identity.name, is_bounded, partial(naming.named, identity))


async def _fail(error: JournalError) -> None:
    """What cannot be noted must not be done: the gateway stops."""
    raise error


async def _credentials(
    file: Path, options: ClusterOptions, jetstream: JetStreamContext
) -> SharedCredentials:
    bucket = await jetstream.key_value(options.names.access)
    credentials = SharedCredentials(file, bucket)
    await credentials.step()
    return credentials


async def serve_gateway(
    settings: Settings, options: ClusterOptions, ready: Callable[[Gateway], None]
) -> None:
    """Run a gateway until SIGTERM or SIGINT; call ``ready`` once it listens."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_gateway(settings, options) as gateway:
            calm_collector(rarely=True)
            ready(gateway)
            async for _ in signals:
                return


# ── orchestrators ───────────────────────────────────────────────────────────────────────────────


async def run_orchestrator(
    settings: Settings,
    options: ClusterOptions,
    begun: Callable[[Orchestrator], None] = lambda orchestrator: None,
) -> None:
    """Be an orchestrator until canceled, one life after the other.

    Args:
        begun: called whenever a life begins.

    Raises:
        HubUnreachable: no NATS server answers at first.
        ConfigError: what is needed cannot be kept.
    """
    lives: list[Orchestrator] = []

    def began(life: Orchestrator) -> None:
        lives.append(life)
        begun(life)

    while True:
        try:
            with tracing("constellation-orchestrator", options.name) as tracer:
                await _live(settings, options, began, tracer)
        except* (JournalError, HubUnreachable) as group:
            if not lives:
                raise
            for error in group.exceptions:
                log.warning("%s begins anew: %s", options.name, error)
        lives = lives[-1:]
        await anyio.sleep(NEXT_LIFE_S)


async def _live(
    settings: Settings,
    options: ClusterOptions,
    begun: Callable[[Orchestrator], None],
    tracer: Tracer | None,
) -> None:
    me, names = options.new_life(), options.names
    async with connected(options.servers, me) as nats:
        opening = partial(
            JetStreamJournal,
            options.servers,
            names,
            writer=me,
            replicas=options.replicas,
            patience_s=options.lease_s,
        )
        journal = await to_thread.run_sync(opening)
        try:
            # Who may connect, the gateways know; what they may do is asked here.
            state, jetstream = settings.make_state_dir(), nats.jetstream()
            file = state / f"credentials-{options.name}.json"
            credentials = await _credentials(file, options, jetstream)
            await share_secrets_key(state / KEY_FILE, await jetstream.key_value(names.access))
            hub = await _make_hub(settings, journal, credentials, tracer)
            credentials.on_restricted = partial(_permissions_changed, hub)
            claims = Claims(nats, names, me, options.answer_s)
            await claims.open()
            tenure = Tenure(me, options.lease_s, time.monotonic())
            life = Orchestrator(
                nats,
                names,
                me,
                hub,
                journal,
                claims,
                tenure,
                BucketBook(nats, names.resources, options.answer_s),
                grace_s=settings.hub.grace_s,
                patience_s=options.lease_s,
                read_permissions=credentials.step,
            )
            begun(life)
            try:
                async with (
                    metrics_of(hub, settings.hub.metrics_port),
                    anyio.create_task_group() as tasks,
                ):
                    tasks.start_soon(credentials.run)
                    if options.keep_ended_s is not None:
                        retention = Retention(journal, claims, options.keep_ended_s)
                        life.estate.forgotten = lambda: retention.at_work
                        tasks.start_soon(retention.run)
                    await life.run(tasks)
                    tasks.cancel_scope.cancel()
            except anyio.get_cancelled_exc_class():
                with anyio.move_on_after(LEAVE_S, shield=True):
                    await life.leave()
                    await nats.flush()
                raise
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(journal.close)


def _permissions_changed(hub: Hub, name: str) -> None:
    hub.permissions_changed(name)
    hub.pipeline.flush()


async def _make_hub(
    settings: Settings,
    journal: JetStreamJournal,
    credentials: SharedCredentials,
    tracer: Tracer | None,
) -> Hub:
    scheduler = Scheduler(
        settings=Limits(grace_s=settings.hub.grace_s, stream_lag=0, shared_resources=True)
    )
    learned = await to_thread.run_sync(journal.learned)
    if learned is not None:
        scheduler.restore_learned(learned)
    return Hub(
        scheduler=scheduler,
        journal=journal,
        planner=make_planner(settings.planner),
        access=StoreAuthenticator(credentials, PairingDesk()),
        new_id=new_constellation_id,
        revise_within_s=settings.planner.revise_within_s,
        # All clients come by gateways, which count what each of them asks.
        rates=Rates(math.inf, math.inf),
        secrets_key=settings.state_dir / KEY_FILE,
        tracer=tracer,
    )


async def serve_orchestrator(
    settings: Settings, options: ClusterOptions, begun: Callable[[Orchestrator], None]
) -> None:
    """Be an orchestrator until SIGTERM or SIGINT."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_orchestrator, settings, options, begun)
            calm_collector(rarely=True)
            async for _ in signals:
                tasks.cancel_scope.cancel()
                return
