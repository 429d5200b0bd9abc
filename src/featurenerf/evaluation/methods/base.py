"""What a method is, and what it reads: fields, renders and teacher maps of the objects of a data set."""

from __future__ import annotations

import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Num, UInt8
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.objects import ObjectViews
from featurenerf.errors import InputError
from featurenerf.matching import first_source_camera, match, nearest
from featurenerf.pictures import Background, composite_bytes, from_bytes
from featurenerf.shown import Seen, seen_by

FeatureMaps = Callable[[Tensor], Tensor]
"""(B, 4|3, H, W) pictures in [0, 1] to (B, C, h, w) feature maps."""
Vectors = Float[Tensor, "n d"]

_KEPT = 4  # fields and maps kept at a time: at 128 x 128 and 512 numbers a pixel a map is 32 MiB


@runtime_checkable
class PictureModel(Protocol):
    """What evaluation needs of a model (``featurenerf.models.base.Model`` is one)."""

    def encode(self, picture: Any, camera: Any = ...) -> Any: ...


@dataclass(frozen=True)
class PairView:
    """One side of a pair: the view that a field is made from, and the view in which it is compared.

    They differ in the task ``view`` only. ``also`` are further views of the object that the field is made from.
    """

    object_id: str
    encoded: int
    shown: int
    also: tuple[int, ...] = ()


class Method(ABC):
    """Gives a vector to a place, a pixel or a world point, and says which vectors are close.

    Attributes:
        name: as in the registry.
        channels: what it reads of a field. A method without any needs no model, and renders no picture.
        needs_teacher: whether it reads the teacher's maps.
        privileged: whether it sees the real picture of a view that is to be predicted (task ``view``).
        euclidean: whether near vectors are close, rather than those of a high cosine similarity.
        inputs: what it reads, once an evaluation has started.
    """

    name: str
    channels: tuple[str, ...] = ()
    needs_teacher: bool = False
    privileged: bool = False
    euclidean: bool = False
    inputs: Inputs

    @abstractmethod
    def vectors(self, view: PairView, places: Num[Tensor, "n c"]) -> Vectors:
        """Vectors of places: of pixels (column, row) of the view that is shown, or of world points (x, y, z)."""

    def closest(self, query: Vectors, candidates: Float[Tensor, "m d"]) -> Int[Tensor, " n"]:
        """Index of the candidate that is closest to each query, on the CPU."""
        rule = nearest if self.euclidean else match
        return rule(query, candidates)[0].cpu()

    def carry(self, source: PairView, asked: Tensor, target: PairView, candidates: Tensor) -> Int[Tensor, " n"]:
        """Index of the candidate on the target that each place asked for on the source goes to."""
        return self.closest(self.vectors(source, asked), self.vectors(target, candidates))

    def labels(self, target: PairView, places: Tensor, source: PairView, known: Tensor, parts: Tensor) -> Tensor:
        """Part labels of places of the target: of ``parts``, that of the closest ``known`` place of the source."""
        return parts[self.carry(target, places, source, known)]

    def channel(self, view: PairView, places: Num[Tensor, "n c"], name: str) -> Vectors:
        """One of ``channels``: rendered at pixels (not divided by alpha), or queried at points."""
        if places.shape[1] == 2:
            return at_pixels(self.inputs.rendered(view, self.channels)[name], places)
        return self.inputs.queried(view, places, name)

    def start(self, inputs: Inputs) -> Method:
        """A copy of the method that reads ``inputs``.

        Raises:
            InputError: if the model or the teacher is missing, or the model lacks a channel.
        """
        if self.channels and inputs.model is None:
            raise InputError(f"method {self.name!r} needs a checkpoint")
        known = getattr(inputs.model, "channels", None)
        every = {*(known or ()), *getattr(inputs.model, "internal", ()), "alpha", "depth"}
        lacking = [name for name in self.channels if known is not None and name not in every]
        if lacking:
            raise InputError(
                f"method {self.name!r} needs the channel {lacking[0]}, and the model was trained without it: it has "
                f"{', '.join(known or ())}"
            )
        if self.needs_teacher and inputs.teacher is None:
            which = "name one, or give a checkpoint that was trained with one"
            raise InputError(f"method {self.name!r} needs a teacher: {which}")
        started = copy(self)
        started.inputs = inputs
        return started


class Inputs:
    """What a method reads in one evaluation. Fields, renders and teacher maps are kept while they are recent.

    Attributes:
        objects, model, teacher, background: as ``evaluation.evaluate`` is given them.
        generator: random numbers, the same in each evaluation.
        seconds: wall time that encoding, rendering, queries and teacher maps took.
        encoded, shown: pictures that were encoded; pictures that were rendered or given to the teacher.
    """

    def __init__(
        self,
        objects: Callable[[str], ObjectViews],
        model: PictureModel | None = None,
        teacher: FeatureMaps | None = None,
        background: Background = "black",
    ) -> None:
        self.objects, self.model, self.teacher, self.background = objects, model, teacher, background
        self.generator = torch.Generator().manual_seed(0)
        self.seconds, self.encoded, self.shown = 0.0, 0, 0
        this = weakref.proxy(self)  # a cache that held its owner would live until the garbage is collected
        self._field = lru_cache(_KEPT)(lambda *key: this._encode(*key))
        self.rendered = lru_cache(_KEPT)(lambda *key: this._render(*key))
        self.teacher_maps = lru_cache(_KEPT)(lambda *key: this._teacher_map(*key))

    @property
    def seconds_per_picture(self) -> float | None:
        pictures = max(self.encoded, self.shown)
        return self.seconds / pictures if pictures else None

    def camera(self, view: PairView) -> Camera:
        """The camera of the picture that is encoded."""
        return self.objects(view.object_id).camera(view.encoded)

    def picture(self, view: PairView, channels: tuple[str, ...]) -> UInt8[np.ndarray, "h w 3"]:
        """The picture that is rendered with ``channels``, on the background, as 8 bits (truncated)."""
        maps = self.rendered(view, channels)
        rgb = maps["rgb"] if self.background == "black" else maps["rgb"] + (1 - maps["alpha"])
        return (rgb.clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()

    def seen(self, view: PairView) -> Seen | None:
        """What the picture that is encoded shows by itself in the view that is shown, where they are one."""
        field = self._field(view.object_id, (view.encoded, *view.also))
        return seen_by(first_source_camera(field), self.objects(view.object_id).camera(view.shown))

    def queried(self, view: PairView, points: Num[Tensor, "n 3"], channel: str) -> Vectors:
        """A channel of the field at world points."""
        camera = self.camera(view)
        points = points.to(camera.pose.dtype)
        with self._timed():
            field = self._field(view.object_id, (view.encoded, *view.also))
            device, directions = field.source.pose.device, point_directions(points, camera, field.pixel_offset)
            values = field.query(points.to(device), directions.to(device), channels=(channel,))
            return getattr(values, channel).float()

    def _render(self, view: PairView, channels: tuple[str, ...]) -> dict[str, Float[Tensor, "h w _"]]:
        """Channels, and the picture, in the view that is shown."""
        camera = self.objects(view.object_id).camera(view.shown)
        background = ("alpha",) if self.background == "white" else ()
        with self._timed():
            field = self._field(view.object_id, (view.encoded, *view.also))
            values = field.render(camera, channels=tuple(dict.fromkeys((*channels, "rgb", *background))))
            maps = {name: value.float() for name, value in values.items()}
        self.shown += 1
        return maps

    def _encode(self, object_id: str, numbers: tuple[int, ...]) -> Any:
        assert self.model is not None
        views = self.objects(object_id)
        ready = [from_bytes(composite_bytes(np.asarray(views.picture(n)))) for n in numbers]
        cameras = [views.camera(n) for n in numbers]
        self.encoded += 1
        try:
            return self.model.encode(ready, cameras) if len(numbers) > 1 else self.model.encode(ready[0], cameras[0])
        except InputError as error:  # cameras that cannot be those of their pictures
            raise InputError(f"{views.place(numbers[0])}: {error}") from error

    def _teacher_map(self, object_id: str, view: int) -> tuple[Float[Tensor, "c h w"], Float[Tensor, "hp wp c"]]:
        """The teacher's map of a real picture, and the same upsampled to the picture."""
        assert self.teacher is not None
        rgba = torch.as_tensor(self.objects(object_id).picture(view))
        with self._timed():
            features = self.teacher(from_bytes(rgba)[None])[:1].float()
        self.shown += 1
        whole = F.interpolate(features, rgba.shape[:2], mode="bilinear", align_corners=False)
        return features[0], whole[0].permute(1, 2, 0)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - start


def at_pixels(values: Float[Tensor, "h w d"], places: Int[Tensor, "n 2"]) -> Vectors:
    """Values of a map at pixels."""
    column, row = places.to(values.device).unbind(-1)
    return values[row, column]


def point_directions(points: Float[Tensor, "n 3"], camera: Camera, pixel_offset: float) -> Float[Tensor, "n 3"]:
    """The viewing direction of world points in the protocol: the ray of the pixel that each point's projection falls in
    (truncated, clamped to the picture), which starts ``pixel_offset`` into that pixel."""
    last = torch.tensor([camera.width - 1, camera.height - 1], dtype=points.dtype, device=points.device)
    pixel = camera.project(points)[0].trunc().clamp_min(0).minimum(last)
    return camera.rays_through(pixel + pixel_offset)[1]
