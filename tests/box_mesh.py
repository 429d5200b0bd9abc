"""A mesh whose every answer is known, for the tests of the renderer."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects.labelled import LabelledMesh, Material

_QUAD_CORNERS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
_SIDES = np.array([(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)], np.float32)


def make_box(extent: tuple[float, float, float] = (0.6, 0.48, 0.64), texture: np.ndarray | None = None) -> LabelledMesh:
    """A box whose six sides -x, +x, -y, +y, -z, +z are the parts 1 to 6 and whose eight corners are the keypoints."""
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * extent
    faces = np.array([t for a, b, c, d in _QUAD_CORNERS for t in ((a, b, c), (a, c, d))], np.int32)
    sides = np.repeat(np.arange(6), 2)
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    return LabelledMesh(
        vertices=corners.astype(np.float64),
        faces=faces,
        face_parts=(sides + 1).astype(np.int32),
        face_materials=sides.astype(np.int32),
        materials=tuple(Material(np.abs(side) * 0.6 + 0.3, 0.0, 10.0, texture) for side in _SIDES),
        corner_normals=np.repeat(_SIDES[sides][:, None], 3, 1),
        uv=np.stack([square[[0, 1, 2]], square[[0, 2, 3]]] * 6),
        keypoints=dict(enumerate(corners.astype(np.float64))),
    )
