"""Reading .npz files without trusting them: a pickle in them may build NumPy arrays and nothing else."""

from __future__ import annotations

import math
import pickle
import pickletools
import re
import zipfile
from io import BytesIO
from typing import Any

import numpy as np

from featurenerf import limits
from featurenerf.data.storage import DataPath, read_file
from featurenerf.errors import InputError
from featurenerf.limits import BeyondLimitError, parsing, unzipped


def read_npz(path: DataPath, key: str) -> np.ndarray:
    """One array of an .npz file; arrays of objects are admitted where they hold arrays, lists, texts and numbers only.

    Raises:
        InputError: the file is missing or broken, lacks the key, is beyond ``featurenerf.limits``, or holds a pickle
            that asks for anything else.
    """
    content = read_file(path)
    with parsing(f"{path} cannot be read"):
        try:
            with zipfile.ZipFile(BytesIO(content)) as archive:
                if f"{key}.npy" in archive.namelist():
                    return _read_array(unzipped(archive, f"{key}.npy"))
        except _RefusedError as refusal:
            refused = (
                f"{path} asks for {refusal} when it is read, which only a program has a use for: do not use this file"
            )
        else:
            refused = f"{path} holds no array {key!r}: make or download the file again"
    raise InputError(refused)


def _read_array(content: bytes) -> np.ndarray:
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"array format {version} is not known")
    shape, fortran, dtype = read_header[version](file)
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape is {shape}")
    if not dtype.hasobject:  # NumPy's own reader copies, and takes longer
        size, start = math.prod(shape) * dtype.itemsize, file.tell()
        if size > len(content) - start:
            raise ValueError("the file ends early")
        numbers = np.frombuffer(content, dtype, math.prod(shape), start)
        return numbers.reshape(shape, order="F" if fortran else "C")
    body = content[file.tell() :]
    try:
        _check_operations(body)
        unpickler = _ArrayUnpickler(body)
        array = unpickler.finished(unpickler.load())
    except (pickle.UnpicklingError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise ValueError(f"broken pickle: {error}") from error
    if not isinstance(array, np.ndarray) or array.shape != tuple(shape):
        raise ValueError("the pickle does not hold the array that its header announces")
    return array


def _check_operations(content: bytes) -> None:
    """Refuses what makes the unpickler take memory before it has read as much: lengths and places in its memo."""
    most = len(content)
    for number, (operation, argument, _) in enumerate(pickletools.genops(content)):
        if number == limits.PICKLE_OPERATIONS:
            raise BeyondLimitError(f"its pickle has more than {limits.PICKLE_OPERATIONS} operations")
        if "PUT" in operation.name and not (isinstance(argument, int) and 0 <= argument <= most):
            raise ValueError(f"broken pickle: place {argument} of {most}")


class _RefusedError(Exception):
    """A pickle asked for something that is not an array constructor."""


class _Dtype:
    """Stands for a dtype while a pickle is read: NumPy's own believes whatever flags the pickle gives it."""

    known = re.compile(r"[<>=|]?(?:[biufcSUO]\d{0,4}|[?BhHIlLqQedgFDG])")

    def __init__(self, code: Any, *_: Any) -> None:
        name = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(name, str) or not self.known.fullmatch(name):
            raise TypeError(f"{str(name)[:20]!r} is no kind of number")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        _, order, subarray, names, fields = state[:5]
        if (subarray, names, fields) != (None, None, None):
            raise ValueError("it holds a structured array")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for an array while a pickle is read."""

    def __init__(self, *given: Any) -> None:
        if given:
            raise TypeError("an array is made of nothing, and filled then")
        self.shape: Any = (0,)
        self.dtype, self.fortran, self.content = np.dtype(np.int8), False, b""
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        shape, dtype, fortran, content = state[-4:]  # pickles of NumPy before 1.0 begin with no version
        if not isinstance(dtype, _Dtype):
            raise TypeError("an array has no dtype")
        self.shape, self.dtype, self.fortran, self.content = shape, dtype.dtype, bool(fortran), content


class _ArrayUnpickler(pickle.Unpickler):
    """Gives what stands here for the names of a pickle, and refuses all others.

    What a pickle makes of one piece again and again counts each time: ``_take`` refuses more than the limits.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(BytesIO(content), encoding="latin1")
        self._bytes = 0
        self._sizes: dict[int, int | None] = {}  # by id; None while a list is looked at
        self.admitted = {
            ("numpy._core.multiarray", "_reconstruct"): lambda kind, shape, code: _Array(),
            ("numpy._core.multiarray", "scalar"): self._scalar,
            ("numpy._core.numeric", "_frombuffer"): self._from_buffer,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): self._latin1,  # protocols 0 to 2 ask for this and for the next
            ("builtins", "bytes"): lambda: b"",
            ("__builtin__", "bytes"): lambda: b"",
        }

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")
        if (module, name) not in self.admitted:
            raise _RefusedError(f"{module}.{name}")
        return self.admitted[module, name]

    def finished(self, value: Any) -> Any:
        """A value of the pickle, with arrays in the places of what stood for them."""
        self._size(value, 0)
        return self._finished(value)

    def _size(self, value: Any, depth: int) -> int:
        """How many values a value holds, those of a list that is held twice counted twice."""
        if depth > limits.DEPTH:
            raise BeyondLimitError(f"its lists are nested more than {limits.DEPTH} deep")
        inner = value.content if isinstance(value, _Array) and value.dtype.hasobject else value
        if not isinstance(inner, (list, tuple)):
            if not isinstance(
                value, (_Array, np.ndarray, np.generic, str, bytes, bool, int, float, complex, type(None))
            ):
                raise ValueError(f"it holds a {type(value).__name__.strip('_').lower()}, which is no array or number")
            return 1
        if id(inner) not in self._sizes:
            self._sizes[id(inner)] = None
            self._sizes[id(inner)] = 1 + sum(self._size(item, depth + 1) for item in inner)
        size = self._sizes[id(inner)]
        if size is None:
            raise ValueError("a list holds itself")
        if size > limits.PICKLE_OPERATIONS:
            raise BeyondLimitError(f"its lists hold more than {limits.PICKLE_OPERATIONS} values")
        return size

    def _finished(self, value: Any) -> Any:
        if not isinstance(value, _Array):
            return [self._finished(item) for item in value] if isinstance(value, (list, tuple)) else value
        if value.array is None:
            if value.dtype.hasobject:
                if not isinstance(value.content, (list, tuple)):
                    raise ValueError("an array of objects holds no list")
                values = np.empty(len(value.content), object)
                for number, item in enumerate(value.content):  # in C's order, whatever ``fortran`` says
                    values[number] = self._finished(item)
                value.array = values.reshape(value.shape)
            else:
                content = value.content.encode("latin1") if isinstance(value.content, str) else value.content
                self._take(len(content))
                numbers = np.frombuffer(content, value.dtype).copy()
                value.array = numbers.reshape(value.shape, order="F" if value.fortran else "C")
        return value.array

    def _take(self, count: int) -> None:
        self._bytes += count
        if self._bytes > limits.UNPACKED_BYTES:
            raise BeyondLimitError(f"its arrays take more than {limits.mebibytes(limits.UNPACKED_BYTES)}")

    def _latin1(self, text: Any, encoding: Any) -> bytes:
        if encoding != "latin1":
            raise _RefusedError(f"_codecs.encode to {encoding}")
        self._take(len(text))
        return text.encode("latin1")

    def _scalar(self, dtype: Any, data: Any) -> np.generic:
        self._take(len(data))
        return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype.dtype)[0]

    def _from_buffer(self, buffer: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        return np.frombuffer(buffer, dtype.dtype).reshape(shape, order=order)
