"""Reading real meshes (OBJ with its MTL and pictures, GLB, PLY, OFF, AC3D, ...) as labelled meshes, to be rendered.

The mesh is turned to the package's frame (z up, +x front), centred, and scaled to a bounding-box diagonal of 1.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, Int
from PIL import Image

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.synthesis.meshes.ac3d import read_ac3d
from featurenerf.synthesis.meshes.obj_palette import material_library
from featurenerf.synthesis.objects.geometry import corner_normals
from featurenerf.synthesis.objects.labelled import LabelledMesh, Material

Axis = Literal["x", "y", "z", "-x", "-y", "-z"]

_LARGEST_TEXTURE = 512
_LEAST_OPACITY = 0.05
"""Surfaces more transparent than this are not there; all others are opaque (glass shows its own colour)."""

_PALETTE = "the usual colours.mtl"
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tga", ".tif", ".tiff", ".webp")

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
) -> LabelledMesh:
    """A mesh file as a labelled mesh.

    Args:
        up, front: the file's axes that point up and to the object's front. OBJ and GLB files are mostly y up, z front.
        parts: part label (1 and up) of each group, by the name that ``group_names`` lists; "*" stands for all others.
            By default the whole object is part 1.
        keypoints: id -> a point near the surface, in the package's frame.
    Raises:
        InputError: the file is missing, cannot be read, holds no triangles, or has a group without a part.
        MissingExtraError: where trimesh is not installed.
    """
    placed = read_mesh(path, axes_rotation(up, front))
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


def read_mesh(path: Path | str, rotation: Float[np.ndarray, "3 3"]) -> PlacedMesh:
    """A mesh file, turned, centred and scaled; faces that are there twice or cannot be seen at all are left out.

    Args:
        rotation: from the file's frame to the package's (see ``axes_rotation``).
    Raises:
        InputError: the file is missing, cannot be read or holds no triangles.
        MissingExtraError: where trimesh is not installed.
    """
    path = Path(path)
    geometries, missing = _geometries(path)
    assets = AssetResolver(path.parent)
    vertices: list[np.ndarray] = []
    faces, uv = [], []
    face_groups, face_materials = [], []
    materials: list[Material] = []
    for group, geometry in enumerate(geometries.values()):
        own_vertices, own_faces = np.asarray(geometry.vertices, np.float64), np.asarray(geometry.faces, np.int64)
        faces.append(own_faces + sum(len(others) for others in vertices))
        vertices.append(own_vertices @ rotation.T)
        uv.append(_texture_coordinates(geometry)[own_faces])
        face_groups.append(np.full(len(own_faces), group))
        try:
            own_materials, numbers = _materials(geometry, assets)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"a picture of {path} cannot be read: {error}: get it again") from error
        face_materials.append(numbers + len(materials))
        materials += own_materials
    all_faces = np.concatenate(faces)
    placed, placement = _place(np.concatenate(vertices), all_faces, rotation, path)
    points, triangles = _weld(placed, all_faces)
    kept = _distinct_triangles(points, triangles)
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
    all_missing = tuple(dict.fromkeys([*missing, *assets.missing]))
    return PlacedMesh(mesh, tuple(geometries), np.concatenate(face_groups)[kept], placement, all_missing)


def group_names(path: Path | str) -> list[str]:
    """The groups of a mesh file, as the ``parts`` of ``load_mesh`` name them."""
    return list(_geometries(Path(path))[0])


def _geometries(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The meshes of a file by name, placed in the file's frame, and the files that it names and that are missing."""
    try:
        import trimesh
    except ImportError as error:
        raise MissingExtraError("trimesh", "data") from error
    if not path.is_file():
        raise InputError(f"there is no mesh file {path}")
    assets = AssetResolver(path.parent)
    resolver: Any = assets
    try:
        if path.suffix.lower() == ".obj":
            content = path.read_bytes()
            if b"mtllib" not in content:
                content = b"mtllib %s\n%s" % (_PALETTE.encode(), content)
            options: dict[str, Any] = {"split_objects": True, "split_groups": True, "group_material": True}
            scene = trimesh.load_scene(BytesIO(content), file_type="obj", process=False, resolver=resolver, **options)
        elif path.suffix.lower() == ".ac":
            read = read_ac3d(path.read_text(errors="replace"), assets.picture)
            scene = trimesh.Scene(read)
        else:
            scene = trimesh.load_scene(path, process=False, resolver=resolver)
        found = {}
        for node in scene.graph.nodes_geometry:
            transform, name = scene.graph[node]
            geometry = scene.geometry[name]
            if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
                placed = geometry.copy()
                placed.apply_transform(transform)
                found[str(node) if name in found else str(name)] = placed
    except Exception as error:  # trimesh's readers raise whatever their parsers do
        raise InputError(
            f"{path} cannot be read as a mesh ({error}): give an OBJ, GLB, PLY, OFF or AC3D file"
        ) from error
    if assets.broken:
        raise InputError(f"a picture of {path} cannot be read: {assets.broken[0]}: get it again")
    if not found:
        raise InputError(f"{path} holds no triangles: give a mesh file with a surface")
    seen = {name: geometry for name, geometry in found.items() if _opacity(geometry) >= _LEAST_OPACITY}
    return seen or found, tuple(dict.fromkeys(assets.missing))


class AssetResolver:
    """The files that a mesh file names: in its folder, or in one beside it (ShapeNet's pictures are in ``../images``).

    It is what trimesh calls a resolver. Names may be written for Windows: with backslashes, and in any case.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.missing: list[str] = []
        self.broken: list[str] = []

    def get(self, name: str) -> bytes:
        if name == _PALETTE:
            return material_library()
        path = (self._folder / name.strip().replace("\\", "/")).resolve()
        if not path.is_relative_to(self._folder.resolve().parent):
            self.missing.append(name)
            raise ValueError(f"{name} lies outside of the mesh's folder")
        if not path.is_file() and path.parent.is_dir():
            path = next((other for other in path.parent.iterdir() if other.name.lower() == path.name.lower()), path)
        if not path.is_file():
            self.missing.append(name)
            raise FileNotFoundError(name)
        content = path.read_bytes()
        if path.suffix.lower() in _PICTURES:  # trimesh would leave a broken one out and say nothing
            try:
                with Image.open(BytesIO(content)) as picture:
                    picture.verify()
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                self.broken.append(f"{path} ({error})")
        return content

    __getitem__ = get

    def picture(self, name: str) -> Image.Image | None:
        """A picture that an AC3D file names, or None.

        FlightGear has models in a folder ``Models`` and liveries in folders beside it, of which the first is taken.

        Raises:
            ValueError: it is there and cannot be read.
        """
        last = name.replace("\\", "/").split("/")[-1]
        around = self._folder.resolve()
        around = around.parent if around.name == "Models" else around
        try:
            content = self.get(name)
        except (FileNotFoundError, ValueError):
            liveries = sorted(around.rglob(glob.escape(last))) if last else []
            if not liveries:
                return None
            self.missing.remove(name)
            content = liveries[0].read_bytes()
        try:
            with Image.open(BytesIO(content)) as opened:
                return opened.copy()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"its picture {name}: {error}") from error


def _opacity(geometry: Any) -> float:
    """What an MTL file says of a material's opacity; 1 where it says nothing."""
    settings = getattr(getattr(geometry.visual, "material", None), "kwargs", None) or {}
    try:
        return float(settings["d"][0])
    except (KeyError, ValueError, IndexError):
        return 1.0


def _materials(geometry: Any, assets: AssetResolver) -> tuple[list[Material], Int[np.ndarray, " f"]]:
    """Materials of a mesh and the number of each face's material."""
    material = getattr(geometry.visual, "material", None)
    if material is None:  # colours of faces or vertices: one material for those that are nearly alike
        colors = np.asarray(geometry.visual.face_colors)[:, :3]
        _, first, numbers = np.unique(colors // 8, axis=0, return_index=True, return_inverse=True)
        return [Material(colors[i] / 255) for i in first], numbers.reshape(-1)
    numbers = np.zeros(len(geometry.faces), np.int64)
    factor = _color(getattr(material, "baseColorFactor", None))
    picture = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
    if picture is not None:  # an MTL file's Kd does not colour its picture: it is often meaningless there
        holes = _has_alpha(picture) and not _is_opaque(material)
        texture = _with_cut_out(_texture(picture, holes), material, assets)
        return [Material(np.ones(3) if factor is None else factor, texture=texture)], numbers
    color = _color(getattr(material, "main_color", None)) if factor is None else factor
    return [Material(np.full(3, 0.7) if color is None else color)], numbers


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info


def _is_opaque(material: Any) -> bool:
    """Whether the alpha of the picture means nothing: in glTF it does only where the material says so."""
    return hasattr(material, "alphaMode") and material.alphaMode not in ("MASK", "BLEND")


def _with_cut_out(texture: np.ndarray, material: Any, assets: AssetResolver) -> np.ndarray:
    """The texture with the alpha of an MTL file's ``map_d``; as it is where there is none, or its file is missing."""
    named = (getattr(material, "kwargs", None) or {}).get("map_d")
    if not named:
        return texture
    try:
        content = assets.get(" ".join(named))
    except (FileNotFoundError, ValueError):  # ``assets`` keeps its name
        return texture
    with Image.open(BytesIO(content)) as picture:
        alpha = picture.convert("RGBA").getchannel("A") if _has_alpha(picture) else picture.convert("L")
    size = (texture.shape[1], texture.shape[0])
    return np.concatenate([texture[..., :3], np.asarray(alpha.resize(size))[::-1, :, None]], 2)


def _texture_coordinates(geometry: Any) -> Float32[np.ndarray, "v 2"]:
    uv = getattr(geometry.visual, "uv", None)
    if uv is None or len(uv) != len(geometry.vertices):
        return np.zeros((len(geometry.vertices), 2), np.float32)
    return np.nan_to_num(np.asarray(uv, np.float32)[:, :2])


def _color(value: Any) -> np.ndarray | None:
    """RGB in [0, 1] from trimesh's colours, which count from 0 to 255 where they are integers."""
    if value is None:
        return None
    array = np.asarray(value)
    return np.clip(array[:3] / (255 if array.dtype.kind in "iu" else 1.0), 0, 1).astype(np.float64)


def _texture(picture: Image.Image, holes: bool) -> np.ndarray:
    """Rows from v = 0 up, as ``Material`` has them; RGBA where there are holes."""
    picture = picture.convert("RGBA" if holes else "RGB")
    scale = _LARGEST_TEXTURE / max(picture.size)
    if scale < 1:
        size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
        picture = picture.resize(size, Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(picture)[::-1])


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
