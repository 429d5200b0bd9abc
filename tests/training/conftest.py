"""A tiny data set, and a model and a teacher that train on it in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.models import FastConfig, FastModel
from featurenerf.models.base import Model
from featurenerf.synthesis.make import make_dataset
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


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five chairs, four views each."""
    root = tmp_path_factory.mktemp("training_data")
    make_dataset(root, "chair", objects=6, views=4, seed=3, size=64, workers=1, progress=False)
    return root


@pytest.fixture
def objects(data: Path) -> Dataset:
    return open_dataset(data, "chair", "train")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """Makes configurations; while it is in use, runs are small: model, teacher and budget."""

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
    base = TrainConfig(data=data, category=("chair",), out=tmp_path / "run", feature_dim=8, workers=1)
    return lambda **changes: replace(base, **changes)
