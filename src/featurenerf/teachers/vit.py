"""Vision transformers: any block's tokens, queries, keys or values as a map.

One class serves all families that ``transformers`` has. It takes the parts that the feature depends on out of a model
and runs them itself, so that stride and size are free, and nothing is hooked into the model or kept between calls.
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
from featurenerf.teachers.hub import pretrained

FACETS = ("token", "normed", "query", "key", "value", "words")


@dataclass(frozen=True)
class ViTSettings(Settings):
    """Settings of a vision transformer."""

    facet: str
    """token: a block's output. normed: the same after the network's last normalisation. query, key, value: of a block's
    attention, heads side by side. words: the last block's, where words can be compared with it (CLIP, SigLIP).
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

    def __init__(self, card: Card, settings: ViTSettings, vision: nn.Module, positions: Tensor | None = None) -> None:
        """
        Args:
            vision: a vision transformer of ``transformers``.
            positions: (1, n, c) embeddings of the class token, if there is one, and the cells; by default, the model's
                own, resized in its own way.
        """
        super().__init__()
        last, stride = max(settings.layers), settings.stride
        blocks = submodule(vision, "encoder.layers", "encoder.layer", "model.layer", "layers", "layer")
        self.patches = submodule(vision, "patch_embeddings.projection", "patch_embeddings", "patch_embedding")
        self.patch = int(self.patches.kernel_size[0])
        if self.patch != card.patch:
            raise InputError(f"these weights have patches of {self.patch} pixels, and {card.name} of {card.patch}")
        if last >= len(blocks):
            raise InputError(f"there is no layer {last} in {card.name}: it has 0 to {len(blocks) - 1}")
        if stride > self.patch:
            raise InputError(f"a stride of {stride} leaves pixels out: {card.name} has patches of {self.patch}")
        self.name, self.settings, self.size, self.cells = card.name, settings, settings.size, settings.size // stride
        self.before = submodule(vision, "pre_layrnorm", default=nn.Identity())
        self.blocks = blocks[: last + 1]
        self.norm = submodule(vision, "post_layernorm", "layernorm", "norm")
        self.dim = len(settings.layers) * self._width()
        self._set_embeddings(vision, positions)
        self.mean, self.std = (_buffer(torch.tensor(value).reshape(3, 1, 1)) for value in (card.mean, card.std))
        others = list(inspect.signature(blocks[0].forward).parameters.values())[1:]
        self._unused = {p.name: None for p in others if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        x = (pictures - self.mean) / self.std
        over = self.patch - self.settings.stride  # what patches reach beyond their cells, on both sides together
        if over:
            x = F.pad(x, (over // 2, over - over // 2) * 2, mode="replicate")
        patches = F.conv2d(x, self.patches.weight, self.patches.bias, self.settings.stride)  # b c h w
        tokens = patches.flatten(2).transpose(1, 2) + self.positions  # b h*w c
        x = self.before(torch.cat([self.prefix.expand(len(x), -1, -1), tokens], 1))  # b p+h*w c
        found, of_output = {}, self.settings.facet in ("token", "normed")
        for number, block in enumerate(self.blocks):
            wanted = number in self.settings.layers
            if wanted and not of_output:
                found[number] = self._facet(block, x)
                if number == len(self.blocks) - 1:
                    break
            x = self._run(block, x)
            if wanted and of_output:
                found[number] = self.norm(x) if self.settings.facet == "normed" else x
        features = torch.cat([found[number] for number in self.settings.layers], 2)[:, self.prefix.shape[1] :]
        return features.transpose(1, 2).unflatten(2, (self.cells, self.cells))  # b c h w

    def _run(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        rope = {"position_embeddings": (self.rope_cos, self.rope_sin)} if hasattr(self, "rope_cos") else {}
        out = block(x, **(self._unused | rope))
        return out[0] if isinstance(out, tuple) else out

    def _facet(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        """A facet that is not the block's output, from the block's input."""
        return attention_projection(block, self.settings.facet)(norm_before(block)(x))

    def _width(self) -> int:
        """Numbers in the feature of a layer."""
        if self.settings.facet == "words":
            raise InputError(f"{self.name} cannot be compared with words: take clip-b16, siglip-b16, or another facet")
        if self.settings.facet in ("token", "normed"):
            return int(self.patches.out_channels)
        return int(attention_projection(self.blocks[-1], self.settings.facet).out_features)

    def _set_embeddings(self, vision: nn.Module, positions: Tensor | None) -> None:
        """Prefix tokens, and the positions of the cells."""
        embeddings = submodule(vision, "embeddings")
        width, side, count = int(self.patches.out_channels), self.cells * self.patch, self.cells**2
        names = ("class_embedding", "cls_token", "register_tokens")
        tokens = [t.detach().reshape(1, -1, width) for n in names if (t := getattr(embeddings, n, None)) is not None]
        prefix = torch.cat([torch.zeros(1, 0, width), *tokens], 1)
        rope = submodule(vision, "rope_embeddings", default=None)
        if rope is not None:
            self.rope_cos, self.rope_sin = (_buffer(found) for found in rope(torch.zeros(1, 3, side, side)))
            positions = torch.zeros(1, count, width)
        elif positions is None:
            like = torch.zeros(1, count + (prefix.shape[1] > 0), width)
            positions = embeddings.interpolate_pos_encoding(like, side, side).detach()
        prefix[:, : positions.shape[1] - count] += positions[:, :-count]
        self.prefix, self.positions = _buffer(prefix), _buffer(positions[:, -count:])


def _buffer(value: Tensor) -> nn.Buffer:
    return nn.Buffer(value.detach(), persistent=False)


def submodule(module: nn.Module, *suffixes: str, default: Any = ...) -> Any:
    """The module whose name ends in the first of the suffixes that fits; versions of ``transformers`` differ in names.

    Raises:
        InputError: when none fits and there is no default.
    """
    for suffix in suffixes:
        for name, found in module.named_modules():
            if f".{name}".endswith(f".{suffix}"):
                return found
    if default is ...:
        raise InputError(f"this network has no {' or '.join(suffixes)}: it is no vision transformer that is known here")
    return default


def attention_projection(block: nn.Module, facet: str) -> Any:
    """The query, key or value projection of a block."""
    return submodule(block, f"attention.{facet[0]}_proj", f"attention.attention.{facet}", f"self_attn.{facet[0]}_proj")


def norm_before(block: nn.Module) -> Any:
    """The normalisation before a block's attention."""
    return submodule(block, "layernorm_before", "norm1", "layer_norm1")


def make(model: str, card: Card, settings: ViTSettings, path: Path | None) -> ViTTeacher:
    """A teacher from a model of the hub, by the name of its class in ``transformers``."""
    return ViTTeacher(card, settings, pretrained(model, card, settings, path))


def _card(name: str, repository: str, model: str, dim: int, size: int, patch: int, licence: str, **more: Any) -> Card:
    settings, source = ViTSettings((11,), size, "normed", patch), f"hub facebook/{repository}"
    return Card(name, partial(make, model), settings, source, licence, patch, dim, extra="hub", **more)


_SMALL = {"model.safetensors": "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1"}
_REGISTERS = "Dinov2WithRegistersModel"
CARDS = (
    _card("dinov2-small", "dinov2-small", "Dinov2Model", 384, 448, 14, "Apache-2.0", sha256=_SMALL),
    _card("dinov2-base", "dinov2-base", "Dinov2Model", 768, 448, 14, "Apache-2.0"),
    _card("dinov2-small-registers", "dinov2-with-registers-small", _REGISTERS, 384, 448, 14, "Apache-2.0"),
    _card("dinov2-base-registers", "dinov2-with-registers-base", _REGISTERS, 768, 448, 14, "Apache-2.0"),
    _card("dinov3-vits16", "dinov3-vits16-pretrain-lvd1689m", "DINOv3ViTModel", 384, 512, 16, "DINOv3 License"),
)
