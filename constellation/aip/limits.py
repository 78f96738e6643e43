"""Limits that both sides of a session state in their hello and welcome; each obeys the other's."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import StrictInt, TypeAdapter, ValidationError, with_config

from constellation.errors import RemoteProtocolError


@with_config(extra="ignore")
@dataclass(frozen=True, slots=True)
class Limits:
    """What one side is ready to receive.

    Attributes:
        max_frame: bytes of a frame.
        max_body: bytes of one encoded message.
        max_depth: nesting of a message's body.
        max_batch: messages in a frame.
        max_outstanding: numbered messages that were received and not yet acknowledged.
        max_outstanding_bytes: their bytes, together.
        max_streams: streams open at once.
        max_item: bytes of one item of a real-time stream.
    """

    max_frame: StrictInt = 16 * 1024 * 1024
    max_body: StrictInt = 8 * 1024 * 1024
    max_depth: StrictInt = 32
    max_batch: StrictInt = 1024
    max_outstanding: StrictInt = 65_536
    max_outstanding_bytes: StrictInt = 64 * 1024 * 1024
    max_streams: StrictInt = 256
    max_item: StrictInt = 256 * 1024

    def to_wire(self) -> dict[str, int]:
        """As plain data."""
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def from_wire(cls, data: Any) -> Limits:
        """Read the peer's limits; what it leaves out is as ours by default.

        Raises:
            RemoteProtocolError: a value is no positive number.
        """
        try:
            limits = _LIMITS.validate_python(data if data is not None else {})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise RemoteProtocolError(f"limits: {first['loc']}: {first['msg']}.") from None
        if min(limits.to_wire().values()) < 1 or limits.max_frame < 4096 or limits.max_body < 1024:
            raise RemoteProtocolError("limits: too small to speak at all.")
        # What is kept for a peer is bounded, however much it is ready to receive.
        return replace(
            limits,
            max_outstanding=min(limits.max_outstanding, _DEFAULT.max_outstanding),
            max_outstanding_bytes=min(limits.max_outstanding_bytes, _DEFAULT.max_outstanding_bytes),
            max_streams=min(limits.max_streams, _DEFAULT.max_streams),
        )


_DEFAULT = Limits()
_NAMES = tuple(each.name for each in fields(Limits))
_LIMITS: TypeAdapter[Limits] = TypeAdapter(Limits)
