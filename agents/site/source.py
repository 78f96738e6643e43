"""What a site can do, as skills: those of its devices, and requests in plain words.

A skill that several of its devices have is one skill here; the site's own scheduler says which of
them does it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from constellation.aip.cards import DeviceCard, Effect, SkillCard
from constellation.errors import SkillError

from ..context import Context
from ..policy import Intent
from ..skills import Registry
from .hub import SiteHub

RUN = "site.run"
# More skills do not fit on a card; one is `RUN`.
MAX_SKILLS = 511
_STRICT: tuple[Effect, ...] = ("read", "write", "dangerous")

log = logging.getLogger("constellation.agent")


class SiteSkills:
    """Follows what a site's devices can do; see `agents.skills.SkillSource`."""

    def __init__(self, site: SiteHub) -> None:
        self._site = site
        self._published: dict[str, SkillCard] = {}

    async def run(self, registry: Registry, changed: Callable[[], None]) -> None:
        """Publish what there is until canceled."""
        async with aclosing(self._site.moves()) as moves:
            async for _ in moves:
                if self._publish(registry, together(await self._site.cards())):
                    changed()

    def _publish(self, registry: Registry, cards: Mapping[str, SkillCard]) -> bool:
        before = dict(self._published)
        for name in [name for name, card in before.items() if cards.get(name) != card]:
            registry.remove(name)
            del self._published[name]
        for name, card in cards.items():
            if name in self._published or len(self._published) == MAX_SKILLS:
                continue
            try:
                registry.add(SiteSkill(self._site, card))
            except SkillError as error:
                log.warning("%s", error)
            else:
                self._published[name] = card
        return self._published != before


def together(devices: Iterable[DeviceCard]) -> dict[str, SkillCard]:
    """The skills of devices by name: of several of one name the first, with the strictest effect.

    One that takes other arguments elsewhere is left out there: who asks must know what to give.
    None reads streams or puts them out, for those end at the hub that they belong to.
    """
    found: dict[str, SkillCard] = {}
    for device in devices:
        for card in device.skills:
            known = found.get(card.name)
            if known is None:
                found[card.name] = card.model_copy(
                    update={"capacity": None, "emits": False, "reads": False}
                )
            elif known.input == card.input:
                effect = max(known.effect, card.effect, key=_STRICT.index)
                idempotent = known.idempotent and card.idempotent
                found[card.name] = known.model_copy(
                    update={"effect": effect, "idempotent": idempotent}
                )
    return found


class SiteSkill:
    """A skill that devices of the site have; the attributes are those of `agents.skills.AnySkill`.

    Whether its arguments are right, the device below says.
    """

    timeout_s: float | None = None
    intent: Callable[..., Intent] | None = None

    def __init__(self, site: SiteHub, card: SkillCard) -> None:
        self.card = card
        self._site = site

    @property
    def name(self) -> str:
        return self.card.name

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `agents.skills.AnySkill.bind`."""
        return dict(arguments)

    async def run(self, bound: Mapping[str, Any], context: Context) -> Any:
        """See `agents.skills.AnySkill.run`, and `agents.site.hub.SiteHub.run`."""
        task = {
            "id": "task",
            "name": context.task or self.name,
            "skill": self.name,
            "arguments": dict(bound),
        }
        work = {"name": context.task or self.name, "edits": [{"op": "add_task", "task": task}]}
        outputs = await self._site.run(_name_of(context), work, context)
        (output,) = outputs.values()
        return output


class RunRequest:
    """Requests in plain words, which the site's own planner makes a constellation of."""

    timeout_s: float | None = None
    intent: Callable[..., Intent] | None = None

    def __init__(self, site: SiteHub) -> None:
        self.card = SkillCard(
            name=RUN,
            description="Have the site plan and do what a request in plain words asks for.",
            input={
                "type": "object",
                "properties": {"request": {"type": "string", "minLength": 1}},
                "required": ["request"],
                "additionalProperties": False,
            },
            output={"type": "object"},
            effect="dangerous",
            streams=True,
        )
        self._site = site

    @property
    def name(self) -> str:
        return self.card.name

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `agents.skills.AnySkill.bind`."""
        request = arguments.get("request")
        if set(arguments) != {"request"} or not isinstance(request, str) or not request.strip():
            raise SkillError(f"{RUN} takes a request in words, and nothing else.", skill=RUN)
        return dict(arguments)

    async def run(self, bound: Mapping[str, Any], context: Context) -> Any:
        """See `agents.skills.AnySkill.run`, and `agents.site.hub.SiteHub.run`."""
        return await self._site.run(_name_of(context), {"request": bound["request"]}, context)


def _name_of(context: Context) -> str:
    """The id below of what an attempt above is: one for each attempt."""
    return "".join(each if each.isalnum() else "-" for each in context.attempt)[-64:]
