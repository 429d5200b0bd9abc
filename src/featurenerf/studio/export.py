"""What a field looks like to other programs: point clouds and meshes that carry descriptors, in PLY files.

Frame and units are the field's: right-handed, z up, +x front, one unit is the object's bounding-box diagonal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int32
from numpy.lib.recfunctions import structured_to_unstructured
from torch import Tensor

from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import Field
from featurenerf.files import write_bytes
from featurenerf.limits import file_bytes, parsing
from featurenerf.matching import FOREGROUND_ALPHA, first_source_camera
from featurenerf.progress import Progress

RADIUS = 0.5
"""An object with a bounding-box diagonal of 1 that is centred at the origin fits in a sphere of this radius."""

LEVELS = tuple(0.5 * 200 ** (i / 39) for i in range(40))
"""Densities between which ``surface_level`` chooses: 0.5 to 100."""

COLOR_DEPTH = 0.015
"""How far below a surface its colours are read, in world units: there they are not mixed with the background."""
GRIDS = (8, 512)
"""The least and the most points a side of the cube in which ``mesh`` looks."""
_SMALLEST_PIECE = 0.01  # pieces of a mesh with less than this share of the largest one's volume are dropped
_NO_OBJECT = "the field shows no solid object: the picture may hold none, or the model does not know its kind"


@dataclass(frozen=True, eq=False)
class Geometry:
    """A coloured point cloud, or with faces a mesh, whose points carry descriptors.

    Attributes:
        points: world coordinates.
        rgb: colours in [0, 1].
        descriptor: descriptors as ``Field.query`` gives them (not normalised); None where there are none.
        faces: indices of each triangle's points, counter-clockwise from outside; None for a point cloud.
    """

    points: Float32[np.ndarray, "n 3"]
    rgb: Float32[np.ndarray, "n 3"]
    descriptor: Float32[np.ndarray, "n d"] | None = None
    faces: Int32[np.ndarray, "f 3"] | None = None

    @property
    def counted(self) -> str:
        """How much of it there is, in words."""
        triangles = "" if self.faces is None else f", {len(self.faces)} triangles"
        return f"{len(self.points)} {'points' if self.faces is None else 'vertices'}{triangles}"


# ---------------------------------------------------------------------- from a field


@torch.no_grad()
def surface_level(field: Field) -> float:
    """The density that makes the best surface: seen from the source, it has the outline of the rendered picture.

    What a field is sure of is dense and thin, what it only guesses is thin fog over a length; no one density is the
    surface of both. Of ``LEVELS``, this is the highest one (the crispest surface) at which the pixels whose rays pass
    it overlap with those of alpha above 0.5 within 0.02 of the best intersection over union.

    Raises:
        InputError: when the field shows nothing to its own source camera.
    """
    camera = first_source_camera(field).resize(64, 64)
    origins, directions = camera.rays(field.pixel_offset)
    solid = field.render(camera, channels=("alpha",))["alpha"][..., 0] > FOREGROUND_ALPHA
    if not solid.any():
        raise InputError(_NO_OBJECT)
    depths = torch.linspace(-RADIUS, RADIUS, 97, device=origins.device) + camera.centre.norm()
    points = origins[..., None, :] + directions[..., None, :] * depths[:, None]
    density = density_at(field, points)
    densest = torch.where(points.norm(dim=-1) <= RADIUS, density, torch.zeros_like(density)).amax(-1)
    passed = densest > torch.tensor(LEVELS, device=densest.device)[:, None, None]
    overlap = (passed & solid).sum((1, 2)) / (passed | solid).sum((1, 2))
    return LEVELS[int((overlap >= overlap.max() - 0.02).nonzero()[-1])]


def all_around(size: int = PICTURE_SIZE) -> list[Camera]:
    """Twelve canonical cameras that see an object from all sides, from below to above."""
    elevations = (-15.0, 20.0, 50.0)
    return [Camera.look_at(90.0 * i + 30.0 * k, e, size, size) for k, e in enumerate(elevations) for i in range(4)]


@torch.no_grad()
def point_cloud(
    field: Field,
    cameras: Sequence[Camera] | None = None,
    most: int = 20000,
    level: float | int | None = None,
    *,
    progress: bool = False,
) -> Geometry:
    """The visible surface of a field as points: the depth pictures of some cameras, put back into the world.

    Args:
        cameras: None is ``all_around()``.
        most: at most so many points are kept, evenly drawn from all pictures.
        level: a point counts only where the field, within 0.02 units along its ray, is denser than this: pixels on
            the outline, whose depth is a mean of near and far, fall away. None is half of ``surface_level(field)``.
    Raises:
        InputError: when the field shows nothing to these cameras.
    """
    cameras = all_around() if cameras is None else cameras
    level = surface_level(field) / 2 if level is None else level
    found = []
    for camera in Progress(cameras, desc="point cloud", leave=False, disable=not progress):
        rendered = field.render(camera, channels=("depth", "alpha"))
        solid = rendered["alpha"][..., 0] > FOREGROUND_ALPHA
        depth = (rendered["depth"] / rendered["alpha"].clamp(min=1e-6))[..., 0][solid].float()
        origins, directions = (rays.to(depth.device)[solid] for rays in camera.rays(field.pixel_offset))
        nearby = depth[:, None] + torch.tensor([-0.01, 0.0, 0.01, 0.02], device=depth.device)
        points = origins[:, None] + directions[:, None] * nearby[..., None]
        found.append(points[:, 1][density_at(field, points).amax(1) > level])
    points = torch.cat(found)
    if len(points) == 0:
        raise InputError(_NO_OBJECT)
    if len(points) > most:
        points = points[torch.linspace(0, len(points) - 1, most, device=points.device).round().long()]
    return Geometry(_array(points), colors_at(field, points), _descriptors(field, points))


@torch.no_grad()
def mesh(field: Field, grid: int = 96, level: float | int | None = None, *, progress: bool = False) -> Geometry:
    """The surface of a field where its density passes ``level``, by marching cubes (Lewiner et al. 2003).

    ``level=None`` is ``surface_level(field)``.

    The cube of side 1 around the origin is sampled at ``grid`` points a side, and what lies outside the sphere in it
    counts as empty (fields are trained inside only). The mesh is closed; pieces of less than a hundredth of the
    largest one's volume are dropped. Colours are read 0.015 units below the surface, where they are not mixed with the
    picture's background. Time and memory grow with the cube of ``grid``.

    Raises:
        InputError: when the density does not pass ``level`` anywhere, or ``grid`` is not in [8, 512].
    """
    from skimage.measure import marching_cubes

    low, high = GRIDS
    if not low <= grid <= high:
        raise InputError(f"a mesh needs a grid of {low} to {high} points a side, not {grid}")
    if level is not None and not 0 < level < np.inf:
        raise InputError(f"a surface lies at a positive density, not at {level}")
    level = surface_level(field) if level is None else level
    device = field.source.pose.device
    axis = torch.linspace(-RADIUS, RADIUS, grid, device=device)
    density = np.zeros((grid, grid, grid), np.float32)
    for number, x in enumerate(Progress(axis, desc="mesh", leave=False, disable=not progress)):
        slab = torch.stack(torch.meshgrid(x, axis, axis, indexing="ij"), -1)[0]
        inside = slab.norm(dim=-1) <= RADIUS
        if inside.any():
            density[number, inside.cpu().numpy()] = _array(density_at(field, slab[inside]))
    density = _without_small_pieces(density, level)
    if not (density > level).any():
        raise InputError(
            f"the field is nowhere denser than {level:.3g}: the picture may hold no object, "
            "the model may not know its kind, or the level is too high"
        )
    step = 2 * RADIUS / (grid - 1)
    corners, faces, _, _ = marching_cubes(np.pad(density, 1), level=level)  # the rim of zeros closes the mesh
    points = ((corners - 1) * step - RADIUS).astype(np.float32)
    outward = np.ascontiguousarray(faces[:, ::-1]).astype(np.int32)  # scikit-image's turn clockwise
    below = torch.from_numpy(points - COLOR_DEPTH * vertex_normals(points, outward)).to(device)
    return Geometry(points, colors_at(field, below), _descriptors(field, torch.from_numpy(points).to(device)), outward)


def density_at(field: Field, points: Tensor) -> Tensor:
    """Density at world points (..., 3)."""
    return field.query(points.to(field.source.pose.dtype), channels=("density",))["density"].float()


def colors_at(field: Field, points: Tensor) -> np.ndarray:
    """Colours at world points (..., 3), in [0, 1]."""
    points = points.to(field.source.pose.device)
    return _array(field.query(points.to(field.source.pose.dtype), channels=("rgb",))["rgb"].clamp(0, 1))


def _descriptors(field: Field, points: Tensor) -> np.ndarray | None:
    if "descriptor" not in field.channels:
        return None
    return _array(field.query(points.to(field.source.pose.dtype), channels=("descriptor",))["descriptor"])


def _array(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals of a mesh's vertices: the mean of those of their triangles, by area."""
    a, b, c = (points[faces[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    normals = np.stack([np.bincount(faces.ravel(), np.repeat(across[:, i], 3), len(points)) for i in range(3)], -1)
    return (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)).astype(np.float32)


def _without_small_pieces(density: np.ndarray, level: float) -> np.ndarray:
    from skimage.measure import label

    pieces = label(density > level, connectivity=3)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    small = sizes < _SMALLEST_PIECE * sizes.max()
    small[0] = False
    return np.where(small[pieces], 0, density)


# ---------------------------------------------------------------------- PLY files
# Written here: plyfile is under the GPL, and trimesh comes with an extra only.

_HEADER = """ply
format binary_little_endian 1.0
comment made by featurenerf
comment frame: right-handed, z up, +x front; one unit is {unit}
element vertex {vertices}
"""
_COLUMNS = {"x": "f4", "y": "f4", "z": "f4", "red": "u1", "green": "u1", "blue": "u1"}
_FACE = np.dtype([("count", "u1"), ("indices", "<i4", (3,))])


def _vertex_type(descriptor_size: int) -> np.dtype:
    columns = _COLUMNS | {f"descriptor_{i}": "f4" for i in range(descriptor_size)}
    return np.dtype([(name, f"<{kind}") for name, kind in columns.items()])


def write_ply(path: str | os.PathLike[str], geometry: Geometry, metres_per_unit: float | int | None = None) -> None:
    """Write a binary PLY file: x, y, z, red, green, blue and ``descriptor_0``, ``descriptor_1``, ... of each vertex.

    Points are written as they are; where ``metres_per_unit`` is given, the header says that they are in metres. The
    file appears whole or not at all.
    """
    columns = [geometry.points, np.rint(geometry.rgb.clip(0, 1) * 255)]
    columns += [] if geometry.descriptor is None else [geometry.descriptor]
    table = np.concatenate(columns, 1)
    vertices = np.rec.fromarrays(table.T, dtype=_vertex_type(table.shape[1] - len(_COLUMNS)))
    unit = "the bounding-box diagonal of the object" if metres_per_unit is None else "a metre"
    header = _HEADER.format(unit=unit, vertices=len(vertices))
    for name in vertices.dtype.names or ():
        header += f"property {'uchar' if vertices.dtype[name] == np.uint8 else 'float'} {name}\n"
    body = vertices.tobytes()
    if geometry.faces is not None:
        triangles = np.empty(len(geometry.faces), _FACE)
        triangles["count"], triangles["indices"] = 3, geometry.faces
        header += f"element face {len(triangles)}\nproperty list uchar int vertex_indices\n"
        body += triangles.tobytes()
    write_bytes(Path(path), (header + "end_header\n").encode("ascii") + body)


def read_ply(path: str | os.PathLike[str]) -> Geometry:
    """Read a file that ``write_ply`` wrote, exactly but for the colours, which are kept in 8 bits.

    Raises:
        InputError: when the file is missing, cut short, or no PLY file of this kind.
    """
    with parsing(f"{path} cannot be read", "give a PLY file that featurenerf wrote"):
        content = file_bytes(Path(path))
    head, mark, body = content.partition(b"end_header\n")
    lines = [line.split() for line in head.decode("ascii", "replace").split("\n")]
    counts = {w[1]: int(w[2]) for w in lines if w[:1] == ["element"] and len(w) == 3 and w[2].isdigit()}
    names = tuple(w[2] for w in lines if w[:1] == ["property"] and len(w) == 3)
    vertex = _vertex_type(max(0, len(names) - len(_COLUMNS)))
    if not mark or lines[0] != ["ply"] or "vertex" not in counts or names != vertex.names:
        raise InputError(f"{path} is not a PLY file that featurenerf wrote: only those are read")
    used = counts["vertex"] * vertex.itemsize
    if len(body) != used + counts.get("face", 0) * _FACE.itemsize:
        raise InputError(f"{path} is cut short or damaged: make it again")
    table = structured_to_unstructured(np.frombuffer(body[:used], vertex), np.dtype(np.float32))
    points, rgb, descriptor = np.split(table, [3, len(_COLUMNS)], axis=1)
    faces = np.frombuffer(body[used:], _FACE)["indices"].astype(np.int32) if "face" in counts else None
    return Geometry(points, rgb / np.float32(255), descriptor if descriptor.shape[1] else None, faces)
