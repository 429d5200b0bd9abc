"""Checking a data set: every file that is missing or broken, by name."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path

import numpy as np
from tqdm import tqdm

from featurenerf.data import layout
from featurenerf.data.layout import Split
from featurenerf.data.pack import check_pack
from featurenerf.data.release import ReleaseObject
from featurenerf.data.sources import DataPath, PackPath, data_root
from featurenerf.data.views import ObjectViews, Reader, reader_of
from featurenerf.errors import InputError


def check_dataset(
    where: DataPath | str, category: str | None = None, splits_dir: Path | str | None = None, progress: bool = True
) -> list[str]:
    """Reads every file of a data set and says, one sentence each, what is wrong with it; prints how much there is.

    Args:
        where: a folder, a pack, or the address of one.
        category: name or synset; by default every category that is there.
        splits_dir: folder of the split files; by default ``splits`` of the data set.
    Raises:
        InputError: there is no data set at ``where``.
    """
    root = data_root(where)
    splits = None if splits_dir is None else Path(splits_dir)
    reader = reader_of(root)
    if reader is not None and isinstance(root, Path):
        names = [category] if category is not None else reader.categories(root)
        return [problem for name in names for problem in _check_published(reader, root, name, splits, progress)]
    if category is not None:
        synsets = [layout.synset_of(root, category)]
    else:
        synsets = layout.synsets_in(root)
        if not synsets:
            raise InputError(f"{root} holds no category: it has neither camera/<synset>/ nor splits/<synset>.json")
    problems = list(check_pack(root.pack, progress)) if isinstance(root, PackPath) else []
    for synset in synsets:
        problems += _check_category(root, synset, splits, progress)
    return list(dict.fromkeys(problems))  # what a broken shard holds is broken in one way


def _check_published(reader: Reader, root: Path, category: str, splits: Path | None, progress: bool) -> list[str]:
    """What is wrong with the objects of a category in a published format; a split that is not there is no problem."""
    problems: list[str] = []
    missing: list[str] = []
    for split in ("train", "val", "test"):
        try:
            dataset = reader.open_split(root, category, split, splits)
        except InputError as error:
            missing.append(str(error))
            continue
        views = 0
        for listed in tqdm(dataset, f"{dataset.category} ({split}): objects", disable=not progress):
            object_views = copy(listed)  # what it reads goes with it
            problems += object_views.problems()
            views += _length(object_views)
        print(f"{dataset.category} ({split}): {len(dataset)} objects, {views} views")
    return problems if len(missing) < 3 else list(dict.fromkeys(missing))


def _check_category(root: DataPath, synset: str, splits_dir: Path | None, progress: bool) -> list[str]:
    problems: list[str] = []
    try:
        present = {path.stem for path in (root / "camera" / synset).glob("*.json")}
    except InputError as error:  # the list of a pack's members
        return [str(error)]
    split = None
    try:
        path = layout.split_file(root, synset, splits_dir)
        split = layout.read_split(path)
        problems += _split_problems(path, split, present)
    except InputError as error:
        problems.append(str(error))
    name = layout.category_name(synset)
    views = 0
    for object_id in tqdm(sorted(present), f"{name}: objects", disable=not progress):
        views_of_object = ReleaseObject(root, synset, object_id)
        problems += _object_problems(views_of_object)
        views += _length(views_of_object)
    if split is not None:
        problems += _pair_problems(layout.split_file(root, synset, splits_dir), split, root, synset, present)
        print(
            f"{name} ({synset}): {len(present)} objects, {views} views; {len(split.train)} for training, "
            f"{len(split.val)} for validation, {len(split.test)} for testing; "
            f"{len(split.cross_inst_pairs)} pairs of objects, {len(split.cross_view_pairs)} pairs of views"
        )
    else:
        print(f"{name} ({synset}): {len(present)} objects, {views} views, no split")
    return problems


def _split_problems(path: DataPath, split: Split, present: set[str]) -> Iterator[str]:
    where = {name: split.ids(name) for name in ("train", "val", "test")}
    if not any(where.values()):
        yield f"{path} names no object"
    for name, ids in where.items():
        missing = sorted(set(ids) - present)
        for object_id in missing:
            yield f"{path} names object {object_id} ({name}), which has no camera file"
        if len(set(ids)) < len(ids):
            yield f"{path} names an object twice in {name}"
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        for object_id in sorted(set(where[one]) & set(where[other])):
            yield f"{path} names object {object_id} in both {one} and {other}"


def _pair_problems(path: DataPath, split: Split, root: DataPath, synset: str, present: set[str]) -> Iterator[str]:
    lengths: dict[str, int] = {}

    def wrong(object_id: str, view: int) -> bool:
        if object_id not in present:
            return True
        if object_id not in lengths:
            lengths[object_id] = _length(ReleaseObject(root, synset, object_id))
        return not 0 <= view < lengths[object_id]

    used = [
        *(("cross_inst_pairs", ((p.src, p.view), (p.trg, p.view))) for p in split.cross_inst_pairs),
        *(("cross_view_pairs", ((p.model_id, p.src_view), (p.model_id, p.trg_view))) for p in split.cross_view_pairs),
        *(("cross_pose_pairs", ((p.src, p.src_view), (p.trg, p.trg_view))) for p in split.cross_pose_pairs),
    ]
    reported = set()
    for kind, ends in used:
        for object_id, view in ends:
            if (object_id, view) not in reported and wrong(object_id, view):
                reported.add((object_id, view))
                yield f"{path}: {kind} names view {view} of object {object_id}, which is not there"


def _length(views: ObjectViews) -> int:
    try:
        return len(views)
    except InputError:
        return 0


def _object_problems(views: ReleaseObject) -> Iterator[str]:
    try:
        count = len(views)
    except InputError as error:
        yield str(error)
        return
    try:
        cameras = views.cameras()
        size: tuple[int, int] | None = (cameras.height, cameras.width)
    except InputError as error:
        yield str(error)
        size = None
    for view in range(count):
        try:
            picture = views.picture(view)
        except InputError as error:
            yield str(error)
            continue
        if size is not None and picture.shape[:2] != size:
            yield f"{views.picture_path(view)} is {picture.shape[1]} x {picture.shape[0]}, unlike the first one"
        if not picture[..., 3].any():
            yield f"{views.picture_path(view)} shows nothing: its alpha is 0 everywhere"
    for kind in layout.ANNOTATIONS:
        if views.has(kind):
            yield from _annotation_problems(views, kind, count, size)


def _annotation_problems(
    views: ReleaseObject, kind: layout.AnnotationKind, count: int, size: tuple[int, int] | None
) -> Iterator[str]:
    path = layout.annotation_file(views.root, kind, views.synset, views.id)
    try:
        if kind == "part_2d" and size is not None:
            views.parts(0)
        elif kind == "kp_2d":
            for view in range(count):
                keypoints = views.keypoints(view)
                if (keypoints < 0).any() or (size is not None and (keypoints[:, :2] >= size[::-1]).any()):
                    yield f"{path}: a keypoint of view {view} lies outside the picture, or its id is negative"
        elif kind == "part_3d":
            _, labels = views.part_points()
            if (labels < 0).any():
                yield f"{path}: a part label is negative"
        elif kind == "kp_3d":
            points, labels = views.keypoint_candidates()
            if len(points) == 0:
                yield f"{path}: there are no candidate points"
            if (labels[:, 3] < 0).any() or (labels[:, 3] != np.round(labels[:, 3])).any():
                yield f"{path}: a keypoint id is not a whole number from 0"
    except InputError as error:
        yield str(error)
