"""Solids that motorcycles are put together from: hulls, rings, shells, finned cylinders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects.shapes import (
    Numbers,
    Scalar,
    Surface,
    circle,
    curve,
    grid,
    join,
    loft,
    revolve,
    rotation,
    sweep,
)


def xyz(x: Scalar, y: Scalar, z: Scalar) -> Float[np.ndarray, " 3"]:
    """A point or a step."""
    return np.array([x, y, z], dtype=np.float64)


def from_side(surface: Surface) -> Surface:
    """The surface with texture coordinates as seen from the side, for a livery."""
    return replace(surface, uv=surface.vertices[surface.faces][..., [0, 2]] / [2.4, 1.2] + [0.5, 0.0])


def hull(
    rows: Numbers, n: int = 12, m: int = 16, power: Scalar = 2.5, flat: Scalar = 0.0, plumb: bool = False
) -> Surface:
    """A smooth solid with round ends about the plane y = 0, through sections (x, z, half width, half height).

    Args:
        n: number of sections, 0 for the given ones only.
        flat: how much of the lower half is cut away.
        plumb: whether the sections stand upright (then x must grow) rather than across the line of their centres.
    """
    p = curve(rows, n) if n else np.asarray(rows, dtype=np.float64)
    ends = []
    for end, inner in ((0, 1), (-1, -2)):
        out = p[end, :2] - p[inner, :2]
        out = out / np.linalg.norm(out) * 0.5 * min(p[end, 2:].min(), 0.1)
        steps = [(0.7, 0.8), (1.0, 0.35)]
        ends.append(np.array([[*(p[end, :2] + k * out), *(s * p[end, 2:])] for k, s in steps]))
    p = np.concatenate([ends[0][::-1], p, ends[1]])
    around = circle(m, power=power)
    around[:, 1] *= np.where(around[:, 1] < 0, 1 - flat, 1)
    path = np.stack([p[:, 0], 0 * p[:, 0], p[:, 1]], -1)
    if plumb:
        across = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        return loft(path[:, None] + (p[:, None, 2:] * around) @ across)
    upright = abs(path[1, 0] - path[0, 0]) < abs(path[1, 2] - path[0, 2])
    return sweep(path, around, p[:, 2:], up=(1, 0, 0) if upright else (0, 0, 1))


def ring(profile: Float[np.ndarray, "m 2"], count: int) -> Surface:
    """A closed ring about the y axis; the profile is (radius, y), counter-clockwise."""
    angle = np.linspace(0, 2 * np.pi, count + 1)[:, None]
    r, y = profile[None, :, 0], profile[None, :, 1]
    surface = grid(np.stack([r * np.cos(angle), y + 0 * angle, r * np.sin(angle)], -1), closed=True)
    used = count * len(profile)
    return Surface(surface.vertices[:used], surface.faces % used, surface.uv)


def spun(surface: Surface, turns: np.ndarray) -> Surface:
    """Copies of a surface, turned about the y axis by so many degrees."""
    return join(*[surface.turn(rotation("y", float(turn))) for turn in turns])


def shell(path: Numbers, width: Numbers, depth: Numbers, thick: Scalar, up: Numbers, m: int = 7) -> Surface:
    """A bent plate along a path, its middle bulging by ``depth`` towards ``up``: a mudguard or a windscreen.

    Args:
        width, depth: half the width and the bulge, one number or one for each point.
    """
    path = np.asarray(path, dtype=np.float64)
    t = np.linspace(0, np.pi, m)
    outer = np.stack([np.cos(t), np.sin(t) - 1], -1)
    ones = np.ones((len(path), 1))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.array([0.0, 1.0, 0.0]) * np.sign(np.cross(np.asarray(up, dtype=np.float64), tangent[0])[1])
    above = np.cross(tangent, side)
    wide, deep = (np.asarray(x, dtype=np.float64).reshape(-1, 1) * ones for x in (width, depth))
    skin = path[:, None] + (wide * outer[:, 0])[..., None] * side + (deep * outer[:, 1])[..., None] * above[:, None]
    bare = path[:, None] + ((wide - thick) * outer[:, 0])[..., None] * side
    bare = bare + (np.maximum(deep - thick, 0.0) * outer[:, 1] - thick)[..., None] * above[:, None]
    wall = grid(np.concatenate([skin, bare[:, ::-1]], axis=1), closed=True)
    start, end = (grid(np.stack(pair)) for pair in ((bare[0], skin[0]), (skin[-1], bare[-1])))
    return join(wall, start, end)


def arc(centre: np.ndarray, radius: Scalar, start: Scalar, end: Scalar, n: int = 11) -> Float[np.ndarray, "n 3"]:
    """An arc about an axle, by degrees counted from the front over the top."""
    t = np.radians(np.linspace(start, end, n))
    return centre + radius * np.stack([np.cos(t), 0 * t, np.sin(t)], -1)


def fins(start: Numbers, end: Numbers, profile: Float[np.ndarray, "m 2"], count: int, deep: Scalar = 0.8) -> Surface:
    """A cooled cylinder: a bar with ribs."""
    t = np.linspace(0, 1, 2 * count)[:, None]
    scale = np.where(np.arange(2 * count) % 2 == 0, 1.0, deep)
    return sweep(np.asarray(start) * (1 - t) + np.asarray(end) * t, profile, scale, up=(1, 0, 0))


def ball(centre: Numbers, size: Numbers, count: int = 10) -> Surface:
    """An ellipsoid with half axes ``size``."""
    t = np.linspace(-np.pi / 2 + 0.2, np.pi / 2 - 0.2, 5)
    surface = revolve(np.stack([np.cos(t), np.sin(t)], -1), count)
    return surface.warp(lambda p: p * np.asarray(size) + np.asarray(centre))
