"""Arrays in: tensors, NumPy arrays and nested sequences of numbers, all of them as tensors."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featurenerf.errors import InputError, first_line

ArrayLike = Tensor | np.ndarray | Sequence[Any]
Numbers = ArrayLike | int | float


def as_tensor(values: ArrayLike, name: str) -> Tensor:
    """A tensor is returned as it is; of anything else a copy is made, in its own number format.

    Args:
        name: what the values are, in the message.
    Raises:
        InputError: for values that are no array of numbers, and for a tensor without values or with only some of them.
    """
    if isinstance(values, Tensor):
        return _dense(values, name)
    try:
        if not isinstance(values, np.ndarray) and any(isinstance(value, Tensor) for value in values):
            return torch.stack([torch.as_tensor(value) for value in values])
        array = np.array(values)  # a copy: torch takes no views that run backwards, and no foreign order of bytes
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(values).__name__
        raise InputError(f"{name} must be a tensor or an array of numbers; this {kind} is none ({error})") from error


def floats(given: Numbers, what: str, device: torch.device | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of floats: tensors and arrays of any precision as they are, everything else in ``dtype``.

    Args:
        what: what a message calls them.
        device: that it is moved to; None leaves it where it is.
    Raises:
        InputError: they are not real numbers, or have no values (a tensor of the device "meta").
    """
    if isinstance(given, Tensor):
        tensor = _dense(given, what)
    elif isinstance(given, (list, tuple)) and given and all(isinstance(value, Tensor) for value in given):
        tensor = as_tensor(given, what)
    else:
        try:
            array = np.asarray(given)
            kept = isinstance(given, (np.ndarray, np.floating)) and array.dtype in (np.float16, np.float32, np.float64)
            if array.dtype.kind not in "biuf":
                raise TypeError(f"they are {array.dtype}")
            tensor = torch.from_numpy(np.array(array, array.dtype.newbyteorder("=") if kept else np.float64, order="C"))
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise InputError(f"{what} must be numbers, as a tensor, an array or lists: {first_line(error)}") from error
        tensor = tensor if kept else tensor.to(dtype)
    if tensor.is_complex():
        raise InputError(f"{what} must be real numbers, not {tensor.dtype}")
    if not tensor.is_floating_point():
        tensor = tensor.to(dtype)
    return tensor if device is None or tensor.device == device else tensor.to(device)


def _dense(tensor: Tensor, what: str) -> Tensor:
    if tensor.is_meta or tensor.is_quantized or tensor.layout != torch.strided:
        raise InputError(
            f"{what} must be a dense tensor with values, not one of layout {tensor.layout} and {tensor.dtype} on the "
            f"device {tensor.device}"
        )
    return tensor


def whole(given: Any, what: str) -> int:
    """A whole number, of whatever type.

    Raises:
        InputError: it is not one.
    """
    try:
        return operator.index(given)
    except TypeError as error:
        raise InputError(f"{what} must be a whole number, not {given!r}") from error
