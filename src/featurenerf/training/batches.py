"""What a training step needs, and no more: a few pictures, and some pixels of a few others."""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from featurenerf.arrays import GOLDEN
from featurenerf.cameras import Camera
from featurenerf.data.objects import ObjectViews
from featurenerf.pictures import from_bytes, with_silhouette
from featurenerf.training.augment import faulty, framings, relit
from featurenerf.training.config import Budget
from featurenerf.training.hull import Hull, visual_hull
from featurenerf.training.losses import Rays


@dataclass(frozen=True)
class Batch:
    """Rays of several objects, with the pictures that each object's fields are encoded from.

    Attributes:
        pictures, cameras: source pictures on black with alpha, and their cameras, (o, v).
        xy: the rays' pixels in their own views, in the world's pixel convention.
        rgb: colours on black.
        places: where the rays enter their object's visual hull (``Hull.places``); ``met`` is 1 where they do.
        views: (object, view) of each target view; ``view_index`` says which one a ray is of.
        hull_points: points of the scene; ``in_hull`` is 1 where all silhouettes are.
        label: part labels of the rays' pixels, -1 where none is known; None where they were not asked for.
        framing: how source pictures are framed, see ``Model.encode_batch``.
    """

    pictures: Float[Tensor, "o v 4 h w"]
    cameras: Camera
    xy: Float[Tensor, "o r 2"]
    origins: Float[Tensor, "o r 3"]
    directions: Float[Tensor, "o r 3"]
    rgb: Float[Tensor, "o r 3"]
    alpha: Float[Tensor, "o r 1"]
    places: Float[Tensor, "o r p"]
    met: Float[Tensor, "o r 1"]
    views: Int[np.ndarray, "o t 2"]
    view_index: Int[Tensor, "o r"]
    targets: UInt8[Tensor, "o t h w 4"]
    hull_points: Float[Tensor, "o n 3"]
    in_hull: Float[Tensor, "o n"]
    label: Int[Tensor, "o r"] | None = None
    framing: Float[Tensor, "o v 4"] | None = None

    def rays(self, feature: Float[Tensor, "o r k"], present: Float[Tensor, "o r 1"]) -> Rays:
        """The rays with what is known of them; ``feature`` and where it is ``present`` come from the teacher."""
        return Rays(self.origins, self.directions, self.rgb, self.alpha, feature, present, self.label)


@dataclass(frozen=True, eq=False)
class Drawing:
    """How batches are drawn from objects.

    Attributes:
        pixel_offset: where in a pixel its ray starts.
        labelled: read the part labels too.
        photographic: source pictures look as people's photographs do (``training.augment``).
        hull_of: the visual hull of an object from its first views, kept as long as this is.
    """

    budget: Budget
    pixel_offset: float = 0.5
    labelled: bool = False
    photographic: bool = False
    hull_of: Callable[[ObjectViews, int], Hull] = field(default_factory=lambda: functools.cache(visual_hull))


def make_batch(
    objects: Sequence[ObjectViews], drawing: Drawing, rng: np.random.Generator, synset: str | None = None
) -> Batch:
    """Draw a batch: ``budget.source_views`` pictures to encode, rays from those and from further views.

    Half of the rays hit the object, two fifths fall in its bounding box, the rest anywhere.

    Args:
        synset: of the category that objects are drawn from; None is any.
    """
    among = [number for number, views in enumerate(objects) if synset is None or views.synset == synset]
    drawn = rng.choice(among, drawing.budget.objects, replace=len(among) < drawing.budget.objects)
    parts = [_draw(objects, int(number), drawing, rng) for number in drawn]
    cameras = Camera.stack([part.pop("cameras") for part in parts])
    views = np.stack([part.pop("views") for part in parts])
    return Batch(cameras=cameras, views=views, **{name: torch.stack([p[name] for p in parts]) for name in parts[0]})


def _draw(objects: Sequence[ObjectViews], number: int, drawing: Drawing, rng: np.random.Generator) -> dict[str, Any]:
    """One object's share of a batch: the fields of ``Batch`` without their first axis."""
    views, budget = objects[number], drawing.budget
    available = min(len(views), budget.views)
    chosen = rng.choice(available, budget.target_views, replace=available < budget.target_views)
    pictures = np.stack([views.picture(int(v)) for v in chosen])  # (t, h, w, 4)
    index, xy = _draw_pixels(pictures[..., 3], budget.rays, rng)
    seen = relit(pictures, rng) if drawing.photographic else pictures
    values = torch.from_numpy(seen[index, xy[:, 1], xy[:, 0]].astype(np.float32) / 255)
    cameras = views.cameras()[torch.as_tensor(chosen)]
    pixels = torch.from_numpy(xy.astype(np.float32)) + drawing.pixel_offset
    origins, directions = cameras[torch.as_tensor(index)].rays_through(pixels)
    hull = drawing.hull_of(views, available)
    hull_points, in_hull = hull.draw(budget.hull_points, rng)
    surface, met = hull.first_hit(origins, directions, *cameras.cut)
    sources = slice(0, budget.source_views)
    given = np.stack([faulty(picture, rng) for picture in seen[sources]]) if drawing.photographic else seen[sources]
    return {
        **({"framing": framings(budget.source_views, rng)} if drawing.photographic else {}),
        **({"label": _labels(views, chosen, index, xy)} if drawing.labelled else {}),
        "pictures": with_silhouette(from_bytes(given)),
        "cameras": cameras[sources],
        "xy": pixels,
        "origins": origins,
        "directions": directions,
        "rgb": values[:, :3] * values[:, 3:],
        "alpha": values[:, 3:],
        "places": hull.places(surface),
        "met": met.unsqueeze(-1).float(),
        "views": np.stack([np.full_like(chosen, number), chosen], -1),
        "view_index": torch.as_tensor(index),
        "targets": torch.from_numpy(pictures),
        "hull_points": hull_points,
        "in_hull": in_hull,
    }


def batches(
    objects: Sequence[ObjectViews], drawing: Drawing, seed: int, start: int, workers: int, process: int = 0
) -> Iterator[Batch]:
    """Batches from step ``start`` on, prepared ahead in threads; each depends on seed, step and process alone.

    Each is of one category, so that all its objects can be compared. Several take turns, as often as they have objects,
    and never for long: two neighbours in the sequence (steps, or processes of a step) are far apart in the list.
    """

    def prepare(step: int) -> Batch:
        synset = objects[int((step + process) * GOLDEN % 1 * len(objects))].synset
        return make_batch(objects, drawing, np.random.default_rng([seed, step, process]), synset)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        ahead = deque(pool.submit(prepare, start + k) for k in range(workers + 1))
        for step in itertools.count(start + len(ahead)):
            batch = ahead.popleft().result()
            ahead.append(pool.submit(prepare, step))
            yield batch


def _labels(views: ObjectViews, chosen: np.ndarray, index: np.ndarray, xy: np.ndarray) -> Int[Tensor, " r"]:
    """Part labels of pixels (x, y) of some of the chosen views; -1 where the object has none."""
    if not views.has("part_2d"):
        return torch.full((len(xy),), -1, dtype=torch.int64)
    return torch.from_numpy(np.stack([views.parts(int(v)) for v in chosen])[index, xy[:, 1], xy[:, 0]].astype(np.int64))


def to_device(batch: Batch, device: torch.device) -> Batch:
    moved: dict[str, Any] = {k: v.to(device) for k, v in vars(batch).items() if isinstance(v, (Tensor, Camera))}
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
        on_object, in_box = len(mine) // 2 if len(xs) else 0, len(mine) * 2 // 5
        if len(xs):
            box = (max(xs.min() - 3, 0), min(xs.max() + 3, w - 1), max(ys.min() - 3, 0), min(ys.max() + 3, h - 1))
            hit = rng.integers(len(xs), size=on_object)
            xy[mine[:on_object]] = np.stack([xs[hit], ys[hit]], -1)
        near, anywhere = mine[on_object : on_object + in_box], mine[on_object + in_box :]
        xy[near, 0] = rng.integers(box[0], box[1] + 1, len(near))
        xy[near, 1] = rng.integers(box[2], box[3] + 1, len(near))
        xy[anywhere, 0] = rng.integers(w, size=len(anywhere))
        xy[anywhere, 1] = rng.integers(h, size=len(anywhere))
    return index, xy
