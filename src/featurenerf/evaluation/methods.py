"""What is compared when two places are matched: a field's descriptors, or one of the baselines.

Every method gives a vector to a place (a pixel of a picture, or a world point) and a rule for which vectors are close:

=========== ==================================================== ================ ===============================
method      vector of a pixel                                    rule             vector of a world point
=========== ==================================================== ================ ===============================
descriptor  rendered descriptor                                  cosine           queried descriptor
feature     rendered distilled feature                           cosine           queried feature
teacher     the teacher's map of the real picture, upsampled     cosine           the map at the point's projection
coordinate  rendered coordinate divided by alpha                 Euclidean        queried coordinate
same-pixel  the pixel's own position                             Euclidean        its position in camera coordinates
chance      none                                                 any candidate    none
=========== ==================================================== ================ ===============================

``same-pixel`` knows nothing: it answers with the same place in front of the camera; ``chance`` with any, by a fixed
seed. In the ``view`` task, ``teacher`` sees the real target picture, which no other method does (reports mark it as
privileged).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, get_args, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.layout import AnnotationKind
from featurenerf.errors import InputError
from featurenerf.matching import match, nearest

Method = Literal["descriptor", "feature", "teacher", "same-pixel", "coordinate", "chance"]
METHODS: tuple[Method, ...] = get_args(Method)
FIELD_METHODS: tuple[Method, ...] = ("descriptor", "feature", "coordinate")
"""The methods that need a model."""

Background = Literal["black", "white"]
"""What rendered and real pictures are compared on."""

FeatureMaps = Callable[[Tensor], Tensor]
"""(B, 4|3, H, W) pictures in [0, 1] to (B, C, h, w) feature maps."""

_ALPHA_FLOOR = 1e-6
_KEPT = 4  # fields and maps kept at a time: at 128 x 128 and 512 numbers a pixel a map is 32 MiB
_POINTS = 32768  # points queried at once

T = TypeVar("T")


@runtime_checkable
class Views(Protocol):
    """What evaluation needs of an object of a data set (``featurenerf.data.views.ObjectViews`` is one)."""

    def __len__(self) -> int: ...

    def camera(self, view: int) -> Camera: ...

    def picture(self, view: int) -> Any: ...

    def has(self, kind: AnnotationKind) -> bool: ...

    def parts(self, view: int) -> Any: ...

    def keypoints(self, view: int) -> Any: ...

    def part_points(self) -> tuple[Any, Any]: ...

    def keypoint_candidates(self) -> tuple[Any, Any]: ...


@runtime_checkable
class Encoder(Protocol):
    """What evaluation needs of a model (``featurenerf.fields.base.Model`` is one)."""

    def encode(self, picture: Any, camera: Any = ...) -> Any: ...


@dataclass(frozen=True)
class End:
    """One end of a pair: the view a field is made from and the view it is looked at in (the same but in ``view``).

    ``also`` are further views of the object that the field is made from.
    """

    object_id: str
    encoded: int
    shown: int
    also: tuple[int, ...] = ()


class Embedder:
    """The vectors of places, by one method. Fields, renders and teacher maps are kept while they are recent."""

    def __init__(
        self,
        method: Method,
        objects: Callable[[str], Views],
        model: Encoder | None = None,
        teacher: FeatureMaps | None = None,
        background: Background = "black",
    ) -> None:
        """
        Raises:
            InputError: for an unknown method, or one whose model or teacher is missing.
        """
        if method not in METHODS:
            raise InputError(f"there is no method {method!r}; there are: {', '.join(METHODS)}")
        if method in FIELD_METHODS and model is None:
            raise InputError(f"method {method!r} needs a checkpoint")
        if method == "teacher" and teacher is None:
            raise InputError(
                "method 'teacher' needs a teacher: name one, or give a checkpoint that was trained with one"
            )
        self.method, self.objects, self.model, self.teacher = method, objects, model, teacher
        self.background = background
        self.seconds = 0.0
        """Wall time spent on encoding, rendering and teacher maps."""
        self.encoded = self.shown = 0
        """Pictures encoded, and pictures rendered (or given to the teacher)."""
        self._dice = torch.Generator().manual_seed(0)
        self._fields: _Recent[Any] = _Recent(_KEPT)
        self._maps: _Recent[dict[str, Tensor]] = _Recent(_KEPT)

    @property
    def seconds_per_picture(self) -> float | None:
        pictures = max(self.encoded, self.shown)
        return self.seconds / pictures if pictures else None

    @property
    def has_field(self) -> bool:
        return self.method in FIELD_METHODS

    def closest(self, query: Float[Tensor, "n d"], candidates: Float[Tensor, "m d"]) -> Int[Tensor, " n"]:
        """Index of the candidate closest to each query, by this method's rule; on the CPU."""
        if self.method == "chance":
            return torch.randint(len(candidates), (len(query),), generator=self._dice)
        rule = nearest if self.method in ("same-pixel", "coordinate") else match
        return rule(query, candidates)[0].cpu()

    def pixels(self, end: End, places: Int[Tensor, "n 2"]) -> Float[Tensor, "n d"]:
        """Vectors of pixels (column, row)."""
        if self.method in ("same-pixel", "chance"):
            return places.float()
        values = self._shown(end)[self.method]
        column, row = places.to(values.device).unbind(-1)
        return values[row, column]

    def points(self, end: End, places: Float[Tensor, "n 3"]) -> Float[Tensor, "n d"]:
        """Vectors of world points of an object that is seen in one view."""
        camera = self.objects(end.object_id).camera(end.encoded)
        places = places.to(camera.pose.dtype)
        if self.method in ("same-pixel", "chance"):
            return camera.world_to_camera(places)
        if self.method == "teacher":
            features = self._teacher_map(end)["map"]
            size = torch.tensor([camera.width, camera.height])
            grid = (2 * camera.project(places)[0] / size - 1).to(features.device, features.dtype)
            sampled = F.grid_sample(features[None], grid[None, None], padding_mode="border", align_corners=False)
            return sampled[0, :, 0].T
        with self._clock():
            field = self._field(end)
            directions = point_directions(places, camera, field.pixel_offset)
            device = field.source.pose.device
            samples = [
                getattr(field.query(some.to(device), toward.to(device), channels=(self.method,)), self.method)
                for some, toward in zip(places.split(_POINTS), directions.split(_POINTS), strict=True)
            ]
            return torch.cat(samples).float()

    def picture(self, end: End) -> UInt8[np.ndarray, "h w 3"]:
        """The rendered picture on the background, as 8 bits (truncated)."""
        maps = self._shown(end)
        rgb = maps["rgb"] if self.background == "black" else maps["rgb"] + (1 - maps["alpha"])
        return (rgb.clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()

    # ------------------------------------------------------------------ made once, kept for a while

    def _shown(self, end: End) -> dict[str, Tensor]:
        """(H, W, C) maps of the picture at the shown view: the method's own and, of a field, rgb."""
        return self._maps.get(end, lambda: self._upsampled(end) if self.method == "teacher" else self._rendered(end))

    def _rendered(self, end: End) -> dict[str, Tensor]:
        camera = self.objects(end.object_id).camera(end.shown)
        with_alpha = self.method == "coordinate" or self.background == "white"
        channels = (self.method, "rgb", "alpha") if with_alpha else (self.method, "rgb")
        with self._clock():
            maps = {name: value.float() for name, value in self._field(end).render(camera, channels=channels).items()}
            if self.method == "coordinate":
                maps["coordinate"] = maps["coordinate"] / maps["alpha"].clamp_min(_ALPHA_FLOOR)
        self.shown += 1
        return maps

    def _upsampled(self, end: End) -> dict[str, Tensor]:
        height, width = self.objects(end.object_id).picture(end.shown).shape[:2]
        features = self._teacher_map(end)["map"]
        whole = F.interpolate(features[None], (height, width), mode="bilinear", align_corners=False)
        return {"teacher": whole[0].permute(1, 2, 0)}

    def _teacher_map(self, end: End) -> dict[str, Tensor]:
        def make() -> dict[str, Tensor]:
            assert self.teacher is not None
            rgba = torch.as_tensor(self.objects(end.object_id).picture(end.shown))
            with self._clock():
                features = self.teacher(rgba.permute(2, 0, 1)[None].float() / 255)[0]
            self.shown += 1
            return {"map": features.float()}

        return self._maps.get(("teacher", end.object_id, end.shown), make)

    def _field(self, end: End) -> Any:
        def make() -> Any:
            assert self.model is not None
            views = self.objects(end.object_id)
            numbers = (end.encoded, *end.also)
            pictures = [torch.from_numpy(composite(np.asarray(views.picture(n)))).permute(2, 0, 1) for n in numbers]
            ready, cameras = [picture.float() / 255 for picture in pictures], [views.camera(n) for n in numbers]
            self.encoded += 1
            return self.model.encode(ready, cameras) if end.also else self.model.encode(ready[0], cameras[0])

        return self._fields.get((end.object_id, end.encoded, end.also), make)

    def _clock(self) -> _Clock:
        return _Clock(self)


def composite(picture: UInt8[np.ndarray, "h w c"], background: Background = "black") -> UInt8[np.ndarray, "h w 3"]:
    """An RGB(A) picture on a background, truncated to 8 bits: a model is given it on black."""
    if picture.shape[2] == 3:
        return picture.copy()
    alpha = picture[..., 3:].astype(np.uint16)
    behind = 0 if background == "black" else 255 * (255 - alpha)
    return ((picture[..., :3] * alpha + behind) // 255).astype(np.uint8)


def point_directions(points: Float[Tensor, "n 3"], camera: Camera, pixel_offset: float) -> Float[Tensor, "n 3"]:
    """The viewing direction of world points in the protocol: the ray of the pixel that each point's projection falls in
    (truncated, clamped to the picture), which starts ``pixel_offset`` into that pixel."""
    last = torch.tensor([camera.width - 1, camera.height - 1], dtype=points.dtype, device=points.device)
    pixel = camera.project(points)[0].trunc().clamp_min(0).minimum(last)
    return camera.rays_through(pixel + pixel_offset)[1]


class _Clock:
    """Adds the wall time of a block to an embedder's seconds; blocks do not nest."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.embedder.seconds += time.perf_counter() - self.start


class _Recent(OrderedDict[Hashable, T]):
    """The values made last, at most ``size`` of them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def get(self, key: Hashable, make: Callable[[], T]) -> T:  # type: ignore[override]
        if key in self:
            self.move_to_end(key)
            return self[key]
        value = make()
        self[key] = value
        while len(self) > self.size:
            self.popitem(last=False)
        return value
