"""Reading maps and volumes between their cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def interpolate(
    maps: Float[Tensor, "b *size c"], position: Float[Tensor, "b n k"], shares: Float[Tensor, "b r s"] | None = None
) -> Float[Tensor, "b _ c"]:
    """Values of channels-last maps (k = 2) or volumes (k = 3) between their cells, multilinear; the border goes on.

    The numbers of ``grid_sample`` with border padding; written as an ``embedding_bag`` of the four or eight corners,
    which reads whole cells: on a CPU about 5 times as fast where there are many channels, backward too.

    Args:
        position: in cells, the first one's centre is 0; the last axis of the map comes first: (x, y) or (x, y, z).
        shares: of the positions, s of each of r rays, by which they are added up in the same pass: (b, r, c).
    """
    b, *sizes, c = maps.shape  # as (height, width), where position says (x, y)
    size = position.new_tensor(sizes[::-1])
    position = position.clamp(min=0).minimum(size - 1)
    low = position.detach().floor().minimum(size - 2).clamp(min=0)
    part = position - low
    index = torch.arange(b, device=position.device).unsqueeze(1)
    corners = torch.zeros(1, dtype=torch.long, device=position.device)
    weights = position.new_ones(b, position.shape[1], 1)
    for axis, length in reversed(list(enumerate(reversed(sizes)))):  # the slowest axis first
        index = index * length + low[..., axis].long()
        corners = torch.cat([corners * length, corners * length + min(1, length - 1)])
        share = part[..., axis : axis + 1]
        weights = torch.cat([weights * (1 - share), weights * share], -1)  # (b, n, corners)
    together = len(corners)
    if shares is not None:
        weights, together = weights * shares.reshape(b, -1, 1), together * shares.shape[-1]
    out = F.embedding_bag(
        (index.unsqueeze(-1) + corners).reshape(-1, together),
        maps.reshape(-1, c),
        per_sample_weights=weights.reshape(-1, together).to(maps.dtype),
        mode="sum",
    )
    return out.reshape(b, -1, c)


def multilinear(
    maps: Float[Tensor, "b *size c"], grid: Float[Tensor, "b n k"], shares: Float[Tensor, "b r s"] | None = None
) -> Float[Tensor, "b _ c"]:
    """As ``interpolate``, at places in [-1, 1], which is from border to border (``align_corners=False``)."""
    size = grid.new_tensor(maps.shape[-2:0:-1])
    return interpolate(maps, (grid + 1) / 2 * size - 0.5, shares)


def sampled(maps: Float[Tensor, "b c *size"], grid: Float[Tensor, "b n k"]) -> Float[Tensor, "b n c"]:
    """As ``multilinear``, of channels-first maps, where there are few channels: ``grid_sample`` with border padding.

    It runs one thread an item on a CPU, so the points of a single item are split among the threads.
    """
    b, n, k = grid.shape
    parts = torch.get_num_threads() if b == 1 and n > 4096 and grid.device.type == "cpu" else 1
    grid = grid.to(maps.dtype)
    if parts > 1:
        grid = F.pad(grid, (0, 0, 0, -n % parts)).reshape(parts, -1, k)
        maps = maps.expand(parts, *maps.shape[1:])
    where = grid.reshape(*grid.shape[:2], *(1,) * (k - 1), k)
    out = F.grid_sample(maps, where, align_corners=False, padding_mode="border").flatten(2)  # (parts, c, n / parts)
    return out.transpose(1, 2).reshape(b, -1, maps.shape[1])[:, :n]
