"""Fields that are known exactly, for tests of what is done with fields: a solid ellipsoid with three coloured parts,
and any density that a formula gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from featurenerf.cameras import Camera
from featurenerf.fields import VolumeField
from featurenerf.models.base import Model
from featurenerf.rendering import Sampling, sphere_bounds

RADII = (0.4, 0.22, 0.15)  # inside the sphere of radius 0.5
COLOURS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.9]])


def part(points: Tensor) -> Tensor:
    """0, 1 or 2: the back, middle or front third of the ellipsoid."""
    return (points[..., 0] > -0.13).long() + (points[..., 0] > 0.13).long()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EllipsoidField(VolumeField):
    opacity: float = 500.0

    @property
    def channels(self) -> dict[str, int]:
        return {"density": 1, "rgb": 3, "feature": 3, "coordinate": 3, "descriptor": 8}

    def sample(self, points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        distance = (points / torch.tensor(RADII)).norm(dim=-1, keepdim=True)
        kind = torch.nn.functional.one_hot(part(points), 3).float()
        # smooth across 0.02 units of the surface, so that marching cubes finds it between grid points
        values = {
            "density": self.opacity * ((1.1 - distance) / 0.2).clamp(0, 1),
            "rgb": COLOURS[part(points)],
            "descriptor": torch.cat([3 * kind, points, torch.ones_like(points[..., :2])], -1),
            "feature": kind,
            "coordinate": points,
        }
        return {name: values[name] for name in channels}

    def bounds(self, origins: Tensor, directions: Tensor, near: float, far: float) -> tuple[Tensor, Tensor]:
        start, end = sphere_bounds(origins, directions, 0.5)
        return start.clamp(min=near), end.clamp(max=far)


class EllipsoidModel(Model):
    """Sees the same ellipsoid in every picture (nothing in a black one)."""

    name = "ellipsoid"
    canonical = None
    channels = {"density": 1, "rgb": 3, "feature": 3, "coordinate": 3, "descriptor": 8}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def _encode(self, pictures: Tensor, cameras: Camera, assumed: bool = False) -> VolumeField:
        return ellipsoid(cameras, 500.0 if pictures[..., :3, :, :].max() > 0 else 0.0)


def ellipsoid(source: Camera | None = None, opacity: float = 500.0) -> EllipsoidField:
    source = Camera.look_at().reshape(1) if source is None else source
    return EllipsoidField(source=source, sampling=Sampling(64), rays_per_chunk=65536, opacity=opacity)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FormulaField(VolumeField):
    """A field whose density is a formula of world points; red is their radius, green is above 1 and blue below 0, and
    the descriptor is the point itself. It is empty outside the sphere of radius 0.5 where it is rendered."""

    formula: Callable[[Tensor], Tensor] = torch.zeros_like

    @property
    def channels(self) -> dict[str, int]:
        return {"density": 1, "rgb": 3, "descriptor": 3}

    def sample(self, points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        radius = points.norm(dim=-1, keepdim=True)
        values = {
            "density": self.formula(points)[..., None],
            "rgb": torch.cat([radius, torch.full_like(radius, 2), torch.full_like(radius, -1)], -1),
            "descriptor": points,
        }
        return {name: values[name] for name in channels}

    def bounds(self, origins: Tensor, directions: Tensor, near: float, far: float) -> tuple[Tensor, Tensor]:
        return sphere_bounds(origins, directions, 0.5)


def formula_field(formula: Callable[[Tensor], Tensor], source: Camera | None = None) -> FormulaField:
    """A field of a formula of points, seen from the front unless another camera is given."""
    source = Camera.look_at(0.0, 0.0).reshape(1) if source is None else source
    return FormulaField(source=source, sampling=Sampling(64), rays_per_chunk=65536, formula=formula)
