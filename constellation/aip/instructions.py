"""What goes into a session machine and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .codec import MSGPACK, Codec, Frame
from .messages import Message


class CloseCode:
    """Why a connection was closed, as a websocket close code."""

    PROTOCOL = 4000
    UNAUTHENTICATED = 4001
    VERSION = 4002
    LIMIT = 4003
    SILENT = 4004
    REPLACED = 4005
    REVOKED = 4006
    BYE = 4007


# ── events ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TransportOpened:
    """A dialled connection is up; ``hello`` adds to what the session says of itself."""

    codec: Codec = MSGPACK
    hello: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A frame came."""

    data: Frame


@dataclass(frozen=True, slots=True)
class TransportClosed:
    """The connection is gone; the session may be resumed."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; sent when `Session.deadline` is reached."""


Event = TransportOpened | FrameReceived | TransportClosed | Tick

# ── instructions ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Opened:
    """The dialler's session is open.

    Attributes:
        resumed: True if it went on where it was.
        welcome: the body of the welcome.
        lost: numbered messages that an older session could not get acknowledged, for the
            application to send again if they still matter; empty when resumed.
    """

    resumed: bool
    welcome: Mapping[str, Any]
    lost: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Deliver:
    """Messages for the application, in order; secure them with `Session.acknowledge`."""

    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer says why it refused something of ours."""

    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream; ``body`` is that of its ``open`` message."""

    stream: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StreamData:
    """A part of a stream; confirm it with `Session.consume` once it is taken in.

    Attributes:
        late_at: from when on nobody wants it, by the clock of this side; None for never.
    """

    stream: int
    payload: bytes
    last: bool
    late_at: float | None = None


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The peer ended a stream."""

    stream: int
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class CloseTransport:
    """Close the connection with this websocket code, after what waits has been sent."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over for good."""

    reason: str


Instruction = (
    Opened | Deliver | Refused | StreamOpened | StreamData | StreamClosed | CloseTransport | Ended
)
