"""What LeRobot's own classes wrote is understood, and arrays that lie are not.

The vectors were written by `lerobot_peer.py vectors` with lerobot 0.4.4, torch 2.13 and NumPy 2.2.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from agents.robot.policies.lerobot.arrays import (
    Arrays,
    array_tree,
    storage_tree,
    tensor_tree,
)
from agents.robot.policies.lerobot.messages import (
    Chunk,
    Seen,
    Wanted,
    chunk_bytes,
    chunk_of,
    seen_bytes,
    seen_of,
    wanted_bytes,
    wanted_of,
)
from agents.robot.policies.lerobot.pickles import Call, Name, PickleLimits, Reader, written
from constellation.errors import LimitExceeded, RemoteProtocolError

VECTORS = Path(__file__).parents[4] / "vectors" / "lerobot"
HELPERS = "lerobot.async_inference.helpers"
IMAGE = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)

numbers = st.sampled_from(["<f4", "<f8", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "|b1"])


def vector(name: str, version: int) -> bytes:
    return (VECTORS / f"{name}-{version}.pickle").read_bytes()


@pytest.mark.parametrize("version", [4, 5])
def test_what_lerobot_wrote_is_understood(version: int) -> None:
    seen = seen_of(vector("seen", version))
    assert (seen.time, seen.step, seen.task, seen.must_go) == (12.5, 7, "hit the moles", True)
    assert seen.numbers == {"a.pos": 0.25, "b.pos": -0.5}
    assert seen.arrays["front"].dtype == np.uint8
    assert (seen.arrays["front"] == IMAGE).all()
    chunk = chunk_of(vector("chunk", version))
    assert (chunk.time, chunk.step) == (12.5, 7)
    assert chunk.period_s == pytest.approx(1 / 30)
    assert chunk.actions.tolist() == [[0, 0.25], [0.5, 0.75], [1, 1.25]]
    wanted = wanted_of(vector("wanted", version))
    assert (wanted.kind, wanted.path, wanted.actions) == ("act", "someone/act", 50)
    assert wanted.device == "cuda"
    assert wanted.joints == ("a.pos", "b.pos")
    assert wanted.features["observation.images.front"]["shape"] == (4, 6, 3)


def test_what_we_write_is_what_lerobot_wrote() -> None:
    """Field by field; how our pickles look to LeRobot itself is tried in test_lerobot_real."""
    seen = seen_of(vector("seen", 4))
    again = seen_of(seen_bytes(seen))
    assert (again.time, again.step, again.numbers) == (seen.time, seen.step, seen.numbers)
    assert (again.arrays["front"] == seen.arrays["front"]).all()
    wanted = wanted_of(vector("wanted", 4))
    assert wanted_of(wanted_bytes(wanted)) == wanted
    chunk = chunk_of(vector("chunk", 4))
    again_chunk = chunk_of(chunk_bytes(chunk))
    assert (again_chunk.actions == chunk.actions).all()
    # LeRobot writes the whole storage once for each action.
    assert len(chunk_bytes(chunk)) < len(vector("chunk", 4))


@given(nps.arrays(numbers, nps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
def test_arrays_are_read_as_numpy_wrote_them(array: Any) -> None:
    for version in (3, 4, 5):
        for each in (array, np.asfortranarray(array)):
            reader = Reader()
            read = Arrays(reader).array(reader.whole(pickle.dumps(each, protocol=version)))
            assert read.dtype == array.dtype
            np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(pickle.loads(written(array_tree(array))), array)


@given(nps.arrays(numbers, nps.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)))
def test_tensors_are_what_they_were(array: Any) -> None:
    reader = Reader()
    tree = tensor_tree(storage_tree(array), 0, array.shape)
    read = Arrays(reader).array(reader.whole(written(tree)))
    np.testing.assert_array_equal(read, array)


@given(st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), st.integers(0, 100))
def test_numbers_are_read_as_numpy_wrote_them(kind: Any, value: int) -> None:
    reader = Reader()
    number = Arrays(reader).number(reader.whole(pickle.dumps(kind(value))))
    assert number == float(kind(value))


# ── whoever lies ────────────────────────────────────────────────────────────────────────────────


def tensor(shape: Any, strides: Any, offset: Any = 0, storage: Any = None) -> Call:
    stored = storage_tree(np.zeros(6, np.float32)) if storage is None else storage
    name = Name("torch._utils", "_rebuild_tensor_v2")
    return Call(name, (stored, offset, shape, strides, False, None))


def stored(data: Any) -> Call:
    return Call(Name("torch.storage", "_load_from_bytes"), (data,))


def array(**changed: Any) -> Call:
    made = array_tree(np.zeros((2, 3), np.float32))
    names = ("version", "shape", "dtype", "fortran", "data")
    state = dict(zip(names, made.state, strict=True)) | changed
    return Call(made.name, made.args, tuple(state.values()))


def dtype(short: Any, order: Any = "<", **rest: Any) -> Call:
    state = (3, order, rest.get("fields"), None, None, -1, -1, 0)
    return Call(Name("numpy", "dtype"), (short, False, True), state)


LIES: dict[str, Any] = {
    "a tensor beyond its storage": tensor((7,), (1,)),
    "strides beyond it": tensor((2, 2), (5, 2)),
    "an offset beyond it": tensor((2,), (1,), 5),
    "a negative offset": tensor((2,), (1,), -1),
    "negative strides": tensor((2,), (-1,), 3),
    "negative sizes": tensor((-2,), (1,)),
    "sizes that are none": tensor(("a",), (1,)),
    "sizes that are true": tensor((True,), (1,)),
    "too few strides": tensor((2, 2), (1,)),
    "too many dimensions": tensor((1,) * 7, (1,) * 7),
    "a tensor of a list": tensor((2,), (1,), storage=[1, 2]),
    "a storage of text": tensor((2,), (1,), storage=stored("text")),
    "a storage of nothing": tensor((2,), (1,), storage=stored(b"")),
    "a storage that is cut": tensor(
        (2,), (1,), storage=stored(storage_tree(np.zeros(6, np.float32)).args[0][:-1])
    ),
    "an array of objects": array(dtype=dtype("O8", "|")),
    "an array of texts": array(dtype=dtype("U1")),
    "complex numbers": array(dtype=dtype("c8")),
    "numbers of 16 bytes": array(dtype=dtype("f16")),
    "a type with fields": array(dtype=dtype("f4", fields=("a",))),
    "a type that is a number": array(dtype=4),
    "a type with a name that is none": array(dtype=dtype(("f4", 2))),
    "too little data": array(data=b"123"),
    "a shape that is too large": array(shape=(2**31, 2**31)),
    "data that is a list": array(data=[1, 2, 3]),
    "another class of arrays": Call(
        Name("numpy.core.multiarray", "_reconstruct"),
        (Name("os", "PathLike"), (0,), b"b"),
        array().state,
    ),
    "an array without a state": Call(array().name, array().args),
    "a call without arguments": Call(array().name, None),
    "a call of a list": Call([1], ()),
    "a call of a call": Call(Call(Name("os", "getcwd"), ()), ()),
    "nothing": None,
    "a list": [1.0, 2.0],
}


@pytest.mark.parametrize("name", LIES)
def test_arrays_that_lie_are_refused(name: str) -> None:
    reader = Reader()
    tree = reader.whole(written(LIES[name]))
    with pytest.raises(RemoteProtocolError):
        Arrays(reader).array(tree)


def test_a_small_message_does_not_become_a_large_array() -> None:
    reader = Reader()
    huge = tensor((2**20, 2**20), (0, 0))
    with pytest.raises(LimitExceeded):
        Arrays(reader).array(reader.whole(written(huge)))
    # Many that are allowed one by one are not allowed together.
    limits = PickleLimits(message_bytes=10_000)
    one = tensor((1_000,), (0,))
    timed = [
        Call(Name(HELPERS, "TimedAction"), (), values(action=one, timestep=step), new=True)
        for step in range(4)
    ]
    with pytest.raises(LimitExceeded):
        chunk_of(written(timed), limits)


def test_keys_of_storages_that_would_never_be_compared() -> None:
    """A list of two of the same list of two … is small; to compare two takes for ever."""
    doubling = b"]"
    for index in range(100):
        doubling = b"](%bq%ch%ce" % (doubling, index, index)
    system = {"little_endian": True}
    head = b"".join(map(written, (0x1950A86A20F9469CFC6C, 1001, system)))
    storage = b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\n%bX\x03\0\0\0cpuK\x01NtQ."
    keys = b"\x80\x02](%be." % doubling
    data = head + storage % doubling + keys + bytes(12)
    reader = Reader()
    tree = reader.whole(written(tensor((1,), (1,), storage=stored(data))))
    with pytest.raises(RemoteProtocolError, match="without a key"):
        Arrays(reader).array(tree)


def values(**changed: Any) -> dict[str, Any]:
    return {"timestamp": 0.0, "timestep": 0, "action": tensor((2,), (1,))} | changed


def timed_action(name: str = "TimedAction", module: str = HELPERS, **changed: Any) -> Call:
    return Call(Name(module, name), (), values(**changed), new=True)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [timed_action("TimedObservation")],
        [timed_action(module="elsewhere")],
        [timed_action(timestep=True)],
        [timed_action(timestep=2**60)],
        [timed_action(timestamp=float("nan"))],
        [timed_action(timestamp="now")],
        [timed_action(action=tensor((2, 1), (1, 1)))],
        [timed_action(), timed_action(timestep=1, action=tensor((3,), (1,)))],
        [timed_action(), timed_action(timestep=2)],
        [Call(Name(HELPERS, "TimedAction"), (), values())],
        [Call(Name(HELPERS, "TimedAction"), (1,), values(), new=True)],
        [Call(Name(HELPERS, "TimedAction"), (), [1], new=True)],
    ],
)
def test_what_is_no_chunk_is_refused(wrong: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        chunk_of(written(wrong))


def test_classes_are_known_where_they_used_to_lie() -> None:
    old = [timed_action(module="lerobot.scripts.server.helpers", extra="unknown")]
    assert chunk_of(written(old)).actions.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    "changed",
    [
        {"policy_type": 1},
        {"lerobot_features": []},
        {"lerobot_features": {"a": 1}},
        {"device": b"x"},
    ],
)
def test_what_is_no_wish_is_refused(changed: dict[str, Any]) -> None:
    tree = Reader().whole(vector("wanted", 4))
    tree.state.update(changed)
    with pytest.raises(RemoteProtocolError):
        wanted_of(written(tree))


def test_a_robot_must_say_what_its_state_is_made_of() -> None:
    with pytest.raises(RemoteProtocolError, match="made of"):
        _ = Wanted("act", "x", {}, 1).joints


@pytest.mark.parametrize("value", [2**2000, Call(Name("numpy.core.multiarray", "scalar"), ())])
def test_numbers_that_are_none_are_refused(value: Any) -> None:
    tree = Reader().whole(vector("seen", 4))
    tree.state["observation"]["a.pos"] = value
    with pytest.raises(RemoteProtocolError):
        seen_of(written(tree))


def test_objects_have_no_place_in_messages() -> None:
    with pytest.raises(TypeError, match="no place"):
        seen_bytes(Seen(0.0, 0, {}, {"x": np.array([None])}))
    with pytest.raises(TypeError, match="no place"):
        storage_tree(np.zeros(2, np.uint16))
    with pytest.raises(RemoteProtocolError):
        chunk_of(seen_bytes(Seen(0.0, 0, {}, {})))
    assert Chunk(0.0, 0, 0.1, np.zeros((1, 2), np.float32)).period_s == 0.1
