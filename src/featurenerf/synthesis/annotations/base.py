"""What every source of annotations has in common: what is known of a mesh, and how it gets there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from featurenerf.errors import InputError
from featurenerf.synthesis.meshes.files import PlacedMesh, Placement
from featurenerf.synthesis.objects.labelled import LabelledMesh

Kind = Literal["parts", "keypoints"]

KEYPOINT_DISTANCE = 0.03
"""A keypoint further than this from the surface is an error; a nearer one is moved onto it."""


@dataclass(frozen=True, eq=False)
class AnnotatedMesh:
    """A mesh in the package's frame and what is known of it.

    Attributes:
        mesh: with the keypoints, and with the parts of its faces where ``kinds`` names parts and no points decide them.
        groups, face_groups: the file's groups, and the group of each face.
        placement: the way from the mesh file's frame to the package's.
        missing: files that the mesh file names and that are not there.
        kinds: what is known.
        part_points, part_labels: labelled points; a place of the surface has the label of the nearest one.
    """

    mesh: LabelledMesh
    groups: tuple[str, ...]
    face_groups: Int[np.ndarray, " f"]
    placement: Placement
    missing: tuple[str, ...] = ()
    kinds: frozenset[Kind] = frozenset()
    part_points: Float[np.ndarray, "n 3"] | None = None
    part_labels: Int[np.ndarray, " n"] | None = None

    @classmethod
    def of(cls, placed: PlacedMesh) -> AnnotatedMesh:
        return cls(placed.mesh, placed.groups, placed.face_groups, placed.placement, placed.missing)

    def with_keypoints(self, keypoints: dict[int, Float[np.ndarray, " 3"]], origin: str) -> AnnotatedMesh:
        """With keypoints moved to the nearest place of the surface.

        Raises:
            InputError: one is further than ``KEYPOINT_DISTANCE`` from the surface; ``origin`` says where it comes from.
        """
        snapped = {}
        for number, point in sorted(keypoints.items()):
            place, distance = closest_point(np.asarray(point, np.float64), self.mesh.vertices[self.mesh.faces])
            if not distance <= KEYPOINT_DISTANCE:
                raise InputError(
                    f"{origin}: keypoint {number} is {distance:.3f} of the object's diagonal away from its surface: "
                    "correct it, or give the mesh that it was made for"
                )
            snapped[number] = place
        return replace(self, mesh=replace(self.mesh, keypoints=snapped), kinds=self.kinds | {"keypoints"})


@runtime_checkable
class Annotation(Protocol):
    """What a source knows of one object: small, since it is sent to other processes."""

    @property
    def kinds(self) -> frozenset[Kind]: ...

    def apply(self, mesh: AnnotatedMesh) -> AnnotatedMesh:
        """The mesh with what is known added.

        Raises:
            InputError: a file is missing or broken, or does not fit the mesh.
        """
        ...


@runtime_checkable
class AnnotationSource(Protocol):
    """A collection of annotations, by object.

    Attributes:
        part_names: name of each part label, 0 is "background"; empty where the source holds no parts.
        keypoint_names: name of each keypoint; empty where it holds none, or where they have no names.
    """

    part_names: tuple[str, ...]
    keypoint_names: tuple[str, ...]

    def get(self, object_id: str) -> Annotation | None:
        """What is known of an object, if anything."""
        ...


def closest_point(
    point: Float[np.ndarray, " 3"], triangles: Float[np.ndarray, "f 3 3"]
) -> tuple[Float[np.ndarray, " 3"], float]:
    """The place of a triangle soup that is nearest to a point, and its distance."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    ab, ac = b - a, c - a
    normals = np.cross(ab, ac)
    squared = np.maximum(np.einsum("fi,fi->f", normals, normals), 1e-30)
    # the foot of the perpendicular, in barycentric coordinates
    v = np.einsum("fi,fi->f", np.cross(point - a, ac), normals) / squared
    w = np.einsum("fi,fi->f", np.cross(ab, point - a), normals) / squared
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    candidates = [np.where(inside[:, None], a + v[:, None] * ab + w[:, None] * ac, a)]
    for start, edge in ((a, ab), (b, c - b), (c, -ac)):
        along = np.einsum("fi,fi->f", point - start, edge) / np.maximum(np.einsum("fi,fi->f", edge, edge), 1e-30)
        candidates.append(start + np.clip(along, 0, 1)[:, None] * edge)
    places = np.concatenate(candidates)
    distances = np.linalg.norm(places - point, axis=1)
    nearest = int(distances.argmin())
    return places[nearest], float(distances[nearest])
