"""Reading AC3D files (``.ac``), the text format of FlightGear's models, as trimesh geometries.

The format: https://www.inivis.com/ac3d/man/ac3dfileformat.html. A file is a tree of OBJECTs, each with a place and a
rotation in its parent's frame, and surfaces of any number of corners. There is no convention for the front; in
FlightGear's airplanes y is up and the nose at -x.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

_POLYGON, _STRIP = 0, 4
"""Kinds of surfaces; the others are lines."""


@dataclass
class _Object:
    name: str = ""
    texture: str | None = None
    repeat: np.ndarray = field(default_factory=lambda: np.ones(2))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(2))
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    place: np.ndarray = field(default_factory=lambda: np.zeros(3))
    vertices: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    surfaces: list[tuple[int, int, np.ndarray]] = field(default_factory=list)
    """Kind, number of the material, and (k, 3): vertex, u, v of each corner."""


def read_ac3d(text: str, picture: Callable[[str], Image.Image | None]) -> dict[str, Any]:
    """The meshes of a file by name, in the file's frame; one for each object and material.

    Args:
        picture: a texture by its name in the file; None where it is not there.
    Raises:
        ValueError: the text is not an AC3D file.
    """
    import trimesh

    lines = iter(text.splitlines())
    if not next(lines, "").startswith("AC3D"):
        raise ValueError("its first line is not AC3D")
    colours: list[np.ndarray] = []
    found: dict[str, Any] = {}
    pictures: dict[str, Image.Image | None] = {}
    try:
        for obj, rotation, place in _objects(lines, colours):
            if obj.texture and obj.texture not in pictures:
                pictures[obj.texture] = picture(obj.texture)
            textured = pictures[obj.texture] if obj.texture else None
            points = obj.vertices @ rotation + place
            for material in sorted({number for _, number, _ in obj.surfaces}):
                corners = np.concatenate(
                    [_triangles(kind, c, points) for kind, number, c in obj.surfaces if number == material]
                )
                if len(corners) == 0:
                    continue
                index, uv = corners[..., 0].astype(int).reshape(-1), corners[..., 1:].reshape(-1, 2)
                colour = np.append(colours[material], 1.0) if material < len(colours) else np.ones(4)
                settings = trimesh.visual.material.SimpleMaterial(
                    image=textured, diffuse=(colour * 255).astype(np.uint8)
                )
                geometry = trimesh.Trimesh(
                    points[index],
                    np.arange(len(index)).reshape(-1, 3),
                    visual=trimesh.visual.TextureVisuals(uv=uv * obj.repeat + obj.offset, material=settings),
                    process=False,
                )
                found[_free_name(obj.name or "object", found)] = geometry
    except (StopIteration, IndexError) as error:
        raise ValueError("it ends in the middle, or names corners that it does not have") from error
    return found


def _objects(
    lines: Iterator[str], colours: list[np.ndarray]
) -> Iterator[tuple[_Object, Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]]:
    """Each object with its rotation (of row vectors) and place in the file's frame; colours are filled on the way."""
    # of the objects whose children are being read: how many are left to come, rotation, place
    parents: list[list[Any]] = [[1, np.eye(3), np.zeros(3)]]
    current, complete = _Object(), False
    for line in lines:
        words = line.split(maxsplit=1)
        if not words:
            continue
        key, rest = words[0], words[1] if len(words) > 1 else ""
        if key == "MATERIAL":
            said = shlex.split(rest)
            at = said.index("rgb") + 1
            colours.append(np.array(said[at : at + 3], float))
        elif key == "OBJECT":
            current, complete = _Object(), False
        elif key == "name":
            current.name = rest.strip().strip('"')
        elif key == "texture":
            current.texture = rest.strip().strip('"') or None
        elif key in ("texrep", "texoff", "loc", "rot"):
            values = np.array(rest.split(), float)
            if key == "rot":
                current.rotation = values.reshape(3, 3)
            else:
                setattr(current, {"texrep": "repeat", "texoff": "offset", "loc": "place"}[key], values)
        elif key == "data":
            left = int(rest)  # so many characters follow, line ends counted
            while left > 0:
                left -= len(next(lines)) + 1
        elif key == "numvert":
            current.vertices = _rows(lines, int(rest))
        elif key == "numsurf":
            current.surfaces = [_surface(lines) for _ in range(int(rest))]
        elif key == "kids":
            _, outer_rotation, outer_place = parents[-1]
            parents[-1][0] -= 1
            rotation = current.rotation @ outer_rotation
            place = current.place @ outer_rotation + outer_place
            yield current, rotation, place
            complete = True
            parents.append([int(rest), rotation, place])
            while parents and parents[-1][0] == 0:
                parents.pop()
            if not parents:
                return
    if not complete:  # many files announce a child more than they have
        raise ValueError("it ends in the middle")


def _surface(lines: Iterator[str]) -> tuple[int, int, np.ndarray]:
    flags, material = 0, 0
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] == "SURF":
            flags = int(words[1], 16)
        elif words[0] == "mat":
            material = int(words[1])
        elif words[0] == "refs":
            return flags & 0xF, material, _rows(lines, int(words[1]))
    raise ValueError("it ends in the middle of a surface")


def _rows(lines: Iterator[str], count: int) -> Float[np.ndarray, "n 3"]:
    """The numbers of the next lines that are not blank; zeros for those left out at their ends (u and v)."""
    rows: list[list[str]] = []
    while len(rows) < count:
        words = next(lines).split()
        if words:
            rows.append([*words, "0", "0"][:3])
    return np.array(rows, float).reshape(-1, 3)


def _triangles(kind: int, corners: Float[np.ndarray, "k 3"], points: Float[np.ndarray, "n 3"]) -> np.ndarray:
    """(t, 3, 3): the corners of a surface's triangles; none of lines."""
    k = len(corners)
    if kind not in (_POLYGON, _STRIP) or k < 3:
        return np.zeros((0, 3, 3))
    if kind == _STRIP:
        steps = np.arange(k - 2)
        odd = steps % 2
        order = np.stack([steps + odd, steps + 1 - odd, steps + 2], 1)
    elif k == 3:
        order = np.array([[0, 1, 2]])
    else:
        order = _cut(points[corners[:, 0].astype(int)])
    return corners[order]


def _cut(polygon: Float[np.ndarray, "k 3"]) -> np.ndarray:
    """Triangles (t, 3) of a flat polygon, which need not be convex."""
    import mapbox_earcut

    around = np.roll(polygon, -1, 0)
    normal = np.cross(polygon, around).sum(0)  # Newell's
    drop = int(np.abs(normal).argmax())
    flat = np.ascontiguousarray(np.delete(polygon, drop, 1))
    found = mapbox_earcut.triangulate_float64(flat, np.array([len(flat)], np.uint32)).astype(int).reshape(-1, 3)
    if len(found) == 0:  # it has no area seen so: its corners in a fan
        ahead = np.arange(1, len(polygon) - 1)
        return np.stack([0 * ahead, ahead, ahead + 1], 1)
    a, b, c = np.moveaxis(polygon[found], 1, 0)
    turned = (np.cross(b - a, c - a) @ normal) < 0
    found[turned] = found[turned][:, ::-1]
    return found


def _free_name(name: str, taken: dict[str, Any]) -> str:
    number, free = 1, name
    while free in taken:
        number, free = number + 1, f"{name}.{number + 1}"
    return free
