"""A data set in memory: objects with their views, whatever format they are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
from jaxtyping import Float, Int, UInt8

from featurenerf.cameras import Camera
from featurenerf.data import layout
from featurenerf.data.layout import Annotation, InstancePair, PosePair, Split, ViewPair
from featurenerf.errors import InputError


class ObjectViews(ABC):
    """One object of a data set: pictures, cameras, and the annotations that the data set has.

    This is all that the rest of the program knows of data; every format is a subclass. Nothing is read before it is
    asked for; whatever reads a file raises InputError naming the one that is missing or broken. Pictures are decoded
    anew on each call. World frame and units are the program's own: z up, bounding-box diagonal about 1.

    Attributes:
        synset: the category's WordNet offset, or its name where a data set has no synsets.
        id: the object's name, unique in its category.
        source: the file or folder that it is read from, for messages.
    """

    def __init__(self, synset: str, object_id: str, source: Path) -> None:
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

    def has(self, kind: Annotation) -> bool:
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

    def _without(self, what: str) -> InputError:
        return InputError(f"object {self.id} of {self.source} has no {what}: take another task or another data set")


@dataclass(frozen=True)
class Dataset(Sequence[ObjectViews]):
    """The objects of one split of one category, and the category's split file.

    ``dataset[number]`` and ``dataset[object_id]`` are objects: the same one each time, with what it has read.
    """

    root: Path
    synset: str
    split: str
    objects: tuple[ObjectViews, ...]
    splits: Split

    @property
    def category(self) -> str:
        return layout.category_name(self.synset)

    @property
    def cross_instance_pairs(self) -> tuple[InstancePair, ...]:
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
                path = layout.split_file(self.root, self.synset)
                raise InputError(f"object {index} is not in the {self.split} split of {self.category}: see {path}")
            return self._by_id[index]
        return self.objects[index]

    @cached_property
    def _by_id(self) -> dict[str, ObjectViews]:
        return {views.id: views for views in self.objects}


def open_dataset(
    root: Path | str, category: str, split: str = "train", splits_dir: Path | str | None = None
) -> Dataset:
    """The objects of a split; reads the split file only.

    Args:
        root: the data set's folder, in the layout of ``featurenerf.data.layout``.
        category: name ("chair") or synset ("03001627").
        split: "train", "val" or "test".
        splits_dir: folder of the split files; by default ``splits`` of the data set.
    Raises:
        InputError: no such folder, category or split, or an empty split.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"there is no data set at {root}: give its folder, or make one with `featurenerf data make`")
    synset = layout.synset_of(root, category)
    path = layout.split_file(root, synset, None if splits_dir is None else Path(splits_dir))
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
