"""The losses of rays: the paper's three (sections 3.2 and 3.3), opacity, labels, and shape from silhouettes.

That of descriptors is in ``correspondence.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from featurenerf.rendering import RayValues
from featurenerf.training.config import CoordinateLoss

COORDINATE_UNIT = 0.25
"""Errors of coordinates are counted in this share of the object's diagonal, about their spread."""


@dataclass(frozen=True)
class Rays:
    """Rays and what is known of them.

    Attributes:
        origins, directions: in the world; directions are unit.
        rgb, alpha: of the pictures.
        feature: the teacher's, and where it is ``present`` (1, else 0); empty where nothing is distilled.
        label: part label of the pixel, 0 for the background, -1 where it is not known; None where nobody asks.
    """

    origins: Float[Tensor, "b r 3"]
    directions: Float[Tensor, "b r 3"]
    rgb: Float[Tensor, "b r 3"]
    alpha: Float[Tensor, "b r 1"]
    feature: Float[Tensor, "b r k"]
    present: Float[Tensor, "b r 1"]
    label: Int[Tensor, "b r"] | None = None

    def repeated(self, times: int) -> Rays:
        """Each object's rays so many times, one after the other."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return replace(self, **{name: value.repeat_interleave(times, 0) for name, value in known.items()})


def ray_losses(seen: RayValues, rays: Rays, coordinate_loss: CoordinateLoss = "weighted") -> dict[str, Tensor]:
    """Unweighted losses of rays, by name, of the channels that were rendered; of both passes where there are two."""
    losses = {
        "rgb": F.mse_loss(seen.channels["rgb"], rays.rgb),
        "alpha": F.binary_cross_entropy(seen.channels["alpha"].float().clamp(1e-4, 1 - 1e-4), rays.alpha),
    }
    if "feature" in seen.channels:
        error = (seen.channels["feature"] - rays.feature).square().mean(-1, keepdim=True)
        losses["feature"] = (error * rays.present).sum() / rays.present.sum().clamp(min=1)
    if "coordinate" in seen.samples:
        points = rays.origins.unsqueeze(2) + rays.directions.unsqueeze(2) * seen.depths.unsqueeze(-1)  # (b, r, s, 3)
        off = (seen.samples["coordinate"] - points) / COORDINATE_UNIT  # (b, r, s, 3)
        if coordinate_loss == "weighted":
            error = (seen.weights.detach() * off.square().sum(-1)).sum(-1, keepdim=True)
            losses["coordinate"] = (error * rays.alpha).sum() / rays.alpha.sum().clamp(min=1)
        else:
            off = off if coordinate_loss == "sample" else off.mean(2)
            losses["coordinate"] = off.square().sum(-1).mean()
    if "label" in seen.channels and rays.label is not None and (rays.label >= 0).any():  # (SemanticNeRF, equation 5)
        losses["label"] = F.cross_entropy(seen.channels["label"].flatten(0, 1), rays.label.flatten(), ignore_index=-1)
    if seen.coarse is not None:
        coarse = ray_losses(seen.coarse, rays, coordinate_loss)
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


def weighted(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The sum that is minimised."""
    return torch.stack([value * weights[name] for name, value in losses.items()]).sum()
