"""Seats: panels, cushions, frames and slats."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.chair.plans import SEAT, ChairPlan
from featurenerf.synthesis.objects.shapes import Scalar, box, circle, rounded_rectangle, slab


def _outline(rng: np.random.Generator, plan: ChairPlan, kind: str | None = None) -> Float[np.ndarray, "m 2"]:
    kind = kind or str(rng.choice(["square", "square", "trapezoid", "bow", "super"]))
    d, w = plan.depth, plan.width
    if kind == "round":
        return circle(24, (d / 2, w / 2))
    if kind == "super":
        return circle(28, (d / 2, w / 2), rng.uniform(2.6, 4.5))
    points = rounded_rectangle(d, w, rng.uniform(0.01, 0.12) * w, sides=3)
    if kind == "trapezoid":
        points = points * np.stack([np.ones(len(points)), 0.93 + rng.uniform(0.1, 0.3) * points[:, 0] / d], -1)
    if kind == "bow":
        front = np.clip(points[:, 0] / (d / 2), 0, 1)
        points = points + np.stack([front * 0.04 * (1 - (2 * points[:, 1] / w) ** 2), np.zeros(len(points))], -1)
    return points


def add_seat(
    a: Assembly, rng: np.random.Generator, plan: ChairPlan, kind: str | None = None, outline: str | None = None
) -> tuple[float, ChairPlan]:
    """Add a seat whose top is at the plan's height; returns the height of its underside, and the plan fitted to it."""
    kind = kind or str(rng.choice(["panel", "dished", "cushion", "framed", "slats"], p=[0.3, 0.15, 0.3, 0.15, 0.1]))
    h, w, d = plan.height, plan.width, plan.depth
    points = _outline(rng, plan, outline)
    if kind in ("panel", "dished"):
        thick = rng.uniform(0.012, 0.045)
        dish = -rng.uniform(0.008, 0.02) if kind == "dished" else 0.0
        a.add(
            slab(points, max(thick, -1.3 * dish), rng.uniform(0.1, 0.49) * thick, dish).move([0, 0, h]),
            SEAT,
            plan.cover,
        )
    elif kind == "cushion":
        thick = rng.uniform(0.04, 0.11)
        a.add(
            slab(points, thick, rng.uniform(0.25, 0.49) * thick, rng.uniform(0.0, 0.03)).move([0, 0, h]),
            SEAT,
            plan.cover,
        )
        if rng.random() < 0.5:
            under = rng.uniform(0.02, 0.05)
            a.add(slab(points * 0.94, under).move([0, 0, h - thick]), SEAT, plan.frame)
            thick += under
    elif kind == "framed":
        thick = rng.uniform(0.04, 0.08)
        a.add(slab(points, thick, 0.006).move([0, 0, h - 0.015]), SEAT, plan.frame)
        a.add(
            slab(points * rng.uniform(0.82, 0.93), 0.03, 0.012, rng.uniform(0.0, 0.02)).move([0, 0, h]),
            SEAT,
            plan.cover,
        )
        thick += 0.015
    else:
        thick = rng.uniform(0.018, 0.03)
        count = int(rng.integers(4, 9))
        lengthwise = rng.random() < 0.5
        across = (d if lengthwise else w) / count
        for k in range(count):
            offset = (k + 0.5) * across - (d if lengthwise else w) / 2
            size = (across * 0.82, w, thick) if lengthwise else (d, across * 0.82, thick)
            a.add(
                box(size, 0.004).move([offset, 0, h - thick / 2] if lengthwise else [0, offset, h - thick / 2]),
                SEAT,
                plan.cover,
            )
        rail = 0.04
        for x in (-d / 2 + 0.04, d / 2 - 0.04):
            a.add(box((0.025, w * 0.96, rail)).move([x, 0, h - thick - rail / 2]), SEAT, plan.frame)
        for y in (-w / 2 + 0.04, w / 2 - 0.04):
            a.add(box((d * 0.96, 0.025, rail)).move([0, y, h - thick - rail / 2]), SEAT, plan.frame)
        thick += rail
    return h - thick, plan.fit(points)


def mark_seat(a: Assembly, plan: ChairPlan, behind: Scalar = 0.06) -> None:
    """Name the seat's points; the back corners lie ``behind`` before its end, clear of the back's posts."""
    d, w, h = plan.depth, plan.width, plan.height
    a.keypoint_both(0, 1, (d / 2, w / 2, h), SEAT)
    a.keypoint_both(2, 3, (behind - d / 2, w / 2 + 0.01, h + 0.005), SEAT)
    a.keypoint(16, (0, 0, h), SEAT, seen_from=(0, 0, 1))
