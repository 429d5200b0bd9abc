"""The visual hull of an object, and the shape around each of its places: what silhouettes show without labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featurenerf.arrays import spread
from featurenerf.data.objects import ObjectViews
from featurenerf.fields.lookup import multilinear
from featurenerf.silhouettes import on_mask

CELLS = 48
"""Cells of the hull along each axis of the cube around the scene's sphere."""
SHAPE_CELLS = 24
"""Cells of the shape code along each axis."""
SHAPE_DIM = 24
SHAPE_RADII = (0.04, 0.1)
"""Standard deviations of the neighbourhoods that the shape code describes, in world units."""


@dataclass(frozen=True, eq=False)
class Hull:
    """What an object's silhouettes carve out of space (Laurentini, 1994): no label is needed, the object is inside.

    Attributes:
        inside, edge: numbers of the grid's cells in the hull, and next to it.
        box: centre and size of the hull's bounding box.
        cells, codes: numbers of the cells in and near the hull, of the coarser grid, and their shape codes.
    """

    inside: Int[np.ndarray, " i"]
    edge: Int[np.ndarray, " e"]
    box: Float[Tensor, "2 3"]
    cells: Int[Tensor, " c"]
    codes: Float[Tensor, "c k"]

    @property
    def outside(self) -> Int[np.ndarray, " o"]:
        """Numbers of the cells elsewhere in the scene's sphere."""
        rest = (_grid().norm(dim=-1) < 0.5).numpy()
        rest[self.inside] = rest[self.edge] = False
        return np.flatnonzero(rest)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
        """Random points, half of them inside, a quarter next to the hull, and 1 for those inside.

        Where there is nothing inside, next to it or elsewhere, the points of that share are drawn from what there is.
        """
        outside = self.outside
        elsewhere = outside if len(outside) else self.edge if len(self.edge) else self.inside
        shares = ((self.inside, count // 2), (self.edge, count // 4), (outside, count - count // 2 - count // 4))
        cells = np.concatenate([rng.choice(c if len(c) else elsewhere, n).astype(np.int64) for c, n in shares])
        index = np.stack(np.unravel_index(cells, (CELLS,) * 3), -1)
        points = (index + rng.random((count, 3))) / CELLS - 0.5
        inside = np.zeros(count, np.float32)
        inside[: count // 2] = len(self.inside) > 0
        if elsewhere is self.inside:
            inside[:] = 1
        return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(inside)

    def first_hit(
        self, origins: Float[Tensor, "r 3"], directions: Float[Tensor, "r 3"], near: float = 0.0, far: float = math.inf
    ) -> tuple[Float[Tensor, "r 3"], Bool[Tensor, " r"]]:
        """Where rays enter the hull between two depths, to half a cell, and whether they do."""
        filled = torch.zeros(CELLS**3, dtype=torch.bool)
        filled[torch.from_numpy(self.inside).long()] = True
        away = origins.norm(dim=-1)
        near, far = max(near, float(away.min()) - 0.5), min(far, float(away.max()) + 0.5)
        depths = torch.arange(near, max(far, near + 0.5 / CELLS), 0.5 / CELLS)
        points = origins.unsqueeze(1) + directions.unsqueeze(1) * depths[:, None]  # (r, s, 3)
        cells = ((points + 0.5) * CELLS).long()
        x, y, z = cells.clamp(0, CELLS - 1).unbind(-1)
        hit = filled[(x * CELLS + y) * CELLS + z] & (points.abs() < 0.5).all(-1)  # (r, s)
        first = hit.int().argmax(1)
        return points[torch.arange(len(points)), first], hit.any(1)

    def places(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n p"]:
        """Where points lie in the box (axes from -0.5 to 0.5), and the shape code there (zero far from the hull)."""
        volume = torch.zeros(SHAPE_CELLS**3, SHAPE_DIM)
        volume[self.cells] = self.codes.float()
        volume = volume.reshape(1, SHAPE_CELLS, SHAPE_CELLS, SHAPE_CELLS, SHAPE_DIM)
        return torch.cat([(points - self.box[0]) / self.box[1], multilinear(volume, points.flip(-1)[None] * 2)[0]], -1)


@cache
def _grid() -> Float[Tensor, "n 3"]:
    """Centres of the cells."""
    steps = (torch.arange(CELLS) + 0.5) / CELLS - 0.5
    return torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)


def visual_hull(views: ObjectViews, count: int, pictures: int = 20) -> Hull:
    """The hull from up to ``pictures`` of the first ``count`` views."""
    grid = _grid()
    sphere = grid.norm(dim=-1) < 0.5
    inside, shown = sphere.clone(), False
    for view in spread(count, pictures):
        camera, alpha = views.camera(view), torch.from_numpy(views.picture(view)[..., 3])
        if not alpha.any():  # a blank picture says nothing of where the object is
            continue
        shown = True
        inside[inside.clone()] = on_mask(grid[inside], camera, alpha > 0)
    inside &= shown  # all pictures are blank: there is nothing
    filled = inside.reshape(1, 1, *(CELLS,) * 3).float()
    around = (F.max_pool3d(filled, 5, 1, 2).flatten() > 0) & ~inside & sphere
    left = grid[inside] if inside.any() else grid
    low, high = left.amin(0) - 0.5 / CELLS, left.amax(0) + 0.5 / CELLS
    within, edge = (mask.nonzero()[:, 0].int().numpy() for mask in (inside, around))
    near = F.max_pool3d(F.max_pool3d(filled, 2), 3, 1, 1).flatten() > 0
    codes = shape_codes(filled[0, 0] > 0).reshape(-1, SHAPE_DIM)[near].half()
    return Hull(within, edge, torch.stack([(low + high) / 2, high - low]), near.nonzero()[:, 0].int(), codes)


def shape_codes(filled: Bool[Tensor, "x y z"]) -> Float[Tensor, "a b c k"]:
    """What the object is like around each place: codes whose squared distance adds to that of positions.

    At two scales, the mass in a Gaussian neighbourhood: how far it reaches along each axis (a rod is long along one, a
    board along two), which way the surface faces (the diagonal of the inverse covariance, normalised; for a board the
    square of its normal), and where its centre lies. And along each axis, how much of the object is on either side.
    """
    cells, coarse = len(filled), SHAPE_CELLS
    fine = (torch.arange(cells) + 0.5) / cells - 0.5
    steps = (torch.arange(coarse) + 0.5) / coarse - 0.5
    x, y, z = torch.meshgrid(fine, fine, fine, indexing="ij")
    mass = filled.float()
    moments = torch.stack([mass * m for m in (1 + 0 * x, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z)])
    here = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1)  # (a, b, c, 3)
    parts = []
    for radius in SHAPE_RADII:
        m = _smooth(moments, radius, steps, fine).movedim(0, -1)
        m = m[..., 1:] / m[..., :1].clamp(min=1e-4)
        mean = m[..., :3]
        xx, yy, zz, xy, xz, yz = (m[..., 3:] - mean[..., [0, 1, 2, 0, 0, 1]] * mean[..., [0, 1, 2, 1, 2, 2]]).unbind(-1)
        reach = torch.stack([xx, yy, zz], -1).clamp(min=0).sqrt() / radius
        xx, yy, zz = (v + (0.05 * radius) ** 2 for v in (xx, yy, zz))
        faces = torch.stack([yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy], -1).clamp(min=1e-12)
        faces = faces / faces.sum(-1, keepdim=True)
        parts += [0.1**0.5 * reach, 0.1**0.5 * faces, 0.05**0.5 * (mean - here) / radius]
    thin = _smooth(mass.unsqueeze(0), 0.02, steps, fine)[0]  # (a, b, c)
    for axis in range(3):
        before = thin.cumsum(axis) / coarse
        for side in (before, before.narrow(axis, coarse - 1, 1) - before):
            parts.append(0.06**0.5 * (1 - torch.exp(-side / 0.05)).unsqueeze(-1))
    return torch.cat(parts, -1)


def _smooth(
    values: Float[Tensor, "n x x x"], radius: float, at: Float[Tensor, " a"], fine: Float[Tensor, " x"]
) -> Float[Tensor, "n a a a"]:
    """Means under a Gaussian around the places ``at`` of each axis; outside of the cube there is nothing."""
    kernel = torch.exp(-(at[:, None] - fine).square() / (2 * radius**2))  # (a, x)
    kernel = kernel / ((2 * torch.pi) ** 0.5 * radius * len(fine))
    return torch.einsum("nxyz,ax,by,cz->nabc", values, kernel, kernel, kernel)
