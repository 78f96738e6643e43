"""What the page and the agent say to each other: the body of an AIP session.

The page dials as a client, with the secret of its address as the credential, and asks by
``request``: ``mute`` (``on``), ``enrol``, ``everyone``. The agent tells what happens by ``event``,
of the subscription ``talk``; what a loudspeaker is to do is among them. Sound has streams of its
own, each with the quality of service that it needs:

| label | from | qos | carries |
|---|---|---|---|
| ``microphone`` | page | deadline, 3 s | items of 20 ms: 16-bit PCM at 16 kHz, little-endian |
| ``played`` | page | reliable | pairs of answer and samples, each 32 bits, little-endian |
| ``answer`` | agent | reliable | PCM of the answer ``meta.answer``; broken off if that is stopped |
| ``levels`` | agent | latest | two bytes: how likely anybody and the known voice speaks, of 255 |

What the microphone heard a while ago is of no use to a conversation. Of an answer every sample
counts: it is sent ahead of its time, so that a slow link makes no gaps, and what was heard of it is
told by its samples.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from constellation.aip.server import Peer
from constellation.aip.writers import ByteWriter
from constellation.errors import (
    AudioError,
    ConstellationError,
    RemoteProtocolError,
    SessionLost,
)

from .events import Duck, Instruction, Pause, Play, Restore, Resume, StopPlayback
from .live import Talk
from .sound import Samples, from_pcm, to_pcm

SUBSCRIPTION = "talk"
_PLAYED = struct.Struct("<II")
_ORDERS: dict[type, str] = {
    Play: "play",
    Duck: "duck",
    Restore: "restore",
    Pause: "pause",
    StopPlayback: "stop",
}


class PageScreen:
    """What a page shows; see `agents.voice.ports.Screen`."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._levels = peer.streams.open_items("levels")

    def tell(self, kind: str, **fields: Any) -> None:
        body = {"subscription": SUBSCRIPTION, "constellation": "", "kind": kind, "body": fields}
        self._peer.send("event", {**body, "time": self._peer.now()})

    def levels(self, anyone: float, primary: float) -> None:
        # Once the session has ended there is nobody to see them.
        with suppress(SessionLost):
            self._levels.put(bytes(round(255 * level) for level in (anyone, primary)))


class PageSpeaker:
    """The loudspeaker of a page; see `agents.voice.ports.Loudspeaker`."""

    def __init__(self, peer: Peer, screen: PageScreen) -> None:
        self._peer = peer
        self._tell = screen.tell
        self._sounds: dict[int, ByteWriter] = {}

    def add(self, answer: int, sound: Samples) -> None:
        with suppress(SessionLost):
            writer = self._sounds.get(answer)
            if writer is None:
                writer = self._peer.streams.open_bytes("answer", {"answer": answer})
                self._sounds[answer] = writer
            writer.put(to_pcm(sound))

    def do(self, instruction: Instruction) -> None:
        match instruction:
            case Resume(answer, sample):
                self._tell("resume", answer=answer, sample=sample)
            case (
                Play(answer) | Duck(answer) | Restore(answer) | Pause(answer) | StopPlayback(answer)
            ):
                self._tell(_ORDERS[type(instruction)], answer=answer)
        match instruction:
            case StopPlayback(answer):
                self._end(answer)
            case Play(answer):
                # Answers that were begun too early and never played are over.
                for older in [each for each in self._sounds if each < answer]:
                    self.forget(older)

    def forget(self, answer: int) -> None:
        self._tell("forget", answer=answer)
        self._end(answer)

    def _end(self, answer: int) -> None:
        writer = self._sounds.pop(answer, None)
        if writer is not None:
            writer.close()


class Microphone:
    """Takes a page's microphone in; see `constellation.aip.pipes.Sink`."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def write(self, data: bytes) -> None:
        if len(data) % 2:
            raise AudioError("The sound of a microphone has samples of two bytes.")
        self._talk.hear(from_pcm(data))

    def close(self, error: ConstellationError | None) -> None:
        pass


class PlayedReports:
    """Takes in what a page says of its loudspeaker; see `constellation.aip.pipes.Sink`."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._rest = b""

    def write(self, data: bytes) -> None:
        self._rest += data
        whole = len(self._rest) // _PLAYED.size * _PLAYED.size
        reports, self._rest = self._rest[:whole], self._rest[whole:]
        for answer, samples in _PLAYED.iter_unpack(reports):
            self._talk.played(answer, samples)

    def close(self, error: ConstellationError | None) -> None:
        pass


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Mute(_Params):
    on: bool


_VERBS: dict[str, tuple[type[_Params], Callable[[Talk, Any], None]]] = {
    "mute": (_Mute, lambda talk, params: talk.interrupters.mute(params.on)),
    "enrol": (_Params, lambda talk, _: talk.interrupters.begin_enrolment()),
    "everyone": (_Params, lambda talk, _: talk.interrupters.let_everyone()),
}


def answered(talk: Talk, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a page's ``request`` asks for; return the body of the ``response``."""
    try:
        _do(talk, request["verb"], request.get("params") or {})
    except ConstellationError as error:
        return {"id": request["id"], "error": error.to_wire()}
    return {"id": request["id"], "result": {}}


def _do(talk: Talk, verb: str, given: Mapping[str, Any]) -> None:
    if verb not in _VERBS:
        raise RemoteProtocolError(
            f"There is no verb {verb!r}.", remedy=f"Use one of {', '.join(_VERBS)}."
        )
    params, act = _VERBS[verb]
    try:
        wanted = params.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RemoteProtocolError(f"{verb}: {where}: {first['msg']}.", field=where) from None
    act(talk, wanted)
