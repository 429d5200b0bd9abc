"""CLIP and SigLIP: vision transformers whose patches can be compared with words (facet ``words``).

Both were trained to give a whole picture and its caption the same vector. Patches get vectors of that space by letting
each attend to itself alone where the network would mix them: in CLIP's last block (MaskCLIP: Zhou, Loy, Dai, ECCV
2022), in SigLIP's attention pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, first_line
from featurenerf.teachers.base import Card
from featurenerf.teachers.hub import pretrained, transformers_class
from featurenerf.teachers.vit import ViTSettings, ViTTeacher, attention_projection, norm_before, submodule


class VisionLanguageTeacher(ViTTeacher):
    """A vision transformer with a text side."""

    text_inputs: tuple[str, ...] = ("input_ids",)

    def __init__(self, card: Card, settings: ViTSettings, model: Any, tokenizer: Any) -> None:
        """``model`` is a ``CLIPModel`` or ``SiglipModel``; its text side is kept with facet ``words`` only."""
        vision = model.vision_model
        last = model.config.vision_config.num_hidden_layers - 1
        if settings.facet == "words" and settings.layers != (last,):
            raise InputError(f"words can be compared with the last layer of {card.name}: set layers={last}")
        into_words = getattr(model, "visual_projection", submodule(vision, "post_layernorm"))
        self._dim_of_words = int(into_words.weight.shape[0])
        super().__init__(card, settings, vision)
        if settings.facet == "words":
            self.model, self.tokenizer = model, tokenizer
            self.head: Any = getattr(vision, "head", None)
            self.model.vision_model = None  # what is needed of it is kept
            self.length = model.config.text_config.max_position_embeddings

    @torch.no_grad()
    def embed_text(self, words: Sequence[str]) -> Float[Tensor, "n c"]:
        if self.settings.facet != "words":
            raise InputError(f"{self.about or self.name} has no words: load it with facet=words")
        tokens = self.tokenizer(
            list(words), padding="max_length", max_length=self.length, truncation=True, return_tensors="pt"
        )
        found = self.model.get_text_features(**{name: tokens[name].to(self.mean.device) for name in self.text_inputs})
        return getattr(found, "pooler_output", found)  # transformers 5, transformers 4

    def _width(self) -> int:
        return self._dim_of_words if self.settings.facet == "words" else super()._width()


class Clip(VisionLanguageTeacher):
    """CLIP (Radford et al., 2021)."""

    text_inputs = ("input_ids", "attention_mask")

    def _facet(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        if self.settings.facet != "words":
            return super()._facet(block, x)
        value = attention_projection(block, "value")(norm_before(block)(x))  # b n c
        x = x + submodule(block, "self_attn.out_proj", "self_attn.o_proj")(value)
        x = x + submodule(block, "mlp")(submodule(block, "layer_norm2")(x))
        return self.model.visual_projection(self.norm(x))  # b n d


class Siglip(VisionLanguageTeacher):
    """SigLIP (Zhai et al., ICCV 2023). Its text side was trained without a mask: it attends to the padding."""

    def _facet(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        if self.settings.facet != "words":
            return super()._facet(block, x)
        attention = self.head.attention
        weight, bias = attention.in_proj_weight.chunk(3)[2], attention.in_proj_bias.chunk(3)[2]
        pooled = attention.out_proj(F.linear(self.norm(self._run(block, x)), weight, bias))  # b n c
        return pooled + self.head.mlp(self.head.layernorm(pooled))


def make(
    teacher: type[VisionLanguageTeacher], model: str, card: Card, settings: ViTSettings, path: Path | None
) -> VisionLanguageTeacher:
    """A teacher from the hub, or from a folder that holds a copy: weights, and the tokenizer's files."""
    network, tokenizer = pretrained(model, card, settings, path), None
    if settings.facet == "words":
        folder, again = Path(network.name_or_path), f"copy {card.repository} again"
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json", "spiece.model")):
            raise InputError(f"{folder} holds no tokenizer: {again}, whole")
        try:
            tokenizer = transformers_class("AutoTokenizer").from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"the tokenizer in {folder} is damaged ({first_line(error)}): {again}") from error
    return teacher(card, settings, network, tokenizer)


_CLIP, _SIGLIP = partial(make, Clip, "CLIPModel"), partial(make, Siglip, "SiglipModel")
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_SIGLIP_FILES = {"model.safetensors": "2c63cb7d1f2e95ba501893cbb8faeb4ea9a3af295498d35097126228659c2af8"}
_HALF, _SETTINGS = (0.5, 0.5, 0.5), ViTSettings((11,), 448, "words", 16)
_OPENAI, _GOOGLE = "hub openai/clip-vit-base-patch16", "hub google/siglip-base-patch16-224"
CARDS = (
    Card("clip-b16", _CLIP, _SETTINGS, _OPENAI, "MIT", 16, 512, _CLIP_MEAN, _CLIP_STD, extra="hub"),
    Card("siglip-b16", _SIGLIP, _SETTINGS, _GOOGLE, "Apache-2.0", 16, 768, _HALF, _HALF, _SIGLIP_FILES, "hub"),
)
