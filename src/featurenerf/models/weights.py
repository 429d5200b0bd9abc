"""Weights made by other programs: tensors by name from a file, without running any code from it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from featurenerf.errors import InputError


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a PyTorch file (``torch.save`` of a state dict) or a safetensors file, on the CPU.

    Raises:
        InputError: when the file is missing, damaged, or holds anything but tensors by name.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    with suppress(SafetensorError):  # then it is PyTorch's
        return load_file(path)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise InputError(
            f"{path} is damaged, or not weights, or holds code beside them, which is never run: give a state dict"
        ) from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path} holds more than tensors by name: save the network's state_dict() and nothing else")
    return dict(weights)
