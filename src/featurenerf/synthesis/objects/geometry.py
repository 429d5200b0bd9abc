"""Where lines meet triangles, how smooth surfaces are shaded, and shapes that lie on others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int

from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, grid

CREASE = np.cos(np.radians(42.0))
"""Neighbouring faces that meet at a larger angle are shaded with an edge between them."""

NEXT_TO_NOTHING = 1e-9
"""Places this near to each other are the same: processors differ in the last bits, and must agree on what is hit."""


def corner_normals(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], crease: Scalar = CREASE
) -> Float32[np.ndarray, "f 3 3"]:
    """Shading normal at each corner: the mean over the faces around the vertex that meet below the crease angle,
    weighted by area and by the angle at the corner."""
    corners = vertices[faces]
    out, back = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    area = np.cross(out[:, 0], back[:, 0])
    unit = area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), 1e-300)
    lengths = np.linalg.norm(out, axis=2) * np.linalg.norm(back, axis=2)
    angle = np.arccos(np.clip((out * back).sum(axis=2) / np.maximum(lengths, 1e-300), -1, 1)).ravel()
    corner_vertex = faces.ravel()
    order = np.argsort(corner_vertex, kind="stable")
    count = np.bincount(corner_vertex, minlength=len(vertices))
    first = np.cumsum(count) - count
    valence = count[corner_vertex]
    here = np.repeat(np.arange(len(corner_vertex)), valence)
    step = np.arange(len(here)) - np.repeat(np.cumsum(valence) - valence, valence)
    other = order[first[corner_vertex[here]] + step]
    near = np.einsum("ij,ij->i", unit[here // 3], unit[other // 3]) > crease
    here, other = here[near], other[near]
    pull = area[other // 3] * angle[other, None]
    total = np.stack([np.bincount(here, pull[:, k], minlength=len(corner_vertex)) for k in range(3)], axis=-1)
    normal = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)
    return normal.reshape(-1, 3, 3).astype(np.float32)


def nearest_on_triangles(
    point: Float[np.ndarray, " 3"], triangles: Float[np.ndarray, "f 3 3"]
) -> Float[np.ndarray, " 3"]:
    """The point of the triangles nearest to a point."""
    middle = (triangles[:, 0] + triangles[:, 1] + triangles[:, 2]) / 3
    away = np.sqrt(((middle - point) ** 2).sum(axis=1))
    i, j, k = (np.einsum("fk,fk->f", side, side) for side in (triangles - middle[:, None]).transpose(1, 0, 2))
    reach = np.sqrt(np.maximum(np.maximum(i, j), k))
    triangles = triangles[away - reach <= away.min() + 1e-12]
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    best = []
    ab, ac, ap = b - a, c - a, point - a
    d00, d01, d11 = (np.einsum("ij,ij->i", x, y) for x, y in ((ab, ab), (ab, ac), (ac, ac)))
    d20, d21 = np.einsum("ij,ij->i", ap, ab), np.einsum("ij,ij->i", ap, ac)
    det = np.maximum(d00 * d11 - d01 * d01, 1e-300)
    v, w = (d11 * d20 - d01 * d21) / det, (d00 * d21 - d01 * d20) / det
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    if inside.any():
        best.append((a + v[:, None] * ab + w[:, None] * ac)[inside])
    for start, end in ((a, b), (b, c), (c, a)):
        along = end - start
        t = np.einsum("ij,ij->i", point - start, along) / np.maximum(np.einsum("ij,ij->i", along, along), 1e-300)
        best.append(start + np.clip(t, 0, 1)[:, None] * along)
    candidates = np.concatenate(best)
    away = np.sqrt(((candidates - point) ** 2).sum(axis=1))
    return candidates[(away <= away.min() + NEXT_TO_NOTHING).argmax()]  # of equals the first, on every machine


def first_hits(
    points: Float[np.ndarray, "p 3"], direction: Float[np.ndarray, " 3"], triangles: Float[np.ndarray, "f 3 3"]
) -> Float[np.ndarray, "p 3"]:
    """The triangles' outermost point on the line through each point, seen from ``direction``; NaN where it misses."""
    first = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
    plane = np.stack([first, np.cross(direction, first)], axis=-1)
    shadow, spots = triangles @ plane, points @ plane
    i, j, k = shadow[:, 0], shadow[:, 1], shadow[:, 2]  # np.maximum is ten times as fast as max(axis=1) here
    above = np.maximum(np.maximum(i, j), k) >= spots.min(axis=0)
    below = np.minimum(np.minimum(i, j), k) <= spots.max(axis=0)
    near = above[:, 0] & above[:, 1] & below[:, 0] & below[:, 1]
    a = triangles[near, 0]
    e1, e2 = triangles[near, 1] - a, triangles[near, 2] - a
    h = np.cross(direction, e2)
    det = np.einsum("fk,fk->f", e1, h)
    facing = np.abs(det) > 1e-14
    if not facing.any():
        return np.full(points.shape, np.nan)
    a, e1, e2, h, det = a[facing], e1[facing], e2[facing], h[facing], det[facing]

    def scalar(by: np.ndarray) -> np.ndarray:
        """(point - a) . by / det, for every point and triangle."""
        return (points @ by.T - np.einsum("fk,fk->f", a, by)) / det

    # (s x e1) . direction = s . (e1 x direction), and e2 . (s x e1) = s . (e1 x e2)
    u, v, t = scalar(h), scalar(np.cross(e1, direction)), scalar(np.cross(e1, e2))
    t = np.where((u >= -NEXT_TO_NOTHING) & (v >= -NEXT_TO_NOTHING) & (u + v <= 1 + NEXT_TO_NOTHING), t, -np.inf)
    best = (t >= t.max(axis=1, keepdims=True) - NEXT_TO_NOTHING).argmax(axis=1)
    rows = np.arange(len(points))
    hit = a[best] + u[rows, best, None] * e1[best] + v[rows, best, None] * e2[best]
    return np.where(np.isfinite(t[rows, best])[:, None], hit, np.nan)


def drape(
    points: Float[np.ndarray, "n m 3"], onto: Surface, direction: Float[np.ndarray, " 3"], lift: Numbers = 0.0
) -> Surface:
    """A patch laid on a surface: its points fall onto it from ``direction`` and stay ``lift`` (one or a row) above.

    Points that miss the surface go to its nearest point. A grid whose rows have more than two points is closed
    along them if its first row has shrunk to (nearly) a point: a disc of rings.
    """
    triangles = onto.vertices[onto.faces]
    flat = points.reshape(-1, 3)
    hit = first_hits(flat, direction, triangles)
    for k in np.flatnonzero(np.isnan(hit[:, 0])):
        far = flat[k] + direction * max(0.0, float((onto.vertices @ direction).max() - flat[k] @ direction) - 0.1)
        hit[k] = nearest_on_triangles(far, triangles)
    lift = np.broadcast_to(np.asarray(lift, dtype=np.float64).reshape(-1, 1, 1), (len(points), 1, 1))
    laid = hit.reshape(points.shape) + lift * direction
    disc = points.shape[1] > 2 and np.ptp(points[0], axis=0).max() < 0.1 * np.ptp(points[-1], axis=0).max()
    patch = grid(laid, closed=bool(disc))
    corners = patch.vertices[patch.faces]
    if (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) @ direction).sum() < 0:
        patch = Surface(patch.vertices, patch.faces[:, ::-1], patch.uv[:, ::-1])
    return patch
