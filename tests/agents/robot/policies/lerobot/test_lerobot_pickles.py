"""Pickles are read as descriptions: what they would do never happens, and bombs cost little."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import pickletools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.robot.policies.lerobot.messages import chunk_of, seen_of, wanted_of
from agents.robot.policies.lerobot.pickles import (
    Call,
    Name,
    Persistent,
    PickleLimits,
    Reader,
    written,
)
from constellation.errors import LimitExceeded, ProtocolError, RemoteProtocolError

READERS: tuple[Callable[[bytes], object], ...] = (seen_of, chunk_of, wanted_of)
VECTORS = Path(__file__).parents[4] / "vectors" / "lerobot"

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain, st.integers(3, 5))
def test_plain_values_are_read_as_python_wrote_them(value: Any, version: int) -> None:
    assert Reader().whole(pickle.dumps(value, protocol=version)) == value


@given(plain)
def test_python_reads_what_is_written(value: Any) -> None:
    assert pickle.loads(written(value)) == value
    assert Reader().whole(written(value)) == value


def test_calls_are_described_and_shared_ones_are_one() -> None:
    storage = Call(Name("torch.storage", "_load_from_bytes"), (b"12",))
    tree = [storage, Call(Name("a", "B"), (), {"x": storage}, new=True), Persistent(("k", 1))]
    first, second, beside = Reader().whole(written(tree))
    assert first.name == storage.name
    assert first.args == (b"12",)
    assert second.new
    assert second.state["x"] is first
    assert beside.id == ("k", 1)


def test_what_has_no_place_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="set has no place"):
        written([{1}])


# ── whoever means harm ──────────────────────────────────────────────────────────────────────────


class Touches:
    """Leaves a file where it is loaded."""

    def __init__(self, how: Any, *args: Any) -> None:
        self._reduced = (how, args)

    def __reduce__(self) -> Any:
        return self._reduced


class Fills:
    """Runs code when its state is set."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __setstate__(self, state: Any) -> None:
        Path(state["path"]).touch()


def harmful(path: Path) -> dict[str, Any]:
    touch = f"__import__('pathlib').Path({str(path)!r}).touch()"
    system = Touches(os.system, f"touch {path}")
    return {
        "os.system": system,
        "eval": Touches(eval, touch),
        "exec": Touches(exec, touch),
        "nested": Touches(list, Touches(map, builtins.exec, [touch])),
        "state": Fills(str(path)),
        "within a list": [1, [system]],
        "within a map": {"observation": {"front": system}},
        "as an array": np.array([system], dtype=object),
    }


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", list(harmful(Path("x"))))
def test_nothing_is_run(tmp_path: Path, name: str, version: int) -> None:
    path = tmp_path / "touched"
    data = pickle.dumps(harmful(path)[name], protocol=version)
    for read in READERS:
        with pytest.raises(RemoteProtocolError):
            read(data)
    assert not path.exists()
    # Whoever loads it is harmed.
    pickle.loads(data)
    assert path.exists()


@pytest.mark.parametrize("version", [3, 4, 5])
def test_harm_within_a_message_is_refused(tmp_path: Path, version: int) -> None:
    """The message is a good one, but for one value."""
    path = tmp_path / "touched"
    for kind, field in (("seen", b"front"), ("chunk", b"timestep"), ("wanted", b"device")):
        data = (VECTORS / f"{kind}-4.pickle").read_bytes()
        tree = Reader().whole(data)
        evil = Call(Name("os", "system"), (f"touch {path}",))
        target = tree[0] if kind == "chunk" else tree
        values = target.state["observation"] if kind == "seen" else target.state
        assert field.decode() in values
        values[field.decode()] = evil
        changed = written(tree)
        for read in READERS:
            with pytest.raises(RemoteProtocolError):
                read(changed)
        assert not path.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # texts from lines
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x02\x82\x01.",  # the extension registry
        b"Pnumber\n.",  # PERSID
        b"\x80\x04N2\x86.",  # DUP
        b"\x80\x04}\x92.",  # NEWOBJ_EX
        b"\x80\x05\x97.",  # out-of-band buffers
        b"\x80\x05N\x98.",
        b"\x80\x04\x8f.",  # sets
        b"\x80\x04NN0.",  # POP
        b"\x80\x04]Nb.",  # a state for a list
        b"\x80\x04Na.",  # an entry for what is no list
        b"\x80\x04}(K\x01Nu.",  # a key that is a number
        b"\x80\x04}(\x8c\x01au.",  # a key without a value
        b"\x80\x04N\x86.",  # a tuple of what is not there
        b"\x80\x04h\x05.",  # a memory that is empty
        b"\x80\x04NN.",  # two values
        b"\x80\x04(N.",  # a mark that is left
        b"\x80\x04.",
        b"\x80\x04N",
        b"\x80\x06N.",
        b"\x80\x04N.N.",
        b"\x80\x04K\x01K\x02\x93.",  # a name of numbers
        b"\x80\x04B\xff\xff\xff\xffshort.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffshort.",
        b"",
        b"\xff\xff",
    ],
)
def test_other_programs_are_refused(program: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Reader().whole(program)


def test_size_and_length_are_limited() -> None:
    with pytest.raises(LimitExceeded, match="bytes"):
        Reader(PickleLimits(message_bytes=10)).whole(pickle.dumps("x" * 20))
    with pytest.raises(LimitExceeded, match="instructions"):
        Reader(PickleLimits(instructions=50)).whole(pickle.dumps(list(range(60))))
    # Several pickles of one message share what is left.
    reader = Reader(PickleLimits(instructions=10))
    stream = io.BytesIO(pickle.dumps([1, 2]) * 3)
    reader.next(stream)
    with pytest.raises(LimitExceeded):
        reader.next(stream)


def test_what_doubles_at_each_step_is_not_unfolded() -> None:
    """A list of two of the same list of two …: small to write, endless to walk."""
    doubling: Any = []
    for _ in range(200):
        doubling = [doubling, doubling]
    data = pickle.dumps(doubling)
    assert len(data) < 2_000
    Reader().whole(data)
    for read in READERS:
        with pytest.raises(RemoteProtocolError):
            read(data)


def test_what_holds_itself_is_refused_or_left_alone() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for read in READERS:
        with pytest.raises(RemoteProtocolError):
            read(pickle.dumps(circle))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One of LeRobot's messages with some bytes changed, taken out or put in."""
    path = draw(st.sampled_from(sorted(VECTORS.glob("*.pickle"))))
    data = bytearray(path.read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(data)


@given(damaged() | st.binary(max_size=200))
def test_damaged_messages_are_read_or_refused(data: bytes) -> None:
    for read in READERS:
        with suppress(ProtocolError):
            read(data)


@st.composite
def programs(draw: st.DrawFn) -> bytes:
    """Instructions of all kinds, in any order."""
    chosen = draw(st.lists(st.sampled_from(pickletools.opcodes), max_size=30))
    parts = [each.code.encode("latin-1") + draw(st.binary(max_size=5)) for each in chosen]
    return b"\x80\x04" + b"".join(parts) + b"."


@given(programs())
def test_any_program_is_read_or_refused(data: bytes) -> None:
    with suppress(ProtocolError):
        Reader().whole(data)
