"""The messages of openpi's policy servers: msgpack with arrays, read with suspicion. Pure.

An array is a map with bytes as keys: ``__ndarray__``, ``data`` (C order), ``dtype`` and ``shape``.
A NumPy scalar has ``__npgeneric__``, ``data`` (a number) and ``dtype``. Nothing else that msgpack
could carry is taken: no extension types, no timestamps, no keys but text. Types of objects are
refused by name, since only booleans, integers and floats are let in.

Format: openpi, packages/openpi-client, `msgpack_numpy.py` (Physical Intelligence, Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgpack
import numpy as np
from numpy.typing import NDArray

from constellation.errors import LimitExceeded, RemoteProtocolError

_NUMBERS = "biuf"
_MAX_ITEM_BYTES = 8


@dataclass(frozen=True, slots=True)
class WireLimits:
    """How much one message may hold.

    Attributes:
        message_bytes: in all.
        entries: of a map or a list.
        text_bytes: of one text.
        dimensions: of an array.
    """

    message_bytes: int = 64 * 1024 * 1024
    entries: int = 1_000
    text_bytes: int = 64 * 1024
    dimensions: int = 6


def packed(message: Mapping[str, Any]) -> bytes:
    """A message as bytes.

    Raises:
        TypeError: it holds what has no place on the wire.
    """
    data: bytes = msgpack.packb(message, default=_plain)
    return data


def unpacked(data: bytes, limits: WireLimits | None = None) -> dict[str, Any]:
    """A message from bytes. Its arrays share the memory of the message and cannot be written.

    Raises:
        LimitExceeded: it is too large.
        RemoteProtocolError: it is not such a message.
    """
    limits = limits or WireLimits()
    if len(data) > limits.message_bytes:
        raise LimitExceeded(f"A message of {len(data)} bytes; {limits.message_bytes} are allowed.")
    try:
        message = msgpack.unpackb(
            data,
            object_pairs_hook=lambda pairs: _map(pairs, limits),
            ext_hook=_refuse_extension,
            strict_map_key=False,
            max_str_len=limits.text_bytes,
            max_array_len=limits.entries,
            max_map_len=limits.entries,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise RemoteProtocolError(f"That is no message of a policy: {error}.") from error
    if not isinstance(message, dict):
        raise RemoteProtocolError("A message of a policy is a map.")
    return message


def _plain(value: Any) -> dict[bytes, Any]:
    if isinstance(value, np.ndarray) and value.dtype.kind in _NUMBERS:
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": value.shape,
        }
    if isinstance(value, np.generic) and value.dtype.kind in _NUMBERS:
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} has no place in a message")


def _map(pairs: list[tuple[Any, Any]], limits: WireLimits) -> Any:
    entries = dict(pairs)
    if b"__ndarray__" in entries:
        return _array(entries, limits)
    if b"__npgeneric__" in entries:
        data = entries.get(b"data")
        if not isinstance(data, bool | int | float):
            raise ValueError("a scalar that is no number")
        return number_type(entries.get(b"dtype")).type(data)
    if not all(isinstance(key, str) for key in entries):
        raise ValueError("a key that is no text")
    return entries


def _array(entries: dict[Any, Any], limits: WireLimits) -> NDArray[Any]:
    dtype = number_type(entries.get(b"dtype"))
    shape, data = entries.get(b"shape"), entries.get(b"data")
    sizes = shape if isinstance(shape, list) else [-1]
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("a shape that is none")
    if len(sizes) > limits.dimensions:
        raise ValueError(f"an array of {len(sizes)} dimensions")
    count = 1
    for size in sizes:
        count *= size
    if not isinstance(data, bytes) or len(data) != count * dtype.itemsize:
        raise ValueError("an array whose data has another size than its shape")
    return np.frombuffer(data, dtype).reshape(sizes)


def single(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers as float32. What is too large becomes infinite, which whoever acts on it refuses."""
    with np.errstate(over="ignore", invalid="ignore"):
        return numbers.astype(np.float32)


def number_type(name: Any) -> np.dtype[Any]:
    """One of the types that hold numbers; all others are refused before NumPy reads their names.

    Args:
        name: such as ``<f4``.

    Raises:
        ValueError: it is none of them.
    """
    if not isinstance(name, str) or len(name) != 3 or name[0] not in "<>|=":
        raise ValueError("a type that is none")
    if name[1] not in _NUMBERS or not name[2].isdigit() or not 0 < int(name[2]) <= _MAX_ITEM_BYTES:
        raise ValueError(f"numbers of type {name!r}")
    return np.dtype(name)


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise ValueError(f"an extension of type {code}")
