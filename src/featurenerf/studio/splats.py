"""A field as 3D Gaussians, in the PLY files that viewers of splats open: y down, -z front."""

from __future__ import annotations

import numpy as np
import torch

from featurenerf.fields.base import Field
from featurenerf.studio import export
from featurenerf.studio.export import Geometry

TO_Y_DOWN = np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]], np.float32)
"""Turns points so that y is down and -z the front: COLMAP's, and therefore that of most splats."""
COLUMNS = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
_HARMONIC = 0.28209479177387814  # the constant spherical harmonic: colour = 0.5 + this x f_dc


@torch.no_grad()
def splats(field: Field, cloud: Geometry, scale: float = 1.0) -> bytes:
    """A PLY file of 3D Gaussians, one a point, in the columns of 3D Gaussian splatting (Kerbl et al. 2023).

    A Gaussian is a disc along the surface, as wide as points lie apart. It is as thick as the density is transparent
    (1 / density), between a tenth of that width and all of it, and as opaque as the field over four of its widths.
    """
    from scipy.spatial import cKDTree
    from scipy.spatial.transform import Rotation

    points = torch.from_numpy(cloud.points).to(field.source.pose)
    density = export.density_at(field, points).cpu().numpy()
    step = 0.01
    offsets = step * torch.eye(3, device=points.device, dtype=points.dtype)
    gradient = np.stack(
        [(export.density_at(field, points + o) - export.density_at(field, points - o)).cpu().numpy() for o in offsets],
        1,
    )
    outward = -gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-12)
    outward[np.linalg.norm(outward, axis=1) < 0.5] = (0.0, 0.0, 1.0)
    neighbours = min(4, len(cloud.points))
    distances = cKDTree(cloud.points).query(cloud.points, neighbours)[0].reshape(len(cloud.points), -1)
    apart = distances[:, 1:].mean(1) if neighbours > 1 else np.full(len(cloud.points), 0.01)
    width = apart.clip(0.002, 0.02)
    thickness = np.clip(1 / np.maximum(density, 1e-6), 0.1 * width, width)
    opacity = np.clip(1 - np.exp(-4 * density * width), 0.05, 0.999)
    outward = (outward @ TO_Y_DOWN.T).astype(np.float64)
    across = np.cross(outward, np.where(np.abs(outward[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    axes = np.stack([across, np.cross(outward, across), outward], -1)  # columns: two along the surface, the normal
    table = np.concatenate(
        [
            cloud.points @ TO_Y_DOWN.T * scale,
            outward,
            (cloud.rgb - 0.5) / _HARMONIC,
            np.log(opacity / (1 - opacity))[:, None],
            np.log(scale * np.stack([width, width, thickness], 1)),
            Rotation.from_matrix(axes).as_quat()[:, [3, 0, 1, 2]],
        ],
        1,
    ).astype("<f4")
    header = ["ply", "format binary_little_endian 1.0", "comment made by featurenerf: y down, -z front"]
    header += [f"element vertex {len(table)}", *(f"property float {name}" for name in COLUMNS), "end_header"]
    return ("\n".join(header) + "\n").encode("ascii") + table.tobytes()
