"""What bottles are made of, what they hold, and their labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.bottle.plans import BODY
from featurenerf.synthesis.objects.bottle.walls import Wall, wall_angles
from featurenerf.synthesis.objects.labelled import Material
from featurenerf.synthesis.objects.shapes import Scalar, Surface, grid, loft

_DRINKS = {
    "wine": ((0.25, 0.03, 0.06), (0.85, 0.8, 0.5), (0.9, 0.55, 0.5)),
    "soda": ((0.15, 0.06, 0.04), (0.95, 0.5, 0.08), (0.85, 0.9, 0.6), (0.4, 0.75, 0.2), (0.75, 0.1, 0.1),
             (0.2, 0.5, 0.85), (0.78, 0.86, 0.88), (0.55, 0.15, 0.4)),
    "water": ((0.7, 0.84, 0.92), (0.78, 0.88, 0.9), (0.66, 0.82, 0.86)),
    "cleaner": ((0.25, 0.5, 0.85), (0.3, 0.75, 0.5), (0.9, 0.5, 0.65), (0.92, 0.85, 0.3), (0.75, 0.86, 0.9)),
    "spirits": ((0.7, 0.36, 0.1), (0.8, 0.86, 0.87), (0.3, 0.12, 0.05), (0.25, 0.45, 0.15), (0.85, 0.6, 0.2)),
}  # fmt: skip


_GLASS = ((0.1, 0.2, 0.09), (0.06, 0.11, 0.06), (0.26, 0.12, 0.04), (0.17, 0.36, 0.18), (0.1, 0.18, 0.5))


def dark_glass(rng: np.random.Generator, brown: Scalar = 0.3) -> tuple[Finish, Finish]:
    """Coloured glass, empty and full."""
    weights = np.array([0.35, 0.25, 0.0, 0.25, 0.15]) * (1 - brown) + np.array([0, 0, 1.0, 0, 0]) * brown
    color = np.clip(np.asarray(_GLASS[rng.choice(5, p=weights)]) * rng.uniform(0.8, 1.3, 3), 0, 1)
    shine = rng.uniform(0.7, 1.0), rng.uniform(80, 160)
    return materials.plain(color, *shine), materials.plain(0.7 * color, *shine)


def clear_finish(rng: np.random.Generator, drink: str) -> tuple[Finish, Finish]:
    """Clear glass or plastic, empty and full of a drink."""
    drinks = _DRINKS[drink]
    liquid = np.clip(np.asarray(drinks[rng.integers(len(drinks))]) * rng.uniform(0.85, 1.1, 3), 0, 1)
    tint = np.array([0.76, 0.83, 0.84]) * rng.uniform(0.9, 1.08)
    shine = rng.uniform(0.6, 1.0), rng.uniform(60, 160)
    return materials.plain(np.clip(0.8 * tint + 0.2 * liquid, 0, 1), *shine), materials.plain(liquid, *shine)


def opaque_finish(rng: np.random.Generator) -> tuple[Finish, Finish]:
    """Coloured plastic."""
    finish = materials.plastic(rng)
    return finish, finish


def _print(rng: np.random.Generator, size: int = 96) -> UInt8[np.ndarray, "h w 3"]:
    """A label's picture: stripes, an emblem, a name, small print. Row 0 is the bottom; the front is in the middle."""
    v, u = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size), indexing="ij")
    paper = rng.random() < 0.45
    ground = np.array([0.93, 0.91, 0.85]) * rng.uniform(0.9, 1.05) if paper else materials.any_color(rng)
    first, second = materials.any_color(rng), materials.any_color(rng)
    ink = np.full(3, 0.08) if ground.mean() > 0.45 else np.array([0.95, 0.93, 0.85])
    page = np.broadcast_to(np.clip(ground, 0, 1), (size, size, 3)).copy()
    kind = rng.choice(["plain", "split", "bands", "fade", "rays", "hills"], p=[0.3, 0.15, 0.2, 0.15, 0.08, 0.12])
    across = u - 0.5
    if kind == "split":
        page[v + rng.uniform(-0.8, 0.8) * across > rng.uniform(0.3, 0.7)] = first
    elif kind == "bands":
        wide = rng.uniform(0.06, 0.2)
        page[(v < wide) | (v > 1 - wide)] = first
        page[np.abs(np.minimum(v, 1 - v) - wide - 0.04) < 0.015] = second
    elif kind == "fade":
        page = page * (1 - v[..., None]) + first * v[..., None]
    elif kind == "rays":
        page[np.cos(np.arctan2(v - 0.5, across) * int(rng.integers(6, 14))) > 0.2] = first
    elif kind == "hills":
        for level, color in ((rng.uniform(0.3, 0.5), first), (rng.uniform(0.1, 0.3), second)):
            page[v < level + 0.08 * np.sin(rng.uniform(8, 20) * across + rng.uniform(0, 6))] = color
    title = rng.uniform(0.55, 0.78)
    high, half = rng.uniform(0.06, 0.13), rng.uniform(0.16, 0.24)
    emblem = rng.choice(["none", "disc", "diamond", "shield", "fruit"], p=[0.2, 0.25, 0.15, 0.2, 0.2])
    low = title - high - rng.uniform(0.16, 0.22)
    size_e = rng.uniform(0.1, 0.15)
    x, y = across / (0.6 * size_e), (v - low) / size_e
    inside = {
        "none": np.zeros_like(u, dtype=bool),
        "disc": x**2 + y**2 < 1,
        "diamond": np.abs(x) + np.abs(y) < 1.2,
        "shield": (np.abs(x) < 0.9) & (y < 0.9) & (y > -1.1 + 0.9 * np.abs(x) ** 2),
        "fruit": ((x - 0.5) ** 2 + (y + 0.1) ** 2 < 0.6) | ((x + 0.5) ** 2 + (y - 0.1) ** 2 < 0.6),
    }[str(emblem)]
    page[inside] = second
    if emblem in ("disc", "shield"):
        page[x**2 + y**2 < rng.uniform(0.15, 0.4)] = first
    if rng.random() < 0.4:
        page[(np.abs(v - title) < high) & (np.abs(across) < half + 0.04)] = first
        ink = np.full(3, 0.08) if first.mean() > 0.45 else np.array([0.95, 0.93, 0.85])
    letters = rng.random(int(rng.integers(9, 17))) < 0.78
    column = np.clip(((across + half) / (2 * half) * len(letters)).astype(int), 0, len(letters) - 1)
    thin = ((across + half) / (2 * half) * len(letters)) % 1 < 0.78
    page[(np.abs(v - title) < 0.65 * high) & (np.abs(across) < half) & letters[column] & thin] = ink
    for line in np.arange(0.08, max(low - size_e - 0.04, 0.1), 0.055):
        page[(np.abs(v - line) < 0.014) & (np.abs(across) < half * rng.uniform(0.5, 1.1))] = 0.6 * ink + 0.4 * ground
    back = (np.abs(across) > 0.38) & (np.abs(across) < 0.48) & (v > 0.15) & (v < 0.85)
    page[back & (np.sin(v * 90) > 0.3)] = 0.5 * ink + 0.5 * ground
    return (np.clip(page, 0, 1) * 255).round().astype(np.uint8)


def add_label(
    a: Assembly, rng: np.random.Generator, wall: Wall, low: Scalar, high: Scalar, degrees: Scalar | None = None
) -> None:
    """Stick a label on the wall between two heights: all round, or so many degrees either side of the front."""
    lift = 0.0016 * wall.height
    count = 2 + int(np.ptp(np.interp(np.linspace(low, high, 9), wall.z, wall.y)) > 1e-4) * 8
    if wall.relief is not None:
        count = 14
    z = np.linspace(low, high, count)
    z = np.concatenate([z[:1], z, z[-1:]])
    out = np.full(len(z), lift)
    out[[0, -1]] = -2 * lift
    if degrees is None:
        points = wall.ring(wall_angles(), z, out)
        strip = grid(points, closed=True)
        solid = loft(points)
    else:
        half = np.radians(degrees)
        angle = np.linspace(-half, half, 25)
        points = wall.ring(np.concatenate([angle[:1], angle, angle[-1:]]), z, out)
        points[:, [0, -1]] = wall.ring(angle[[0, -1]], z, -2 * lift)
        strip = solid = grid(points)
    u, v = strip.uv[..., 1], strip.uv[..., 0]
    uv = np.zeros_like(solid.uv)
    uv[: len(strip.faces)] = np.stack([u / u.max(), (v - 3 * lift) / (v.max() - 6 * lift)], -1)
    if degrees is not None:
        uv[..., 0] = 0.5 + (uv[..., 0] - 0.5) * 0.5  # the picture's front half
    paper = Finish(Material(np.ones(3), rng.uniform(0.05, 0.4), rng.uniform(8, 40), _print(rng)))
    a.add(Surface(solid.vertices, solid.faces, uv), BODY, paper)
    a.keypoint(15, wall.at(0, (low + high) / 2, lift), BODY, seen_from=(1, 0, 0))
