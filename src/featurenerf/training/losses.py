"""The losses: the paper's three (section 3.2 and 3.3), opacity, and consistency of descriptors between pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.rendering import RayValues
from featurenerf.training.config import LossWeights

COORDINATE_UNIT = 0.25
"""Coordinate errors are counted in this share of the object's diagonal, about the spread of its coordinates."""


def ray_losses(
    seen: RayValues,
    origins: Float[Tensor, "b r 3"],
    directions: Float[Tensor, "b r 3"],
    rgb: Float[Tensor, "b r 3"],
    alpha: Float[Tensor, "b r 1"],
    feature: Float[Tensor, "b r k"],
    present: Float[Tensor, "b r 1"],
) -> dict[str, Tensor]:
    """Unweighted losses of one bundle of rays, by name; of coarse and fine pass together where there are two.

    Args:
        rgb, alpha: of the pictures.
        feature: the teacher's, and where it is ``present``.
    """
    points = origins.unsqueeze(2) + directions.unsqueeze(2) * seen.depths.unsqueeze(-1)  # (b, r, s, 3)
    off = ((seen.samples["coordinate"] - points) / COORDINATE_UNIT).square().sum(-1)  # (b, r, s)
    losses = {
        "rgb": F.mse_loss(seen.channels["rgb"], rgb),
        "alpha": F.mse_loss(seen.channels["alpha"], alpha),
        "feature": ((seen.channels["feature"] - feature).square().mean(-1, keepdim=True) * present).sum()
        / present.sum().clamp(min=1),
        "coordinate": ((seen.weights.detach() * off).sum(-1, keepdim=True) * alpha).sum() / alpha.sum().clamp(min=1),
    }
    if seen.coarse is not None:
        coarse = ray_losses(seen.coarse, origins, directions, rgb, alpha, feature, present)
        losses = {name: value + coarse[name] for name, value in losses.items()}
    return losses


def consistency_loss(
    descriptors: Float[Tensor, "o v r d"],
    points: Float[Tensor, "o r 3"],
    present: Float[Tensor, "o r 1"],
    temperature: float = 0.1,
    radius: float = 0.04,
    count: int = 160,
) -> Float[Tensor, ""]:
    """One surface point should have one descriptor, whichever picture it was seen in, and far ones another.

    For each object, descriptors of the same rays in the fields of two pictures are compared with each other; the
    cosine similarities, as a softmax, should be those of a Gaussian of ``radius`` around each point.

    Args:
        points: where the rays meet the object.
        present: 1 for rays that do.
        count: rays an object that are compared.
    """
    total = descriptors.new_zeros(())
    for of_object, where, there in zip(descriptors, points, present[..., 0] > 0, strict=True):
        index = there.nonzero()[:count, 0]
        if len(index) < 8:
            continue
        first, second = (F.normalize(d[index], dim=-1, eps=1e-6) for d in of_object[:2])
        wanted = torch.softmax(-torch.cdist(where[index], where[index]).square() / (2 * radius**2), -1)
        logits = first @ second.T / temperature
        total = total - (wanted * (logits.log_softmax(1) + logits.T.log_softmax(1))).sum(1).mean() / 2
    return total / len(descriptors)


def weighted(losses: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """The sum that is minimised."""
    return torch.stack([value * getattr(weights, name) for name, value in losses.items()]).sum()
