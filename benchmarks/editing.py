"""How well parts are edited, on unseen generated pairs with exact labels.

    python benchmarks/editing.py DATA --group editing

Of each pair, the target's part takes the texture of the source's (``studio.edit.textured``). Labels of the target's own
picture say where the part is there; they are carried over to the source. Exact labels of other pictures of the target,
which took no part, say what came out: how many decibels the picture changed outside the part, how far the colours
inside are from those of the source's part, and how well the part's place agrees. ``exact shape`` is that agreement if
every surface point of the field had the exact label of the closest point of the true surface: the most that the
field's shape lets any labels reach. ``--group`` adds the figures to benchmarks/results.jsonl.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import results
import torch
import tyro
from torch import Tensor
from tqdm import tqdm

import featurenerf
from featurenerf.data.objects import ObjectViews
from featurenerf.data.open import open_dataset
from featurenerf.fields.edits import marked
from featurenerf.models.base import Model
from featurenerf.pictures import from_bytes
from featurenerf.studio.edit import find_part, like_part, textured
from featurenerf.studio.parts import PartLabels, Subject

LEAST = 60
"""Pixels that a part must have in the pictures of both objects, and in a view that is compared."""
BINS = 8


@dataclass(frozen=True)
class Config:
    data: Annotated[Path, tyro.conf.Positional]
    group: str | None = None
    category: tuple[str, ...] = ("chair", "car")
    pairs: int = 10
    views: int = 3
    checkpoint: str = "chair-car"


@torch.no_grad()
def main(config: Config) -> None:
    model = featurenerf.load(config.checkpoint)
    records = []
    for category in config.category:
        dataset = open_dataset(config.data, category, "test")
        names = dataset.labels.parts
        found: dict[str, list[float]] = defaultdict(list)
        parts: dict[str, list[float]] = defaultdict(list)
        for number, pair in enumerate(tqdm(dataset.cross_pose_pairs[: config.pairs], category)):
            of, like = dataset[pair.target_id], dataset[pair.source_id]
            shared = [n for n in range(1, len(names)) if (of.parts(pair.target_view) == n).sum() >= LEAST
                      and (like.parts(pair.source_view) == n).sum() >= LEAST]  # fmt: skip
            if shared:
                label = shared[number % len(shared)]
                swap(
                    model, of, pair.target_view, like, pair.source_view, label, names[label], config.views, found, parts
                )
        measured = {name: float(np.mean(values)) for name, values in found.items()}
        measured |= {"by_part": {name: [float(np.mean(values)), len(values)] for name, values in parts.items()}}
        print(
            category,
            len(found["part_iou"]),
            {k: v if isinstance(v, dict) else round(v, 3) for k, v in measured.items()},
        )
        about = {
            "label": config.checkpoint,
            "job": "editing",
            "category": category,
            "split": "test",
            "pairs": config.pairs,
        }
        about["views"] = len(found["part_iou"])
        records.append({**results.origin(config.group or "now", ["python", *sys.argv]), **about, **measured})
    if config.group:
        results.add_records(records)


def swap(
    model: Model,
    of: ObjectViews,
    of_view: int,
    like: ObjectViews,
    like_view: int,
    label: int,
    name: str,
    views: int,
    found: dict[str, list[float]],
    parts: dict[str, list[float]],
) -> None:
    """Edit one pair, and compare some other views of the target."""
    b, a = encoded(model, of, of_view, label, name), encoded(model, like, like_view, None, name)
    region = find_part(b, name, None)
    after = textured(b.field, region, a, like_part(a, name, b, region))
    where = marked(b.field, region)
    theirs = picture(like, like_view)[:3, torch.from_numpy(like.parts(like_view)) == label].T
    true_points, true_labels = (torch.as_tensor(array) for array in of.part_points())
    for turn in range(1, views + 1):
        view = (of_view + turn * len(of) // (views + 1)) % len(of)
        exact = torch.from_numpy(of.parts(view)) == label
        if exact.sum() < LEAST:
            continue
        camera = of.camera(view)
        old, new = (f.render(camera, ("rgb", "alpha", "depth")) for f in (b.field, after))
        share = where.render(camera, ("region",))["region"][..., 0]
        drawn, solid = share > 0.5, old["alpha"][..., 0] > 0.5
        change = (old["rgb"].clamp(0, 1) - new["rgb"].clamp(0, 1)).square().mean(-1)
        object_ = torch.from_numpy(of.parts(view)) > 0
        found["psnr_outside_exact"].append(psnr(change[~exact]))
        found["psnr_outside_exact_object"].append(psnr(change[object_ & ~exact]))
        found["psnr_outside_drawn"].append(psnr(change[share < 0.02]))
        found["mse_outside_exact"].append(float(change[~exact].mean()))
        found["part_iou"].append(iou(drawn, exact))
        parts[name].append(iou(drawn, exact))
        found["part_iou_common"].append(iou(drawn & object_, exact & solid))
        found["outline_iou"].append(iou(solid, object_))
        origins, directions = camera.rays()
        points = (origins + directions * old["depth"] / old["alpha"].clamp(min=1e-6))[solid]
        oracle = torch.zeros_like(solid)
        oracle[solid] = true_labels[torch.cdist(points, true_points.float()).argmin(1)] == label
        found["part_iou_exact_shape"].append(iou(oracle, exact))
        for kind, inside in (("exact", exact & solid), ("drawn", drawn)):
            if inside.sum() < 10:
                continue
            for when, seen in (("before", old), ("after", new)):
                colors = (seen["rgb"] / seen["alpha"].clamp(min=1e-4)).clamp(0, 1)[inside]
                found[f"histogram_{kind}_{when}"].append(histogram_distance(colors, theirs))


def encoded(model: Model, views: ObjectViews, view: int, label: int | None, name: str) -> Subject:
    """A view of a data set's object; ``label`` is named, and the others are told from it."""
    rgba = picture(views, view)
    labels = None if label is None else PartLabels(views.parts(view).astype(np.int64), {label: name}, views.place(view))
    field = model.encode(rgba, views.camera(view))
    return Subject(views.id, field, rgba, None, (rgba.shape[2], rgba.shape[1]), labels)


def picture(views: ObjectViews, view: int) -> Tensor:
    return from_bytes(views.picture(view))


def psnr(squared: Tensor) -> float:
    """Decibels; at most 99, where nothing changed."""
    return float((-10 * squared.mean().clamp(min=10**-9.9).log10()) if len(squared) else torch.tensor(99.0))


def iou(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def histogram_distance(a: Tensor, b: Tensor) -> float:
    """Earth mover's distance of the histograms of red, green and blue, 8 bins each; mean of the three, in [0, 1]."""
    edges = torch.linspace(0, 1, BINS + 1)[1:-1]
    shares = []
    for colors in (a, b):
        bins = torch.bucketize(colors.contiguous(), edges)
        shares.append(torch.stack([(bins == k).float().mean(0) for k in range(BINS)]))
    return float((shares[0] - shares[1]).cumsum(0).abs().sum(0).mean() / (BINS - 1))


if __name__ == "__main__":
    main(tyro.cli(Config))
