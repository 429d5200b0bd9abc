"""The volume render of a scene: several fields that stand beside each other, as one camera sees them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.fields.volume import VolumeField
from featurenerf.studio.export import RADIUS
from featurenerf.studio.figures import PAPER
from featurenerf.studio.viewer.colors import nearest_point

FAR = 100.0
"""Depth where nothing is."""
_BAND = 4096  # pixels between two questions whether to stop


@dataclass(frozen=True, eq=False)
class PlacedField:
    """A field in a scene.

    Attributes:
        offset: where its origin stands.
        points: of its surface, in its own world.
        colors: of those points, in [0, 1]; None shows the field's own.
    """

    shape: VolumeField
    offset: Float[Tensor, " 3"]
    points: Float[Tensor, "n 3"] | None = None
    colors: Float[Tensor, "n 3"] | None = None


@dataclass(frozen=True, eq=False)
class SceneView:
    """What a camera sees of a scene.

    Attributes:
        rgb: on paper, in [0, 1].
        depth: along the camera's axis, in world units; ``FAR`` where nothing is.
    """

    rgb: Float[Tensor, "h w 3"]
    depth: Float[Tensor, "h w"]


@torch.no_grad()
def scene_view(
    camera: Camera, placed: Sequence[PlacedField], stop: Callable[[], bool] = lambda: False
) -> SceneView | None:
    """Render fields, each moved by a translation. Their spheres of radius 0.5 must not overlap.

    Each is rendered in its own world, in the pixels that its sphere takes; nearer ones cover further ones.

    Args:
        stop: asked every few thousand pixels; where it says so, the result is None.
    """
    rgb = torch.zeros(camera.height, camera.width, 3)
    clear = torch.ones(camera.height, camera.width, 1)
    depth = torch.full((camera.height, camera.width), FAR)
    for one in sorted(placed, key=lambda each: float((camera.centre - each.offset).norm())):
        window = _window(camera, one.offset)
        if window is None:
            continue
        left, top, width, height = window
        band = max(1, _BAND // width)
        for first in range(top, top + height, band):
            if stop():
                return None
            rows, columns = slice(first, min(first + band, top + height)), slice(left, left + width)
            color, alpha, ahead = _seen(camera, one, rows, columns)
            rgb[rows, columns] += clear[rows, columns] * color
            solid = (alpha[..., 0] > 0.5) & (depth[rows, columns] == FAR)
            depth[rows, columns] = torch.where(solid, ahead, depth[rows, columns])
            clear[rows, columns] *= 1 - alpha
    return SceneView((rgb + clear * torch.tensor(PAPER) / 255).clamp(0, 1), depth)


def _seen(
    camera: Camera, one: PlacedField, rows: slice, columns: slice
) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w 1"], Float[Tensor, "h w"]]:
    """Some pixels of one field: colour times opacity, opacity, and depth along the camera's axis."""
    pose = camera.pose.clone()
    pose[:3, 3] -= one.offset
    principal = camera.principal - torch.tensor([columns.start, rows.start], dtype=camera.principal.dtype)
    size = {"width": columns.stop - columns.start, "height": rows.stop - rows.start}
    own = replace(camera, pose=pose, principal=principal, **size)
    seen = one.shape.render(own.to(one.shape.source.pose.device), channels=("rgb", "depth", "alpha"))
    color, alpha, far = (seen[name].float().cpu() for name in ("rgb", "alpha", "depth"))
    origins, directions = own.rays(one.shape.pixel_offset)
    away = far / alpha.clamp(min=1e-3)
    if one.points is not None and one.colors is not None:
        shown = alpha[..., 0] > 0.05
        nearest = nearest_point((origins + away * directions)[shown], one.points)
        color[shown] = alpha[shown] * one.colors[nearest]
    return color, alpha, away[..., 0] * (directions @ -own.pose[:3, 2])


def _window(camera: Camera, centre: Float[Tensor, " 3"]) -> tuple[int, int, int, int] | None:
    """The pixels that a sphere of radius 0.5 may take: left, top, width, height; None where those are none."""
    local = camera.world_to_camera(centre[None])[0]
    ahead = float(-local[2])
    if ahead < -RADIUS:
        return None
    if ahead <= 2 * RADIUS:
        return 0, 0, camera.width, camera.height  # so near that it may be anywhere
    bounds = []
    for axis, sign, size in ((0, 1.0, camera.width), (1, -1.0, camera.height)):
        middle, away = sign * float(local[axis]), ahead
        angle, half = math.atan2(middle, away), math.asin(min(1.0, RADIUS / math.hypot(middle, away)))
        low, high = angle - half, angle + half
        if low <= -math.pi / 2 or high >= math.pi / 2:
            return 0, 0, camera.width, camera.height
        focal, origin = float(camera.focal[axis]), float(camera.principal[axis])
        start = max(0, math.floor(origin + focal * math.tan(low)))
        end = min(size, math.ceil(origin + focal * math.tan(high)))
        if end <= start:
            return None
        bounds.append((start, end - start))
    (left, width), (top, height) = bounds
    return left, top, width, height
