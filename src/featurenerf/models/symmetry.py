"""The plane in which an object is its own mirror image: chairs, cars, airplanes, most tables, animals.

What one picture hides of such an object it often shows of the other side. While training, the plane is y = 0 of the
data's world (+x is the front); otherwise it is read off the coordinates that a field predicts along its source rays,
so that nothing need be known of the object's heading; what is known of it makes it exact.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.alignment import similarity

LARGEST_RESIDUAL = 0.08
"""Root mean square, in diagonals of the object, by which coordinates may miss a rigid motion; past it is no plane."""
WORLD_PLANE_COSINE = math.cos(math.radians(30))
"""A plane that is found is some degrees wrong: one whose normal is so near to y is taken to be y = 0 itself."""


def world_plane(count: int, device: torch.device) -> Float[Tensor, "b 4"]:
    """The plane y = 0, so many times."""
    return torch.tensor([0.0, 1.0, 0.0, 0.0], device=device).expand(count, 4)


def reflect(points: Float[Tensor, "b n 3"], planes: Float[Tensor, "b 4"]) -> Float[Tensor, "b n 3"]:
    """Mirror images of points. A plane is its unit normal n and offset d, n x + d = 0; with n = 0 nothing moves."""
    normal, offset = planes.to(points.dtype).unsqueeze(1).split([3, 1], -1)
    return points - 2 * ((points * normal).sum(-1, keepdim=True) + offset) * normal


def mirrored_pose(poses: Float[Tensor, "b v 4 4"], planes: Float[Tensor, "b 4"]) -> Float[Tensor, "b v 4 4"]:
    """Poses of the mirror images of cameras: axes and place are reflected, so the axes become left-handed."""
    normal, offset = planes.to(poses.dtype)[:, None, :, None].split([3, 1], -2)  # (b, 1, 3, 1), (b, 1, 1, 1)
    upper = poses[..., :3, :]
    along = (upper * normal).sum(-2, keepdim=True) + offset * poses.new_tensor([0.0, 0.0, 0.0, 1.0])
    return torch.cat([upper - 2 * along * normal, poses[..., 3:, :]], -2)


def moved(
    planes: Float[Tensor, "b 4"] | None, before: Float[Tensor, "b 4 4"], after: Float[Tensor, "b 4 4"]
) -> Float[Tensor, "b 4"] | None:
    """Planes that are carried along when what they belong to, a camera say, goes from one pose to another."""
    if planes is None:
        return None
    before, after = before.to(planes), after.to(planes)
    rotation = after[:, :3, :3] @ before[:, :3, :3].mT
    normal = (rotation @ planes[:, :3, None]).squeeze(-1)
    local = planes[:, 3] + (planes[:, :3] * before[:, :3, 3]).sum(-1)
    return torch.cat([normal, (local - (normal * after[:, :3, 3]).sum(-1)).unsqueeze(-1)], -1)


@torch.no_grad()
def fit_planes(
    points: Float[Tensor, "b n 3"],
    coordinates: Float[Tensor, "b n 3"],
    weights: Float[Tensor, "b n"],
    *,
    in_world: bool,
) -> Float[Tensor, "b 4"]:
    """Symmetry planes, in the world, of objects whose frames' coordinates are estimated at world points.

    The rigid motion from points to coordinates (Kabsch, 1976; weighted) takes the plane to y = 0. World units are the
    object's diagonal, about. Where no rigid motion fits there is no plane: its normal is 0.

    Args:
        in_world: the world should be the object's own: its plane y = 0 is taken, unless what is found is far from it.
    """
    p, q = points.float(), coordinates.float()
    motion = similarity(p, q, weights.float())
    share = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
    missed = (share.float() * (motion(p) - q).square().sum(-1)).sum(-1).sqrt()
    rotation, shift = motion.rotation, motion.translation
    planes = torch.cat([rotation[..., 1, :], shift[..., 1:2]], -1)
    known = (weights.sum(-1) > 0) & (missed < LARGEST_RESIDUAL)
    planes = torch.where(known.unsqueeze(-1), planes, 0.0).to(points.dtype)
    if not in_world:
        return planes
    of_world = planes[:, 1:2].abs() > WORLD_PLANE_COSINE
    return torch.where(of_world, world_plane(len(planes), planes.device).to(planes.dtype), planes)
