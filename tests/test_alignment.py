"""Motions between sets of points, against motions that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from featurenerf.alignment import robust_similarity, similarity

POINTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [1, 1, 1]], dtype=torch.float64)
QUARTER = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)  # x to y, y to -x
SHIFT = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)


def moved(points: Tensor, scale: float = 1.0) -> Tensor:
    """By hand: (x, y, z) to scale (-y, x, z) + shift."""
    return scale * torch.stack([-points[:, 1], points[:, 0], points[:, 2]], -1) + SHIFT


def test_a_motion_is_found_exactly() -> None:
    motion = similarity(POINTS, moved(POINTS), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(motion.rotation, QUARTER)
    torch.testing.assert_close(motion.translation, SHIFT)
    assert float(motion.scale) == 1.0
    torch.testing.assert_close(motion.inverse()(moved(POINTS)), POINTS)


@pytest.mark.parametrize("scale", [0.25, 3.0])
def test_size_is_found_only_where_it_may_change(scale: float) -> None:
    ones = torch.ones(5, dtype=torch.float64)
    scaled = similarity(POINTS, moved(POINTS, scale), ones, scaled=True)
    assert float(scaled.scale) == pytest.approx(scale)
    torch.testing.assert_close(scaled.translation, SHIFT)
    torch.testing.assert_close(scaled.inverse()(moved(POINTS, scale)), POINTS)
    assert float(similarity(POINTS, moved(POINTS, scale), ones).scale) == 1.0


def test_a_mirror_image_is_answered_with_a_rotation() -> None:
    motion = similarity(POINTS, POINTS * torch.tensor([1.0, -1.0, 1.0]), torch.ones(5, dtype=torch.float64))
    assert float(torch.linalg.det(motion.rotation)) == pytest.approx(1.0)


def test_points_without_weight_do_not_count() -> None:
    targets = moved(POINTS)
    targets[4] += 100
    motion = similarity(POINTS, targets, torch.tensor([1.0, 1, 1, 1, 0], dtype=torch.float64))
    torch.testing.assert_close(motion.rotation, QUARTER)


def test_a_batch_is_fitted_one_by_one() -> None:
    both = similarity(torch.stack([POINTS, POINTS]), torch.stack([moved(POINTS), POINTS]), torch.ones(2, 5).double())
    torch.testing.assert_close(both.rotation, torch.stack([QUARTER, torch.eye(3, dtype=torch.float64)]))


def test_what_is_far_off_hardly_counts() -> None:
    """Of 30 points on a helix, 6 are somewhere else. The plain fit is turned by degrees, the robust one is not."""
    steps = torch.arange(30, dtype=torch.float64)
    points = torch.stack([(steps / 3).cos(), (steps / 3).sin(), steps / 30], -1)
    targets = moved(points)
    targets[::5] += torch.tensor([0.0, 2.0, 1.0])
    ones = torch.ones(30, dtype=torch.float64)
    robust, residual = robust_similarity(points, targets, ones, 0.05)
    plain = similarity(points, targets, ones)
    assert degrees_between(robust.rotation, QUARTER) < 0.2
    assert degrees_between(plain.rotation, QUARTER) > 1
    assert residual[::5].min() > 1.5
    assert residual[1::5].max() < 0.02


def test_a_pair_whose_weight_is_fixed_keeps_it() -> None:
    """Two points stay, the third is off by 1: held with much weight, it draws the others along."""
    points = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=torch.float64)
    targets = points + torch.tensor([[0.0], [0.0], [1.0]]) * torch.tensor([[0.0, 0.0, 1.0]])
    weights = torch.tensor([1.0, 1.0, 100.0], dtype=torch.float64)
    free, _ = robust_similarity(points, targets, weights, 0.01)
    held, _ = robust_similarity(points, targets, weights, 0.01, fixed=torch.tensor([False, False, True]))
    assert float((held(points) - targets)[2].norm()) < 0.02
    assert math.isfinite(float(free.translation.norm()))


def degrees_between(a: Tensor, b: Tensor) -> float:
    return math.degrees(math.acos(max(-1.0, min(1.0, (float((a.T @ b).trace()) - 1) / 2))))
