"""DINO (Caron et al., ICCV 2021), the paper's teacher: keys of block 9 of a ViT-S/8, one for every 8 x 8 pixels."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, first_line
from featurenerf.teachers.base import Card
from featurenerf.teachers.vit import ViTSettings, ViTTeacher
from featurenerf.teachers.weights import (
    check_file,
    folder_of,
    loaded,
    on_hub_cache,
    pretrained,
    transformers,
)
from featurenerf.weights import read_weights

LAYER_NORM_EPS = 1e-6
"""DINO's; the hub's configuration says 1e-12."""

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
_HEADS = {"dino-vits8": 6, "dino-vits16": 6, "dino-vitb8": 12}


def make(card: Card, settings: ViTSettings, path: Path | None) -> ViTTeacher:
    """DINO from the hub, from a folder that holds a copy of it, or from a file of the DINO repository
    (``dino_deitsmall8_pretrain.pth``).

    Raises:
        InputError: when the weights cannot be had or are not a ViT's.
        MissingExtraError: without ``transformers``.
    """
    kind = transformers("ViTModel")
    if path is not None and path.is_file():
        if settings.verify:
            check_file(card, path)
        vit = vit_from_dino(read_weights(path), _HEADS[card.name])
    else:
        folder = folder_of(card, path, settings.verify)
        vit = pretrained(kind, card, folder, add_pooling_layer=False, layer_norm_eps=LAYER_NORM_EPS)
    table = vit.get_parameter("embeddings.position_embeddings").detach()
    teacher = ViTTeacher(card, settings, vit, interpolate_positions(table[:, 1:], settings.size // settings.stride))
    teacher.prefix += table[:, :1]
    return teacher


def vit_from_dino(weights: dict[str, Tensor], heads: int) -> nn.Module:
    """A ``transformers`` ViT with weights that have the names of the DINO repository.

    Raises:
        InputError: when tensors are missing or do not fit.
    """
    from transformers import ViTConfig, ViTModel

    try:
        width, _, patch, _ = weights["patch_embed.proj.weight"].shape
        cells = round((weights["pos_embed"].shape[1] - 1) ** 0.5)
        hidden = weights["blocks.0.mlp.fc1.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise InputError(
            f"these weights are not those of a DINO ViT: {error} is missing or of another shape"
        ) from error
    config = ViTConfig(
        hidden_size=width,
        num_hidden_layers=len({name.split(".")[1] for name in weights if name.startswith("blocks.")}),
        num_attention_heads=heads,
        intermediate_size=hidden,
        patch_size=patch,
        image_size=cells * patch,
        layer_norm_eps=LAYER_NORM_EPS,
    )
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        stem, _, leaf = name.rpartition(".") if name.endswith((".weight", ".bias")) else (name, "", "")
        prefix = ""
        if stem.startswith("blocks."):
            _, number, stem = stem.split(".", 2)
            prefix = f"encoder.layer.{number}."
        if stem == "attn.qkv":
            for part, value in zip(("query", "key", "value"), tensor.float().chunk(3), strict=True):
                renamed[f"{prefix}attention.attention.{part}.{leaf}"] = value
        elif stem in _NAMES:
            renamed[prefix + _NAMES[stem] + (f".{leaf}" if leaf else "")] = tensor.float()
    try:
        vit, report = loaded(ViTModel, None, config=config, state_dict=renamed, add_pooling_layer=False)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"these weights are not those of a DINO ViT: {first_line(error)}") from error
    if report["missing_keys"]:
        raise InputError(f"these weights are not those of a whole DINO ViT: no {sorted(report['missing_keys'])[0]}")
    return vit.eval()


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
    return Card(
        name,
        make,
        ViTSettings((9,), size, "key", patch),
        f"hub facebook/{name}",
        "Apache-2.0",
        patch,
        dim,
        extra="hub",
        here=on_hub_cache,
    )


CARDS = (_card("dino-vits8", 256, 8, 384), _card("dino-vitb8", 256, 8, 768), _card("dino-vits16", 512, 16, 384))
