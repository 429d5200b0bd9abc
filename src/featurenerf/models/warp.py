"""From any picture with a camera to one framed as the pictures that the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import DISTANCE, FAR, FOV, NEAR, PICTURE_SIZE, Camera


@dataclass(frozen=True)
class Canonical:
    """The pictures that a model was trained on: every picture is warped to their framing before it is encoded."""

    size: int = PICTURE_SIZE
    fov: float = FOV
    distance: float = DISTANCE
    near: float = NEAR
    far: float = FAR

    @property
    def focal(self) -> float:
        return float(Camera.look_at(width=self.size, height=self.size, fov=self.fov).focal[0])

    def further(self, cameras: Camera) -> Float[Tensor, "*batch"]:
        """How much further from the origin cameras stand than the canonical one, in world units."""
        further = cameras.centre.norm(dim=-1) - self.distance
        return torch.where(further.abs() < 1e-5, 0.0, further)  # no more than rounding


def canonicalise(
    pictures: Float[Tensor, "n c h w"],
    cameras: Camera,
    canonical: Canonical,
    framing: Float[Tensor, "n 4"] | None = None,
) -> tuple[Float[Tensor, "n c s s"], Camera]:
    """Warp pictures to cameras that stand where their own do, look at the origin, z up, and frame the scene as the
    canonical camera does.

    Two pictures taken from one point differ by a homography, so rotation and intrinsics are exact. Pictures that fit
    already are returned as they are.

    Args:
        framing: differences from that (``reframed``).
    Returns:
        pictures, and their cameras (``canonical_cameras``).
    """
    size = canonical.size
    target = canonical_cameras(cameras, canonical)
    if framing is not None:
        target = reframed(target, framing)
    turned = (cameras.pose[:, :3, :3] - target.pose[:, :3, :3]).abs().amax()
    zoomed = (cameras.focal - target.focal).abs().amax() / size
    moved = (cameras.principal - target.principal).abs().amax() / size
    if (cameras.width, cameras.height) == (size, size) and max(turned, zoomed, moved) < 2e-3:
        return pictures, target
    each = (_warped(pictures[i : i + 1], cameras[i : i + 1], target[i : i + 1]) for i in range(len(pictures)))
    return torch.cat(list(each)), target


def canonical_cameras(cameras: Camera, canonical: Canonical) -> Camera:
    """Where ``cameras`` (n,) stand, looking at the origin, through lenses that show what is there as large as the
    canonical camera does: focal length in proportion to distance."""
    centre = cameras.centre
    further = canonical.further(cameras).unsqueeze(-1)
    distance = further + canonical.distance
    backward = torch.where(distance > 1e-6, centre / distance.clamp(min=1e-6), cameras.pose[:, :3, 2])
    vertical = torch.tensor([0.0, 0.0, 1.0], device=centre.device).expand_as(backward)
    overhead = backward[:, 2:].abs() > 0.999  # z up cannot be seen from there: keep the camera's own up
    right = torch.linalg.cross(torch.where(overhead, cameras.pose[:, :3, 1], vertical), backward)
    right = right / right.norm(dim=-1, keepdim=True)
    up = torch.linalg.cross(backward, right)
    pose = torch.eye(4, device=centre.device).repeat(len(centre), 1, 1)
    pose[:, :3, :] = torch.stack([right, up, backward, backward * distance], -1)
    focal = (canonical.focal * (distance / canonical.distance).clamp(min=1e-6)).expand(-1, 2)
    return Camera.from_pose(pose, focal, canonical.size, canonical.size, cameras.near, cameras.far)


def reframed(cameras: Camera, framing: Float[Tensor, "n 4"]) -> Camera:
    """The same cameras framed otherwise.

    Args:
        framing: roll about the axis (radians; counter-clockwise, seen from behind), logarithm of the zoom, and how far
            the picture is shifted to the right and down (in its sides).
    """
    roll, zoom, shift = framing[:, 0, None], framing[:, 1:2], framing[:, 2:]
    right, up = cameras.pose[:, :3, 0], cameras.pose[:, :3, 1]
    pose = cameras.pose.clone()
    pose[:, :3, 0] = roll.cos() * right + roll.sin() * up
    pose[:, :3, 1] = roll.cos() * up - roll.sin() * right
    size = shift.new_tensor([cameras.width, cameras.height])
    return replace(cameras, pose=pose, focal=cameras.focal * zoom.exp(), principal=cameras.principal + shift * size)


def _warped(picture: Float[Tensor, "1 c h w"], camera: Camera, target: Camera) -> Float[Tensor, "1 c s s"]:
    """The picture that ``target`` takes from where ``camera`` stands; black where it is not known."""
    across, down = (camera.focal / target.focal)[0].tolist()
    if max(across, down) > 1.2:  # shrink with an anti-aliasing filter first, then sample
        width, height = round(camera.width / max(across, 1)), round(camera.height / max(down, 1))
        camera = camera.resize(max(1, width), max(1, height))
        size = (camera.height, camera.width)
        picture = F.interpolate(picture, size, mode="bilinear", antialias=True, align_corners=False)
    pose = camera.pose.clone()
    pose[:, :3, 3] = 0.0  # directions are turned, not moved
    xy, depth = replace(camera, pose=pose).project(target.rays()[1])
    grid = 2 * xy / torch.tensor([camera.width, camera.height], device=xy.device) - 1
    grid = torch.where(depth.unsqueeze(-1) > 0, grid, 2.0).to(picture.dtype)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
