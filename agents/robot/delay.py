"""How many actions will be executed until an answer is there: predicted from what was seen. Pure.

A delay is counted in actions that were really executed between an observation and the moment at
which its answer could be used. So it holds all there is, the inference, queues and the network, and
needs no clock: clocks of two machines differ, and a loop that runs late executes less in a second.
"""

from __future__ import annotations

import math
from collections import deque


class Delays:
    """The delays of the last answers.

    Args:
        quantile: which part of the delays the prediction covers, above 0, at most 1. Too much of it
            costs little, too little leaves the robot without actions.
        window: how many answers are remembered.
        warm_up: how many answers do not count at first: models compile, connections open.
        assumed: predicted until there is something to predict from.
    """

    def __init__(
        self, *, quantile: float = 0.8, window: int = 50, warm_up: int = 1, assumed: int = 1
    ) -> None:
        self._quantile = quantile
        self._seen: deque[int] = deque(maxlen=window)
        self._warm_up = warm_up
        self._assumed = assumed

    def record(self, actions: int) -> None:
        """Takes in an answer.

        Args:
            actions: executed between its observation and the first use that could be made of it.
        """
        if self._warm_up > 0:
            self._warm_up -= 1
        else:
            self._seen.append(actions)

    @property
    def predicted(self) -> int:
        """How many actions the next answer will take: the nearest-rank quantile of the window."""
        if not self._seen:
            return self._assumed
        rank = math.ceil(self._quantile * len(self._seen))
        return sorted(self._seen)[max(rank, 1) - 1]
