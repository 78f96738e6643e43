"""The frames of LeRobot's gRPC service: bytes, in parts if they are long.

Format: lerobot 0.4.4, `transport/services.proto`. The messages are declared here, in a pool of
their own, so that they do not clash with LeRobot's where both are loaded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from constellation.errors import LimitExceeded, RemoteProtocolError

SERVICE = "transport.AsyncInference"

_BEGIN, _MIDDLE, _END = 1, 2, 3
_PART_BYTES = 2 * 1024 * 1024


def _declared(fields: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Classes of messages, by their names."""
    kinds = {
        "transfer_state": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
        "data": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="services.proto", package="transport", syntax="proto3"
    )
    for name, entries in fields.items():
        message = file.message_type.add(name=name)
        for number, entry in enumerate(entries, 1):
            message.field.add(
                name=entry,
                number=number,
                type=kinds[entry],
                label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"transport.{name}"))
        for name in fields
    }


_classes = _declared(
    {
        "Observation": ("transfer_state", "data"),
        "Actions": ("data",),
        "PolicySetup": ("data",),
        "Empty": (),
    }
)
Observation, Actions = _classes["Observation"], _classes["Actions"]
PolicySetup, Empty = _classes["PolicySetup"], _classes["Empty"]


def parts(data: bytes) -> Iterator[Any]:
    """Observations that carry bytes, in parts."""
    for start in range(0, len(data), _PART_BYTES):
        end = start + _PART_BYTES
        state = _END if end >= len(data) else _MIDDLE if start else _BEGIN
        yield Observation(transfer_state=state, data=data[start:end])


async def whole(stream: AsyncIterator[Any], most_bytes: int) -> bytes:
    """The bytes that come in parts.

    Raises:
        LimitExceeded: they are too many.
        RemoteProtocolError: a part is of no known kind, or the last does not come.
    """
    gathered: list[bytes] = []
    size = 0
    async for part in stream:
        if part.transfer_state not in (_BEGIN, _MIDDLE, _END):
            raise RemoteProtocolError("A part of an observation is of no known kind.")
        if part.transfer_state == _BEGIN:
            gathered, size = [], 0
        gathered.append(part.data)
        size += len(part.data)
        if size > most_bytes:
            raise LimitExceeded(f"An observation of more than {most_bytes} bytes.")
        if part.transfer_state == _END:
            return b"".join(gathered)
    raise RemoteProtocolError("The last part of an observation is missing.")
