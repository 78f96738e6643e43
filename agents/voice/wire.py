"""What the page and the agent say to each other, over one websocket.

The page sends binary messages, each 20 ms of the microphone (16-bit PCM at 16 kHz), and JSON:
``{"type": "played", "answer": 1, "samples": 4000}``, ``{"type": "mute", "on": true}``,
``{"type": "enrol"}``, ``{"type": "everyone"}``.

The agent's messages are numbered, so that a page which lost its link gets those that it missed.
JSON carries ``seq`` and ``type``; sound is binary: the number and the answer as 32-bit
little-endian integers, and PCM that is put behind what there is of the answer.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .events import Duck, Instruction, Pause, Play, Restore, Resume, StopPlayback
from .sound import Samples, to_pcm

_KEPT = 2_000
_HEADER = struct.Struct("<II")

_ORDERS: dict[type, str] = {
    Play: "play",
    Duck: "duck",
    Restore: "restore",
    Pause: "pause",
    StopPlayback: "stop",
}


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlayedMessage(_Message):
    type: Literal["played"]
    answer: int = Field(ge=0, le=2**31)
    samples: int = Field(ge=0, le=2**40)


class MuteMessage(_Message):
    type: Literal["mute"]
    on: bool


class EnrolMessage(_Message):
    type: Literal["enrol"]


class EveryoneMessage(_Message):
    type: Literal["everyone"]


FromPage = PlayedMessage | MuteMessage | EnrolMessage | EveryoneMessage
FROM_PAGE: TypeAdapter[FromPage] = TypeAdapter(FromPage)


class Outbox:
    """Messages for the page, kept for a while in case it missed them.

    Attributes:
        send: takes each message as it comes; None while there is no link.
    """

    def __init__(self) -> None:
        self.send: Callable[[str | bytes], None] | None = None
        self._seq = 0
        self._kept: deque[tuple[int, str | bytes]] = deque(maxlen=_KEPT)

    def tell(self, kind: str, **fields: Any) -> None:
        """Send a message of some type."""
        self._seq += 1
        self._put(json.dumps({"seq": self._seq, "type": kind, **fields}))

    def hint(self, kind: str, **fields: Any) -> None:
        """Send what nobody misses if it is lost, such as a level."""
        if self.send is not None:
            self.send(json.dumps({"type": kind, **fields}))

    def sound(self, answer: int, sound: Samples) -> None:
        """Send sound of an answer."""
        self._seq += 1
        self._put(_HEADER.pack(self._seq, answer) + to_pcm(sound))

    def resume(self, send: Callable[[str | bytes], None], after: int) -> None:
        """There is a link again: send what came behind a number, and all from now on."""
        self.send = send
        for seq, message in self._kept:
            if seq > after:
                send(message)

    def _put(self, message: str | bytes) -> None:
        self._kept.append((self._seq, message))
        if self.send is not None:
            self.send(message)


class PageSpeaker:
    """The loudspeaker of a page; see `agents.voice.ports.Loudspeaker`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def add(self, answer: int, sound: Samples) -> None:
        self._outbox.sound(answer, sound)

    def do(self, instruction: Instruction) -> None:
        match instruction:
            case Resume(answer, sample):
                self._outbox.tell("resume", answer=answer, sample=sample)
            case (
                Play(answer) | Duck(answer) | Restore(answer) | Pause(answer) | StopPlayback(answer)
            ):
                self._outbox.tell(_ORDERS[type(instruction)], answer=answer)

    def forget(self, answer: int) -> None:
        self._outbox.tell("forget", answer=answer)
