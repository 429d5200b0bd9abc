"""Where a field is edited, and what colour it takes there: functions of points and of what a field knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featurenerf.arrays import floats
from featurenerf.errors import InputError
from featurenerf.fields.base import Field
from featurenerf.fields.lookup import interpolate
from featurenerf.matching import match, normalise

NEARNESS = 300.0
"""How much cosine similarity a point loses to one of its own object by squared distance: 0.03 at 0.01 units.
Measured in docs/editing.md."""
_POINTS_AT_ONCE = 2048

PointValues = Mapping[str, Float[Tensor, "n _"]]
"""Channels of points, by name."""


class PointFunction(Protocol):
    """A function of points and of some of their channels."""

    @property
    def channels(self) -> tuple[str, ...]:
        """What it must know of points, beside where they are."""


@runtime_checkable
class Region(PointFunction, Protocol):
    """Where something is."""

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Bool[Tensor, " n"]:
        """Whether world points lie in it."""


@runtime_checkable
class Paint(PointFunction, Protocol):
    """What colour points take."""

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Float[Tensor, "n 3"]:
        """Colours of world points, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Ball:
    """The points that are no further than a radius from a centre, in world units."""

    centre: tuple[float, float, float]
    radius: float
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        centre = floats(self.centre, "the centre of a ball")
        if centre.shape != (3,) or not centre.isfinite().all() or not self.radius >= 0:
            raise InputError(f"a ball has a centre (x, y, z) and a radius from 0, not {self.centre} and {self.radius}")

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Bool[Tensor, " n"]:
        return (points - points.new_tensor(self.centre)).norm(dim=-1) <= self.radius


@dataclass(frozen=True, eq=False)
class Painted:
    """The points that are no further than a radius from one of those that a brush has touched, in world units."""

    touched: Float[Tensor, "m 3"]
    radius: float
    channels: tuple[str, ...] = ()

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Bool[Tensor, " n"]:
        touched = self.touched.to(points)
        near = [(torch.cdist(some, touched) <= self.radius).any(1) for some in points.split(_POINTS_AT_ONCE)]
        return torch.cat(near) if near else points.new_zeros(0, dtype=torch.bool)


@dataclass(frozen=True, eq=False)
class Part:
    """The points whose descriptor is most like one with a given label.

    Attributes:
        descriptors: that are labelled, of this field's object or of any other.
        labels: of each.
        label: the part's.
        places: of those that are this field's own, world points, NaN for the others; None where all are others'. Of
            its own object, what is near is also more alike: cosine - ``NEARNESS`` x squared distance decides.
    """

    descriptors: Float[Tensor, "m d"]
    labels: Int[Tensor, " m"]
    label: int
    places: Float[Tensor, "m 3"] | None = None
    channels: tuple[str, ...] = ("descriptor",)

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Bool[Tensor, " n"]:
        if self.places is None:
            index, _ = match(values["descriptor"], self.descriptors)
        else:
            index = self._nearby(points, values["descriptor"], self.places)
        return self.labels.to(index.device)[index] == self.label

    def _nearby(
        self, points: Float[Tensor, "n 3"], descriptors: Float[Tensor, "n d"], places: Float[Tensor, "m 3"]
    ) -> Int[Tensor, " n"]:
        known, places = normalise(self.descriptors.to(descriptors)), places.to(points)
        found = [points.new_zeros(0, dtype=torch.int64)]
        for some, own in zip(points.split(_POINTS_AT_ONCE), descriptors.split(_POINTS_AT_ONCE), strict=True):
            away = torch.cdist(some, places.nan_to_num()).square()
            score = normalise(own) @ known.T - NEARNESS * torch.where(places[:, 0].isnan(), 0.0, away)
            found.append(score.argmax(1))
        return torch.cat(found)


@dataclass(frozen=True, eq=False)
class Alike:
    """The points whose descriptor is at least so similar (cosine) to a given one."""

    descriptor: Float[Tensor, " d"]
    least: float
    channels: tuple[str, ...] = ("descriptor",)

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Bool[Tensor, " n"]:
        found = normalise(values["descriptor"].float())
        return found @ normalise(self.descriptor.to(found)) >= self.least


@dataclass(frozen=True, eq=False)
class Plain:
    """One colour."""

    rgb: tuple[float, float, float]
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rgb = floats(self.rgb, "a colour")
        if rgb.shape != (3,) or not ((rgb >= 0) & (rgb <= 1)).all():
            raise InputError(f"a colour is three numbers from 0 to 1 (red, green, blue), not {self.rgb}")

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Float[Tensor, "n 3"]:
        return points.new_tensor(self.rgb).expand(len(points), 3)


@dataclass(frozen=True, eq=False)
class Texture:
    """To each point the colour of the most similar descriptor (paper, section 4.4)."""

    descriptors: Float[Tensor, "m d"]
    rgb: Float[Tensor, "m 3"]
    channels: tuple[str, ...] = ("descriptor",)

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Float[Tensor, "n 3"]:
        index, _ = match(values["descriptor"], self.descriptors)
        return self.rgb.to(index.device)[index]


@dataclass(frozen=True, eq=False)
class Voxels:
    """A region that was worked out once, on a grid: see ``baked``.

    Attributes:
        inside: share of the region at the points of a grid over the cube of side 1 around the origin, axes x, y, z.
    """

    inside: Float[Tensor, "g g g"]
    channels: tuple[str, ...] = ()

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Bool[Tensor, " n"]:
        cells = (points + 0.5) * (len(self.inside) - 1)
        return interpolate(self.inside.to(points)[None, ..., None], cells.flip(-1)[None])[0, :, 0] > 0.5


@torch.no_grad()
def baked(field: Field, region: Region, grid: int = 80, least: float = 0.5) -> Voxels:
    """A region of a field, worked out on a grid and smoothed over a cell: what is asked of it afterwards costs little.

    Args:
        grid: points a side of the cube of side 1 around the origin.
        least: where the field is less dense, the region is that of the closest denser place.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    axis = torch.linspace(-0.5, 0.5, grid, device=field.source.pose.device)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).flatten(0, 2)
    solid = field.query(points, channels=("density",))["density"] > least
    inside = torch.zeros(len(points), device=points.device)
    if solid.any():
        known = field.query(points[solid], channels=region.channels)
        inside[solid] = region(points[solid], known).float()
    shape = (grid, grid, grid)
    there, which = (x.reshape(shape).cpu().numpy() for x in (solid, inside))
    weight = gaussian_filter(there.astype("float32"), 0.7)
    smooth = gaussian_filter(which, 0.7) / weight.clip(min=1e-6)
    if there.any():
        closest = distance_transform_edt(~there, return_distances=False, return_indices=True)
        smooth = smooth[tuple(closest)]
    return Voxels(torch.from_numpy(smooth).float().to(points))
