"""Live streams: what devices show as it happens, such as cameras, passed on to who watches.

A device opens a real-time stream with the label ``live`` and says in its meta what it is: ``name``
and ``type``. A client that watches it gets a stream of its own, with the same quality of service.
Items pass through, and nothing is kept: a watcher that is slow, or away, misses what is too old and
holds up nobody. A device that was away goes on showing to those who watch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constellation.aip.peer import Peer
from constellation.aip.pipes import IncomingStream
from constellation.aip.writers import ItemWriter
from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    RemoteProtocolError,
    UnknownDeviceError,
)

if TYPE_CHECKING:
    from .ports import PeerPort

LABEL = "live"
MAX_NAME = 100
# Of one device.
MAX_STREAMS = 16


class Channel:
    """One live stream, whoever sends it at the moment.

    Attributes:
        device, name: of it.
        type: of its items, such as ``image/jpeg``.
        deadline_s: after which an item is of no use; None if only the newest counts.
        source: what comes from the device; None while it is away.
        watchers: where it goes.
    """

    def __init__(self, device: str, name: str) -> None:
        self.device, self.name = device, name
        self.type = ""
        self.deadline_s: float | None = None
        self.source: IncomingStream | None = None
        self.watchers: dict[Peer, ItemWriter] = {}

    def show(self, stream: IncomingStream, type: str) -> None:
        """From now on it comes from here."""
        if self.source is not None:
            self.source.refuse()
        self.type, self.deadline_s, self.source = type, stream.deadline_s, stream
        stream.pour_into(Feed(self, stream))

    def write(self, data: bytes) -> None:
        """An item."""
        for peer, writer in list(self.watchers.items()):
            try:
                writer.put(data)
            except ConstellationError as error:
                # It watches no longer, or takes no items of this size.
                del self.watchers[peer]
                writer.close(error)


class Feed:
    """What comes on one stream of a device."""

    def __init__(self, channel: Channel, stream: IncomingStream) -> None:
        self._channel, self._stream = channel, stream

    def write(self, data: bytes) -> None:
        """An item came."""
        self._channel.write(data)

    def close(self, error: ConstellationError | None) -> None:
        """It has ended; whoever watches waits for the next."""
        if self._channel.source is self._stream:
            self._channel.source = None


class Live:
    """All live streams of a hub."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, str], Channel] = {}

    def take(self, peer: Peer, stream: IncomingStream) -> None:
        """A peer opened a stream that nobody else takes."""
        try:
            name, type = _described(peer, stream)
            self._sweep()
            of_device = [each for each in self._channels.values() if each.device == peer.name]
            channel = self._channels.get((peer.name, name))
            if channel is None and len(of_device) >= MAX_STREAMS:
                raise LimitExceeded(f"{peer.name} shows {MAX_STREAMS} live streams already.")
        except ConstellationError as error:
            stream.refuse(error)
            return
        if channel is None:
            channel = self._channels[peer.name, name] = Channel(peer.name, name)
        channel.show(stream, type)

    def watch(self, peer: PeerPort, device: str, name: str) -> dict[str, Any]:
        """Pass a live stream on to a client; which stream of its session it comes on, and of what.

        Raises:
            UnknownDeviceError: there is no such live stream.
            PermissionDenied: it is a client at a gateway, past which no streams come.
            LimitExceeded: the client takes no more streams.
        """
        channel = self._channels.get((device, name))
        if channel is None or channel.source is None:
            raise UnknownDeviceError(
                f"{device} shows nothing as {name!r}.", remedy="See `constellation camera`."
            )
        if not isinstance(peer, Peer):
            raise PermissionDenied("Live streams do not pass gateways.")
        if peer in channel.watchers:
            channel.watchers.pop(peer).close()
        meta = {"device": device, "name": name, "type": channel.type}
        writer = peer.streams.open_items(LABEL, meta, deadline_s=channel.deadline_s)
        channel.watchers[peer] = writer
        return {"stream": writer.number, "type": channel.type}

    def forget(self, peer: PeerPort) -> None:
        """A peer has gone for good."""
        if isinstance(peer, Peer):
            for channel in self._channels.values():
                channel.watchers.pop(peer, None)
        self._sweep()

    def listing(self) -> list[dict[str, Any]]:
        """What can be watched now."""
        return [
            {
                "device": each.device,
                "name": each.name,
                "type": each.type,
                "deadline_s": each.deadline_s,
                "watchers": len(each.watchers),
            }
            for each in self._channels.values()
            if each.source is not None
        ]

    def _sweep(self) -> None:
        """Forget what nobody sends and nobody watches."""
        self._channels = {
            key: each
            for key, each in self._channels.items()
            if each.source is not None or each.watchers
        }


def _described(peer: Peer, stream: IncomingStream) -> tuple[str, str]:
    """Name and type of a live stream.

    Raises:
        ConstellationError: it is none, or this peer may have none.
    """
    if stream.label != LABEL:
        raise RemoteProtocolError(f"There is no use for a stream {stream.label[:80]!r}.")
    if peer.role != "device":
        raise PermissionDenied("Only devices show live streams.")
    if stream.qos == "reliable":
        raise RemoteProtocolError("A live stream is 'latest' or 'deadline'.")
    name, type = stream.meta.get("name"), stream.meta.get("type")
    for said in (name, type):
        if not isinstance(said, str) or not 0 < len(said) <= MAX_NAME:
            raise RemoteProtocolError("A live stream has a 'name' and a 'type' in its meta.")
    return str(name), str(type)
