"""Requests of clients and their answers, which are sent once what they did is in the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import CancelScope

from constellation.aip.endpoint import Guard
from constellation.errors import ConstellationError, LimitExceeded, ProtocolError

from .requests import error_response, read_request

if TYPE_CHECKING:
    from .hub import Hub
    from .ports import PeerPort

# Requests of one peer that may wait for their answers, such as plans of a language model.
MAX_WAITING = 64


class RequestDesk:
    """Answers every request, whatever comes of it.

    Args:
        hub: what the requests are made of.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: defaultdict[PeerPort, set[CancelScope]] = defaultdict(set)

    def take(self, peer: PeerPort, body: Mapping[str, Any]) -> None:
        """Do what a ``request`` message asks for; its body is given."""
        request, name, params = body["id"], body["verb"], None
        identity = peer.identity
        try:
            self._hub.rates.check(
                identity.credential, identity.name, name, self._hub.pipeline.now()
            )
            verb, params = read_request(peer, body)
            self._hub.gate.check_request(identity, name, verb, params)
            if len(self._waiting[peer]) >= MAX_WAITING:
                raise LimitExceeded(
                    f"{MAX_WAITING} requests of {peer.name} wait for their answers.",
                    remedy="Wait for some of them first.",
                )
            result = verb.handler(self._hub, peer, params)
        except ConstellationError as error:
            self._hub.auditor.asked(peer, name, params, error=error)
            self._respond(peer, error_response(request, error))
            return
        if isinstance(result, Mapping):
            self._hub.auditor.asked(peer, name, params, result=result)
            self._respond(peer, {"id": request, "result": result})
        else:
            scope = CancelScope()
            self._waiting[peer].add(scope)
            asked = partial(self._hub.auditor.asked, peer, name, params)
            self._hub.start(self._respond_later, peer, request, result, scope, asked)

    async def _respond_later(
        self,
        peer: PeerPort,
        request: str,
        result: Awaitable[Mapping[str, Any]],
        scope: CancelScope,
        asked: Callable[..., None],
    ) -> None:
        with Guard(partial(self._hit_a_fault, peer, request)), scope:
            try:
                answer = await result
                asked(result=answer)
                response = {"id": request, "result": answer}
            except ConstellationError as error:
                asked(error=error)
                response = error_response(request, error)
            self._respond(peer, response)
        if peer in self._waiting:
            self._waiting[peer].discard(scope)
        self._hub.pipeline.flush()

    def forget(self, peer: PeerPort) -> None:
        """Give up what a peer asked that has gone for good: nobody waits for the answers."""
        for scope in self._waiting.pop(peer, ()):
            scope.cancel()

    def _hit_a_fault(self, peer: PeerPort, request: str, fault: Exception) -> None:
        self._hub.report(f"A request of {peer.name}", fault)
        error = ConstellationError(
            "The hub hit a fault.", remedy="Look into its log, and report what stands there."
        )
        self._respond(peer, error_response(request, error))

    def _respond(self, peer: PeerPort, body: dict[str, Any]) -> None:
        self._hub.pipeline.afterwards(partial(respond, peer, body))


def respond(peer: PeerPort, body: dict[str, Any]) -> None:
    """Send the body of a ``response``, or why it is left out."""
    try:
        if "result" in body and peer.is_full and peer.pending:
            raise LimitExceeded(
                "It was done, but its answer is left out: earlier ones were not taken in yet.",
                remedy="Ask for less at once.",
            )
        peer.send("response", body)
    except ProtocolError as error:
        # Larger or deeper than this client takes, or too much.
        peer.send("response", error_response(body["id"], error))
