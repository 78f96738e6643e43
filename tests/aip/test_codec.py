from __future__ import annotations

import json
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constellation.aip.codec import CODECS, JSON, MSGPACK, Codec, flaw
from constellation.aip.limits import Limits
from constellation.aip.messages import SUBPROTOCOLS, Message
from constellation.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError

LIMITS = Limits()
both = pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab€😀", max_size=3), inner)
    ),
    max_leaves=12,
)


def raw(codec: Codec, parsed: Any) -> bytes | str:
    """A frame of any content, well-formed or not, as another implementation might send it."""
    return json.dumps(parsed) if codec is JSON else msgpack.packb(parsed)


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_the_subprotocols_name_the_codecs() -> None:
    assert tuple(CODECS) == SUBPROTOCOLS
    assert all(codec.subprotocol == name for name, codec in CODECS.items())


@both
@given(
    body=st.dictionaries(st.text("xyz", max_size=3), PLAIN, max_size=4), ack=st.integers(0, 1 << 40)
)
@settings(max_examples=60)
def test_what_is_sent_is_what_is_read(codec: Codec, body: dict[str, Any], ack: int) -> None:
    frame = codec.join(ack, [codec.encode("output", 1, body), codec.encode("drain", 2, {})])
    assert codec.decode(frame, LIMITS) == (
        ack,
        [Message("output", 1, body), Message("drain", 2, {})],
    )


@both
@pytest.mark.parametrize("count", [0, 1, 14, 15, 16, 300])
def test_frames_of_any_length_are_joined(codec: Codec, count: int) -> None:
    frame = codec.join(7, [codec.encode("drain", n, {}) for n in range(1, count + 1)])
    ack, messages = codec.decode(frame, LIMITS)
    assert (ack, [each.seq for each in messages]) == (7, list(range(1, count + 1)))


def test_a_frame_is_binary_for_msgpack_and_text_for_json() -> None:
    with pytest.raises(RemoteProtocolError, match="binary"):
        MSGPACK.decode("[0]", LIMITS)
    with pytest.raises(RemoteProtocolError, match="text"):
        JSON.decode(b"[0]", LIMITS)


@both
@pytest.mark.parametrize(
    "parsed",
    [
        {},
        [],
        5,
        None,
        "text",
        [-1],
        [1.5],
        [True],
        [None],
        [0, 1],
        [0, []],
        [0, ["drain", 1]],
        [0, ["drain", 1, {}, {}]],
        [0, [1, 1, {}]],
        [0, ["drain", -1, {}]],
        [0, ["drain", True, {}]],
        [0, ["drain", 1.0, {}]],
        [0, ["drain", 1, []]],
        [0, ["drain", 1, None]],
    ],
    ids=repr,
)
def test_frames_of_another_shape_are_refused(codec: Codec, parsed: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        codec.decode(raw(codec, parsed), LIMITS)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x92\x00",
        b"\x91\x00\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\x91\xa2\xff\xfe",
        b"\x92\x00" + b"\x91" * 100_000,
        msgpack.packb([0, ["drain", 1, {1: "a key that is no text"}]]),
        msgpack.packb([0, ["drain", 1, {b"bytes": 1}]]),
        msgpack.packb([0, ["drain", 1, {"a": msgpack.ExtType(5, b"x")}]]),
        b"\x92\x00\x93\xa5drain\x01\x82\xa1a\x01\xa1a\x02",
    ],
    ids=[
        "empty",
        "never used",
        "cut short",
        "more behind it",
        "claims to be huge",
        "no UTF-8",
        "very deep",
        "number as key",
        "bytes as key",
        "extension",
        "same key twice",
    ],
)
def test_what_is_no_aip_in_msgpack_is_refused(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        MSGPACK.decode(frame, LIMITS)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "[0",
        "[0]]",
        "[" * 100_000,
        '[0,["drain",1,{"a":NaN}]]',
        '[0,["drain",1,{"a":-Infinity}]]',
        '[0,["drain",1,{"a":1e999}]]',
        '[0,["drain",1,{"a":18446744073709551616}]]',
        '[0,["drain",1,{"a":-9223372036854775809}]]',
        '[0,["drain",1,{"a":' + "9" * 10_000 + "}]]",
        '[0,["drain",1,{"a":1,"a":2}]]',
        '[0,["drain",1,{"a":"\\ud800"}]]',
        '[0,["drain",1,{"a":"\ud800"}]]',
        '[0,["data",0,{"stream":1,"payload":"not base64!"}]]',
        '[0,["data",0,{"stream":1,"payload":5}]]',
        '[0,["data",0,{"stream":1}]]',
    ],
    ids=lambda frame: repr(frame[:45]),
)
def test_what_is_no_aip_in_json_is_refused(frame: str) -> None:
    with pytest.raises(RemoteProtocolError):
        JSON.decode(frame, LIMITS)


@both
def test_a_frame_is_bounded_in_bytes(codec: Codec) -> None:
    frame = codec.join(0, [codec.encode("output", 1, {"data": "€" * 100})])
    size = len(frame if isinstance(frame, bytes) else frame.encode())
    assert codec.decode(frame, Limits(max_frame=size))[1]
    with pytest.raises(LimitExceeded, match="bytes"):
        codec.decode(frame, Limits(max_frame=size - 1))


@both
def test_a_frame_is_bounded_in_messages(codec: Codec) -> None:
    frame = codec.join(0, [codec.encode("drain", 1, {})] * 3)
    assert len(codec.decode(frame, Limits(max_batch=3))[1]) == 3
    with pytest.raises(LimitExceeded, match="at most 2 messages"):
        codec.decode(frame, Limits(max_batch=2))


@both
def test_a_body_is_bounded_in_depth_alike_for_sender_and_receiver(codec: Codec) -> None:
    limits = Limits(max_depth=5)
    deepest, deeper = {"a": nested(5)}, {"a": nested(6)}
    assert flaw(deepest, limits.max_depth) is None
    assert codec.decode(codec.join(0, [codec.encode("output", 1, deepest)]), limits)[1]
    assert flaw(deeper, limits.max_depth) == "it nests too deeply"
    with pytest.raises(LimitExceeded, match="5 levels"):
        codec.decode(codec.join(0, [codec.encode("output", 1, deeper)]), limits)
    with pytest.raises(LimitExceeded):
        codec.decode(codec.join(0, [codec.encode("output", 1, {"a": {"b": nested(5)}})]), limits)


def test_keys_that_are_no_text_are_found_before_sending() -> None:
    assert flaw({"a": [{"b": {1: 2}}]}, 32) == "the key 1 is no text"
    assert flaw({"a": ({"b": 1},)}, 32) is None


@both
@pytest.mark.parametrize(
    "value", [1 << 64, -(1 << 63) - 1, [1 << 70], object, {1, 2}, 1j, "\ud800"], ids=repr
)
def test_what_the_wire_cannot_carry_is_refused_before_sending(codec: Codec, value: Any) -> None:
    with pytest.raises(LocalProtocolError, match="output message cannot be encoded"):
        codec.encode("output", 1, {"data": value})


@both
def test_the_largest_integers_are_carried(codec: Codec) -> None:
    body = {"data": [(1 << 64) - 1, -(1 << 63)], "digits": "9" * 40}
    frame = codec.join(0, [codec.encode("output", 1, body)])
    assert codec.decode(frame, LIMITS)[1][0].body == body


def test_numbers_that_json_has_not_become_null() -> None:
    body = {"a": [math.nan, {"b": math.inf}, 1.5], "c": (2,)}
    frame = JSON.join(0, [JSON.encode("output", 1, body)])
    assert JSON.decode(frame, LIMITS)[1][0].body == {"a": [None, {"b": None}, 1.5], "c": [2]}


@both
def test_stream_payloads_are_bytes(codec: Codec) -> None:
    body = {"stream": 1, "offset": 0, "payload": bytes(range(256))}
    frame = codec.join(0, [codec.encode("data", 0, body)])
    assert codec.decode(frame, LIMITS)[1][0].body == body


def test_json_carries_other_bytes_as_base64() -> None:
    frame = JSON.join(0, [JSON.encode("output", 1, {"data": [b"\x00\xff"]})])
    assert JSON.decode(frame, LIMITS)[1][0].body == {"data": [{"$base64": "AP8="}]}


@both
@given(noise=st.binary(max_size=200), at=st.integers(0, 60))
@settings(max_examples=150)
def test_noise_raises_protocol_errors_and_nothing_else(codec: Codec, noise: bytes, at: int) -> None:
    good = codec.join(3, [codec.encode("output", 1, {"attempt": "a", "data": [1, None, "x"]})])
    if isinstance(good, bytes):
        frame: bytes | str = good[:at] + noise + good[at + len(noise) :]
    else:
        frame = good[:at] + noise.decode("latin-1") + good[at + len(noise) :]
    try:
        ack, messages = codec.decode(frame, LIMITS)
    except (RemoteProtocolError, LimitExceeded):
        return
    assert ack >= 0
    assert all(type(each.body) is dict for each in messages)


@pytest.mark.parametrize("seconds", [1, 1 << 35])
def test_timestamps_are_extensions_as_well(seconds: int) -> None:
    frame = msgpack.packb([0, ["drain", 1, {"at": msgpack.Timestamp(seconds, 5)}]])
    with pytest.raises(RemoteProtocolError):
        MSGPACK.decode(frame, LIMITS)


def test_a_frame_may_be_packed_less_tightly_than_ours() -> None:
    wide = b"\xdd\x00\x00\x00\x02\xcd\x00\x05\x93\xd9\x05drain\xce\x00\x00\x00\x01"
    assert MSGPACK.decode(wide + b"\x81\xa1a\xca\x3f\xc0\x00\x00", LIMITS) == (
        5,
        [Message("drain", 1, {"a": 1.5})],
    )
    with pytest.raises(RemoteProtocolError, match="same key twice"):
        # Repacked, the number grows by as much as the repeated key and its value took.
        MSGPACK.decode(wide + b"\x82\xa2ab\x01\xa2ab\xca\x3f\xc0\x00\x00", LIMITS)


@pytest.mark.parametrize("count", [0, 14, 15, 16, 70_000])
def test_frames_of_any_length_are_as_tight_as_can_be(count: int) -> None:
    drain = MSGPACK.encode("drain", 1, {})
    frame = MSGPACK.join(7, [drain] * count)
    assert frame == msgpack.packb([7, *[["drain", 1, {}]] * count])
