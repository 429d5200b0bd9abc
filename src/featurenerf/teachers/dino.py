"""DINO (Caron et al., ICCV 2021), the paper's teacher: keys of block 9 of a ViT-S/8, one for every 8 x 8 pixels."""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, first_line
from featurenerf.models.weights import read_weights
from featurenerf.teachers.base import Card
from featurenerf.teachers.hub import LOADING_ERRORS, check_file, loaded, pretrained, transformers_class
from featurenerf.teachers.vit import ViTSettings, ViTTeacher

LAYER_NORM_EPS = 1e-6  # DINO's; the hub's configuration says 1e-12
_NAMES = {  # the DINO repository's to transformers'
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
    "norm": "layernorm",
}


def make(card: Card, settings: ViTSettings, path: Path | None) -> ViTTeacher:
    """DINO from the hub, from a folder that holds a copy of it, or from a file of the DINO repository
    (``dino_deitsmall8_pretrain.pth``).
    """
    if path is not None and path.is_file():
        transformers_class("ViTModel")
        check_file(card, settings, path)
        vit = vit_from_dino(read_weights(path), heads=card.dim // 64)
    else:
        vit = pretrained("ViTModel", card, settings, path, add_pooling_layer=False, layer_norm_eps=LAYER_NORM_EPS)
    table = vit.get_parameter("embeddings.position_embeddings").detach()
    positions = interpolate_positions(table[:, 1:], settings.size // settings.stride)
    return ViTTeacher(card, settings, vit, torch.cat([table[:, :1], positions], 1))


def vit_from_dino(weights: dict[str, Tensor], heads: int) -> nn.Module:
    """A ``transformers`` ViT with weights that have the names of the DINO repository; InputError if they do not fit."""
    from transformers import ViTConfig, ViTModel

    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        prefix, stem, leaf = re.findall(r"(?s)^(blocks\.\d+\.|)(.*?)(\.weight|\.bias|)$", name)[0]
        prefix = prefix.replace("blocks", "encoder.layer")
        if stem == "attn.qkv":
            for part, value in zip(("query", "key", "value"), tensor.float().chunk(3), strict=True):
                renamed[f"{prefix}attention.attention.{part}{leaf}"] = value
        elif stem in _NAMES:
            renamed[prefix + _NAMES[stem] + leaf] = tensor.float()
    try:
        width, _, patch, _ = weights["patch_embed.proj.weight"].shape
        config = ViTConfig(
            hidden_size=width,
            num_hidden_layers=len({name.split(".")[1] for name in weights if name.startswith("blocks.")}),
            num_attention_heads=heads,
            intermediate_size=weights["blocks.0.mlp.fc1.weight"].shape[0],
            patch_size=patch,
            image_size=round((weights["pos_embed"].shape[1] - 1) ** 0.5) * patch,
            layer_norm_eps=LAYER_NORM_EPS,
        )
        return loaded(ViTModel, None, config=config, state_dict=renamed, add_pooling_layer=False)
    except LOADING_ERRORS as error:
        raise InputError(f"these weights are not those of a DINO ViT: {first_line(error)}") from error


def interpolate_positions(positions: Float[Tensor, "1 n c"], cells: int) -> Float[Tensor, "1 m c"]:
    """The embedding of a square of positions for a square of ``cells`` x ``cells``, as DINO's program makes it.

    It passes a scale factor that is a little too large to ``interpolate``, and with it moves every position a little.
    """
    side = round(positions.shape[1] ** 0.5)
    if side == cells:
        return positions
    square = positions.transpose(1, 2).unflatten(2, (side, side))  # 1 c side side
    factor = (cells + 0.1) / side
    larger = F.interpolate(square, scale_factor=(factor, factor), mode="bicubic", align_corners=False)
    return larger.flatten(2).transpose(1, 2)  # 1 cells*cells c


def _card(name: str, size: int, patch: int, dim: int) -> Card:
    settings = ViTSettings((9,), size, "key", patch)
    return Card(name, make, settings, f"hub facebook/{name}", "Apache-2.0", patch, dim, extra="hub")


CARDS = (_card("dino-vits8", 256, 8, 384), _card("dino-vitb8", 256, 8, 768), _card("dino-vits16", 512, 16, 384))
