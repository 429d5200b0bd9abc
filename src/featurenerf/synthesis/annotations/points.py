"""Labelled point clouds: bringing them to the mesh that they were sampled from, and reading labels off them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from featurenerf import limits
from featurenerf.errors import InputError, first_line
from featurenerf.limits import BeyondLimitError, file_bytes
from featurenerf.synthesis.annotations.base import AnnotatedMesh
from featurenerf.synthesis.meshes.files import Axis, axes_rotation
from featurenerf.synthesis.objects.shapes import rotation

ALIGNED = 0.03
"""Points whose mean distance to the mesh is larger (in bounding-box diagonals) belong to another mesh."""

LABELLED = 0.1
"""A place of the surface further than this from every labelled point has no label."""

_CLEARLY_BETTER = 0.8
_SURFACE_SAMPLES = 20000


def with_labelled_points(
    mesh: AnnotatedMesh,
    points: Float[np.ndarray, "n 3"],
    labels: Int[np.ndarray, " n"],
    up: Axis,
    front: Axis,
    origin: str,
) -> AnnotatedMesh:
    """The mesh with parts from labelled points in a frame of their own.

    The points are turned by the axes given, and scaled and centred by their bounding box. Releases differ in the turn
    about the up axis, so the three other quarter turns are tried too, and taken where they fit clearly better.

    Args:
        labels: part label of each point, 0 for none.
        origin: file name, for messages.
    Raises:
        InputError: the points fit the mesh in no quarter turn.
    """
    from scipy.spatial import cKDTree

    surface = cKDTree(_surface_samples(mesh))
    best: tuple[float, np.ndarray] | None = None
    for degrees in (0, 90, 180, 270):
        turned = points @ (rotation("z", degrees) @ axes_rotation(up, front)).T
        low, high = turned.min(0), turned.max(0)
        placed = (turned - (low + high) / 2) / max(float(np.linalg.norm(high - low)), 1e-12)
        distance = float(surface.query(placed)[0].mean())
        if best is None or distance < _CLEARLY_BETTER * best[0]:
            best = (distance, placed)
    assert best is not None
    if not best[0] <= ALIGNED:
        raise InputError(
            f"{origin}: its points lie {best[0]:.3f} of the object's diagonal away from the mesh on average: they "
            "belong to another mesh, or it is turned (its up and front)"
        )
    return replace(mesh, part_points=best[1], part_labels=labels.astype(np.int64), kinds=mesh.kinds | {"parts"})


def nearest_labels(
    places: Float[np.ndarray, "m 3"], points: Float[np.ndarray, "n 3"], labels: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " m"]:
    """The label of the labelled point next to each place; 0 where none is within ``LABELLED``."""
    from scipy.spatial import cKDTree

    distances, nearest = cKDTree(points).query(places)
    return np.where(distances <= LABELLED, labels[nearest], 0).astype(np.int64)


def read_numbers(path: Path, columns: int | None = None) -> np.ndarray:
    """The rows of numbers of a text file.

    Raises:
        InputError: it is missing, holds anything else, or has too few columns.
    """
    try:
        content = file_bytes(path, limits.JSON_BYTES).decode()
        if len(content.split(maxsplit=limits.ELEMENTS)) > limits.ELEMENTS:
            raise BeyondLimitError(f"it holds more than {limits.ELEMENTS} numbers")
        numbers = np.array([line.split() for line in content.splitlines() if line.strip()], np.float64)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: download it again") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} holds more than rows of numbers ({first_line(error)}): download it again") from error
    narrow = numbers.ndim != 2 or (columns is not None and numbers.shape[1] < columns)
    if narrow or not (np.abs(numbers) <= limits.LENGTH).all():
        raise InputError(f"{path} does not hold {columns or 'rows of'} numbers a line: download it again")
    return numbers


def _surface_samples(mesh: AnnotatedMesh) -> np.ndarray:
    """Points spread over the surface; the same ones each time."""
    generator = np.random.default_rng(0)
    triangles = mesh.mesh.vertices[mesh.mesh.faces]
    a, b, c = np.moveaxis(triangles, 1, 0)
    cumulative = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    chosen = np.searchsorted(cumulative, generator.random(_SURFACE_SAMPLES) * cumulative[-1], side="right")
    chosen = np.minimum(chosen, len(triangles) - 1)
    weights = generator.dirichlet((1, 1, 1), len(chosen))
    return np.einsum("ni,nij->nj", weights, triangles[chosen])
