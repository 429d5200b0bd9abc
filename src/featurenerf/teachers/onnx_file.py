"""Weights out of an ONNX file: as much of its format (Protocol Buffers) as that takes.

The package ``onnx`` does it too, but would be a dependency of 20 MB for this one file.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurenerf.limits import file_bytes, parsing

_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_INPUT, _OUTPUT, _NODE_NAME, _OP_TYPE, _ATTRIBUTE = 1, 2, 3, 4, 5  # of NodeProto
_ATTRIBUTE_TENSOR = 5  # of AttributeProto
_DIMS, _DATA_TYPE, _FLOAT_DATA, _TENSOR_NAME, _RAW_DATA = 1, 2, 4, 8, 9  # of TensorProto
_FLOAT = 1  # TensorProto.DataType

Message = dict[int, list[Any]]
"""The values of a message's fields, by number: integers, or the bytes of anything else."""


class Node(NamedTuple):
    """An operation of a graph, and the names of the tensors that go into it."""

    name: str
    operation: str
    inputs: list[str]


def read_onnx(path: Path) -> tuple[dict[str, Tensor], list[Node]]:
    """The single-precision constants of a graph by name, and its nodes in order.

    Raises:
        InputError: when the file is damaged, or not an ONNX file.
    """
    with parsing(f"{path} is damaged, or not an ONNX file", "copy it again"):
        graph = _message(_message(memoryview(file_bytes(path)))[_GRAPH][0])
        constants = [(_text(*tensor[_TENSOR_NAME]), tensor) for tensor in map(_message, graph[_INITIALIZER])]
        nodes = []
        for node in map(_message, graph[_NODE]):
            inputs, outputs = ([_text(name) for name in node[key]] for key in (_INPUT, _OUTPUT))
            nodes.append(Node(_text(*node[_NODE_NAME]), _text(*node[_OP_TYPE]), inputs))
            tensors = [tensor for attribute in node[_ATTRIBUTE] for tensor in _message(attribute)[_ATTRIBUTE_TENSOR]]
            constants += [(name, _message(tensor)) for name in outputs for tensor in tensors]
        return {name: _values(tensor) for name, tensor in constants if tensor[_DATA_TYPE] == [_FLOAT]}, nodes


def _text(value: Any = b"") -> str:
    return str(value, "utf-8")


def _values(tensor: Message) -> Tensor:
    dims = [size for value in tensor[_DIMS] for size in ([value] if isinstance(value, int) else _varints(value))]
    (values,) = tensor[_RAW_DATA] or tensor[_FLOAT_DATA]
    return torch.from_numpy(np.frombuffer(values, "<f4").reshape(dims).copy())


def _message(data: memoryview) -> Message:
    found: Message = defaultdict(list)
    at = 0
    while at < len(data):
        value: Any
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
        else:
            size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            if at + size > len(data):
                raise ValueError("it ends too early")
            value, at = data[at : at + size], at + size
        found[number].append(value)
    return found


def _varints(data: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The integer that starts at a byte, and where it ends: 64 bits, in ten bytes at most."""
    value = shift = 0
    while shift < 70:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
    raise ValueError("an integer has no end")
