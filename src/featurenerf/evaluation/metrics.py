"""What a transfer and a rendered picture are scored by. Arrays in, numbers out; None where nothing can be scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num, UInt8
from torch import Tensor

PIXEL_THRESHOLDS = (2.5, 5.0, 7.5, 10.0)
"""Keypoint thresholds of the 2D tasks in pixels. Constants of the protocol, made for pictures 128 pixels wide."""
WORLD_THRESHOLDS = (0.025, 0.05, 0.075, 0.1)
"""Keypoint thresholds of the 3D task in world units (the object's bounding-box diagonal is 1)."""
PSNR_LIMIT = 100.0
"""What two equal pictures score, in dB; no two 8-bit pictures that differ come near it."""


def shared_parts(source: Int[Tensor, "*_"], target: Int[Tensor, "*_"]) -> list[int]:
    """The part labels above 0 that occur in both."""
    return sorted({int(label) for label in source.unique() if label > 0} & {int(label) for label in target.unique()})


def part_iou(predicted: Int[Tensor, "*n"], truth: Int[Tensor, "*n"], parts: Sequence[int]) -> float | None:
    """Mean over ``parts`` of intersection over union; the places of other labels count only where they are mistaken."""
    scores = []
    for part in parts:
        ours, real = predicted == part, truth == part
        union = int((ours | real).sum())
        if union:
            scores.append(int((ours & real).sum()) / union)
    return mean(scores)


def distances(predicted: Num[Tensor, "k c"], truth: Num[Tensor, "k c"]) -> Float[Tensor, " k"]:
    """Euclidean distances, in double precision."""
    return (predicted.double() - truth.double()).norm(dim=-1)


def keypoint_accuracy(errors: Float[Tensor, " k"], thresholds: Sequence[float]) -> dict[str, float] | None:
    """Share of errors strictly below each threshold, named as in the protocol ("2.5", "5", ...)."""
    if len(errors) == 0:
        return None
    return {threshold_name(t): int((errors < t).sum()) / len(errors) for t in thresholds}


def threshold_name(threshold: float) -> str:
    return f"{threshold:g}"


def left_right_confusion(
    predicted: Num[Tensor, "k c"], ids: Sequence[int], truth: Mapping[int, Num[Tensor, " c"]], mirror: Mapping[int, int]
) -> float | None:
    """Share of keypoints that landed strictly nearer to the mirror image of the right answer than to the right answer.

    Args:
        predicted: where each keypoint landed on the target.
        ids: their keypoint ids.
        truth: the target's keypoints by id. Keypoints whose mirror image the target does not show are left out.
        mirror: id of each keypoint's left/right counterpart; itself on the plane of symmetry (left out).
    """
    confused = []
    for position, number in zip(predicted, ids, strict=True):
        other = mirror.get(number, number)
        if other == number or number not in truth or other not in truth:
            continue
        right, wrong = distances(position.expand(2, -1), torch.stack([truth[number], truth[other]])).tolist()
        confused.append(float(wrong < right))
    return mean(confused)


def psnr(
    rendered: UInt8[np.ndarray, "h w 3"], truth: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"] | None = None
) -> float | None:
    """Peak signal-to-noise ratio in dB of 8-bit pictures, over the whole picture or the pixels of ``mask``."""
    error = (rendered.astype(np.float64) - truth.astype(np.float64)) / 255
    if mask is not None:
        error = error[mask]
    if error.size == 0:
        return None
    return min(PSNR_LIMIT, -10 * math.log10(max(float((error**2).mean()), 1e-20)))


def ssim(rendered: UInt8[np.ndarray, "h w 3"], truth: UInt8[np.ndarray, "h w 3"]) -> float | None:
    """Structural similarity (Wang et al. 2004; 7 x 7 uniform window, mean over colours); None below 7 pixels."""
    if min(truth.shape[:2]) < 7:
        return None
    from skimage.metrics import structural_similarity

    return float(structural_similarity(rendered, truth, channel_axis=-1, data_range=255))


def mean(values: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return sum(values) / len(values) if values else None
