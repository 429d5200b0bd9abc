"""Fields that are rendered by sampling them along rays."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from featurenerf.arrays import ArrayLike
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import CHANNELS, Field, Points, Rendered, Samples, as_points, chosen
from featurenerf.rendering import Channels, PerRay, RayValues, Sampling, Vectors, render_rays
from featurenerf.shown import Shown

RADIUS = 0.5
"""Of the sphere around the origin in which an object lies, in world units."""
_POINTS_PER_CHUNK = 32768  # of a query; memory grows with it


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class VolumeField(Field):
    """A field that ``sample`` defines. Subclasses implement ``channels`` and ``sample``, and may narrow ``bounds``.

    Attributes:
        sampling: where the renderer evaluates the field.
        rays_per_chunk: how many rays are rendered at a time; memory grows with it.
    """

    sampling: Sampling = field(default_factory=Sampling)
    rays_per_chunk: int = 16384

    @property
    def internal(self) -> Mapping[str, int]:
        """Further channels and their lengths; they are computed only where they are asked for by name."""
        return {}

    def _asked(self, channels: Sequence[str] | None) -> list[str]:
        return [name for name in self.internal if name in (channels or ())]

    @abstractmethod
    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        """Values of channels at world points; ``directions`` are unit and point away from the viewer."""

    def bounds(self, origins: Vectors, directions: Vectors, near: float, far: float) -> tuple[PerRay, PerRay]:
        """Depths between which rays are sampled. Near 0 and far infinity are no cut: then it is the depths at which the
        sphere of radius 0.5 can be. A field that knows where it is empty, or that it lies elsewhere, says so."""
        away = origins.norm(dim=-1, keepdim=True)
        start = (away - RADIUS).clamp(min=0.0) if near == 0.0 else torch.full_like(away, near)
        end = away + RADIUS if far == math.inf else torch.full_like(away, far)
        return start, torch.maximum(start, end)

    def shown(self) -> Shown | None:
        """What its picture shows by itself; None for several pictures, or where it does not keep that."""
        return None

    def mirrored(self, points: Points) -> Points | None:
        """Where the mirror images of world points of the object lie; None where it is not known to have any."""
        return None

    def query(
        self, points: ArrayLike, directions: ArrayLike | None = None, channels: Sequence[str] | None = None
    ) -> Samples:
        device, fields = self.source.pose.device, self.source.batch_shape[:-1]
        points = as_points(points, "points", fields, device)
        every = channels is None or tuple(channels) == CHANNELS  # as much of it as the field has
        wanted = chosen(None if every else channels, self.channels, (*self.channels, *self._asked(channels)))
        batch = points.shape[0] if self.batched else 1
        flat = points.reshape(batch, points.shape[:-1].numel() // max(1, batch), 3)
        if directions is None:
            away = flat - self.source.centre[..., 0, :].reshape(batch, 1, 3).to(flat.dtype)
            outward = away / away.norm(dim=-1, keepdim=True).clamp(min=1e-8)
        else:
            outward = as_points(directions, "directions", fields, device)
            if outward.shape != points.shape:
                found, wanted_shape = tuple(outward.shape), tuple(points.shape)
                raise InputError(f"directions {found} and points {wanted_shape} differ in shape")
            outward = outward.reshape(flat.shape)
        count = flat.shape[1]
        if count == 0:  # one point tells how long channels are
            flat, outward = flat.new_zeros(batch, 1, 3), flat.new_zeros(batch, 1, 3)
        size = max(1, _POINTS_PER_CHUNK // batch)
        parts = zip(flat.split(size, 1), outward.to(flat.dtype).split(size, 1), strict=True)
        chunks = [self.sample(some, along, wanted) for some, along in parts]
        values = {name: torch.cat([chunk[name] for chunk in chunks], 1)[:, :count] for name in wanted}
        shaped = {name: value.reshape(*points.shape[:-1], value.shape[-1]) for name, value in values.items()}
        if "density" in shaped:
            shaped["density"] = shaped["density"][..., 0]
        return Samples(shaped)

    def render(self, camera: Camera, channels: Sequence[str] | None = None) -> Rendered:
        shown = [name for name in self.channels if name != "density"]
        default = ["rgb", "depth", "alpha", *(n for n in shown if n not in ("rgb", "coordinate"))]
        known = ("alpha", "depth", *shown, *self._asked(channels))
        wanted = chosen(channels, default if "rgb" in shown else default[1:], known)
        fields, given = self.source.batch_shape[:-1], camera.batch_shape
        if given[: len(fields)] != fields or len(given) > len(fields) + 1:
            raise InputError(
                f"this field takes a camera of batch shape {tuple(fields)}, not {tuple(given)}, or several of "
                "them with one more axis at the end"
            )
        batch = self.source.batch_shape[0] if self.batched else 1
        rays = camera.to(self.source.pose.device).rays(self.pixel_offset)
        count = given.numel() * camera.height * camera.width // batch
        origins, directions = (vectors.reshape(batch, count, 3) for vectors in rays)
        near, far = self.bounds(origins, directions, *camera.cut)
        flat = self._render_flat(origins, directions, near, far, wanted)
        shape = (*camera.batch_shape, camera.height, camera.width)
        return Rendered({name: flat[name].reshape(*shape, flat[name].shape[-1]) for name in wanted})

    def _render_flat(
        self, origins: Vectors, directions: Vectors, near: PerRay, far: PerRay, channels: tuple[str, ...]
    ) -> Channels:
        """Composited channels of rays, in chunks; of a single field, only the rays that meet its bound."""
        batch, count = origins.shape[:2]
        hit = (far > near)[0, :, 0] if batch == 1 else torch.ones(count, dtype=torch.bool, device=origins.device)
        index = hit.nonzero()[:, 0]
        sizes = {**self.channels, **self.internal}
        if len(index) == 0:  # the camera sees nothing of where the field is
            return {name: origins.new_zeros(batch, count, sizes.get(name, 1)) for name in channels}
        parts = []
        for chunk in index.split(max(1, self.rays_per_chunk // batch)):
            o, d, start, end = (whole[:, chunk] for whole in (origins, directions, near, far))
            parts.append(render_rays(self.sample, o, d, start, end, channels, self.sampling).channels)
        joined = {name: torch.cat([part[name] for part in parts], 1) for name in channels}
        return {k: v.new_zeros(batch, count, v.shape[-1]).index_copy(1, index, v) for k, v in joined.items()}

    def render_rays(
        self,
        origins: Vectors,
        directions: Vectors,
        near: float,
        far: float,
        channels: tuple[str, ...],
        *,
        jitter: bool = False,
        generator: torch.Generator | None = None,
    ) -> RayValues:
        """Render some rays of a batch of fields, samples and all: what training uses."""
        rays = (origins, directions, *self.bounds(origins, directions, near, far))
        return render_rays(self.sample, *rays, channels, self.sampling, jitter=jitter, generator=generator)
