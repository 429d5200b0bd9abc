"""The rigid or similar motion between two sets of points that correspond (Kabsch, 1976; Horn, 1987)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ROUNDS = 8
"""Of re-weighting in a robust fit; a further one moves nothing by a tenth of a degree."""


def about_z(degrees: float) -> Float[Tensor, "3 3"]:
    """The rotation about the z axis, counter-clockwise seen from above; in double precision."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Similarity:
    """``target = scale * rotation @ point + translation``, for one or several sets of points."""

    rotation: Float[Tensor, "*b 3 3"]
    translation: Float[Tensor, "*b 3"]
    scale: Float[Tensor, "*b"]

    def __call__(self, points: Float[Tensor, "*b n 3"]) -> Float[Tensor, "*b n 3"]:
        turned = points @ self.rotation.mT.to(points.dtype)
        moved = self.translation.unsqueeze(-2).to(points.dtype)
        return self.scale[..., None, None].to(points.dtype) * turned + moved

    def inverse(self) -> Similarity:
        back = self.rotation.mT
        moved = -(back @ self.translation.unsqueeze(-1))[..., 0] / self.scale.unsqueeze(-1)
        return Similarity(back, moved, 1 / self.scale)


def similarity(
    points: Float[Tensor, "*b n 3"],
    targets: Float[Tensor, "*b n 3"],
    weights: Float[Tensor, "*b n"],
    *,
    scaled: bool = False,
) -> Similarity:
    """The motion that takes points closest to their targets, in the weighted mean of squared distances.

    Args:
        weights: at least 0; they need not sum to 1.
        scaled: whether the motion may change size; otherwise its scale is 1. It is the ratio of the spreads of both
            sets (Horn), which noise of the targets does not draw towards 0, and is the same there and back.
    """
    share = (weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)).unsqueeze(-1)
    p_mean, q_mean = (share * points).sum(-2, keepdim=True), (share * targets).sum(-2, keepdim=True)
    centred = points - p_mean
    u, stretch, vh = torch.linalg.svd((share * centred).mT @ (targets - q_mean))
    turn = torch.ones_like(stretch)
    turn[..., 2] = torch.linalg.det(u @ vh).sign()  # a rotation, not a reflection
    rows = u * turn.unsqueeze(-2) @ vh  # for rows: target = point @ rows
    scale = torch.ones_like(stretch[..., 0])
    if scaled:
        spread, wanted = ((share * x.square()).sum((-1, -2)) for x in (centred, targets - q_mean))
        scale = (wanted / spread.clamp(min=1e-12)).sqrt()
    shift = q_mean - scale[..., None, None] * (p_mean @ rows)
    return Similarity(rows.mT, shift[..., 0, :], scale)


def robust_similarity(
    points: Float[Tensor, "n 3"],
    targets: Float[Tensor, "n 3"],
    weights: Float[Tensor, " n"],
    spread: float,
    *,
    scaled: bool = False,
    fixed: Bool[Tensor, " n"] | None = None,
) -> tuple[Similarity, Float[Tensor, " n"]]:
    """As ``similarity``, where some targets are far off: a residual counts less the more it exceeds ``spread``.

    Weights are those of a Cauchy distribution, found by repeated fits.

    Args:
        spread: distance, in units of the targets, at which a pair counts half.
        fixed: pairs whose weight stays.
    Returns:
        the motion, and the distance of each point from its target.
    """
    counted = weights
    for _ in range(ROUNDS):
        motion = similarity(points, targets, counted, scaled=scaled)
        residual = (motion(points) - targets).norm(dim=-1)
        counted = weights * spread**2 / (spread**2 + residual.square())
        if fixed is not None:
            counted = torch.where(fixed, weights, counted)
    return motion, residual
