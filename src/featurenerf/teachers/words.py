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
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, first_line
from featurenerf.teachers.base import Card
from featurenerf.teachers.vit import ViTSettings, ViTTeacher, norm_before, part, projection
from featurenerf.teachers.weights import folder_of, hub_name, on_hub_cache, pretrained, transformers


class WordsTeacher(ViTTeacher):
    """A vision transformer with a text side."""

    def __init__(self, card: Card, settings: ViTSettings, model: Any, tokenizer: Any) -> None:
        """
        Args:
            model: a ``CLIPModel`` or ``SiglipModel``; its text side is kept with facet ``words`` only.
        """
        vision = model.vision_model
        depth = model.config.vision_config.num_hidden_layers
        if settings.facet == "words" and settings.layers != (depth - 1,):
            raise InputError(f"words can be compared with the last layer of {card.name}: set layers={depth - 1}")
        self._dim_of_words = int(getattr(model, "visual_projection", part(vision, "post_layernorm")).weight.shape[0])
        super().__init__(card, settings, vision)
        if settings.facet != "words":
            return
        self.model, self.tokenizer = model, tokenizer
        self.model.vision_model = None  # of which the blocks are kept
        self.padded = model.config.text_config.max_position_embeddings

    @torch.no_grad()
    def embed_text(self, words: Sequence[str]) -> Float[Tensor, "n c"]:
        if self.settings.facet != "words":
            raise InputError(f"{self.about or self.name} has no words: load it with facet=words")
        tokens = self.tokenizer(
            list(words), padding="max_length", max_length=self.padded, truncation=True, return_tensors="pt"
        )
        found = self.model.get_text_features(input_ids=tokens["input_ids"].to(self.mean.device), **self._mask(tokens))
        return getattr(found, "pooler_output", found)  # transformers 5, transformers 4

    def _mask(self, tokens: Any) -> dict[str, Tensor]:
        return {}

    def _width(self) -> int:
        return self._dim_of_words if self.settings.facet == "words" else super()._width()


class Clip(WordsTeacher):
    """CLIP (Radford et al., 2021)."""

    def _mask(self, tokens: Any) -> dict[str, Tensor]:
        return {"attention_mask": tokens["attention_mask"].to(self.mean.device)}

    def _inside(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        if self.settings.facet != "words":
            return super()._inside(block, x)
        value = projection(block, "value")(norm_before(block)(x))  # b n c
        x = x + part(block, "self_attn.out_proj", "self_attn.o_proj")(value)
        x = x + part(block, "mlp")(part(block, "layer_norm2")(x))
        return self.model.visual_projection(self.norm(x))  # b n d


class Siglip(WordsTeacher):
    """SigLIP (Zhai et al., ICCV 2023). Its text side was trained with padding that is seen."""

    def __init__(self, card: Card, settings: ViTSettings, model: Any, tokenizer: Any) -> None:
        head = part(model.vision_model, "head")
        super().__init__(card, settings, model, tokenizer)
        if settings.facet == "words":
            self.head = head

    def _inside(self, block: nn.Module, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        if self.settings.facet != "words":
            return super()._inside(block, x)
        attention = self.head.attention
        weight, bias = attention.in_proj_weight.chunk(3)[2], attention.in_proj_bias.chunk(3)[2]
        value = nn.functional.linear(self.norm(self._run(block, x)), weight, bias)  # b n c
        pooled = attention.out_proj(value)
        return pooled + self.head.mlp(self.head.layernorm(pooled))


def make(teacher: type[WordsTeacher], model: str, card: Card, settings: ViTSettings, path: Path | None) -> WordsTeacher:
    """A teacher from the hub, or from a folder that holds a copy: weights, and the tokenizer's files."""
    kind, tokenizers = transformers(model), transformers("AutoTokenizer")
    folder = folder_of(card, path, settings.verify)
    whole = pretrained(kind, card, folder)
    tokenizer = None
    if settings.facet == "words":
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json", "spiece.model")):
            raise InputError(f"{folder} holds no tokenizer: copy {hub_name(card)} again, whole")
        try:
            tokenizer = tokenizers.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, ImportError) as error:
            raise InputError(
                f"the tokenizer in {folder} is damaged ({first_line(error)}): copy {hub_name(card)} again"
            ) from error
    return teacher(card, settings, whole, tokenizer)


CARDS = (
    Card(
        "clip-b16",
        partial(make, Clip, "CLIPModel"),
        ViTSettings((11,), 448, "words", 16),
        "hub openai/clip-vit-base-patch16",
        "MIT",
        patch=16,
        dim=512,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
        extra="hub",
        here=on_hub_cache,
    ),
    Card(
        "siglip-b16",
        partial(make, Siglip, "SiglipModel"),
        ViTSettings((11,), 448, "words", 16),
        "hub google/siglip-base-patch16-224",
        "Apache-2.0",
        patch=16,
        dim=768,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        sha256={"model.safetensors": "2c63cb7d1f2e95ba501893cbb8faeb4ea9a3af295498d35097126228659c2af8"},
        extra="hub",
        here=on_hub_cache,
    ),
)
