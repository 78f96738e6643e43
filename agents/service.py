"""The agent as a process: its memory, its connection, and how it ends."""

from __future__ import annotations

import logging
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import anyio

from constellation.aip.backoff import Backoff
from constellation.aip.client import Link, connect
from constellation.aip.eventloop import calm_collector, loop_options
from constellation.aip.messages import Message
from constellation.errors import LimitExceeded, SessionLost
from constellation.tracing import tracing

from .artifacts import Artifacts
from .assistant.skill import make_assistant
from .card import make_card
from .handover import Handover
from .loading import load_skills, tool_servers
from .pairing import introduce
from .policy import Policy, load_policy
from .roots import Roots
from .runtime import STOP_GRACE_S, Agent
from .settings import AgentSettings
from .skills import AnySkill, Registry, SkillSource, threads_are_busy
from .store import Store
from .streams import DeviceStreams
from .systemd import notify, watchdog_s
from .tracing import AttemptTraces

# How long the hub may take to secure the last results of an agent that stops.
HAND_IN_S = 5.0
# A person is told after so long that no hub answers.
TELL_AFTER_S = 5.0

log = logging.getLogger("constellation.agent")

# Something that an agent does beside its tasks, with its connection.
Beside: TypeAlias = Callable[[Link], Coroutine[Any, Any, None]]


class Service:
    """An agent and its connection.

    Args:
        ready: called when the hub has first taken the device in.
        registry: the device's skills; those of tool servers come and go.
        linked: called when the hub can be reached again (True), or no longer (False).
        sources, beside: see `run_agent`.
        streams: those between tasks.

    Attributes:
        link: the connection; set before it is open.
    """

    def __init__(
        self,
        settings: AgentSettings,
        agent: Agent,
        handover: Handover,
        ready: Callable[[], None],
        registry: Registry,
        linked: Callable[[bool], None],
        sources: Sequence[SkillSource],
        beside: Sequence[Beside],
        streams: DeviceStreams,
    ) -> None:
        self._beside = beside
        self._streams = streams
        self._settings = settings
        self._linked = linked
        self._registry = registry
        self._skills_changed = anyio.Event()
        self._tool_servers = tool_servers(settings, registry, self._note_change)
        self._sources = sources
        self._agent = agent
        self._handover = handover
        self._ready = ready
        self._was_ready = False
        self._draining = False
        self.link: Link | None = None

    # ── callbacks of the link ───────────────────────────────────────────────────────────────────

    def on_open(self, resumed: bool, lost: Sequence[Message]) -> None:
        """A session is open. What an older one lost, the handover knows itself."""
        if self.link is None:
            return
        self._handover.opened(self.link, resumed=resumed)
        self._linked(True)
        if not resumed:
            self._streams.opened(self.link)
            self._agent.ask_again()
            if self._draining:
                self._handover.outgoing.other("drain", {})
        notify("STATUS=connected")
        if self._was_ready:
            log.info("Connected to the hub again.")
        else:
            self._was_ready = True
            self._ready()

    def on_messages(self, messages: Sequence[Message]) -> None:
        """Messages of the hub: taken in, and then secured."""
        self._agent.received(messages)
        if self.link is not None:
            self.link.acknowledge(messages[-1].seq)

    def on_detached(self, reason: str) -> None:
        """The connection is gone; the link dials again."""
        self._handover.detached()
        self._linked(False)
        notify("STATUS=disconnected")
        if not self._draining:
            log.warning("The connection to the hub is down (%s); trying again.", reason)

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    async def run(self, signals: AsyncIterator[signal.Signals]) -> None:
        """Serve until the first signal, then drain; a second signal ends it at once.

        Raises:
            AgentError: the memory cannot be written.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._handover.watch)
            tasks.start_soon(self._tell_if_alone)
            tasks.start_soon(self._keep_card)
            for server in self._tool_servers:
                tasks.start_soon(server.run)
            for source in self._sources:
                tasks.start_soon(source, self._registry, self._note_change)
            if self.link is not None:
                for each in self._beside:
                    tasks.start_soon(each, self.link)
            tasks.start_soon(self._calm_watchdog)
            notify("READY=1")
            await anext(signals)
            tasks.start_soon(self._end_at_once, signals, tasks.cancel_scope)
            await self._drain()
            tasks.cancel_scope.cancel()

    def _note_change(self) -> None:
        self._skills_changed.set()

    async def _keep_card(self) -> None:
        """Tell the hub of skills that came or went; changes while it is away are told once."""
        while self.link is not None:
            await self._skills_changed.wait()
            self._skills_changed = anyio.Event()
            await self.link.ready()
            try:
                self.link.publish_card(make_card(self._settings, self._registry))
            except LimitExceeded:
                # Too much is on its way already. A fresh session would begin with the new card.
                with suppress(SessionLost):
                    await self.link.drained()
                    self._note_change()

    async def _calm_watchdog(self) -> None:
        """Tell systemd that the event loop runs, as often as it wants to hear it."""
        within_s = watchdog_s()
        while within_s is not None:
            notify("WATCHDOG=1")
            await anyio.sleep(within_s / 2)

    async def _tell_if_alone(self) -> None:
        if self.link is None:
            return
        with anyio.move_on_after(TELL_AFTER_S):
            await self.link.ready()
            return
        log.warning("No hub answers at %s yet (%s).", self._settings.hub, self.link.trouble)

    async def _end_at_once(
        self, signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope
    ) -> None:
        await anext(signals)
        scope.cancel()

    async def _drain(self) -> None:
        """Take nothing new, let what runs end, stop what does not, and hand all results in."""
        self._draining = True
        notify("STOPPING=1")
        self._agent.leave()
        with anyio.move_on_after(self._settings.drain_timeout_s):
            await self._agent.idle()
        self._agent.stop_all()
        with anyio.move_on_after(STOP_GRACE_S + 1):
            await self._agent.idle()
        with anyio.move_on_after(HAND_IN_S):
            await self._handover.handed_in()


async def run_agent(
    settings: AgentSettings,
    *,
    skills: Sequence[AnySkill] = (),
    sources: Sequence[SkillSource] = (),
    beside: Sequence[Beside] = (),
    policy: Policy | None = None,
    ready: Callable[[], None] = lambda: None,
    linked: Callable[[bool], None] = lambda up: None,
) -> None:
    """Serve as a device until SIGTERM or SIGINT.

    Args:
        settings: what to be.
        skills: to publish beside those that the settings name.
        sources: of skills that come and go while the agent runs.
        beside: runs while the agent does, with its connection; never ends by itself.
        policy: what holds if the settings name no file; None for the defaults.
        ready: called when the hub has first taken the device in.
        linked: called when the hub can be reached, and when it no longer can; on the event loop.

    Raises:
        ConfigError, SkillError: the settings or a skill are wrong.
        AuthenticationError: the hub does not, or no longer, take the credential or the code.
        AgentError: the agent's memory cannot be written.
    """
    settings.check_roots()
    registry = load_skills(
        settings.kind, settings.skills, skills, others_follow=bool(settings.mcp_servers)
    )
    if settings.assistant.model:
        folder = settings.folder / "trajectories"
        registry.add(make_assistant(settings.assistant, registry, folder))
    rules = (policy or Policy()) if settings.policy is None else load_policy(settings.policy)
    card = make_card(settings, registry)
    credential = settings.find_credential()
    with (
        tracing("constellation-agent", settings.name) as tracer,
        Store(settings.folder) as store,
        anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
    ):
        handover = Handover(store)
        artifacts, streams = Artifacts(), DeviceStreams()

        def hub_time() -> float | None:
            return artifacts.link.peer_time() if artifacts.link else None

        agent = Agent(
            registry,
            handover,
            artifacts,
            capacity=settings.capacity,
            roots=Roots(settings.roots),
            policy=rules,
            hub_time=hub_time,
            traces=AttemptTraces(tracer, settings.name, hub_time) if tracer else None,
            streams=streams,
        )
        service = Service(
            settings, agent, handover, ready, registry, linked, sources, beside, streams
        )
        try:
            introduction = await introduce(settings)
            async with connect(
                settings.hub,
                role="device",
                name=settings.name,
                card=card,
                credential=credential,
                pair_code=introduction.code,
                ssl=introduction.ssl,
                heartbeat=settings.heartbeat,
                backoff=Backoff(random.random, most_s=settings.redial_s),
                inventory=agent.inventory,
                on_open=service.on_open,
                on_messages=service.on_messages,
                on_detached=service.on_detached,
                on_credential=introduction.keep,
            ) as link:
                service.link = artifacts.link = link
                streams.listen(link)
                await service.run(signals)
        finally:
            handover.close()


def serve(
    settings: AgentSettings,
    *,
    skills: Sequence[AnySkill] = (),
    sources: Sequence[SkillSource] = (),
    beside: Sequence[Beside] = (),
    ready: Callable[[], None] = lambda: None,
    linked: Callable[[bool], None] = lambda up: None,
) -> int:
    """Run `run_agent` as the whole of a process; return its exit code.

    Raises:
        ConstellationError: see `run_agent`.
    """
    main = partial(
        run_agent,
        settings,
        skills=skills,
        sources=sources,
        beside=beside,
        ready=ready,
        linked=linked,
    )
    calm_collector()
    anyio.run(main, backend_options=loop_options())
    if threads_are_busy():
        # A thread that does not look at `Context.canceled` would keep the process. Every result
        # is handed in or written down by now.
        os._exit(0)
    return 0
