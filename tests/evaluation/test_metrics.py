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


def test_zero_and_negative_labels_are_no_parts() -> None:
    assert metrics.shared_parts(torch.tensor([7, 0, -1, 3]), torch.tensor([3, -1, 0, 7, 9])) == [3, 7]
    assert metrics.shared_parts(torch.tensor([1]), torch.tensor([2])) == []


def test_a_part_that_is_nowhere_does_not_count() -> None:
    predicted, truth = torch.tensor([1, 2]), torch.tensor([1, 1])
    assert metrics.part_iou(predicted, truth, [1, 9]) == 0.5
    assert metrics.part_iou(predicted, truth, [9]) is None


def test_a_part_that_is_only_predicted_or_only_true_scores_zero() -> None:
    assert metrics.part_iou(torch.tensor([1, 2]), torch.tensor([1, 1]), [1, 2]) == 0.25
    assert metrics.part_iou(torch.tensor([1, 1]), torch.tensor([1, 2]), [1, 2]) == 0.25


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


def test_distances_are_in_double_precision() -> None:
    far = metrics.distances(torch.tensor([[100_000_001, 0]]), torch.tensor([[100_000_000, 0]]))
    assert far.dtype == torch.float64
    assert far.tolist() == [1.0]


def test_thresholds_are_those_of_the_paper() -> None:
    assert metrics.PIXEL_THRESHOLDS == (2.5, 5, 7.5, 10)
    assert metrics.WORLD_THRESHOLDS == (0.025, 0.05, 0.075, 0.1)


def test_every_threshold_is_strict() -> None:
    errors = torch.tensor([2.5, 5.0, 7.5, 10.0])
    accuracy = metrics.keypoint_accuracy(errors, (2.5, 5.0, 7.5, 10.0))
    assert accuracy == {"2.5": 0.0, "5": 0.25, "7.5": 0.5, "10": 0.75}


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


def test_confusion_is_a_share_of_the_keypoints_that_can_be_confused() -> None:
    truth = {0: torch.tensor([0.0, 0.0]), 1: torch.tensor([10.0, 0.0]), 5: torch.tensor([3.0, 3.0])}
    mirror = {0: 1, 1: 0, 7: 0}
    landed = torch.tensor([[9.0, 0.0], [10.0, 1.0], [8.0, 0.0], [3.0, 3.0], [0.0, 0.0]])
    # 0 lands beside 1 twice, 1 lands right; 5 has no counterpart; the target does not show 7
    assert metrics.left_right_confusion(landed, [0, 1, 0, 5, 7], truth, mirror) == pytest.approx(2 / 3)
    assert metrics.left_right_confusion(landed[:1], [0], truth, mirror) == 1.0
    assert metrics.left_right_confusion(landed[3:], [5, 7], truth, mirror) is None
    with pytest.raises(ValueError, match="shorter"):
        metrics.left_right_confusion(landed, [0, 1], truth, mirror)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (12, 10, 3), dtype=np.uint8)


def test_psnr_of_a_known_error() -> None:
    assert metrics.psnr(picture() + np.uint8(51), picture()) == pytest.approx(-20 * math.log10(0.2))
    assert metrics.psnr(picture(), picture() + np.uint8(51)) == pytest.approx(-20 * math.log10(0.2))
    assert metrics.psnr(picture(), picture()) == metrics.PSNR_LIMIT


def test_psnr_is_of_the_mean_squared_error() -> None:
    """One value of twelve is off by 51 of 255: the mean of the squares is 0.04 / 12, so 10 log10 300 = 24.771 dB."""
    truth = np.full((2, 2, 3), 100, np.uint8)
    rendered = truth.copy()
    rendered[1, 0, 2] = 151
    assert metrics.psnr(rendered, truth) == pytest.approx(24.77121255)
    assert metrics.psnr(truth, rendered) == pytest.approx(24.77121255)
    mask = np.array([[True, False], [True, False]])
    assert metrics.psnr(rendered, truth, mask) == pytest.approx(21.76091259)  # of six values: 10 log10 150


def test_psnr_of_the_worst_and_the_best_pictures() -> None:
    black, white = np.zeros((7, 7, 3), np.uint8), np.full((7, 7, 3), 255, np.uint8)
    assert metrics.psnr(white, black) == pytest.approx(0.0, abs=1e-12)
    assert metrics.psnr(white, white) == 100.0


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


def test_ssim_of_one_window_by_hand() -> None:
    """7 x 7 pixels are one window; C1 = (0.01 * 255)^2 = 6.5025 and C2 = (0.03 * 255)^2 = 58.5225.

    Red: one pixel of 49 on black in each picture, at different places. The means are 1, the sample variances
    (2401 - 49) / 48 = 49 and the covariance -49 / 48: (2 + C1) (C2 - 49 / 24) / ((2 + C1) (98 + C2)) = 0.360851.
    Green: constant 100 and 110: (22000 + C1) / (22100 + C1) = 0.995476. Blue: equal.
    """
    rendered, truth = np.zeros((7, 7, 3), np.uint8), np.zeros((7, 7, 3), np.uint8)
    rendered[0, 0, 0] = truth[6, 2, 0] = 49
    rendered[..., 1], truth[..., 1] = 100, 110
    assert metrics.ssim(rendered, truth) == pytest.approx((0.3608480 + 0.9954764 + 1) / 3, abs=1e-6)


def test_ssim_needs_seven_pixels_either_way() -> None:
    wide = np.zeros((6, 9, 3), np.uint8)
    assert metrics.ssim(wide, wide) is None
    assert metrics.ssim(wide.swapaxes(0, 1), wide.swapaxes(0, 1)) is None
    assert metrics.ssim(np.zeros((7, 9, 3), np.uint8), np.zeros((7, 9, 3), np.uint8)) == 1.0


def test_the_mean_of_nothing_is_none() -> None:
    assert metrics.mean([]) is None
    assert metrics.mean([0.0]) == 0.0
    assert metrics.mean([1.0, 2.0, 6.0]) == 3.0
