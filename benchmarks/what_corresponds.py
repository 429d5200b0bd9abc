"""How far each unlabelled cue carries labels between objects in 3D, without any network of ours: what the
correspondence loss can teach at best.

    python benchmarks/what_corresponds.py DATA --group cues

Every labelled point of the target takes the part of the closest point of the source, and every keypoint goes to the
closest candidate, by: position; position in the visual hull's box; that and the shape code of training/hull.py;
and with the teacher's features, averaged over the views that see a point. Pairs are drawn among validation objects by
the rule of `featurenerf data make`: they differ in family and proportion. Of labelled points and candidates, every
third is taken. ``--group`` adds the figures to benchmarks/results.jsonl.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Annotated

import results
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor
from tqdm import tqdm

from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.data.pairs import unlike_objects
from featurenerf.evaluation import metrics
from featurenerf.pictures import from_bytes
from featurenerf.teachers import load_teacher
from featurenerf.training.correspondence import LIKENESS, squared_distances
from featurenerf.training.hull import SHAPE_DIM, visual_hull

NEAR_CELLS = 48
"""A point is seen from where no other point of its cell, of so many across the picture, is clearly nearer."""


@dataclass(frozen=True)
class Config:
    data: Annotated[Path, tyro.conf.Positional]
    group: str | None = None
    category: tuple[str, ...] = ("chair", "car")
    pairs: int = 60
    teacher: str = "efficientnet-lite0"


@dataclass(frozen=True)
class Points:
    """The points of an object, and what is known of each."""

    position: Tensor
    in_box: Tensor
    shape: Tensor
    feature: Tensor


def main(config: Config) -> None:
    teacher = load_teacher(config.teacher)
    found = []
    for category in config.category:
        dataset = open_dataset(config.data, category, "val")
        pairs = unlike(dataset, config.pairs)
        known = cache(lambda name, dataset=dataset: look(dataset, name, teacher))
        mean = torch.cat([known(source)[0].feature for source, _ in pairs[:10]]).mean(0)
        scores: dict[str, list[tuple[float | None, float | None]]] = {name: [] for name in distances(mean)}
        for source, target in tqdm(pairs, category):
            for name, distance in distances(mean).items():
                scores[name].append(carry(known(source), known(target), distance))
        for name, pairs_ in scores.items():
            iou = metrics.mean([iou for iou, _ in pairs_ if iou is not None])
            share = metrics.mean([share for _, share in pairs_ if share is not None])
            print(f"{category:10s} {name:28s} part mIoU {iou:.3f}  keypoints within 0.1 {share:.3f}")
            about = {"label": name, "job": "cues", "category": category, "split": "val", "pairs": config.pairs}
            origin = results.origin(config.group or "now", ["python", *sys.argv])
            found.append({**origin, **about, "part_miou": iou, "keypoint_accuracy": {"0.1": share}})
    if config.group:
        results.add_records(found)


def unlike(dataset: Dataset, number: int) -> list[tuple[str, str]]:
    """Objects that differ in family and proportion, as the pairs of test objects do."""
    names, pairs = sorted(o.id for o in dataset), unlike_objects(dataset)
    assert pairs is not None, f"{dataset.root} does not say of which family an object is"
    return [(names[a], names[b]) for a, b in Random(0).choices(pairs, k=number)]


def distances(mean: Tensor) -> dict[str, Callable[[Points, Points], Tensor]]:
    """Squared distances between the points of two objects, by cue."""

    def in_box(a: Points, b: Points) -> Tensor:
        return squared_distances(a.in_box, b.in_box)

    def shape(a: Points, b: Points) -> Tensor:
        return squared_distances(a.shape, b.shape)

    def teacher(a: Points, b: Points) -> Tensor:
        return LIKENESS * (1 - F.normalize(a.feature - mean, dim=1) @ F.normalize(b.feature - mean, dim=1).T)

    return {
        "position": lambda a, b: squared_distances(a.position, b.position),
        "position in the box": in_box,
        "teacher": teacher,
        "box and teacher": lambda a, b: in_box(a, b) + teacher(a, b),
        "box and shape": lambda a, b: in_box(a, b) + shape(a, b),
        "box, shape and teacher": lambda a, b: in_box(a, b) + shape(a, b) + teacher(a, b),
    }


@torch.no_grad()
def look(dataset: Dataset, name: str, teacher: torch.nn.Module) -> tuple[Points, Tensor, Tensor]:
    """Part points, then candidates, then keypoints of an object; the parts of the first; the ids of the last."""
    views = dataset[name]
    labelled, parts = (torch.as_tensor(array)[::3] for array in views.part_points())
    candidates, keypoints = (torch.as_tensor(array) for array in views.keypoint_candidates())
    candidates = candidates[::3]
    points = torch.cat([labelled, candidates, keypoints[:, :3]]).float()
    hull = visual_hull(views, len(views))
    total, seen = torch.zeros(len(points), teacher.dim), torch.zeros(len(points), 1)
    for view in range(0, len(views), 2):
        camera, picture = views.camera(view), from_bytes(views.picture(view))[None]
        xy, depth = camera.project(points)
        size = torch.tensor([camera.width, camera.height])
        cell = (xy / size * NEAR_CELLS).long().clamp(0, NEAR_CELLS - 1)
        number = cell[:, 1] * NEAR_CELLS + cell[:, 0]
        nearest = torch.full((NEAR_CELLS**2,), torch.inf).scatter_reduce(0, number, depth, "amin")
        visible = (depth < nearest[number] + 0.04).float().unsqueeze(1)
        grid = (2 * xy / size - 1)[None, None]
        values = F.grid_sample(teacher(picture), grid, align_corners=False, padding_mode="border")[0, :, 0].T
        total, seen = total + visible * values, seen + visible
    in_box, shape = hull.places(points).split([3, SHAPE_DIM], 1)
    return Points(points, in_box, shape, total / seen.clamp(min=1)), parts, keypoints[:, 3].long()


def carry(
    source: tuple[Points, Tensor, Tensor], target: tuple[Points, Tensor, Tensor], distance: Callable[..., Tensor]
) -> tuple[float | None, float | None]:
    """Part IoU and share of keypoints within 0.1."""
    (known, parts, ids), (wanted, true_parts, true_ids) = source, target
    away = distance(wanted, known)
    shared = metrics.shared_parts(parts, true_parts)
    closest = away[: len(true_parts), : len(parts)].argmin(1)
    iou = metrics.part_iou(parts[closest], true_parts, shared) if shared else None
    both = [i for i in ids.tolist() if i in true_ids.tolist()]
    if not both:
        return iou, None
    first, last = len(known.position) - len(ids), len(wanted.position) - len(true_ids)
    asked = [first + ids.tolist().index(i) for i in both]
    landed = wanted.position[len(true_parts) + away[len(true_parts) : last, asked].argmin(0)]
    truth = wanted.position[[last + true_ids.tolist().index(i) for i in both]]
    return iou, float(((landed - truth).norm(dim=1) < 0.1).float().mean())


if __name__ == "__main__":
    main(tyro.cli(Config))
