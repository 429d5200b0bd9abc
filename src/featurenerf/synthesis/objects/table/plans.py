"""What a table is of: its parts' names, its measures and its finishes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Finish
from featurenerf.synthesis.objects.labelled import Category
from featurenerf.synthesis.objects.shapes import Scalar, circle, rounded_rectangle

TOP, LEG, STRETCHER, DRAWER, SHELF, BENCH = 1, 2, 3, 4, 5, 6


_FAMILIES = {
    "dining": 0.14, "pedestal": 0.11, "trestle": 0.08, "desk": 0.12, "coffee": 0.11, "console": 0.07, "picnic": 0.05,
    "drop-leaf": 0.04, "glass": 0.06, "corner": 0.04, "bar": 0.05, "bedside": 0.05, "folding": 0.04, "monolith": 0.04,
}  # fmt: skip


CATEGORY = Category("table", tuple(_FAMILIES), tuple(_FAMILIES.values()))


@dataclass(frozen=True, eq=False)
class TablePlan:
    """What a table's parts share: its measures and its finishes."""

    height: float
    depth: float
    width: float
    thick: float
    kind: str
    outline: Float[np.ndarray, "m 2"]
    top: Finish
    frame: Finish
    legs: Finish
    fittings: Finish

    @property
    def under(self) -> float:
        """Height of the top's underside."""
        return self.height - self.thick

    @property
    def corner(self) -> Float[np.ndarray, " 2"]:
        """How far out something may stand below the top's front left corner."""
        p = self.outline
        return p[(p[:, 0] / self.depth + p[:, 1] / self.width).argmax()]


def _outline(rng: np.random.Generator, kind: str, depth: Scalar, width: Scalar) -> Float[np.ndarray, "m 2"]:
    if kind in ("round", "oval"):
        return circle(44, (depth / 2, width / 2))
    if kind == "super":
        return circle(44, (depth / 2, width / 2), rng.uniform(2.6, 4.0))
    if kind == "octagon":
        return rounded_rectangle(depth, width, 0.29 * min(depth, width), steps=1)
    if kind == "half":  # the straight side at the back
        angle = np.linspace(-np.pi / 2, np.pi / 2, 25)
        power = rng.uniform(0.75, 1.0)
        return np.stack([depth * (np.cos(angle) ** power - 0.5), width / 2 * np.sin(angle)], axis=-1)
    radius = {"rounded": rng.uniform(0.06, 0.3), "stadium": 0.499}.get(kind, rng.uniform(0.005, 0.02))
    points = rounded_rectangle(depth, width, radius * min(depth, width), steps=8 if radius > 0.4 else 4, sides=7)
    if kind == "boat":
        bow = 1 - rng.uniform(0.1, 0.25) * (2 * points[:, 1] / width) ** 2
        points = points * np.stack([bow, np.ones(len(points))], axis=-1)
    return points


def draw_plan(
    rng: np.random.Generator,
    height: tuple[Scalar, Scalar],
    depth: tuple[Scalar, Scalar],
    width: tuple[Scalar, Scalar],
    kinds: str = "rectangle",
    thick: tuple[Scalar, Scalar] = (0.018, 0.045),
) -> TablePlan:
    """Draw measures (metres), the top's outline (one of the words of ``kinds``) and finishes that go together."""
    kind = str(rng.choice(kinds.split()))
    w = rng.uniform(*width)
    d = w if kind in ("round", "octagon") else min(rng.uniform(*depth), w)
    wood, other = materials.wood(rng), materials.wood(rng)
    style = rng.choice(["wood", "farm", "works", "stone", "paint", "laminate"], p=[0.36, 0.12, 0.16, 0.1, 0.16, 0.1])
    paint, metal = materials.painted(rng), materials.metal(rng)
    top, frame, legs = {
        "wood": (wood, wood, wood if rng.random() < 0.8 else other),
        "farm": (wood, paint, paint),
        "works": (wood, metal, metal),
        "stone": (materials.marble(rng), *([metal] * 2 if rng.random() < 0.5 else [wood] * 2)),
        "paint": (paint, paint, paint if rng.random() < 0.7 else wood),
        "laminate": (materials.plastic(rng), wood, wood if rng.random() < 0.5 else metal),
    }[str(style)]
    return TablePlan(
        height=rng.uniform(*height),
        depth=d,
        width=w,
        thick=rng.uniform(*thick),
        kind=kind,
        outline=_outline(rng, kind, d, w),
        top=top,
        frame=frame,
        legs=legs,
        fittings=materials.metal(rng) if rng.random() < 0.7 else other,
    )
