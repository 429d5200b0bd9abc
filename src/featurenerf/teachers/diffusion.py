"""Latent and Stable Diffusion (Rombach et al., CVPR 2022): what a denoising U-Net sees in a slightly noisy picture.

The paper's second teacher is the text-to-image Latent Diffusion model with the name of the category as its prompt, for
pictures of 512 pixels; a feature has 960 numbers. Its extractor was never published. The 960 fit the joined outputs of
the last two of four upward blocks, 640 and 320 channels of 64 x 64 cells, which are the default here; the timestep is
our own choice.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from featurenerf.errors import InputError, MissingExtraError, first_line
from featurenerf.teachers.base import Card, Settings, Teacher, joined
from featurenerf.teachers.weights import check_file, hub, hub_name

_NETWORKS = (("unet",), ("vae", "vqvae"), ("text_encoder", "bert"))  # Stable and Latent Diffusion's names
_PARTS = (*_NETWORKS, ("tokenizer",), ("scheduler",))
_KINDS = ("safetensors", "bin")  # old repositories hold the latter only
_WITHOUT_ACCELERATE: dict[str, Any] = {"low_cpu_mem_usage": False}  # which diffusers would ask for otherwise


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

    noise: Tensor
    text: Tensor

    def __init__(
        self,
        card: Card,
        settings: DiffusionSettings,
        unet: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        alphas: Float[Tensor, " t"],
    ) -> None:
        """
        Args:
            unet: a ``UNet2DConditionModel`` of diffusers.
            vae: the encoder to latents, an ``AutoencoderKL`` or ``VQModel``.
            text_encoder, tokenizer: of the prompt.
            alphas: what is left of a picture's variance at each timestep (a scheduler's ``alphas_cumprod``).
        Raises:
            InputError: for a setting that does not fit the network, or a network that needs more than a prompt (SDXL).
        """
        super().__init__()
        channels = tuple(reversed(unet.config.block_out_channels))
        cell = 2 ** (len(vae.config.block_out_channels) - 1)  # pixels of a latent cell
        multiple = cell * 2 ** (len(channels) - 1)
        if unet.config.addition_embed_type or unet.config.class_embed_type:
            raise InputError(f"{card.name} needs more than a prompt: give Latent Diffusion, or Stable Diffusion 1 or 2")
        if max(settings.layers) >= len(channels):
            raise InputError(
                f"there is no layer {max(settings.layers)} in {card.name}: it has 0 to {len(channels) - 1}"
            )
        if not 0 <= settings.timestep < len(alphas):
            raise InputError(f"the timestep is {settings.timestep}: {card.name} has 0 to {len(alphas) - 1}")
        if settings.size % multiple:
            raise InputError(f"the size is {settings.size}: {card.name} needs a multiple of {multiple}")
        self.name, self.settings, self.size = card.name, settings, settings.size
        self.dim = sum(channels[number] for number in settings.layers)
        self.unet, self.vae = unet, vae
        left = float(alphas[settings.timestep])
        self.kept, self.added = left**0.5, (1 - left) ** 0.5
        side = settings.size // cell
        generator = torch.Generator().manual_seed(settings.seed)
        self.register_buffer("noise", torch.randn(1, unet.config.in_channels, side, side, generator=generator))
        length = text_encoder.config.max_position_embeddings
        words = tokenizer(
            settings.prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            self.register_buffer("text", text_encoder.eval()(words.input_ids)[0].detach())  # 1 words c
        self.eval().requires_grad_(False)

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
        moment = torch.full((len(latents),), self.settings.timestep, device=latents.device)
        about = {"temb": unet.time_embedding(unet.time_proj(moment).to(latents.dtype))}
        text = {"encoder_hidden_states": self.text.expand(len(latents), -1, -1)}
        x = unet.conv_in(latents)
        skips = [x]
        for block in unet.down_blocks:
            x, outputs = block(hidden_states=x, **about, **(text if _reads_text(block) else {}))
            skips.extend(outputs)
        if unet.mid_block is not None:
            x = unet.mid_block(hidden_states=x, **about, **(text if _reads_text(unet.mid_block) else {}))
        found = []
        for block in unet.up_blocks[: max(self.settings.layers) + 1]:
            count = len(block.resnets)
            skipped, skips = tuple(skips[-count:]), skips[:-count]
            x = block(hidden_states=x, res_hidden_states_tuple=skipped, **about, **(text if _reads_text(block) else {}))
            found.append(x)
        return found


def make(card: Card, settings: DiffusionSettings, path: Path | None) -> Diffusion:
    """A teacher from the hub, or from a folder in the format of diffusers: ``model_index.json``, ``unet/``, ``vae/`` or
    ``vqvae/``, ``text_encoder/`` or ``bert/``, ``tokenizer/``, ``scheduler/``.

    Raises:
        InputError: when the files cannot be had, are damaged or of another kind, or a setting does not fit.
        MissingExtraError: without ``diffusers`` or ``transformers``.
    """
    try:
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel, VQModel
        from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertModel
        from transformers import BertTokenizer, CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise MissingExtraError("diffusers", "diffusion") from error
    if path is not None and not path.is_dir():
        raise InputError(f"{path} is a file: give the folder of a whole pipeline of diffusers, as {hub_name(card)} is")
    classes = {
        c.__name__: c
        for c in (
            AutoencoderKL,
            BertTokenizer,
            CLIPTextModel,
            CLIPTokenizer,
            LDMBertModel,
            UNet2DConditionModel,
            VQModel,
        )
    }
    folder = _fetched(card) if path is None else path
    parts = _parts(folder)
    odd = sorted(
        kind for name, kind in parts.items() if any(name in names for names in _PARTS[:4]) and kind not in classes
    )
    if odd:
        raise InputError(f"{folder} has a {odd[0]}: give Latent Diffusion, or Stable Diffusion 1 or 2")

    def load(names: tuple[str, ...], **options: Any) -> Any:
        name = next(n for n in names if n in parts)
        return classes[parts[name]].from_pretrained(folder / name, local_files_only=True, **options)

    try:
        networks = []
        for names in _NETWORKS:
            for file in _weights(folder, names) if settings.verify else []:
                check_file(card, file)
            options = {} if "bert" in names else _WITHOUT_ACCELERATE
            network, report = load(names, output_loading_info=True, **options)
            if report["missing_keys"]:  # else they would stay random
                raise ValueError(f"{names[0]} has no {sorted(report['missing_keys'])[0]}")
            networks.append(network)
        tokenizer = load(("tokenizer",))
        alphas = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True).alphas_cumprod
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{folder} does not hold a whole pipeline ({first_line(error)}): copy {hub_name(card)} again"
        ) from error
    unet, vae, text_encoder = networks
    return Diffusion(card, settings, unet, vae, text_encoder, tokenizer, alphas)


def _parts(folder: Path) -> dict[str, str]:
    """The names of a pipeline's parts with those of their classes."""
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text())
        parts = {str(k): str(v[1]) for k, v in index.items() if isinstance(v, list) and len(v) == 2}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}): copy the pipeline again") from error
    for names in _PARTS:
        if not any(name in parts for name in names):
            raise InputError(f"{path} names no {' or '.join(names)}: give a text-to-image pipeline of diffusers")
    return parts


def _weights(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [path for name in names for kind in _KINDS if (path := folder / name / _weights_file(name, kind)).is_file()][
        :1
    ]


def _fetched(card: Card) -> Path:
    """The folder of a model of the hub, fetched if it is not there: what is needed of it, once."""
    small = [f"{part}/*.{kind}" for names in _PARTS for part in names for kind in ("json", "txt")]
    with hub(card, "diffusers") as fetch:
        folder = fetch(["model_index.json", *small])
        parts = _parts(folder)
        for kind in _KINDS:
            files = [
                f"{part}/{_weights_file(part, kind)}"
                for names in _NETWORKS
                for part in names
                if part in parts and not _weights(folder, names)
            ]
            if files:
                folder = fetch(files)
    return folder


def _weights_file(part: str, kind: str) -> str:
    if part in ("text_encoder", "bert"):  # transformers' names, the others are diffusers'
        return f"model.{kind}" if kind == "safetensors" else f"pytorch_model.{kind}"
    return f"diffusion_pytorch_model.{kind}"


def _reads_text(block: nn.Module) -> bool:
    return bool(getattr(block, "has_cross_attention", False))


def _here(card: Card) -> bool:
    """Whether the model was fetched before."""
    if find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    kinds = (f"unet/{_weights_file('unet', kind)}" for kind in _KINDS)
    return any(isinstance(try_to_load_from_cache(hub_name(card), name), str) for name in kinds)


def _card(name: str, hub: str, licence: str) -> Card:
    return Card(
        name,
        make,
        DiffusionSettings((2, 3), 512, "", 100, 0),
        f"hub {hub}",
        licence,
        patch=8,
        dim=960,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        extra="diffusion",
        here=_here,
    )


CARDS = (
    _card("latent-diffusion", "CompVis/ldm-text2im-large-256", "Apache-2.0"),
    _card("stable-diffusion-1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5", "CreativeML Open RAIL-M"),
    _card("stable-diffusion-2.1", "stabilityai/stable-diffusion-2-1-base", "CreativeML Open RAIL++-M"),
)
