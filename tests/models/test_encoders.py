"""A ResNet-34 of transformers and ours with its weights compute the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from featurenerf.errors import InputError
from featurenerf.models.encoders import resnet34_weights
from featurenerf.models.paper import PaperConfig, PaperModel


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
    model.encoder.load_state_dict(resnet34_weights(name_or_path=tmp_path))
    picture = torch.rand(1, 3, 64, 64)
    hidden = theirs(2 * picture - 1, output_hidden_states=True).hidden_states  # pooled stem, then the stages
    for stage, ours in zip((1, 2, 3), model.encoder(picture, (1, 2, 3)), strict=True):
        assert ours.max() > 0
        assert (ours - hidden[stage]).abs().max() < 1e-4 * ours.abs().max()


def test_a_file_with_the_usual_names(model: PaperModel, tmp_path: Path) -> None:
    weights = {name: torch.rand_like(value.float()) for name, value in model.encoder.state_dict().items()}
    save_file({**weights, "fc.weight": torch.zeros(1)}, tmp_path / "resnet.safetensors")
    model.encoder.load_state_dict(resnet34_weights(name_or_path=tmp_path / "resnet.safetensors"))
    assert torch.equal(model.encoder.conv1.weight, weights["conv1.weight"])
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a ResNet-34"):
        resnet34_weights(name_or_path=tmp_path / "other.safetensors")
