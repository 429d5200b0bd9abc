"""Where points lie in the frustum volumes of the fast field, and where those are not empty."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.models.symmetry import mirrored_pose, reflect

DENSITY_UNIT, DENSITY_SHIFT = 60.0, 4.0


def density_activation(raw: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Raw numbers to density: nearly empty at 0, and opaque within a depth bin at 4."""
    return DENSITY_UNIT * F.softplus(raw - DENSITY_SHIFT)


def frustum_places(
    points: Float[Tensor, "b n 3"],
    cameras: Camera,
    further: Float[Tensor, "b v"],
    depths: tuple[float, float],
    planes: Float[Tensor, "b 4"] | None,
) -> Float[Tensor, "b m n 3"]:
    """Where world points lie in each frustum, as (depth, x, y): from -1 to 1 where it is inside. Then, where there are
    symmetry planes, where their mirror images lie: a mirrored camera sees a point where the camera sees its image.

    As ``Camera.project``, but coordinate by coordinate, in less than half of its time. Written out: a product of
    matrices would be rounded under autocast.

    Args:
        cameras, further, depths: the frustums, as in ``FastField``.
    """
    (near, far), dtype = depths, points.dtype
    scale, shift = (
        size.to(dtype).unsqueeze(-1) * 2 / size.new_tensor([[cameras.width], [cameras.height]])
        for size in (cameras.focal, cameras.principal)
    )
    pose = cameras.pose
    if planes is not None:
        pose = torch.cat([pose, mirrored_pose(pose, planes)], 1)
        scale, shift, further = (torch.cat([each, each], 1) for each in (scale, shift, further))
    axes = pose[..., :3, :3].mT * pose.new_tensor([1.0, -1.0, -1.0]).unsqueeze(-1)  # of pictures: right, down, ahead
    unit = 2 / (far - near)  # depths count in this, which changes no pixel
    towards = (axes * unit).to(dtype).unsqueeze(-2)  # (b, v, 3, 1, 3)
    start = -(axes * unit * pose[..., :3, 3].unsqueeze(-2)).sum(-1, keepdim=True).to(dtype)
    x, y, z = points.mT.contiguous()[:, None, None].unbind(-2)  # (b, 1, 1, n)
    local = start.addcmul(towards[..., 0], x).addcmul(towards[..., 1], y).addcmul(towards[..., 2], z)  # (b, v, 3, n)
    ahead = local[:, :, 2]
    ahead = torch.where(ahead.abs() < 1e-8, 1e-8, ahead)
    right, down, straight = local.square().unbind(2)  # a norm along this axis takes 30 times as long
    depth = (right + down + straight).clamp(min=1e-16).sqrt().copysign(ahead)
    depth = depth - ((further.to(dtype) + near) * unit + 1).unsqueeze(-1)
    flat = torch.addcmul(shift - 1, local[:, :, :2] / ahead.unsqueeze(2), scale)
    return torch.stack([depth, flat[:, :, 0], flat[:, :, 1]], -1)


def occupied_box(
    raw: Float[Tensor, "bv h w d"],
    cameras: Camera,
    further: Float[Tensor, "b v"],
    depths: tuple[float, float],
    least: float = 0.5,
) -> Float[Tensor, "b 2 3"]:
    """Box, in the world, around the cells of frustum volumes whose density is at least ``least``; with a cell's margin.

    Several views are fused by the mean of their raw numbers, so what is empty in all of them is empty. The box of
    nothing is the origin.

    Args:
        cameras, further, depths: the frustums, as in ``FastField``.
    """
    b, v = further.shape
    near, far = depths
    h, w, d = raw.shape[1:]
    threshold = math.log(math.expm1(least / DENSITY_UNIT)) + DENSITY_SHIFT
    filled = (raw > threshold).to(torch.int16)
    count = torch.arange(1, d + 1, dtype=torch.int16, device=raw.device)
    ends = torch.stack([(filled * count.flip(0)).amax(-1), (filled * count).amax(-1)], 1)  # (bv, 2, h, w), 0 if empty
    ends = F.max_pool2d(ends.float(), 3, 1, 1)  # what is next to something counts as filled
    first, last = (d - ends[:, 0] - 1).clamp(min=0), ends[:, 1].clamp(max=d - 1)  # and so in depth
    x = (torch.arange(w, device=raw.device) + 0.5) * cameras.width / w
    y = (torch.arange(h, device=raw.device) + 0.5) * cameras.height / h
    xy = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).expand(b, v, h, w, 2)
    origins, directions = cameras.rays_through(xy)
    boxes = []
    for view in range(b * v):
        i, j = divmod(view, v)
        row, column = ends[view, 1].nonzero().unbind(-1)
        if len(row) == 0:
            boxes.append(origins.new_tensor([[math.inf], [-math.inf]]).expand(2, 3))
            continue
        cell = torch.stack([first[view, row, column], last[view, row, column]]).unsqueeze(-1)  # the box of their ends
        depth = near + (cell + 0.5) * (far - near) / d + further[i, j]  # is that of rays
        points = (origins[i, j, row, column] + directions[i, j, row, column] * depth).flatten(0, 1)
        boxes.append(torch.stack([points.amin(0), points.amax(0)]))
    low, high = torch.stack(boxes).unflatten(0, (b, v)).unbind(2)  # (b, v, 3)
    box = torch.stack([low.amin(1), high.amax(1)], 1)
    return torch.where(box.isfinite(), box, 0.0)


def with_image(box: Float[Tensor, "b 2 3"], planes: Float[Tensor, "b 4"]) -> Float[Tensor, "b 2 3"]:
    """The box around boxes and their mirror images."""
    x, y, z = box.unbind(-1)  # (b, 2)
    corners = torch.stack([x[:, [0, 1] * 4], y[:, [0, 0, 1, 1] * 2], z[:, [0, 0, 0, 0, 1, 1, 1, 1]]], -1)
    both = torch.cat([corners, reflect(corners, planes)], 1)
    return torch.stack([both.amin(1), both.amax(1)], 1)
