"""A device that is not here, imitated: tensors say that they lie elsewhere, and compute on the CPU.

What a real one refuses is refused: operations on tensors of two devices, and NumPy. It goes by the name "meta", the one
device beside the CPU that every build of torch knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

ELSEWHERE = torch.device("meta")
CPU = torch.device("cpu")


class Far(Tensor):
    """A tensor that says it is elsewhere."""

    near: Tensor
    is_meta = False  # it has values, unlike those of the device whose name it goes by

    @staticmethod
    def __new__(cls, near: Tensor) -> Far:
        return Tensor._make_wrapper_subclass(
            cls, near.shape, near.stride(), near.storage_offset(), dtype=near.dtype, device=ELSEWHERE
        )

    def __init__(self, near: Tensor) -> None:
        self.near = near

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """While it is on, tensors that are made for the device are made there."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


class FromNumbers(TorchFunctionMode):
    """Tensors of Python's numbers are made on the CPU and moved: on the device meta they would have no contents."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = torch.device(kwargs.pop("device"))
            return function(*args, **kwargs).to(device)
        if function is Tensor.new_tensor and isinstance(args[0], Far):
            return torch.tensor(*args[1:], **{"dtype": args[0].dtype, **kwargs}).to(ELSEWHERE)
        if function is Tensor.tolist and isinstance(args[0], Far):
            return args[0].near.tolist()
        return function(*args, **kwargs)


def run(function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    far = [value for value in given if isinstance(value, Far)]
    name = str(function)
    asked = kwargs.get("device")
    asked = None if asked is None else torch.device(asked)
    if far and "_to_copy" not in name and "copy_" not in name:
        stray = [value for value in given if not isinstance(value, Far) and value.ndim > 0]
        # an index from the CPU is taken by every device
        if stray and "index" not in name:
            raise RuntimeError(f"{name}: tensors on two devices, {[tuple(v.shape) for v in stray]} on the CPU")
    there = asked == ELSEWHERE if asked is not None else bool(far)
    if "copy_" in name and "_to_copy" not in name:
        there = isinstance(args[0], Far)
    kwargs = {key: (CPU if key == "device" and value is not None else value) for key, value in kwargs.items()}
    out = function(*tree_map(_near, args), **tree_map(_near, dict(kwargs)))
    if name.split(".")[1].endswith("_") and args and isinstance(args[0], Far):
        return args[0]
    return tree_map(lambda value: Far(value) if there and isinstance(value, Tensor) else value, out)


def _near(value: Any) -> Any:
    return value.near if isinstance(value, Far) else value


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, while it is imitated."""
    autocast = torch.autocast
    try:
        torch.autocast = lambda kind, **settings: autocast("cpu" if kind == "meta" else kind, **settings)
        with FromNumbers(), Elsewhere():
            yield ELSEWHERE
    finally:
        torch.autocast = autocast
