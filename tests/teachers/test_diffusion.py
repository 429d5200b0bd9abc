"""The diffusion teachers, on tiny random pipelines that are written to disk and read back, against the whole U-Net."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.teachers import Teacher, load_teacher, with_prompt

pytest.importorskip("diffusers", reason="the extra diffusion is not installed")

WORDS = 16
KINDS = {"stable": "stable-diffusion-1.5", "latent": "latent-diffusion"}


def write_pipeline(folder: Path, kind: str, latents: str = "AutoencoderKL") -> Path:
    """A pipeline with the layout of Stable or Latent Diffusion: 24 + 16 and 8 channels at 1/8 of the picture."""
    import diffusers
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
    from transformers import CLIPTextConfig, CLIPTextModel

    stable = kind == "stable"
    names = {"text": "text_encoder", "vae": "vae"} if stable else {"text": "bert", "vae": "vqvae"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = diffusers.UNet2DConditionModel(
            sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 16, 24, 24),
            norm_num_groups=4, cross_attention_dim=12, attention_head_dim=4,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        )  # fmt: skip
        vae = getattr(diffusers, latents)(
            block_out_channels=(4, 4, 8, 8), norm_num_groups=2, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        )  # fmt: skip
        if stable:
            text = CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=64,
                    hidden_size=12,
                    intermediate_size=16,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    max_position_embeddings=WORDS,
                    bos_token_id=0,
                    eos_token_id=1,
                )
            )
        else:
            text = LDMBertModel(
                LDMBertConfig(
                    vocab_size=64,
                    d_model=12,
                    encoder_layers=2,
                    encoder_ffn_dim=16,
                    encoder_attention_heads=2,
                    head_dim=4,
                    max_position_embeddings=WORDS,
                )
            )
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / names["vae"])
    text.save_pretrained(folder / names["text"])
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    (diffusers.PNDMScheduler if stable else diffusers.DDIMScheduler)(**schedule).save_pretrained(folder / "scheduler")
    letters = [chr(ord("a") + k) for k in range(26)]
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    if stable:
        words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
        (tokenizer / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
        (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    else:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "chair", "car"]
        (tokenizer / "vocab.txt").write_text("\n".join(words))
    (tokenizer / "tokenizer_config.json").write_text("{}")
    index = {
        "_class_name": "StableDiffusionPipeline" if stable else "LDMTextToImagePipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        names["vae"]: ["diffusers", latents],
        names["text"]: ["transformers", "CLIPTextModel"] if stable else ["latent_diffusion", "LDMBertModel"],
        "tokenizer": ["transformers", "CLIPTokenizer" if stable else "BertTokenizer"],
        "scheduler": ["diffusers", "PNDMScheduler" if stable else "DDIMScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write_pipeline(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


def by_hooks(folder: Path, pictures: Tensor, prompt: str, timestep: int, seed: int = 0) -> dict[int, Tensor]:
    """The outputs of all upward blocks while the whole U-Net denoises the pictures, by the pipeline's own parts."""
    from diffusers import DDPMScheduler, DiffusionPipeline

    pipeline: Any = DiffusionPipeline.from_pretrained(
        folder, low_cpu_mem_usage=False, **({"safety_checker": None} if (folder / "vae").is_dir() else {})
    )
    vae, encoder = (
        (pipeline.vae, pipeline.text_encoder) if (folder / "vae").is_dir() else (pipeline.vqvae, pipeline.bert)
    )
    found: dict[int, Tensor] = {}
    for number, block in enumerate(pipeline.unet.up_blocks):
        block.register_forward_hook(lambda _m, _i, out, number=number: found.__setitem__(number, out))
    words = pipeline.tokenizer(prompt, padding="max_length", max_length=WORDS, truncation=True, return_tensors="pt")
    with torch.no_grad():
        clean = vae.encode(pictures * 2 - 1).latent_dist.mean * vae.config.scaling_factor
        noise = torch.randn(1, *clean.shape[1:], generator=torch.Generator().manual_seed(seed)).expand_as(clean)
        when = torch.full((len(pictures),), timestep)
        noisy = DDPMScheduler.from_config(pipeline.scheduler.config).add_noise(clean, noise, when)
        states = encoder(words.input_ids.expand(len(pictures), -1))[0]
        pipeline.unet(noisy, timestep, encoder_hidden_states=states)
    return found


def load(folder: Path, kind: str = "stable", settings: str = "size=64") -> Teacher:
    return load_teacher(f"{KINDS[kind]}@{settings}:{folder}")


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_the_blocks_outputs(pipelines: dict[str, Path], kind: str) -> None:
    """The default's two blocks, of a folder read back, as the whole pipeline has them inside."""
    torch.manual_seed(1)
    pictures = torch.rand(2, 3, 128, 128)
    teacher = load(pipelines[kind], kind, "size=128,prompt=chair,timestep=300")
    maps = teacher(pictures)
    expected = by_hooks(pipelines[kind], pictures, "chair", 300)
    assert teacher.dim == 24
    assert maps.shape == (2, 24, 16, 16)
    torch.testing.assert_close(maps, torch.cat([expected[2], expected[3]], 1), rtol=1e-4, atol=1e-5)
    one = load(pipelines[kind], kind, "size=128,prompt=chair,timestep=300,layers=1")
    assert one.dim == 24
    torch.testing.assert_close(one(pictures), expected[1], rtol=1e-4, atol=1e-5)


def test_coarser_blocks_are_upsampled(pipelines: dict[str, Path]) -> None:
    pictures = torch.rand(1, 3, 128, 128)
    coarse, fine, both = (
        load(pipelines["stable"], settings=f"size=128,layers={layers}")(pictures) for layers in ("0", "3", "0+3")
    )
    assert coarse.shape == (1, 24, 4, 4)
    assert both.shape == (1, 32, 16, 16)
    assert torch.equal(both[:, 24:], fine)
    wide = torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear", align_corners=False)
    assert torch.equal(both[:, :24], wide)


def test_a_feature_depends_on_picture_and_settings_alone(pipelines: dict[str, Path]) -> None:
    """Not on what else is in the batch, on the process's random state, or on an earlier call."""
    pictures = torch.rand(3, 3, 64, 64)
    teacher = load(pipelines["latent"], "latent", "size=64,prompt=chair")
    together = teacher(pictures)
    assert torch.equal(together, teacher(pictures))
    again = load(pipelines["latent"], "latent", "size=64,prompt=chair")
    torch.testing.assert_close(torch.cat([again(p[None]) for p in pictures]), together, rtol=1e-4, atol=1e-5)
    for change in ("prompt=car", "prompt=chair,timestep=500", "prompt=chair,seed=1"):
        other = load(pipelines["latent"], "latent", f"size=64,{change}")
        assert not torch.allclose(other(pictures), together, atol=1e-3)


def test_the_prompt_is_the_category_unless_another_is_given() -> None:
    assert "prompt=chair" in with_prompt("latent-diffusion", ["chair"])
    assert "prompt=chair and car" in with_prompt("stable-diffusion-1.5@size=256", ["chair", "car"])
    assert "prompt=sofa" in with_prompt("latent-diffusion@prompt=sofa", ["chair"])
    assert "prompt" not in with_prompt("efficientnet-lite0", ["chair"])


def test_background_is_zero_and_nothing_is_trained(pipelines: dict[str, Path]) -> None:
    pictures = torch.rand(1, 4, 96, 96)
    pictures[:, 3] = 0
    pictures[:, 3, :, :48] = 1
    teacher = load(pipelines["stable"])
    maps = teacher(pictures)
    assert maps[..., :4].abs().sum(1).all()
    assert (maps[..., 4:] == 0).all()
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not any(m._forward_hooks for m in teacher.modules())


def test_a_quantised_autoencoder(tmp_path: Path) -> None:
    teacher = load(write_pipeline(tmp_path, "latent", "VQModel"), "latent")
    assert teacher(torch.rand(1, 3, 64, 64)).shape == (1, 24, 8, 8)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ("size=100", "the size is 100: stable-diffusion-1.5 needs a multiple of 64"),
        ("size=64,timestep=1000", "the timestep is 1000: stable-diffusion-1.5 has 0 to 999"),
        ("size=64,layers=4", "there is no layer 4 in stable-diffusion-1.5: it has 0 to 3"),
    ],
)
def test_settings_that_do_not_fit(pipelines: dict[str, Path], settings: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        load(pipelines["stable"], settings=settings)


def test_folders_that_are_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model_index\.json cannot be read"):
        load(tmp_path)
    (tmp_path / "model_index.json").write_text('{"unet": ["diffusers", "UNet2DConditionModel"]}')
    with pytest.raises(InputError, match="names no vae or vqvae"):
        load(tmp_path)
    with pytest.raises(InputError, match="is a file: give the folder"):
        load(tmp_path / "model_index.json")


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    """Truncated, or without a tensor: nothing stays random."""
    from safetensors.torch import load_file, save_file

    folder = write_pipeline(tmp_path, "stable")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="does not hold a whole pipeline"):
        load(folder)
    path.write_bytes(whole)
    path = folder / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    gone = next(name for name in weights if name.endswith("q_proj.weight"))
    save_file({k: v for k, v in weights.items() if k != gone}, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"whole pipeline \(.*q_proj\.weight is missing"):
        load(folder)


def test_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        InputError, match=r"hf download CompVis/ldm-text2im-large-256.*name the teacher latent-diffusion:DIR"
    ):
        load_teacher("latent-diffusion")


def test_without_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match=r"featurenerf\[diffusion\]"):
        load_teacher("latent-diffusion")
