"""A data set in memory: objects with their views, whatever format they are read from."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, overload

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8

from featurenerf.cameras import Camera
from featurenerf.categories import category_name
from featurenerf.data.labels import ANNOTATIONS, AnnotationKind, LabelNames
from featurenerf.data.splits import Pair, Split
from featurenerf.data.storage import DataPath
from featurenerf.errors import InputError
from featurenerf.placement import misframed, misplaced
from featurenerf.progress import Progress


class ObjectViews(ABC):
    """One object of a data set: pictures, cameras, and the annotations that the data set has.

    This is all that the rest of the program knows of data; every format is a subclass. Nothing is read before it is
    asked for; whatever reads a file raises InputError naming the one that is missing or broken. Pictures are decoded
    anew on each call. World frame and units are the program's own: z up, bounding-box diagonal about 1.

    Attributes:
        synset: the category's WordNet offset, or its name where a data set has no synsets.
        id: the object's name, unique in its category.
        source: the file, folder or pack that it is read from, for messages.
        names: what the labels of its data set mean.
        may_be_blank: whether a picture without an object is no mistake.
    """

    may_be_blank: ClassVar[bool] = True

    def __init__(self, synset: str, object_id: str, source: DataPath, names: LabelNames | None = None) -> None:
        self.synset, self.id, self.source, self.names = synset, object_id, source, names or LabelNames()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.synset}/{self.id})"

    @abstractmethod
    def __len__(self) -> int:
        """The number of views."""

    @abstractmethod
    def cameras(self) -> Camera:
        """The cameras of all views, as a batch; OpenGL axes."""

    @property
    def left_out(self) -> int:
        """How many of its pictures are no views of it, because they show nothing or have no camera."""
        return 0

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

    def place(self, what: int | AnnotationKind) -> str:
        """What a message calls a view or a kind of annotation."""
        return f"{f'view {what}' if isinstance(what, int) else what} of object {self.id} of {self.source}"

    def check_labels(self, kind: AnnotationKind, ids: Shaped[np.ndarray, ...]) -> None:
        """
        Raises:
            InputError: there are part labels or keypoint ids that the table of names lacks, where there is a table.
        """
        what, names = ("part", self.names.parts) if kind.startswith("part") else ("keypoint", self.names.keypoints)
        if names and ids.size and ids.max() >= len(names):
            raise InputError(
                f"{self.place(kind)} has the {what} {ids.max():.0f}, and the "
                f"data set names 0 to {len(names) - 1}: correct its labels/*.json, or make the annotation again"
            )

    def problems(self, *, unreadable_only: bool = False) -> Iterator[str]:
        """Reads all that there is of the object, and says what is wrong with it, a sentence each.

        Args:
            unreadable_only: say nothing of files that can be read and make no sense.
        """
        size, cameras = None, None
        misplaced_views: list[tuple[int, str]] = []
        try:
            count = len(self)
        except InputError as error:
            yield str(error)
            return
        try:
            cameras = self.cameras()
            size = (cameras.height, cameras.width)
        except InputError as error:
            yield str(error)
        for view in range(count):
            try:
                picture = self.picture(view)
            except InputError as error:
                yield str(error)
                continue
            height, width = picture.shape[:2]
            if size is not None and (height, width) != size:
                yield f"{self.place(view)} is {width} x {height}, unlike its camera"
            if not (unreadable_only or self.may_be_blank or picture[..., 3].any()):
                yield f"{self.place(view)} shows nothing: its alpha is 0 everywhere"
            if cameras is not None and (height, width) == size:
                camera, mask = cameras[view], torch.from_numpy(picture[..., 3] > 127)
                if (problem := misplaced(camera) or misframed(camera, mask)) is not None:
                    misplaced_views.append((view, problem))
        if misplaced_views and not unreadable_only:
            yield self.misplacement(misplaced_views)
        for kind in ANNOTATIONS:
            try:
                odd = list(self._odd_labels(kind, count, size)) if self.has(kind) else []
                yield from [] if unreadable_only else [f"{self.place(kind)}: {problem}" for problem in odd]
            except InputError as error:
                yield str(error)

    def misplacement(self, found: Sequence[tuple[int, str]]) -> str:
        """The sentence for cameras that cannot be those of its pictures: the first of them, and how many there are."""
        view, problem = found[0]
        others = f" ({len(found)} of its {len(self)} cameras cannot be those of their pictures)"
        return f"{self.place(view)}: {problem}{others if len(found) > 1 else ''}"

    def _odd_labels(self, kind: AnnotationKind, count: int, size: tuple[int, int] | None) -> Iterator[str]:
        if kind == "part_2d":
            for view in range(count):
                self.parts(view)
        elif kind == "kp_2d":
            for view in range(count):
                keypoints = self.keypoints(view)
                if (keypoints < 0).any() or (size is not None and (keypoints[:, :2] >= size[::-1]).any()):
                    yield f"a keypoint of view {view} lies outside the picture, or its id is negative"
        elif kind == "part_3d":
            if (self.part_points()[1] < 0).any():
                yield "a part label is negative"
        else:
            points, labels = self.keypoint_candidates()
            if len(points) == 0:
                yield "there are no candidate points"
            if (labels[:, 3] < 0).any() or (labels[:, 3] != np.round(labels[:, 3])).any():
                yield "a keypoint id is not a whole number from 0"

    def _without(self, what: str) -> InputError:
        return InputError(f"object {self.id} of {self.source} has no {what}: take another task or another data set")


@dataclass(frozen=True)
class Dataset(Sequence[ObjectViews]):
    """The objects of one split of one category, and how the category is split.

    ``dataset[number]`` and ``dataset[object_id]`` are objects: the same one each time, with what it has read.

    Attributes:
        splits: the split file, or what stands for one; it may name objects that are not among ``objects``.
        pairs_listed: whether ``splits`` says which pairs are evaluated; where it does not, they are drawn.
        source_views: the views that the data set's own novel-view protocol encodes, all others being its targets.
        background: what novel views are compared on.
        families: the kind of object that each object of the category is, by id; empty where that is not known.
        broken: objects that were left out, and why, by id.
    """

    root: DataPath
    synset: str
    split: str
    objects: tuple[ObjectViews, ...]
    splits: Split
    _: KW_ONLY
    pairs_listed: bool = True
    source_views: tuple[int, ...] = ()
    background: Literal["black", "white"] = "black"
    families: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def category(self) -> str:
        return category_name(self.synset)

    @property
    def labels(self) -> LabelNames:
        """What the labels mean."""
        return self.objects[0].names if self.objects else LabelNames()

    @property
    def cross_inst_pairs(self) -> tuple[Pair, ...]:
        return self.splits.cross_inst_pairs

    @property
    def cross_view_pairs(self) -> tuple[Pair, ...]:
        return self.splits.cross_view_pairs

    @property
    def cross_pose_pairs(self) -> tuple[Pair, ...]:
        return self.splits.cross_pose_pairs

    def __len__(self) -> int:
        return len(self.objects)

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

    def without_broken(self, *, progress: bool = True) -> Dataset:
        """The data set without the objects that cannot be read, which takes reading all of them.

        How many they are, and what is wrong with the first of them, is printed to the standard error.

        Raises:
            InputError: no object can be read.
        """
        what = f"the {self.split} split of {self.category}"
        whole, broken = [], {}
        for views in Progress(self.objects, f"{self.category}: looking for broken objects", disable=not progress):
            problem = next(copy(views).problems(unreadable_only=True), None)  # the copy keeps what it reads, and goes
            if problem is None:
                whole.append(views)
            else:
                broken[views.id] = problem
        if not whole:
            raise InputError(f"no object of {what} can be read: {broken.popitem()[1]}")
        if broken:
            count, first = f"{len(broken)} of {len(self.objects)}", next(iter(broken.values()))
            print(f"skipped {count} objects of {what}, which are broken; the first: {first}", file=sys.stderr)
        return replace(self, objects=tuple(whole), broken=broken)


def part_names(objects: Sequence[ObjectViews]) -> tuple[str, ...]:
    """The names of the objects' part labels, the background first.

    Raises:
        InputError: where they are not known, or objects differ in them.
    """
    found = {views.names.parts for views in objects}
    if len(found) != 1 or not next(iter(found)):
        raise InputError("labels can be learnt of one category whose data set names its parts: see docs/data.md")
    return found.pop()


@dataclass(frozen=True)
class Format:
    """How data sets of one layout are read. ``root`` is a folder; that of a release may be a pack.

    Attributes:
        name: of the format.
        recognises: (root) whether there is such a data set; looks at names only.
        categories: (root) those that it holds, as ``open_split`` takes them.
        open_split: (root, category, split, splits) the objects of a split; ``splits`` is the folder or file that says
            which they are, None for the data set's own. Raises InputError where there are none.
        every_object: (root, category) all objects that are there, where that may be more than those of the splits.
        size: (root, synset) bytes of a category's files, where these are kept by category.
    """

    name: str
    recognises: Callable[[Any], bool]
    categories: Callable[[Any], Sequence[str]]
    open_split: Callable[[Any, str, str, Path | None], Dataset]
    every_object: Callable[[Any, str], Sequence[ObjectViews]] | None = None
    size: Callable[[Any, str], int | None] = lambda root, synset: None
