"""Keypoints carried between photographs, through what a user calls: ``prepare``, ``encode``, ``transfer_keypoints``.

    python benchmarks/photographs.py FOLDER [--checkpoint chair-car] [--masks]

FOLDER/annotations.json maps a name to ``file``, ``category``, ``keypoints`` (name -> [x, y] in the photograph),
``bbox`` (x0, y0, x1, y1), ``azimuth`` and, where there is a mask by hand, ``mask``; a ``group`` "product" is left out.
The table has means over ordered pairs of a category: the share of shared keypoints that land within 0.1 of the longer
side of the box. The teacher is matched on the same prepared pictures, over the pixels that they show.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import featurenerf
from featurenerf.matching import keypoint_pixels, match
from featurenerf.models.checkpoint import directory_of, read_config
from featurenerf.progress import Progress
from featurenerf.teachers import trained_with

CLOSE = 45
"""Degrees of heading between two photographs that count as taken from one side."""
NEAR = 0.1


class Photograph:
    def __init__(self, folder: Path, about: dict[str, Any], masks: bool, model: Any, teacher: Any) -> None:
        mask = folder / about["mask"] if masks and about.get("mask") else None
        low, high = np.array(about["bbox"], float).reshape(2, 2)
        self.box = low, high - low
        self.about, self.marks = about, {k: np.array(v, float) for k, v in about["keypoints"].items()}
        ready, self.crop = featurenerf.prepare(folder / about["file"], mask, return_crop=True)
        self.field, self.alpha = model.encode(ready), ready[3]
        maps = teacher(ready[None])[0]
        self.teacher = F.interpolate(maps[None].float(), self.alpha.shape, mode="bilinear")[0].movedim(0, -1)

    def asked(self, names: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the marks are in the prepared picture, and which of them it shows."""
        xy = self.crop.from_picture(np.stack([self.marks[name] for name in names])).float()
        return xy, ((xy >= 0) & (xy < self.crop.size)).all(1)


def carried(source: Photograph, target: Photograph, names: list[str]) -> dict[str, np.ndarray]:
    """Where the marks go in the target photograph, by method; NaN for marks that the prepared picture does not show."""
    xy, shown = source.asked(names)
    found = {how: np.full((len(names), 2), np.nan) for how in ("descriptor alone", "field", "teacher")}
    for how, pictures in (("descriptor alone", False), ("field", True)):
        there, _ = featurenerf.transfer_keypoints(source.field, target.field, xy[shown], use_pictures=pictures)
        found[how][shown] = target.crop.to_picture(there).numpy()
    column, row = keypoint_pixels(xy[shown], source.crop.size, source.crop.size).unbind(-1)
    pixels = (target.alpha > 0.5).nonzero()
    index, _ = match(source.teacher[row, column], target.teacher[pixels[:, 0], pixels[:, 1]])
    found["teacher"][shown] = target.crop.to_picture(pixels[index].flip(-1) + 0.5).numpy()
    (ours, size), (theirs, wanted) = source.box, target.box
    found["same place in the box"] = (np.stack([source.marks[name] for name in names]) - ours) / size * wanted + theirs
    return found


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", default="chair-car")
    parser.add_argument("--masks", action="store_true", help="take the masks by hand where there are some")
    options = parser.parse_args()
    annotations = json.loads((options.folder / "annotations.json").read_text())
    model = featurenerf.load(options.checkpoint)
    teacher = trained_with(read_config(directory_of(options.checkpoint)))
    photographs = [
        Photograph(options.folder, about, options.masks, model, teacher)
        for about in Progress(annotations.values(), "photographs")
        if about["group"] != "product"
    ]
    scores: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for source, target in itertools.permutations(photographs, 2):
        names = [name for name in source.marks if name in target.marks]
        if source.about["category"] != target.about["category"] or not names:
            continue
        turn = abs((source.about["azimuth"] - target.about["azimuth"] + 180) % 360 - 180)
        truth, unit = np.stack([target.marks[name] for name in names]), target.box[1].max()
        for how, xy in carried(source, target, names).items():
            right = np.linalg.norm(xy - truth, axis=1) <= NEAR * unit
            scores[source.about["category"], "within" if turn <= CLOSE else "beyond", how].append(right.mean())
    print(f"\n| category | pairs {CLOSE} degrees | method | PCK at {NEAR} |\n|---|---|---|---:|")
    for (category, side, how), values in sorted(scores.items()):
        print(f"| {category} | {side} ({len(values)}) | {how} | {np.mean(values):.3f} |")


if __name__ == "__main__":
    main()
