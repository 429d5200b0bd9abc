"""What the labels of a data set mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from featurenerf.categories import category_name
from featurenerf.files import ASSETS

AnnotationKind = Literal["part_2d", "kp_2d", "part_3d", "kp_3d"]
"""What is annotated: parts or keypoints, in pictures or in space."""
ANNOTATIONS: tuple[AnnotationKind, ...] = get_args(AnnotationKind)


@dataclass(frozen=True)
class LabelNames:
    """Names of part labels and keypoints; empty where they are not known.

    Attributes:
        parts: name of each part label; label 0 is "background".
        keypoints: name of each keypoint id.
        mirror: id of each keypoint's left/right mirror image, itself where it lies on the plane of symmetry.
    """

    parts: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()

    @classmethod
    def from_record(cls, record: Any) -> LabelNames:
        """The inverse of ``dataclasses.asdict``.

        Raises:
            TypeError, ValueError, AttributeError: it is no such record.
        """
        parts, keypoints, mirror = (tuple(record.get(key, ())) for key in ("parts", "keypoints", "mirror"))
        if not all(isinstance(name, str) for name in (*parts, *keypoints)):
            raise TypeError("a name is not a text")
        if mirror and sorted(mirror) != list(range(len(keypoints))):
            raise ValueError(f"mirror needs the id of each of the {len(keypoints)} keypoints once")
        return cls(parts, keypoints, mirror)


def generated_labels(category: str) -> LabelNames:
    """The names in the data that our generators make of a category; empty where there is no generator."""
    return _generated().get(category_name(category), LabelNames())


@cache
def _generated() -> dict[str, LabelNames]:
    content = json.loads((ASSETS / "labels.json").read_text())
    return {category: LabelNames.from_record(record) for category, record in content.items()}
