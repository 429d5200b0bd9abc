"""Reading real meshes (OBJ with its MTL and pictures, glTF, PLY, OFF, STL, AC3D) as labelled meshes, to be rendered.

The mesh is turned to the package's frame (z up, +x front), centred, and scaled to a bounding-box diagonal of 1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from featurenerf.errors import InputError, MissingExtraError, first_line
from featurenerf.synthesis.meshes.ac3d import read_ac3d
from featurenerf.synthesis.meshes.assets import AssetResolver, read_file
from featurenerf.synthesis.meshes.gltf import read_gltf
from featurenerf.synthesis.meshes.obj import read_obj
from featurenerf.synthesis.meshes.off import read_off
from featurenerf.synthesis.meshes.pieces import Piece, piece_of
from featurenerf.synthesis.objects.geometry import corner_normals
from featurenerf.synthesis.objects.labelled import LabelledMesh, Material

Axis = Literal["x", "y", "z", "-x", "-y", "-z"]

MESH_SUFFIXES = (".obj", ".glb", ".gltf", ".ply", ".off", ".stl", ".ac")
"""The formats that are read."""
_LEAST_OPACITY = 0.05
"""Surfaces more transparent than this are not there; all others are opaque (glass shows its own colour)."""
_MOST_TRIANGLES = 30_000_000

_PLY_COLOR = re.compile(rb"(property u?char8? )(?:diffuse_)?(r|g|b|red|green|blue)(?=\s)")

_WELD = 1e-5
"""Corners nearer than this (in bounding-box diagonals) are one vertex."""


@dataclass(frozen=True, eq=False)
class Placement:
    """The way from a file's frame to the package's: ``(rotation @ x - centre) / size``."""

    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, " 3"]
    size: float

    def apply(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return (points @ self.rotation.T - self.centre) / self.size


@dataclass(frozen=True, eq=False)
class PlacedMesh:
    """A mesh as its file has it, in the package's frame.

    Attributes:
        mesh: every face is part 1; no keypoints.
        groups: the names of the file's groups.
        face_groups: index into ``groups`` of each face.
        placement: the way from the file's frame to the mesh's.
        missing: files that the mesh file names and that are not there; plain colours stand for missing pictures.
    """

    mesh: LabelledMesh
    groups: tuple[str, ...]
    face_groups: Int[np.ndarray, " f"]
    placement: Placement
    missing: tuple[str, ...] = ()


def axes_rotation(up: str, front: str) -> Float[np.ndarray, "3 3"]:
    """The rotation that turns a file's axes ``up`` and ``front`` to +z and +x.

    Raises:
        InputError: up and front are the same axis, or one is none.
    """
    for axis in (up, front):
        if axis not in get_args(Axis):
            raise InputError(f"{axis!r} is no axis: there are {', '.join(get_args(Axis))}")

    def vector(axis: str) -> np.ndarray:
        return np.eye(3)["xyz".index(axis[-1])] * (-1 if axis.startswith("-") else 1)

    z, x = vector(up), vector(front)
    if abs(z @ x) > 0:
        raise InputError(f"up ({up}) and front ({front}) must be different axes")
    return np.stack([x, np.cross(z, x), z])


def load_mesh(
    path: Path | str,
    up: Axis = "y",
    front: Axis = "z",
    parts: Mapping[str, int] | None = None,
    keypoints: Mapping[int, Float[np.ndarray, " 3"]] | None = None,
    root: Path | None = None,
) -> LabelledMesh:
    """A mesh file as a labelled mesh.

    Args:
        up, front: the file's axes that point up and to the object's front. OBJ and GLB files are mostly y up, z front.
        parts: part label (1 and up) of each group, by the name that ``group_names`` lists; "*" stands for all others.
            By default the whole object is part 1.
        keypoints: id -> a point near the surface, in the package's frame.
        root: pictures and other files that it names must lie in this folder or below; by default in its own.
    Raises:
        InputError: the file is missing, cannot be read, holds no triangles, or has a group without a part.
        MissingExtraError: where trimesh is not installed.
    """
    placed = read_mesh(path, axes_rotation(up, front), root)
    labels = np.ones(len(placed.groups), np.int32)
    if parts is not None:
        left = [name for name in placed.groups if name not in parts and "*" not in parts]
        if left:
            raise InputError(
                f'{path}: no part is given for the groups {", ".join(left)}; name them, or "*" for the rest'
            )
        labels = np.array([parts.get(name, parts.get("*", 1)) for name in placed.groups], np.int32)
    return replace(
        placed.mesh,
        face_parts=labels[placed.face_groups],
        keypoints={int(i): np.asarray(point, np.float64) for i, point in (keypoints or {}).items()},
    )


def read_mesh(path: Path | str, rotation: Float[np.ndarray, "3 3"], root: Path | None = None) -> PlacedMesh:
    """A mesh file, turned, centred and scaled; faces that are there twice or cannot be seen at all are left out.

    Args:
        rotation: from the file's frame to the package's (see ``axes_rotation``).
        root: pictures and other files that it names must lie in this folder or below; by default in its own.
    Raises:
        InputError: the file is missing, cannot be read or holds no triangles.
        MissingExtraError: where trimesh is not installed.
    """
    path = Path(path)
    pieces, missing = _pieces(path, root)
    vertices: list[np.ndarray] = []
    faces, uv = [], []
    face_groups, face_materials = [], []
    materials: list[Material] = []
    for group, piece in enumerate(pieces.values()):
        if piece.vertices.ndim != 2 or piece.vertices.shape[1] != 3:
            raise InputError(
                f"{path} has vertices of {piece.vertices.shape[-1]} numbers, not x, y, z: get the file again"
            )
        faces.append(piece.faces + sum(len(others) for others in vertices))
        vertices.append(piece.vertices @ rotation.T)
        own_uv = np.zeros((len(piece.vertices), 2)) if piece.uv is None else piece.uv
        uv.append(own_uv.astype(np.float32)[piece.faces])
        face_groups.append(np.full(len(piece.faces), group))
        own_materials, numbers = piece.materials()
        face_materials.append(numbers + len(materials))
        materials += own_materials
    all_faces = np.concatenate(faces)
    placed, placement = _place(np.concatenate(vertices), all_faces, rotation, path)
    points, triangles = _weld(placed, all_faces)
    kept = _distinct_triangles(points, triangles)
    if len(kept) == 0:
        raise InputError(f"{path} holds no triangle that has an area: give a mesh file with a surface")
    triangles = triangles[kept].astype(np.int32)
    mesh = LabelledMesh(
        vertices=points,
        faces=triangles,
        face_parts=np.ones(len(kept), np.int32),
        face_materials=np.concatenate(face_materials)[kept].astype(np.int32),
        materials=tuple(materials),
        corner_normals=corner_normals(points, triangles),
        uv=np.concatenate(uv)[kept] if any(m.texture is not None for m in materials) else None,
        keypoints={},
        family=path.stem,
    )
    return PlacedMesh(mesh, tuple(pieces), np.concatenate(face_groups)[kept], placement, missing)


def group_names(path: Path | str) -> list[str]:
    """The groups of a mesh file, as the ``parts`` of ``load_mesh`` name them."""
    return list(_pieces(Path(path))[0])


def _pieces(path: Path, root: Path | None = None) -> tuple[dict[str, Piece], tuple[str, ...]]:
    """The surfaces of a file by name, placed in the file's frame, and the files that it names and that are missing."""
    if find_spec("trimesh") is None:
        raise MissingExtraError("trimesh", "data")
    if not os.path.isfile(path):
        raise InputError(f"there is no mesh file {path}")
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise InputError(
            f"{path} is of a kind that is not read: give one of {', '.join(MESH_SUFFIXES)}, to which Blender exports it"
        )
    assets = AssetResolver(path, root)
    try:
        found = {
            name: piece
            for name, piece in _read(path, read_file(path), assets).items()
            if len(piece.faces) and _checked(piece)
        }
        if sum(len(piece.faces) for piece in found.values()) > _MOST_TRIANGLES:
            raise ValueError(f"it has over {_MOST_TRIANGLES} triangles")
    except (InputError, MissingExtraError):
        raise
    except Exception as error:  # trimesh's readers raise whatever their parsers do
        raise InputError(
            f"{path} cannot be read as a mesh ({first_line(error)}): give an OBJ, glTF, PLY, OFF, STL or AC3D file"
        ) from error
    if not found:
        raise InputError(f"{path} holds no triangles: give a mesh file with a surface")
    seen = {name: piece for name, piece in found.items() if piece.look.opacity >= _LEAST_OPACITY}
    return seen or found, tuple(dict.fromkeys(assets.missing))


def _read(path: Path, content: bytes, assets: AssetResolver) -> dict[str, Piece]:
    import trimesh

    kind = path.suffix.lower()
    if kind == ".obj":
        return read_obj(content, assets)
    if kind in (".glb", ".gltf"):
        return read_gltf(content, assets)
    if kind == ".off":
        return {"geometry": read_off(content)}
    if kind == ".ac":
        return {name: piece_of(g) for name, g in read_ac3d(content.decode(errors="replace"), assets.livery).items()}
    if kind == ".ply":
        head, end, rows = content.partition(b"end_header")
        content = _PLY_COLOR.sub(_usual_name, head) + end + rows
    resolver: Any = assets
    scene = trimesh.load_scene(BytesIO(content), file_type=kind[1:], process=False, resolver=resolver)
    return {name: piece_of(g) for name, g in scene.geometry.items() if isinstance(g, trimesh.Trimesh)}


def _usual_name(said: re.Match[bytes]) -> bytes:
    """Of a colour, which some programs call diffuse_red, or r."""
    return said[1] + {b"r": b"red", b"g": b"green", b"b": b"blue"}.get(said[2], said[2])


def _checked(piece: Piece) -> bool:
    if piece.faces.min() < 0 or piece.faces.max() >= len(piece.vertices):
        raise ValueError("its faces name vertices that it does not have")
    return True


def _place(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], rotation: Float[np.ndarray, "3 3"], path: Path
) -> tuple[Float[np.ndarray, "v 3"], Placement]:
    """Vertices (turned already) centred and scaled."""
    used = vertices[np.unique(faces)]
    low, high = used.min(0), used.max(0)
    size = float(np.linalg.norm(high - low))
    if not np.isfinite(size) or size == 0:
        raise InputError(f"the mesh {path} has no extent, or NaN among its vertices: give another file")
    centre = (low + high) / 2
    return (vertices - centre) / size, Placement(rotation, centre, size)


def _weld(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[Float[np.ndarray, "w 3"], Int[np.ndarray, "f 3"]]:
    """One vertex for all corners at one place, so that shading is smooth across the seams of the texture."""
    _, first, place = np.unique(
        np.round(vertices / _WELD).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    return vertices[first], place.reshape(-1)[faces]


def _distinct_triangles(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, " n"]:
    """The faces that have an area and that no earlier face equals, in either orientation."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    solid = np.flatnonzero(np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-14)
    _, first = np.unique(np.sort(faces[solid], axis=1), axis=0, return_index=True)
    return solid[np.sort(first)]
