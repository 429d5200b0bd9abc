"""Shapes put together into one labelled mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from featurenerf.synthesis.objects.geometry import corner_normals, first_hits, nearest_on_triangles
from featurenerf.synthesis.objects.labelled import LabelledMesh, Material
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, join

APART = 1e-6
"""How much more one piece of an object is grown than another, in diagonals of its bounding box."""


@dataclass(frozen=True, eq=False)
class Finish:
    """A material, and how many metres one repeat of its texture covers."""

    material: Material
    tile: Scalar = 1.0


@dataclass
class Assembly:
    """Solids put together into one labelled mesh."""

    _surfaces: list[Surface] = field(default_factory=list)
    _parts: list[np.ndarray] = field(default_factory=list)
    _materials: list[np.ndarray] = field(default_factory=list)
    _finishes: list[Finish] = field(default_factory=list)
    _keypoints: list[tuple[int, np.ndarray, int, np.ndarray | None]] = field(default_factory=list)

    def _index(self, finish: Finish) -> int:
        if finish not in self._finishes:
            self._finishes.append(finish)
        return self._finishes.index(finish)

    def add(
        self,
        surface: Surface,
        part: int | Int[np.ndarray, " f"],
        finish: Finish | Sequence[Finish],
        pick: Int[np.ndarray, " f"] | None = None,
    ) -> None:
        """Add a solid: one part label and finish, or one for each face (``finish[pick]``)."""
        count = len(surface.faces)
        self._surfaces.append(surface)
        self._parts.append(np.broadcast_to(np.asarray(part), (count,)))
        if isinstance(finish, Finish):
            self._materials.append(np.full(count, self._index(finish)))
        else:
            self._materials.append(np.asarray([self._index(f) for f in finish])[pick])

    def add_both(self, surface: Surface, part: int, finish: Finish) -> None:
        """Add a solid on the left and its mirror image on the right."""
        self.add(surface, part, finish)
        self.add(surface.mirror(), part, finish)

    def keypoint(self, index: int, point: Numbers, part: int, seen_from: Numbers | None = None) -> None:
        """Name the point of a part nearest to ``point``.

        With ``seen_from``, a unit direction: the first point on the line through ``point`` seen from there; where that
        falls between two bars, the nearest one if it is at most 0.03 of the object's size aside, else none.
        """
        direction = None if seen_from is None else np.asarray(seen_from, dtype=np.float64)
        self._keypoints.append((index, np.asarray(point, dtype=np.float64), part, direction))

    def keypoint_both(self, left: int, right: int, point: Numbers, part: int, seen_from: Numbers | None = None) -> None:
        """Name a point on the left and its mirror image on the right."""
        flip = np.array([1.0, -1.0, 1.0])
        self.keypoint(left, point, part, seen_from)
        self.keypoint(
            right, np.asarray(point) * flip, part, None if seen_from is None else np.asarray(seen_from) * flip
        )

    def build(self, family: str) -> LabelledMesh:
        """The mesh, scaled to a bounding-box diagonal of 1 and centred."""
        whole = join(*self._surfaces)
        materials = np.concatenate(self._materials)
        parts = np.concatenate(self._parts)
        uv = whole.uv / np.asarray([f.tile for f in self._finishes])[materials][:, None, None]
        apart = _apart(whole.vertices, whole.faces)
        low, high = apart.min(axis=0), apart.max(axis=0)
        centre, size = (low + high) / 2, float(np.linalg.norm(high - low))
        vertices = _snapped((apart - centre) / size)
        corners = vertices[whole.faces]
        doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        keep = doubled > 1e-10
        faces, parts, materials, corners = whole.faces[keep], parts[keep], materials[keep], corners[keep]
        keypoints = {}
        for index, point, part, direction in self._keypoints:
            triangles = corners[parts == part]
            if len(triangles) == 0:
                continue
            target = (point - centre) / size
            if direction is not None:
                keypoints[index] = first_hits(target[None], direction, triangles)[0]
                if np.isfinite(keypoints[index][0]):
                    continue
            keypoints[index] = nearest_on_triangles(target, triangles)
            aside = np.cross(keypoints[index] - target, direction) if direction is not None else np.zeros(1)
            if np.linalg.norm(aside) > 0.03:
                del keypoints[index]
        return LabelledMesh(
            vertices=vertices,
            faces=faces.astype(np.int32),
            face_parts=parts.astype(np.int32),
            face_materials=materials.astype(np.int32),
            materials=tuple(f.material for f in self._finishes),
            corner_normals=corner_normals(vertices, faces),
            uv=uv[keep].astype(np.float32),
            keypoints={index: _snapped(point) for index, point in keypoints.items()},
            family=family,
        )


def _apart(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "v 3"]:
    """The connected pieces, each grown by one of 16 amounts, some millionths of the object's size.

    Where faces of two pieces lie in one plane, processors would otherwise disagree on which of them is in front.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    start, end = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    links = coo_matrix((np.ones(len(start)), (start, end)), shape=(len(vertices),) * 2)
    piece = connected_components(links, directed=False)[1]
    a, b, c = vertices[faces].transpose(1, 0, 2)
    outward = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    normals = np.stack([np.bincount(start, outward[:, k], minlength=len(vertices)) for k in range(3)], axis=-1)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    size = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    return vertices + normals * (APART * size * (piece % 16))[:, None]


def _snapped(points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Points to seven decimals, so that they are the same whatever processor computed them; no zero is negative."""
    return points.round(7) + 0.0
