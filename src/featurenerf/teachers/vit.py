"""Vision transformers: any block's tokens, queries, keys or values as a map.

One class for all families that ``transformers`` has: it takes the parts that the feature depends on out of a model and
runs them itself, so that stride and size are free, and nothing is hooked into the model or kept between calls.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError
from featurenerf.teachers.base import Card, Settings, Teacher
from featurenerf.teachers.weights import folder_of, on_hub_cache, pretrained, transformers

FACETS = ("token", "normed", "query", "key", "value", "words")


@dataclass(frozen=True)
class ViTSettings(Settings):
    """Settings of a vision transformer."""

    facet: str
    """token: what a block gives out. normed: the same after the network's last normalisation. query, key, value: of a
    block's attention, heads side by side. words: the last block's, where words can be compared with it (CLIP, SigLIP).
    """
    stride: int
    """Pixels between patches. Less than the patch, they overlap, and the map is finer (and costs as much more)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.facet not in FACETS:
            raise InputError(f"there is no facet {self.facet!r}; there are: {', '.join(FACETS)}")
        if self.stride < 1 or self.size % self.stride:
            raise InputError(f"a stride of {self.stride} does not divide a size of {self.size} pixels: change either")


class ViTTeacher(Teacher):
    """Maps of ``size / stride`` squared cells. A cell's patch is centred on the cell; prefix tokens are left out.

    Overlapping patches reach over the rim, where the picture's last pixels are repeated, so that cells cover the
    picture evenly whatever the stride.
    """

    mean: Tensor
    std: Tensor
    prefix: Tensor
    positions: Tensor
    rope_cos: Tensor
    rope_sin: Tensor

    def __init__(self, card: Card, settings: ViTSettings, vision: nn.Module, positions: Tensor | None = None) -> None:
        """
        Args:
            vision: a vision transformer of ``transformers``.
            positions: (1, cells, c) embeddings of the cells, if not the model's own way of resizing its own.
        Raises:
            InputError: for settings that the model does not have, or a model of another patch size.
        """
        super().__init__()
        last = max(settings.layers)
        blocks = part(vision, "encoder.layers", "encoder.layer", "model.layer", "layers", "layer")
        self.patches = part(vision, "patch_embeddings.projection", "patch_embeddings", "patch_embedding")
        self.patch = int(self.patches.kernel_size[0])
        if self.patch != card.patch:
            raise InputError(f"these weights have patches of {self.patch} pixels, and {card.name} of {card.patch}")
        if last >= len(blocks):
            raise InputError(f"there is no layer {last} in {card.name}: it has 0 to {len(blocks) - 1}")
        if settings.stride > self.patch:
            raise InputError(
                f"a stride of {settings.stride} leaves pixels out: {card.name} has patches of {self.patch}"
            )
        self.name, self.settings, self.size = card.name, settings, settings.size
        self.cells = settings.size // settings.stride
        self.before = part(vision, "pre_layrnorm") if has(vision, "pre_layrnorm") else nn.Identity()
        self.blocks = blocks[: last + 1]
        self.norm = part(vision, "post_layernorm", "layernorm", "norm")
        self.dim = len(settings.layers) * self._width()
        self._place(vision, positions)
        self.register_buffer("mean", torch.tensor(card.mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(card.std).reshape(3, 1, 1), persistent=False)
        wanted = list(inspect.signature(blocks[0].forward).parameters.values())[1:]
        self._unused = {p.name: None for p in wanted if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        x = (pictures - self.mean) / self.std
        over = self.patch - self.settings.stride  # what patches reach beyond their cells, on both sides together
        if over:
            x = F.pad(x, (over // 2, over - over // 2) * 2, mode="replicate")
        patches = F.conv2d(x, self.patches.weight, self.patches.bias, self.settings.stride)  # b c h w
        tokens = patches.flatten(2).transpose(1, 2) + self.positions  # b h*w c
        x = self.before(torch.cat([self.prefix.expand(len(x), -1, -1), tokens], 1))  # b p+h*w c
        found = {}
        for number, block in enumerate(self.blocks):
            if number in self.settings.layers and self.settings.facet not in ("token", "normed"):
                found[number] = self._inside(block, x)
                if number == len(self.blocks) - 1:
                    break
            x = self._run(block, x)
            if number in self.settings.layers and self.settings.facet in ("token", "normed"):
                found[number] = self.norm(x) if self.settings.facet == "normed" else x
        features = torch.cat([found[number] for number in self.settings.layers], 2)[:, self.prefix.shape[1] :]
        return features.transpose(1, 2).unflatten(2, (self.cells, self.cells))  # b c h w

    def _run(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        rope = {"position_embeddings": (self.rope_cos, self.rope_sin)} if hasattr(self, "rope_cos") else {}
        out = block(x, **(self._unused | rope))
        return out[0] if isinstance(out, tuple) else out

    def _inside(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        """A facet that is not what the block gives out, from what it is given."""
        return projection(block, self.settings.facet)(norm_before(block)(x))

    def _width(self) -> int:
        """Numbers that a layer gives."""
        if self.settings.facet == "words":
            raise InputError(
                f"{self.name} cannot be compared with words: take clip-b16 or siglip-b16, or another facet"
            )
        if self.settings.facet in ("token", "normed"):
            return int(self.patches.out_channels)
        return int(projection(self.blocks[-1], self.settings.facet).out_features)

    def _place(self, vision: nn.Module, positions: Tensor | None) -> None:
        """Prefix tokens, and the positions of the cells."""
        embeddings = part(vision, "embeddings")
        width, side = int(self.patches.out_channels), self.cells * self.patch
        prefix = [getattr(embeddings, name, None) for name in ("class_embedding", "cls_token", "register_tokens")]
        tokens = torch.cat(
            [torch.zeros(1, 0, width), *(t.detach().reshape(1, -1, width) for t in prefix if t is not None)], 1
        )
        count = self.cells**2
        own = torch.zeros(1, 0, width)  # of the class token
        if has(vision, "rope_embeddings"):
            cos, sin = part(vision, "rope_embeddings")(torch.zeros(1, 3, side, side))
            self.register_buffer("rope_cos", cos.detach(), persistent=False)
            self.register_buffer("rope_sin", sin.detach(), persistent=False)
            positions = torch.zeros(1, 1, width)
        elif positions is None:
            like = torch.zeros(1, count + (tokens.shape[1] > 0), width)
            whole = embeddings.interpolate_pos_encoding(like, side, side).detach()
            own, positions = whole[:, :-count], whole[:, -count:]
        tokens[:, : own.shape[1]] += own
        self.register_buffer("prefix", tokens, persistent=False)
        self.register_buffer("positions", positions, persistent=False)


def part(module: nn.Module, *suffixes: str) -> Any:
    """The first module whose name ends in one of the suffixes; names differ between versions of ``transformers``."""
    for suffix in suffixes:
        for name, found in module.named_modules():
            if name == suffix or name.endswith(f".{suffix}"):
                return found
    raise InputError(f"this network has no {' or '.join(suffixes)}: it is not a vision transformer that is known here")


def has(module: nn.Module, suffix: str) -> bool:
    return any(name == suffix or name.endswith(f".{suffix}") for name, _ in module.named_modules())


def projection(block: nn.Module, facet: str) -> Any:
    """The query, key or value projection of a block."""
    return part(block, f"attention.{facet[0]}_proj", f"attention.attention.{facet}", f"self_attn.{facet[0]}_proj")


def norm_before(block: nn.Module) -> Any:
    """The normalisation before a block's attention."""
    return part(block, "layernorm_before", "norm1", "layer_norm1")


def make(model: str, card: Card, settings: ViTSettings, path: Path | None) -> ViTTeacher:
    """A teacher from a model of the hub, by the name of its class in ``transformers``."""
    kind = transformers(model)
    return ViTTeacher(card, settings, pretrained(kind, card, folder_of(card, path, settings.verify)))


def _card(name: str, hub: str, model: str, licence: str, size: int, patch: int, dim: int, sha256: str = "") -> Card:
    return Card(
        name,
        partial(make, model),
        ViTSettings((11,), size, "normed", patch),
        f"hub {hub}",
        licence,
        patch,
        dim,
        sha256={"model.safetensors": sha256} if sha256 else {},
        extra="hub",
        here=on_hub_cache,
    )


CARDS = (
    _card(
        "dinov2-small",
        "facebook/dinov2-small",
        "Dinov2Model",
        "Apache-2.0",
        448,
        14,
        384,
        "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1",
    ),
    _card("dinov2-base", "facebook/dinov2-base", "Dinov2Model", "Apache-2.0", 448, 14, 768),
    _card(
        "dinov2-small-registers",
        "facebook/dinov2-with-registers-small",
        "Dinov2WithRegistersModel",
        "Apache-2.0",
        448,
        14,
        384,
    ),
    _card(
        "dinov2-base-registers",
        "facebook/dinov2-with-registers-base",
        "Dinov2WithRegistersModel",
        "Apache-2.0",
        448,
        14,
        768,
    ),
    _card(
        "dinov3-vits16", "facebook/dinov3-vits16-pretrain-lvd1689m", "DINOv3ViTModel", "DINOv3 License", 512, 16, 384
    ),
)
