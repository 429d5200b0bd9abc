"""Latent and Stable Diffusion (Rombach et al., CVPR 2022): what a denoising U-Net sees in a slightly noisy picture.

The paper's second teacher is the text-to-image Latent Diffusion model with the name of the category as its prompt, for
pictures of 512 pixels; a feature has 960 numbers. Its extractor was never published. The 960 fit the joined outputs of
the last two of four upward blocks, 640 and 320 channels of 64 x 64 cells, which are the default here; the timestep is
our own choice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.teachers.base import Teacher

LATENT_DIFFUSION = "CompVis/ldm-text2im-large-256"
STABLE_DIFFUSION_1 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
STABLE_DIFFUSION_2 = "stabilityai/stable-diffusion-2-1-base"
BLOCKS = (2, 3)
"""Upward blocks whose outputs are joined, counted from the coarsest."""
TIMESTEP = 100
"""Of 1000: about a tenth of the way from the picture to noise."""
SIZE = 512

_NETWORKS = (("unet",), ("vae", "vqvae"), ("text_encoder", "bert"))  # Stable and Latent Diffusion's names
_PARTS = (*_NETWORKS, ("tokenizer",), ("scheduler",))
_PLAIN: dict[str, dict[str, Any]] = {  # diffusers would ask for accelerate otherwise
    "unet": {"low_cpu_mem_usage": False},
    "vae": {"low_cpu_mem_usage": False},
    "text_encoder": {},
}


class Diffusion(Teacher):
    """Outputs of a U-Net's upward blocks in one denoising step: by default 960 x 64 x 64 from 512 x 512 pixels.

    Every picture gets the same noise, drawn from ``seed``, so that the feature depends on the picture alone. The prompt
    is encoded once; the text encoder is not kept. On a GPU all runs in half precision.

    Args:
        unet: a ``UNet2DConditionModel`` of diffusers.
        vae: the encoder to latents, an ``AutoencoderKL`` or ``VQModel``.
        text_encoder, tokenizer: of the prompt.
        alphas: what is left of a picture's variance at each timestep (a scheduler's ``alphas_cumprod``).
        prompt: what the pictures show; the paper gives the category's name.
        timestep: how noisy the picture is made, from 0 to ``len(alphas) - 1``.
        blocks: numbers of the upward blocks; coarser outputs are upsampled bilinearly to the finest grid.
    Raises:
        InputError: for a setting that does not fit the network, or a network that needs more than a prompt (SDXL).
    """

    noise: Tensor
    text: Tensor

    def __init__(
        self,
        unet: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        alphas: Float[Tensor, " t"],
        prompt: str = "",
        timestep: int = TIMESTEP,
        blocks: Sequence[int] = BLOCKS,
        size: int = SIZE,
        seed: int = 0,
        name: str = "diffusion",
    ) -> None:
        super().__init__()
        channels = tuple(reversed(unet.config.block_out_channels))
        cell = 2 ** (len(vae.config.block_out_channels) - 1)  # pixels of a latent cell
        multiple = cell * 2 ** (len(channels) - 1)
        if unet.config.addition_embed_type or unet.config.class_embed_type:
            raise InputError("this U-Net needs more than a prompt: give Latent Diffusion, or Stable Diffusion 1 or 2")
        if not blocks or not all(0 <= number < len(channels) for number in blocks):
            raise InputError(f"blocks are {tuple(blocks)}: this U-Net has upward blocks 0 to {len(channels) - 1}")
        if not 0 <= timestep < len(alphas):
            raise InputError(f"the timestep is {timestep}: it must be from 0 to {len(alphas) - 1}")
        if size <= 0 or size % multiple:
            raise InputError(f"the size is {size}: this network needs a multiple of {multiple}")
        self.name, self.size, self.prompt, self.timestep = name, size, prompt, timestep
        self.blocks = tuple(sorted(set(blocks)))
        self.dim = sum(channels[number] for number in self.blocks)
        self.unet, self.vae = unet, vae
        self.kept, self.added = float(alphas[timestep]) ** 0.5, (1 - float(alphas[timestep])) ** 0.5
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, unet.config.in_channels, size // cell, size // cell, generator=generator)
        self.register_buffer("noise", noise)
        length = text_encoder.config.max_position_embeddings
        words = tokenizer(prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
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
        finest = maps[-1].shape[-2:]
        same = [m.float() if m.shape[-2:] == finest else _upsampled(m.float(), finest) for m in maps]
        return torch.cat(same, 1)

    def _upward(self, latents: Float[Tensor, "b l h w"]) -> list[Tensor]:
        """The U-Net's own way (``UNet2DConditionModel.forward``), as far as the last block asked for."""
        unet = self.unet
        moment = torch.full((len(latents),), self.timestep, device=latents.device)
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
        for number, block in enumerate(unet.up_blocks[: self.blocks[-1] + 1]):
            count = len(block.resnets)
            joined, skips = tuple(skips[-count:]), skips[:-count]
            x = block(hidden_states=x, res_hidden_states_tuple=joined, **about, **(text if _reads_text(block) else {}))
            if number in self.blocks:
                found.append(x)
        return found


def latent_diffusion(name_or_path: str | os.PathLike[str] = LATENT_DIFFUSION, **settings: Any) -> Diffusion:
    """The paper's Latent Diffusion; see ``from_pretrained``."""
    return from_pretrained(name_or_path, name="latent-diffusion", **settings)


def stable_diffusion_1(name_or_path: str | os.PathLike[str] = STABLE_DIFFUSION_1, **settings: Any) -> Diffusion:
    """Stable Diffusion 1.5; see ``from_pretrained``."""
    return from_pretrained(name_or_path, name="stable-diffusion-1.5", **settings)


def stable_diffusion_2(name_or_path: str | os.PathLike[str] = STABLE_DIFFUSION_2, **settings: Any) -> Diffusion:
    """Stable Diffusion 2.1 for pictures of 512 pixels; see ``from_pretrained``."""
    return from_pretrained(name_or_path, name="stable-diffusion-2.1", **settings)


def from_pretrained(name_or_path: str | os.PathLike[str], **settings: Any) -> Diffusion:
    """A teacher from a pipeline in the format of diffusers.

    Args:
        name_or_path: a model of the Hugging Face hub, or a folder with its files: ``model_index.json``, ``unet/``,
            ``vae/`` or ``vqvae/``, ``text_encoder/`` or ``bert/``, ``tokenizer/``, ``scheduler/``.
        settings: of ``Diffusion``.
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
    folder = Path(name_or_path)
    if not folder.is_dir():
        folder = _fetched(str(name_or_path))
    parts = _parts(folder)
    odd = sorted(kind for name, kind in parts.items() if name != "scheduler" and kind not in classes)
    if odd:
        raise InputError(f"{folder} has a {odd[0]}: give Latent Diffusion, or Stable Diffusion 1 or 2")

    def load(names: tuple[str, ...], **options: Any) -> Any:
        name = next(n for n in names if n in parts)
        return classes[parts[name]].from_pretrained(folder / name, local_files_only=True, **options)

    try:
        networks = []
        for names in _NETWORKS:
            network, report = load(names, output_loading_info=True, **_PLAIN[names[0]])
            if report["missing_keys"]:  # else they would stay random
                raise ValueError(f"{names[0]} has no {sorted(report['missing_keys'])[0]}")
            networks.append(network)
        tokenizer = load(("tokenizer",))
        alphas = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True).alphas_cumprod
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{folder} does not hold a whole pipeline ({_first_line(error)}): copy it again") from error
    unet, vae, text_encoder = networks
    return Diffusion(unet, vae, text_encoder, tokenizer, alphas, **settings)


def _parts(folder: Path) -> dict[str, str]:
    """The names of a pipeline's parts with those of their classes."""
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text())
        parts = {str(k): str(v[1]) for k, v in index.items() if isinstance(v, list) and len(v) == 2}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({_first_line(error)}): copy the pipeline again") from error
    for names in _PARTS:
        if not any(name in parts for name in names):
            raise InputError(f"{path} names no {' or '.join(names)}: give a text-to-image pipeline of diffusers")
    return parts


def _fetched(name: str) -> Path:
    """The folder of a model of the hub, fetched if it is not there: what is needed of it, once."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "diffusion") from error
    try:
        small = [f"{part}/*.{kind}" for names in _PARTS for part in names for kind in ("json", "txt")]
        folder = Path(snapshot_download(name, allow_patterns=["model_index.json", *small]))
        parts = _parts(folder)
        networks = [part for names in _NETWORKS for part in names if part in parts]
        for kind in ("safetensors", "bin"):  # old repositories hold the latter only
            files = [f"{part}/{_weights_file(part, kind)}" for part in networks]
            folder = Path(snapshot_download(name, allow_patterns=files))
            networks = [part for part in networks if not (folder / part / _weights_file(part, kind)).exists()]
            if not networks:
                break
        return folder
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        kept = f"models--{name.replace('/', '--')}"
        raise InputError(
            f"{name} could not be fetched from huggingface.co ({_first_line(error)}): where it can be reached run "
            f"`hf download {name}` and copy {kept} from its cache to {HF_HUB_CACHE} here; or give the path of a copy"
        ) from error


def _weights_file(part: str, kind: str) -> str:
    if part in ("text_encoder", "bert"):  # transformers' names, the others are diffusers'
        return f"model.{kind}" if kind == "safetensors" else f"pytorch_model.{kind}"
    return f"diffusion_pytorch_model.{kind}"


def _reads_text(block: nn.Module) -> bool:
    return bool(getattr(block, "has_cross_attention", False))


def _upsampled(maps: Float[Tensor, "b c h w"], size: torch.Size) -> Float[Tensor, "b c h2 w2"]:
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
