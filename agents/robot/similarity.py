"""Which pictures of a camera are worth sending: what is new, and now and then what is not. Pure.

A picture that looks like the last one that was sent is left out, but never for longer than a bound:
whoever waits for pictures can tell a scene in which nothing moves from a camera that is dead, and
gets a fresh one to act by. A small thing that moves counts as much as a large one: pictures are
compared block by block, and the block that differs most decides.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8


class Similarity:
    """Says of each picture whether to send it.

    Args:
        most_skip_s: for so long at most pictures are left out.
        threshold: levels, of 255, by which a block of 8 × 8 pixels must differ on average.
    """

    def __init__(self, most_skip_s: float = 1.0, threshold: float = 4.0) -> None:
        self._most_skip_s = most_skip_s
        self._threshold = threshold
        self._sent: NDArray[np.float32] | None = None
        self._sent_at = -math.inf

    def is_new(self, picture: NDArray[np.uint8], now: float) -> bool:
        """Whether to send a picture, (height, width, channels); one that is new counts as sent.

        Args:
            now: seconds; never goes back.
        """
        blocks = _blocks(picture)
        fresh = now - self._sent_at < self._most_skip_s
        if fresh and self._sent is not None and self._sent.shape == blocks.shape:
            differs: Any = np.abs(blocks - self._sent).max(initial=0.0)
            if differs < self._threshold:
                return False
        self._sent, self._sent_at = blocks, now
        return True


def _blocks(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of blocks; those at the right and lower edge may be smaller."""
    rows = np.arange(0, picture.shape[0], _BLOCK)
    columns = np.arange(0, picture.shape[1], _BLOCK)
    sums = np.add.reduceat(picture, rows, axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns, axis=1)
    heights = np.diff(np.append(rows, picture.shape[0]))
    widths = np.diff(np.append(columns, picture.shape[1]))
    means: NDArray[np.float32] = (sums / np.outer(heights, widths)[..., None]).astype(np.float32)
    return means
