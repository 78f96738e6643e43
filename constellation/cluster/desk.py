"""Requests of clients at a gateway: answered here, or by the orchestrator whose matter it is.

A request that may be made twice is made again when the orchestrator that had it is gone. That
includes `submit`: it always has an id here, and the same id is no second submission.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import anyio
from anyio.abc import TaskGroup
from nats.aio.client import Client

from constellation.aip.endpoint import Guard
from constellation.aip.identity import Identity
from constellation.aip.scope import NOTHING
from constellation.errors import (
    ConstellationError,
    HubUnreachable,
    LimitExceeded,
    Moved,
    PermissionDenied,
    SessionLost,
    Unanswered,
    error_from_wire,
)
from constellation.orchestrator.answering import MAX_WAITING, respond
from constellation.orchestrator.requests import error_response, read_request
from constellation.orchestrator.service import new_constellation_id
from constellation.orchestrator.verbs import VERBS
from constellation.orchestrator.verbs.common import unknown
from constellation.orchestrator.verbs.params import Params
from constellation.orchestrator.views import PART_BYTES

from .log import Log
from .names import Names
from .watching import Watching

if TYPE_CHECKING:
    from constellation.aip.server import Peer
    from constellation.orchestrator.hub import Hub

    from .gateway import Gateway

# Answered from what every gateway has.
_ACCESS = frozenset({"pair", "credentials", "revoke", "allow", "rotate"})
_WATCH = frozenset({"subscribe", "unsubscribe", "logs"})
# Asked of every orchestrator.
_ALL = frozenset({"list", "devices", "status"})
# What may have happened must not happen again without being asked for.
_ONCE = frozenset({"edit", "retry", "answer"})
# How long a request waits for an orchestrator whose matter it is.
PATIENCE_S = 60.0
LOOK_AGAIN_S = 0.1


class Asker(Protocol):
    """On whose behalf an orchestrator is asked: a client, or a `Caller` here."""

    @property
    def session_id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> Identity: ...


class Caller(NamedTuple):
    """Somebody for whom the gateway itself wants to know something."""

    session_id: str
    name: str
    identity: Identity


class Desk:
    """Has every request answered, whatever comes of it.

    Args:
        gateway: where the clients are.
        facts: the log.
    """

    def __init__(self, gateway: Gateway, nats: Client, names: Names, facts: Log) -> None:
        self._gateway = gateway
        self._facts = facts
        self._watching = Watching(gateway, nats, names, facts)
        self._numbers = count(1)
        self._asked: dict[str, tuple[str, anyio.Event, list[Any]]] = {}
        self._waiting: dict[int, set[anyio.CancelScope]] = {}
        self._moved = anyio.Event()
        self._turn = secrets.randbelow(1_000)

    async def run(self, tasks: TaskGroup) -> None:
        """Begin to serve."""
        await self._watching.run()

    def take(self, peer: Peer, body: Mapping[str, Any]) -> None:
        """Do what a ``request`` message asks for."""
        request, verb, params = body["id"], body["verb"], None
        gateway, identity = self._gateway, peer.identity
        try:
            now = asyncio.get_running_loop().time()
            gateway.rates.check(identity.credential, identity.name, verb, now)
            _, params = read_request(peer, body)
            scopes = self._waiting.setdefault(id(peer), set())
            if len(scopes) >= MAX_WAITING:
                raise LimitExceeded(
                    f"{MAX_WAITING} requests of {peer.name} wait for their answers.",
                    remedy="Wait for some of them first.",
                )
        except ConstellationError as error:
            gateway.auditor.asked(peer, verb, params, error=error)
            respond(peer, error_response(request, error))
            return
        scope = anyio.CancelScope()
        scopes.add(scope)
        gateway.start(self._answer, peer, request, verb, params, scope)

    async def _answer(
        self, peer: Peer, request: str, verb: str, params: Params, scope: anyio.CancelScope
    ) -> None:
        with Guard(partial(self._hit_a_fault, peer, request)), scope:
            try:
                result = await self._result(peer, verb, params)
                self._gateway.auditor.asked(peer, verb, params, result=result)
                response = {"id": request, "result": result}
            except ConstellationError as error:
                self._gateway.auditor.asked(peer, verb, params, error=error)
                response = error_response(request, error)
            respond(peer, response)
        if id(peer) in self._waiting:
            self._waiting[id(peer)].discard(scope)

    def _hit_a_fault(self, peer: Peer, request: str, fault: Exception) -> None:
        context = {"message": f"A request of {peer.name} hit a fault.", "exception": fault}
        asyncio.get_running_loop().call_exception_handler(context)
        error = ConstellationError("The gateway hit a fault.", remedy="Look into its log.")
        respond(peer, error_response(request, error))

    def forget(self, peer: Peer) -> None:
        """Give up what a client asked that has gone for good."""
        self._watching.forget(peer)
        for scope in self._waiting.pop(id(peer), ()):
            scope.cancel()

    async def _result(self, peer: Peer, verb: str, params: Params) -> Any:
        if verb in _ACCESS:
            # They ask of a hub what a gateway has as well: who may connect, and its address.
            return VERBS[verb].handler(cast("Hub", self._gateway), peer, params)
        if verb in _WATCH:
            return await self._watch(peer, verb, params.model_dump())
        plain = params.model_dump(mode="json", exclude_none=True)
        if verb in _ALL:
            return await self._ask_all(peer, verb, plain)
        if verb == "submit":
            plain.setdefault("id", new_constellation_id())
        return await self._ask_owner(peer, verb, plain)

    async def _watch(self, peer: Peer, verb: str, params: dict[str, Any]) -> Any:
        if verb == "unsubscribe":
            return {"known": self._watching.unsubscribe(peer, params["subscription"])}
        constellation, after = params["constellation"], params["after"]
        await self._check_sight(peer, constellation)
        if constellation is not None and not await self._facts.is_known(constellation):
            raise unknown(constellation)
        if verb == "logs":
            return await self._watching.logs(constellation, after, params["limit"], PART_BYTES)
        return await self._watching.subscribe(peer, constellation, after)

    async def _check_sight(self, peer: Peer, constellation: str | None) -> None:
        """See that a client which knows of its own constellations alone asks about one of them.

        Raises:
            PermissionDenied: it asks about all.
            UnknownConstellationError: it is not its own.
        """
        if not self.sees_its_own_alone(peer.identity):
            return
        if constellation is None:
            raise PermissionDenied(
                f"{peer.identity.name} sees its own constellations alone, which a gateway cannot "
                "tell apart.",
                remedy="Name the constellation.",
            )
        # Orchestrators show a client what it may know of.
        await self._ask_owner(peer, "show", {"constellation": constellation})

    def sees_its_own_alone(self, identity: Identity) -> bool:
        """True of a client that knows of its own constellations alone."""
        scope = self._gateway.access.credentials.scope(identity.name) or NOTHING
        return identity.kind == "client" and scope.constellations == "own"

    async def open_of(self, identity: Identity) -> list[str]:
        """The constellations of somebody that have not ended.

        Raises:
            HubUnreachable: no orchestrator says so.
        """
        caller = Caller(f"artifacts of {identity.name}", identity.name, identity)
        rows = (await self._ask_all(caller, "list", {}))["constellations"]
        return [row["id"] for row in rows if row["owner"] == identity.name]

    # ── orchestrators ───────────────────────────────────────────────────────────────────────────

    async def _ask_owner(self, peer: Peer, verb: str, params: dict[str, Any]) -> Any:
        """Ask whoever owns what it is about, again if that changes meanwhile."""
        constellation = params.get("constellation")
        with anyio.move_on_after(PATIENCE_S):
            while True:
                owner = await self._find(constellation)
                if owner is not None:
                    try:
                        return await self._ask(owner, peer, verb, params)
                    except Moved:
                        pass
                    except SessionLost:
                        if verb in _ONCE:
                            raise
                with anyio.move_on_after(LOOK_AGAIN_S):
                    await self._moved.wait()
        raise HubUnreachable(
            f"No orchestrator could be asked within {PATIENCE_S:g} s.",
            remedy="See that orchestrators and NATS run.",
        )

    async def _find(self, constellation: str | None) -> str | None:
        """Whom to ask about a constellation, or about a new one; None if there is nobody yet."""
        gateway = self._gateway
        if constellation is not None:
            owner = gateway.routes.owner(constellation)
            if owner is not None:
                return owner
            try:
                claimed = await gateway.claims.owner(constellation)
            except Unanswered:
                return None
            if claimed is not None:
                return claimed.owner if claimed.owner in gateway.mesh.peers else None
        peers = gateway.mesh.peers
        if not peers:
            return None
        # In turn: each gets as many as the others.
        self._turn += 1
        return peers[self._turn % len(peers)]

    async def _ask(self, owner: str, peer: Asker, verb: str, params: dict[str, Any]) -> Any:
        number = str(next(self._numbers))
        answered = anyio.Event()
        answer: list[Any] = []
        self._asked[number] = owner, answered, answer
        identity = peer.identity
        told = [identity.name, identity.kind, identity.credential]
        self._gateway.mesh.say(
            owner, "request", peer.session_id, number, peer.name, told, verb, params
        )
        try:
            await answered.wait()
        finally:
            del self._asked[number]
        (body,) = answer
        if "error" in body:
            raise error_from_wire(body["error"])
        return body["result"]

    async def _ask_all(self, peer: Asker, verb: str, params: dict[str, Any]) -> Any:
        """Ask every orchestrator, and put together what they say."""
        answers: list[Any] = []
        until = anyio.current_time() + PATIENCE_S
        while not self._gateway.mesh.peers:
            if anyio.current_time() > until:
                raise HubUnreachable("There is no orchestrator.", remedy="Start one.")
            await anyio.sleep(LOOK_AGAIN_S)

        async def ask(owner: str) -> None:
            try:
                answers.append(await self._ask(owner, peer, verb, params))
            except SessionLost:
                return

        async with anyio.create_task_group() as tasks:
            for owner in self._gateway.mesh.peers:
                tasks.start_soon(ask, owner)
        if not answers:
            raise SessionLost("The orchestrators went away.", remedy="Ask again.")
        return {"list": _lists, "devices": self._devices, "status": self._status}[verb](answers)

    def _devices(self, answers: list[Any]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for answer in answers:
            for row in answer["devices"]:
                known = rows.setdefault(row["name"], {**row, "running": []})
                known["running"] = known["running"] + row["running"]
                if self._gateway.access.credentials.find(row["name"]) is not None:
                    known["presence"] = known["presence"].replace("revoked", "lost")
        return {"devices": list(rows.values())}

    def _status(self, answers: list[Any]) -> dict[str, Any]:
        first = answers[0]
        return {
            **first,
            "url": self._gateway.url,
            "constellations": sum(each["constellations"] for each in answers),
            "cluster": {
                "gateway": self._gateway.me,
                "orchestrators": list(self._gateway.mesh.peers),
                "refused": self._gateway.routes.refused,
            },
        }

    # ── what orchestrators do ───────────────────────────────────────────────────────────────────

    def respond(self, number: str, body: Mapping[str, Any]) -> None:
        """An orchestrator answers."""
        found = self._asked.get(number)
        if found is not None and not found[2]:
            found[2].append(body)
            found[1].set()

    def lost(self, orchestrator: str) -> None:
        """What an orchestrator was asked will not be answered by it."""
        error = SessionLost(
            "The orchestrator that was asked is gone; what was asked may have happened.",
            remedy="Look, and ask again.",
        )
        for number, (owner, _, _) in list(self._asked.items()):
            if owner == orchestrator:
                self.respond(number, {"error": error.to_wire()})

    def came(self, orchestrator: str) -> None:
        """There is an orchestrator to ask."""
        self._look_again()

    def owned(self, constellation: str) -> None:
        """A constellation has an owner."""
        self._look_again()

    def _look_again(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()


def _lists(answers: list[Any]) -> dict[str, Any]:
    """Open constellations of all, and once those that have ended, which all know."""
    rows = {row["id"]: row for answer in answers for row in answer["constellations"]}
    for answer in answers:
        for row in answer["constellations"]:
            if row["ended_at"] is None:
                rows[row["id"]] = row
    ordered = sorted(rows.values(), key=lambda row: row["created_at"])
    return {"constellations": ordered, "more": any(answer["more"] for answer in answers)}
