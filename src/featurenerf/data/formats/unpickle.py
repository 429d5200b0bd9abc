"""Reading .npz files without trusting them: a pickle in them may build NumPy arrays and nothing else."""

from __future__ import annotations

import pickle
import zipfile
from io import BytesIO
from typing import Any

import numpy as np

from featurenerf.data.storage import AGAIN, DataPath, read_file
from featurenerf.errors import InputError


def read_npz(path: DataPath, key: str) -> np.ndarray:
    """One array of an .npz file; arrays of objects are admitted where they hold arrays, lists and numbers only.

    Raises:
        InputError: the file is missing or broken, lacks the key, or holds a pickle that asks for anything else.
    """
    content = read_file(path)
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if f"{key}.npy" not in archive.namelist():
                raise InputError(f"{path} holds no array {key!r}: make or download the file again")
            with archive.open(f"{key}.npy") as member:
                return _read_array(member)
    except InputError:
        raise
    except _RefusedError as refusal:
        raise InputError(
            f"{path} asks for {refusal} when it is read, which only a program has a use for: do not use this file"
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError, MemoryError) as error:
        raise InputError(f"{path} cannot be read ({error}): {AGAIN}") from error


def _read_array(file: Any) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"array format {version} is not known")
    shape, fortran, dtype = read_header[version](file)
    if not dtype.hasobject:  # NumPy's own reader copies, and takes longer
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = file.read(size)
        if len(data) != size:
            raise ValueError("the file ends early")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    try:
        array = _finished(_ArrayUnpickler(file, encoding="latin1").load())
    except (pickle.UnpicklingError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise ValueError(f"broken pickle: {error}") from error
    if not isinstance(array, np.ndarray) or array.shape != tuple(shape):
        raise ValueError("the pickle does not hold the array that its header announces")
    return array


class _RefusedError(Exception):
    """A pickle asked for something that is not an array constructor."""


class _Dtype:
    """Stands for a dtype while a pickle is read: NumPy's own believes whatever flags the pickle gives it."""

    def __init__(self, code: str | bytes, *_: bool) -> None:
        self.dtype = np.dtype(code.decode("latin1") if isinstance(code, bytes) else str(code))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subarray, names, fields = state[:5]
        if (subarray, names, fields) != (None, None, None):
            raise ValueError("it holds a structured array")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for an array while a pickle is read; ``finished`` is the array."""

    def __init__(self) -> None:
        self._state: tuple[tuple[int, ...], np.dtype, bool, Any] = ((0,), np.dtype(np.int8), False, b"")
        self._finished: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, content = state[-4:]  # pickles of NumPy before 1.0 begin with no version
        self._state = (shape, dtype.dtype, bool(fortran), content)

    def finished(self) -> np.ndarray:
        if self._finished is None:
            shape, dtype, fortran, content = self._state
            if dtype.hasobject:
                values = np.empty(len(content), object)
                for number, value in enumerate(content):  # in C's order, whatever ``fortran`` says
                    values[number] = _finished(value)
                self._finished = values.reshape(shape)
            else:
                content = content.encode("latin1") if isinstance(content, str) else content
                self._finished = np.frombuffer(content, dtype).copy().reshape(shape, order="F" if fortran else "C")
        return self._finished


def _finished(value: Any) -> Any:
    """A value of the pickle, with arrays in the places of what stood for them."""
    if isinstance(value, _Array):
        return value.finished()
    return [_finished(item) for item in value] if isinstance(value, (list, tuple)) else value


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _RefusedError(f"_codecs.encode to {encoding}")
    return text.encode("latin1")


def _scalar(dtype: _Dtype, data: bytes | str) -> np.generic:
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype.dtype)[0]


def _from_buffer(buffer: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
    return np.frombuffer(buffer, dtype.dtype).reshape(shape, order=order)


class _ArrayUnpickler(pickle.Unpickler):
    """Gives what stands here for the names of a pickle, and refuses all others."""

    admitted = {  # noqa: RUF012
        ("numpy._core.multiarray", "_reconstruct"): lambda kind, shape, code: _Array(),
        ("numpy._core.multiarray", "scalar"): _scalar,
        ("numpy._core.numeric", "_frombuffer"): _from_buffer,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _latin1,  # protocols 0 to 2 ask for this and for the next
        ("builtins", "bytes"): lambda: b"",
        ("__builtin__", "bytes"): lambda: b"",
    }

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")
        if (module, name) not in self.admitted:
            raise _RefusedError(f"{module}.{name}")
        return self.admitted[module, name]
