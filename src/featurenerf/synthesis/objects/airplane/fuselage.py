"""Fuselages with their paint, windows, canopies and open cockpits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.airplane.foils import panel
from featurenerf.synthesis.objects.airplane.liveries import DARK, HUES, Canvas
from featurenerf.synthesis.objects.airplane.plans import BODY, AirplanePlan
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, circle, grid, loft, tube


def add_fuselage(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> None:
    hull, livery, half, high = plan.hull, plan.livery, plan.length / 2, plan.high
    surface = hull.surface()
    c = Canvas(surface, livery.base)
    x, z = c.u, c.v / high
    share = 0.5 - x / plan.length
    level = rng.uniform(-0.15, 0.2)
    passengers = livery.kind in ("airline", "bare") and plan.length > 14 and plan.family != "transport"
    if livery.kind in ("military", "warbird"):
        if livery.style == "camouflage":
            c.paint(livery.blotches(x, c.v) > rng.uniform(-0.6, 0.6), livery.first)
        edge = rng.uniform(-0.5, 0.0) + 0.12 * np.sin(8 * share + rng.uniform(0, 6))
        c.paint(z < edge + 0.5 * np.clip(share - 0.6, 0, 1), livery.under)
        if livery.style == "bands":
            for k in range(4):
                c.paint(np.abs(share - 0.62 - 0.025 * k) < 0.0125, np.full(3, 0.92 if k % 2 else 0.06))
        if livery.kind == "warbird" and rng.random() < 0.6:
            c.paint(share < rng.uniform(0.05, 0.1), np.asarray(HUES[rng.choice([0, 9, 3])]))
    else:
        c.paint(z < rng.uniform(-0.75, -0.4), livery.under)
    rise = rng.uniform(0.6, 1.8) * np.clip(share - rng.uniform(0.55, 0.75), 0, 1) * 4
    if livery.style in ("cheat", "lines"):
        wide = rng.uniform(0.07, 0.2)
        flat = level + (rise if rng.random() < 0.5 else 0)
        c.paint(np.abs(z - flat) < wide, livery.first)
        if rng.random() < 0.7:
            c.paint(np.abs(z - flat + wide * rng.uniform(1.6, 2.2)) < 0.4 * wide, livery.second)
        if livery.style == "lines":
            c.paint(np.abs(z - flat - 1.8 * wide) < 0.35 * wide, livery.second)
    elif livery.style == "swoosh":
        turn = rng.uniform(0.25, 0.6)
        bend = (
            level - 0.35 + rng.uniform(0.9, 1.6) * np.clip((share - turn) / (1 - turn), 0, 1) ** rng.uniform(1.2, 2.2)
        )
        wide = rng.uniform(0.08, 0.3) * (0.3 + share)
        c.paint(np.abs(z - bend) < wide, livery.first)
        c.paint(np.abs(z - bend - 1.7 * wide) < 0.35 * wide, livery.second)
        if rng.random() < 0.5:
            c.paint(z < bend - 1.5 * wide, livery.first if rng.random() < 0.5 else livery.second)
    elif livery.style == "two-tone":
        edge = level - 0.1 + rng.uniform(-0.3, 0.9) * np.clip(share - 0.2, 0, 1)
        c.paint(z < edge, livery.first)
        c.paint(np.abs(z - edge) < rng.uniform(0.03, 0.08), livery.second)
    elif livery.style in ("wrap", "wave"):
        start, slant = rng.uniform(0.66, 0.82), rng.uniform(-0.1, 0.1)
        line = share - start - slant * z - (0.03 * np.sin(4 * z) if livery.style == "wave" else 0)
        c.paint((line > -0.03) & (line < -0.012), livery.second)
        c.paint(line > 0, livery.first)
        if livery.style == "wave":
            c.paint(z < -0.35 + 0.5 * np.sin(5 * share + 1) * np.clip(share, 0, 1), livery.first)
    elif livery.style == "belly":
        c.paint(z < level - 0.25 + 0.3 * rise, livery.first)
    elif livery.style == "nose":
        c.paint(share < rng.uniform(0.06, 0.2) + 0.03 * z, livery.first)
        c.paint(share > rng.uniform(0.84, 0.93), livery.first)
    if livery.kind == "bare" or (livery.kind == "warbird" and rng.random() < 0.3):
        c.paint((share < 0.16) & (z > 0.3), np.full(3, 0.07))
    if passengers:
        _cabin_windows(rng, c, plan, z, share)
    elif plan.family == "transport":
        c.paint(
            (np.abs(z - 0.25) < 0.09) & (np.abs(share * 16 % 2 - 1) < 0.12) & (share > 0.2) & (share < 0.7),
            np.asarray(DARK),
        )
    if plan.length < 14 or livery.kind == "military" or rng.random() < 0.3:
        place = rng.uniform(0.6, 0.68) if livery.kind != "military" else rng.uniform(0.12, 0.3)
        middle, tall, _, _ = hull.at(plan.along(place + 0.08))
        ink = np.array(DARK) if livery.base.mean() > 0.3 else np.full(3, 0.9)
        c.glyphs(rng, int(rng.integers(3, 6)), (plan.along(place), float(middle - 0.25 * tall)), float(0.6 * tall), ink)
    if plan.roundel:
        middle, tall, _, _ = hull.at(plan.along(0.74 if plan.family != "delta" else 0.4))
        c.roundel((plan.along(0.74 if plan.family != "delta" else 0.4), float(middle)), 0.6 * float(tall), plan.roundel)
    if plan.family == "fighter" or (plan.family == "delta"):
        c.paint(share < rng.uniform(0.05, 0.09), np.clip(0.55 * livery.base, 0, 1))
    for place in (0.3, 0.5, 0.86):
        c.line(x - plan.along(place), True, np.full(3, 0.1), 0.12)
    surface, finish = c.finish(livery.gloss)
    a.add(surface, BODY, finish)
    spinner = plan.family in ("high wing", "low wing", "biplane") or plan.kind == "floats"
    if not spinner:
        a.keypoint(0, (half, 0, hull.at(half)[0]), BODY)
    a.keypoint(
        1, (-half, 0, hull.at(-half)[0] if plan.family not in ("fighter", "delta") else hull.ceiling(-half)), BODY
    )


def _cabin_windows(rng: np.random.Generator, c: Canvas, plan: AirplanePlan, z: np.ndarray, share: np.ndarray) -> None:
    """A row (or two) of windows, doors, and the airline's name."""
    livery = plan.livery
    ink = np.array([0.1, 0.11, 0.14])
    pitch = max(plan.length / 42, 0.9) / plan.length
    first, last = rng.uniform(0.13, 0.17), rng.uniform(0.82, 0.86)
    rows = [(rng.uniform(0.12, 0.22), first, last)]
    if plan.kind == "jumbo":
        rows.append((0.82, 0.11, 0.28))
    for level, start, end in rows:
        inside = (np.abs(z - level) < 0.085) & (share > start) & (share < end)
        c.paint(inside & (share % pitch < 0.5 * pitch), ink)
    for place in (first - 0.02, 0.36, last + 0.015):
        c.paint((np.abs(share - place) < 0.008) & (np.abs(z + 0.05) < 0.4), ink, 0.3)
    if rng.random() < 0.8:
        color = livery.first if livery.style != "full" else np.full(3, 0.93)
        c.glyphs(rng, int(rng.integers(4, 9)), (plan.along(first + 0.02), 0.34 * plan.high), 0.42 * plan.high, color)


# ---------------------------------------------------------------------------------------------- cockpits and glass


def _window(a: Assembly, plan: AirplanePlan, corners: Numbers, finish: Finish) -> None:
    """A pane on both sides: its corners (x, z) are front low, back low, back high, front high."""
    p = np.asarray(corners, dtype=np.float64)
    s, t = np.linspace(0, 1, 7)[None, :, None], np.linspace(0, 1, 5)[:, None, None]
    xz = (1 - t) * ((1 - s) * p[0] + s * p[1]) + t * ((1 - s) * p[3] + s * p[2])
    y = plan.hull.width(xz[..., 0], xz[..., 1]) + 0.003 * plan.length
    a.add_both(grid(np.stack([xz[..., 0], y, xz[..., 1]], axis=-1)), BODY, finish)


def _windshield(
    a: Assembly, plan: AirplanePlan, low: Scalar, high: Scalar, back: Scalar, panes: Sequence[tuple[Scalar, Scalar]]
) -> None:
    """Panes between two heights, before x = ``back``; each between two angles, 90 at the middle."""
    x = np.linspace(plan.length / 2, back, 80)
    every = np.linspace(0, 90, 46)
    reach = plan.hull.point(back, every)[:, 2]  # how high the panes can be at each angle
    last = float(np.interp(low + 0.06 * (high - low), reach, every))
    for start, end in panes:
        if start < last + 2:
            continue
        angle = np.linspace(start, max(end, last), 9)
        top = np.minimum(high, np.interp(np.minimum(angle, 90), every, reach))
        z = low + np.linspace(0, 1, 5)[:, None] * (top - low)
        place = np.empty((5, 9))
        for k, at in enumerate(angle):
            place[:, k] = np.interp(z[:, k], np.maximum.accumulate(plan.hull.point(x, at)[:, 2]), x)
        a.add_both(grid(plan.hull.point(place, angle, 0.003 * plan.length)), BODY, plan.livery.glass)
    middle = float(np.interp(0.5 * (low + high), np.maximum.accumulate(plan.hull.point(x, 90.0)[:, 2]), x))
    a.keypoint(2, (middle + 0.01 * plan.length, 0, 0.5 * (low + high) + 0.01 * plan.length), BODY)


def _blister(plan: AirplanePlan, front: Scalar, back: Scalar, reach: Scalar) -> Surface:
    """A round-ended glass over the top of the fuselage, reaching down to both sides by an angle."""
    turn = np.arange(28) * (2 * np.pi / 28)
    r = np.linspace(0.02, 1, 6)[:, None]
    x = (front + back) / 2 + (front - back) / 2 * r * np.cos(turn)
    y = reach * r * np.sin(turn)
    return grid(plan.hull.point(x, 90 - y, 0.0022 * plan.length)[:, ::-1], closed=True)


def _canopy(
    a: Assembly,
    plan: AirplanePlan,
    front: Scalar,
    back: Scalar,
    half: Scalar,
    high: Scalar,
    peak: Scalar,
    frames: Sequence[float],
) -> None:
    """A drop of glass on the fuselage, highest at a share ``peak`` of its length from the front."""
    edges = np.array([e for f in frames for e in (f - 0.012, f + 0.012)])
    t = np.unique(np.concatenate([(1 - np.cos(np.linspace(0, np.pi, 15))) / 2, edges]))
    bulge = np.sin(np.pi * t ** (np.log(0.5) / np.log(peak))) ** 0.62
    x = front + (back - front) * t
    base = np.interp(x, [back, front], [plan.hull.ceiling(back), plan.hull.ceiling(front)])
    base = np.minimum(base, np.interp(x, plan.hull.x, plan.hull.top)) - 0.1 * high
    angle = np.arange(20) * (2 * np.pi / 20)
    points = np.empty((len(t), 20, 3))
    points[..., 0] = x[:, None]
    points[..., 1] = (half * bulge + 0.004)[:, None] * np.cos(angle)
    points[..., 2] = base[:, None] + (1.1 * high * bulge + 0.004)[:, None] * np.where(
        np.sin(angle) > 0, 1, 0.25
    ) * np.sin(angle)
    surface = loft(points[::-1])
    row = (len(t) - 2) - np.minimum(np.arange(len(surface.faces)) // 40, len(t) - 2)
    middle = 0.5 * (t[row] + t[row + 1])
    framed = (np.abs(middle[:, None] - np.asarray(frames)) < 0.013).any(axis=1) if len(frames) else row < 0
    a.add(surface, BODY, (plan.livery.glass, plan.livery.plain(0.8 * plan.livery.base)), framed.astype(int))
    k = float(frames[0]) * 0.6 if len(frames) else 0.14
    a.keypoint(2, (front + (back - front) * k, 0, 10 * plan.high), BODY, seen_from=(0, 0, 1))


def add_cockpit(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> None:
    hull, length = plan.hull, plan.length

    def x(share: Scalar) -> float:
        return plan.along(share)

    if plan.kind in ("floats", "boat", "cabin", "light twin") or plan.family == "high wing":
        lo, hi = {"cabin": (0.255, 0.345), "light twin": (0.19, 0.28), "boat": (0.17, 0.26)}.get(
            plan.kind, (0.205, 0.295)
        )
        bottom = hull.ceiling(x(lo)) + 0.03 * plan.high
        top = hull.ceiling(x(hi)) - 0.05 * plan.high
        panes = ((89.0, 28.0),) if rng.random() < 0.5 else ((91.0, 28.0),)
        _windshield(a, plan, bottom, top, x(hi + 0.03), panes)
        sill = bottom + 0.02 * plan.high
        ends = [hi + 0.025, hi + 0.105, hi + 0.115, hi + rng.uniform(0.17, 0.22)]
        if plan.kind == "light twin":
            ends += [ends[-1] + 0.012, ends[-1] + 0.09]
        for k in range(0, len(ends), 2):
            lean = 0.03 if k == 0 else (-0.02 if k == len(ends) - 2 else 0.0)
            head = min(top, hull.ceiling(x(ends[k + 1])) - 0.16 * plan.high)
            corners = [(x(ends[k] - max(lean, 0)), sill), (x(ends[k + 1]), sill + 0.05 * plan.high * (lean < 0)),
                       (x(ends[k + 1] + min(lean, 0)), head), (x(ends[k]), head)]  # fmt: skip
            if head > sill + 0.15 * plan.high:
                _window(a, plan, corners, plan.livery.glass)
    elif plan.family == "low wing":
        front, long = rng.uniform(0.26, 0.32), rng.uniform(0.17, 0.3)
        half = 0.82 * plan.wide
        frames = ([], [0.3], [0.28, 0.6], [0.25, 0.45, 0.65])[rng.integers(4)]
        _canopy(
            a,
            plan,
            x(front),
            x(front + long),
            half,
            rng.uniform(0.55, 0.8) * plan.high,
            rng.uniform(0.36, 0.48),
            frames,
        )
    elif plan.family in ("fighter", "delta"):
        front, long = rng.uniform(0.13, 0.16), rng.uniform(0.17, 0.24)
        half = 0.46 * plan.wide / max(plan.wide / plan.high, 1) * rng.uniform(0.95, 1.15)
        frames = ([0.3], [0.26, 0.6], [0.3])[rng.integers(3)]
        _canopy(
            a,
            plan,
            x(front),
            x(front + long),
            half,
            rng.uniform(0.5, 0.66) * plan.high,
            rng.uniform(0.35, 0.45),
            frames,
        )
    elif plan.family == "glider":
        front, back = rng.uniform(0.035, 0.06), rng.uniform(0.24, 0.3)
        a.add(_blister(plan, x(front), x(back), rng.uniform(62, 78)), BODY, plan.livery.glass)
        a.keypoint(2, (x(front + 0.25 * (back - front)), 0, 10 * plan.high), BODY, seen_from=(0, 0, 1))
    elif plan.family == "biplane":
        _open_cockpits(a, rng, plan)
    else:
        n = 2 * plan.high / length * (2.0 if plan.family == "rear engines" or plan.kind == "executive" else 1.45)
        lo, hi = rng.uniform(0.3, 0.38) * n, rng.uniform(0.62, 0.7) * n
        bottom = hull.ceiling(x(lo))
        top = bottom + min(hull.ceiling(x(hi)) - bottom, rng.uniform(0.28, 0.4) * plan.high)
        edges = ((89.0, 58.0), (56.0, 38.0), (36.0, 24.0)) if plan.length > 14 else ((89.0, 50.0), (48.0, 25.0))
        _windshield(a, plan, bottom, top, x(hi + 0.04 * n), edges)
        if plan.length <= 14 or (plan.livery.kind == "private" and plan.family in ("rear engines", "twin propellers")):
            count, level, tall = int(rng.integers(4, 8)), 0.2 * plan.high, 0.16 * plan.high
            outline = circle(14, (0.3 / count, tall), 3.0)
            for k in range(count):
                middle = 0.2 + 0.4 * (k + 0.5) / count if plan.length < 20 else 0.17 + 0.5 * (k + 0.5) / count
                r = np.linspace(0.02, 1, 2)[:, None]
                px = x(middle) - r * outline[:, 0] * 0.4 * length * 0.6
                pz = level + r * outline[:, 1]
                y = hull.width(px, pz) + 0.0016 * length
                a.add_both(grid(np.stack([px, y, pz], axis=-1)[:, ::-1], closed=True), BODY, plan.livery.glass)


def _open_cockpits(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> None:
    """One or two holes with a padded rim and a small windscreen each."""
    hull = plan.hull
    dark, pad = materials.plain((0.03, 0.03, 0.03), 0.02, 4), materials.leather(rng)
    places = [0.5] if rng.random() < 0.4 else [0.36, 0.52]
    size, half = 0.045 * plan.length, 0.52 * plan.wide
    for k, place in enumerate(places):
        x = plan.along(place)
        turn = np.arange(20) * (2 * np.pi / 20)
        r = np.linspace(0.02, 1, 4)[:, None]
        px, py = x + size * r * np.cos(turn), half * r * np.sin(turn)

        def on_top(px: np.ndarray, py: np.ndarray, lift: Scalar) -> np.ndarray:
            middle, high, wide, power = hull.at(px)
            z = middle + high * np.clip(1 - np.abs(py / wide) ** power, 0, 1) ** (1 / power)
            return np.stack([px, py, z + lift], axis=-1)

        a.add(grid(on_top(px, py, 0.002 * plan.length)[:, ::-1], closed=True), BODY, dark)
        rim = on_top(px[-1], py[-1], 0.0)
        a.add(tube(np.concatenate([rim, rim[:2]]), 0.006 * plan.length, 6), BODY, pad)
        s = np.linspace(-1, 1, 7)
        foot = on_top(x + 1.15 * size - 0.3 * size * s**2, 0.8 * half * s, 0.0)
        head = (
            foot * [1, 0.75, 1]
            + np.array([-0.35 * size, 0, 0.0])
            + np.outer(1 - 0.3 * s**2, [0, 0, 0.05 * plan.length])
        )
        sheet = np.stack([foot - [0, 0, 0.02], 0.5 * (foot + head), head])
        both = np.concatenate([sheet, (sheet - [0.015, 0, 0.0])[:, ::-1]], axis=1)
        a.add(loft(both), BODY, plan.livery.glass)
        if k == 0:
            a.keypoint(2, 0.5 * (foot[3] + head[3]), BODY)
    head_x = plan.along(places[-1]) - 1.2 * size
    rest = hull.ceiling(head_x)
    fairing = panel(
        (head_x, 0, rest - 0.1),
        (0, 0, 1),
        0.035 * plan.length + 0.1,
        (0.16 * plan.length, 0.06 * plan.length),
        20,
        0.3,
        "round",
    )
    a.add(fairing.surface(), BODY, plan.livery.plain(plan.livery.base))
