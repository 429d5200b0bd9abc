"""Tops and the frames under them; what any piece is put together with."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, box, rotation, rounded_rectangle, slab, sweep
from featurenerf.synthesis.objects.table.plans import TOP, TablePlan


def add_corners(a: Assembly, surface: Surface, part: int, finish: Finish) -> None:
    """Add what stands at the front left corner, and its images at the other three."""
    a.add_both(surface, part, finish)
    a.add_both(surface.turn(rotation("z", 180)), part, finish)


def bar(start: Numbers, end: Numbers, size: tuple[Scalar, Scalar], radius: Scalar = 0.15) -> Surface:
    """A straight bar; its size is given across (level, if the bar rises) and the other way."""
    return sweep([start, end], rounded_rectangle(1, 1, radius, 1) * np.asarray(size))


def add_top(a: Assembly, rng: np.random.Generator, plan: TablePlan, kind: str | None = None) -> None:
    """Add the top and name its points."""
    straight = plan.kind == "rectangle"
    kind = kind or str(rng.choice(["slab", "planks", "inset", "breadboard"], p=[0.62, 0.16, 0.12, 0.1]))
    h, d, w, t = plan.height, plan.depth, plan.width, plan.thick
    if kind in ("planks", "breadboard") and straight and plan.top.material.texture is not None:
        ends = rng.uniform(0.06, 0.1) if kind == "breadboard" else 0.0
        count = max(3, round(d / rng.uniform(0.1, 0.17)))
        for x in (np.arange(count) + 0.5) * d / count - d / 2:
            a.add(box((d / count - 0.001, w - 2 * ends, t), 0.004).move([x, 0, h - t / 2]), TOP, plan.top)
        if ends:
            a.add_both(box((d, ends - 0.002, t), 0.004).move([0, w / 2 - ends / 2, h - t / 2]), TOP, plan.top)
    elif kind == "inset":
        a.add(slab(plan.outline, t, rng.uniform(0.1, 0.4) * t).move([0, 0, h - 0.003]), TOP, plan.frame)
        middle = materials.any_of(rng, (1, materials.leather), (1, materials.marble), (1, materials.glass),
                                  (1, materials.wood))  # fmt: skip
        a.add(slab(plan.outline * rng.uniform(0.8, 0.93), 0.006, 0.001).move([0, 0, h]), TOP, middle)
    else:
        edge = rng.choice([0.06, rng.uniform(0.1, 0.49)]) * t
        a.add(slab(plan.outline, t, edge).move([0, 0, h]), TOP, plan.top)
    mark_top(a, plan)


def mark_top(a: Assembly, plan: TablePlan) -> None:
    """Name the top's points."""
    d, w, h = plan.depth, plan.width, plan.height
    a.keypoint_both(0, 1, (d / 2, w / 2, h), TOP)
    a.keypoint_both(2, 3, (-d / 2, w / 2, h), TOP)
    if plan.kind != "half":  # which has no left and right edge
        a.keypoint_both(4, 5, (0, w / 2 + 0.05, h), TOP)
    a.keypoint(6, (d / 2 + 0.05, 0, h), TOP)
    a.keypoint(7, (-d / 2 - 0.05, 0, h), TOP)
    a.keypoint(8, (0, 0, h), TOP, seen_from=(0, 0, 1))


def add_apron(a: Assembly, rng: np.random.Generator, plan: TablePlan, tall: Scalar, at: np.ndarray) -> None:
    """A frame under the top, its bars' middles as far out as ``at``; of a round top a drum."""
    if plan.kind not in ("rectangle", "rounded", "boat", "stadium", "super"):
        share = float(np.linalg.norm(at) / np.linalg.norm(plan.corner))
        a.add(slab(plan.outline * share, tall + 0.004).move([0, 0, plan.under + 0.004]), TOP, plan.frame)
        return
    x, y, z = float(at[0]), float(at[1]), plan.under - tall / 2 + 0.002
    thick = rng.uniform(0.016, 0.024)
    for side in (-1, 1):
        a.add(box((thick, 2 * y, tall), 0.002).move([side * x, 0, z]), TOP, plan.frame)
        a.add(box((2 * x, thick, tall), 0.002).move([0, side * y, z]), TOP, plan.frame)
