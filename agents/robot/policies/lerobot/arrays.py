"""Arrays of NumPy and tensors of PyTorch, out of descriptions of pickles and back. Pure.

NumPy writes an array as a call of ``_reconstruct`` with a state, or since version 5 of pickles of
``_frombuffer``; PyTorch writes a tensor as a view of a storage, and the storage as a file of its
own, of the kind that ``torch.save`` wrote before version 1.6: three small pickles, the storage as
something that lies beside them, a pickle with its key, and the numbers.

Only booleans, integers and floats of at most eight bytes are let in, in whole arrays whose size is
known before any memory is taken. A tensor is copied out of its storage, so that a large one cannot
be made of a small message.
"""

from __future__ import annotations

import io
import struct
from math import prod
from typing import Any, NoReturn

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from constellation.errors import LimitExceeded, RemoteProtocolError

from ..wire import number_type
from .pickles import Call, Name, Persistent, Reader, Tree, written

Numbers = NDArray[Any]

_MOST_DIMENSIONS = 6

# NumPy 2 moved what older versions have under the first name, and can still be asked by it.
_CORES = ("numpy.core", "numpy._core")
_RECONSTRUCT = {Name(f"{core}.multiarray", "_reconstruct") for core in _CORES}
_SCALAR = {Name(f"{core}.multiarray", "scalar") for core in _CORES}
_FROM_BUFFER = {Name(f"{core}.numeric", "_frombuffer") for core in _CORES}
_ARRAY, _DTYPE = Name("numpy", "ndarray"), Name("numpy", "dtype")

_TENSOR = Name("torch._utils", "_rebuild_tensor_v2")
_STORAGE = Name("torch.storage", "_load_from_bytes")
_ORDERED = Name("collections", "OrderedDict")
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


class Arrays:
    """Understands the arrays of one message.

    Args:
        reader: of the message.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._left_bytes = reader.limits.message_bytes
        # Each action of a chunk brings the storage of the whole chunk along.
        self._known: dict[bytes, Numbers] = {}

    def array(self, tree: Tree) -> Numbers:
        """The array that is described, by NumPy or by PyTorch.

        Raises:
            LimitExceeded: it is too large.
            RemoteProtocolError: it is none.
        """
        try:
            if not isinstance(tree, Call) or type(tree.args) is not tuple or tree.new:
                raise ValueError("no array")
            if tree.name == _TENSOR and tree.state is None:
                return self._tensor(*tree.args[:6])
            if tree.name in _FROM_BUFFER and tree.state is None:
                data, dtype, shape, order = tree.args
                return self._filled(data, _dtype(dtype), shape, order)
            if tree.name in _RECONSTRUCT:
                if tree.args != (_ARRAY, (0,), b"b"):
                    raise ValueError("an array of another class")
                _, shape, dtype, fortran, data = tree.state
                return self._filled(data, _dtype(dtype), shape, "F" if fortran is True else "C")
            raise ValueError("no array")
        except (TypeError, ValueError) as error:
            raise RemoteProtocolError(f"A pickled array cannot be read: {error}.") from error

    def number(self, tree: Tree) -> float:
        """The number that is described, be it one of NumPy's or a plain one.

        Raises:
            RemoteProtocolError: it is none.
        """
        try:
            if isinstance(tree, bool | int | float):
                return float(tree)
            if not isinstance(tree, Call) or tree.name not in _SCALAR or tree.state is not None:
                raise ValueError("no number")
            dtype, data = tree.args
            return float(self._filled(data, _dtype(dtype), (), "C"))
        except (TypeError, ValueError, OverflowError) as error:
            raise RemoteProtocolError(f"A pickled number cannot be read: {error}.") from error

    def _filled(self, data: Tree, dtype: np.dtype[Any], shape: Tree, order: Tree) -> Numbers:
        count = _count(shape)
        if type(data) is not bytes or len(data) != count * dtype.itemsize:
            raise ValueError("its data has another size than its shape")
        if order not in ("C", "F"):
            raise ValueError("an order that is none")
        return np.frombuffer(data, dtype).reshape(shape, order=order)

    def _tensor(self, storage: Tree, offset: Tree, shape: Tree, strides: Tree, *_: Tree) -> Numbers:
        if not isinstance(storage, Call) or storage.name != _STORAGE or storage.new:
            raise ValueError("a tensor without a storage")
        (data,) = storage.args
        numbers = self._stored(data)
        count = _count(shape)
        if not count:
            return np.empty(shape, numbers.dtype)
        if type(strides) is not tuple or len(strides) != len(shape):
            raise ValueError("strides that are none")
        steps = (offset, *strides)
        if not all(type(step) is int and 0 <= step <= numbers.size for step in steps):
            raise ValueError("strides that are none")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if last >= numbers.size:
            raise ValueError("a tensor that is larger than its storage")
        self._left_bytes -= count * numbers.itemsize
        if self._left_bytes < 0:
            raise LimitExceeded("The tensors of a message are too large.")
        steps_bytes = [numbers.itemsize * step for step in strides]
        return as_strided(numbers[offset:], shape, steps_bytes, writeable=False).copy()

    def _stored(self, data: Tree) -> Numbers:
        if type(data) is not bytes:
            raise ValueError("a storage that is none")
        if data not in self._known:
            self._known[data] = self._loaded(data)
        return self._known[data]

    def _loaded(self, data: bytes) -> Numbers:
        stream = io.BytesIO(data)
        magic, version, system, storage, keys = (self._reader.next(stream) for _ in range(5))
        if (magic, version) != (_MAGIC, _VERSION) or type(system) is not dict:
            raise ValueError("a storage of a kind that is not known")
        if system.get("little_endian") is not True or not isinstance(storage, Persistent):
            raise ValueError("a storage of a kind that is not known")
        what, kind, key, _, count, view = storage.id
        name = kind.name if isinstance(kind, Name) and kind.module == "torch" else ""
        if what != "storage" or name not in _STORAGES or view is not None:
            raise ValueError("a storage of a kind that is not known")
        # Whatever is no text is not even compared: that of two nested lists might never end.
        if type(key) is not str or type(keys) is not list or [*map(type, keys)] != [str]:
            raise ValueError("a storage without a key")
        if keys != [key]:
            raise ValueError("a storage with another's key")
        dtype = number_type(_STORAGES[name])
        start = stream.tell() + 8
        if type(count) is not int or data[stream.tell() : start] != struct.pack("<q", count):
            raise ValueError("a storage whose size is not known")
        if len(data) - start != count * dtype.itemsize:
            raise ValueError("a storage whose data has another size")
        return np.frombuffer(data, dtype, offset=start)


def array_tree(array: Numbers) -> Call:
    """Describes an array as NumPy does.

    Raises:
        TypeError: it holds other than numbers.
    """
    try:
        number_type(array.dtype.str)
    except ValueError as error:
        raise TypeError(f"{array.dtype} has no place in a message") from error
    whole = np.ascontiguousarray(array)
    made = Call(Name("numpy.core.multiarray", "_reconstruct"), (_ARRAY, (0,), b"b"))
    made.state = (1, array.shape, _dtype_tree(array.dtype), False, whole.tobytes())
    return made


def storage_tree(array: Numbers) -> Call:
    """Describes the numbers of an array as a storage of PyTorch, for `tensor_tree`.

    Raises:
        TypeError: there is no such storage.
    """
    kinds = {dtype: name for name, dtype in _STORAGES.items()}
    if array.dtype.str not in kinds:
        raise TypeError(f"{array.dtype} has no place in a tensor")
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": _VERSION, "little_endian": True, "type_sizes": sizes}
    kind = Name("torch", kinds[array.dtype.str])
    storage = Persistent(("storage", kind, "0", "cpu", array.size, None))
    pickles = b"".join(map(written, (_MAGIC, _VERSION, system, storage, ["0"])))
    data = pickles + struct.pack("<q", array.size) + np.ascontiguousarray(array).tobytes()
    return Call(_STORAGE, (data,))


def tensor_tree(storage: Call, offset: int, shape: tuple[int, ...]) -> Call:
    """Describes a tensor whose numbers follow one another in a storage."""
    strides = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Call(_TENSOR, (storage, offset, shape, strides, False, Call(_ORDERED, ())))


def _count(shape: Tree) -> int:
    if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("a shape that is none")
    if not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise ValueError("a shape that is none")
    return prod(shape)


def _dtype(tree: Tree) -> np.dtype[Any]:
    if not isinstance(tree, Call) or tree.name != _DTYPE or type(tree.state) is not tuple:
        _refuse_type()
    if len(tree.args) != 3 or len(tree.state) != 8 or tree.state[2:6] != (None, None, None, -1):
        _refuse_type()
    short, order = tree.args[0], tree.state[1]
    if type(short) is not str or type(order) is not str:
        _refuse_type()
    return number_type(order + short)


def _refuse_type() -> NoReturn:
    raise ValueError("a type of numbers that is none")


def _dtype_tree(dtype: np.dtype[Any]) -> Call:
    made = Call(_DTYPE, (dtype.str[1:], False, True))
    made.state = (3, dtype.str[0], None, None, None, -1, -1, 0)
    return made
