"""What devices still run or hold for constellations that nobody owns, because they have ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio

from constellation.errors import Unanswered
from constellation.orchestrator.delivery import Delivery

from .claims import Claims
from .guest import Guest
from .routes import Routes

log = logging.getLogger("constellation.cluster")

# How often it is looked whether what nobody owns has ended.
RESOLVE_S = 1.0


class Leftovers:
    """Lets go of them: attempts are canceled, and what was said of them is acknowledged.

    Args:
        devices: those of the gateway, by name.
        routes: who speaks for what.
        claims: who owns what; asked about what no orchestrator speaks for.
        delivery: sends to devices.
    """

    def __init__(
        self, devices: Mapping[str, Guest], routes: Routes, claims: Claims, delivery: Delivery
    ) -> None:
        self._devices = devices
        self._routes = routes
        self._claims = claims
        self._delivery = delivery

    async def run(self) -> None:
        """Look again and again, until canceled."""
        while True:
            await anyio.sleep(RESOLVE_S)
            names = {name for each in self._devices.values() for name in each.ledger.constellations}
            for name in sorted(names):
                if self._routes.owner(name) is not None:
                    continue
                try:
                    if await self._claims.owner(name) is None:
                        self._let_go(name)
                except Unanswered as error:
                    log.warning("Nobody says who owns %s: %s", name, error)

    def _let_go(self, constellation: str) -> None:
        if self._routes.owner(constellation) is not None:
            return
        for device in self._devices.values():
            ledger = device.ledger
            for attempt in ledger.account(constellation)[0]:
                body = {"attempt": attempt, "reason": "its constellation has ended"}
                if not ledger.withdraw(attempt) and attempt not in device.canceled:
                    device.canceled.add(attempt)
                    self._delivery.send(device.peer, "cancel", body)
            ledger.secure([said.seq for said in ledger.unsecured(constellation)])
            device.peer.acknowledge(ledger.secured)
