"""Cabins: windows, pillars and roofs, or an open one's windscreen and seats."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.car.body import deck_height
from featurenerf.synthesis.objects.car.plans import BODY, ROOF, WINDOW, CarPlan
from featurenerf.synthesis.objects.shapes import Scalar, box, circle, loft, rotation, sweep, tube


def add_cabin(a: Assembly, rng: np.random.Generator, plan: CarPlan) -> None:
    """Windows, pillars and roof: rings from the belt to the roof's middle."""
    box_like = plan.family in ("van", "bus")
    belt_half = plan.width / 2 * (0.95 if box_like else rng.uniform(0.86, 0.92))
    lean = {"bus": 0.97, "van": rng.uniform(0.82, 0.93)}.get(plan.family, rng.uniform(0.7, 0.84))
    roof_half = plan.width / 2 * lean
    pillar = rng.uniform(0.04, 0.1)
    cells = _side_windows(rng, plan)
    t = np.array([0.0, *[c[1] for c in cells]])
    across = np.linspace(-1, 1, 6)
    bow = rng.uniform(0.03, 0.12) if not box_like else rng.uniform(0.01, 0.06)
    back_bow = rng.uniform(0.01, 0.08)

    def ring(f: Scalar, z: Scalar, shrink: Scalar = 1.0) -> np.ndarray:
        g = f**1.15 if not box_like else f
        front, back = (
            plan.cowl + (plan.roof_front - plan.cowl) * g,
            plan.glass_back + (plan.roof_back - plan.glass_back) * g,
        )
        half = belt_half + (roof_half - belt_half) * f**1.3
        y = (half - 0.6 * pillar) * across
        nose = np.stack([front - bow * across**2, y], -1)
        side_x = (front - bow - pillar) * (1 - t) + (back + back_bow + pillar) * t
        left = np.stack([side_x, half - 0.03 * np.abs(2 * t - 1) ** 3], -1)
        rear = np.stack([back + back_bow * across**2, -y], -1)
        right = np.stack([side_x[::-1], -left[::-1, 1]], -1)
        points = np.concatenate([nose, left, rear, right])
        middle = np.array([(front + back) / 2, 0.0])
        return np.column_stack([middle + shrink * (points - middle), np.full(len(points), z)])

    low, high = plan.belt - 0.09, plan.height
    crown = rng.uniform(0.01, 0.05)
    band = rng.uniform(0.8, 0.88) if plan.family != "bus" else rng.uniform(0.68, 0.8)
    if plan.family == "van" and plan.height > 2.1:
        band = 0.62
    glass_low = rng.uniform(0.02, 0.08)
    heights = [0.0, glass_low, glass_low + 0.5 * (band - glass_low), band, 0.95]
    levels = [
        ring(max(f, 0.0), low + 0.0 * f if k == 0 else plan.belt + f * (high - crown - plan.belt))
        for k, f in enumerate(heights)
    ]
    levels += [
        ring(0.985, high - crown - 0.012, 0.985),
        ring(1.0, high - crown, 0.94),
        ring(1.0, high - 0.3 * crown, 0.55),
        ring(1.0, high, 0.002),
    ]
    rings = np.stack(levels)
    surface = loft(rings, caps=False)
    m, k = rings.shape[1], len(across)
    ns = len(t)
    glassy = np.zeros(m, dtype=bool)
    glassy[: k - 1] = True
    sides = np.array([c[2] for c in cells])
    glassy[k : k + ns - 1] = sides
    back_glass = plan.family != "van" or rng.random() < 0.7
    glassy[k + ns : k + ns + k - 1] = back_glass
    glassy[2 * k + ns : 2 * k + 2 * ns - 1] = sides[::-1]
    row, column = np.repeat(np.arange(len(rings) - 1), 2 * m), np.tile(np.repeat(np.arange(m), 2), len(rings) - 1)
    window = glassy[column] & (row >= 1) & (row <= 2)
    roof = row >= 4
    parts = np.where(window, WINDOW, np.where(roof, ROOF, BODY))
    dark_pillars = rng.random() < 0.3
    pick = np.where(window, 1, np.where(roof, 2, np.where((row >= 1) & (row <= 2) & dark_pillars, 3, 0)))
    a.add(surface, parts, (plan.paint, plan.glass, plan.roof, plan.trim), pick)
    base, head = ring(heights[1], plan.belt + heights[1] * (high - crown - plan.belt)), ring(0.985, high - crown)
    base[:, 2] = np.maximum(base[:, 2], deck_height(plan, base[:, 0]) + plan.crown + 0.04)
    a.keypoint_both(8, 9, base[k - 1], WINDOW)
    if back_glass:
        a.keypoint_both(14, 15, base[k + ns], WINDOW)
    a.keypoint_both(10, 11, head[k - 1] + [0.02, 0.02, 0], ROOF)
    a.keypoint_both(12, 13, head[k + ns] + [-0.02, 0.02, 0], ROOF)
    a.keypoint(21, ((plan.roof_front + plan.roof_back) / 2, 0, high), ROOF, seen_from=(0, 0, 1))
    if plan.family in ("suv", "wagon", "van") and rng.random() < 0.5:
        x = np.linspace(plan.roof_front - 0.25, plan.roof_back + 0.25, 7)
        z = high - crown + 0.05 - 0.05 * np.abs(np.linspace(-1, 1, 7)) ** 8
        a.add_both(tube(np.stack([x, 0 * x + 0.84 * roof_half, z], -1), 0.018, 6), ROOF, plan.trim)


def _side_windows(rng: np.random.Generator, plan: CarPlan) -> list[tuple[float, float, bool]]:
    """Cells along the cabin's side, front to back: (start, end, is glass)."""
    if plan.family == "bus":
        count = int(rng.integers(5, 10))
        edges: list[tuple[float, float, bool]] = []
        for k in range(count):
            edges += [(k / count, (k + 0.9) / count, True), ((k + 0.9) / count, (k + 1) / count, False)]
        return edges
    short = plan.roof_front - plan.roof_back < 1.2
    if short or (plan.family in ("hatchback", "sports", "classic") and rng.random() < 0.5):
        edge = rng.uniform(0.45, 0.8) if not short else 0.8
        cells = [(0.0, edge, True), (edge, edge + 0.07, False)]
        if edge < 0.7:
            cells.append((edge + 0.07, 0.9, True))
        return [*cells, (cells[-1][1], 1.0, False)]
    if plan.family == "van":
        cargo = rng.random() < 0.5
        cells = [
            (0.0, 0.28, True),
            (0.28, 0.34, False),
            (0.34, 0.62, not cargo),
            (0.62, 0.66, False),
            (0.66, 0.94, not cargo),
            (0.94, 1.0, False),
        ]
        return cells
    first = rng.uniform(0.4, 0.48)
    if plan.family in ("suv", "wagon"):
        return [
            (0.0, first - 0.06, True),
            (first - 0.06, first - 0.02, False),
            (first - 0.02, 0.7, True),
            (0.7, 0.75, False),
            (0.75, 0.95, True),
            (0.95, 1.0, False),
        ]
    end = rng.uniform(0.84, 0.95)
    return [(0.0, first, True), (first, first + 0.05, False), (first + 0.05, end, True), (end, 1.0, False)]


def add_open_cabin(a: Assembly, rng: np.random.Generator, plan: CarPlan) -> None:
    """A windscreen, seats and a steering wheel."""
    half = plan.width / 2 * 0.86
    foot, head = np.array([plan.cowl, plan.belt - 0.05]), np.array([plan.roof_front + 0.1, plan.height - 0.03])
    t = np.linspace(0, 1, 4)
    y = np.linspace(-1, 1, 9)
    points = np.empty((4, 9, 3))
    points[..., 0] = (foot[0] + t * (head[0] - foot[0]))[:, None] - 0.12 * y**2
    points[..., 1] = (half - 0.13 * half * t)[:, None] * y
    points[..., 2] = (foot[1] + t * (head[1] - foot[1]))[:, None]
    front = np.concatenate([points, (points - [0.02, 0, 0])[:, ::-1]], axis=1)
    a.add(loft(front), WINDOW, plan.glass)
    frame = np.concatenate([points[:, 0], points[-1, 1:-1], points[::-1, -1]])
    a.add(sweep(frame, circle(6), 0.024, up=(0, 1, 0)), BODY, plan.trim if rng.random() < 0.5 else plan.paint)
    clear = float(deck_height(plan, points[0, -1:, 0])[0]) + plan.crown + 0.07
    a.keypoint_both(8, 9, (points[0, -2, 0] + 0.03, half - 0.09, clear), WINDOW)
    cover = materials.leather(rng)
    deep = plan.belt - 0.34 + plan.crown
    rows = [plan.cowl - 0.95] if rng.random() < 0.6 else [plan.cowl - 0.85, plan.cowl - 1.5]
    for x in rows:
        if x < plan.roof_back:
            continue
        a.add_both(box((0.5, 0.46, 0.16), 0.06).move([x + 0.2, 0.36, deep + 0.06]), BODY, cover)
        tilt = rotation("y", -14)
        a.add_both(box((0.14, 0.46, 0.5), 0.06, arc=2).turn(tilt).move([x - 0.08, 0.36, deep + 0.3]), BODY, cover)
        a.add_both(box((0.09, 0.24, 0.15), 0.04, arc=2).turn(tilt).move([x - 0.16, 0.36, deep + 0.62]), BODY, cover)
    ring = circle(14, 0.17)
    path = np.column_stack([np.zeros(15), np.concatenate([ring, ring[:1]])])
    a.add(
        tube(path, 0.015, 6).turn(rotation("y", -25)).move([plan.cowl - 0.42, 0.36, plan.belt - 0.02]), BODY, plan.trim
    )
    if rng.random() < 0.5:
        size = (0.35, 1.5 * half, 0.12)
        a.add(box(size, 0.05, arc=2).move([plan.roof_back - 0.22, 0, plan.belt + 0.05]), BODY, materials.fabric(rng))
