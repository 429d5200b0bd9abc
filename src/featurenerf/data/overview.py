"""What a data set holds, in numbers and in pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from featurenerf.data import layout
from featurenerf.data.pack import category_bytes
from featurenerf.data.sources import DataPath, data_root
from featurenerf.data.synthesis import CATEGORIES
from featurenerf.data.views import Dataset, ObjectViews, open_dataset, reader_of
from featurenerf.errors import InputError
from featurenerf.figures import PAPER, draw_keypoints, draw_parts, sheet, with_legends

SPLITS = ("train", "val", "test")
_LOOKED_AT = 20
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
    size: tuple[int, int]
    bytes: int | None


def describe(
    where: DataPath | str, category: str | None = None, splits_dir: Path | str | None = None, progress: bool = True
) -> list[CategoryInfo]:
    """What a data set holds, by category; reads the cameras of all objects, and the labels of some.

    Args:
        category: name or synset; by default every one that is there.
        splits_dir: folder of the split files; by default the data set's own.
    Raises:
        InputError: there is no such data set or category, or a file that is needed is broken.
    """
    root = data_root(where)
    return [_described(root, name, splits_dir, progress) for name in _categories(root, category)]


def info_table(categories: Sequence[CategoryInfo]) -> str:
    """The numbers as a Markdown table, and the names below."""
    head = (
        "category", "synset", "families", "parts", "keypoints", "train", "val", "test", "views", "pictures", "MB",
        "kB an object",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for c in categories:
        count = sum(c.objects.values())
        sizes = (
            (_UNKNOWN, _UNKNOWN)
            if c.bytes is None
            else (f"{c.bytes / 1e6:.1f}", f"{c.bytes / 1e3 / max(count, 1):.0f}")
        )
        cells = (
            c.name, c.synset, len(c.families) or _UNKNOWN, len(c.parts), len(c.keypoints),
            *(c.objects[split] for split in SPLITS), c.views, f"{c.size[0]} x {c.size[1]}", *sizes,
        )  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    for c in categories:
        families = ", ".join(f"{name} {count}" for name, count in c.families.items())
        for title, text in (
            ("families", families),
            ("parts", ", ".join(c.parts)),
            ("keypoints", ", ".join(c.keypoints)),
        ):
            if text:
                lines.append(f"\n{c.name}, {title}: {text}")
    return "\n".join(lines)


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
    names = _categories(root, category)
    if len(names) > 1:
        known = ", ".join(layout.category_name(name) for name in names)
        raise InputError(f"{root} holds several categories: give one of {known} with --category")
    found = _splits(root, names[0], splits_dir)
    if split is not None and split not in found:
        raise InputError(f"{root} has no objects in a split {split!r}: it has {', '.join(found)}")
    every = [each for name, dataset in found.items() if split in (None, name) for each in dataset]
    generator = np.random.default_rng(seed)
    chosen = [every[int(i)] for i in generator.permutation(len(every))[:objects]]
    part_names, keypoint_names = _names(root, found, chosen)
    rows: dict[str, Sequence[Image.Image | None]] = {}
    present: set[int] = set()
    for each in tqdm(chosen, "objects"):
        which = sorted(generator.permutation(len(each))[:views].tolist())
        pictures = [_on_paper(each.picture(view)) for view in which]
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


def _described(root: DataPath, category: str, splits_dir: Path | str | None, progress: bool) -> CategoryInfo:
    found = _splits(root, category, splits_dir)
    every = [each for dataset in found.values() for each in dataset]
    first = next(iter(found.values()))
    parts, keypoints = _names(root, found, every[:: max(1, len(every) // _LOOKED_AT)][:_LOOKED_AT])
    camera = every[0].cameras()
    return CategoryInfo(
        first.category,
        first.synset,
        _families(root, first.synset),
        parts[1:],
        keypoints,
        {split: len(found.get(split, ())) for split in SPLITS},
        sum(len(each) for each in tqdm(every, f"{first.category}: cameras", disable=not progress)),
        (camera.width, camera.height),
        category_bytes(root, first.synset) if (root / "camera" / first.synset).is_dir() else None,
    )


def _categories(root: DataPath, category: str | None) -> list[str]:
    if category is not None:
        return [category]
    reader = reader_of(root)
    found = reader.categories(root) if reader is not None and isinstance(root, Path) else layout.synsets_in(root)
    if not found:
        raise InputError(f"{root} holds no category: it has neither camera/<synset>/ nor splits/<synset>.json")
    return list(found)


def _splits(root: DataPath, category: str, splits_dir: Path | str | None) -> dict[str, Dataset]:
    """The splits that have objects."""
    found, last = {}, None
    for split in SPLITS:
        try:
            found[split] = open_dataset(root, category, split, splits_dir)
        except InputError as error:
            last = error
    if not found and last is not None:
        raise last
    return found


def _families(root: DataPath, synset: str) -> dict[str, int]:
    families = layout.read_made(root, synset).get("families")
    return dict(Counter(families.values()).most_common()) if isinstance(families, dict) else {}


def _names(
    root: DataPath, found: dict[str, Dataset], objects: Sequence[ObjectViews]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of part labels (from 0) and of keypoint ids: names in data that we make, numbers in other data."""
    dataset = next(iter(found.values()))
    made = layout.read_made(root, dataset.synset)
    if made.get("part_names") and made.get("keypoint_names"):  # rendered from meshes, annotated by hand
        return tuple(made["part_names"]), tuple(made["keypoint_names"])
    if made and "annotations" not in made and dataset.category in CATEGORIES:
        known = CATEGORIES[dataset.category]
        return known.part_names, known.keypoint_names
    parts, keypoints = 0, 0
    for each in objects:
        if each.has("part_3d"):
            parts = max(parts, int(each.part_points()[1].max(initial=0)))
        elif each.has("part_2d"):
            parts = max(parts, *(int(each.parts(view).max(initial=0)) for view in range(len(each))))
        if each.has("kp_3d"):
            keypoints = max(keypoints, int(each.keypoint_candidates()[1][:, 3].max(initial=-1)) + 1)
        elif each.has("kp_2d"):
            ids = [each.keypoints(view)[:, 2] for view in range(len(each))]
            keypoints = max(keypoints, int(np.concatenate(ids).max(initial=-1)) + 1)
    return ("background", *(str(n + 1) for n in range(parts))), tuple(str(n) for n in range(keypoints))


def _by_id(keypoints: np.ndarray, count: int) -> np.ndarray:
    """(k, 2): the centre of each id's pixel; NaN where it is not visible."""
    places = np.full((max(count, int(keypoints[:, 2].max(initial=-1)) + 1), 2), np.nan)
    places[keypoints[:, 2]] = keypoints[:, :2] + 0.5
    return places


def _on_paper(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    page = Image.new("RGB", image.size, PAPER)
    page.paste(image, mask=image.getchannel("A"))
    return page
