"""Weights out of an ONNX file, without the ``onnx`` package: as much of its format (Protocol Buffers) as that takes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from featurenerf.errors import InputError

_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_INPUT, _OUTPUT, _NODE_NAME, _OP_TYPE, _ATTRIBUTE = 1, 2, 3, 4, 5  # of NodeProto
_ATTRIBUTE_TENSOR = 5  # of AttributeProto
_DIMS, _DATA_TYPE, _FLOAT_DATA, _TENSOR_NAME, _RAW_DATA = 1, 2, 4, 8, 9  # of TensorProto
_FLOAT = 1  # TensorProto.DataType


def read_onnx(path: Path) -> tuple[dict[str, Tensor], list[Node]]:
    """The single-precision constants of a graph by name, and its nodes in order.

    Raises:
        InputError: when the file is damaged, or not an ONNX file.
    """
    try:
        graph = next(value for number, value in _fields(memoryview(path.read_bytes())) if number == _GRAPH)
        tensors: dict[str, Tensor] = {}
        nodes: list[Node] = []
        for number, value in _fields(_bytes(graph)):
            if number == _INITIALIZER:
                tensors.update(_tensor(_bytes(value)))
            elif number == _NODE:
                node = Node(_bytes(value))
                nodes.append(node)
                tensors.update({name: tensor for name in node.outputs for tensor in node.constants})
    except (OSError, ValueError, IndexError, StopIteration, struct.error) as error:
        raise InputError(f"{path} is damaged, or not an ONNX file ({error}): copy it again") from error
    return tensors, nodes


class Node:
    """An operation of a graph."""

    def __init__(self, data: memoryview) -> None:
        found: dict[int, list[memoryview]] = {}
        for number, value in _fields(data):
            found.setdefault(number, []).append(_bytes(value))
        self.name, self.operation = ("".join(_text(v) for v in found.get(key, [])) for key in (_NODE_NAME, _OP_TYPE))
        self.inputs, self.outputs = ([_text(v) for v in found.get(key, [])] for key in (_INPUT, _OUTPUT))
        attributes = [field for value in found.get(_ATTRIBUTE, []) for field in _fields(value)]
        tensors = [_tensor(_bytes(value)) for number, value in attributes if number == _ATTRIBUTE_TENSOR]
        self.constants = [tensor for named in tensors for tensor in named.values()]


def _tensor(data: memoryview) -> dict[str, Tensor]:
    """A tensor by its name; nothing for other types than single precision."""
    dims: list[int] = []
    kind, name, values = 0, "", memoryview(b"")
    for number, value in _fields(data):
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else _varints(value)
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_NAME:
            name = _text(value)
        elif number in (_RAW_DATA, _FLOAT_DATA):
            values = _bytes(value)
    if kind != _FLOAT:
        return {}
    return {name: torch.from_numpy(np.frombuffer(values, "<f4").reshape(dims).copy())}


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field of a message: an integer, or the bytes of anything else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise ValueError("it ends too early")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varints(data: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _text(value: memoryview | int) -> str:
    return str(_bytes(value), "utf-8")


def _bytes(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where text should")
    return value
