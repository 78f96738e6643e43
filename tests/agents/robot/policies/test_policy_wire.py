"""Messages of policy servers: what openpi writes is read, and nothing else is."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.robot.policies.messages import (
    actions_of,
    question_message,
    question_of,
    spec_message,
    spec_of,
    within_of,
)
from agents.robot.policies.questions import Question
from agents.robot.policies.wire import WireLimits, packed, unpacked
from agents.robot.ports import Observation, PolicySpec, Semantics
from constellation.errors import LimitExceeded, RemoteProtocolError

SPEC = PolicySpec("arm", 50.0, 24, 2, Semantics.VELOCITY, takes_delay=True)


def array(data: Any = b"\0" * 8, dtype: Any = "<f4", shape: Any = (2,)) -> dict[bytes, Any]:
    return {b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape}


@pytest.mark.parametrize(
    "value",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.zeros((2, 5, 5, 3), np.uint8),
        np.zeros((0, 3), np.float64),
        np.array([True, False]),
        np.arange(3, dtype=">i2"),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
)
def test_arrays_survive(value: np.ndarray[Any, np.dtype[Any]]) -> None:
    found = unpacked(packed({"a": {"b": value}}))["a"]["b"]
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)


def test_scalars_texts_and_lists_survive() -> None:
    message = {"x": np.float32(0.5), "n": np.int64(-3), "s": "ä", "l": [1, None, {"y": 2.0}]}
    found = unpacked(packed(message))
    assert found == message
    assert found["x"].dtype == np.float32


def test_what_openpi_writes_is_what_we_write() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    theirs = msgpack.packb(
        {"observation/image": array(image.tobytes(), "|u1", (1, 2, 3)), "prompt": "go"}
    )
    assert packed({"observation/image": image, "prompt": "go"}) == theirs


@pytest.mark.parametrize(
    "refused",
    [
        array(dtype="|O"),
        array(dtype="<c8"),
        array(dtype="|V4", shape=(2,)),
        array(dtype="f4,f4"),
        array(dtype="<U1"),
        array(dtype="<M8"),
        array(dtype=["f4"]),
        array(shape=(3,)),
        array(shape=(-2,)),
        array(shape=(True, 2)),
        array(shape=(2**40, 2**40)),
        array(shape=None),
        array(shape=(1,) * 6 + (2,)),
        array(data="texttext"),
        {b"__npgeneric__": True, b"data": "1", b"dtype": "<f4"},
        {b"__npgeneric__": True, b"data": 1, b"dtype": "|O"},
        {b"other": 1},
        {1: 2},
        msgpack.ExtType(5, b"x"),
        msgpack.Timestamp(1),
    ],
)
def test_anything_else_is_refused(refused: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        unpacked(msgpack.packb({"a": refused}))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80\x80", msgpack.packb([1]), b"\x91" * 2_000])
def test_what_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        unpacked(data)


def test_limits_hold() -> None:
    limits = WireLimits(message_bytes=1_000, entries=4, text_bytes=10)
    assert unpacked(packed({"a": "x" * 10, "b": [0] * 4}), limits)
    for large in ({"a": "x" * 11}, {"a": [0] * 5}, {str(i): 0 for i in range(5)}):
        with pytest.raises(RemoteProtocolError):
            unpacked(packed(large), limits)
    with pytest.raises(LimitExceeded):
        unpacked(packed({"a": b"x" * 1_000}), limits)


@given(st.binary(max_size=200))
def test_no_bytes_lead_to_anything_but_a_message_or_a_refusal(data: bytes) -> None:
    try:
        found = unpacked(data)
    except RemoteProtocolError:
        return
    assert isinstance(found, dict)


def test_objects_have_no_place() -> None:
    for value in (np.array([object()]), np.complex64(1), {1, 2}):
        with pytest.raises(TypeError):
            packed({"a": value})


def test_a_question_survives() -> None:
    seen = Observation(
        1.5, np.float32([1, 2]), {"camera": np.ones((2, 2, 3), np.uint8)}, "put it down"
    )
    later, prefix = np.float32([3, 4]), np.ones((5, 2), np.float32)
    message = unpacked(packed(question_message(Question(seen, later, 6, prefix), 7, 0.12)))
    found = question_of(message)
    assert (found.state == later).all()
    assert found.observation.prompt == "put it down"
    assert found.observation.time == 1.5
    assert set(found.observation.values) == {"camera"}
    assert found.delay == 6
    assert found.prefix is not None
    assert (found.prefix == prefix).all()
    assert within_of(message, 9.0) == 0.12
    assert within_of({}, 9.0) == 9.0


def test_a_stock_client_asks_without_what_is_ours() -> None:
    found = question_of({"observation/state": np.zeros(3, np.float64), "prompt": "go"})
    assert found.state.dtype == np.float32
    assert (found.delay, found.prefix) == (None, None)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"observation/state": 1.0},
        {"observation/state": np.zeros((2, 2))},
        {"observation/state": np.zeros(2), "prompt": 3},
        {"observation/state": np.zeros(2), "constellation/delay": -1},
        {"observation/state": np.zeros(2), "constellation/delay": "soon"},
        {"observation/state": np.zeros(2), "constellation/prefix": np.zeros(2)},
    ],
)
def test_a_question_without_sense_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        question_of(message)


def test_an_answer_belongs_to_its_question() -> None:
    actions = np.zeros((24, 2))
    assert actions_of({"actions": actions}, 3).dtype == np.float32
    assert actions_of({"actions": actions, "constellation/request": 3}, 3).shape == (24, 2)
    wrong: tuple[dict[str, Any], ...] = (
        {"actions": actions, "constellation/request": 2},
        {"actions": np.zeros(3)},
        {},
    )
    for answer in wrong:
        with pytest.raises(RemoteProtocolError):
            actions_of(answer, 3)


def test_a_policy_declares_itself_and_stock_servers_do_not() -> None:
    assert spec_of(unpacked(packed(spec_message(SPEC)))) == SPEC
    assert spec_of({}) is None


@pytest.mark.parametrize(
    "change",
    [{"rate_hz": "50"}, {"semantics": "thoughts"}, {"takes_delay": 1}, {"horizon": None}],
)
def test_a_policy_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    message = spec_message(SPEC)
    message["constellation/policy"] |= change
    with pytest.raises(RemoteProtocolError):
        spec_of(message)
