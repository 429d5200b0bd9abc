"""Families of motorcycles, and what an individual one measures and wears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Finish
from featurenerf.synthesis.objects.labelled import Category, Material
from featurenerf.synthesis.objects.shapes import Scalar

TANK, SEAT, WHEEL, HANDLE, LIGHT, BODY = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class _Family:
    """Ranges of a family's measures (metres, degrees), and the kinds of its components (repeated: more often)."""

    share: float
    wheelbase: tuple[float, float]
    radii: tuple[float, float, float, float]
    """Of the front wheel, from and to, and of the back wheel."""
    tyres: tuple[float, float]
    """Widths."""
    rake: tuple[Scalar, Scalar]
    fork: tuple[float, float]
    """From the axle to the upper clamp."""
    seat: tuple[float, float]
    tank: tuple[float, float]
    """Length."""
    tail: tuple[float, float]
    """How far the seat's end is before the rear axle."""
    wheels: str
    bars: str
    engines: str
    exhausts: str


_FAMILIES = {
    "sport": _Family(0.16, (1.36, 1.46), (0.29, 0.31, 0.3, 0.325), (0.12, 0.18), (22, 26), (0.61, 0.67), (0.78, 0.85),
                     (0.46, 0.56), (-0.2, -0.08), "cast", "clip", "hidden", "up up low"),
    "naked": _Family(0.13, (1.38, 1.5), (0.29, 0.33, 0.29, 0.33), (0.11, 0.16), (24, 28), (0.63, 0.72), (0.75, 0.84),
                     (0.44, 0.56), (-0.2, 0.0), "cast cast wire", "flat flat pull", "four twin single", "low up both"),
    "cruiser": _Family(0.13, (1.56, 1.74), (0.3, 0.35, 0.29, 0.34), (0.12, 0.18), (29, 35), (0.7, 0.84), (0.62, 0.72),
                       (0.5, 0.64), (0.0, 0.18), "wire cast disc", "pull pull drag", "vtwin", "stacked both fishtail"),
    "chopper": _Family(0.09, (1.8, 2.15), (0.33, 0.37, 0.29, 0.34), (0.075, 0.2), (38, 47), (1.0, 1.25), (0.56, 0.66),
                       (0.38, 0.5), (0.12, 0.3), "wire cast", "ape ape drag pull", "vtwin", "stacked both fishtail"),
    "touring": _Family(0.1, (1.55, 1.72), (0.3, 0.33, 0.29, 0.32), (0.13, 0.17), (26, 31), (0.7, 0.8), (0.68, 0.78),
                       (0.46, 0.58), (-0.1, 0.05), "cast cast wire", "pull", "vtwin boxer four", "both"),
    "scooter": _Family(0.13, (1.2, 1.36), (0.2, 0.25, 0.19, 0.24), (0.09, 0.11), (25, 29), (0.76, 0.86), (0.72, 0.8),
                       (0.3, 0.4), (-0.24, -0.1), "cast disc", "scooter", "scooter", "short"),
    "enduro": _Family(0.1, (1.4, 1.52), (0.34, 0.36, 0.32, 0.345), (0.085, 0.12), (26, 29), (0.78, 0.88), (0.87, 0.97),
                      (0.38, 0.46), (-0.22, -0.08), "wire", "cross", "single", "high"),
    "cafe": _Family(0.07, (1.36, 1.48), (0.3, 0.34, 0.3, 0.34), (0.095, 0.13), (25, 29), (0.63, 0.7), (0.72, 0.8),
                    (0.54, 0.66), (-0.12, 0.02), "wire wire cast", "clip ace", "single twin boxer four", "low both"),
    "moped": _Family(0.05, (1.08, 1.22), (0.27, 0.32, 0.27, 0.32), (0.055, 0.06), (25, 29), (0.6, 0.68), (0.74, 0.82),
                     (0.28, 0.36), (-0.06, 0.1), "wire wire cast", "pull flat", "moped", "short"),
    "adventure": _Family(0.04, (1.5, 1.6), (0.33, 0.355, 0.31, 0.335), (0.11, 0.15), (26, 29), (0.74, 0.84),
                         (0.84, 0.92), (0.46, 0.54), (-0.16, -0.04), "wire cast", "cross", "boxer twin", "high up"),
}  # fmt: skip
CATEGORY = Category("motorcycle", tuple(_FAMILIES), tuple(family.share for family in _FAMILIES.values()))


@dataclass(frozen=True)
class MotorcyclePlan:
    """A motorcycle's measures in metres and finishes."""

    family: str
    front: Float[np.ndarray, " 3"]
    """The front axle's middle."""
    rear: Float[np.ndarray, " 3"]
    tyres: tuple[float, float]
    """Half widths."""
    rake: float
    fork: float
    seat: float
    tank: float
    tail: float
    """x of the seat's end."""
    clearance: float
    wheels: str
    bars: str
    engine: str
    exhaust: str
    paint: Finish
    second: Finish
    frame: Finish
    block: Finish
    shiny: Finish
    rim: Finish
    leather: Finish
    black: Finish

    @property
    def legs(self) -> float:
        """How far the fork's legs are from the middle."""
        return self.tyres[0] + 0.04

    @property
    def neck(self) -> Float[np.ndarray, " 3"]:
        """Where the frame holds the fork."""
        return self.on_fork(self.fork - 0.1, -0.05)

    @property
    def pivot(self) -> Float[np.ndarray, " 3"]:
        """Where the frame holds the swing arm."""
        reach = 0.5 if self.front[0] < 0.72 else 0.56
        return np.array([self.rear[0] + reach, 0.0, self.rear[2] + 0.06 + 0.15 * (self.seat - 0.7)])

    @property
    def saddle(self) -> float:
        """x where the tank ends and the seat begins."""
        return float(self.neck[0]) - self.tank

    def on_fork(self, along: Scalar, ahead: Scalar = 0.0, left: Scalar = 0.0) -> Float[np.ndarray, " 3"]:
        """A point so far along the fork from the axle, before it and beside it."""
        c, s = np.cos(self.rake), np.sin(self.rake)
        return self.front + np.array([ahead * c - along * s, left, along * c + ahead * s])


def draw_plan(rng: np.random.Generator, family: str) -> MotorcyclePlan:
    f = _FAMILIES[family]
    half = rng.uniform(*f.wheelbase) / 2
    radius = rng.uniform(*f.radii[:2]), rng.uniform(*f.radii[2:])
    if f.radii[0] == f.radii[2] and f.radii[1] == f.radii[3] and rng.random() < 0.6:
        radius = radius[0], radius[0]
    fat = rng.uniform(0.85, 1.2)
    dark = materials.plain([rng.uniform(0.03, 0.08)] * 3, 0.25, 25)
    silver = materials.plain(rng.uniform(0.5, 0.68) * np.array([1, 1, 1.02]), 0.5, 25)
    shiny = materials.plain((0.76, 0.77, 0.8), 0.95, 110)
    paint, second = _livery(rng)
    bright = family in ("cruiser", "chopper", "touring", "cafe", "moped")
    roll = rng.random()
    if family in ("chopper", "enduro") and roll < 0.5:
        frame = materials.plain(second.material.color, 0.5, 50)
    else:
        frame = dark if roll < 0.7 else silver if roll < 0.85 else materials.plain(materials.any_color(rng), 0.5, 50)
    gold, hide = materials.plain((0.7, 0.52, 0.2), 0.6, 50), materials.leather(rng)
    rims = (shiny, shiny, dark) if bright else (dark, dark, silver, gold, materials.plain(second.material.color, 0.5))
    return MotorcyclePlan(
        family=family,
        front=np.array([half, 0.0, radius[0]]),
        rear=np.array([-half, 0.0, radius[1]]),
        tyres=(fat * f.tyres[0] / 2, fat * f.tyres[1] / 2),
        rake=np.radians(rng.uniform(*f.rake)),
        fork=rng.uniform(*f.fork),
        seat=rng.uniform(*f.seat),
        tank=rng.uniform(*f.tank),
        tail=-half + rng.uniform(*f.tail),
        clearance=rng.uniform(0.11, 0.17) + (0.1 if family in ("enduro", "adventure") else 0.0),
        wheels=str(rng.choice(f.wheels.split())),
        bars=str(rng.choice(f.bars.split())),
        engine=str(rng.choice(f.engines.split())),
        exhaust=str(rng.choice(f.exhausts.split())),
        paint=paint,
        second=second,
        frame=frame,
        block=silver if rng.random() < (0.5 if second.material.color.mean() > 0.25 else 0.85) else dark,
        shiny=shiny if bright or rng.random() < 0.4 else silver if rng.random() < 0.6 else dark,
        rim=rims[rng.integers(len(rims))],
        leather=hide if hide.material.color.mean() < 0.5 and rng.random() < 0.6 else dark,
        black=dark,
    )


_LIVERY = 160
"""Pixels of a livery's height: it lies on the painted parts as seen from the side, 1.2 m high and 2.4 m long."""


def _livery(rng: np.random.Generator) -> tuple[Finish, Finish]:
    """Paint with stripes, two tones, slashes, waves, flames or nothing, and plain paint of its second colour."""
    base, other = materials.car_paint(rng).material, materials.any_color(rng)
    if rng.random() < 0.5:
        base = Material(materials.any_color(rng), base.specular, base.shininess)
    third = np.full(3, 0.93) if rng.random() < 0.5 else np.full(3, 0.05)
    v, u = np.meshgrid(1.2 * np.arange(_LIVERY) / _LIVERY, 1.2 * np.arange(2 * _LIVERY) / _LIVERY, indexing="ij")
    kind = rng.choice(["plain", "stripes", "tones", "slashes", "wave", "flames"], p=[0.3, 0.15, 0.15, 0.15, 0.15, 0.1])
    at, slope = rng.uniform(0.55, 0.85), rng.uniform(-0.25, 0.25)
    height = v - at - slope * (u - 1.2)
    on = edge = np.zeros_like(u, dtype=bool)
    if kind == "stripes":
        width, gap = rng.uniform(0.02, 0.06), rng.uniform(0.1, 0.3)
        on = np.mod(height, gap) < width
        edge = np.mod(height - width - 0.02, gap) < 0.016
    elif kind == "tones":
        on, edge = height < 0, np.abs(height) < 0.012
    elif kind == "slashes":
        across = np.mod(u + rng.uniform(-1.2, 1.2) * v, rng.uniform(0.3, 0.6))
        width = rng.uniform(0.05, 0.2)
        on, edge = across < width, (across > width + 0.02) & (across < width + 0.05)
    elif kind == "wave":
        height = height + rng.uniform(0.04, 0.1) * np.sin(u * rng.uniform(4, 9) + rng.uniform(0, 6))
        on, edge = np.abs(height) < rng.uniform(0.04, 0.12), np.abs(height) > 0.25
    elif kind == "flames":
        lick = 0.14 * np.abs(np.sin(24 * v + 2 * np.sin(9 * u))) + 0.1 * np.abs(np.sin(11 * v))
        front = u - rng.uniform(1.15, 1.35)
        on, edge = front > -lick, (front > -lick - 0.025) & (front < -lick)
    image = np.where(on[..., None], other, np.where(edge[..., None], third, base.color))
    picture = (255 * image).round().astype(np.uint8)
    paint = Finish(Material(np.ones(3), base.specular, base.shininess, picture))
    return paint, materials.plain(other if kind != "plain" else base.color, base.specular, base.shininess)
