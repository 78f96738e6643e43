"""What devices say, as events of the scheduler and as notices for observers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from constellation.aip.cards import DeviceCard
from constellation.aip.messages import Message
from constellation.errors import ConstellationError, PermissionDenied, RemoteProtocolError
from constellation.graph.task import Outcome, TaskState

from .artifacts import is_hash
from .events import (
    ArtifactsHeld,
    AttemptFinished,
    AttemptRejected,
    AttemptsFinished,
    DeviceDraining,
    DeviceUpdated,
    Event,
    InputRequired,
    Notify,
)
from .ports import PeerPort

if TYPE_CHECKING:
    from .hub import Hub

_STATES = {state.value: state for state in TaskState}


class Hearing:
    """Takes the messages of devices."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def take(self, peer: PeerPort, messages: Sequence[Message]) -> None:
        """Messages of one frame, or a part of it, in order."""
        finished: list[AttemptFinished] = []
        for message in messages:
            if message.type == "result":
                finished.append(_finished(peer.name, message.body))
                continue
            if finished:
                self._feed_from(peer, AttemptsFinished(finished))
                finished = []
            self._one_from_device(peer, message.type, message.body)
        if finished:
            self._feed_from(peer, AttemptsFinished(finished))

    def _one_from_device(self, peer: PeerPort, type: str, body: Mapping[str, Any]) -> None:
        match type:
            case "accept" | "progress" | "output":
                self._pass_on(peer, type, body)
            case "reject":
                self._feed_from(peer, AttemptRejected(peer.name, body["attempt"], body["error"]))
            case "input_required":
                self._feed_from(peer, InputRequired(peer.name, body["attempt"], body["question"]))
            case "card":
                self._update_card(peer, body["card"])
            case "have":
                hashes = tuple(filter(is_hash, body["hashes"]))
                self._feed_from(peer, ArtifactsHeld(peer.name, hashes))
            case "read":
                self._read(peer, body)
            case "drain":
                self._feed_from(peer, DeviceDraining(peer.name))

    def _read(self, peer: PeerPort, body: Mapping[str, Any]) -> None:
        streaming = self._hub.streaming
        try:
            if streaming is None:
                raise PermissionDenied("Nothing flows between tasks here.")
            streaming.read(peer, body)
        except ConstellationError as error:
            # Whoever asked waits for a stream: it is told by name that none comes.
            asked = {"attempt": body["attempt"], "task": body["task"]}
            self._hub.tell(peer, "unread", {**asked, "error": error.to_wire()})

    def _update_card(self, peer: PeerPort, plain: Mapping[str, Any]) -> None:
        try:
            card = DeviceCard.model_validate(plain)
        except ValidationError as error:
            peer.complain(RemoteProtocolError(f"The card is wrong: {error.errors()[0]['msg']}."))
            return
        if card.name != peer.name:
            peer.complain(PermissionDenied(f"{peer.name} may not publish a card of {card.name}."))
            return
        self._feed_from(peer, DeviceUpdated(self._hub.permitted(card)))

    def _feed_from(self, peer: PeerPort, event: Event) -> None:
        try:
            self._hub.feed(event)
        except ConstellationError as error:
            # A device that says what cannot be is told so; nobody else is harmed.
            peer.complain(error)

    def _pass_on(self, peer: PeerPort, type: str, body: Mapping[str, Any]) -> None:
        """Show observers what runs; the scheduler need not know."""
        if not len(self._hub.observers):
            return
        running = self._hub.scheduler.devices[peer.name].running
        for attempt in body["attempts"] if type == "accept" else (body["attempt"],):
            if attempt in running:
                constellation, task, _ = attempt.split("/")
                event = {**body, "attempt": attempt, "task": task, "device": peer.name}
                self._hub.notify(Notify(self._hub.pipeline.now(), constellation, type, event))


def _finished(device: str, body: Mapping[str, Any]) -> AttemptFinished:
    outcome = Outcome(_STATES[body["state"]], body.get("output"), body.get("error"))
    return AttemptFinished(
        device, body["attempt"], outcome, body.get("duration_s"), body.get("usage")
    )
