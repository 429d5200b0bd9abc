"""Families of cars, and what an individual one measures and wears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Finish
from featurenerf.synthesis.objects.labelled import Category
from featurenerf.synthesis.objects.shapes import Scalar

BODY, HOOD, ROOF, WHEEL, WINDOW, LIGHT = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class _Family:
    """Ranges of a family's measures: metres, and shares of the length counted from the nose."""

    share: float
    length: tuple[float, float]
    width: tuple[float, float]
    height: tuple[float, float]
    wheel: tuple[float, float]
    clearance: tuple[float, float]
    belt: tuple[float, float]
    cowl: tuple[float, float]
    roof_front: tuple[float, float]
    roof_back: tuple[float, float]
    glass_back: tuple[float, float]
    nose: tuple[float, float]
    """Height of the hood's front, as a share of the belt's."""


_FAMILIES = {
    "sedan": _Family(0.2, (4.2, 5.0), (1.68, 1.88), (1.36, 1.52), (0.29, 0.35), (0.15, 0.22), (0.86, 0.98),
                     (0.27, 0.33), (0.42, 0.47), (0.67, 0.74), (0.81, 0.87), (0.62, 0.8)),
    "hatchback": _Family(0.14, (3.4, 4.2), (1.6, 1.8), (1.4, 1.58), (0.27, 0.33), (0.14, 0.2), (0.86, 1.0),
                         (0.22, 0.3), (0.36, 0.43), (0.84, 0.92), (0.945, 0.98), (0.64, 0.82)),
    "wagon": _Family(0.08, (4.3, 4.9), (1.7, 1.85), (1.42, 1.56), (0.3, 0.35), (0.15, 0.22), (0.88, 0.98),
                     (0.26, 0.31), (0.39, 0.44), (0.88, 0.94), (0.95, 0.98), (0.64, 0.8)),
    "suv": _Family(0.14, (4.0, 5.0), (1.76, 1.98), (1.62, 1.9), (0.35, 0.43), (0.2, 0.32), (1.02, 1.18),
                   (0.25, 0.31), (0.35, 0.41), (0.87, 0.95), (0.95, 0.985), (0.74, 0.92)),
    "sports": _Family(0.12, (4.0, 4.7), (1.75, 1.98), (1.12, 1.3), (0.31, 0.36), (0.1, 0.15), (0.8, 0.88),
                      (0.3, 0.42), (0.46, 0.53), (0.6, 0.7), (0.83, 0.95), (0.62, 0.8)),
    "convertible": _Family(0.07, (3.8, 4.6), (1.65, 1.88), (1.2, 1.35), (0.29, 0.35), (0.12, 0.18), (0.82, 0.92),
                           (0.3, 0.4), (0.42, 0.48), (0.62, 0.7), (0.7, 0.78), (0.66, 0.85)),
    "van": _Family(0.1, (4.2, 5.8), (1.75, 2.05), (1.75, 2.5), (0.3, 0.37), (0.15, 0.24), (1.02, 1.22),
                   (0.08, 0.21), (0.2, 0.32), (0.93, 0.97), (0.975, 0.99), (0.68, 0.85)),
    "bus": _Family(0.04, (7.0, 12.0), (2.3, 2.55), (2.7, 3.2), (0.45, 0.52), (0.25, 0.35), (1.15, 1.5),
                   (0.012, 0.02), (0.022, 0.04), (0.965, 0.98), (0.985, 0.99), (0.9, 0.96)),
    "pickup": _Family(0.07, (4.8, 5.8), (1.75, 2.02), (1.62, 1.9), (0.35, 0.43), (0.22, 0.34), (1.02, 1.16),
                      (0.25, 0.31), (0.35, 0.4), (0.46, 0.62), (0.49, 0.65), (0.78, 0.94)),
    "classic": _Family(0.04, (3.6, 4.6), (1.48, 1.7), (1.42, 1.6), (0.3, 0.36), (0.16, 0.24), (0.88, 1.0),
                       (0.28, 0.36), (0.38, 0.45), (0.62, 0.7), (0.78, 0.84), (0.6, 0.8)),
}  # fmt: skip
CATEGORY = Category("car", tuple(_FAMILIES), tuple(family.share for family in _FAMILIES.values()))


@dataclass(frozen=True)
class CarPlan:
    """A car's measures in metres (x positions count from the middle, to the front) and finishes."""

    family: str
    length: float
    width: float
    height: float
    wheel: float
    tyre: float
    clearance: float
    belt: float
    nose: float
    tail: float
    cowl: float
    roof_front: float
    roof_back: float
    glass_back: float
    axles: tuple[float, float]
    taper: tuple[float, float]
    """How much narrower the front and the back end are, as a share of the width."""
    crown: float
    rake: float
    paint: Finish
    roof: Finish
    trim: Finish
    glass: Finish

    def half_width(self, x: np.ndarray | Scalar) -> np.ndarray | float:
        """Half of the width at x: the ends are narrower."""
        u = 2 * x / self.length
        front = self.taper[0] * np.clip((u - 0.35) / 0.65, 0, 1) ** 2.5
        back = self.taper[1] * np.clip((-u - 0.35) / 0.65, 0, 1) ** 2.5
        return self.width / 2 * (1 - front - back)

    def side(self, z: np.ndarray | Scalar) -> np.ndarray | float:
        """Half width at a height, as a share of the widest: bellied, narrower at the sill and the shoulder."""
        t = (z - self.clearance) / (self.belt - self.clearance)
        return 1 - 0.06 * np.clip(0.45 - t, 0, 1) ** 2 / 0.2 - 0.09 * np.clip(t - 0.55, 0, 1) ** 2 / 0.2


def draw_plan(rng: np.random.Generator, family: str) -> CarPlan:
    """A car's measures and finishes, drawn from its family's."""
    f = _FAMILIES[family]
    length, height, wheel = rng.uniform(*f.length), rng.uniform(*f.height), rng.uniform(*f.wheel)
    belt = max(rng.uniform(*f.belt), 2.12 * wheel + 0.06)
    height = max(height, belt + 0.32)

    def along(share: tuple[Scalar, Scalar]) -> float:
        return length * (0.5 - rng.uniform(*share))

    front = {"bus": (0.2, 0.26), "van": (0.14, 0.19)}.get(family, (0.155, 0.22))
    back = {"bus": (0.22, 0.3), "pickup": (0.2, 0.26)}.get(family, (0.15, 0.22))
    paint = materials.car_paint(rng)
    nose = belt * rng.uniform(*f.nose)
    tail = belt * {
        "sedan": rng.uniform(0.92, 1.06),
        "sports": rng.uniform(0.88, 1.05),
        "classic": rng.uniform(0.55, 0.8),
    }.get(family, rng.uniform(0.93, 1.0))
    two_tone = rng.random() < 0.15
    shade = rng.uniform(0.03, 0.16) if rng.random() < 0.75 else rng.uniform(0.2, 0.5)
    glass = np.clip(shade * np.array([1 - rng.uniform(0, 0.2), 1.0, 1 + rng.uniform(0, 0.25)]), 0, 1)
    return CarPlan(
        family=family,
        length=length,
        width=rng.uniform(*f.width),
        height=height,
        wheel=wheel,
        tyre=wheel * rng.uniform(0.55, 0.8),
        clearance=rng.uniform(*f.clearance),
        belt=belt,
        nose=max(nose, 2.12 * wheel * 0.93),
        tail=max(tail, 0.62 * belt),
        cowl=along(f.cowl),
        roof_front=along(f.roof_front),
        roof_back=along(f.roof_back),
        glass_back=along(f.glass_back),
        axles=(along(front), -length / 2 + length * rng.uniform(*back)),
        taper=(rng.uniform(0.05, 0.2), rng.uniform(0.04, 0.16)) if family != "bus" else (0.02, 0.02),
        crown=rng.uniform(0.02, 0.07) + (0.08 if family == "classic" else 0),
        rake=rng.uniform(0.04, 0.16),
        paint=paint,
        roof=materials.car_paint(rng) if two_tone else paint,
        trim=materials.plain([rng.uniform(0.03, 0.12)] * 3, 0.15, 12) if rng.random() < 0.7 else materials.metal(rng),
        glass=materials.plain(glass, rng.uniform(0.5, 1.0), rng.uniform(50, 150)),
    )
