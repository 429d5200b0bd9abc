"""Weights out of an ONNX file: as much of its format as that takes.

It is one of Protocol Buffers, which come with onnxruntime. The package ``onnx``, which knows the fields by name, would
be a dependency of 20 MB for this one file.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurenerf.errors import MissingExtraError
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
        graph = _message(_message(file_bytes(path))[_GRAPH][0])
        constants = [(_text(*tensor[_TENSOR_NAME]), tensor) for tensor in map(_message, graph[_INITIALIZER])]
        nodes = []
        for node in map(_message, graph[_NODE]):
            inputs, outputs = ([_text(name) for name in node[key]] for key in (_INPUT, _OUTPUT))
            nodes.append(Node(_text(*node[_NODE_NAME]), _text(*node[_OP_TYPE]), inputs))
            tensors = [tensor for attribute in node[_ATTRIBUTE] for tensor in _message(attribute)[_ATTRIBUTE_TENSOR]]
            constants += [(name, _message(tensor)) for name in outputs for tensor in tensors]
        return {name: _values(tensor) for name, tensor in constants if tensor[_DATA_TYPE] == [_FLOAT]}, nodes


def _text(value: bytes = b"") -> str:
    return str(value, "utf-8")


def _values(tensor: Message) -> Tensor:
    (values,) = tensor[_RAW_DATA] or tensor[_FLOAT_DATA]
    return torch.from_numpy(np.frombuffer(values, "<f4").reshape(tensor[_DIMS]).copy())


def _message(data: bytes) -> Message:
    try:
        from google.protobuf.empty_pb2 import Empty
        from google.protobuf.unknown_fields import UnknownFieldSet
    except ImportError as error:
        raise MissingExtraError("protobuf", "mask") from error
    message, found = Empty(), defaultdict[int, list[Any]](list)
    message.ParseFromString(data)
    for field in UnknownFieldSet(message):
        found[field.field_number].append(field.data)
    return found
