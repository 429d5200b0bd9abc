"""A tiny data set, and runs that train on it in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.synthesis.make import make_dataset
from featurenerf.training.config import TrainConfig
from tiny_runs import tiny_runs


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
    return tiny_runs(monkeypatch, data, tmp_path / "run")
