"""Solid shapes to build objects from: boxes, slabs, tubes, revolutions and lofts.

Everything here is in metres, in the object's own frame (z up, +x front, +y left); ``assembly.Assembly`` scales and
centres. Solids may overlap: nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int

Numbers = np.ndarray | Sequence[Any] | float | int
"""What np.asarray makes an array of numbers of."""

Scalar = float | int


@dataclass(frozen=True, eq=False)
class Surface:
    """A piece of triangle mesh, with texture coordinates in metres."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    uv: Float[np.ndarray, "f 3 2"]

    def move(self, offset: Numbers) -> Surface:
        return replace(self, vertices=self.vertices + np.asarray(offset, dtype=np.float64))

    def turn(self, rotation: Float[np.ndarray, "3 3"]) -> Surface:
        return replace(self, vertices=self.vertices @ rotation.T)

    def lift(self, by: Float[np.ndarray, " v"]) -> Surface:
        """Move each vertex up by its own amount."""
        return replace(self, vertices=self.vertices + np.outer(by, [0.0, 0.0, 1.0]))

    def warp(self, function: Callable[[np.ndarray], np.ndarray]) -> Surface:
        """Bend: the function takes (v, 3) points to (v, 3) points; texture coordinates stay as they were."""
        return replace(self, vertices=function(self.vertices))

    def mirror(self) -> Surface:
        """The left/right mirror image (y becomes -y)."""
        return Surface(self.vertices * [1.0, -1.0, 1.0], self.faces[:, ::-1], self.uv[:, ::-1])


def rotation(axis: str, degrees: Scalar) -> Float[np.ndarray, "3 3"]:
    """Right-handed rotation about the "x", "y" or "z" axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def curve(points: Numbers, count: int) -> Float[np.ndarray, "n d"]:
    """A smooth curve through the given points (Catmull-Rom), sampled at ``count`` evenly spaced parameters."""
    p = np.asarray(points, dtype=np.float64)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, len(p) - 3, count)
    k = np.minimum(t.astype(int), len(p) - 4)
    f = (t - k)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    return 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)


def fillet(points: Numbers, radius: Scalar, steps: int = 4) -> Float[np.ndarray, "n d"]:
    """A polyline with its inner corners rounded, as a bent tube has them."""
    p = np.asarray(points, dtype=np.float64)
    out = [p[:1]]
    t = np.linspace(0, 1, steps + 1)[:, None]
    for before, corner, after in zip(p[:-2], p[1:-1], p[2:], strict=True):
        a, b = before - corner, after - corner
        la, lb = np.linalg.norm(a), np.linalg.norm(b)
        reach = min(radius, 0.45 * la, 0.45 * lb)
        start, end = corner + a / la * reach, corner + b / lb * reach
        out.append((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * end)
    return np.concatenate([*out, p[-1:]])


def circle(count: int, radius: Scalar | tuple[Scalar, Scalar] = 1.0, power: Scalar = 2.0) -> Float[np.ndarray, "n 2"]:
    """A counter-clockwise circle, ellipse or (power > 2) superellipse."""
    angle = np.arange(count) * (2 * np.pi / count)
    c, s = np.cos(angle), np.sin(angle)
    unit = np.stack([np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)], axis=-1)
    return unit * np.asarray(radius)


def rounded_rectangle(
    width: Scalar, height: Scalar, radius: Scalar, steps: int = 3, sides: int = 1
) -> Float[np.ndarray, "n 2"]:
    """A counter-clockwise rectangle with round corners, centred; each straight side is cut into ``sides``."""
    radius = min(radius, 0.499 * width, 0.499 * height)
    angle = np.linspace(0, np.pi / 2, steps + 1)
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * radius
    corners = []
    for k, (sx, sy) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        c, s = [(1, 0), (0, 1), (-1, 0), (0, -1)][k]
        turned = arc @ np.array([[c, s], [-s, c]], dtype=np.float64)
        corners.append(turned + np.array([sx * (width / 2 - radius), sy * (height / 2 - radius)]))
    out = []
    for here, there in zip(corners, corners[1:] + corners[:1], strict=True):
        out.append(here)
        if sides > 1:
            t = (np.arange(1, sides) / sides)[:, None]
            out.append(here[-1] * (1 - t) + there[0] * t)
    return np.concatenate(out)


def _lengths(points: np.ndarray, closed: bool) -> np.ndarray:
    """Arc length along axis 0, averaged over axis 1; one more entry than points if closed."""
    if closed:
        points = np.concatenate([points, points[:1]])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def grid(points: Float[np.ndarray, "n m 3"], closed: bool = False) -> Surface:
    """A sheet through a grid of points, closed along the second axis if so asked; its front is at d/dm x d/dn.

    Faces ``2 * (i * columns + j)`` and the next are the quad at row i, column j.
    """
    n, m = points.shape[:2]
    columns = m if closed else m - 1
    i, j = np.meshgrid(np.arange(n - 1), np.arange(columns), indexing="ij")
    k = (j + 1) % m
    a, b, c, d = i * m + j, i * m + k, (i + 1) * m + k, (i + 1) * m + j
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=2).reshape(-1, 3)
    u, v = _lengths(points, False), _lengths(points.transpose(1, 0, 2), closed)
    corner = {name: np.stack([u[r], v[s]], -1) for name, r, s in
              (("a", i, j), ("b", i, j + 1), ("c", i + 1, j + 1), ("d", i + 1, j))}  # fmt: skip
    first = np.stack([corner["a"], corner["b"], corner["c"]], axis=2)
    second = np.stack([corner["a"], corner["c"], corner["d"]], axis=2)
    uv = np.stack([first, second], axis=2).reshape(-1, 3, 2)
    return Surface(points.reshape(-1, 3).astype(np.float64), faces, uv)


def join(*surfaces: Surface) -> Surface:
    """One surface of several."""
    starts = np.cumsum([0] + [len(s.vertices) for s in surfaces[:-1]])
    return Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([s.faces + start for s, start in zip(surfaces, starts, strict=True)]),
        np.concatenate([s.uv for s in surfaces]),
    )


def loft(sections: Float[np.ndarray, "n m 3"], caps: bool = True) -> Surface:
    """A solid through closed sections, each counter-clockwise seen from the last one's side."""
    side = grid(sections, closed=True)
    if not caps:
        return side
    n, m = sections.shape[:2]
    ring = np.arange(m)
    following = (ring + 1) % m
    centres = sections[[0, -1]].mean(axis=1)
    vertices = np.concatenate([side.vertices, centres])
    start = np.stack([np.full(m, n * m), following, ring], axis=-1)
    end = np.stack([np.full(m, n * m + 1), ring + (n - 1) * m, following + (n - 1) * m], axis=-1)
    caps_faces = np.concatenate([start, end])
    return Surface(
        vertices, np.concatenate([side.faces, caps_faces]), np.concatenate([side.uv, box_uv(vertices, caps_faces)])
    )


def revolve(profile: Numbers, count: int = 16) -> Surface:
    """A solid of revolution about z; the profile is (radius, z) from bottom to top, its ends closed by discs."""
    p = np.asarray(profile, dtype=np.float64)
    ring = circle(count)
    points = np.empty((len(p), count, 3))
    points[..., :2] = p[:, None, :1] * ring
    points[..., 2] = p[:, None, 1]
    return loft(points)


def sweep(
    path: Numbers, profile: Float[np.ndarray, "m 2"], scale: Numbers = 1.0, up: Numbers = (0.0, 0.0, 1.0)
) -> Surface:
    """A profile, counter-clockwise in (side, up), carried along a path without twisting.

    Args:
        path: (n, 3) points.
        profile: its second axis points as much as it can along ``up`` at the start.
        scale: of the profile, one number or one (or one pair) for each point.
        up: any direction that the path does not start along.
    """
    path = np.asarray(path, dtype=np.float64)
    n = len(path)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(np.asarray(up, dtype=np.float64), tangent[0])
    if np.linalg.norm(side) < 1e-3:
        side = np.cross([1.0, 0.0, 0.0] if abs(tangent[0, 0]) < 0.9 else [0.0, 1.0, 0.0], tangent[0])
    sides = np.empty_like(path)
    for k in range(n):
        side = side - tangent[k] * (side @ tangent[k])
        side = side / np.linalg.norm(side)
        sides[k] = side
    ups = np.cross(tangent, sides)
    scale = np.asarray(scale, dtype=np.float64)
    scale = np.broadcast_to(scale[:, None] if scale.ndim == 1 else scale, (n, 2))
    sections = path[:, None] + (profile[None, :, :1] * scale[:, None, :1]) * sides[:, None]
    return loft(sections + (profile[None, :, 1:] * scale[:, None, 1:]) * ups[:, None])


def tube(path: Numbers, radius: Numbers, count: int = 8) -> Surface:
    """A round bar along a path; the radius is one number or one for each point."""
    return sweep(path, circle(count), radius)


@lru_cache(maxsize=64)
def _box_topology(counts: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Lattice index of each vertex of a box's skin and the faces, for so many lattice points along each axis."""
    quads = []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        i, j = (g.ravel() for g in np.meshgrid(np.arange(counts[b] - 1), np.arange(counts[c] - 1), indexing="ij"))
        for end in (0, counts[axis] - 1):
            steps = [(0, 0), (1, 0), (1, 1), (0, 1)] if end else [(0, 0), (0, 1), (1, 1), (1, 0)]
            corner = np.empty((len(i), 4, 3), dtype=np.int64)
            corner[..., axis] = end
            for k, (di, dj) in enumerate(steps):
                corner[:, k, b], corner[:, k, c] = i + di, j + dj
            quads.append(corner)
    lattice, inverse = np.unique(np.concatenate(quads).reshape(-1, 3), axis=0, return_inverse=True)
    quad = inverse.reshape(-1, 4)
    return lattice, np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])


def box(size: Numbers, radius: Scalar = 0.0, cuts: tuple[int, int, int] = (1, 1, 1), arc: int = 1) -> Surface:
    """A box centred at the origin, its edges rounded by ``radius`` in ``2 * arc`` steps.

    Args:
        size: lengths along x, y, z.
        radius: of the edges, at most half of the shortest side.
        cuts: how many pieces the flat stretch along each axis is cut into, so that it can be bent.
        arc: fineness of the rounding.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    radius = min(radius, 0.98 * float(half.min()))
    axes = []
    for h, n in zip(half, cuts, strict=True):
        flat = np.linspace(-(h - radius), h - radius, n + 1)
        if radius > 0:
            bend = h - radius + radius * np.tan(np.linspace(0, np.pi / 4, arc + 1)[1:])
            flat = np.concatenate([-bend[::-1], flat, bend])
        axes.append(flat)
    lattice, faces = _box_topology(tuple(len(a) for a in axes))
    outer = np.stack([a[lattice[:, k]] for k, a in enumerate(axes)], axis=-1)
    vertices = outer
    if radius > 0:
        inner = np.clip(outer, radius - half, half - radius)
        offset = outer - inner
        vertices = inner + offset * (radius / np.linalg.norm(offset, axis=1, keepdims=True))
    return Surface(vertices, faces, box_uv(vertices, faces))


def slab(
    outline: Float[np.ndarray, "m 2"], thickness: Scalar, radius: Scalar = 0.0, crown: Scalar = 0.0, rings: int = 3
) -> Surface:
    """A plate of any star-shaped outline (counter-clockwise, in x and y), its top at z = 0 along the rim.

    Args:
        outline: the plate's outline.
        thickness: how far down the plate reaches.
        radius: of the rounded rim.
        crown: how much higher the middle of the top is: a cushion; negative: a dished seat.
        rings: how finely the top is cut between the middle and the rim.
    """
    radius = min(radius, 0.49 * thickness)
    reach = float(np.linalg.norm(outline - outline.mean(axis=0), axis=1).mean())
    inset, z = [], []
    arc = np.linspace(-np.pi / 2, np.pi / 2, 7 if radius > 0.012 else 5) if radius > 0 else np.array([])
    if radius > 0:
        inset = list(radius * (1 - np.cos(arc)))
        z = [radius * np.sin(a) + (-radius if a > 0 else -(thickness - radius)) for a in arc]
        if thickness > 2.2 * radius:
            middle = int(len(arc) // 2)
            inset.insert(middle + 1, 0.0)
            z.insert(middle + 1, -radius)
    else:
        inset, z = [0.0, 0.0], [-thickness, 0.0]
    scales = [1 - min(i / reach, 0.95) for i in inset]
    scales = [1e-3, *scales]
    z = [z[0], *z]
    if crown:
        edge = scales[-1]
        for t in np.linspace(0, 1, rings + 1)[1:]:
            s = edge * (1 - t) + 1e-3 * t
            scales.append(s)
            z.append(crown * (1 - (s / edge) ** 2) ** (0.75 if crown > 0 else 1.0))
    else:
        scales.append(1e-3)
        z.append(0.0)
    centre = outline.mean(axis=0)
    points = np.empty((len(scales), len(outline), 3))
    points[..., :2] = centre + np.asarray(scales)[:, None, None] * (outline - centre)
    points[..., 2] = np.asarray(z)[:, None]
    surface = loft(points)
    return replace(surface, uv=box_uv(surface.vertices, surface.faces))


def box_uv(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "f 3 2"]:
    """Texture coordinates from the side each face looks to; u runs along the object's longer direction there."""
    corners = vertices[faces]
    normal = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    axis = normal.argmax(axis=1)
    extent = np.ptp(vertices, axis=0)
    planes = []
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        planes.append((b, c) if extent[b] >= extent[c] else (c, b))
    pick = np.asarray(planes)[axis]
    return np.take_along_axis(corners, pick[:, None, :].repeat(3, axis=1), axis=2)
