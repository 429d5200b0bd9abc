"""A data set in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from featurenerf.categories import category_name
from featurenerf.data.open import format_of, open_splits
from featurenerf.data.overview import label_names
from featurenerf.data.storage import DataPath, data_root
from featurenerf.errors import InputError
from featurenerf.pictures import from_bytes
from featurenerf.progress import Progress
from featurenerf.studio.figures import draw_keypoints, draw_parts, picture_on_paper, sheet, with_legends


def contact_sheet(
    where: DataPath | str,
    category: str | None = None,
    objects: int = 6,
    views: int = 6,
    split: str | None = None,
    seed: int = 0,
    splits_dir: Path | str | None = None,
    cell: int = 176,
) -> Image.Image:
    """Random views of random objects, each with its parts and keypoints where it has them.

    Args:
        category: name or synset; may be left out where there is only one.
        split: where the objects are drawn from; by default all splits.
        cell: pixels a side of each picture on the sheet.
    Raises:
        InputError: there is no such data set, category or split, or a file that is needed is broken.
    """
    if objects < 1 or views < 1:
        raise InputError(f"{objects} objects and {views} views make no sheet: give 1 or more of each")
    root = data_root(where)
    names = format_of(root).categories(root) if category is None else [category]
    if len(names) > 1:
        known = ", ".join(category_name(name) for name in names)
        raise InputError(f"{root} holds several categories: give one of {known}")
    found = open_splits(root, names[0], splits_dir)
    if split is not None and split not in found:
        raise InputError(f"{root} has no objects in a split {split!r}: it has {', '.join(found)}")
    every = [each for name, dataset in found.items() if split in (None, name) for each in dataset]
    generator = np.random.default_rng(seed)
    chosen = [every[int(i)] for i in generator.permutation(len(every))[:objects]]
    part_names, keypoint_names = label_names(chosen)
    rows: dict[str, Sequence[Image.Image | None]] = {}
    present: set[int] = set()
    for each in Progress(chosen, "objects"):
        which = sorted(generator.permutation(len(each))[:views].tolist())
        pictures = [picture_on_paper(from_bytes(each.picture(view))) for view in which]
        rows[each.id] = pictures
        if each.has("part_2d"):
            labels = [each.parts(view) for view in which]
            present |= {int(label) for picture in labels for label in np.unique(picture)}
            rows[f"{each.id}, parts"] = [draw_parts(p, own, cell) for p, own in zip(pictures, labels, strict=True)]
        if each.has("kp_2d"):
            rows[f"{each.id}, keypoints"] = [
                draw_keypoints(picture, _by_id(each.keypoints(view), len(keypoint_names)), cell)
                for picture, view in zip(pictures, which, strict=True)
            ]
    title = f"{next(iter(found.values())).category}: {len(chosen)} of {len(every)} objects"
    note = "The dot of keypoint id k is numbered k + 1." if keypoint_names else ""
    return with_legends(sheet(rows, title=title, note=note, cell=cell), part_names, present, keypoint_names)


def _by_id(keypoints: np.ndarray, count: int) -> np.ndarray:
    """(k, 2): the centre of each id's pixel; NaN where it is not visible."""
    places = np.full((max(count, int(keypoints[:, 2].max(initial=-1)) + 1), 2), np.nan)
    places[keypoints[:, 2]] = keypoints[:, :2] + 0.5
    return places
