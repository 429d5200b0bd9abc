"""What every field answers: ``query`` at points, ``render`` for a camera, channels by name.

A field is a value: it is made once, by ``Model.encode`` or by an edit of other fields, and never changes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.arrays import ArrayLike, floats
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields import notebook
from featurenerf.fields.pose import CameraEstimate
from featurenerf.fields.registration import Map, Matrix, Registration, ToPhotograph, register

Points = Float[Tensor, "*n 3"]
"""World points, or unit directions."""
CHANNELS = ("density", "rgb", "feature", "coordinate", "descriptor")
"""The channels that models of this package have, unless they were made without one. Fields may have others."""


class Values(dict[str, Tensor]):
    """Channels by name, read by key (``values["rgb"]``) or by attribute (``values.rgb``).

    A known channel that was not asked for is None as an attribute and missing as a key.
    """

    __slots__ = ()

    density: Float[Tensor, "*n"] | None
    rgb: Float[Tensor, "*n 3"] | None
    feature: Float[Tensor, "*n f"] | None
    coordinate: Float[Tensor, "*n 3"] | None
    descriptor: Float[Tensor, "*n d"] | None
    alpha: Float[Tensor, "*n 1"] | None
    depth: Float[Tensor, "*n 1"] | None

    def __getattr__(self, name: str) -> Tensor | None:
        if name in self:
            return self[name]
        if name in Values.__annotations__:
            return None
        raise AttributeError(f"there is no channel {name!r} here; there are: {', '.join(self)}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name} {tuple(value.shape)}' for name, value in self.items())})"


class Samples(Values):
    """What a field knows of points.

    density (...): differential opacity per world unit, >= 0.
    rgb (..., 3): colour in [0, 1].
    feature (..., F): the distilled 2D feature.
    coordinate (..., 3): the estimate of the point in the object's own frame (+x front, z up, diagonal 1).
    descriptor (..., D): the last hidden activation, not normalised (paper, section 3.3).
    Further channels are (..., C).
    """

    __slots__ = ()


class Rendered(Values):
    """Rendered channels, each (H, W, C) of one camera, (V, H, W, C) of several, with B in front from a batch of fields;
    "alpha" and "depth" have C = 1."""

    __slots__ = ()

    def _repr_png_(self) -> bytes | None:
        return notebook.png([self])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Field(ABC):
    """An object as a function of space.

    A field from ``encode`` has no batch dimension; one from ``encode_batch`` has one, and then points, directions
    and cameras have it too.

    Attributes:
        source: the cameras of the pictures, batch shape (V,) or (B, V).
        pixel_offset: where in a pixel its ray starts: 0.5, or 0 for a model imported from the authors' program.
        estimate: how the source camera was found, and how sure it is; None where the camera was given.
    """

    source: Camera
    pixel_offset: float = 0.5
    estimate: CameraEstimate | None = None

    @property
    @abstractmethod
    def channels(self) -> Mapping[str, int]:
        """How many numbers each channel of a point has, by name."""

    @abstractmethod
    def query(
        self, points: ArrayLike, directions: ArrayLike | None = None, channels: Sequence[str] | None = None
    ) -> Samples:
        """What the field knows of world points.

        Args:
            points: ``(..., 3)``; ``(B, ..., 3)`` for a batch of fields. A tensor, or a NumPy array or a list, which
                count in the field's own number format.
            directions: unit viewing directions; None is from the first source camera to the point.
            channels: which to compute; None is all that the field has.
        Raises:
            InputError: for an unknown channel, or points that are not ``(..., 3)`` or not finite.
        """

    @abstractmethod
    def render(self, camera: Camera, channels: Sequence[str] | None = None) -> Rendered:
        """The picture that a camera would take: "alpha", "depth" and every channel but density.

        Deterministic; on black; composited values are not divided by alpha. Depth is the distance along the ray.
        Gradients flow to the model (and to the camera's pose).

        Args:
            camera: one camera, or several: (V,) gives (V, H, W, C), as ``field.source`` does. A batch of B fields takes
                (B,) cameras, or (B, V).
            channels: None is all that there are, without "coordinate".
        Raises:
            InputError: for an unknown channel, or a camera of another batch shape.
        """

    def register(
        self, depth: Map, intrinsics: Matrix, mask: Map | None = None, crop: ToPhotograph | None = None
    ) -> Registration:
        """Where the object is in metres, in the frame of the camera that took its picture together with a depth map.

        The depth of each visible point is compared with the place that the field predicts of it in the object's frame:
        a robust similarity fit. The pose is as good as these places are: see docs/cameras.md.

        Args:
            depth: (H, W) z-depth in metres of the whole photograph; 0, NaN or infinity where it is not known.
            intrinsics: (3, 3), OpenCV's convention (integer pixel centres).
            mask: (H, W), true where the object is; None goes by the field's own outline.
            crop: what ``prepare(..., return_crop=True)`` returned; None where the whole photograph was encoded.
        Raises:
            InputError: for a depth map of another shape, hardly a depth on the object, or a field without coordinates.
        """
        return register(self, depth, intrinsics, mask, crop)

    @property
    def batched(self) -> bool:
        return len(self.source.batch_shape) == 2

    def __repr__(self) -> str:
        known = ", ".join(f"{name} {size}" for name, size in self.channels.items())
        return f"{type(self).__name__}({known}; from pictures of batch shape {tuple(self.source.batch_shape)})"

    @torch.no_grad()
    def _repr_png_(self) -> bytes | None:
        """Notebooks show the first source view, and one turned by 120 degrees; of a batch, the source views."""
        own = self.source[:, 0] if self.batched else self.source[0]
        size = min(128, max(own.width, own.height)) / max(own.width, own.height)
        own = own.resize(max(1, round(own.width * size)), max(1, round(own.height * size)))
        x, y, z = own.centre.flatten()[:3].tolist()
        azimuth, elevation = math.degrees(math.atan2(y, x)) + 120, math.degrees(math.atan2(z, math.hypot(x, y)))
        cameras = [own] if self.batched else [own, Camera.look_at(azimuth, elevation, own.width, own.height)]
        channels = ["alpha", "depth", *(name for name in ("rgb", "descriptor") if name in self.channels)]
        return notebook.png([self.render(camera, channels) for camera in cameras])


def chosen(channels: Sequence[str] | None, default: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The channels that were asked for; InputError for one that is not known."""
    if channels is None:
        return tuple(default)
    if isinstance(channels, str):
        raise InputError(f"channels are a list of names: give [{channels!r}], not {channels!r}")
    known = tuple(known)
    for name in channels:
        if name not in known:
            without = ": the model was made without it" if name in CHANNELS and name != "density" else ""
            raise InputError(f"this field has no channel {name!r}{without}; it has: {', '.join(known)}")
    return tuple(channels)


def as_points(given: ArrayLike, what: str, fields: torch.Size, device: torch.device) -> Points:
    """World points, or directions, as floats on a field's device; what is no tensor of floats becomes float32.

    Args:
        fields: the batch shape of the field: () or (B,), which points have too.
    Raises:
        InputError: they are not ``(*fields, ..., 3)``, or not finite.
    """
    points = floats(given, what, device)
    if points.ndim == 0 or points.shape[-1] != 3:
        raise InputError(f"{what} are (..., 3) world coordinates, not {tuple(points.shape)}")
    if fields and (points.ndim < 2 or points.shape[0] != fields[0]):
        found = tuple(points.shape)
        raise InputError(f"{what} of a batch of {fields[0]} fields are ({fields[0]}, ..., 3), not {found}")
    if not torch.isfinite(points).all():
        raise InputError(f"{what} to query hold NaN or infinite numbers")
    return points if isinstance(given, Tensor) and points.dtype != torch.float16 else points.float()
