"""What a LeRobot robot and its policy server tell each other. Pure.

Three kinds of pickles: what is observed, a chunk of actions, and which policy is wanted. Each has
one shape, and what has another is refused; fields that are not known are left alone.

Format: lerobot 0.4.4, `async_inference/helpers.py` (Hugging Face, Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from constellation.errors import RemoteProtocolError

from ...ports import Array
from ..wire import single
from .arrays import Arrays, Numbers, array_tree, storage_tree, tensor_tree
from .pickles import Call, Name, PickleLimits, Reader, Tree, written

# Where the classes lie now, and where they lay in lerobot 0.3.
_HOMES = ("lerobot.async_inference.helpers", "lerobot.scripts.server.helpers")

STATE = "observation.state"
IMAGES = "observation.images."
TASK = "task"

_MOST_VALUES = 1_000
_MOST_ACTIONS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a robot observed (``TimedObservation``).

    Attributes:
        time: seconds, on the robot's own wall clock.
        step: of the last action that was executed.
        numbers: of its joints, by name.
        arrays: images, (height, width, 3) uint8, by name of the camera; or other arrays.
        task: in words.
        must_go: no action is left.
    """

    time: float
    step: int
    numbers: Mapping[str, float]
    arrays: Mapping[str, Numbers]
    task: str = ""
    must_go: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Actions (a list of ``TimedAction``).

    Attributes:
        time: of the first, on the clock of the robot that asked.
        step: of the first.
        period_s: from one to the next.
        actions: (n, A).
    """

    time: float
    step: int
    period_s: float
    actions: Array


@dataclass(frozen=True, slots=True)
class Wanted:
    """The policy that a robot asks for (``RemotePolicyConfig``).

    Attributes:
        kind: such as ``act``.
        path: of its folder, or its name on a hub of models.
        features: what the robot observes: of each entry its ``dtype``, ``shape`` and ``names``.
        actions: in a chunk, at most.
        device: on which it shall run.
    """

    kind: str
    path: str
    features: Mapping[str, Mapping[str, Any]]
    actions: int
    device: str = "cpu"

    @property
    def joints(self) -> tuple[str, ...]:
        """The names of the numbers that make up the state, in their order.

        Raises:
            RemoteProtocolError: there are none.
        """
        names = self.features.get(STATE, {}).get("names")
        if not isinstance(names, list | tuple) or not all(type(each) is str for each in names):
            raise RemoteProtocolError("The robot does not say what its state is made of.")
        return tuple(names)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def seen_of(data: bytes, limits: PickleLimits | None = None) -> Seen:
    """What is observed.

    Raises:
        LimitExceeded: it is too large.
        RemoteProtocolError: it is no observation.
    """
    arrays, tree = _opened(data, limits)
    fields = _fields(tree, "TimedObservation")
    values = fields.get("observation")
    if type(values) is not dict or len(values) > _MOST_VALUES:
        raise RemoteProtocolError("An observation holds no values, or too many.")
    numbers: dict[str, float] = {}
    found: dict[str, Numbers] = {}
    task = ""
    for name, value in values.items():
        if type(value) is str:
            task = value if name == TASK else task
        elif isinstance(value, bool | int | float) or _is_scalar(value):
            numbers[name] = arrays.number(value)
        else:
            found[name] = arrays.array(value)
    return Seen(
        time=_float(fields, "timestamp"),
        step=_int(fields, "timestep"),
        numbers=numbers,
        arrays=found,
        task=task,
        must_go=fields.get("must_go") is True,
    )


def chunk_of(data: bytes, limits: PickleLimits | None = None) -> Chunk:
    """Actions.

    Raises:
        LimitExceeded: they are too large.
        RemoteProtocolError: they are none.
    """
    arrays, tree = _opened(data, limits)
    if type(tree) is not list or not 1 <= len(tree) <= _MOST_ACTIONS:
        raise RemoteProtocolError("An answer holds no actions, or too many.")
    timed = [_fields(each, "TimedAction") for each in tree]
    actions = [arrays.array(each.get("action")) for each in timed]
    if any(each.ndim != 1 or each.shape != actions[0].shape for each in actions):
        raise RemoteProtocolError("The actions of an answer are not of one size.")
    first = _int(timed[0], "timestep")
    if [_int(each, "timestep") for each in timed] != list(range(first, first + len(timed))):
        raise RemoteProtocolError("The actions of an answer do not follow one another.")
    times = [_float(each, "timestamp") for each in timed]
    period = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    return Chunk(times[0], first, period, single(np.stack(actions)))


def wanted_of(data: bytes, limits: PickleLimits | None = None) -> Wanted:
    """Which policy is wanted.

    Raises:
        LimitExceeded: it is too large.
        RemoteProtocolError: it is no such message.
    """
    _, tree = _opened(data, limits)
    fields = _fields(tree, "RemotePolicyConfig")
    features = fields.get("lerobot_features")
    if type(features) is not dict or any(type(each) is not dict for each in features.values()):
        raise RemoteProtocolError("The robot does not say what it observes.")
    return Wanted(
        kind=_str(fields, "policy_type"),
        path=_str(fields, "pretrained_name_or_path"),
        features=features,
        actions=_int(fields, "actions_per_chunk"),
        device=_str(fields, "device"),
    )


def _opened(data: bytes, limits: PickleLimits | None) -> tuple[Arrays, Tree]:
    reader = Reader(limits)
    return Arrays(reader), reader.whole(data)


def _fields(tree: Tree, name: str) -> dict[str, Tree]:
    """The fields of one of LeRobot's dataclasses."""
    homes = [Name(home, name) for home in _HOMES]
    plain = isinstance(tree, Call) and tree.new and tree.name in homes and tree.args == ()
    if not plain or type(tree.state) is not dict:
        raise RemoteProtocolError(f"That is no {name}.")
    fields: dict[str, Tree] = tree.state
    return fields


def _is_scalar(tree: Tree) -> bool:
    return isinstance(tree, Call) and isinstance(tree.name, Name) and tree.name.name == "scalar"


def _int(fields: Mapping[str, Tree], name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not -(2**53) < value < 2**53:
        raise RemoteProtocolError(f"{name!r} must be a whole number.")
    return value


def _float(fields: Mapping[str, Tree], name: str) -> float:
    value = fields.get(name)
    if type(value) is not float or not isfinite(value):
        raise RemoteProtocolError(f"{name!r} must be a finite number.")
    return value


def _str(fields: Mapping[str, Tree], name: str) -> str:
    value = fields.get(name)
    if type(value) is not str:
        raise RemoteProtocolError(f"{name!r} must be a text.")
    return value


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


def seen_bytes(seen: Seen) -> bytes:
    """An observation as LeRobot's policy server reads it.

    Raises:
        TypeError: an array holds other than numbers.
    """
    images = {name: array_tree(value) for name, value in seen.arrays.items()}
    return _dataclass(
        "TimedObservation",
        {
            "timestamp": seen.time,
            "timestep": seen.step,
            "observation": {**seen.numbers, **images, TASK: seen.task},
            "must_go": seen.must_go,
        },
    )


def chunk_bytes(chunk: Chunk) -> bytes:
    """Actions as LeRobot's robots read them: tensors that share one storage."""
    count, joints = chunk.actions.shape
    storage = storage_tree(chunk.actions.astype(np.float32))
    timed: Sequence[Tree] = [
        Call(
            Name(_HOMES[0], "TimedAction"),
            (),
            {
                "timestamp": chunk.time + index * chunk.period_s,
                "timestep": chunk.step + index,
                "action": tensor_tree(storage, index * joints, (joints,)),
            },
            new=True,
        )
        for index in range(count)
    ]
    return written(list(timed))


def wanted_bytes(wanted: Wanted) -> bytes:
    """A wish for a policy as LeRobot's policy server reads it."""
    return _dataclass(
        "RemotePolicyConfig",
        {
            "policy_type": wanted.kind,
            "pretrained_name_or_path": wanted.path,
            "lerobot_features": {name: dict(each) for name, each in wanted.features.items()},
            "actions_per_chunk": wanted.actions,
            "device": wanted.device,
            "rename_map": {},
        },
    )


def _dataclass(name: str, fields: dict[str, Tree]) -> bytes:
    return written(Call(Name(_HOMES[0], name), (), fields, new=True))
