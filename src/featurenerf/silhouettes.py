"""What masks and cameras say of where an object is: its visual hull, and a world frame made of it.

The hull is what all silhouettes allow (Laurentini, 1994). Below an object that is seen from above only, it reaches
further down than the object: the frame goes by the part of the hull that some picture can show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.errors import InputError

COARSE, FINE = 40, 96
"""Cells a side of the cubes in which the hull is looked for, and then looked at."""
STRAY = 5
"""Where no point is on all masks, one mask of so many may be wrong."""
SNAP = 5.0
"""Degrees: an upward direction that is as close to an axis of the file's world is that axis."""
FLAT = 0.02
"""Of the mean square of the cameras' rightward directions, along the second axis: below it, all are alike."""


@dataclass(frozen=True, eq=False)
class WorldFrame:
    """Our world in that of a capture: ``axes @ (place - origin) * scale``.

    Attributes:
        axes: front, left and up (rows), in the capture's world.
        origin: the centre of the object's bounding box.
        scale: our units in one of the capture's.
        up, front: how they are known, in words.
        views: how many silhouettes it was made of.
        stray: how many of them a point of the object may lie outside of.
    """

    axes: Float[np.ndarray, "3 3"]
    origin: Float[np.ndarray, " 3"]
    scale: float
    up: str
    front: str
    views: int
    stray: int = 0

    @property
    def matrix(self) -> Float[np.ndarray, "4 4"]:
        """From the capture's world to ours."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.axes * self.scale, -self.axes @ self.origin * self.scale
        return matrix

    def place(self, poses: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "n 4 4"]:
        """Camera-to-world matrices of the capture's world in ours."""
        placed = poses.copy()
        placed[:, :3, :3] = self.axes @ poses[:, :3, :3]
        placed[:, :3, 3] = (poses[:, :3, 3] - self.origin) @ self.axes.T * self.scale
        return placed

    def turned(self, degrees: float, front: str) -> WorldFrame:
        """The frame whose front is turned about the vertical, counter-clockwise seen from above."""
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        return replace(self, axes=turn @ self.axes, front=front)

    def record(self) -> dict[str, Any]:
        """What a report says of it."""
        return {
            "up": self.up, "front": self.front, "capture_to_object": self.matrix.round(9).tolist(),
            "units_per_capture_unit": self.scale, "centre_in_capture": self.origin.tolist(),
            "box": "of the part of the visual hull that the pictures can show", "silhouettes": self.views,
            "stray_silhouettes": self.stray,
        }  # fmt: skip


def direction(given: str | Sequence[float], what: str) -> Float[np.ndarray, " 3"]:
    """A unit vector: an axis by name (z, +z, -y), three numbers, or these as a text ("0, 0, 1").

    Raises:
        InputError: it is none.
    """
    named = {f"{sign}{axis}": np.eye(3)[k] * (-1.0 if sign == "-" else 1.0)
             for k, axis in enumerate("xyz") for sign in ("", "+", "-")}  # fmt: skip
    if isinstance(given, str) and given.strip().lower() in named:
        return named[given.strip().lower()]
    try:
        numbers = given.replace(",", " ").split() if isinstance(given, str) else list(given)
        vector = np.array([float(number) for number in numbers])
    except (TypeError, ValueError):
        vector = np.zeros(0)
    if vector.shape != (3,) or not 1e-9 < np.linalg.norm(vector) < np.inf:
        raise InputError(
            f"{what} is {given!r}: it must be an axis such as z or -y, or three numbers that are not all 0"
        )
    return vector / np.linalg.norm(vector)


# ---------------------------------------------------------------------- silhouettes


def on_mask(
    points: Float[Tensor, "n 3"], camera: Camera, mask: Bool[Tensor, "h w"], beyond: bool = False
) -> Bool[Tensor, " n"]:
    """Whether points project onto a mask; ``beyond`` is the answer for what the picture does not show."""
    xy, depth = camera.project(points)
    x, y = xy.floor().long().unbind(-1)
    seen = (depth > 0) & (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
    on = torch.full((len(points),), beyond)
    on[seen] = mask[y[seen], x[seen]]
    return on


def mask_box(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, " 4"] | None:
    """Left, top, right and bottom of what a mask holds."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float) if len(rows) else None


def nearest_to_rays(
    centres: Float[np.ndarray, "n 3"], rays: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " 3"] | None:
    """The point closest to all rays (unit vectors), by least squares; None where they are all parallel."""
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    if len(rays) < 2 or np.linalg.eigvalsh(across.mean(0))[0] < 1e-4:
        return None
    return np.linalg.solve(across.sum(0), np.einsum("nij,nj->i", across, centres))


def middle_and_size(
    boxes: Float[np.ndarray, "n 4"],
    focal: Float[np.ndarray, "n 2"],
    principal: Float[np.ndarray, "n 2"],
    poses: Float[np.ndarray, "n 4 4"],
) -> tuple[Float[np.ndarray, " 3"], float] | None:
    """The place that the middles of an object's boxes look at, and how large the boxes are there: the median diagonal.

    Args:
        boxes: ``mask_box`` of each picture, in its pixels.
        focal, principal, poses: of its camera; camera-to-world, OpenGL axes.
    Returns:
        None where all look along one line.
    """
    flat = ((boxes[:, :2] + boxes[:, 2:]) / 2 - principal) / focal
    local = np.stack([flat[:, 0], -flat[:, 1], -np.ones(len(flat))], -1)
    rays = np.einsum("nij,nj->ni", poses[:, :3, :3], local / np.linalg.norm(local, axis=1, keepdims=True))
    middle = nearest_to_rays(poses[:, :3, 3], rays)
    if middle is None:
        return None
    ahead = np.einsum("ni,ni->n", middle - poses[:, :3, 3], -poses[:, :3, 2])
    return middle, float(np.median(np.linalg.norm((boxes[:, 2:] - boxes[:, :2]) / focal, axis=1) * ahead))


# ---------------------------------------------------------------------- the frame


def found_frame(
    poses: Float[np.ndarray, "n 4 4"],
    lenses: Sequence[Camera],
    masks: Sequence[Bool[Tensor, "_h _w"]],
    up: Float[np.ndarray, " 3"] | None = None,
    front: Float[np.ndarray, " 3"] | None = None,
    snap: bool = False,
) -> WorldFrame:
    """The frame of an object: centre and scale by the box of its hull, up by the cameras unless it is given.

    Where the front is not given, the box is the one with the smallest footprint, and the front is the side of it that
    faces the first camera.

    Args:
        poses: camera-to-world, OpenGL axes, in any world.
        lenses: the cameras of the masks; their poses are not read.
        snap: take an axis of the poses' world for up where the one that was found is close to it.
    Raises:
        InputError: the masks are empty, show the object from one side only, or contradict the cameras.
    """
    boxes = {view: box for view, mask in enumerate(masks) if (box := mask_box(mask.numpy())) is not None}
    used, box = np.array([*boxes], int), np.array([*boxes.values()]).reshape(-1, 4)
    focal, principal = (np.array([getattr(c, name).tolist() for c in lenses])[used] for name in ("focal", "principal"))
    seen = poses[used]
    found = middle_and_size(box, focal, principal, seen)
    if found is None:
        raise InputError("fewer than two pictures show an object in their masks, or they show it from one side")
    middle, size = found
    if not size > 0:
        raise InputError(
            "the object lies behind the cameras: their axes are another convention's (OpenGL's look along -z), or "
            "the poses are world-to-camera"
        )
    vertical, how = (up, "given") if up is not None else _found_up(poses, snap)
    towards = seen[0, :3, 3] - middle if front is None else front
    level = towards - vertical * (towards @ vertical)
    if np.linalg.norm(level) < 1e-3 * np.linalg.norm(towards):
        if front is not None:
            raise InputError("front and up are parallel: give another front or another up")
        level = np.cross(vertical, np.eye(3)[np.abs(vertical).argmin()])
    level = level / np.linalg.norm(level)
    first = np.stack([level, np.cross(vertical, level), vertical])
    known = "given" if front is not None else "unknown: +x is the side of the box that faces the first picture"
    frame = WorldFrame(first, middle, 1 / size, how, known, len(used))
    return _boxed(frame, seen, [lenses[v] for v in used], [masks[v] for v in used], front is None)


def _found_up(poses: Float[np.ndarray, "n 4 4"], snap: bool) -> tuple[Float[np.ndarray, " 3"], str]:
    """The direction that is level for no camera's right side: people and programs hold cameras upright."""
    mean, right = poses[:, :3, 1].mean(0), poses[:, :3, 0]
    spread, axes = np.linalg.eigh(right.T @ right / len(right))
    up = axes[:, 0] * (1.0 if axes[:, 0] @ mean >= 0 else -1.0)
    if spread[1] < FLAT:
        up = mean / max(float(np.linalg.norm(mean)), 1e-9)
    if up @ mean < 0.1:
        raise InputError("the cameras are not held upright, so that up cannot be found from them: give up")
    axis = np.eye(3)[np.abs(up).argmax()] * np.sign(up[np.abs(up).argmax()])
    if snap and up @ axis > math.cos(math.radians(SNAP)):
        return axis, f"found from the cameras: {'-' if axis.sum() < 0 else '+'}{'xyz'[int(np.abs(axis).argmax())]}"
    return up, "found from the cameras: ({:.4f}, {:.4f}, {:.4f})".format(*(up.round(4) + 0.0))


def _boxed(
    frame: WorldFrame, poses: Float[np.ndarray, "n 4 4"], lenses: list[Camera], masks: list[Tensor], turn: bool
) -> WorldFrame:
    """The frame moved to the box of the hull, after one whose origin and scale are near to that."""
    for stray in sorted({0, len(masks) // STRAY}):
        cut = [bool(mask[[0, -1]].any() or mask[:, [0, -1]].any()) for mask in masks]
        low, high = np.full(3, -1.2), np.full(3, 1.2)
        found = _hull(frame, poses, lenses, masks, cut, low, high, COARSE, stray, grown=True)
        for again in range(1 + turn):
            if found is None:
                break
            cell = (high - low) / (COARSE if again == 0 else FINE)
            low, high = found.min(0) - 1.5 * cell, found.max(0) + 1.5 * cell
            found = _hull(frame, poses, lenses, masks, cut, low, high, FINE, stray)
            if turn and again == 0 and found is not None:
                angle = _narrowest(found[:, :2])
                frame = frame.turned(angle, frame.front)
                cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
                found = found @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
        if found is not None:
            half = (high - low) / FINE / 2
            low, high = found.min(0) - half, found.max(0) + half
            origin = frame.origin + frame.axes.T @ ((low + high) / 2) / frame.scale
            return replace(frame, origin=origin, scale=frame.scale / float(np.linalg.norm(high - low)), stray=stray)
    raise InputError(
        "no place is on the masks of all pictures: the poses are another convention's or world-to-camera, or the masks "
        "show other things"
    )


def _hull(
    frame: WorldFrame,
    poses: Float[np.ndarray, "n 4 4"],
    lenses: list[Camera],
    masks: list[Tensor],
    cut: list[bool],
    low: Float[np.ndarray, " 3"],
    high: Float[np.ndarray, " 3"],
    cells: int,
    stray: int,
    grown: bool = False,
) -> Float[np.ndarray, "p 3"] | None:
    """Centres of the cells of a box that are in the hull and can be seen; all in the hull where masks are ``grown`` by
    a cell; None where there is none."""
    steps = [torch.from_numpy(a + (np.arange(cells) + 0.5) * (b - a) / cells) for a, b in zip(low, high, strict=True)]
    points = torch.stack(torch.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3).float()
    reach = float(np.linalg.norm(high - low)) / cells / 2
    placed = torch.from_numpy(frame.place(poses)).float()
    cameras = [replace(lens, pose=pose) for lens, pose in zip(lenses, placed, strict=True)]
    misses = torch.zeros(len(points), dtype=torch.int32)
    for camera, mask, beyond in zip(cameras, masks, cut, strict=True):
        if grown:
            pixels = math.ceil(reach * float(camera.focal.max()) / max(float(camera.centre.norm()), reach))
            mask = F.max_pool2d(mask[None, None].float(), 2 * pixels + 1, 1, pixels)[0, 0] > 0
        misses += ~on_mask(points, camera, mask, beyond)
        points, misses = points[misses <= stray], misses[misses <= stray]
        if len(points) == 0:
            return None
    if not grown:
        points = points[torch.stack([_nearest(points, camera, 2 * reach) for camera in cameras]).any(0)]
    return points.double().numpy()


def _nearest(points: Float[Tensor, "n 3"], camera: Camera, cell: float) -> Bool[Tensor, " n"]:
    """Which of the points have no other one before them in a picture whose pixels are as large as a cell."""
    xy, depth = camera.project(points)
    side = cell * float(camera.focal.mean()) / float(depth.abs().mean())
    x, y = (xy / side).floor().long().unbind(-1)
    x, y = (x - x.median()).clamp(-512, 511) + 512, (y - y.median()).clamp(-512, 511) + 512
    pixel = x + y * 1024
    front = torch.full((1024 * 1024,), math.inf).scatter_reduce(0, pixel, depth, "amin")
    return depth <= front[pixel] + cell


def _narrowest(points: Float[np.ndarray, "n 2"]) -> float:
    """The angle in degrees, within an eighth of a turn, by which axes must be turned for the smallest rectangle."""
    points = np.unique(points.round(4), axis=0)

    def area(degrees: float) -> float:
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return float(np.prod(np.ptp(points @ np.array([[cosine, -sine], [sine, cosine]]), axis=0)))

    best = min(np.arange(-45.0, 45.0, 1.5), key=area)
    return float(min(np.arange(best - 1.5, best + 1.6, 0.25), key=area))
