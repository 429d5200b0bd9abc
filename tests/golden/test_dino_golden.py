"""Our DINO teacher against keys computed by the DINO repository's ViT with the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from featurenerf.errors import InputError

pytest.importorskip("transformers")

from featurenerf.teachers import Teacher, load_teacher
from featurenerf.teachers import dino as teacher

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
FILE = f"dino-vits8:{GOLDEN / 'dino_vit_weights.safetensors'}"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden numbers are not at {GOLDEN}")


def difference(dino: Teacher) -> float:
    expected = load_file(GOLDEN / "dino_vit_layer9_keys.safetensors")
    keys = dino(expected["images"].float() / 255)
    theirs = expected["layer9_keys"]
    assert keys.shape == theirs.shape
    return float((keys - theirs).abs().max() / theirs.abs().max())


@needs_golden
def test_keys() -> None:
    assert difference(load_teacher(FILE)) < 1e-5


@needs_golden
def test_keys_of_a_saved_hub_model(tmp_path: Path) -> None:
    """The way of those who download the hub's directory."""
    weights = load_file(GOLDEN / "dino_vit_weights.safetensors")
    teacher.vit_from_dino(weights, heads=6).save_pretrained(tmp_path)
    assert difference(load_teacher(f"dino-vits8:{tmp_path}")) < 1e-5


@needs_golden
def test_dinos_own_interpolation_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(positions: Tensor, cells: int) -> Tensor:
        side = round(positions.shape[1] ** 0.5)
        square = positions.transpose(1, 2).unflatten(2, (side, side))
        return torch.nn.functional.interpolate(square, (cells, cells), mode="bicubic").flatten(2).transpose(1, 2)

    monkeypatch.setattr(teacher, "interpolate_positions", plain)
    assert difference(load_teacher(FILE)) > 1e-3


@needs_golden
def test_background_is_zero_and_nothing_is_kept() -> None:
    dino = load_teacher(FILE)
    before = {name: value.clone() for name, value in dino.state_dict().items()}
    pictures = torch.rand(2, 4, 128, 128)
    pictures[:, 3] = 0
    pictures[:, 3, 32:64, 64:96] = 1
    maps = dino(pictures)
    assert maps.shape == (2, dino.dim, 32, 32)
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[8:16, 16:24] = True
    assert torch.equal(maps.abs().sum((0, 1)) > 0, inside)
    opaque = dino(pictures[:, :3])
    assert torch.equal(maps[..., inside], opaque[..., inside])
    assert all(torch.equal(before[name], value) for name, value in dino.state_dict().items())


def test_other_weights(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="not those of a DINO ViT"):
        load_teacher(f"dino-vits8:{path}")
