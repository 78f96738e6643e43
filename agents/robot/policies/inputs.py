"""What a small policy is shown, in the order in which its network was trained. Pure.

Shapes: B samples, A joints, n actions of a prefix, at most `LONGEST`.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from ..ports import Array
from ..safety import Vector
from ..sims.world import RATE_HZ, Things, World

HORIZON = 24
LONGEST = 12


class Kind(StrEnum):
    """How a policy was trained.

    STANDARD: from what is seen, at the state of that moment. OFFSET: the state may be later than
    what is seen (offset augmentation, VLASH, arXiv 2512.01031). DELAY: the same, and it is told by
    how many control steps. PREFIX: it is told the actions that are executed meanwhile instead
    (training-time real-time chunking). FLOW: as DELAY, by flow matching. FLOW_STANDARD: as
    STANDARD, by flow matching. INPAINT: by flow matching, of what was executed after what is seen,
    so that it can be drawn towards a chunk that runs.
    CORRECTED: as DELAY, with a head that corrects single actions by what is seen meanwhile (A2C2,
    arXiv 2509.23224).
    """

    STANDARD = "standard"
    OFFSET = "offset"
    DELAY = "delay"
    PREFIX = "prefix"
    FLOW = "flow"
    FLOW_STANDARD = "flow-standard"
    INPAINT = "inpaint"
    CORRECTED = "corrected"


def inputs(
    kind: Kind, world: World, state: Vector, things: Things, delay: Vector, prefix: Vector
) -> Array:
    """The inputs of the network, (B, F).

    Args:
        state: (B, S); later than the things by the delay, or for `Kind.PREFIX` of the same time.
        things: as sensed.
        delay: control steps, (B,).
        prefix: velocities of the commanded positions, (B, LONGEST, A), of which `delay` count.
    """
    columns = [world.features(state, things)]
    if kind in (Kind.DELAY, Kind.PREFIX):
        columns.append(np.minimum(delay, LONGEST)[:, None] / LONGEST)
    if kind is Kind.PREFIX:
        counts = np.arange(LONGEST) < delay[:, None]
        moved = (prefix * counts[:, :, None]).cumsum(axis=1) / RATE_HZ
        columns.append(moved.reshape(len(state), -1))
    return np.concatenate(columns, axis=1).astype(np.float32)
