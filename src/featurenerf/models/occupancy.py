"""Where the frustum volumes of the fast field are not empty."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.models.symmetry import reflect

DENSITY_UNIT, DENSITY_SHIFT = 60.0, 4.0


def density_activation(raw: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Raw numbers to density: nearly empty at 0, and opaque within a depth bin at 4."""
    return DENSITY_UNIT * F.softplus(raw - DENSITY_SHIFT)


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
    filled = F.max_pool3d(raw, 3, 1, 1) > threshold  # (bv, h, w, d)
    x = (torch.arange(w, device=raw.device) + 0.5) * cameras.width / w
    y = (torch.arange(h, device=raw.device) + 0.5) * cameras.height / h
    depth = near + (torch.arange(d, device=raw.device) + 0.5) * (far - near) / d
    xy = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).expand(b, v, h, w, 2)
    origins, directions = cameras.rays_through(xy)
    boxes = []
    for view in range(b * v):
        i, j = divmod(view, v)
        row, column, cell = filled[view].nonzero().unbind(-1)
        if len(cell) == 0:
            boxes.append(origins.new_tensor([[math.inf], [-math.inf]]).expand(2, 3))
            continue
        points = origins[i, j, row, column] + directions[i, j, row, column] * (depth[cell, None] + further[i, j])
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
