"""Checkpoint directories: what is written comes back, and what is wrong is said in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import featurenerf
from featurenerf import checkpoint, outputs
from featurenerf.errors import InputError
from featurenerf.fields import FastConfig, FastModel, PaperConfig, PaperModel
from featurenerf.fields.base import Model

SMALL = FastConfig(
    feature_dim=8, widths=(8, 8, 16, 16), density_bins=8, volume_bins=4, volume_channels=8, pixel_channels=8,
    hidden=32, backbone=False, size=32,
)  # fmt: skip


def fast() -> Model:
    torch.manual_seed(0)
    return FastModel(SMALL)


def paper() -> Model:
    torch.manual_seed(0)
    return PaperModel(PaperConfig(width=16, blocks=2, fuse=1, feature_dim=8, size=32))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint.save(fast(), tmp_path_factory.mktemp("saved") / "a" / "b", {"note": "kept"})


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def refused(directory: Path) -> str:
    with pytest.raises(InputError) as caught:
        checkpoint.load(directory)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("make", [fast, paper])
def test_round_trip(make: type[Model], tmp_path: Path) -> None:
    model = make()
    back = featurenerf.load(featurenerf.save(model, tmp_path))
    assert type(back) is type(model)
    assert back.config == model.config
    assert not back.training
    own, read = model.state_dict(), back.state_dict()
    assert own.keys() == read.keys()
    assert all(torch.equal(own[name], read[name]) for name in own)


def test_what_is_written(saved: Path) -> None:
    assert sorted(p.name for p in saved.iterdir()) == ["config.json", "model.safetensors"]
    config = checkpoint.read_config(saved)
    assert config["field"] == "fast"
    assert config["note"] == "kept"
    assert config["model"]["feature_dim"] == 8


def test_saving_replaces(copy: Path) -> None:
    other = paper()
    checkpoint.save(other, copy)
    assert isinstance(checkpoint.load(copy), PaperModel)
    assert "note" not in checkpoint.read_config(copy)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def failing(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        outputs.write_atomically(path, failing)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_dtype_and_device(saved: Path) -> None:
    model = checkpoint.load(saved, device="cpu", dtype=torch.float64)
    assert model.dtype == torch.float64
    field = model.encode(torch.rand(3, 32, 32))
    points = torch.rand(4, 3, dtype=torch.float64) * 0.2
    single = checkpoint.load(str(saved)).encode(torch.rand(3, 32, 32)).query(points.float())
    assert field.query(points).descriptor.shape == single.descriptor.shape == (4, model.config.descriptor_dim)
    with pytest.raises(InputError, match="'abacus' is not usable here"):
        checkpoint.load(saved, device="abacus")


def test_unknown_name(tmp_path: Path) -> None:
    assert "no checkpoint 'nonsense'" in refused(Path("nonsense"))
    assert "no config.json" in refused(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"field": "fast"', "\x00\x01"])
def test_damaged_config(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    message = refused(copy)
    assert str(copy / "config.json") in message
    assert "damaged" in message


@pytest.mark.parametrize(
    "content",
    ["[]", "3", "{}", '{"field": "fast"}', '{"field": "nerf", "model": {}}', '{"field": ["fast"], "model": {}}'],
)
def test_json_that_is_not_ours(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    assert "not the configuration of a featurenerf checkpoint" in refused(copy)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"hidden": None}, "differ in hidden"),
        ({"colour": 3}, "differ in colour"),
        ({"size": 33}, "size is 33"),
        ({"hidden": "wide"}, "config.json make no model"),
        ({"hidden": -1}, "config.json make no model"),
        ({"widths": 5}, "config.json make no model"),
    ],
)
def test_settings_that_make_no_model(copy: Path, change: dict[str, object], match: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["model"] = {k: v for k, v in {**config["model"], **change}.items() if v is not None}
    (copy / "config.json").write_text(json.dumps(config))
    assert match in refused(copy)


def test_missing_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    message = refused(copy)
    assert str(copy) in message
    assert "no model.safetensors" in message


@pytest.mark.parametrize("keep", [0, 5, 1000])
def test_damaged_weights(copy: Path, keep: int) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    message = refused(copy)
    assert str(path) in message
    assert "damaged" in message


def test_weights_of_another_config(copy: Path) -> None:
    path = copy / "model.safetensors"
    weights = load_file(path)
    first, *_ = weights
    changes = {
        "missing": {name: value for name, value in weights.items() if name != first},
        "size": {**weights, first: torch.zeros(3, 3, 3)},
        "unknown": {**weights, "stranger": torch.zeros(2)},
        "another field's": paper().state_dict(),
    }
    for tensors in changes.values():
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
        message = refused(copy)
        assert "does not belong to" in message
        assert str(path) in message
