"""Checking a data set: every file that is missing or broken, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path

import torch

from featurenerf.categories import category_name, synset_of
from featurenerf.data.formats.pack import check_pack
from featurenerf.data.objects import ObjectViews
from featurenerf.data.open import format_of, open_splits
from featurenerf.data.splits import PAIR_LISTS, SPLITS, Split
from featurenerf.data.storage import DataPath, PackPath, data_root
from featurenerf.errors import InputError
from featurenerf.placement import misframed, misplaced
from featurenerf.progress import Progress


def check_dataset(
    where: DataPath | str, category: str | None = None, splits_dir: Path | str | None = None, *, progress: bool = True
) -> list[str]:
    """Reads every file of a data set and says, one sentence each, what is wrong with it; prints how much there is.

    Args:
        where: a folder, a pack, or the address of one.
        category: name or synset; by default every category that is there.
        splits_dir: folder of the split files; by default ``splits`` of the data set.
    Raises:
        InputError: there is no data set at ``where``, or no category in it.
    """
    root = data_root(where)
    categories = format_of(root).categories(root) if category is None else [category]
    problems = list(check_pack(root.pack, progress=progress)) if isinstance(root, PackPath) else []
    for name in categories:
        problems += _category_problems(root, name, splits_dir, progress)
    return list(dict.fromkeys(problems))  # what a broken shard holds is broken in one way


def check_cameras(objects: Sequence[ObjectViews], most: int = 64, most_pictures: int = 8) -> list[str]:
    """Looks at the cameras of objects, or of so many of them, spread evenly; and at a picture of each of fewer.

    Args:
        most: objects whose cameras are looked at.
        most_pictures: those of them of which a picture is read, for whether its object lies where the camera says.
    Returns:
        a sentence for each object of which fewer cameras cannot be those of its pictures.
    Raises:
        InputError: more than half of the cameras of an object cannot be those of its pictures, or more than half of the
            pictures show their object elsewhere; says the likely cause.
    """
    odd, elsewhere = [], []
    spread = range(0, len(objects), max(1, len(objects) // most))
    pictured = spread[:: max(1, len(spread) // most_pictures)]
    for number in spread:
        views = copy(objects[number])  # what it reads goes with it
        cameras = views.cameras()
        found = [(view, problem) for view in range(len(views)) if (problem := misplaced(cameras[view])) is not None]
        if len(found) > len(views) / 2:
            raise InputError(views.misplacement(found))
        if found:
            odd.append(views.misplacement(found))
        elif number in pictured:
            mask = torch.from_numpy(views.picture(0)[..., 3] > 127)
            fits = tuple(mask.shape) == (cameras.height, cameras.width)
            if fits and (problem := misframed(cameras[0], mask)) is not None:
                elsewhere.append(f"{views.place(0)}: {problem}")
    if len(elsewhere) > len(pictured) / 2:
        raise InputError(elsewhere[0])
    return [*odd, *elsewhere]


def _category_problems(root: DataPath, category: str, splits_dir: Path | str | None, progress: bool) -> list[str]:
    problems: list[str] = []
    split, objects = None, []
    try:
        found = open_splits(root, category, splits_dir)
        split = next(iter(found.values())).splits
        objects = [views for dataset in found.values() for views in dataset]
    except InputError as error:
        problems.append(str(error))
    every_object = format_of(root).every_object
    if every_object is not None:
        try:
            objects = list(every_object(root, category))
        except InputError as error:  # the list of a pack's members
            return [str(error)]
    name = category_name(category)
    lengths: dict[str, int] = {}
    views = left_out = 0
    for listed in Progress(objects, f"{name}: objects", disable=not progress):
        each = copy(listed)  # what it reads goes with it
        problems += each.problems()
        lengths[each.id] = 0
        with suppress(InputError):
            lengths[each.id] = len(each)
            left_out += each.left_out
        views += lengths[each.id]
    print(f"{name} ({synset_of(name)}): {len(lengths)} objects, {views} views", end="")
    without = f"; {left_out} pictures left out, which show nothing or have no camera" if left_out else ""
    if split is None:
        print(f", no split{without}")
        return problems
    print(
        f"; {len(split.train)} for training, {len(split.val)} for validation, {len(split.test)} for testing; "
        f"{len(split.cross_inst_pairs)} pairs of objects, {len(split.cross_view_pairs)} pairs of views{without}"
    )
    return [*problems, *_split_problems(split, lengths)] if split.origin else problems


def _split_problems(split: Split, lengths: Mapping[str, int]) -> Iterator[str]:
    """What a split file names that is not there, by the number of views of the objects that are there."""
    for name in SPLITS:
        ids = split.ids(name)
        for object_id in sorted(set(ids) - lengths.keys()):
            yield f"{split.origin} names object {object_id} ({name}), which has no camera file"
        if len(set(ids)) < len(ids):
            yield f"{split.origin} names an object twice in {name}"
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        for object_id in sorted(set(split.ids(one)) & set(split.ids(other))):
            yield f"{split.origin} names object {object_id} in both {one} and {other}"
    for pairs in PAIR_LISTS:
        for pair in getattr(split, pairs):
            for object_id, view in ((pair.source_id, pair.source_view), (pair.target_id, pair.target_view)):
                if not 0 <= view < lengths.get(object_id, 0):
                    yield f"{split.origin}: {pairs} names view {view} of object {object_id}, which is not there"
