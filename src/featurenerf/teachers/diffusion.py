"""Latent and Stable Diffusion (Rombach et al., CVPR 2022): what a denoising U-Net sees in a slightly noisy picture.

The paper's second teacher is the text-to-image Latent Diffusion model with the name of the category as its prompt, for
pictures of 512 pixels; a feature has 960 numbers. Its extractor was never published. The 960 fit the joined outputs of
the last two of four upward blocks, 640 and 320 channels of 64 x 64 cells, which are the default here; the timestep is
our own choice.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, MissingExtraError, first_line
from featurenerf.limits import json_file, parsing
from featurenerf.teachers.base import DIFFUSERS_FILES, TRANSFORMERS_FILES, Card, Settings, Teacher, joined
from featurenerf.teachers.hub import LOADING_ERRORS, check_file, fetch, loaded

_PARTS = (("unet",), ("vae", "vqvae"), ("text_encoder", "bert"), ("tokenizer",), ("scheduler",))
"""The parts of a pipeline by their names in Stable and in Latent Diffusion; the first three are networks."""
_FILES = {"text_encoder": TRANSFORMERS_FILES, "bert": TRANSFORMERS_FILES}  # of the other networks: DIFFUSERS_FILES


@dataclass(frozen=True)
class DiffusionSettings(Settings):
    """Settings of a diffusion model; ``layers`` are its upward blocks, counted from the coarsest."""

    prompt: str
    """What the pictures show. Training and evaluation put the category's name here when it is empty."""
    timestep: int
    """How noisy the picture is made: 0 is hardly, 999 is nothing but noise."""
    seed: int
    """Of the noise, which is the same for every picture."""


class Diffusion(Teacher):
    """Outputs of a U-Net's upward blocks in one denoising step: by default 960 x 64 x 64 from 512 x 512 pixels.

    Every picture gets the same noise, so that the feature depends on the picture alone. The prompt is encoded once; the
    text encoder is not kept. On a GPU all runs in half precision.
    """

    def __init__(self, card: Card, settings: DiffusionSettings, networks: Any, tokenizer: Any, alphas: Tensor) -> None:
        """
        Args:
            networks: a ``UNet2DConditionModel`` of diffusers, the encoder to latents (an ``AutoencoderKL`` or
                ``VQModel``), and the text encoder.
            alphas: (T,), what is left of a picture's variance at each timestep (a scheduler's ``alphas_cumprod``).
        """
        super().__init__()
        unet, vae, text_encoder = networks
        channels = tuple(reversed(unet.config.block_out_channels))
        cell = 2 ** (len(vae.config.block_out_channels) - 1)  # pixels of a latent cell
        multiple, last, timestep = cell * 2 ** (len(channels) - 1), max(settings.layers), settings.timestep
        if unet.config.addition_embed_type or unet.config.class_embed_type:
            raise InputError(f"{card.name} needs more than a prompt: give Latent Diffusion, or Stable Diffusion 1 or 2")
        if last >= len(channels):
            raise InputError(f"there is no layer {last} in {card.name}: it has 0 to {len(channels) - 1}")
        if not 0 <= timestep < len(alphas):
            raise InputError(f"the timestep is {timestep}: {card.name} has 0 to {len(alphas) - 1}")
        if settings.size % multiple:
            raise InputError(f"the size is {settings.size}: {card.name} needs a multiple of {multiple}")
        self.name, self.settings, self.size = card.name, settings, settings.size
        self.dim = sum(channels[number] for number in settings.layers)
        self.unet, self.vae = unet, vae
        left = float(alphas[timestep])
        self.kept, self.added = left**0.5, (1 - left) ** 0.5
        side, generator = settings.size // cell, torch.Generator().manual_seed(settings.seed)
        self.noise = nn.Buffer(torch.randn(1, unet.config.in_channels, side, side, generator=generator))
        length = text_encoder.config.max_position_embeddings
        padded = {"padding": "max_length", "max_length": length, "truncation": True, "return_tensors": "pt"}
        with torch.no_grad():
            self.text = nn.Buffer(text_encoder(tokenizer(settings.prompt, **padded).input_ids)[0])  # 1 words c

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        on_gpu = pictures.device.type == "cuda"
        with torch.autocast("cuda", torch.float16) if on_gpu else nullcontext():
            encoded = self.vae.encode(2 * pictures - 1)
            latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
            noisy = self.kept * latents * self.vae.config.scaling_factor + self.added * self.noise
            maps = self._upward(noisy)
        return joined([maps[number].float() for number in self.settings.layers])

    def _upward(self, latents: Float[Tensor, "b l h w"]) -> list[Tensor]:
        """Outputs of the upward blocks, by the U-Net's own way (its ``forward``), as far as the last that is wanted."""
        unet = self.unet
        timesteps = torch.full((len(latents),), self.settings.timestep, device=latents.device)
        embedded = unet.time_embedding(unet.time_proj(timesteps).to(latents.dtype))
        text = self.text.expand(len(latents), -1, -1)

        def run(block: nn.Module, **inputs: Any) -> Any:
            attended = {"encoder_hidden_states": text} if getattr(block, "has_cross_attention", False) else {}
            return block(temb=embedded, **inputs, **attended)

        x = unet.conv_in(latents)
        skips = [x]
        for block in unet.down_blocks:
            x, outputs = run(block, hidden_states=x)
            skips.extend(outputs)
        if unet.mid_block is not None:
            x = run(unet.mid_block, hidden_states=x)
        found = []
        for block in unet.up_blocks[: max(self.settings.layers) + 1]:
            count = len(block.resnets)
            x = run(block, hidden_states=x, res_hidden_states_tuple=tuple(skips[-count:]))
            skips = skips[:-count]
            found.append(x)
        return found


def make(card: Card, settings: DiffusionSettings, path: Path | None) -> Diffusion:
    """A teacher from the hub, or from a folder in the format of diffusers: ``model_index.json``, ``unet/``, ``vae/`` or
    ``vqvae/``, ``text_encoder/`` or ``bert/``, ``tokenizer/``, ``scheduler/``.
    """
    try:
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel, VQModel
        from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertModel
        from transformers import BertTokenizer, CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise MissingExtraError("diffusers", "diffusion") from error
    if path is not None and not path.is_dir():
        raise InputError(f"{path} is a file: give the folder of a whole pipeline of diffusers, as {card.repository} is")
    folder = path or _fetched(card)
    *networks, tokenizer, scheduler = _parts(folder)
    known = (UNet2DConditionModel, AutoencoderKL, VQModel, CLIPTextModel, LDMBertModel, CLIPTokenizer, BertTokenizer)
    classes: dict[str, Any] = {kind.__name__: kind for kind in known}
    for _, kind in (*networks, tokenizer):
        if kind not in classes:
            raise InputError(f"{folder} has a {kind}: give Latent Diffusion, or Stable Diffusion 1 or 2")
    for name, _ in networks:
        if (file := _weights(folder, name)) is not None:
            check_file(card, settings, file)
    local: dict[str, Any] = {"local_files_only": True}
    try:
        found = [  # low_cpu_mem_usage would need accelerate
            loaded(classes[kind], folder / name, **local, **({} if name == "bert" else {"low_cpu_mem_usage": False}))
            for name, kind in networks
        ]
        words = classes[tokenizer[1]].from_pretrained(folder / tokenizer[0], **local)
        alphas = DDIMScheduler.from_pretrained(folder / scheduler[0], **local).alphas_cumprod
    except LOADING_ERRORS as error:
        raise InputError(
            f"{folder} does not hold a whole pipeline ({first_line(error)}): copy {card.repository} again"
        ) from error
    return Diffusion(card, settings, found, words, alphas)


def _parts(folder: Path) -> list[tuple[str, str]]:
    """Name and class of each of ``_PARTS`` of a pipeline."""
    path = folder / "model_index.json"
    with parsing(f"{path} cannot be read", "copy the pipeline again"):
        index = json_file(path)
        kinds = {str(k): str(v[1]) for k, v in index.items() if isinstance(v, list) and len(v) == 2}
    found = [next(((name, kinds[name]) for name in names if name in kinds), None) for names in _PARTS]
    if None in found:
        missing = " or ".join(_PARTS[found.index(None)])
        raise InputError(f"{path} names no {missing}: give a text-to-image pipeline of diffusers")
    return [part for part in found if part is not None]


def _weights(folder: Path, network: str) -> Path | None:
    """The file with the weights of a network, if it is there."""
    paths = [folder / network / file for file in _FILES.get(network, DIFFUSERS_FILES)]
    return next((path for path in paths if path.is_file()), None)


def _fetched(card: Card) -> Path:
    """The folder of a model of the hub, fetched if it is not there: what is needed of it, once."""
    small = [f"{part}/*.{kind}" for names in _PARTS for part in names for kind in ("json", "txt")]
    folder = fetch(card, ["model_index.json", *small])
    networks = [name for name, _ in _parts(folder)[:3]]
    for choice in (0, 1):  # old repositories hold the second only
        missing = [name for name in networks if _weights(folder, name) is None]
        if missing:
            folder = fetch(card, [f"{name}/{_FILES.get(name, DIFFUSERS_FILES)[choice]}" for name in missing])
    return folder


def _card(name: str, repository: str, licence: str) -> Card:
    settings, half = DiffusionSettings((2, 3), 512, "", 100, 0), (0.5,) * 3
    return Card(name, make, settings, f"hub {repository}", licence, 8, 960, half, half, extra="diffusion")


CARDS = (
    _card("latent-diffusion", "CompVis/ldm-text2im-large-256", "Apache-2.0"),
    _card("stable-diffusion-1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5", "CreativeML Open RAIL-M"),
    _card("stable-diffusion-2.1", "stabilityai/stable-diffusion-2-1-base", "CreativeML Open RAIL++-M"),
)
