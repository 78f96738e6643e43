"""Pickles read as descriptions of what they would do. Nothing they name is looked up. Pure.

A pickle is a program for a small stack machine that may call whatever can be imported. Here its
instructions are followed as far as they build plain values; a name becomes a `Name`, a call a
`Call` that nobody makes. So nothing in this module could run what a stranger wrote: it knows no
modules, no classes and no functions to run. What a description means, and whether it is one of the
few that are wanted, is for others to say.

Only what today's picklers write is followed; old and odd instructions are refused: those that
duplicate, register, look into extension tables or read numbers and texts from lines.
"""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from constellation.errors import LimitExceeded, RemoteProtocolError

# None, booleans, numbers, texts, bytes, lists, tuples, maps by text, and the descriptions below.
Tree: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Name:
    """Something that could be imported.

    Attributes:
        module, name: its address.
    """

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Call:
    """Something that would be made.

    Attributes:
        name: what would be called; whatever the pickle has put there, if it is no `Name`.
        args: with what.
        state: what the made thing would be filled with; None for nothing.
        new: a plain instance of a class, without a call of its initialiser.
    """

    name: Tree
    args: Tree
    state: Tree = None
    new: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """Something that lies beside the pickle.

    Attributes:
        id: by which the writer knows it.
    """

    id: Tree


@dataclass(frozen=True, slots=True)
class PickleLimits:
    """How much one message may hold.

    Attributes:
        message_bytes: in all, and of all its arrays together.
        instructions: of all its pickles together.
    """

    message_bytes: int = 64 * 1024 * 1024
    instructions: int = 100_000


# ── reading ─────────────────────────────────────────────────────────────────────────────────────

_CONSTANTS: dict[str, Tree] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NEWEST = 5


class Reader:
    """Reads the pickles of one message.

    Args:
        limits: of the message.
    """

    def __init__(self, limits: PickleLimits | None = None) -> None:
        self.limits = limits or PickleLimits()
        self._left = self.limits.instructions

    def whole(self, data: bytes) -> Tree:
        """What a pickle describes.

        Raises:
            LimitExceeded: it is too large.
            RemoteProtocolError: it is none, more follows, or an instruction is refused.
        """
        if len(data) > self.limits.message_bytes:
            raise LimitExceeded(
                f"A pickle of {len(data)} bytes; {self.limits.message_bytes} are allowed."
            )
        stream = io.BytesIO(data)
        tree = self.next(stream)
        if stream.tell() != len(data):
            raise RemoteProtocolError("More follows after a pickle.")
        return tree

    def next(self, stream: io.BytesIO) -> Tree:
        """What the next pickle of several describes; the stream is then behind it.

        Raises:
            LimitExceeded, RemoteProtocolError: as `whole`.
        """
        program = _Program()
        try:
            for instruction, argument, _ in pickletools.genops(stream):
                self._left -= 1
                if self._left < 0:
                    raise LimitExceeded(
                        f"Pickles of more than {self.limits.instructions} instructions."
                    )
                if instruction.name == "STOP":
                    return program.result()
                program.follow(instruction.name, argument)
        except (ValueError, LookupError, OverflowError) as error:
            raise RemoteProtocolError(f"That is no pickle to be read: {error}.") from error
        raise RemoteProtocolError("A pickle does not end.")


class _Program:
    """The stack machine, as far as it is followed."""

    def __init__(self) -> None:
        self._stack: list[Tree] = []
        self._below: list[list[Tree]] = []
        self._memo: dict[int, Tree] = {}

    def result(self) -> Tree:
        if self._below or len(self._stack) != 1:
            raise ValueError("it leaves other than one value")
        return self._stack[0]

    def follow(self, name: str, argument: Any) -> None:
        """One instruction."""
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(stack) < count:
                raise ValueError("a tuple of what is not there")
            stack[-count:] = [tuple(stack[-count:])]
        else:
            self._follow_rarer(name, argument)

    def _follow_rarer(self, name: str, argument: Any) -> None:
        stack = self._stack
        match name:
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "MARK":
                self._below.append(stack)
                self._stack = []
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                items = self._marked()
                self._stack.append(tuple(items))
            case "APPEND":
                value = stack.pop()
                _fill(stack[-1], [value])
            case "APPENDS":
                items = self._marked()
                _fill(self._stack[-1], items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _enter(stack[-1], [key, value])
            case "SETITEMS":
                items = self._marked()
                _enter(self._stack[-1], items)
            case "BYTEARRAY8":
                stack.append(bytes(argument))
            case "GLOBAL":
                stack.append(Name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                value, module = stack.pop(), stack.pop()
                if type(value) is not str or type(module) is not str:
                    raise ValueError("a name that is no text")
                stack.append(Name(module, value))
            case "REDUCE" | "NEWOBJ":
                args, called = stack.pop(), stack.pop()
                stack.append(Call(called, args, new=name == "NEWOBJ"))
            case "BUILD":
                state, made = stack.pop(), stack[-1]
                if not isinstance(made, Call) or made.state is not None:
                    raise ValueError("a state for what takes none")
                made.state = state
            case "BINPERSID":
                stack.append(Persistent(stack.pop()))
            case "PROTO":
                if argument > _NEWEST:
                    raise ValueError(f"version {argument}")
            case "FRAME":
                pass
            case _:
                raise ValueError(f"the instruction {name} is refused")

    def _marked(self) -> list[Tree]:
        items, self._stack = self._stack, self._below.pop()
        return items


def _fill(target: Tree, items: list[Tree]) -> None:
    if type(target) is not list:
        raise ValueError("entries for what is no list")
    target.extend(items)


def _enter(target: Tree, items: list[Tree]) -> None:
    keys = items[::2]
    if type(target) is not dict or len(items) % 2 or any(type(key) is not str for key in keys):
        raise ValueError("entries for what is no map, or keys that are no texts")
    target.update(zip(keys, items[1::2], strict=True))


# ── writing ─────────────────────────────────────────────────────────────────────────────────────

_INT32 = range(-(2**31), 2**31)
_FLAGS = {None: b"N", True: b"\x88", False: b"\x89"}


def written(tree: Tree) -> bytes:
    """A pickle, of version 3, that makes what a tree describes.

    What occurs in several places as one and the same `Call` or bytes is written once.

    Raises:
        TypeError: it holds what has no place there.
    """
    return b"".join((b"\x80\x03", *_parts(tree, {}), b"."))


def _parts(tree: Tree, memo: dict[int, int]) -> Iterable[bytes]:
    if id(tree) in memo:
        yield b"j" + struct.pack("<I", memo[id(tree)])
        return
    match tree:
        case None | bool():
            yield _FLAGS[tree]
        case int() if tree in _INT32:
            yield b"J" + struct.pack("<i", tree)
        case int():
            data = tree.to_bytes(tree.bit_length() // 8 + 1, "little", signed=True)
            yield b"\x8a" + struct.pack("<B", len(data)) + data
        case float():
            yield b"G" + struct.pack(">d", tree)
        case str():
            text = tree.encode("utf-8", "surrogatepass")
            yield b"X" + struct.pack("<I", len(text)) + text
        case bytes():
            yield b"B" + struct.pack("<I", len(tree))
            yield tree
            yield _put(tree, memo)
        case list():
            yield b"]("
            for item in tree:
                yield from _parts(item, memo)
            yield b"e"
        case tuple():
            yield b"("
            for item in tree:
                yield from _parts(item, memo)
            yield b"t"
        case dict():
            yield b"}("
            for key, value in tree.items():
                yield from _parts(key, memo)
                yield from _parts(value, memo)
            yield b"u"
        case Name(module, name):
            yield f"c{module}\n{name}\n".encode()
        case Call(called, args, state, new):
            yield from _parts(called, memo)
            yield from _parts(args, memo)
            yield b"\x81" if new else b"R"
            yield _put(tree, memo)
            if state is not None:
                yield from _parts(state, memo)
                yield b"b"
        case Persistent(known):
            yield from _parts(known, memo)
            yield b"Q"
        case _:
            raise TypeError(f"{type(tree).__name__} has no place in a pickle")


def _put(tree: Tree, memo: dict[int, int]) -> bytes:
    """Remembers what was written last; the tree keeps it alive, so that its id stays its own."""
    memo[id(tree)] = len(memo)
    return b"r" + struct.pack("<I", memo[id(tree)])
