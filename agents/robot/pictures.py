"""Images as files of bytes: PNG, which loses nothing, and JPEG, which is small."""

from __future__ import annotations

import io
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def is_picture(value: NDArray[Any]) -> TypeGuard[Pixels]:
    """Whether a value that is sensed is an image: (height, width, 3) uint8, and not empty."""
    return value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3 and value.size > 0


def png(pixels: Pixels) -> bytes:
    """An image, (height, width, 3), as a PNG file."""
    return _saved(pixels, format="PNG", compress_level=1)


def jpeg(pixels: Pixels, quality: int = 80) -> bytes:
    """An image, (height, width, 3), as a JPEG file.

    Args:
        quality: from 1 to 95.
    """
    return _saved(pixels, format="JPEG", quality=quality)


def pixels_of(data: bytes) -> Pixels:
    """The image of a PNG or JPEG file, (height, width, 3).

    Raises:
        OSError: it is none.
    """
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        return np.asarray(image.convert("RGB"))


def _saved(pixels: Pixels, **how: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, **how)
    return stream.getvalue()
