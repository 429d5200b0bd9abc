"""Queries of a field that is sampled: they are answered some points at a time, and nobody notices."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.fields import VolumeField, volume


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class NotedField(VolumeField):
    """Notes down the shape of the points of each call; its colour is the point plus twice the direction."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def channels(self) -> dict[str, int]:
        return {"density": 1, "rgb": 3}

    def sample(self, points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        self.shapes.append(tuple(points.shape))
        values = {"density": points[..., 2:], "rgb": points + 2 * directions}
        return {name: values[name] for name in channels}


def test_points_are_queried_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "_POINTS_PER_CHUNK", 4)
    noted = NotedField(source=Camera.look_at(0.0, 0.0).reshape(1))
    points, directions = torch.arange(30.0).reshape(2, 5, 3), torch.arange(30.0, 60.0).reshape(2, 5, 3)
    values = noted.query(points, directions)
    assert noted.shapes == [(1, 4, 3), (1, 4, 3), (1, 2, 3)]
    assert torch.equal(values["rgb"], points + 2 * directions)
    assert torch.equal(values["density"], points[..., 2])
    toward_the_back = noted.query(torch.tensor([[0.3, 0.0, 0.0]] * 5), channels=["rgb"])["rgb"]  # seen from +x
    assert toward_the_back.tolist() == [pytest.approx([-1.7, 0.0, 0.0], abs=1e-6)] * 5


def test_a_batch_of_fields_shares_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "_POINTS_PER_CHUNK", 5)
    noted = NotedField(source=Camera.look_at([0.0, 90.0], 0.0).reshape(2, 1))
    points = torch.arange(18.0).reshape(2, 3, 3)
    assert torch.equal(noted.query(points, torch.zeros_like(points))["rgb"], points)
    assert noted.shapes == [(2, 2, 3), (2, 1, 3)]


def test_no_point_is_no_answer() -> None:
    values = NotedField(source=Camera.look_at().reshape(1)).query(torch.zeros(0, 3))
    assert values["density"].shape == (0,)
    assert values["rgb"].shape == (0, 3)
