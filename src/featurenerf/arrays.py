"""Arrays in: tensors, NumPy arrays and nested sequences of numbers, all of them as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featurenerf.errors import InputError

ArrayLike = Tensor | np.ndarray | Sequence[Any]


def as_tensor(values: ArrayLike, name: str) -> Tensor:
    """A tensor is returned as it is; of anything else a copy is made, in its own number format.

    Args:
        name: what the values are, in the message.
    Raises:
        InputError: for values that are no array of numbers.
    """
    if isinstance(values, Tensor):
        return values
    try:
        if not isinstance(values, np.ndarray) and any(isinstance(value, Tensor) for value in values):
            return torch.stack([torch.as_tensor(value) for value in values])
        return torch.from_numpy(np.array(values))  # a copy: torch takes no views that run backwards
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(values).__name__
        raise InputError(f"{name} must be a tensor or an array of numbers; this {kind} is none ({error})") from error
