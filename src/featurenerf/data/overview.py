"""What a data set holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featurenerf.data.objects import ObjectViews
from featurenerf.data.open import format_of, open_splits
from featurenerf.data.splits import SPLITS
from featurenerf.data.storage import DataPath, data_root
from featurenerf.progress import Progress
from featurenerf.text_tables import markdown

_EXAMINED = 20
_UNKNOWN = "\N{EN DASH}"


@dataclass(frozen=True)
class CategoryInfo:
    """What a data set holds of one category.

    Attributes:
        families: how many objects each family has; empty where that is not known.
        parts, keypoints: labels and keypoint ids, with their names where these are known; of the first objects only
            where they are not.
        objects: number of objects of each split.
        views: of all objects together.
        views_each: the fewest and the most views that an object has.
        size: width and height of the pictures.
        bytes: of the category's files; None in formats where files are not kept by category.
    """

    name: str
    synset: str
    families: dict[str, int]
    parts: tuple[str, ...]
    keypoints: tuple[str, ...]
    objects: dict[str, int]
    views: int
    views_each: tuple[int, int]
    size: tuple[int, int]
    bytes: int | None


def describe(
    where: DataPath | str, category: str | None = None, splits_dir: Path | str | None = None, *, progress: bool = True
) -> list[CategoryInfo]:
    """What a data set holds, by category; reads the cameras of all objects, and the labels of some.

    Args:
        category: name or synset; by default every one that is there.
        splits_dir: folder of the split files; by default the data set's own.
    Raises:
        InputError: there is no such data set or category, or a file that is needed is broken.
    """
    root = data_root(where)
    categories = format_of(root).categories(root) if category is None else [category]
    return [_described(root, name, splits_dir, progress) for name in categories]


def _described(root: DataPath, category: str, splits_dir: Path | str | None, progress: bool) -> CategoryInfo:
    found = open_splits(root, category, splits_dir)
    every = [each for dataset in found.values() for each in dataset]
    first = next(iter(found.values()))
    parts, keypoints = label_names(every[:: max(1, len(every) // _EXAMINED)][:_EXAMINED])
    camera = every[0].cameras()
    views = [len(each) for each in Progress(every, f"{first.category}: cameras", disable=not progress)]
    return CategoryInfo(
        first.category,
        first.synset,
        dict(Counter(first.families.values()).most_common()),
        parts[1:],
        keypoints,
        {split: len(found.get(split, ())) for split in SPLITS},
        sum(views),
        (min(views), max(views)),
        (camera.width, camera.height),
        format_of(root).size(root, first.synset),
    )


def label_names(objects: Sequence[ObjectViews]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the part labels (from 0) and of the keypoint ids, or the numbers that occur where there are no names."""
    names, parts, keypoints = objects[0].names, 0, 0
    for each in objects:
        if not names.parts and each.has("part_3d"):
            parts = max(parts, int(each.part_points()[1].max(initial=0)))
        elif not names.parts and each.has("part_2d"):
            parts = max(parts, *(int(each.parts(view).max(initial=0)) for view in range(len(each))))
        if not names.keypoints and each.has("kp_3d"):
            keypoints = max(keypoints, int(each.keypoint_candidates()[1][:, 3].max(initial=-1)) + 1)
        elif not names.keypoints and each.has("kp_2d"):
            ids = [each.keypoints(view)[:, 2] for view in range(len(each))]
            keypoints = max(keypoints, int(np.concatenate(ids).max(initial=-1)) + 1)
    numbered = ("background", *(str(n + 1) for n in range(parts)))
    return names.parts or numbered, names.keypoints or tuple(str(n) for n in range(keypoints))


def info_table(categories: Sequence[CategoryInfo]) -> str:
    """The numbers as a Markdown table, and the names below."""
    head = (
        "category", "synset", "families", "parts", "keypoints", "train", "val", "test", "views in all", "pictures",
        "MB", "kB an object", "views an object",
    )  # fmt: skip
    rows = []
    for c in categories:
        count = max(sum(c.objects.values()), 1)
        sizes = [_UNKNOWN] * 2 if c.bytes is None else [f"{c.bytes / 1e6:.1f}", f"{c.bytes / 1e3 / count:.0f}"]
        each = str(c.views_each[0]) if len({*c.views_each}) == 1 else f"{c.views_each[0]} to {c.views_each[1]}"
        held = [len(c.families) or _UNKNOWN, len(c.parts), len(c.keypoints), *(c.objects[s] for s in SPLITS), c.views]
        rows.append([c.name, c.synset, *map(str, held), f"{c.size[0]} x {c.size[1]}", *sizes, each])
    lines = [markdown(head, rows, names=2)]
    for c in categories:
        families = [f"{name} {count}" for name, count in c.families.items()]
        for title, names in (("families", families), ("parts", c.parts), ("keypoints", c.keypoints)):
            if names:
                lines.append(f"\n{c.name}, {title}: {', '.join(names)}")
    return "\n".join(lines)
