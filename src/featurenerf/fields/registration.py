"""Where an object is in metres, by the depth map of the camera that took its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from featurenerf.alignment import robust_similarity
from featurenerf.arrays import as_tensor, floats
from featurenerf.errors import InputError
from featurenerf.fields.pose import SPREAD, Coordinated, visible
from featurenerf.lenses import intrinsic_matrix

REGISTRATION_GRID = 64
"""Rays a side of the source picture that are compared with the depth map."""
LEAST_PIXELS = 12
"""An object of which fewer have a depth is not registered."""
DEEPEST = 1.5
"""An object is at most so many times as deep as it is wide in the picture."""
NEAR_ENOUGH = 0.05
"""Inliers are closer to their places than this, in diagonals of the object."""

Matrix = Shaped[Tensor, "..."] | Shaped[np.ndarray, "..."] | list[list[Any]]
Map = Shaped[Tensor, "..."] | Shaped[np.ndarray, "..."]


@runtime_checkable
class ToPhotograph(Protocol):
    """What is needed of a crop (``studio.crop.Crop`` is one)."""

    def to_picture(self, xy: Any) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Registration:
    """Where an object is in metres: ``point = scale * rotation @ place + translation``.

    A place is in the field's world, which is the object's own frame where the field's camera was found or given in it.
    A point is in the frame of the camera that took the depth map, with OpenCV's axes (+x right, +y down, +z ahead).

    Attributes:
        scale: metres in a unit of the field's world: the diagonal of the object's bounding box.
        residual: median distance, in metres, of the depth map from what the field says.
        inliers: share of the compared pixels that are closer than a twentieth of the object's diagonal.
    """

    field: Coordinated
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, " 3"]
    scale: float
    residual: float
    inliers: float

    def __repr__(self) -> str:
        at = ", ".join(f"{value:.3f}" for value in self.translation.tolist())
        return (
            f"Registration(diagonal {self.scale:.3f} m, at ({at}) m, residual {1000 * self.residual:.1f} mm, "
            f"{self.inliers:.0%} inliers)"
        )

    def to_camera(self, places: Any) -> Float[Tensor, "*n 3"]:
        """Places (..., 3) of the field's world in the camera's frame, in metres."""
        return self.scale * torch.as_tensor(places).to(self.rotation) @ self.rotation.T + self.translation

    def to_object(self, points: Any) -> Float[Tensor, "*n 3"]:
        """Points (..., 3) of the camera's frame, in metres, in the field's world."""
        return (torch.as_tensor(points).to(self.rotation) - self.translation) @ self.rotation / self.scale

    @torch.no_grad()
    def describe(self, points: Any) -> Float[Tensor, "*n d"]:
        """Descriptors at points (..., 3) of the camera's frame, in metres."""
        places = self.to_object(points).to(self.field.source.pose)
        return self.field.query(places, channels=("descriptor",)).descriptor


@torch.no_grad()
def register(
    field: Coordinated, depth: Map, intrinsics: Matrix, mask: Map | None = None, crop: ToPhotograph | None = None
) -> Registration:
    """See ``fields.base.Field.register``."""
    z, K = floats(depth, "a depth map").cpu().double(), intrinsic_matrix(intrinsics).cpu().double()
    if z.ndim != 2 or K.ndim != 2:
        raise InputError(
            f"a depth map is (H, W) and intrinsics are (3, 3), not {tuple(z.shape)} and {tuple(K.shape)}: "
            "give the depth of the whole photograph, in metres"
        )
    if field.batched or "coordinate" not in field.channels:
        raise InputError(
            "a single field with the channel coordinate can be registered: this one is a batch or has none"
        )
    source = field.source.reshape(-1)[0]
    height, width = z.shape
    if crop is None and (width * source.height, height * source.width) != (
        height * source.width,
        width * source.height,
    ):
        raise InputError(
            f"a depth map of {width} x {height} pixels does not fit the encoded picture of {source.width} x "
            f"{source.height}: give the crop that prepare(..., return_crop=True) returned"
        )
    known = torch.isfinite(z) & (z > 0)
    if mask is not None:
        inside = as_tensor(mask, "the mask").cpu()
        if tuple(inside.shape) != (height, width):
            raise InputError(f"the mask must be ({height}, {width}) like the depth map, not {tuple(inside.shape)}")
        known &= inside > (0.5 if inside.is_floating_point() else 0)
    seen = visible(field, source, REGISTRATION_GRID)
    assumed = field.estimate is not None and not field.estimate.found
    places = seen.world if assumed else seen.coordinates  # a world that is only assumed is not the object's frame
    step = torch.tensor([width / source.width, height / source.height], dtype=torch.float64)
    pixels = (seen.pixels * step if crop is None else crop.to_picture(seen.pixels)).floor().long()
    inside = ((pixels >= 0) & (pixels < torch.tensor([width, height]))).all(-1)
    column, row = pixels.clamp(min=0).minimum(torch.tensor([width - 1, height - 1])).unbind(-1)
    inside &= known[row, column]
    if int(inside.sum()) < LEAST_PIXELS:
        raise InputError(
            f"only {int(inside.sum())} pixels of the object have a depth: give that of this photograph, in metres, "
            "with 0 where there is none"
        )
    column, row = column[inside], row[inside]
    rays = torch.stack([column, row, torch.ones_like(column)], -1).double() @ torch.linalg.inv(K).T
    ahead = z[row, column]
    middle = ahead.median()
    extent = (rays.amax(0) - rays.amin(0)).norm() * middle  # of the object across the picture, in metres
    plausible = (ahead - middle).abs() < DEEPEST * extent  # a wall far behind would draw the first fit away
    points, weights = rays * ahead.unsqueeze(-1) / extent, seen.weights[inside] * plausible
    fitted, missed = robust_similarity(points, places[inside], weights, SPREAD, scaled=True)
    motion = fitted.inverse()
    scale = float(motion.scale * extent)
    return Registration(
        field=field,
        rotation=motion.rotation,
        translation=motion.translation * extent,
        scale=scale,
        residual=float(missed.median()) * scale,
        inliers=float((missed < NEAR_ENOUGH).double().mean()),
    )
