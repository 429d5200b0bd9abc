"""Does a teacher's map get better at matching when it is made sharper? No training: the raw maps are scored.

    python benchmarks/sharper_targets.py DATA OUT.json [--teacher NAME] [--category chair car] [--pairs 60]

For each variant: keypoint accuracy at 10 pixels and part mIoU over pairs of validation objects, seen from the same side
and from different ones, and CPU time a picture beside that of the teacher as it is. Variants:

as-is         the teacher's own map; cells whose pixel at the top left is background are zero, as in the paper
covered       the same, but cells that the object covers anywhere are kept
size-N        pictures enlarged to N pixels
averaged      four pictures, shifted by a quarter of a cell each way; their maps laid over each other and averaged
interleaved   the same four maps side by side in a grid that is twice as fine
bilateral     joint bilateral upsampling: a pixel takes from the cells near it that have its colour
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from featurenerf.data.views import open_dataset
from featurenerf.evaluation.protocols import TASKS, draw_pairs, evaluate
from featurenerf.teachers import Teacher, load_teacher

Maps = Callable[[Tensor], Tensor]


def resized(pictures: Tensor, size: int) -> Tensor:
    return F.interpolate(pictures, (size, size), mode="bilinear", align_corners=False)


def raw(teacher: Teacher, pictures: Tensor) -> Tensor:
    """Maps with the background still in them."""
    return teacher(pictures[:, :3])


def masked(maps: Tensor, alpha: Tensor, covered: bool) -> Tensor:
    """Maps without the background: cells with background at their top left, or those that are nothing else."""
    size = maps.shape[-2:]
    mask = F.adaptive_max_pool2d(alpha, size) if covered else F.interpolate(alpha, size, mode="nearest")
    return maps * (mask > 0)


def covered(teacher: Teacher) -> Maps:
    return lambda pictures: masked(raw(teacher, pictures), pictures[:, 3:], True)


def shifted(teacher: Teacher, pictures: Tensor) -> list[Tensor]:
    """Maps of the picture moved by a quarter of a cell: left-up, right-up, left-down, right-down cells."""
    large = resized(pictures[:, :3], teacher.size)
    step = teacher.size // teacher(pictures[:1, :3]).shape[-1] // 4
    padded = F.pad(large, (step,) * 4, mode="replicate")
    moved = [padded[..., y : y + teacher.size, x : x + teacher.size] for y in (0, 2 * step) for x in (0, 2 * step)]
    return [teacher(picture) for picture in moved]


def interleaved(teacher: Teacher) -> Maps:
    def maps(pictures: Tensor) -> Tensor:
        four = torch.stack(shifted(teacher, pictures), 2)  # b c 4 h w
        fine = F.pixel_shuffle(four.flatten(1, 2), 2)  # b c 2h 2w
        return masked(fine, pictures[:, 3:], True)

    return maps


def averaged(teacher: Teacher) -> Maps:
    def maps(pictures: Tensor) -> Tensor:
        size = pictures.shape[-1]
        total = torch.zeros(())
        offsets = [(x, y) for y in (-0.25, 0.25) for x in (-0.25, 0.25)]  # of the cells, in cells
        for found, (dx, dy) in zip(shifted(teacher, pictures), offsets, strict=True):
            theta = torch.tensor([[1.0, 0, -2 * dx / found.shape[-1]], [0, 1.0, -2 * dy / found.shape[-2]]])
            grid = F.affine_grid(theta.expand(len(found), 2, 3), [len(found), 1, size, size], align_corners=False)
            total = total + F.grid_sample(found, grid, padding_mode="border", align_corners=False)
        return masked(total / 4, pictures[:, 3:], False)

    return maps


def bilateral(teacher: Teacher, space: float = 0.7, colour: float = 0.15) -> Maps:
    """Args: space: deviation in cells; colour: deviation of RGB in [0, 1]."""

    def maps(pictures: Tensor) -> Tensor:
        return torch.stack([one(p) for p in pictures])

    def one(picture: Tensor) -> Tensor:
        found = raw(teacher, picture[None])[0]
        c, h, w = found.shape
        height, width = picture.shape[1:]
        alpha = picture[3:]
        weight = F.adaptive_avg_pool2d(alpha, (h, w))
        colours = F.adaptive_avg_pool2d(picture[:3] * alpha, (h, w)) / weight.clamp(min=1e-6)
        ys, xs = (alpha[0] > 0).nonzero().unbind(1)
        there = (weight[0] > 0).nonzero()
        at = torch.stack([(ys + 0.5) * h / height - 0.5, (xs + 0.5) * w / width - 0.5], 1)
        near = torch.cdist(at, there.float()).square() / (2 * space**2)
        alike = torch.cdist(picture[:3, ys, xs].T, colours[:, there[:, 0], there[:, 1]].T).square() / (2 * colour**2)
        shares = (-near - alike).softmax(1)
        fine = torch.zeros(c, height, width)
        fine[:, ys, xs] = (shares @ found[:, there[:, 0], there[:, 1]].T).T
        return fine

    return maps


def variants(name: str, sizes: list[int]) -> dict[str, Maps]:
    teacher = load_teacher(name)
    found: dict[str, Maps] = {
        "as-is": teacher,
        "covered": covered(teacher),
        "averaged": averaged(teacher),
        "interleaved": interleaved(teacher),
        "bilateral": bilateral(teacher),
    }
    for size in sizes:
        larger = load_teacher(name + ("," if "@" in name else "@") + f"size={size}")
        found |= {f"size-{size}": larger, f"size-{size}, covered": covered(larger)}
        found[f"size-{size}, bilateral"] = bilateral(larger)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", default="efficientnet-lite0")
    parser.add_argument("--category", nargs="+", default=["chair", "car"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[384, 512])
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
    kinds = [(category, sides) for category in arguments.category for sides in ("same", "different")]
    for label, maps in variants(arguments.teacher, arguments.sizes).items():
        if arguments.only and label not in arguments.only:
            continue
        row = {"teacher": arguments.teacher, "variant": label}
        spent, pictures = 0.0, 0

        def timed(given: Tensor, maps: Maps = maps) -> Tensor:
            nonlocal spent, pictures
            start = time.process_time()
            found = maps(given)
            spent, pictures = spent + time.process_time() - start, pictures + len(given)
            return found

        for category, sides in tqdm(kinds, desc=label):
            dataset = open_dataset(arguments.data, category, "val")
            ids = sorted(views.id for views in dataset)
            pairs = draw_pairs(TASKS["2d"], ids, len(dataset[0]), sides == "different")[: arguments.pairs]
            scores = evaluate("2d", pairs, dataset.__getitem__, "teacher", teacher=timed, progress=False)
            accuracy, miou = scores.keypoint_accuracy(), scores.mean("part_iou")
            row[f"{category} {sides}"] = {
                "pairs": len(scores.scores),
                "keypoints at 10 px": round(100 * list(accuracy.values())[-1], 1) if accuracy else None,
                "mIoU": None if miou is None else round(100 * miou, 1),
            }
        row["CPU seconds a picture"] = round(spent / pictures, 4)
        rows.append(row)
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
        tqdm.write(json.dumps(row))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
