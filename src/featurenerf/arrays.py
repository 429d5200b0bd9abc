"""Arrays in: tensors, NumPy arrays and nested sequences of numbers, all of them as tensors."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featurenerf.errors import InputError, first_line

ArrayLike = Tensor | np.ndarray | Sequence[Any]
Numbers = ArrayLike | int | float
GOLDEN = (5**0.5 - 1) / 2
"""The golden ratio's fraction: its multiples, modulo 1, are spread evenly from the first on."""


def as_tensor(given: Numbers, what: str) -> Tensor:
    """A tensor is returned as it is; of anything else a copy is made, in its own number format where torch has it.

    Args:
        what: what a message calls the values.
    Raises:
        InputError: they are not real numbers, or have no values (a tensor of the device "meta").
    """
    if isinstance(given, Tensor):
        tensor = given
    else:
        try:
            if isinstance(given, (list, tuple)) and any(isinstance(value, Tensor) for value in given):
                return torch.stack([as_tensor(value, what) for value in given])  # gradients flow
            array = np.asarray(given)
            if array.dtype.kind not in "biuf":
                raise TypeError(f"they are {array.dtype}")
            odd = array.dtype.newbyteorder("=") not in _FORMATS
            wanted = (np.float64 if array.dtype.kind == "f" else np.int64) if odd else array.dtype.newbyteorder("=")
            tensor = torch.from_numpy(np.array(array, wanted, order="C"))  # a copy: torch takes no views backwards
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise InputError(f"{what} must be numbers, as a tensor, an array or lists: {first_line(error)}") from error
    if tensor.is_complex() or (tensor.is_meta and type(tensor) is Tensor):  # a subclass may hold values all the same
        kind = f"{tensor.dtype} on the device {tensor.device}"
        raise InputError(f"{what} must be real numbers (integers or floating point), not {kind}")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise InputError(f"{what} must be dense, not {tensor.dtype} of layout {tensor.layout}: give tensor.to_dense()")
    return tensor


_FORMATS = tuple(map(np.dtype, ("?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8")))
"""Number formats of NumPy that torch computes with."""


def floats(given: Numbers, what: str, device: torch.device | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of floats: tensors and arrays of any precision as they are, everything else in ``dtype``.

    Args:
        what: what a message calls them.
        device: that it is moved to; None leaves it where it is.
    Raises:
        InputError: as of ``as_tensor``.
    """
    tensor = as_tensor(given, what)
    if not tensor.is_floating_point() or not isinstance(given, (Tensor, np.ndarray, np.floating)):
        tensor = tensor.to(dtype)
    return tensor if device is None or tensor.device == device else tensor.to(device)


def spread(count: int, most: int) -> list[int]:
    """Numbers of ``most`` of so many things, evenly, the first and the last among them; all where there are fewer."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def to_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name as the content of an .npz file."""
    content = BytesIO()
    np.savez_compressed(content, **dict(arrays))  # type: ignore[arg-type]
    return content.getvalue()


def whole(given: Any, what: str) -> int:
    """A whole number, of whatever type.

    Raises:
        InputError: it is not one.
    """
    try:
        return operator.index(given)
    except TypeError as error:
        raise InputError(f"{what} must be a whole number, not {given!r}") from error
