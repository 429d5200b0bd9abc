"""A ResNet-34 of transformers and ours with its weights compute the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from featurenerf.errors import InputError
from featurenerf.fields.imagenet import start_from_imagenet
from featurenerf.fields.paper import PaperConfig, PaperModel


@pytest.fixture(scope="module")
def model() -> PaperModel:
    torch.manual_seed(0)
    return PaperModel(PaperConfig(width=8, feature_dim=4, convention="authors", size=None)).eval()


@torch.no_grad()
def test_the_same_network(model: PaperModel, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        depths=[3, 4, 6, 1], hidden_sizes=[64, 128, 256, 16], layer_type="basic", embedding_size=64
    )
    theirs = transformers.ResNetModel(config).eval()
    for name, value in theirs.state_dict().items():
        if "running_mean" in name or name.endswith("bias"):
            value.normal_(0, 0.1)
        elif "running_var" in name:
            value.uniform_(0.5, 1.5)
    theirs.save_pretrained(tmp_path)
    start_from_imagenet(model, tmp_path)
    picture = torch.rand(1, 3, 64, 64)
    hidden = theirs(2 * picture - 1, output_hidden_states=True).hidden_states  # pooled stem, then the stages
    latent = model.encoder(picture)
    for stage, start in ((1, 64), (2, 128), (3, 256)):
        large = F.interpolate(hidden[stage], (32, 32), mode="bilinear", align_corners=True)
        ours = latent[:, start : start + large.shape[1]]
        assert large.max() > 0
        assert (ours - large).abs().max() < 1e-4 * large.abs().max()


def test_a_file_with_the_usual_names(model: PaperModel, tmp_path: Path) -> None:
    weights = {name: torch.rand_like(value.float()) for name, value in model.encoder.state_dict().items()}
    save_file({**weights, "fc.weight": torch.zeros(1)}, tmp_path / "resnet.safetensors")
    start_from_imagenet(model, tmp_path / "resnet.safetensors")
    assert torch.equal(model.encoder.conv1.weight, weights["conv1.weight"])
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a ResNet-34"):
        start_from_imagenet(model, tmp_path / "other.safetensors")
