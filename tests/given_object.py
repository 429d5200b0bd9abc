"""An object of a data set that is given as arrays, and fields that are given as maps and points: for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from featurenerf.cameras import Camera


def lettered(letters: str) -> Tensor:
    """Rows of letters as an (H, W, 26) map of unit vectors; a line is a row, a dot is the zero vector."""
    codes = np.array([[ord(letter) - ord("a") for letter in row] for row in letters.split()])
    return torch.from_numpy((codes[..., None] == np.arange(26)).astype(np.float32))


def digits(rows: str) -> np.ndarray:
    """Rows of digits as an (H, W) array of labels; a line is a row."""
    return np.array([[int(digit) for digit in row] for row in rows.split()])


@dataclass(frozen=True)
class GivenObject:
    """Each tuple has an entry a view; None is what is not annotated."""

    cameras: Camera
    pictures: tuple[np.ndarray, ...]
    part_maps: tuple[np.ndarray, ...] | None = None
    marks: tuple[np.ndarray, ...] | None = None
    surface: tuple[np.ndarray, np.ndarray] | None = None
    choices: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def camera(self, view: int) -> Camera:
        return self.cameras[view]

    def picture(self, view: int) -> np.ndarray:
        return self.pictures[view]

    def has(self, kind: str) -> bool:
        given = {"part_2d": self.part_maps, "kp_2d": self.marks, "part_3d": self.surface, "kp_3d": self.choices}
        return given[kind] is not None

    def parts(self, view: int) -> np.ndarray:
        assert self.part_maps is not None
        return self.part_maps[view]

    def keypoints(self, view: int) -> np.ndarray:
        assert self.marks is not None
        return self.marks[view]

    def part_points(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.surface is not None
        return self.surface

    def keypoint_candidates(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.choices is not None
        return self.choices


@dataclass(frozen=True)
class GivenField:
    """``maps`` has the channels of each view of ``known``; ``at`` gives the channels of points."""

    known: GivenObject
    maps: Sequence[Mapping[str, Tensor]] = ()
    at: Callable[[Tensor, Tensor], Mapping[str, Tensor]] | None = None
    pixel_offset: float = 0.5
    asked: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def source(self) -> Camera:
        return self.known.cameras

    def render(self, camera: Camera, channels: Sequence[str]) -> dict[str, Tensor]:
        self.asked.append(tuple(channels))
        return {name: self.maps[view_of(self.known, camera)][name] for name in channels}

    def query(self, points: Tensor, directions: Tensor, channels: Sequence[str]) -> SimpleNamespace:
        assert self.at is not None
        self.asked.append(tuple(channels))
        values = self.at(points, directions)
        return SimpleNamespace(**{name: values[name] for name in channels})


class GivenModel:
    """Knows an object by the camera that its picture comes with; keeps what it was given."""

    def __init__(self, *fields: GivenField) -> None:
        self.fields = fields
        self.pictures: list[Tensor] = []
        self.encoded: list[tuple[int, ...]] = []
        self.with_gradients: list[bool] = []

    def encode(self, picture: Tensor | list[Tensor], camera: Camera | list[Camera]) -> GivenField:
        self.with_gradients.append(torch.is_grad_enabled())
        pictures = picture if isinstance(picture, list) else [picture]
        cameras = camera if isinstance(camera, list) else [camera]
        found = next(f for f in self.fields if any(torch.equal(cameras[0].pose, p) for p in f.known.cameras.pose))
        self.pictures += pictures
        self.encoded.append(tuple(view_of(found.known, c) for c in cameras))
        return found


def view_of(known: GivenObject, camera: Camera) -> int:
    return next(v for v in range(len(known)) if torch.equal(known.camera(v).pose, camera.pose))
