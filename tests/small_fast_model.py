"""A fast model of a few thousand random weights that sees something, and pictures for it."""

from __future__ import annotations

import torch
from torch import Tensor

from featurenerf.models import FastConfig, FastModel

SMALL = FastConfig(
    feature_dim=8, widths=(16, 16, 24, 32), density_bins=16, volume_bins=8, volume_channels=8, pixel_channels=8,
    own_dim=64, hidden=32, coarse_samples=32, shaded_samples=8, encoder=None,
)  # fmt: skip


def small_fast_model() -> FastModel:
    torch.manual_seed(0)
    model = FastModel(SMALL).eval()
    with torch.no_grad():  # a random network sees fog; make it see something
        model.net.to_detail[-1].weight.mul_(12)
    return model


def picture(seed: int = 0, size: int = 128) -> Tensor:
    return torch.rand(3, size, size, generator=torch.Generator().manual_seed(seed))
