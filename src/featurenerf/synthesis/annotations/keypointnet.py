"""KeypointNet: keypoints of ShapeNetCore.v2 meshes.

``annotations/<category>.json`` is a list of ``{class_id, model_id, keypoints: [{xyz, semantic_id, ...}], ...}``.
Points are in the frame of ``model_normalized.obj``: y up, front -z, bounding-box diagonal 1, the origin at the mean of
the vertices. A keypoint's id here is its ``semantic_id``; ids have no names, and a left and a right one differ.

Source: You et al., "KeypointNet: A Large-scale 3D Keypoint Dataset Aggregated from Numerous Human Annotations", 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from featurenerf import limits
from featurenerf.categories import category_name, synset_of
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.synthesis.annotations.base import KEYPOINT_DISTANCE, AnnotatedMesh, Kind, closest_point
from featurenerf.synthesis.meshes.files import axes_rotation

_SAME_SIZE = 0.02
"""The bounding-box diagonal of a mesh of v2 differs from 1 by less."""


@dataclass(frozen=True, eq=False)
class KeypointNetAnnotation:
    """The keypoints of one object, in the frame of v2; ``origin`` is for messages."""

    keypoints: dict[int, Float[np.ndarray, " 3"]]
    origin: str

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({"keypoints"})

    def apply(self, mesh: AnnotatedMesh) -> AnnotatedMesh:
        points = np.stack(list(self.keypoints.values()))
        placed = mesh.placement.apply(points)
        is_v2 = abs(mesh.placement.size - 1) < _SAME_SIZE and _distances(placed, mesh).mean() < KEYPOINT_DISTANCE / 2
        if not is_v2:
            placed = _slid(points @ axes_rotation("y", "-z").T, mesh)
        return mesh.with_keypoints(dict(zip(self.keypoints, placed, strict=True)), self.origin)


class KeypointNet:
    """The keypoints of one category, a ``base.AnnotationSource``.

    Args:
        folder: the data set's, which holds ``annotations``; or a file of annotations.
    Raises:
        InputError: the file is missing, or an object's entry is broken. With ``skip_broken`` the latter is noted in
            ``broken`` instead.
    """

    part_names: tuple[str, ...] = ()
    keypoint_names: tuple[str, ...] = ()

    def __init__(self, folder: Path | str, category: str, skip_broken: bool = False) -> None:
        folder, name = Path(folder), category_name(category)
        self.path = folder if folder.is_file() else folder / "annotations" / f"{name}.json"
        synset = synset_of(name)
        self.broken: list[str] = []
        self._keypoints: dict[str, dict[int, np.ndarray]] = {}
        entries = read_json(self.path)
        if not isinstance(entries, list):
            raise InputError(f"{self.path} is not a list of annotations: download it again")
        for number, entry in enumerate(entries):
            try:
                if entry["class_id"] == synset:
                    self._keypoints[str(entry["model_id"])] = _points(entry["keypoints"])
            except (LookupError, TypeError, ValueError, OverflowError) as error:
                whose = entry.get("model_id", "?") if isinstance(entry, dict) else "?"
                problem = f"{self.path}: entry {number} ({whose}) is broken ({type(error).__name__}: {error})"
                if not skip_broken:
                    raise InputError(f"{problem}: download it again, or leave it out with skip_broken") from error
                self.broken.append(problem)

    def __len__(self) -> int:
        return len(self._keypoints)

    def get(self, object_id: str) -> KeypointNetAnnotation | None:
        if object_id not in self._keypoints:
            return None
        return KeypointNetAnnotation(self._keypoints[object_id], f"{self.path}: {object_id}")


def _points(keypoints: Any) -> dict[int, np.ndarray]:
    points = {int(keypoint["semantic_id"]): np.array(keypoint["xyz"], np.float64) for keypoint in keypoints}
    if not points or any(p.shape != (3,) or not (np.abs(p) <= limits.LENGTH).all() for p in points.values()):
        raise ValueError("there are no keypoints, or they are no places")
    return dict(sorted(points.items()))


def _slid(points: np.ndarray, mesh: AnnotatedMesh, steps: int = 30) -> np.ndarray:
    """Points shifted until they lie as near to the surface as a shift brings them."""
    triangles = mesh.mesh.vertices[mesh.mesh.faces]
    for _ in range(steps):
        points = points + np.mean([closest_point(point, triangles)[0] - point for point in points], axis=0)
    return points


def _distances(points: np.ndarray, mesh: AnnotatedMesh) -> np.ndarray:
    triangles = mesh.mesh.vertices[mesh.mesh.faces]
    return np.array([closest_point(point, triangles)[1] for point in points])
