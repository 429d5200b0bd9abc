"""ShapeNet Part: points of ShapeNet meshes with part labels, in either of its two releases.

- "v0": ``<synset>/points/<id>.pts`` (x y z a line) and ``<synset>/points_label/<id>.seg`` (a label a line, counted anew
  in each category, from 1; 0 is none).
- "normal": ``<synset>/<id>.txt`` (x y z nx ny nz label a line), labels counted over all categories: airplane 0-3, car
  8-11, chair 12-15, motorcycle 30-35, table 47-49. Here they are counted from 1 in each category, as in "v0".

There are no bottles. Points are in the frame of ShapeNetCore.v1: y up, front +x.

Source: Yi et al., "A Scalable Active Framework for Region Annotation in 3D Shape Collections", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featurenerf.categories import SYNSETS, category_name
from featurenerf.errors import InputError
from featurenerf.synthesis.annotations.base import AnnotatedMesh, Kind
from featurenerf.synthesis.annotations.points import read_numbers, with_labelled_points

_LABELS = {
    "airplane": (0, ("body", "wing", "tail", "engine")),
    "car": (8, ("label 8", "label 9", "label 10", "label 11")),
    "chair": (12, ("back", "seat", "leg", "arm")),
    "motorcycle": (30, ("label 30", "label 31", "label 32", "label 33", "label 34", "label 35")),
    "table": (47, ("top", "leg", "label 49")),
}
"""The first label of each category in the release "normal", and its parts (the release has no names: those that are
beyond doubt are given)."""


@dataclass(frozen=True)
class ShapeNetPartAnnotation:
    """The files of one object: points, and labels where they have a file of their own."""

    points_path: Path
    labels_path: Path | None
    first: int
    parts: int

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({"parts"})

    def apply(self, mesh: AnnotatedMesh) -> AnnotatedMesh:
        if self.labels_path is None:
            rows = read_numbers(self.points_path, 7)
            points, labels = rows[:, :3], rows[:, 6].astype(np.int64) - self.first + 1
        else:
            points = read_numbers(self.points_path, 3)[:, :3]
            labels = read_numbers(self.labels_path, 1)[:, 0].astype(np.int64)
            if len(labels) != len(points):
                raise InputError(
                    f"{self.labels_path} has {len(labels)} labels for {len(points)} points: download it again"
                )
        if labels.min() < 0 or labels.max() > self.parts:
            raise InputError(
                f"{self.labels_path or self.points_path} has labels {labels.min()} to {labels.max()}, counted from "
                f"1, and the category has {self.parts} parts: download it again"
            )
        return with_labelled_points(mesh, points, labels, "y", "x", str(self.points_path))


class ShapeNetPart:
    """The labelled points of one category, a ``base.AnnotationSource``.

    Args:
        folder: the data set's, which holds the folders of the categories.
    Raises:
        InputError: the category is not in the data set.
    """

    keypoint_names: tuple[str, ...] = ()

    def __init__(self, folder: Path | str, category: str) -> None:
        name = category_name(category)
        if name not in _LABELS:
            raise InputError(f"ShapeNet Part has no category {name!r}; it has {', '.join(_LABELS)}")
        self.folder = Path(folder) / SYNSETS[name]
        if not self.folder.is_dir():
            raise InputError(f"{self.folder} is missing: give ShapeNet Part's folder, with the folders of the synsets")
        self._first, names = _LABELS[name]
        self.part_names: tuple[str, ...] = ("background", *names)
        self._counted_anew = (self.folder / "points").is_dir()

    def get(self, object_id: str) -> ShapeNetPartAnnotation | None:
        if self._counted_anew:
            points, labels = (
                self.folder / "points" / f"{object_id}.pts",
                self.folder / "points_label" / f"{object_id}.seg",
            )
        else:
            points, labels = self.folder / f"{object_id}.txt", None
        if not points.is_file():
            return None
        return ShapeNetPartAnnotation(points, labels, self._first, len(self.part_names) - 1)
