"""From the actions of a policy to positions in control steps, and from one chunk to the next. Pure.

A policy's actions may be meant for fewer steps in a second than the robot takes, may be relative,
and may be more careful than need be. Shapes: H actions of a policy, n control steps, A joints.
"""

from __future__ import annotations

import numpy as np

from .ports import Array, Semantics
from .safety import Vector


def spread(actions: Array, semantics: Semantics, *, merge: int = 1, servo: int = 1) -> Array:
    """Actions of a policy as actions of control steps.

    Args:
        actions: (H, A).
        merge: that many actions become one: as far in less time, for some accuracy. What is left
            over at the end is dropped (action quantisation, VLASH, arXiv 2512.01031, section 3.4).
        servo: control steps for each action. Positions are interpolated, distances divided.

    Returns:
        (H // merge · servo, A).
    """
    count, joints = actions.shape[0] // merge, actions.shape[1]
    groups = actions[: count * merge].reshape(count, merge, joints)
    merged: Array = groups[:, -1] if semantics is Semantics.ABSOLUTE else groups.sum(axis=1)
    if servo == 1:
        return merged
    if semantics is Semantics.ABSOLUTE:
        before = np.concatenate((merged[:1], merged[:-1]))
        parts = (np.arange(1, servo + 1) / servo)[None, :, None]
        steps = before[:, None] + parts * (merged - before)[:, None]
        return steps.reshape(count * servo, joints).astype(np.float32)
    share = servo if semantics is Semantics.RELATIVE else 1
    return np.repeat(merged, servo, axis=0) / np.float32(share)


def wishes(actions: Array, semantics: Semantics, commanded: Vector, rate_hz: float) -> Vector:
    """The positions that actions of the next control steps ask for, if nothing is clamped.

    Args:
        actions: (n, A), of control steps.
        commanded: the position commanded last, (A,).
        rate_hz: control steps in a second.

    Returns:
        (n, A).
    """
    wished: Vector = actions.astype(np.float64)
    if semantics is Semantics.ABSOLUTE:
        return wished
    if semantics is Semantics.VELOCITY:
        wished /= rate_hz
    moved: Vector = wished.cumsum(axis=0)
    return commanded + moved


def averaged(old: Array, new: Array, share: float) -> Array:
    """A new chunk whose beginning is drawn towards the end of the old one (LeRobot's queue).

    Args:
        old: what is left of the old chunk, (m, A), from the same step on.
        new: (n, A).
        share: of the new one where both have an action.

    Returns:
        (n, A).
    """
    both = min(len(old), len(new))
    mixed = new.copy()
    mixed[:both] = share * new[:both] + (1 - share) * old[:both]
    return mixed
