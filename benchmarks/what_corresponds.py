"""How far each unlabelled cue carries labels between objects in 3D, without any network of ours: what the
correspondence loss can teach at best.

    python benchmarks/what_corresponds.py DATA --category chair --out benchmarks/results/what_corresponds.json

Every labelled point of the target takes the part of the closest point of the source, and every keypoint goes to the
closest candidate, by: position; position in the visual hull's box; that and the shape code of training/hull.py;
and with the teacher's features, averaged over the views that see a point. Pairs are drawn among validation objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor
from tqdm import tqdm

from featurenerf.data.views import Dataset, open_dataset
from featurenerf.evaluation import TASKS, metrics
from featurenerf.evaluation.protocols import draw_pairs
from featurenerf.fields.fast import multilinear
from featurenerf.teachers import load_teacher
from featurenerf.training.hull import visual_hull
from featurenerf.training.losses import LIKENESS

NEAR_CELLS = 48
"""A point is seen from where no other point of its cell, of so many across the picture, is clearly nearer."""


@dataclass(frozen=True)
class Config:
    data: Annotated[str, tyro.conf.Positional]
    out: Path
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

    def __getitem__(self, index: slice | list[int]) -> Points:
        return Points(*(value[index] for value in vars(self).values()))


def main(config: Config) -> None:
    teacher = load_teacher(config.teacher)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for category in config.category:
        dataset = open_dataset(config.data, category, "val")
        pairs = draw_pairs(TASKS["3d"], sorted(o.id for o in dataset), len(dataset[0]), number=config.pairs)
        known = cache(lambda name, dataset=dataset: look(dataset, name, teacher))
        mean = torch.cat([known(pair.source_id)[0].feature for pair in pairs[:10]]).mean(0)
        scores: dict[str, list[tuple[float | None, float | None]]] = {name: [] for name in distances(mean)}
        for pair in tqdm(pairs, category):
            for name, distance in distances(mean).items():
                scores[name].append(carry(known(pair.source_id), known(pair.target_id), distance))
        found[category] = {
            name: {
                "part_miou": metrics.mean([iou for iou, _ in pairs_ if iou is not None]),
                "keypoint_accuracy_0.1": metrics.mean([share for _, share in pairs_ if share is not None]),
            }
            for name, pairs_ in scores.items()
        }
    config.out.write_text(json.dumps(found, indent=2) + "\n")
    for category, rows in found.items():
        for name, row in rows.items():
            print(f"{category:10s} {name:28s} " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))


def distances(mean: Tensor) -> dict[str, Callable[[Points, Points], Tensor]]:
    """Squared distances between the points of two objects, by cue."""

    def away(a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(a, b).square()

    def unlike(a: Points, b: Points) -> Tensor:
        return LIKENESS * (1 - F.normalize(a.feature - mean, dim=1) @ F.normalize(b.feature - mean, dim=1).T)

    return {
        "position": lambda a, b: away(a.position, b.position),
        "position in the box": lambda a, b: away(a.in_box, b.in_box),
        "teacher": unlike,
        "box and teacher": lambda a, b: away(a.in_box, b.in_box) + unlike(a, b),
        "box and shape": lambda a, b: away(a.in_box, b.in_box) + away(a.shape, b.shape),
        "box, shape and teacher": lambda a, b: away(a.in_box, b.in_box) + away(a.shape, b.shape) + unlike(a, b),
    }


@torch.no_grad()
def look(dataset: Dataset, name: str, teacher: torch.nn.Module) -> tuple[Points, Tensor, Tensor]:
    """Part points, then candidates, then keypoints of an object; the parts of the first; the ids of the last."""
    views = dataset[name]
    labelled, parts = (torch.as_tensor(array) for array in views.part_points())
    candidates, keypoints = (torch.as_tensor(array) for array in views.keypoint_candidates())
    points = torch.cat([labelled, candidates, keypoints[:, :3]]).float()
    hull = visual_hull(views, len(views))
    total, seen = torch.zeros(len(points), teacher.dim), torch.zeros(len(points), 1)
    for view in range(0, len(views), 2):
        camera, picture = views.camera(view), torch.from_numpy(views.picture(view)).permute(2, 0, 1)[None].float() / 255
        xy, depth = camera.project(points)
        size = torch.tensor([camera.width, camera.height])
        cell = (xy / size * NEAR_CELLS).long().clamp(0, NEAR_CELLS - 1)
        number = cell[:, 1] * NEAR_CELLS + cell[:, 0]
        nearest = torch.full((NEAR_CELLS**2,), torch.inf).scatter_reduce(0, number, depth, "amin")
        visible = (depth < nearest[number] + 0.04).float().unsqueeze(1)
        grid = (2 * xy / size - 1)[None, None]
        values = F.grid_sample(teacher(picture), grid, align_corners=False, padding_mode="border")[0, :, 0].T
        total, seen = total + visible * values, seen + visible
    in_box = (points - hull.box[0]) / hull.box[1]
    shape = multilinear(hull.shape()[None], points.flip(-1)[None] * 2)[0]
    return Points(points, in_box, shape, total / seen.clamp(min=1)), parts, keypoints[:, 3].long()


def carry(
    source: tuple[Points, Tensor, Tensor], target: tuple[Points, Tensor, Tensor], distance: Callable[..., Tensor]
) -> tuple[float | None, float | None]:
    """Part IoU and share of keypoints within 0.1."""
    (known, parts, ids), (wanted, true_parts, true_ids) = source, target
    shared = metrics.shared_parts(parts, true_parts)
    closest = distance(wanted[: len(true_parts)], known[: len(parts)]).argmin(1)
    iou = metrics.part_iou(parts[closest], true_parts, shared) if shared else None
    both = [i for i in ids.tolist() if i in true_ids.tolist()]
    if not both:
        return iou, None
    first = len(known.position) - len(ids)
    last = len(wanted.position) - len(true_ids)
    asked = known[[first + ids.tolist().index(i) for i in both]]
    candidates = wanted[slice(len(true_parts), last)]
    landed = candidates.position[distance(asked, candidates).argmin(1)]
    truth = wanted.position[[last + true_ids.tolist().index(i) for i in both]]
    return iou, float(((landed - truth).norm(dim=1) < 0.1).float().mean())


if __name__ == "__main__":
    main(tyro.cli(Config))
