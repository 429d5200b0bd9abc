"""Walls: profiles turned or drawn out, and what stands out of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.bottle.plans import BODY, NECK
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, loft

COLUMNS = 48
"""Points round a wall."""


Corner = tuple[Scalar, Scalar, Scalar]
"""Of a profile: radius, height, and how far its rounding reaches."""


Relief = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""How much further out the wall is, as a share, at angles (m,) and heights (n, 1)."""


@dataclass(frozen=True, eq=False)
class Wall:
    """The outside of a bottle from the floor to the mouth: at each height a superellipse."""

    z: Float[np.ndarray, " n"]
    x: Float[np.ndarray, " n"]
    """Half the depth."""
    y: Float[np.ndarray, " n"]
    """Half the width."""
    power: Float[np.ndarray, " n"]
    shift: Float[np.ndarray, " n"]
    """How far before the origin the middle lies."""
    relief: Relief | None = None

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


def wall_angles(count: int = COLUMNS) -> Float[np.ndarray, " m"]:
    """All round, from the back by the right, the front and the left."""
    return np.arange(count) * (2 * np.pi / count) - np.pi


def rounded(points: list[Corner], steps: int = 7) -> Float[np.ndarray, "n 2"]:
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


def wall_of(
    profile: Float[np.ndarray, "n 2"],
    depth: Scalar | None = None,
    power: Scalar = 2.0,
    relief: Relief | None = None,
    fine: Scalar = 1.0,
    shift: Scalar = 0.0,
) -> Wall:
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
    return Wall(rows, x, r, 2 + (power - 2) * soft, shift * (1 - share), relief)


def add_wall(
    a: Assembly, wall: Wall, empty: Finish, full: Finish, level: Scalar = 0.9, covered: Scalar | None = None
) -> None:
    """Add the wall, ``full`` up to a share of the height, and name its points.

    Args:
        covered: height from which a cap hides it; None: the bottle is open.
    """
    top = wall.height
    hidden = top if covered is None else covered
    rows = np.unique(np.concatenate([wall.z, [level * top, wall.foot]]))
    points = wall.ring(wall_angles(), rows)
    if covered is None:  # a lip, and a way in
        r = wall.mouth
        middle = np.array([wall.middle(top), 0.0, 0.0])
        inside = [
            (r - 0.0006, top + 0.0008),
            (r - 0.002, top + 0.0006),
            (r - 0.0028, top - 0.001),
            (r - 0.003, top - 0.03),
        ]
        unit = np.stack([np.cos(wall_angles()), np.sin(wall_angles()), 0 * wall_angles()], -1)
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


def ribs(low: Scalar, high: Scalar, count: int, deep: Scalar) -> Relief:
    """Grooves round the wall between two heights."""

    def relief(angle: np.ndarray, z: np.ndarray) -> np.ndarray:
        t = (z - low) / (high - low)
        inside = (t > 0) & (t < 1)
        return np.where(inside, -deep * np.sin(np.pi * count * np.clip(t, 0, 1)) ** 2, 0.0) + 0 * angle

    return relief


def feet(height: Scalar, count: int = 5, deep: Scalar = 0.2) -> Relief:
    """The lobed bottom of a fizzy drink's bottle."""

    def relief(angle: np.ndarray, z: np.ndarray) -> np.ndarray:
        low = np.clip(1 - z / height, 0, 1) ** 1.3
        return -deep * low * (0.5 - 0.5 * np.cos(count * angle)) ** 0.7

    return relief


def flutes(low: Scalar, high: Scalar, count: int, deep: Scalar) -> Relief:
    """Upright grooves between two heights."""

    def relief(angle: np.ndarray, z: np.ndarray) -> np.ndarray:
        t = np.clip((z - low) / (high - low), 0, 1)
        return -deep * np.minimum(1, 6 * t * (1 - t)) * (0.5 - 0.5 * np.cos(count * angle))

    return relief


def sum_of_reliefs(*reliefs: Relief) -> Relief:
    """Several reliefs at once."""
    return lambda angle, z: np.add.reduce([r(angle, z) for r in reliefs])
