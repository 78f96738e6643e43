"""WAV files as people have them: PCM of 8 to 32 bits and floating point, of any rate. Pure.

The chunks are those of RIFF; a file that was cut off, as by a recorder that ended early, is read as
far as it goes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from constellation.errors import AudioError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FORMAT = struct.Struct("<HHIIHH")
_RATES_HZ = range(4_000, 384_001)
_MOST_CHANNELS = 64
_KINDS = {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}


def decoded(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples between −1 and 1, of several channels the mean, and their rate in hertz.

    Raises:
        AudioError: it is no such file; the message begins with a verb.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise AudioError("is no WAV file.", remedy="Convert it to one.")
    kind: tuple[int, int] | None = None
    channels = rate = 0
    for name, body in _chunks(data):
        if name == b"fmt " and len(body) >= _FORMAT.size:
            tag, channels, rate, _, _, bits = _FORMAT.unpack_from(body)
            if tag == _EXTENSIBLE and len(body) >= 26:
                (tag,) = struct.unpack_from("<H", body, 24)
            kind = tag, bits
        elif name == b"data" and kind is not None:
            return _samples(body, kind, channels, rate), rate
    raise AudioError("is a WAV file without sound in it.", remedy="Record it again.")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        name, (size,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _samples(body: bytes, kind: tuple[int, int], channels: int, rate: int) -> NDArray[np.float32]:
    if kind not in _KINDS:
        raise AudioError(
            f"has sound of a kind that is not known ({kind[0]}, {kind[1]} bits).",
            remedy="Convert it to PCM of 16 bits.",
        )
    if rate not in _RATES_HZ or not 0 < channels <= _MOST_CHANNELS:
        raise AudioError(
            f"has {channels} channels at {rate} Hz.", remedy="Convert it to one at 16 kHz."
        )
    tag, bits = kind
    frame = channels * bits // 8
    body = body[: len(body) // frame * frame]
    found = _floats(body, bits) if tag == _FLOAT else _integers(body, bits)
    # What is not a number is no sound.
    known = np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)
    mixed = known.reshape(-1, channels).mean(axis=1)
    return np.asarray(np.clip(mixed, -1.0, 1.0), np.float32)


def _floats(body: bytes, bits: int) -> NDArray[np.float64]:
    return np.frombuffer(body, "<f4" if bits == 32 else "<f8").astype(np.float64)


def _integers(body: bytes, bits: int) -> NDArray[np.float64]:
    if bits == 8:
        return (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128
    if bits == 24:
        three = np.frombuffer(body, np.uint8).reshape(-1, 3)
        four = np.zeros((len(three), 4), np.uint8)
        four[:, 1:] = three
        return four.reshape(-1).view("<i4").astype(np.float64) / 2**31
    return np.frombuffer(body, f"<i{bits // 8}").astype(np.float64) / float(2 ** (bits - 1))
