"""The first frame in each direction: ``hello`` and ``welcome``, written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from constellation.errors import RemoteProtocolError, VersionError

from .codec import Codec, Frame
from .hello import Hello
from .limits import Limits
from .messages import TYPES, VERSION, Message


class Welcome(NamedTuple):
    """A welcome that was checked.

    Attributes:
        id, token: name the session and prove that it is ours.
        resumed: True if it goes on where it was.
        received: number of our last message that the peer received.
        limits: what the peer is ready to receive.
        body: all of it.
    """

    id: str
    token: str
    resumed: bool
    received: int
    limits: Limits
    body: Mapping[str, Any]


def read_hello(frame: Frame, codec: Codec, limits: Limits) -> Hello:
    """Read the first frame of a connection.

    Raises:
        RemoteProtocolError: it is no hello.
        VersionError: the peer does not speak this version.
        LimitExceeded: it is too large.
    """
    # It is one message, and may come from anybody: it is bounded as such before it is unpacked.
    _, messages = codec.decode(frame, replace(limits, max_frame=limits.max_body))
    if len(messages) != 1 or messages[0].type != "hello":
        raise RemoteProtocolError("The first frame is a hello alone.")
    hello = Hello.read(messages[0].body)
    if VERSION not in hello.version:
        raise VersionError(
            f"Version {VERSION} is spoken here; the peer offers {list(hello.version)[:8]}.",
            remedy="Install a matching version.",
        )
    return hello


def check_card(hello: Hello) -> None:
    """Check that a device is known by one name, that of its credential.

    Raises:
        RemoteProtocolError: its card bears another.
    """
    if hello.card is not None and hello.card.name != hello.name:
        raise RemoteProtocolError(
            f"The card of {hello.name} says that its name is {hello.card.name}.",
            remedy="Give the card the name of the device.",
        )


def read_welcome(message: Message) -> Welcome:
    """Read the answer to a hello.

    Raises:
        RemoteProtocolError: it is no welcome.
        VersionError: the peer answers in another version.
    """
    name, _, body = message
    problem = TYPES["welcome"].check(body)
    if name != "welcome" or problem:
        raise RemoteProtocolError(f"Instead of a welcome came {name}: {problem or ''}.")
    if body["version"] != VERSION:
        raise VersionError(f"The peer answers in version {body['version']}.")
    session = body["session"]
    id, token = session.get("id"), session.get("token")
    if not (isinstance(id, str) and isinstance(token, str) and id):
        raise RemoteProtocolError("welcome: the session has no id and token.")
    limits = Limits.from_wire(body.get("limits"))
    return Welcome(id, token, body["resumed"], body["received"], limits, body)


def unsent(codec: Codec, left: Sequence[bytes]) -> tuple[Message, ...]:
    """What a session that is lost did not get through, for the application to judge.

    Streams end with the session: there is no sense in opening or closing one again.
    """
    everything = Limits(max_frame=1 << 62, max_batch=1 << 62, max_depth=1 << 16)
    _, messages = codec.decode(codec.join(0, left), everything)
    return tuple(each for each in messages if each.type not in ("open", "close"))
