"""A data set in memory: objects with their views, whatever format they are read from."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast, overload, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8
from tqdm import tqdm

from featurenerf.cameras import Camera
from featurenerf.data import layout
from featurenerf.data.layout import AnnotationKind, InstancePair, PosePair, Split, ViewPair
from featurenerf.data.sources import DataPath, data_root
from featurenerf.errors import InputError


class ObjectViews(ABC):
    """One object of a data set: pictures, cameras, and the annotations that the data set has.

    This is all that the rest of the program knows of data; every format is a subclass. Nothing is read before it is
    asked for; whatever reads a file raises InputError naming the one that is missing or broken. Pictures are decoded
    anew on each call. World frame and units are the program's own: z up, bounding-box diagonal about 1.

    Attributes:
        synset: the category's WordNet offset, or its name where a data set has no synsets.
        id: the object's name, unique in its category.
        source: the file, folder or pack that it is read from, for messages.
    """

    def __init__(self, synset: str, object_id: str, source: DataPath) -> None:
        self.synset, self.id, self.source = synset, object_id, source

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.synset}/{self.id})"

    @abstractmethod
    def __len__(self) -> int:
        """The number of views."""

    @abstractmethod
    def cameras(self) -> Camera:
        """The cameras of all views, as a batch; OpenGL axes."""

    def camera(self, view: int) -> Camera:
        """The camera of a view."""
        return self.cameras()[view]

    @abstractmethod
    def picture(self, view: int) -> UInt8[np.ndarray, "h w 4"]:
        """The RGBA picture of a view, the object's mask in alpha."""

    def has(self, kind: AnnotationKind) -> bool:
        """Whether the object has such annotations."""
        return False

    def parts(self, view: int) -> Int[np.ndarray, "h w"]:
        """Part label of each pixel of a view; 0 is background."""
        raise self._without("part labels")

    def keypoints(self, view: int) -> Int[np.ndarray, "k 3"]:
        """x, y (index of the pixel that holds the point) and id of the keypoints that are visible in a view."""
        raise self._without("keypoints")

    def part_points(self) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
        """Points of the surface (world) and their part labels."""
        raise self._without("part labels")

    def keypoint_candidates(self) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, "k 4"]]:
        """Points of the surface among which keypoints are looked for, and x, y, z, id of the object's keypoints."""
        raise self._without("keypoints")

    def problems(self) -> Iterator[str]:
        """Reads all that there is of the object, and says what is wrong with it, a sentence each."""
        try:
            count, cameras = len(self), self.cameras()
        except InputError as error:
            yield str(error)
            return
        for view in range(count):
            try:
                height, width = self.picture(view).shape[:2]
            except InputError as error:
                yield str(error)
                continue
            if (height, width) != (cameras.height, cameras.width):
                yield f"view {view} of object {self.id} of {self.source} is {width} x {height}, unlike its camera"
        for kind in layout.ANNOTATIONS:
            try:
                if self.has(kind):
                    self._read(kind, count)
            except InputError as error:
                yield str(error)

    def verify(self) -> None:
        """Raises InputError for the first of its problems."""
        for problem in self.problems():
            raise InputError(problem)

    def _read(self, kind: AnnotationKind, count: int) -> None:
        if kind == "part_3d":
            self.part_points()
        elif kind == "kp_3d":
            self.keypoint_candidates()
        else:
            for view in range(count):
                self.parts(view) if kind == "part_2d" else self.keypoints(view)

    def _without(self, what: str) -> InputError:
        return InputError(f"object {self.id} of {self.source} has no {what}: take another task or another data set")


@dataclass(frozen=True)
class Dataset(Sequence[ObjectViews]):
    """The objects of one split of one category, and the category's split file.

    ``dataset[number]`` and ``dataset[object_id]`` are objects: the same one each time, with what it has read.

    Attributes:
        splits: the split file, or what stands for one; it may name objects that are not among ``objects``.
        pairs_listed: whether ``splits`` says which pairs are evaluated; where it does not, they are drawn.
        source_views: the views that the data set's own novel-view protocol encodes, all others being its targets.
        background: what novel views are compared on.
        broken: objects that were left out, and why, by id.
    """

    root: DataPath
    synset: str
    split: str
    objects: tuple[ObjectViews, ...]
    splits: Split
    pairs_listed: bool = True
    source_views: tuple[int, ...] = ()
    background: Literal["black", "white"] = "black"
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def category(self) -> str:
        return layout.category_name(self.synset)

    @property
    def cross_inst_pairs(self) -> tuple[InstancePair, ...]:
        return self.splits.cross_inst_pairs

    @property
    def cross_view_pairs(self) -> tuple[ViewPair, ...]:
        return self.splits.cross_view_pairs

    @property
    def cross_pose_pairs(self) -> tuple[PosePair, ...]:
        return self.splits.cross_pose_pairs

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[ObjectViews]:
        return iter(self.objects)

    @overload
    def __getitem__(self, index: int | str) -> ObjectViews: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ObjectViews]: ...
    def __getitem__(self, index: int | str | slice) -> ObjectViews | Sequence[ObjectViews]:
        if isinstance(index, str):
            if index not in self._by_id:
                why = self.broken.get(index, f"see the splits of {self.root}")
                raise InputError(f"object {index} is not in the {self.split} split of {self.category}: {why}")
            return self._by_id[index]
        return self.objects[index]

    @cached_property
    def _by_id(self) -> dict[str, ObjectViews]:
        return {views.id: views for views in self.objects}

    def without_broken(self, progress: bool = True) -> Dataset:
        """The data set without the objects that cannot be read, which takes reading all of them.

        How many they are, and what is wrong with the first of them, is printed to the standard error.

        Raises:
            InputError: no object can be read.
        """
        whole, broken = [], {}
        for views in tqdm(self.objects, f"{self.category}: looking for broken objects", disable=not progress):
            try:
                copy(views).verify()  # the copy keeps what it reads, and goes
                whole.append(views)
            except InputError as error:
                broken[views.id] = str(error)
        if not whole:
            raise InputError(
                f"no object of the {self.split} split of {self.category} can be read: {broken.popitem()[1]}"
            )
        if broken:
            first = next(iter(broken.values()))
            print(
                f"skipped {len(broken)} of {len(self.objects)} objects of the {self.split} split of {self.category}, "
                f"which are broken; the first: {first}",
                file=sys.stderr,
            )
        return replace(self, objects=tuple(whole), broken=broken)


# ---------------------------------------------------------------------- opening one


@runtime_checkable
class Reader(Protocol):
    """A module that reads a published format other than that of the FeatureNeRF release."""

    def recognises(self, root: Path) -> bool:
        """Whether a folder holds such a data set; looks at names only."""

    def categories(self, root: Path) -> tuple[str, ...]:
        """Those that it holds, as ``open_split`` takes them."""

    def open_split(self, root: Path, category: str, split: str, splits: Path | None) -> Dataset:
        """The objects of a split, as ``open_dataset``."""


READERS: tuple[str, ...] = (
    "featurenerf.data.readers.srn",
    "featurenerf.data.readers.co3d",
    "featurenerf.data.readers.spair",
)
"""Modules that are ``Reader``: a folder is read by the first that recognises it, or else as ``layout`` describes."""


def open_dataset(
    root: DataPath | str,
    category: str,
    split: str = "train",
    splits_dir: Path | str | None = None,
    *,
    skip_broken: bool = False,
    progress: bool = True,
) -> Dataset:
    """The objects of a split, whatever format they are in; reads what lists them only.

    Args:
        root: the data set's folder, in the layout of ``featurenerf.data.layout`` or in a format of ``READERS``; a pack
            of one in that layout, or the address of a pack (https://..., s3://..., anything that fsspec knows).
        category: name ("chair") or synset ("03001627").
        split: "train", "val" or "test".
        splits_dir: folder of the split files; by default the data set's own.
        skip_broken: read every file of every object first, and leave out those with a broken one.
        progress: show how far that has come.
    Raises:
        InputError: no such folder, category or split, or an empty split.
    """
    where, splits = data_root(root), None if splits_dir is None else Path(splits_dir)
    reader = reader_of(where)
    if reader is not None and isinstance(where, Path):
        dataset = reader.open_split(where, category, split, splits)
    else:
        dataset = _open_release(where, category, split, splits)
    return dataset.without_broken(progress) if skip_broken else dataset


def reader_of(root: DataPath) -> Reader | None:
    """The reader that recognises a data set; None for what is in our own layout."""
    if not isinstance(root, Path):
        return None
    for name in READERS:
        reader = cast(Reader, import_module(name))
        if reader.recognises(root):
            return reader
    return None


def _open_release(root: DataPath, category: str, split: str, splits_dir: Path | None) -> Dataset:
    synset = layout.synset_of(root, category)
    path = layout.split_file(root, synset, splits_dir)
    if not path.exists():
        present = sorted(layout.category_name(p.stem) for p in path.parent.glob("*.json"))
        raise InputError(
            f"{path} is missing: {root} holds no split of {category} (it has: {', '.join(present) or 'none'}); make it "
            "with `featurenerf data make`, or give the folder of the official split files with --splits"
        )
    splits = layout.read_split(path)
    from featurenerf.data.release import UNUSABLE, ReleaseObject

    ids = [object_id for object_id in splits.ids(split) if object_id not in UNUSABLE]
    if not ids:
        raise InputError(f"the {split} split of {category} in {path} is empty: take another split or make more objects")
    return Dataset(root, synset, split, tuple(ReleaseObject(root, synset, object_id) for object_id in ids), splits)
