"""From any picture with a camera to the picture that the model's canonical camera would have taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import DISTANCE, FAR, FOV, NEAR, PICTURE_SIZE, Camera


@dataclass(frozen=True)
class Canonical:
    """The pictures that a model was trained on: every picture is warped to them before it is encoded."""

    size: int = PICTURE_SIZE
    fov: float = FOV
    distance: float = DISTANCE
    near: float = NEAR
    far: float = FAR

    @property
    def focal(self) -> float:
        return float(Camera.look_at(width=self.size, height=self.size, fov=self.fov).focal[0])


def canonicalise(
    pictures: Float[Tensor, "n c h w"], cameras: Camera, canonical: Canonical
) -> tuple[Float[Tensor, "n c s s"], Camera, Float[Tensor, " n"]]:
    """Warp pictures to the canonical camera that stands in the same direction from the origin, z up.

    Two pictures taken from one point differ by a homography, so rotation and intrinsics are exact; a distance that
    differs is undone by scaling the world about the origin. Pictures that fit already are returned as they are.

    Returns:
        pictures, their cameras in the scaled worlds, and the scales (canonical units per world unit).
    """
    size = canonical.size
    target, scale = canonical_cameras(cameras, canonical)
    turned = (cameras.pose[:, :3, :3] - target.pose[:, :3, :3]).abs().amax()
    zoomed = (cameras.focal - target.focal).abs().amax() / size
    moved = (cameras.principal - size / 2).abs().amax() / size
    if (cameras.width, cameras.height) == (size, size) and max(turned, zoomed, moved) < 2e-3:
        return pictures, target, scale
    shrink = float((cameras.focal / target.focal).amax())
    if shrink > 1.2:  # shrink with an anti-aliasing filter first, then sample
        height, width = max(1, round(cameras.height / shrink)), max(1, round(cameras.width / shrink))
        pictures = F.interpolate(pictures, (height, width), mode="bilinear", antialias=True, align_corners=False)
        cameras = cameras.resize(width, height)
    pose = cameras.pose.clone()
    pose[:, :3, 3] = 0.0  # directions are turned, not moved
    xy, depth = replace(cameras, pose=pose).project(target.rays()[1])
    grid = 2 * xy / torch.tensor([cameras.width, cameras.height], device=xy.device) - 1
    grid = torch.where(depth.unsqueeze(-1) > 0, grid, 2.0).to(pictures.dtype)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False), target, scale


def canonical_cameras(cameras: Camera, canonical: Canonical) -> tuple[Camera, Float[Tensor, " n"]]:
    """The canonical cameras in the directions of ``cameras`` (n,), and the scales of their worlds."""
    centre = cameras.centre
    distance = centre.norm(dim=-1, keepdim=True)
    backward = torch.where(distance > 1e-6, centre / distance.clamp(min=1e-6), cameras.pose[:, :3, 2])
    vertical = torch.tensor([0.0, 0.0, 1.0], device=centre.device).expand_as(backward)
    overhead = backward[:, 2:].abs() > 0.999  # z up cannot be seen from there: keep the camera's own up
    right = torch.linalg.cross(torch.where(overhead, cameras.pose[:, :3, 1], vertical), backward)
    right = right / right.norm(dim=-1, keepdim=True)
    up = torch.linalg.cross(backward, right)
    pose = torch.eye(4, device=centre.device).repeat(len(centre), 1, 1)
    pose[:, :3, :] = torch.stack([right, up, backward, backward * canonical.distance], -1)
    size = canonical.size
    target = Camera.from_pose(pose, canonical.focal, size, size, canonical.near, canonical.far)
    return target, canonical.distance / distance[:, 0].clamp(min=1e-6)
