"""Weights made by other programs: tensors by name from a file, without running any code from it."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from featurenerf import limits
from featurenerf.errors import InputError


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a PyTorch file (``torch.save`` of a state dict) or a safetensors file, on the CPU.

    Raises:
        InputError: when the file is missing, damaged, holds anything but tensors by name, or numbers that no network
            has: NaN, infinite, or a negative variance of a batch normalisation.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise InputError(f"there is no file {path}")
    weights = _content(path)
    named = isinstance(weights, Mapping) and all(isinstance(name, str) for name in weights)
    if not named or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path} holds more than tensors by name: save the network's state_dict() and nothing else")
    if sum(value.numel() for value in weights.values()) > limits.PARAMETERS:
        raise InputError(f"{path} holds more than {limits.PARAMETERS} numbers: give the weights of a smaller network")
    for name, value in weights.items():
        if problem := _oddness(name, value):
            raise InputError(f"the tensor {name} of {path} {problem}: give the weights of a network that works")
    return dict(weights)


def check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights of which a field would answer NaN.

    Raises:
        InputError: naming the first tensor with a NaN or an infinite number.
    """
    for name, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"the tensor {name} of {path} holds NaN or infinite numbers: copy or train it again")


def planned(make: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """The state dict of a network that is made without memory: shapes and kinds, no numbers."""
    with torch.device("meta"), _Unfilled():
        return make().state_dict()


class _Unfilled(TorchFunctionMode):
    """Leaves new weights as they are: to draw random ones without memory takes torch a second of preparation."""

    def __torch_function__(self, function: Any, kinds: Any, given: Any = (), options: Any = None) -> Any:
        if getattr(function, "__name__", "") in ("uniform_", "normal_", "fill_", "zero_"):
            return given[0] if given else options["tensor"]
        return function(*given, **(options or {}))


def _content(path: Path) -> Any:
    """What a file holds, without the warnings of ``torch.load``, which say less than the error that follows."""
    with warnings.catch_warnings(), suppress(SafetensorError):  # then it is PyTorch's
        warnings.simplefilter("ignore")
        return load_file(path)
    try:
        _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # for damaged files torch raises whatever its parsers do
        raise InputError(
            f"{path} is damaged, or not weights, or holds code beside them, which is never run: give a state dict"
        ) from error


def _check_archive(path: Path) -> None:
    """PyTorch stores its archives as they are; one that unpacks to more than the file is none of its."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":
            return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("it is packed")


def _oddness(name: str, value: Tensor) -> str | None:
    """Why a tensor is none of a network's; None where it is."""
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        return "is sparse, quantised or without numbers"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"is {tuple(value.shape)} and has fewer numbers than that"
    if not value.is_floating_point():
        return None
    if not value.float().isfinite().all():
        return "holds NaN or infinite numbers"
    return "is a negative variance" if name.endswith("running_var") and (value < 0).any() else None
