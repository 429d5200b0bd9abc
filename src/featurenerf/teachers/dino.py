"""DINO ViT-S/8 (Caron et al., ICCV 2021), the paper's teacher: keys of a middle block, one for every 8 x 8 pixels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.teachers.base import Teacher
from featurenerf.weights import read_weights

HUB_NAME = "facebook/dino-vits8"
BLOCK = 9
"""The block whose keys are the feature, counted from zero."""
SIZE = 256
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LAYER_NORM_EPS = 1e-6  # DINO's; the hub's configuration says 1e-12

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


class Dino(Teacher):
    """The keys of block 9 of a ViT: 384 x 32 x 32 from 256 x 256 pixels. The class token's is dropped.

    Holds the parts of a ``transformers`` ViT that the keys depend on: its later blocks are never run.
    """

    name = "dino-vits8"
    patches: nn.Conv2d
    mean: Tensor
    std: Tensor
    first_token: Tensor
    positions: Tensor

    def __init__(self, vit: nn.Module, size: int = SIZE, block: int = BLOCK) -> None:
        super().__init__()
        layers = _submodule(vit, ("layers", "encoder.layer"))  # transformers 5, transformers 4
        if not isinstance(layers, nn.ModuleList) or len(layers) <= block:
            raise InputError(f"this ViT has no block {block} to take keys from: give DINO's ViT-S/8")
        self.patches = _submodule(vit, ("embeddings.patch_embeddings.projection",))
        self.blocks = layers[:block]
        self.norm = _submodule(layers[block], ("layernorm_before",))
        self.key = _submodule(layers[block], ("attention.k_proj", "attention.attention.key"))
        self.size = size
        self.patch = int(self.patches.kernel_size[0])
        self.dim = int(self.key.out_features)
        positions = vit.get_parameter("embeddings.position_embeddings").detach()
        first_token = vit.get_parameter("embeddings.cls_token").detach() + positions[:, :1]
        self.register_buffer("first_token", first_token)  # 1 1 c
        self.register_buffer("positions", interpolate_positions(positions[:, 1:], size // self.patch))  # 1 h*w c
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).reshape(3, 1, 1))
        self.eval().requires_grad_(False)

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        patches = self.patches((pictures - self.mean) / self.std)  # b c h w
        h, w = patches.shape[2:]
        tokens = patches.flatten(2).transpose(1, 2) + self.positions  # b h*w c
        x = torch.cat([self.first_token.expand(len(tokens), -1, -1), tokens], 1)  # b 1+h*w c
        for block in self.blocks:
            out = block(x)
            x = out[0] if isinstance(out, tuple) else out  # b 1+h*w c
        keys = self.key(self.norm(x))[:, 1:]  # b h*w c, heads side by side
        return keys.transpose(1, 2).unflatten(2, (h, w))  # b c h w


def dino(name_or_path: str | os.PathLike[str] = HUB_NAME, heads: int = 6) -> Dino:
    """DINO ViT-S/8 from the Hugging Face hub, or from a local copy.

    Args:
        name_or_path: a model of the hub; a directory that holds one (``config.json`` and weights); or a weights file
            of the DINO repository (``dino_deitsmall8_pretrain.pth``).
        heads: attention heads, which such a file does not tell: 6 for ViT-S, 12 for ViT-B.
    Raises:
        InputError: when the weights cannot be had or are not a ViT's.
        MissingExtraError: without ``transformers``.
    """
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
        from transformers import ViTModel
    except ImportError as error:
        raise MissingExtraError("transformers", "hub") from error
    path = Path(name_or_path)
    if path.is_file():
        return Dino(vit_from_dino(read_weights(path), heads))
    try:
        vit = ViTModel.from_pretrained(str(name_or_path), add_pooling_layer=False, layer_norm_eps=_LAYER_NORM_EPS)
    except (OSError, ValueError) as error:
        if path.is_dir():
            raise InputError(f"{path} does not hold a ViT ({_first_line(error)}): copy {HUB_NAME} again") from error
        folder = f"models--{str(name_or_path).replace('/', '--')}"
        raise InputError(
            f"{name_or_path} could not be fetched from huggingface.co ({_first_line(error)}): where it can be reached "
            f"run `hf download {name_or_path}` and copy {folder} from its cache to {HF_HUB_CACHE} here; "
            f"or give the path of a local copy"
        ) from error
    return Dino(vit)


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
        layer_norm_eps=_LAYER_NORM_EPS,
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
        loaded: Any = ViTModel.from_pretrained(
            None, config=config, state_dict=renamed, add_pooling_layer=False, output_loading_info=True
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"these weights are not those of a DINO ViT: {_first_line(error)}") from error
    vit, report = loaded
    if report["missing_keys"]:
        raise InputError(f"these weights are not those of a whole DINO ViT: no {sorted(report['missing_keys'])[0]}")
    return vit


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


def _submodule(module: nn.Module, suffixes: tuple[str, ...]) -> Any:
    """The module whose name ends in one of the suffixes."""
    for suffix in suffixes:
        for name, found in module.named_modules():
            if name == suffix or name.endswith(f".{suffix}"):
                return found
    raise InputError(f"this network has no {' or '.join(suffixes)}: give a ViT")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
