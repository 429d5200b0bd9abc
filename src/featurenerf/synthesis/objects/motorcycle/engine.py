"""Engines and exhausts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.motorcycle.pieces import ball, fins, hull, xyz
from featurenerf.synthesis.objects.motorcycle.plans import BODY, MotorcyclePlan
from featurenerf.synthesis.objects.shapes import box, circle, fillet, revolve, rotation, rounded_rectangle, tube


def add_engine(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> list[np.ndarray]:
    """Crankcase and cylinders; returns where the exhaust pipes begin, left ones and right ones alike."""
    x0 = float(plan.pivot[0]) + 0.03
    x1 = max(min(float(plan.front[0] - plan.front[2]) - 0.1, float(plan.neck[0])), x0 + 0.3)
    low, x = plan.clearance + 0.02, 0.5 * (x0 + x1)
    roof = min(plan.seat - 0.08 + max(x - plan.saddle, 0) * 0.3, float(plan.neck[2]) - 0.1)
    case = min(0.26, 0.45 * (roof - low))
    z = low + 0.5 * case
    small = plan.engine in ("moped", "single")
    widths = {"moped": 0.07, "single": 0.11, "twin": 0.15, "boxer": 0.13, "vtwin": 0.13, "hidden": 0.15, "four": 0.19}
    wide = widths[plan.engine]
    reach = min(x1 - x0, 0.36 if small else 0.52) / 2
    if plan.engine == "moped":
        reach, z, case = 0.11, max(z, 0.3), 0.15
        x = float(plan.pivot[0]) + 0.1
        cylinder = rounded_rectangle(0.12, 0.11, 0.02, 1)
        a.add(fins((x + 0.06, 0, z), (x + 0.24, 0, z + 0.04), cylinder, 6), BODY, plan.block)
    body = [
        (x - reach, z, wide * 0.8, 0.36 * case),
        (x, z, wide, 0.5 * case),
        (x + reach, z - 0.01, wide * 0.8, 0.36 * case),
    ]
    a.add(hull(body, 6, 12, 3.5), BODY, plan.block)
    cover = revolve([(0.095, -0.01), (0.095, 0.014), (0.08, 0.028), (0.02, 0.032)], 12).turn(rotation("x", -90))
    for at, size in ((x - 0.35 * reach, 4.2 * case), (x + 0.6 * reach, 2.7 * case)):
        plug = replace(cover, vertices=cover.vertices * [min(size, 1.2), 1, min(size, 1.2)])
        if plan.engine != "hidden":
            a.add_both(plug.move([at, 0.92 * wide, z]), BODY, plan.shiny)
    tall = roof - z - 0.25 * case
    head = plan.shiny if rng.random() < 0.6 else plan.block
    if plan.engine == "vtwin":
        spread = rng.uniform(22, 30)
        for lean in (-spread, spread):
            way = np.array([np.sin(np.radians(lean)), 0, np.cos(np.radians(lean))])
            foot = np.array([x, 0, z + 0.2 * case])
            a.add(fins(foot + 0.06 * way, foot + 0.78 * tall * way, circle(12, 0.085), 5), BODY, plan.block)
            top = box((0.15, 0.17, 0.24 * tall), 0.03).turn(rotation("y", lean))
            a.add(top.move(foot + 0.88 * tall * way), BODY, head)
        cleaner = revolve([(0.085, 0), (0.09, 0.02), (0.07, 0.05), (0.03, 0.055)], 12).turn(rotation("x", 90))
        a.add(cleaner.move([x, -0.1, z + 0.62 * tall]), BODY, plan.shiny)
        apart = 0.75 * tall * np.sin(np.radians(spread))
        return [np.array([x + s * apart + 0.05, 0.08, z + 0.72 * tall]) for s in (1, -1)]
    if plan.engine == "boxer":
        ribs = rounded_rectangle(0.15, 0.15, 0.05, 1)
        a.add_both(fins((x + 0.04, 0.09, z + 0.03), (x + 0.04, 0.27, z + 0.03), ribs, 6), BODY, plan.block)
        a.add_both(ball((x + 0.04, 0.28, z + 0.03), (0.085, 0.055, 0.075), 12), BODY, head)
        a.add(box((0.28, 0.18, 0.7 * tall), 0.04).move([x, 0, z + 0.55 * tall]), BODY, plan.block)
        return [np.array([x + 0.12, 0.2, z])]
    if plan.engine == "moped":
        return [np.array([x + 0.2, 0.0, z - 0.03])]
    lean = rng.uniform(0, 20)
    across = {"single": (0.17, 0.17), "twin": (0.27, 0.18)}.get(plan.engine, (0.4, 0.18))
    way = np.array([np.sin(np.radians(lean)), 0, np.cos(np.radians(lean))])
    foot = np.array([x + 0.06, 0, z + 0.2 * case])
    block = rounded_rectangle(*across, 0.04, 2)
    a.add(fins(foot, foot + 0.68 * tall * way, block, 7, 0.88), BODY, plan.block)
    cap = box((0.17, across[0] + 0.02, 0.26 * tall), 0.03).turn(rotation("y", lean))
    a.add(cap.move(foot + 0.8 * tall * way), BODY, head)
    start = foot + 0.72 * tall * way + xyz(0.07, 0, 0)
    return [start + xyz(0, y, 0) for y in {"single": (0.03,), "twin": (0.07,)}.get(plan.engine, (0.05, 0.14))]


def add_exhaust(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan, starts: list[np.ndarray]) -> None:
    """Pipes from the cylinders along the underside to one silencer on the right, or on both sides."""
    kind, rear = plan.exhaust, plan.rear
    y, low = max(plan.tyres[1] + 0.1, 0.165), plan.clearance + 0.035
    r, back = rng.uniform(0.04, 0.055), float(rear[0])
    silencer = {
        "low": [(plan.pivot[0] + 0.06, low + 0.03), (back + rng.uniform(-0.25, 0.1), rear[2] * rng.uniform(0.75, 1.0))],
        "up": [(plan.pivot[0] - 0.06, low + 0.12), (back + rng.uniform(-0.1, 0.1), rng.uniform(0.5, 0.72))],
        "high": [(plan.saddle - 0.16, plan.seat - 0.25), (plan.tail + rng.uniform(-0.03, 0.1), plan.seat - 0.12)],
        "short": [(back + 0.32, low + 0.06), (back - rng.uniform(0.05, 0.2), rear[2] + rng.uniform(0.1, 0.16))],
    }.get(kind, [(plan.pivot[0] + 0.16, low + 0.03), (back - rng.uniform(0.1, 0.3), low + rng.uniform(0.05, 0.12))])
    (x0, z0), (x1, z1) = silencer
    steel = plan.shiny if rng.random() < 0.7 else plan.black
    stack = [0.0, 0.1] if kind == "stacked" else [0.0]
    pipes = starts if plan.family != "scooter" else []
    for k, start in enumerate(pipes):
        rise = stack[min(k, len(stack) - 1)]
        ahead = start + xyz(0.1, 0.03, -0.04)
        if kind == "high":
            way = [start, ahead, (x0 + 0.3, y - 0.02, z0 + 0.0), (x0, y, z0)]
        elif kind == "stacked" and k:
            way = [start, start + xyz(0.04, 0.08, -0.02), (start[0] + 0.05, y, z0 + rise), (x0, y, z0 + rise)]
        else:
            way = [start, ahead, (ahead[0] + 0.02, 0.6 * y, low + 0.05), (ahead[0] - 0.12, 0.8 * y, low), (x0, y, z0)]
        pipe = tube(fillet(way, 0.09, 2), 0.02 if len(starts) < 3 else 0.018, 7)
        sides = (True, True) if kind == "both" or plan.engine in ("four", "hidden", "boxer", "twin") else (False, True)
        for wanted, surface in zip(sides, (pipe, pipe.mirror()), strict=True):
            if wanted:
                a.add(surface, BODY, steel)
    slim = 0.75 if kind in ("stacked", "fishtail") else 1.0
    ends = {"fishtail": [0.6, 0.8, 0.9, 1.5], "low": [0.5, 1.0, 1.0, 0.85]}.get(kind, [0.55, 1.0, 1.0, 0.9])
    t = np.array([0.0, 0.15, 0.85, 1.0])[:, None]
    for rise in stack[::-1]:
        a0, a1 = np.array([x0, y, z0 + rise]), np.array([x1 + 2.6 * rise, y + 0.01, z1 + rise])
        can = tube(a0 * (1 - t) + a1 * t, slim * r * np.array(ends), 12)
        along = (a1 - a0) / np.linalg.norm(a1 - a0)
        hole = tube([a1 - 0.02 * along, a1 + 0.003 * along], 0.7 * slim * r * ends[-1], 9)
        for left in (True, False):
            if left and kind != "both":
                continue
            a.add(can if left else can.mirror(), BODY, steel)
            a.add(hole if left else hole.mirror(), BODY, materials.plain([0.02] * 3, 0.0, 4))
    flip = np.array([1.0, -1.0, 1.0])
    a.keypoint(14, (a1 + 0.05 * along) * flip, BODY)
    if kind == "both":
        a.keypoint(13, a1 + 0.05 * along, BODY)
