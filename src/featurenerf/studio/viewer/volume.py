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

FAR = 100.0
"""Depth where nothing is."""


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
    camera: Camera,
    placed: Sequence[tuple[VolumeField, Float[Tensor, " 3"]]],
    stop: Callable[[], bool] = lambda: False,
) -> SceneView | None:
    """Render fields, each moved by a translation. Their spheres of radius 0.5 must not overlap.

    Each is rendered in its own world, in the pixels that its sphere takes; nearer ones cover further ones.

    Args:
        stop: asked before each object; where it says so, the result is None.
    """
    rgb = torch.zeros(camera.height, camera.width, 3)
    clear = torch.ones(camera.height, camera.width, 1)
    depth = torch.full((camera.height, camera.width), FAR)
    for shape, offset in sorted(placed, key=lambda each: float((camera.centre - each[1]).norm())):
        if stop():
            return None
        window = _window(camera, offset)
        if window is None:
            continue
        left, top, width, height = window
        pose = camera.pose.clone()
        pose[:3, 3] -= offset
        principal = camera.principal - torch.tensor([left, top], dtype=camera.principal.dtype)
        device = shape.source.pose.device
        own = replace(camera, pose=pose, principal=principal, width=width, height=height).to(device)
        seen = shape.render(own, channels=("rgb", "depth", "alpha"))
        alpha, far = seen["alpha"].float().cpu(), seen["depth"].float().cpu()
        rows, columns = slice(top, top + height), slice(left, left + width)
        rgb[rows, columns] += clear[rows, columns] * seen["rgb"].float().cpu()
        _, directions = own.to("cpu").rays(shape.pixel_offset)
        ahead = (far / alpha.clamp(min=1e-3))[..., 0] * (directions @ -own.pose[:3, 2].cpu())
        solid = (alpha[..., 0] > 0.5) & (depth[rows, columns] == FAR)
        depth[rows, columns] = torch.where(solid, ahead, depth[rows, columns])
        clear[rows, columns] *= 1 - alpha
    return SceneView((rgb + clear * torch.tensor(PAPER) / 255).clamp(0, 1), depth)


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
