"""What every field and every model can do.

``Model.encode`` turns pictures into a ``Field``; a field answers ``query`` and ``render`` and never changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields.warp import Canonical, canonicalise
from featurenerf.pictures import Picture, on_black, to_tensor
from featurenerf.rendering import RayValues, Sampling, render_rays

CHANNELS = ("density", "rgb", "feature", "coordinate", "descriptor")
"""What a field knows of a point."""


@dataclass(frozen=True)
class Samples:
    """What a field knows of points; a channel that was not asked for is None.

    Attributes:
        density: differential opacity per world unit, >= 0.
        rgb: colour in [0, 1].
        feature: the distilled 2D feature, F numbers.
        coordinate: the network's estimate of the point in the object's own frame (+x front, z up, diagonal 1).
        descriptor: the last hidden activation, D numbers, not normalised (paper, section 3.3).
    """

    density: Float[Tensor, "*n"] | None = None
    rgb: Float[Tensor, "*n 3"] | None = None
    feature: Float[Tensor, "*n f"] | None = None
    coordinate: Float[Tensor, "*n 3"] | None = None
    descriptor: Float[Tensor, "*n d"] | None = None


class Rendered(dict[str, Tensor]):
    """Rendered channels by name, each ``(H, W, C)``, or ``(B, H, W, C)`` from a batch of fields."""


@dataclass(frozen=True, eq=False)
class Field(ABC):
    """An object as a function of space: an immutable value made by ``Model.encode``.

    A field from ``encode`` has no batch dimension; one from ``encode_batch`` has one, and then points, directions
    and cameras have it too.

    Attributes:
        source: the cameras of the pictures, batch shape (V,) or (B, V).
        sampling: where the renderer evaluates the field.
        pixel_offset: where in a pixel its ray starts: 0.5, or 0 for a model imported from the authors' program.
        rays_per_chunk: how many rays are rendered at a time; memory grows with it.
    """

    source: Camera
    sampling: Sampling
    pixel_offset: float
    rays_per_chunk: int

    @abstractmethod
    def sample(
        self, points: Float[Tensor, "b n 3"], directions: Float[Tensor, "b n 3"], channels: tuple[str, ...]
    ) -> dict[str, Float[Tensor, "b n _"]]:
        """Values of channels at world points; ``directions`` are unit and point away from the viewer."""

    @property
    def batched(self) -> bool:
        return len(self.source.batch_shape) == 2

    def query(
        self,
        points: Float[Tensor, "*n 3"],
        directions: Float[Tensor, "*n 3"] | None = None,
        channels: Sequence[str] = CHANNELS,
    ) -> Samples:
        """What the field knows of world points.

        Args:
            points: ``(..., 3)``; ``(B, ..., 3)`` for a batch of fields.
            directions: unit viewing directions; None is from the first source camera to the point.
            channels: which of ``CHANNELS`` to compute.
        Raises:
            InputError: for an unknown channel, or points that are not ``(..., 3)`` or not finite.
        """
        _known(channels, CHANNELS)
        if points.ndim == 0 or points.shape[-1] != 3:
            raise InputError(f"points are (..., 3) world coordinates, not {tuple(points.shape)}")
        if not torch.isfinite(points).all():
            raise InputError("points to query hold NaN or infinite numbers")
        if directions is not None and directions.shape != points.shape:
            raise InputError(f"directions {tuple(directions.shape)} and points {tuple(points.shape)} differ in shape")
        batch = points.shape[0] if self.batched else 1
        flat = points.reshape(batch, -1, 3)
        if directions is None:
            away = flat - self.source.centre[..., 0, :].reshape(batch, 1, 3).to(flat.dtype)
            toward = away / away.norm(dim=-1, keepdim=True).clamp(min=1e-8)
        else:
            toward = directions.reshape(batch, -1, 3)
        values = self.sample(flat, toward.to(flat.dtype), tuple(channels))
        shaped = {k: v.reshape(*points.shape[:-1], v.shape[-1]) for k, v in values.items()}
        if "density" in shaped:
            shaped["density"] = shaped["density"][..., 0]
        return Samples(**shaped)

    def render(
        self, camera: Camera, channels: Sequence[str] = ("rgb", "depth", "alpha", "feature", "descriptor")
    ) -> Rendered:
        """The picture that a camera would take: "rgb", "depth", "alpha", "feature", "descriptor", "coordinate".

        Deterministic; on black; composited values are not divided by alpha. Depth is the distance along the ray.
        Gradients flow to the model (and to the camera's pose).

        Args:
            camera: one camera, or a batch of as many as there are fields in a batch.
        """
        _known(channels, ("alpha", "depth", *CHANNELS[1:]))
        if camera.batch_shape != self.source.batch_shape[:-1]:
            raise InputError(
                f"this field takes a camera of batch shape {tuple(self.source.batch_shape[:-1])}, "
                f"not {tuple(camera.batch_shape)}"
            )
        origins, directions = camera.to(self.source.pose.device).rays(self.pixel_offset)
        batch = self.source.batch_shape[0] if self.batched else 1
        origins, directions = origins.reshape(batch, -1, 3), directions.reshape(batch, -1, 3)
        near, far = self.bounds(origins, directions, camera.near, camera.far)
        flat = self._render_flat(origins, directions, near, far, tuple(channels))
        shape = (*camera.batch_shape, camera.height, camera.width)
        return Rendered({name: flat[name].reshape(*shape, -1) for name in channels})

    def render_rays(
        self,
        origins: Float[Tensor, "b r 3"],
        directions: Float[Tensor, "b r 3"],
        near: float,
        far: float,
        channels: tuple[str, ...],
        jitter: bool = False,
        generator: torch.Generator | None = None,
    ) -> RayValues:
        """Render some rays of a batch of fields, samples and all: what training uses."""
        start, end = self.bounds(origins, directions, near, far)
        return render_rays(
            self.sample, origins, directions, start, end, channels, self.sampling, jitter=jitter, generator=generator
        )

    def bounds(
        self, origins: Float[Tensor, "b r 3"], directions: Float[Tensor, "b r 3"], near: float, far: float
    ) -> tuple[Float[Tensor, "b r 1"], Float[Tensor, "b r 1"]]:
        """Depths between which rays are sampled; a field that knows where it is empty narrows them."""
        return torch.full_like(origins[..., :1], near), torch.full_like(origins[..., :1], far)

    def _render_flat(
        self, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor, channels: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """Composited channels of ``(b, r)`` rays, in chunks; of a single field, only the rays that meet its bound."""
        hit = (far > near)[..., 0].all(0) if origins.shape[0] > 1 else (far > near)[0, :, 0]
        index = torch.arange(origins.shape[1], device=hit.device) if origins.shape[0] > 1 else hit.nonzero()[:, 0]
        pieces: dict[str, list[Tensor]] = {}
        chunk = max(1, self.rays_per_chunk // origins.shape[0])
        for part in index.split(chunk) or (index,):
            o, d, start, end = (whole[:, part] for whole in (origins, directions, near, far))
            values = render_rays(self.sample, o, d, start, end, channels, self.sampling)
            for name in channels:
                pieces.setdefault(name, []).append(values.channels[name])
        joined = {name: torch.cat(parts, 1) for name, parts in pieces.items()}
        return {
            name: value.new_zeros(origins.shape[0], origins.shape[1], value.shape[-1]).index_copy(1, index, value)
            for name, value in joined.items()
        }


class Model(nn.Module, ABC):
    """A network that turns pictures into fields. Subclasses implement ``_encode``; ``config`` rebuilds them."""

    name: ClassVar[str]
    config_type: ClassVar[type]
    config: Any
    canonical: Canonical | None

    @abstractmethod
    def _encode(
        self, pictures: Float[Tensor, "b v 3 h w"], cameras: Camera, scale: Float[Tensor, "b v"], assumed: bool = False
    ) -> Field:
        """A batched field. ``cameras`` are those of the pictures in a world scaled by ``scale`` about the origin; where
        they are ``assumed``, the world says nothing of the object's heading."""

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def encode(self, picture: Picture | Sequence[Picture], camera: Camera | Sequence[Camera] | None = None) -> Field:
        """One picture of an object, or several of the same object, to a field.

        Args:
            picture: path, PIL image or (3|4, H, W) float tensor in [0, 1], or a list of those. Alpha goes on black;
                nothing is cropped or masked (``featurenerf.prepare`` does that).
            camera: of each picture; None is ``Camera.look_at(azimuth=0, elevation=20)``, and the world is then
                that assumed camera's. A camera that is given should be in the object's own frame (+x front, z up) as
                far as that is known. The picture is warped to the model's intrinsics.
        Raises:
            InputError: for an unreadable picture, or cameras that do not fit the pictures.
        """
        pictures: list[Any] = list(picture) if isinstance(picture, (list, tuple)) else [picture]
        if not pictures:
            raise InputError("encode needs at least one picture")
        tensors = [on_black(to_tensor(p)).to(self.device, self.dtype) for p in pictures]
        assumed = camera is None
        if camera is None:
            if len(tensors) > 1:
                raise InputError(
                    "several pictures need a list of cameras: one view's camera can be assumed, two cannot"
                )
            camera = Camera.look_at(width=tensors[0].shape[2], height=tensors[0].shape[1])
        cameras = [c.to(self.device) for c in ([camera] if isinstance(camera, Camera) else camera)]
        if len(cameras) != len(tensors):
            raise InputError(f"{len(tensors)} pictures came with {len(cameras)} cameras")
        for tensor, cam in zip(tensors, cameras, strict=True):
            if tuple(tensor.shape[1:]) != (cam.height, cam.width):
                raise InputError(
                    f"a picture of {tensor.shape[2]} x {tensor.shape[1]} pixels came with a camera of "
                    f"{cam.width} x {cam.height}: resize one of them (Camera.resize)"
                )
        ready = [self._canonicalise(t[None], c.reshape(1)) for t, c in zip(tensors, cameras, strict=True)]
        if len({p.shape for p, _, _ in ready}) > 1:
            raise InputError("this model takes several pictures only if they have one size")
        field = self._encode(
            torch.stack([p for p, _, _ in ready], 1),
            Camera.stack([c for _, c, _ in ready], 1),
            torch.stack([s for _, _, s in ready], 1),
            assumed,
        )
        return replace(field, source=Camera.stack([c.resize(cameras[0].width, cameras[0].height) for c in cameras]))

    def encode_batch(self, pictures: Float[Tensor, "b v 3 h w"], cameras: Camera) -> Field:
        """B objects with V views each to a batched field; ``cameras`` has batch shape (B, V)."""
        b, v = pictures.shape[:2]
        if tuple(cameras.batch_shape) != (b, v):
            raise InputError(f"pictures of batch shape {(b, v)} came with cameras of {tuple(cameras.batch_shape)}")
        flat, canonical, scale = self._canonicalise(pictures.flatten(0, 1), cameras.reshape(b * v))
        field = self._encode(flat.unflatten(0, (b, v)), canonical.reshape(b, v), scale.reshape(b, v))
        return replace(field, source=cameras)

    def _canonicalise(self, pictures: Float[Tensor, "n 3 h w"], cameras: Camera) -> tuple[Tensor, Camera, Tensor]:
        if self.canonical is None:
            return pictures, cameras, torch.ones(len(pictures), device=pictures.device)
        return canonicalise(pictures, cameras, self.canonical)


def _known(channels: Sequence[str], known: Sequence[str]) -> None:
    for name in channels:
        if name not in known:
            raise InputError(f"there is no channel {name!r}; there are: {', '.join(known)}")
