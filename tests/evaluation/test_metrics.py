"""Metrics: known answers, and the edges where a protocol is easily misread."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from featurenerf.evaluation import metrics


def test_parts_count_where_both_ends_have_them() -> None:
    source, target = torch.tensor([0, 1, 2, 2]), torch.tensor([[0, 2], [3, 1]])
    assert metrics.shared_parts(source, target) == [1, 2]
    predicted, truth = torch.tensor([1, 1, 2, 2, 3]), torch.tensor([1, 2, 2, 0, 3])
    assert metrics.part_iou(predicted, truth, [1, 2]) == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert metrics.part_iou(predicted, truth, [1, 2, 3]) == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)
    assert metrics.part_iou(predicted, truth, []) is None


def test_background_mistaken_for_a_part_is_an_error_but_no_part() -> None:
    predicted, truth = torch.tensor([1, 1, 0]), torch.tensor([1, 0, 0])
    assert metrics.part_iou(predicted, truth, [1]) == 0.5  # counting label 0 as a part too would give another mean
    assert metrics.part_iou(predicted, truth, [0, 1]) == 0.5
    assert metrics.part_iou(torch.tensor([1, 1, 1]), truth, [1]) != metrics.part_iou(
        torch.tensor([1, 1, 1]), truth, [0, 1]
    )


def test_a_keypoint_exactly_at_the_threshold_is_wrong() -> None:
    errors = metrics.distances(torch.tensor([[3, 4], [0, 0], [1, 2]]), torch.tensor([[0, 0], [0, 0], [1, 4]]))
    assert errors.tolist() == [5.0, 0.0, 2.0]
    accuracy = metrics.keypoint_accuracy(errors, metrics.PIXEL_THRESHOLDS)
    assert accuracy == {"2.5": 2 / 3, "5": 2 / 3, "7.5": 1.0, "10": 1.0}
    assert metrics.keypoint_accuracy(errors[:0], metrics.PIXEL_THRESHOLDS) is None


def test_thresholds_are_named_as_in_the_protocol() -> None:
    assert list(map(metrics.threshold_name, metrics.WORLD_THRESHOLDS)) == ["0.025", "0.05", "0.075", "0.1"]


def test_left_and_right() -> None:
    truth = {0: torch.tensor([0, 0]), 1: torch.tensor([10, 0]), 2: torch.tensor([5, 9]), 3: torch.tensor([0, 20])}
    mirror = {0: 1, 1: 0, 2: 2, 3: 4, 4: 3}
    landed = torch.tensor([[6, 0], [9, 1], [5, 0], [0, 0]])  # 0 is confused, 1 is right, 2 and 3 cannot be
    assert metrics.left_right_confusion(landed, [0, 1, 2, 3], truth, mirror) == 0.5
    assert metrics.left_right_confusion(landed[2:], [2, 3], truth, mirror) is None
    halfway = torch.tensor([[5, 0]])
    assert metrics.left_right_confusion(halfway, [0], truth, mirror) == 0.0


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (12, 10, 3), dtype=np.uint8)


def test_psnr_of_a_known_error() -> None:
    assert metrics.psnr(picture() + np.uint8(51), picture()) == pytest.approx(-20 * math.log10(0.2))
    assert metrics.psnr(picture(), picture() + np.uint8(51)) == pytest.approx(-20 * math.log10(0.2))
    assert metrics.psnr(picture(), picture()) == metrics.PSNR_LIMIT


def test_foreground_psnr_looks_at_the_mask_only() -> None:
    rendered, mask = picture(), np.zeros((12, 10), bool)
    mask[:6] = True
    rendered[:6] += 51
    rendered[6:] = 0
    assert metrics.psnr(rendered, picture(), mask) == pytest.approx(-20 * math.log10(0.2))
    assert metrics.psnr(rendered, picture(), mask & False) is None


def test_ssim() -> None:
    assert metrics.ssim(picture(), picture()) == pytest.approx(1.0)
    scores = [
        metrics.ssim(
            np.clip(picture() + np.random.default_rng(1).normal(0, s, (12, 10, 3)), 0, 255).astype(np.uint8), picture()
        )
        for s in (5, 40)
    ]
    assert scores[0] is not None
    assert scores[1] is not None
    assert 1 > scores[0] > scores[1]
    assert metrics.ssim(picture()[:6], picture()[:6]) is None
