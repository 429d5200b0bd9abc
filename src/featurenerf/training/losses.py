"""The losses: the paper's three (sections 3.2 and 3.3), opacity, shape from silhouettes, and place.

That of descriptors is in ``correspondence.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.rendering import RayValues

COORDINATE_UNIT = 0.25
"""Errors of coordinates and places are counted in this share of the object's diagonal or box, about their spread."""


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
        "alpha": F.binary_cross_entropy(seen.channels["alpha"].float().clamp(1e-4, 1 - 1e-4), alpha),
        "feature": ((seen.channels["feature"] - feature).square().mean(-1, keepdim=True) * present).sum()
        / present.sum().clamp(min=1),
        "coordinate": ((seen.weights.detach() * off).sum(-1, keepdim=True) * alpha).sum() / alpha.sum().clamp(min=1),
    }
    if seen.coarse is not None:
        coarse = ray_losses(seen.coarse, origins, directions, rgb, alpha, feature, present)
        losses = {name: value + coarse[name] for name, value in losses.items()}
    return losses


HULL_STEP = 0.02
"""A point counts as occupied as far as a ray would be stopped within this distance, in world units."""


def hull_loss(density: Float[Tensor, "b n"], inside: Float[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Cross-entropy between occupancy, ``1 - exp(-density * HULL_STEP)``, and the visual hull.

    Outside the hull there is nothing, for certain; inside there mostly is something, and it counts half.
    """
    optical = (density * HULL_STEP).float()
    filled = -torch.log(-torch.expm1(-optical.clamp(min=1e-4)))
    return (inside * filled * 0.5 + (1 - inside) * optical).mean()


def place_loss(
    told: Float[Tensor, "o v r p"], places: Float[Tensor, "o r p"], present: Float[Tensor, "o r 1"]
) -> Float[Tensor, ""]:
    """A linear layer should tell from the head's part of a descriptor what place of its object it is of.

    Args:
        told: what it tells, of the rays seen in each of an object's fields.
        places, present: as in ``correspondence.correspondences``.
    """
    off = ((told.float() - places.unsqueeze(1)) / COORDINATE_UNIT).square().sum(-1, keepdim=True)
    return (off * present.unsqueeze(1)).sum() / (present.sum() * told.shape[1]).clamp(min=1)


def weighted(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The sum that is minimised."""
    return torch.stack([value * weights[name] for name, value in losses.items()]).sum()
