"""What a training step needs, and no more: a few pictures, and some pixels of a few others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.views import ObjectViews
from featurenerf.training.config import Budget


@dataclass(frozen=True)
class Batch:
    """Rays of several objects, with the pictures that each object's fields are encoded from.

    Attributes:
        pictures: source pictures on black, (o, v, 3, h, w).
        cameras: their cameras, (o, v).
        xy: the rays' pixels in their own views, (o, r, 2), in the world's pixel convention.
        origins, directions: the rays, (o, r, 3).
        rgb: colours on black, (o, r, 3).
        alpha: (o, r, 1).
        views: (object, view) of each target view, (o, t, 2); ``view_index`` (o, r) says which one a ray is of.
        targets: the target pictures, (o, t, 4, h, w).
        box: centre and size of each object's bounding box, estimated from its silhouettes, (o, 2, 3).
        hull_points: points of the scene, (o, n, 3); ``in_hull``, (o, n), is 1 where all silhouettes are.
    """

    pictures: Float[Tensor, "o v 3 h w"]
    cameras: Camera
    xy: Float[Tensor, "o r 2"]
    origins: Float[Tensor, "o r 3"]
    directions: Float[Tensor, "o r 3"]
    rgb: Float[Tensor, "o r 3"]
    alpha: Float[Tensor, "o r 1"]
    views: Int[np.ndarray, "o t 2"]
    view_index: Int[Tensor, "o r"]
    targets: Float[Tensor, "o t 4 h w"]
    box: Float[Tensor, "o 2 3"]
    hull_points: Float[Tensor, "o n 3"]
    in_hull: Float[Tensor, "o n"]


def make_batch(objects: Sequence[ObjectViews], budget: Budget, rng: np.random.Generator, offset: float = 0.5) -> Batch:
    """Draw a batch: ``budget.source_views`` pictures to encode, rays from those and from further views.

    Half of the rays hit the object, two fifths fall in its bounding box, the rest anywhere.
    """
    parts = []
    for number in rng.choice(len(objects), budget.objects, replace=len(objects) < budget.objects):
        views = objects[int(number)]
        available = min(len(views), budget.views)
        chosen = rng.choice(available, budget.target_views, replace=available < budget.target_views)
        pictures = np.stack([views.picture(int(v)) for v in chosen])  # (t, h, w, 4)
        index, xy = _draw_pixels(pictures[..., 3], budget.rays, rng)
        values = pictures[index, xy[:, 1], xy[:, 0]].astype(np.float32) / 255
        cameras = views.cameras()[torch.as_tensor(chosen)]
        pixels = torch.from_numpy(xy.astype(np.float32)) + offset
        origins, directions = cameras[torch.as_tensor(index)].rays_through(pixels)
        hull = visual_hull(views, available)
        points, inside = hull.draw(budget.hull_points, rng)
        parts.append(
            (int(number), chosen, pictures, index, pixels, values, cameras, origins, directions, hull, points, inside)
        )

    targets = torch.from_numpy(np.stack([p[2] for p in parts])).permute(0, 1, 4, 2, 3).float() / 255
    values = torch.from_numpy(np.stack([p[5] for p in parts]))
    cameras = Camera.stack([p[6] for p in parts])
    sources = slice(0, budget.source_views)
    return Batch(
        pictures=targets[:, sources, :3] * targets[:, sources, 3:],
        cameras=cameras[:, sources],
        xy=torch.stack([p[4] for p in parts]),
        origins=torch.stack([p[7] for p in parts]),
        directions=torch.stack([p[8] for p in parts]),
        rgb=values[..., :3] * values[..., 3:],
        alpha=values[..., 3:],
        views=np.stack([np.stack([np.full_like(p[1], p[0]), p[1]], -1) for p in parts]),
        view_index=torch.stack([torch.as_tensor(p[3]) for p in parts]),
        targets=targets,
        box=torch.stack([p[9].box for p in parts]),
        hull_points=torch.stack([p[10] for p in parts]),
        in_hull=torch.stack([p[11] for p in parts]),
    )


HULL_CELLS = 48


@dataclass(frozen=True, eq=False)
class Hull:
    """What an object's silhouettes carve out of space (Laurentini, 1994): no label is needed, the object is inside.

    Attributes:
        inside, edge, outside: numbers of the grid's cells in the hull, next to it, and elsewhere in the scene's sphere.
        box: centre and size of the hull's bounding box.
    """

    inside: Int[np.ndarray, " i"]
    edge: Int[np.ndarray, " e"]
    outside: Int[np.ndarray, " o"]
    box: Float[Tensor, "2 3"]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
        """Random points, half of them inside, a quarter next to the hull, and 1 for those inside."""
        shares = ((self.inside, count // 2), (self.edge, count // 4), (self.outside, count - count // 2 - count // 4))
        cells = np.concatenate([rng.choice(c if len(c) else self.outside, n).astype(np.int64) for c, n in shares])
        index = np.stack(np.unravel_index(cells, (HULL_CELLS,) * 3), -1)
        points = (index + rng.random((count, 3))) / HULL_CELLS - 0.5
        inside = np.zeros(count, np.float32)
        inside[: count // 2] = len(self.inside) > 0
        return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(inside)


@cache
def visual_hull(views: ObjectViews, count: int, pictures: int = 20) -> Hull:
    """The hull from up to ``pictures`` of the first ``count`` views."""
    steps = (torch.arange(HULL_CELLS) + 0.5) / HULL_CELLS - 0.5
    grid = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    sphere = grid.norm(dim=-1) < 0.5
    inside = sphere.clone()
    for view in np.linspace(0, count - 1, min(pictures, count)).round().astype(int):
        camera, alpha = views.camera(int(view)), torch.from_numpy(views.picture(int(view))[..., 3])
        xy = camera.project(grid[inside])[0].floor().long()
        seen = (xy >= 0).all(-1) & (xy[:, 0] < camera.width) & (xy[:, 1] < camera.height)
        on = torch.zeros(len(xy), dtype=torch.bool)
        on[seen] = alpha[xy[seen, 1], xy[seen, 0]] > 0
        inside[inside.clone()] = on
    filled = inside.reshape(1, 1, *(HULL_CELLS,) * 3).float()
    around = (F.max_pool3d(filled, 5, 1, 2).flatten() > 0) & ~inside & sphere
    rest = sphere & ~inside & ~around
    left = grid[inside] if inside.any() else grid
    low, high = left.amin(0) - 0.5 / HULL_CELLS, left.amax(0) + 0.5 / HULL_CELLS
    within, edge, outside = (mask.nonzero()[:, 0].int().numpy() for mask in (inside, around, rest))
    return Hull(within, edge, outside, torch.stack([(low + high) / 2, high - low]))


def batches(
    objects: Sequence[ObjectViews], budget: Budget, seed: int, start: int, workers: int, offset: float = 0.5
) -> Iterator[Batch]:
    """Batches from step ``start`` on, prepared ahead in threads; each depends on the seed and its step alone."""

    def prepare(step: int) -> Batch:
        return make_batch(objects, budget, np.random.default_rng([seed, step]), offset)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        ahead = [pool.submit(prepare, start + k) for k in range(workers + 1)]
        step = start + len(ahead)
        while True:
            batch = ahead.pop(0).result()
            ahead.append(pool.submit(prepare, step))
            step += 1
            yield batch


def to_device(batch: Batch, device: torch.device) -> Batch:
    moved: dict[str, Any] = {
        name: value.to(device) for name, value in vars(batch).items() if isinstance(value, (Tensor, Camera))
    }
    return replace(batch, **moved)


def _draw_pixels(
    alpha: UInt8[np.ndarray, "t h w"], count: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, "r 2"]]:
    """Views and pixels (x, y) of ``count`` rays, spread evenly over the views."""
    t, h, w = alpha.shape
    index = np.repeat(np.arange(t), -(-count // t))[:count]
    xy = np.empty((count, 2), np.int64)
    for view in range(t):
        mine = np.flatnonzero(index == view)
        rng.shuffle(mine)
        ys, xs = np.nonzero(alpha[view] > 127)
        box = (0, w - 1, 0, h - 1)
        on_object, in_box = len(mine) // 2, len(mine) * 2 // 5
        if len(xs):
            box = (max(xs.min() - 3, 0), min(xs.max() + 3, w - 1), max(ys.min() - 3, 0), min(ys.max() + 3, h - 1))
            hit = rng.integers(len(xs), size=on_object)
            xy[mine[:on_object]] = np.stack([xs[hit], ys[hit]], -1)
        else:
            on_object = 0
        near, anywhere = mine[on_object : on_object + in_box], mine[on_object + in_box :]
        xy[near, 0] = rng.integers(box[0], box[1] + 1, len(near))
        xy[near, 1] = rng.integers(box[2], box[3] + 1, len(near))
        xy[anywhere, 0] = rng.integers(w, size=len(anywhere))
        xy[anywhere, 1] = rng.integers(h, size=len(anywhere))
    return index, xy
