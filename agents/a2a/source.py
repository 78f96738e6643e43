"""An A2A agent whose card's skills are skills of this device while it answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio
import httpx
from a2a.client import A2ACardResolver, ClientConfig, create_client
from a2a.types import AgentCard, AgentSkill
from a2a.utils.constants import PROTOCOL_VERSION_CURRENT, VERSION_HEADER
from a2a.utils.errors import A2AError
from pydantic import ValidationError

from constellation.aip.cards import SkillCard
from constellation.errors import SkillError

from ..context import Context
from ..errors import ToolServerLost
from ..foreign import Arguments, check_travels, skill_name, unusable
from ..policy import Intent
from ..skills import Registry
from .tasks import OUTPUT, RemoteTask

# An agent is asked so often whether it is there and what its card says.
CHECK_S = 30.0
# For one answer; a stream may be silent for as long as the reading allows.
TIMEOUT = httpx.Timeout(30.0, read=300.0)
# More skills do not fit on a card.
MAX_SKILLS = 512
INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {"request": {"type": "string", "description": "What to do, in plain words."}},
    "required": ["request"],
    "additionalProperties": False,
}

log = logging.getLogger("constellation.agent")


class A2AAgent:
    """An agent at a URL.

    Args:
        name: the first part of its skills' names.
        url: where its card is, without ``/.well-known/…``.
        token: the bearer credential to show; None for none.
        check_s: see `CHECK_S`.
    """

    def __init__(
        self, name: str, url: str, token: str | None = None, *, check_s: float = CHECK_S
    ) -> None:
        self.name = name
        self._url = url
        self._check_s = check_s
        self._headers = {VERSION_HEADER: PROTOCOL_VERSION_CURRENT}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._card: AgentCard | None = None

    @property
    def is_there(self) -> bool:
        """Whether it answered when it was last asked."""
        return self._card is not None

    async def run(self, registry: Registry, changed: Callable[[], None]) -> None:
        """Follow the card until canceled; see `agents.skills.SkillSource`."""
        published: list[str] = []
        while True:
            try:
                card: AgentCard | None = await self.look()
            except (A2AError, httpx.HTTPError) as error:
                card = None
                if self._card is not None:
                    log.warning("The A2A agent %s is not there: %s", self.name, error)
            if card != self._card:
                for each in published:
                    registry.remove(each)
                self._card = card
                published = self._publish(registry, card)
                changed()
            await anyio.sleep(self._check_s)

    async def do(self, request: str, context: Context) -> dict[str, Any]:
        """Have it do a task; raises as `agents.a2a.tasks.RemoteTask.run`."""
        if self._card is None:
            raise ToolServerLost(
                f"The A2A agent {self.name!r} is not there.", remedy="Retry the task when it is."
            )
        headers = dict(self._headers)
        if context.traceparent is not None:
            headers["traceparent"] = context.traceparent
        async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT) as http:
            client = await create_client(self._card, ClientConfig(httpx_client=http))
            return await RemoteTask(client, self.name).run(request, context)

    async def look(self) -> AgentCard:
        """Its card, with the addresses that are of the host that a person named.

        Raises:
            A2AError: it cannot be had, or has no such address.
            httpx.HTTPError: the host cannot be reached.
        """
        async with httpx.AsyncClient(headers=self._headers, timeout=TIMEOUT) as http:
            card = await A2ACardResolver(http, self._url).get_agent_card()
        # The credential is for the place that a person named, not for any that a card names.
        mine = [each for each in card.supported_interfaces if _is_same(each.url, self._url)]
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(mine)
        if not mine:
            raise A2AError("its card names no address of the same host")
        return card

    def _publish(self, registry: Registry, card: AgentCard | None) -> list[str]:
        published: list[str] = []
        for each in () if card is None else card.skills:
            try:
                if len(registry) == MAX_SKILLS:
                    log.warning("%s is left out: there are %d already.", each.id, MAX_SKILLS)
                    break
                found = AgentDoes(self, each)
                registry.add(found)
                published.append(found.name)
            except SkillError as error:
                log.warning("%s", error)
        return published


class AgentDoes:
    """A skill that an agent has; the attributes are those of `agents.skills.AnySkill`.

    A card does not say what a skill does to the world, so all are ``dangerous``: a person is asked
    unless the device's policy allows it.

    Raises:
        SkillError: it cannot be one.
    """

    timeout_s: float | None = None

    def __init__(self, agent: A2AAgent, told: AgentSkill) -> None:
        name = skill_name(agent.name, told.id)
        try:
            self.card = SkillCard(
                name=name,
                description=(told.description or told.name)[:2000],
                input=INPUT,
                output=OUTPUT,
                effect="dangerous",
                examples=tuple(told.examples),
                streams=True,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise unusable(name, f"{first['loc'][0]}: {first['msg']}") from None
        check_travels(self.card)
        self.intent: Callable[..., Intent] | None = partial(_intent, name)
        self._arguments = Arguments(self.card)
        self._agent = agent

    @property
    def name(self) -> str:
        return self.card.name

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `agents.skills.AnySkill.bind`."""
        return self._arguments.bind(arguments)

    async def run(self, bound: Mapping[str, Any], context: Context) -> Any:
        """See `agents.skills.AnySkill.run`, and `agents.a2a.tasks.RemoteTask.run`."""
        return await self._agent.do(bound["request"], context)


def _is_same(one: str, other: str) -> bool:
    """Whether two addresses are of one scheme, host and port."""
    try:
        first, second = httpx.URL(one), httpx.URL(other)
    except httpx.InvalidURL:
        return False
    return (first.scheme, first.host, first.port) == (second.scheme, second.host, second.port)


def _intent(name: str, /, **arguments: Any) -> Intent:
    """What a person is asked to approve: not the agent's own description, which may flatter."""
    said = json.dumps(arguments, ensure_ascii=False, indent=2, default=str)
    return Intent(f"Give the A2A agent's skill {name} the task {said}")
