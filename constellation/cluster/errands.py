"""Requests of clients that gateways bring to an orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from constellation.aip.identity import Identity
from constellation.errors import Deposed, Moved, Unanswered
from constellation.orchestrator.answering import RequestDesk
from constellation.orchestrator.hub import Hub

from .estate import Estate
from .remote import RemoteClient


class Errands:
    """Has them answered by the hub, once what they are about is ours.

    Args:
        estate: what is ours.
        say: says something to a gateway; see `Mesh.say`.
    """

    def __init__(self, hub: Hub, estate: Estate, say: Callable[..., None]) -> None:
        self._hub = hub
        self._estate = estate
        self._say = say
        self._desk = RequestDesk(hub)
        self._clients: dict[tuple[str, str], RemoteClient] = {}
        self._asked: dict[str, str | None] = {}

    def lost(self, gateway: str) -> None:
        """A gateway is gone, and its clients with it."""
        for key in [key for key in self._clients if key[0] == gateway]:
            self._desk.forget(self._clients.pop(key))

    def gone(self, gateway: str, session: str) -> None:
        """A client is gone."""
        client = self._clients.pop((gateway, session), None)
        if client is not None:
            self._desk.forget(client)

    def take(
        self,
        gateway: str,
        session: str,
        number: str,
        name: str,
        identity: list[Any],
        verb: str,
        params: dict[str, Any],
    ) -> None:
        """A client asks for something."""
        client = self._clients.get((gateway, session))
        if client is None:
            client = RemoteClient(name, Identity(*identity), partial(self._respond, gateway))
            self._clients[gateway, session] = client
        body = {"id": number, "verb": verb, "params": params}
        constellation = params.get("id" if verb == "submit" else "constellation")
        if constellation is None or (verb != "submit" and constellation in self._estate.owned):
            self._ask(client, body, None)
        else:
            self._hub.start(self._ask_later, gateway, client, body, constellation)

    def _ask(self, client: RemoteClient, body: dict[str, Any], made: str | None) -> None:
        self._asked[body["id"]] = made
        self._desk.take(client, body)
        self._hub.pipeline.flush()

    async def _ask_later(
        self, gateway: str, client: RemoteClient, body: dict[str, Any], constellation: str
    ) -> None:
        """Ask for something about what is not ours: it may be new, or have ended."""
        try:
            made = await self._estate.make_ours(body["verb"], constellation)
        except (Unanswered, Deposed) as error:
            self._say(gateway, "respond", body["id"], {"error": error.to_wire()})
            return
        if made is None:
            moved = Moved(f"{constellation} is not ours.")
            self._say(gateway, "respond", body["id"], {"error": moved.to_wire()})
        else:
            self._ask(client, body, constellation if made else None)

    def _respond(self, gateway: str, body: Mapping[str, Any]) -> None:
        number = body["id"]
        self._say(gateway, "respond", number, {k: v for k, v in body.items() if k != "id"})
        made = self._asked.pop(number, None)
        if made is not None and made not in self._hub.scheduler.runs:
            # What it was claimed for came to nothing.
            self._hub.start(self._estate.let_go, made)
