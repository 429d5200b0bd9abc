"""Training runs that take a second: a small model, teacher and budget in place of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.models import FastConfig, FastModel
from featurenerf.models.base import Model
from featurenerf.teachers import Teacher
from featurenerf.training import loop, targets
from featurenerf.training.config import PRESETS, TrainConfig

TINY_BUDGET = {
    "objects": 2, "source_views": 2, "target_views": 3, "rays": 24, "views": 4,
    "validate_every": 3,
}  # fmt: skip


class TinyTeacher(Teacher):
    """Two random convolutions."""

    name, dim, size = "tiny", 12, 32

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.layers = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, self.dim, 3, padding=1))
        self.requires_grad_(False)

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        return self.layers(pictures)


def tiny_runs(monkeypatch: pytest.MonkeyPatch, data: Path, out: Path) -> Callable[..., TrainConfig]:
    """Makes configurations; until ``monkeypatch`` undoes it, runs are small: model, teacher and budget."""

    def small_model(config: TrainConfig, objects: object) -> Model:
        torch.manual_seed(config.seed)
        sizes = FastConfig(
            feature_dim=config.feature_dim, widths=(8, 8, 16, 16), density_bins=8, volume_bins=4, volume_channels=8,
            pixel_channels=8, hidden=32, encoder=None, size=32, coarse_samples=12, shaded_samples=4,
        )  # fmt: skip
        return FastModel(sizes).to(memory_format=torch.channels_last)

    monkeypatch.setitem(PRESETS["fast"], "quick", {"steps": 10, **TINY_BUDGET})
    monkeypatch.setattr(loop, "new_model", small_model)
    monkeypatch.setattr(targets, "load_teacher", lambda name: TinyTeacher().eval())
    monkeypatch.setattr(loop, "VALIDATION_BATCHES", 1)
    base = TrainConfig(data=data, category=("chair",), out=out, feature_dim=8, workers=1)
    return lambda **changes: replace(base, **changes)
