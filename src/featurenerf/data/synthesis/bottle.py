"""Bottles of eleven families, in metres: the floor at z = 0, spouts and labels to the front, handles at the back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from featurenerf.data.synthesis import materials
from featurenerf.data.synthesis.objects import Category, LabelledMesh, Material
from featurenerf.data.synthesis.shapes import (
    Assembly,
    Finish,
    Numbers,
    Scalar,
    Surface,
    curve,
    fillet,
    grid,
    loft,
    revolve,
    rotation,
    rounded_rectangle,
    sweep,
    tube,
)

BODY, NECK, CAP, HANDLE = 1, 2, 3, 4
_KEYPOINTS = (
    "cap top centre", "cap rim front", "cap rim left", "cap rim right", "cap rim back",
    "neck foot front", "neck foot left", "neck foot right", "neck foot back", "shoulder left", "shoulder right",
    "bottom front", "bottom left", "bottom right", "bottom back", "label centre", "handle top", "handle bottom",
    "nozzle tip",
)  # fmt: skip
_FAMILIES = {
    "wine": 0.14, "beer": 0.1, "soda": 0.11, "water": 0.09, "spray": 0.1, "pump": 0.1, "jug": 0.1, "spirits": 0.1,
    "squeeze": 0.06, "medicine": 0.06, "sport": 0.04,
}  # fmt: skip
CATEGORY = Category(
    name="bottle",
    synset="02876657",
    part_names=("background", "body", "neck", "cap", "handle"),
    keypoint_names=_KEYPOINTS,
    mirror=(0, 1, 3, 2, 4, 5, 7, 6, 8, 10, 9, 11, 13, 12, 14, 15, 16, 17, 18),
    families=tuple(_FAMILIES),
    shares=tuple(_FAMILIES.values()),
)
_COLUMNS = 48
"""Points round a wall."""

_Corner = tuple[Scalar, Scalar, Scalar]
"""Of a profile: radius, height, and how far its rounding reaches."""

_Relief = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""How much further out the wall is, as a share, at angles (m,) and heights (n, 1)."""


# ----------------------------------------------------------------------------------------------------------- wall


@dataclass(frozen=True, eq=False)
class _Wall:
    """The outside of a bottle from the floor to the mouth: at each height a superellipse."""

    z: Float[np.ndarray, " n"]
    x: Float[np.ndarray, " n"]
    """Half the depth."""
    y: Float[np.ndarray, " n"]
    """Half the width."""
    power: Float[np.ndarray, " n"]
    shift: Float[np.ndarray, " n"]
    """How far before the origin the middle lies."""
    relief: _Relief | None = None

    @property
    def height(self) -> float:
        return float(self.z[-1])

    @property
    def mouth(self) -> float:
        """Radius of the mouth."""
        return float(self.y[-1])

    @property
    def foot(self) -> float:
        """Height at which the shoulder has become the neck."""
        wide = np.flatnonzero(self.y > self.mouth + 0.12 * (self.y.max() - self.mouth) + 1e-6)
        return float(self.z[min(wide[-1] + 1, len(self.z) - 1)]) if len(wide) else self.height

    @property
    def shoulder(self) -> float:
        """Height of the profile's knee: where it is furthest out from the line between its bottom and the neck."""
        inner, outer = self.mouth - self.y.max(), self.y - self.y.max()
        out = self.foot * outer - inner * self.z
        return float(self.z[np.where(self.z <= self.foot, out, -np.inf).argmax()])

    @property
    def heel(self) -> float:
        """Height at which the bottom's rounding has become the wall."""
        low = self.z < 0.2 * self.height
        return float(self.z[np.flatnonzero(self.y > 0.97 * self.y[low].max())[0]])

    def ring(self, angle: Float[np.ndarray, " m"], z: Numbers, out: Numbers = 0.0) -> Float[np.ndarray, "n m 3"]:
        """Points of the wall at some angles and heights, ``out`` metres before it."""
        z = np.atleast_1d(np.asarray(z, dtype=np.float64))[:, None]
        rx, ry, power, shift = (np.interp(z, self.z, v) for v in (self.x, self.y, self.power, self.shift))
        c, s = np.cos(angle), np.sin(angle)
        relief = 1.0 if self.relief is None else 1 + self.relief(angle, z)
        out = np.asarray(out, dtype=np.float64).reshape(-1, 1)
        points = np.empty((len(z), len(angle), 3))
        points[..., 0] = shift + (rx * relief + out) * np.sign(c) * np.abs(c) ** (2 / power)
        points[..., 1] = (ry * relief + out) * np.sign(s) * np.abs(s) ** (2 / power)
        points[..., 2] = z
        return points

    def at(self, degrees: Scalar, z: Scalar, out: Scalar = 0.0) -> Float[np.ndarray, " 3"]:
        return self.ring(np.array([np.radians(degrees)]), z, out)[0, 0]

    def middle(self, z: Scalar) -> float:
        """x of the middle at a height."""
        return float(np.interp(z, self.z, self.shift))


def _angles(count: int = _COLUMNS) -> Float[np.ndarray, " m"]:
    """All round, from the back by the right, the front and the left."""
    return np.arange(count) * (2 * np.pi / count) - np.pi


def _rounded(points: list[_Corner], steps: int = 7) -> Float[np.ndarray, "n 2"]:
    """A profile (radius, z) through corners (radius, z, reach of the rounding)."""
    p = np.array([[float(r), float(z)] for r, z, _ in points])
    out = [p[:1]]
    t = np.linspace(0, 1, steps)[:, None]
    for k in range(1, len(p) - 1):
        a, b = p[k - 1] - p[k], p[k + 1] - p[k]
        la, lb = np.linalg.norm(a), np.linalg.norm(b)
        start, end = (p[k] + v / n * min(points[k][2], 0.49 * n) for v, n in ((a, la), (b, lb)))
        out.append((1 - t) ** 2 * start + 2 * t * (1 - t) * p[k] + t**2 * end)
    return np.concatenate([*out, p[-1:]])


def _wall(
    profile: Float[np.ndarray, "n 2"],
    depth: Scalar | None = None,
    power: Scalar = 2.0,
    relief: _Relief | None = None,
    fine: Scalar = 1.0,
    shift: Scalar = 0.0,
) -> _Wall:
    """A wall from a profile (half width, z): round at the mouth, ``depth`` deep (half) where it is widest.

    Args:
        power: of the superellipse where it is widest.
        fine: rows are at most this far apart, as a share of the height.
        shift: how far the mouth lies before the body's middle.
    """
    r, z = profile.T
    z = np.maximum.accumulate(z + 1e-7 * np.arange(len(z)))
    steps = np.arange(0, 1, min(fine, 1.0)) * z[-1] if fine < 1 else np.empty(0)
    steps = steps[np.abs(steps[:, None] - z).min(axis=1, initial=np.inf) > 0.4 * fine * z[-1]]
    rows = np.unique(np.concatenate([z, steps]))
    r = np.interp(rows, z, r)
    neck, widest = r[-1], r.max()
    share = np.clip((r - neck) / max(widest - neck, 1e-9), 0, 1)
    x = r if depth is None else neck + (depth - neck) * share
    soft = share * share * (3 - 2 * share)
    return _Wall(rows, x, r, 2 + (power - 2) * soft, shift * (1 - share), relief)


def _blow(
    a: Assembly, wall: _Wall, empty: Finish, full: Finish, level: Scalar = 0.9, covered: Scalar | None = None
) -> None:
    """Add the wall, ``full`` up to a share of the height, and name its points.

    Args:
        covered: height from which a cap hides it; None: the bottle is open.
    """
    top = wall.height
    hidden = top if covered is None else covered
    rows = np.unique(np.concatenate([wall.z, [level * top, wall.foot]]))
    points = wall.ring(_angles(), rows)
    if covered is None:  # a lip, and a way in
        r = wall.mouth
        middle = np.array([wall.middle(top), 0.0, 0.0])
        inside = [
            (r - 0.0006, top + 0.0008),
            (r - 0.002, top + 0.0006),
            (r - 0.0028, top - 0.001),
            (r - 0.003, top - 0.03),
        ]
        unit = np.stack([np.cos(_angles()), np.sin(_angles()), 0 * _angles()], -1)
        points = np.concatenate([points, *((middle + unit * s + [0, 0, z])[None] for s, z in inside)])
        rows = np.concatenate([rows, [z for _, z in inside]])
    solid = loft(points)
    lines, m = len(rows) - 1, points.shape[1]
    line = np.concatenate([np.repeat(np.arange(lines), 2 * m), np.zeros(m, int), np.full(m, lines - 1)])
    middle_z = (rows[line] + rows[line + 1]) / 2
    has_neck = hidden - wall.foot > 0.03 * top
    part = np.where((middle_z > wall.foot) | (line >= len(wall.z) + 3), NECK, BODY) if has_neck else BODY
    dark = materials.plain(0.25 * empty.material.color, 0.1, 10)
    pick = np.where(middle_z < level * top, 1, 0)
    pick[-m:] = 2
    a.add(solid, part, (empty, full, dark), pick)
    for k, degrees in enumerate((0, 90, -90, 180)):
        a.keypoint(11 + k, wall.at(degrees, wall.heel), BODY)
        if has_neck:
            a.keypoint(5 + k, wall.at(degrees, wall.foot), NECK)
    if wall.shoulder > 0.2 * top:
        a.keypoint_both(9, 10, wall.at(90, wall.shoulder), BODY)


def _ribs(low: Scalar, high: Scalar, count: int, deep: Scalar) -> _Relief:
    """Grooves round the wall between two heights."""

    def relief(angle: np.ndarray, z: np.ndarray) -> np.ndarray:
        t = (z - low) / (high - low)
        inside = (t > 0) & (t < 1)
        return np.where(inside, -deep * np.sin(np.pi * count * np.clip(t, 0, 1)) ** 2, 0.0) + 0 * angle

    return relief


def _feet(height: Scalar, count: int = 5, deep: Scalar = 0.2) -> _Relief:
    """The lobed bottom of a fizzy drink's bottle."""

    def relief(angle: np.ndarray, z: np.ndarray) -> np.ndarray:
        low = np.clip(1 - z / height, 0, 1) ** 1.3
        return -deep * low * (0.5 - 0.5 * np.cos(count * angle)) ** 0.7

    return relief


def _flutes(low: Scalar, high: Scalar, count: int, deep: Scalar) -> _Relief:
    """Upright grooves between two heights."""

    def relief(angle: np.ndarray, z: np.ndarray) -> np.ndarray:
        t = np.clip((z - low) / (high - low), 0, 1)
        return -deep * np.minimum(1, 6 * t * (1 - t)) * (0.5 - 0.5 * np.cos(count * angle))

    return relief


def _sum(*reliefs: _Relief) -> _Relief:
    return lambda angle, z: np.add.reduce([r(angle, z) for r in reliefs])


# --------------------------------------------------------------------------------------------- finishes and labels

_DRINKS = {
    "wine": ((0.25, 0.03, 0.06), (0.85, 0.8, 0.5), (0.9, 0.55, 0.5)),
    "soda": ((0.15, 0.06, 0.04), (0.95, 0.5, 0.08), (0.85, 0.9, 0.6), (0.4, 0.75, 0.2), (0.75, 0.1, 0.1),
             (0.2, 0.5, 0.85), (0.78, 0.86, 0.88), (0.55, 0.15, 0.4)),
    "water": ((0.7, 0.84, 0.92), (0.78, 0.88, 0.9), (0.66, 0.82, 0.86)),
    "cleaner": ((0.25, 0.5, 0.85), (0.3, 0.75, 0.5), (0.9, 0.5, 0.65), (0.92, 0.85, 0.3), (0.75, 0.86, 0.9)),
    "spirits": ((0.7, 0.36, 0.1), (0.8, 0.86, 0.87), (0.3, 0.12, 0.05), (0.25, 0.45, 0.15), (0.85, 0.6, 0.2)),
}  # fmt: skip
_GLASS = ((0.1, 0.2, 0.09), (0.06, 0.11, 0.06), (0.26, 0.12, 0.04), (0.17, 0.36, 0.18), (0.1, 0.18, 0.5))


def _dark_glass(rng: np.random.Generator, brown: Scalar = 0.3) -> tuple[Finish, Finish]:
    """Coloured glass, empty and full."""
    weights = np.array([0.35, 0.25, 0.0, 0.25, 0.15]) * (1 - brown) + np.array([0, 0, 1.0, 0, 0]) * brown
    color = np.clip(np.asarray(_GLASS[rng.choice(5, p=weights)]) * rng.uniform(0.8, 1.3, 3), 0, 1)
    shine = rng.uniform(0.7, 1.0), rng.uniform(80, 160)
    return materials.plain(color, *shine), materials.plain(0.7 * color, *shine)


def _clear(rng: np.random.Generator, drink: str) -> tuple[Finish, Finish]:
    """Clear glass or plastic, empty and full of a drink."""
    drinks = _DRINKS[drink]
    liquid = np.clip(np.asarray(drinks[rng.integers(len(drinks))]) * rng.uniform(0.85, 1.1, 3), 0, 1)
    tint = np.array([0.76, 0.83, 0.84]) * rng.uniform(0.9, 1.08)
    shine = rng.uniform(0.6, 1.0), rng.uniform(60, 160)
    return materials.plain(np.clip(0.8 * tint + 0.2 * liquid, 0, 1), *shine), materials.plain(liquid, *shine)


def _opaque(rng: np.random.Generator) -> tuple[Finish, Finish]:
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


def _label(
    a: Assembly, rng: np.random.Generator, wall: _Wall, low: Scalar, high: Scalar, degrees: Scalar | None = None
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
        points = wall.ring(_angles(), z, out)
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


# ----------------------------------------------------------------------------------------------------------- caps


def _mark_cap(a: Assembly, at: Scalar, radius: Scalar, rim: Scalar, top: Scalar) -> None:
    """Name a cap's rim and its top's middle; ``at`` is the x of its axis."""
    for k, degrees in enumerate((0, 90, -90, 180)):
        turn = np.radians(degrees)
        a.keypoint(1 + k, (at + radius * np.cos(turn), radius * np.sin(turn), rim), CAP)
    a.keypoint(0, (at, 0, top), CAP, seen_from=(0, 0, 1))


def _screw(
    a: Assembly, at: Scalar, z: tuple[Scalar, Scalar], radius: tuple[Scalar, Scalar], finish: Finish, teeth: int = 0
) -> None:
    """A lid from one height to another, its radius below and above, with grooves for the fingers or smooth."""
    tall, edge = z[1] - z[0], min(0.08 * radius[1], 0.2 * (z[1] - z[0]))
    profile = np.array([(radius[0], z[0]), (radius[0], z[0] + 0.04 * tall), (radius[1], z[1] - edge),
                        (radius[1] - 0.3 * edge, z[1] - 0.3 * edge), (radius[1] - edge, z[1])])  # fmt: skip
    angle = _angles(4 * teeth if teeth else _COLUMNS)
    depth = 0.035 * np.array([1, 1, 1, 0.3, 0])[:, None] * (0.5 - 0.5 * np.cos(teeth * angle)) if teeth else 0.0
    points = np.empty((5, len(angle), 3))
    points[..., 0] = at + profile[:, :1] * (1 - depth) * np.cos(angle)
    points[..., 1] = profile[:, :1] * (1 - depth) * np.sin(angle)
    points[..., 2] = profile[:, 1:]
    a.add(loft(points), CAP, finish)
    _mark_cap(a, at, radius[1], z[1] - 0.5 * edge, z[1])


def _turned(a: Assembly, at: Scalar, profile: Numbers, finish: Finish, count: int = 32) -> None:
    """A lid or a piece of one, off the lathe."""
    a.add(revolve(profile, count).move([at, 0, 0]), CAP, finish)


def _crown(a: Assembly, wall: _Wall, finish: Finish) -> None:
    """A crown cork."""
    r, top = 1.08 * wall.mouth, wall.height + 0.0015
    angle = _angles(84)
    profile = np.array([(1.17 * r, top - 0.0062), (1.1 * r, top - 0.003), (1.0 * r, top - 0.0008), (0.88 * r, top)])
    wave = np.array([0.07, 0.04, 0.0, 0.0])[:, None] * (0.5 - 0.5 * np.cos(21 * angle))
    points = np.empty((4, 84, 3))
    points[..., 0] = profile[:, :1] * (1 - wave) * np.cos(angle)
    points[..., 1] = profile[:, :1] * (1 - wave) * np.sin(angle)
    points[..., 2] = profile[:, 1:]
    a.add(loft(points), CAP, finish)
    _mark_cap(a, 0.0, r, top - 0.0008, top)


def _swing_top(a: Assembly, rng: np.random.Generator, wall: _Wall) -> None:
    """A stopper held by a wire."""
    r, top = wall.mouth, wall.height
    china = materials.plain([0.92, 0.91, 0.88] if rng.random() < 0.7 else materials.any_color(rng), 0.5, 60)
    rubber = materials.plain((0.65, 0.15, 0.1), 0.05, 5)
    _turned(a, 0.0, [(0.9 * r, top - 0.002), (0.95 * r, top + 0.003)], rubber)
    dome = [(1.05 * r, top + 0.003), (1.1 * r, top + 0.008), (0.9 * r, top + 0.014), (0.4 * r, top + 0.017)]
    _turned(a, 0.0, curve(dome, 12), china)
    wire = materials.plain((0.6, 0.6, 0.62), 0.8, 60)
    low = top - rng.uniform(0.03, 0.04)
    joint = (0.9 * r, 1.25 * r, low - 0.012)
    path = fillet([(0, 0, top + 0.011), (0, 1.35 * r, top + 0.011), (0, 1.4 * r, low), joint], 0.004)
    a.add_both(tube(path, 0.0011, 6), CAP, wire)
    angle = np.linspace(0, 2 * np.pi, 33)
    ring = float(np.interp(low, wall.z, wall.y)) + 0.0008
    a.add(tube(np.stack([ring * np.cos(angle), ring * np.sin(angle), 0 * angle + low], -1), 0.0012, 6), CAP, wire)
    bail = [joint, (1.1 * r, 0.9 * r, low - 0.014), (1.35 * r, 0, low - 0.016)]
    a.add_both(tube(curve(bail, 9), 0.0011, 6), CAP, wire)
    _mark_cap(a, 0.0, 1.1 * r, top + 0.008, top + 0.017)


def _cork(a: Assembly, rng: np.random.Generator, wall: _Wall, knob: bool = False) -> None:
    """A cork, maybe under a round head."""
    r, top = wall.mouth, wall.height
    bark = Finish(replace(materials.wood(rng).material, color=np.array([0.75, 0.58, 0.4])), 0.03)
    out = 0.006 if knob else rng.uniform(0.006, 0.02)
    _turned(a, wall.middle(top), [(0.75 * r, top - 0.01), (0.85 * r, top + out)], bark)
    if not knob:
        _mark_cap(a, wall.middle(top), 0.85 * r, top + out, top + out)
        return
    head = materials.any_of(rng, (1, materials.wood), (1, materials.metal), (1, materials.plastic))
    tall, wide = rng.uniform(0.008, 0.02), rng.uniform(1.05, 1.35) * r
    base = top + out - 0.001
    _screw(a, wall.middle(top), (base, base + tall), (wide, wide), head)


def _capsule(a: Assembly, rng: np.random.Generator, wall: _Wall, long: Scalar) -> float:
    """Foil over the mouth; returns the height it begins at."""
    foil = materials.plain(materials.any_color(rng), rng.uniform(0.3, 0.8), 40)
    low, top = wall.height - long, wall.height + 0.001
    z = np.linspace(low, top - 0.001, 9)
    r = np.interp(z, wall.z, wall.y) + 0.0007
    profile = [(r[0] - 0.001, low), *np.stack([r, z], -1)[0:], (r[-1] - 0.0008, top)]
    _turned(a, 0.0, profile, foil, 40)
    if rng.random() < 0.4:
        band = materials.plain(materials.any_color(rng), 0.5, 40)
        at = low + 0.1 * long
        _turned(a, 0.0, [(r[0] - 0.001, at), (r[0] + 0.0005, at), (r[0] + 0.0005, at + 0.08 * long),
                         (r[0] - 0.001, at + 0.08 * long)], band, 40)  # fmt: skip
    _mark_cap(a, 0.0, float(r[-1]), top - 0.0006, top)
    return low


# ------------------------------------------------------------------------------------------------------- families


def _wine(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["bordeaux", "burgundy", "hock", "champagne"], p=[0.4, 0.25, 0.17, 0.18]))
    h = rng.uniform(0.285, 0.325) + 0.03 * (kind == "hock")
    r = {"bordeaux": rng.uniform(0.035, 0.04), "burgundy": rng.uniform(0.039, 0.045),
         "hock": rng.uniform(0.032, 0.037), "champagne": rng.uniform(0.041, 0.047)}[kind]  # fmt: skip
    n = rng.uniform(0.013, 0.0155)
    shoulder, neck, soft = {
        "bordeaux": (rng.uniform(0.6, 0.66), rng.uniform(0.69, 0.74), (0.03, 0.02)),
        "burgundy": (rng.uniform(0.44, 0.5), rng.uniform(0.68, 0.76), (0.09, 0.06)),
        "hock": (rng.uniform(0.36, 0.44), rng.uniform(0.72, 0.8), (0.12, 0.1)),
        "champagne": (rng.uniform(0.46, 0.52), rng.uniform(0.74, 0.8), (0.1, 0.08)),
    }[kind]
    lip = [(n, h - 0.016, 0.001), (n + 0.0018, h - 0.014, 0.001), (n + 0.0018, h - 0.007, 0.001), (n, h - 0.005, 0.001)]
    body = [(0.88 * r, 0, 0), (r, 0, 0.006), (r, shoulder * h, soft[0]), (1.12 * n, neck * h, soft[1])]
    profile = _rounded([*body, *lip, (n, h, 0)])
    wall = _wall(profile)
    empty, full = _clear(rng, "wine") if rng.random() < 0.3 else _dark_glass(rng, 0.15)
    how = str(rng.choice(["foil", "screw", "cork", "open"], p=[0.5, 0.2, 0.18, 0.12]))
    covered: float | None = h
    if kind == "champagne" and how != "open":
        covered = _capsule(a, rng, wall, rng.uniform(0.08, 0.12))
        foil = materials.plain((0.72, 0.6, 0.3), 0.6, 40) if rng.random() < 0.5 else materials.metal(rng)
        bulb = [(1.05 * n, h), (1.3 * n, h + 0.008), (1.25 * n, h + 0.016), (0.7 * n, h + 0.021)]
        _turned(a, 0.0, curve(bulb, 12), foil)
        _mark_cap(a, 0.0, 1.28 * n, h + 0.014, h + 0.021)
    elif how == "foil":
        covered = _capsule(a, rng, wall, rng.uniform(0.045, 0.075))
    elif how == "screw":
        covered = h - rng.uniform(0.03, 0.06)
        color = materials.plain(materials.any_color(rng), 0.5, 40)
        _screw(a, 0.0, (covered, h + 0.001), (n + 0.0025, n + 0.0025), color)
    elif how == "cork":
        _cork(a, rng, wall)
    else:
        covered = None
    _blow(a, wall, empty, full, min(neck + 0.02, 0.85), covered)
    top = min(shoulder - 0.04, rng.uniform(0.4, 0.5))
    low = rng.uniform(0.08, 0.16)
    if rng.random() < 0.92:
        _label(a, rng, wall, low * h, top * h, rng.uniform(45, 85) if rng.random() < 0.8 else None)


def _beer(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["long", "stubby", "stein"], p=[0.5, 0.25, 0.25]))
    h = {"long": rng.uniform(0.21, 0.26), "stubby": rng.uniform(0.15, 0.18), "stein": rng.uniform(0.17, 0.21)}[kind]
    r, n = rng.uniform(0.028, 0.034), rng.uniform(0.0115, 0.0135)
    shoulder, neck, soft = {
        "long": (rng.uniform(0.5, 0.58), rng.uniform(0.68, 0.74), 0.035),
        "stubby": (rng.uniform(0.58, 0.66), rng.uniform(0.78, 0.85), 0.025),
        "stein": (rng.uniform(0.52, 0.6), rng.uniform(0.72, 0.82), 0.05),
    }[kind]
    lip = [(n, h - 0.014, 0.001), (n + 0.0016, h - 0.012, 0.001), (n + 0.0016, h - 0.003, 0.001)]
    profile = _rounded([(0.86 * r, 0, 0), (r, 0, 0.006), (r, shoulder * h, soft), (1.2 * n, neck * h, soft), *lip,
                        (n, h, 0)])  # fmt: skip
    wall = _wall(profile)
    empty, full = _clear(rng, "spirits") if rng.random() < 0.15 else _dark_glass(rng, 0.5)
    covered: float | None = h - 0.006
    how = rng.random()
    if how < 0.65:
        _crown(a, wall, materials.plain(materials.any_color(rng), 0.5, 40))
    elif how < 0.9:
        _swing_top(a, rng, wall)
    else:
        covered = None
    _blow(a, wall, empty, full, neck + 0.05, covered)
    if rng.random() < 0.92:
        wide = None if rng.random() < 0.5 else rng.uniform(50, 80)
        _label(a, rng, wall, rng.uniform(0.08, 0.14) * h, (shoulder - rng.uniform(0.05, 0.1)) * h, wide)


def _soda(a: Assembly, rng: np.random.Generator) -> None:
    h = rng.uniform(0.2, 0.34)
    r = h * rng.uniform(0.135, 0.18)
    n = rng.uniform(0.0125, 0.0145)
    contour = rng.random() < 0.35
    waist = rng.uniform(0.8, 0.9) if contour else rng.uniform(0.92, 1.0)
    shoulder, neck = rng.uniform(0.6, 0.72), rng.uniform(0.9, 0.93)
    cap = rng.uniform(0.013, 0.018)
    knots: list[_Corner] = [(0.7 * r, 0, 0), (r, 0.04 * h, 0.03 * h), (r, 0.22 * h, 0.08 * h),
             (waist * r, 0.36 * h, 0.08 * h), (waist * r, 0.46 * h, 0.06 * h), (r, 0.56 * h, 0.06 * h),
             (r, shoulder * h, 0.1 * h), (1.15 * n, neck * h, 0.08 * h)]  # fmt: skip
    ring = h - cap - rng.uniform(0.004, 0.008)
    flange = [(n, ring - 0.001, 0.0005), (n + 0.0035, ring, 0.0004), (n + 0.0035, ring + 0.0018, 0.0004),
              (n, ring + 0.0025, 0.0005)]  # fmt: skip
    reliefs = [_feet(0.1 * h, 5, rng.uniform(0.1, 0.25))]
    if contour:
        reliefs.append(_flutes(0.12 * h, 0.42 * h, 10, rng.uniform(0.02, 0.06)))
        reliefs.append(_flutes(0.6 * h, 0.85 * h, 10, rng.uniform(0.02, 0.06)))
    elif rng.random() < 0.6:
        reliefs.append(_ribs(0.34 * h, 0.48 * h, int(rng.integers(2, 5)), rng.uniform(0.02, 0.05)))
    wall = _wall(_rounded([*knots, *flange, (n, h, 0)], 5), relief=_sum(*reliefs), fine=1 / 40)
    empty, full = _clear(rng, "soda") if rng.random() < 0.85 else _opaque(rng)
    _blow(a, wall, empty, full, rng.uniform(0.8, 0.88), h - cap)
    lid = materials.plain(materials.any_color(rng), 0.25, 25)
    _screw(a, 0.0, (h - cap, h + 0.001), (n + 0.002, n + 0.0018), lid, 24)
    low = 0.47 if contour or rng.random() < 0.5 else 0.2
    high = low + rng.uniform(0.1, 0.15) if low > 0.4 else rng.uniform(0.45, 0.6)
    _label(a, rng, replace(wall, relief=None), low * h, high * h)


def _water(a: Assembly, rng: np.random.Generator) -> None:
    large = rng.random() < 0.2
    h = rng.uniform(0.38, 0.5) if large else rng.uniform(0.19, 0.31)
    r = h * (rng.uniform(0.24, 0.29) if large else rng.uniform(0.13, 0.17))
    n = 0.026 if large else rng.uniform(0.0125, 0.018)
    shoulder, neck = rng.uniform(0.66, 0.76), rng.uniform(0.87, 0.9)
    cap = 0.035 if large else rng.uniform(0.01, 0.022)
    square = rng.random() < 0.25 and not large
    profile = _rounded([(0.85 * r, 0, 0), (r, 0.01 * h, 0.03 * h), (r, shoulder * h, rng.uniform(0.05, 0.14) * h),
                        (1.15 * n, neck * h, 0.06 * h), (n, h - cap - 0.004, 0.003), (n, h, 0)], 6)  # fmt: skip
    count = int(rng.integers(5, 11))
    low = rng.uniform(0.04, 0.08)
    reliefs = [_ribs(low * h, (shoulder - 0.03) * h, count, rng.uniform(0.02, 0.06))]
    if rng.random() < 0.25:
        turns = int(rng.choice([8, 12, 16]))
        reliefs = [_flutes(low * h, 0.9 * shoulder * h, turns, rng.uniform(0.03, 0.07))]
    wall = _wall(profile, power=rng.uniform(3, 4.5) if square else 2.0, relief=_sum(*reliefs), fine=1 / 60)
    empty, full = _clear(rng, "water")
    _blow(a, wall, empty, full, rng.uniform(0.78, 0.86), h - cap)
    lid = materials.plain(materials.any_color(rng) if rng.random() < 0.6 else (0.15, 0.35, 0.75), 0.25, 25)
    sports = rng.random() < 0.3 and not large
    wide = n + (0.004 if sports else 0.002)
    _screw(a, 0.0, (h - cap, h + 0.002), (wide, 0.97 * wide), lid, 0 if large else 20)
    if sports:
        tip = [(0.8 * wide, h), (0.75 * wide, h + 0.005), (0.42 * wide, h + 0.009), (0.36 * wide, h + 0.017),
               (0.5 * wide, h + 0.019), (0.48 * wide, h + 0.025)]  # fmt: skip
        _turned(a, 0.0, tip, materials.plain((0.92, 0.92, 0.92), 0.3, 30) if rng.random() < 0.5 else lid, 24)
        a.keypoint(0, (0, 0, h + 0.03), CAP, seen_from=(0, 0, 1))
    if rng.random() < 0.9:
        middle = rng.uniform(0.4, 0.5)
        half = rng.uniform(0.07, 0.14)
        smooth = replace(wall, relief=None)
        _label(a, rng, smooth, (middle - half) * h, (middle + half) * h, None if not large else 60)


def _household(rng: np.random.Generator, h: Scalar, neck: Scalar) -> tuple[_Wall, bool]:
    """A wall for soap or cleaner, h high to the mouth; also whether it is as deep as wide."""
    kind = str(rng.choice(["cylinder", "oval", "box", "cone", "waist", "globe"], p=[0.2, 0.2, 0.2, 0.15, 0.15, 0.1]))
    r = h * rng.uniform(0.22, 0.3)
    depth, power = r, 2.0
    shoulder = rng.uniform(0.7, 0.84)
    soft = rng.uniform(0.03, 0.16) * h
    if kind in ("oval", "waist"):
        depth = r * rng.uniform(0.55, 0.8)
        r *= 1.12
    elif kind == "box":
        depth, power = r * rng.uniform(0.6, 1.0), rng.uniform(3.5, 6.5)
    end = [(1.05 * neck, 0.93 * h, 0.02 * h), (neck, h, 0)]
    if kind == "cone":
        body = [(0.9 * r, 0, 0), (r, 0.01 * h, 0.03 * h), (rng.uniform(0.5, 0.75) * r, 0.74 * h, 0.1 * h)]
    elif kind == "waist":
        body = [(0.85 * r, 0, 0), (0.97 * r, 0.02 * h, 0.03 * h), (r, 0.2 * h, 0.1 * h),
                (rng.uniform(0.62, 0.8) * r, 0.5 * h, 0.15 * h), (0.85 * r, 0.75 * h, 0.1 * h)]  # fmt: skip
    elif kind == "globe":
        t = np.linspace(-0.58, 0.9, 12) * np.pi / 2
        body = [(1.15 * r * float(np.cos(k)), 0.4 * h + 0.42 * h * float(np.sin(k)), 0.0) for k in t]
        body = [(s, z - body[0][1], 0.005) for s, z, _ in body]
    else:
        body = [(0.92 * r, 0, 0), (r, 0.0, 0.02 * h), (r * rng.uniform(0.9, 1.0), shoulder * h, soft)]
    return _wall(_rounded([*body, *end]), depth, power, fine=1 / 24), kind != "globe"


def _spray(a: Assembly, rng: np.random.Generator) -> None:
    h, n = rng.uniform(0.165, 0.21), rng.uniform(0.0125, 0.0145)
    wall, labelled = _household(rng, h, n)
    empty, full = _clear(rng, "cleaner") if rng.random() < 0.4 else _opaque(rng)
    base = h - 0.016
    _blow(a, wall, empty, full, rng.uniform(0.6, 0.8), base)
    head = materials.plain(materials.any_color(rng) if rng.random() < 0.6 else [0.93] * 3, 0.25, 25)
    accent = materials.plain(materials.any_color(rng), 0.25, 25)
    collar = h + rng.uniform(0.004, 0.01)
    _screw(a, 0.0, (base, collar), (n + 0.0035, n + 0.0025), head if rng.random() < 0.5 else accent, 20)
    s = rng.uniform(0.9, 1.2)
    z = collar + 0.03 * s
    a.add(sweep([(0, 0, collar - 0.002), (0.001, 0, z)], rounded_rectangle(1, 1, 0.35, 2),
                np.array([[0.017, 0.019], [0.02, 0.024]]) * s, up=(1, 0, 0)), CAP, head)  # fmt: skip
    back, front = rng.uniform(0.024, 0.034) * s, rng.uniform(0.042, 0.055) * s
    hump = rng.uniform(0.0, 0.008) * s
    path = np.array([(-back, 0, z - 0.004 * s), (-0.75 * back, 0, z), (-0.2 * back, 0, z + hump),
                     (0.4 * front, 0, z + hump), (0.8 * front, 0, z), (front, 0, z)])  # fmt: skip
    size = np.array([(0.012, 0.012), (0.02, 0.022), (0.025, 0.032), (0.024, 0.03), (0.019, 0.022), (0.014, 0.017)]) * s
    a.add(sweep(curve(path, 16), rounded_rectangle(1, 1, 0.35, 3), curve(size, 16)), CAP, head)
    nozzle = revolve([(0.007, 0.0), (0.0085, 0.002), (0.0085, 0.009), (0.006, 0.011), (0.002, 0.0112)], 6)
    a.add(nozzle.turn(rotation("y", 90)).move([front - 0.002, 0, z]), CAP, accent)
    a.keypoint(18, (front + 0.02, 0, z), CAP, seen_from=(1, 0, 0))
    bow = rng.uniform(0.0, 0.012)
    trigger = curve(
        [
            (0.55 * front, 0, z - 0.008 * s),
            (0.8 * front - bow, 0, z - 0.022 * s),
            (0.72 * front - bow, 0, z - 0.04 * s),
            (0.95 * front, 0, z - rng.uniform(0.05, 0.06) * s),
        ],
        13,
    )
    wide = np.stack([np.linspace(0.013, 0.01, 13), np.linspace(0.009, 0.0045, 13)], -1) * s
    a.add(sweep(trigger, rounded_rectangle(1, 1, 0.35, 2), wide, up=(1, 0, 0)), HANDLE, accent)
    a.keypoint(16, (0.62 * front + 0.02, 0, z - 0.018 * s), HANDLE, seen_from=(1, 0, 0))
    a.keypoint(17, (front, 0, z - 0.07 * s), HANDLE)
    a.keypoint(0, (0, 0, z), CAP, seen_from=(0, 0, 1))
    if labelled and rng.random() < 0.9:
        wide_label = None if rng.random() < 0.3 else rng.uniform(45, 70)
        _label(a, rng, wall, rng.uniform(0.1, 0.18) * h, rng.uniform(0.5, 0.64) * h, wide_label)


def _pump(a: Assembly, rng: np.random.Generator) -> None:
    h, n = rng.uniform(0.11, 0.19), rng.uniform(0.011, 0.0145)
    wall, labelled = _household(rng, h, n)
    empty, full = _clear(rng, "cleaner") if rng.random() < 0.35 else _opaque(rng)
    if rng.random() < 0.2:
        full = empty = materials.any_of(rng, (1, materials.marble), (1, materials.metal), (1, materials.wood))
    base = h - 0.012
    _blow(a, wall, empty, full, rng.uniform(0.55, 0.8), base)
    head = materials.any_of(rng, (0.5, materials.metal), (0.5, materials.plastic))
    collar = h + 0.006
    _screw(a, 0.0, (base, collar), (n + 0.0035, n + 0.003), head, int(rng.choice([0, 20])))
    up = rng.uniform(0.014, 0.03)
    top = collar + up
    _turned(
        a, 0.0, [(0.008, collar - 0.001), (0.0075, collar + 0.006), (0.0045, collar + 0.007), (0.004, top)], head, 20
    )
    reach = rng.uniform(0.026, 0.05)
    kind = rng.choice(["disc", "duck", "swan"])
    if kind == "disc":
        _turned(a, 0.0, [(0.006, top - 0.006), (0.012, top - 0.004), (0.0125, top + 0.002), (0.009, top + 0.005)], head)
        spout = fillet([(0, 0, top), (0.8 * reach, 0, top), (reach, 0, top - 0.004)], 0.006)
        a.add(sweep(spout, rounded_rectangle(0.007, 0.007, 0.003)), CAP, head)
        crest = top + 0.005
    elif kind == "duck":
        path = np.array([(-0.013, 0, top), (0, 0, top + 0.002), (0.5 * reach, 0, top + 0.001), (reach, 0, top - 0.004)])
        size = np.array([(0.013, 0.006), (0.019, 0.01), (0.012, 0.008), (0.008, 0.005)])
        a.add(sweep(curve(path, 13), rounded_rectangle(1, 1, 0.4, 3), curve(size, 13)), CAP, head)
        crest = top + 0.007
    else:
        bend = fillet([(0, 0, collar), (0, 0, top + 0.01), (reach, 0, top + 0.01), (reach, 0, top - 0.004)], 0.012, 6)
        a.add(tube(bend, 0.0042, 12), CAP, head)
        crest = top + 0.014
    a.keypoint(18, (reach + 0.01, 0, top - 0.004), CAP)
    a.keypoint(0, (0, 0, crest), CAP, seen_from=(0, 0, 1))
    if labelled and rng.random() < 0.85:
        wide_label = None if rng.random() < 0.25 else rng.uniform(35, 60)
        _label(a, rng, wall, rng.uniform(0.14, 0.25) * h, rng.uniform(0.5, 0.64) * h, wide_label)


def _jug(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["milk", "detergent", "growler", "canister"], p=[0.3, 0.3, 0.2, 0.2]))
    if kind == "growler":
        _growler(a, rng)
        return
    h = rng.uniform(0.22, 0.32)
    n = rng.uniform(0.016, 0.024)
    finish = materials.plain((0.9, 0.9, 0.87), 0.2, 15) if kind == "milk" and rng.random() < 0.6 else _opaque(rng)[0]
    cap = rng.uniform(0.016, 0.03)
    if kind == "milk":
        r, depth, power, shift = h * rng.uniform(0.26, 0.31), h * rng.uniform(0.26, 0.31), rng.uniform(3.5, 6), 0.0
        shoulder = rng.uniform(0.5, 0.6)
    elif kind == "detergent":
        r, depth, power = h * rng.uniform(0.16, 0.22), h * rng.uniform(0.32, 0.4), rng.uniform(2.4, 4)
        shift, shoulder = rng.uniform(0.2, 0.4) * depth, rng.uniform(0.7, 0.8)
    else:
        r, depth, power = h * rng.uniform(0.22, 0.28), h * rng.uniform(0.36, 0.44), rng.uniform(4.5, 7)
        shift, shoulder = rng.uniform(0.45, 0.6) * depth, rng.uniform(0.78, 0.82)
    neck = min(0.9 * h, h - cap - 0.006)
    soft = (0.03 if kind == "canister" else 0.1) * h
    knots: list[_Corner] = [(0.9 * r, 0, 0), (r, 0, 0.03 * h), (r, shoulder * h, soft), (1.1 * n, neck, 0.04 * h),
                            (n, neck + 0.004, 0.002), (n, h, 0)]  # fmt: skip
    wall = _wall(_rounded(knots), depth, power, fine=1 / 30, shift=shift)
    thick = rng.uniform(0.009, 0.013)
    if kind == "canister":  # a bar along the top
        top = (shoulder + 0.015) * h
        ends = (-0.8 * depth, shift - n - 0.035)
        z = top + rng.uniform(0.05, 0.075)
        path = fillet(
            [(ends[0], 0, top - 0.02), (ends[0] + 0.005, 0, z), (ends[1] - 0.01, 0, z), (ends[1], 0, top)], 0.02, 5
        )
        a.keypoint(16, (sum(ends) / 2, 0, z + 0.02), HANDLE, seen_from=(0, 0, 1))
        a.keypoint(17, (ends[0] - 0.02, 0, top + 0.012), HANDLE)
    else:  # a bar across a bay in the upper back
        low = rng.uniform(0.38, 0.5) * h if kind == "detergent" else (shoulder - rng.uniform(0.08, 0.16)) * h
        t = np.clip((wall.z - low) / (0.1 * h), 0, 1)
        back = wall.x - wall.shift
        bay = np.minimum(rng.uniform(0.045, 0.06) + thick, 0.55 * (back + wall.x)) * t * t * (3 - 2 * t)
        fade = np.clip((wall.y - n) / (0.4 * (r - n)), 0, 1)
        wall = replace(wall, x=wall.x - bay * fade / 2, shift=wall.shift + bay * fade / 2)
        outer = -depth + 1.2 * thick
        high = 0.84 * h
        joint = wall.middle(high) - float(np.interp(high, wall.z, wall.x)) + 0.006
        corner = 0.75 * h if kind == "milk" else 0.82 * h
        bar = [(joint, 0, high), (outer + 0.015, 0, corner), (outer, 0, corner - 0.05), (outer, 0, low - 0.015)]
        path = fillet(bar, 0.03, 6)
        a.keypoint(16, (outer, 0, high), HANDLE)
        a.keypoint(17, (outer - 0.03, 0, low + 0.012), HANDLE)
    a.add(sweep(path, rounded_rectangle(2.2, 1.8, 0.9, 3), thick, up=(0, 1, 0)), HANDLE, finish)
    covered = h - cap
    _blow(a, wall, finish, finish, 0.5, covered)
    lid = materials.plain(materials.any_color(rng), 0.25, 25)
    tall = cap + (rng.uniform(0.01, 0.04) if kind == "detergent" else 0.002)
    _screw(a, shift, (covered, covered + tall), (n + 0.004, (n + 0.003) * rng.uniform(0.85, 1.0)), lid, 26)
    if rng.random() < 0.9:
        top = (low / h - 0.02) if kind != "canister" else 0.62
        bottom = rng.uniform(0.08, 0.16)
        wrapped = kind != "milk" or rng.random() < 0.3
        _label(a, rng, wall, bottom * h, top * h, None if wrapped else rng.uniform(38, 50))


def _growler(a: Assembly, rng: np.random.Generator) -> None:
    """A round jug of glass or stoneware with a ring by its neck."""
    h, r, n = rng.uniform(0.24, 0.3), rng.uniform(0.06, 0.08), rng.uniform(0.015, 0.02)
    shoulder = rng.uniform(0.52, 0.62)
    knots: list[_Corner] = [(0.9 * r, 0, 0), (r, 0, 0.01), (r, shoulder * h, 0.06), (1.15 * n, 0.82 * h, 0.035),
                            (n, 0.9 * h, 0.01), (n + 0.003, 0.92 * h, 0.003), (n + 0.003, h, 0)]  # fmt: skip
    wall = _wall(_rounded(knots))
    stone = rng.random() < 0.35
    empty, full = _dark_glass(rng, 0.6) if not stone else _opaque(rng)
    if stone:
        color = np.array([0.85, 0.78, 0.65]) * rng.uniform(0.85, 1.1)
        full, empty = materials.plain(np.clip(color, 0, 1), 0.4, 40), materials.plain((0.35, 0.2, 0.1), 0.4, 40)
    top, low = 0.88 * h, rng.uniform(0.62, 0.72) * h
    inner = float(np.interp(top, wall.z, wall.x)), float(np.interp(low, wall.z, wall.x))
    out = inner[1] + rng.uniform(0.012, 0.03)
    path = curve([(-inner[0] + 0.004, 0, top), (-0.6 * out, 0, top + 0.012), (-out, 0, 0.4 * top + 0.6 * low),
                  (-inner[1] + 0.006, 0, low)], 19)  # fmt: skip
    a.add(sweep(path, rounded_rectangle(2.4, 1.6, 0.7, 3), rng.uniform(0.005, 0.008), up=(0, 1, 0)), HANDLE,
          empty)  # fmt: skip
    a.keypoint(16, (-0.55 * out, 0, top + 0.03), HANDLE)
    a.keypoint(17, (-inner[1] - 0.02, 0, low + 0.005), HANDLE)
    if stone or rng.random() < 0.4:
        _cork(a, rng, wall)
        covered: float = h
    else:
        covered = h - 0.018
        _screw(a, 0.0, (covered, h + 0.001), (n + 0.005, n + 0.005), materials.plain(materials.any_color(rng)), 26)
    _blow(a, wall, empty, full, shoulder if stone else 0.7, covered)
    if rng.random() < 0.8:
        _label(a, rng, wall, rng.uniform(0.1, 0.16) * h, (shoulder - 0.08) * h, rng.uniform(35, 65))


def _spirits(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["square", "flat", "round", "decanter", "bell"], p=[0.28, 0.26, 0.2, 0.14, 0.12]))
    h, n = rng.uniform(0.2, 0.29), rng.uniform(0.0125, 0.0155)
    r = h * rng.uniform(0.15, 0.18)
    depth, power = r, 2.0
    shoulder, neck, soft = rng.uniform(0.58, 0.68), rng.uniform(0.74, 0.8), rng.uniform(0.02, 0.06)
    relief: _Relief | None = None
    if kind == "square":
        depth, power = r * rng.uniform(0.85, 1.0), rng.uniform(5, 9)
    elif kind == "flat":
        h *= rng.uniform(0.65, 0.85)
        depth, power = r * rng.uniform(0.42, 0.6), rng.uniform(2.5, 5)
        shoulder, neck = rng.uniform(0.66, 0.74), rng.uniform(0.8, 0.85)
    body: list[_Corner] = [(0.9 * r, 0, 0), (r, 0, 0.007), (r, shoulder * h, soft)]
    if kind == "decanter":
        r = depth = 0.27 * h * rng.uniform(0.85, 1.1)
        shoulder, neck = 0.3, 0.62
        body = [(0.85 * r, 0, 0), (r, 0.02 * h, 0.03 * h), (r, rng.uniform(0.24, 0.36) * h, 0.12 * h)]
        power = float(rng.choice([2.0, rng.uniform(3, 5)]))
        if rng.random() < 0.6:
            relief = _flutes(0.02 * h, 0.4 * h, int(rng.choice([12, 16])), rng.uniform(0.03, 0.07))
    elif kind == "bell":
        body = [(0.95 * r * 1.15, 0, 0), (1.15 * r, 0, 0.007), (rng.uniform(0.8, 0.95) * r, shoulder * h, soft)]
        depth = 1.15 * r
    lip = [(n, h - 0.014, 0.001), (n + 0.0015, h - 0.012, 0.001), (n + 0.0015, h - 0.003, 0.001)]
    wall = _wall(_rounded([*body, (1.15 * n, neck * h, soft), *lip, (n, h, 0)]), depth, power, relief, 1 / 30)
    empty, full = _clear(rng, "spirits") if rng.random() < 0.8 else _dark_glass(rng, 0.3)
    covered: float | None = h - 0.002
    how = str(rng.choice(["screw", "cork", "ball"], p=[0.5, 0.38, 0.12]))
    if kind == "decanter" or how == "ball":
        size = n * rng.uniform(1.3, 1.9)
        t = np.linspace(-1.35, 1.45, 12)
        ball = np.stack([size * np.cos(t), h + 0.012 + size * (1 + np.sin(t)) * rng.uniform(0.9, 1.3)], -1)
        _turned(a, 0.0, [(0.8 * n, h - 0.004), (0.9 * n, h + 0.003), (0.4 * n, h + 0.006), (0.4 * n, h + 0.012)], empty)
        _turned(a, 0.0, ball, empty, int(rng.choice([8, 28])))
        _mark_cap(a, 0.0, size, float(ball[5, 1]), float(ball[-1, 1]))
    elif how == "screw":
        covered = h - rng.uniform(0.016, 0.032)
        _screw(a, 0.0, (covered, h + 0.001), (n + 0.003, n + 0.003), materials.plain(materials.any_color(rng), 0.4, 40),
               int(rng.choice([0, 26])))  # fmt: skip
    else:
        _cork(a, rng, wall, knob=True)
    _blow(a, wall, empty, full, rng.uniform(0.5, neck - 0.04), covered)
    if kind != "decanter" and rng.random() < 0.92:
        flat = kind in ("square", "flat")
        wide = rng.uniform(30, 45) if flat else rng.uniform(45, 80)
        _label(a, rng, wall, rng.uniform(0.07, 0.14) * h, (shoulder - rng.uniform(0.08, 0.16)) * h, wide)


def _squeeze(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["sauce", "shampoo", "dish"], p=[0.35, 0.35, 0.3]))
    h = rng.uniform(0.14, 0.21)
    lid = materials.plain(materials.any_color(rng), 0.25, 25)
    empty, full = _opaque(rng) if kind == "shampoo" or rng.random() < 0.5 else _clear(rng, "cleaner")
    level = rng.uniform(0.6, 0.85)
    if kind == "sauce":
        r, n = h * rng.uniform(0.16, 0.2), h * rng.uniform(0.1, 0.13)
        wall = _wall(_rounded([(0.9 * r, 0, 0), (r, 0, 0.008), (r, 0.74 * h, 0.03), (n, 0.93 * h, 0.012), (n, h, 0)]),
                     fine=1 / 20)  # fmt: skip
        _blow(a, wall, empty, empty, level, 0.93 * h)
        _screw(a, 0.0, (0.93 * h, h + 0.006), (n + 0.003, n + 0.002), lid, 26)
        cone = rng.uniform(0.035, 0.055)
        _turned(
            a, 0.0, [(0.8 * n, h + 0.005), (0.6 * n, h + 0.01), (0.004, h + cone), (0.0025, h + cone + 0.001)], lid, 24
        )
        if rng.random() < 0.5:
            tip = materials.plain(materials.any_color(rng), 0.2, 20)
            _turned(a, 0.0, [(0.005, h + cone - 0.006), (0.0055, h + cone + 0.002), (0.003, h + cone + 0.005)], tip, 16)
        a.keypoint(0, (0, 0, h + cone), CAP, seen_from=(0, 0, 1))
        a.keypoint(18, (0, 0, h + cone + 0.02), CAP)
        _label(a, rng, wall, 0.16 * h, rng.uniform(0.5, 0.66) * h, None if rng.random() < 0.5 else rng.uniform(50, 75))
        return
    r = h * rng.uniform(0.2, 0.26)
    depth = r * rng.uniform(0.5, 0.72)
    if kind == "shampoo":
        n = depth * rng.uniform(0.75, 0.95)
        power = rng.uniform(2.0, 3.6)
        wall = _wall(_rounded([(0.85 * r, 0, 0), (0.95 * r, 0.01 * h, 0.03 * h), (r, 0.4 * h, 0.2 * h),
                               (0.85 * r, 0.8 * h, 0.15 * h), (1.02 * n, 0.96 * h, 0.04 * h), (n, h, 0)]),
                     depth, power, fine=1 / 24)  # fmt: skip
        _blow(a, wall, empty, full, level, 0.97 * h)
        tall = rng.uniform(0.02, 0.036)
        _screw(a, 0.0, (0.97 * h, 0.97 * h + tall), (n + 0.001, n * rng.uniform(0.85, 1.0)), lid)
        seam = 0.97 * h + 0.6 * tall
        _turned(a, 0.0, [(0.9 * n, seam), (n + 0.0009, seam), (n + 0.0009, seam + 0.0012), (0.9 * n, seam + 0.0012)],
                materials.plain(0.4 * lid.material.color), 40)  # fmt: skip
    else:
        n = rng.uniform(0.011, 0.014)
        wall = _wall(_rounded([(0.85 * r, 0, 0), (0.97 * r, 0.01 * h, 0.03 * h), (r, 0.25 * h, 0.12 * h),
                               (rng.uniform(0.7, 0.85) * r, 0.52 * h, 0.12 * h), (0.82 * r, 0.72 * h, 0.1 * h),
                               (1.1 * n, 0.9 * h, 0.03 * h), (n, h, 0)]), depth, 2.3, fine=1 / 24)  # fmt: skip
        _blow(a, wall, empty, full, level, 0.95 * h)
        _screw(a, 0.0, (0.95 * h, h + 0.006), (n + 0.004, n + 0.002), lid, 20)
        valve = [
            (0.7 * n, 0.005),
            (0.5 * n, 0.01),
            (0.45 * n, 0.018),
            (0.6 * n, 0.02),
            (0.6 * n, 0.026),
            (0.3 * n, 0.028),
        ]
        _turned(a, 0.0, np.asarray(valve) + np.array([0, h]), materials.plain((0.93, 0.93, 0.93)), 20)
        a.keypoint(0, (0, 0, h + 0.03), CAP, seen_from=(0, 0, 1))
        a.keypoint(18, (0, 0, h + 0.04), CAP)
    _label(a, rng, wall, 0.14 * h, rng.uniform(0.5, 0.64) * h, rng.uniform(40, 62) if rng.random() < 0.75 else None)


def _medicine(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["pills", "dropper", "syrup"], p=[0.4, 0.3, 0.3]))
    if rng.random() < 0.6:
        amber = materials.plain(np.array([0.6, 0.26, 0.05]) * rng.uniform(0.6, 1.2), 0.8, 90)
        empty = full = amber if kind == "pills" else _dark_glass(rng, 0.8)[0]
    else:
        empty, full = _opaque(rng)
    white = rng.random() < 0.6
    lid = materials.plain([0.93] * 3 if white else materials.any_color(rng), 0.25, 25)
    h = rng.uniform(0.06, 0.11) if kind != "syrup" else rng.uniform(0.11, 0.16)
    if kind == "pills":
        r = h * rng.uniform(0.24, 0.36)
        n = r * rng.uniform(0.75, 0.92)
        square = rng.random() < 0.3
        wall = _wall(_rounded([(0.92 * r, 0, 0), (r, 0, 0.004), (r, 0.74 * h, 0.008), (n, 0.82 * h, 0.005), (n, h, 0)]),
                     r, rng.uniform(3, 5) if square else 2.0)  # fmt: skip
        base = rng.uniform(0.8, 0.84) * h
        _blow(a, wall, empty, full, 0.6, base)
        wide = max(n + 0.002, r * rng.uniform(0.85, 1.05))
        _screw(a, 0.0, (base, h + 0.004), (wide, wide), lid, int(rng.choice([0, 30])))
        low, high = rng.uniform(0.1, 0.18), rng.uniform(0.58, 0.68)
    else:
        r, n = h * rng.uniform(0.19, 0.24), h * rng.uniform(0.085, 0.11)
        shoulder = rng.uniform(0.62, 0.72)
        depth = r * (rng.uniform(0.6, 0.8) if kind == "syrup" and rng.random() < 0.4 else 1.0)
        wall = _wall(_rounded([(0.92 * r, 0, 0), (r, 0, 0.005), (r, shoulder * h, 0.014), (1.1 * n, 0.8 * h, 0.01),
                               (n, h, 0)]), depth)  # fmt: skip
        base = rng.uniform(0.83, 0.9) * h
        _blow(a, wall, empty, full, 0.7, base)
        top = h + 0.004
        _screw(a, 0.0, (base, top), (n + 0.003, n + 0.003), lid, 26)
        if kind == "dropper":
            bulb = rng.uniform(0.022, 0.034)
            rubber = materials.plain((0.07, 0.07, 0.07) if rng.random() < 0.6 else (0.8, 0.8, 0.78), 0.15, 10)
            s = 0.62 * n
            _turned(a, 0.0, curve([(1.1 * s, top - 0.001), (s, top + 0.15 * bulb), (1.05 * s, top + 0.6 * bulb),
                                   (0.8 * s, top + 0.92 * bulb), (0.2 * s, top + bulb)], 16), rubber, 24)  # fmt: skip
            a.keypoint(0, (0, 0, top + bulb), CAP, seen_from=(0, 0, 1))
        low, high = rng.uniform(0.08, 0.14), shoulder - rng.uniform(0.06, 0.14)
    if rng.random() < 0.92:
        _label(a, rng, wall, low * h, high * h, None if rng.random() < 0.6 else rng.uniform(60, 100))


def _sport(a: Assembly, rng: np.random.Generator) -> None:
    """For the gym or the walk: metal or plastic, its lid with a loop, or a cup for a lid."""
    h, r = rng.uniform(0.2, 0.28), rng.uniform(0.033, 0.042)
    n = r * rng.uniform(0.45, 0.85)
    shoulder = rng.uniform(0.68, 0.82)
    finish = materials.any_of(rng, (0.45, materials.metal), (0.35, materials.plastic), (0.2, materials.car_paint))
    reliefs = []
    if rng.random() < 0.35:
        low = rng.uniform(0.4, 0.55)
        reliefs.append(_ribs(low * h, (low + 0.16) * h, int(rng.integers(3, 6)), 0.04))
    soft = rng.uniform(0.02, 0.06)
    profile = _rounded([(0.9 * r, 0, 0), (r, 0, 0.008), (r, shoulder * h, soft), (1.04 * n, 0.9 * h, 0.02), (n, h, 0)])
    wall = _wall(profile, relief=_sum(*reliefs) if reliefs else None, fine=1 / 50 if reliefs else 1 / 12)
    base = rng.uniform(0.93, 0.96) * h
    steel = materials.plain((0.68, 0.68, 0.7), 0.8, 70)
    band = finish if rng.random() < 0.5 else steel
    _blow(a, wall, finish, finish if rng.random() < 0.6 else band, 0.12, base)
    lid = materials.any_of(rng, (0.6, materials.plastic), (0.4, materials.metal))
    top = h + rng.uniform(0.012, 0.035)
    _screw(a, 0.0, (base, top), (n + 0.003, n + 0.002), lid, int(rng.choice([0, 26])))
    if rng.random() < 0.75:
        rise, half = rng.uniform(0.018, 0.03), 0.85 * n
        path = fillet([(0, half, top - 0.004), (0, half, top + rise), (0, -half, top + rise), (0, -half, top - 0.004)],
                      0.8 * min(half, rise), 7)  # fmt: skip
        a.add(sweep(path, rounded_rectangle(2.4, 1, 0.4, 2), 0.0038, up=(1, 0, 0)), HANDLE, lid)
        a.keypoint(16, (0, 0, top + rise + 0.02), HANDLE)
    if rng.random() < 0.7:
        middle = rng.uniform(0.28, 0.4)
        _label(a, rng, replace(wall, relief=None), (middle - 0.1) * h, (middle + 0.1) * h,
               rng.uniform(30, 60) if rng.random() < 0.7 else None)  # fmt: skip


_MAKERS: dict[str, Callable[[Assembly, np.random.Generator], None]] = {
    "wine": _wine, "beer": _beer, "soda": _soda, "water": _water, "spray": _spray, "pump": _pump, "jug": _jug,
    "spirits": _spirits, "squeeze": _squeeze, "medicine": _medicine, "sport": _sport,
}  # fmt: skip


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A bottle of a family."""
    assembly = Assembly()
    _MAKERS[family](assembly, rng)
    return assembly.build(family)
