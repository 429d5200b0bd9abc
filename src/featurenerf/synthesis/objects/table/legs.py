"""What a table stands on: legs and their stretchers, columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.shapes import (
    Numbers,
    Scalar,
    Surface,
    box,
    curve,
    fillet,
    join,
    loft,
    revolve,
    rotation,
    rounded_rectangle,
    sweep,
    tube,
)
from featurenerf.synthesis.objects.table.plans import LEG, STRETCHER, TOP, TablePlan
from featurenerf.synthesis.objects.table.tops import add_corners, bar


def mark_tips(a: Assembly, front: Numbers, back: Numbers | None = None) -> None:
    """Name the left and right legs' ends, on their outer sides just above the floor."""
    front = np.asarray(front, dtype=np.float64)
    back = front * [-1, 1, 1] if back is None else np.asarray(back, dtype=np.float64)
    for first, tip in ((9, front), (11, back)):
        a.keypoint_both(first, first + 1, tip + np.array([np.copysign(0.06, tip[0]), 0.06, 0.016]), LEG)


def _turned(rng: np.random.Generator, top: np.ndarray, tip: np.ndarray, thick: Scalar) -> Surface:
    """A leg off the lathe: rings and a belly, a square block above if it stands upright."""
    knots = [(0.0, 0.9), (0.05, 0.6), (0.09, 1.0), (0.13, 0.62), (0.2, rng.uniform(0.6, 0.9)),
             (rng.uniform(0.3, 0.5), rng.uniform(0.85, 1.15)), (0.68, rng.uniform(0.45, 0.65)), (0.78, 0.5),
             (0.82, 0.85), (0.86, 0.52), (0.92, rng.uniform(0.6, 0.9)), (1.0, rng.uniform(0.35, 0.6))]  # fmt: skip
    t, radius = curve(knots, 34).T
    block = 0.0
    if np.linalg.norm((top - tip)[:2]) < 1e-6:
        block = min(rng.uniform(0.1, 0.18), 0.3 * (top[2] - tip[2]))
    start = top - np.array([0, 0, block])
    spindle = tube(start + np.clip(t, 0, 1)[:, None] * (tip - start), thick / 2 * radius, 12)
    if not block:
        return spindle
    return join(spindle, box((thick, thick, block + 0.004), 0.003).move(top - [0, 0, block / 2]))


def leg_shape(
    rng: np.random.Generator, plan: TablePlan, thick: Scalar, kind: str | None = None
) -> Callable[[np.ndarray, np.ndarray], Surface]:
    """One leg's shape, from its top to its tip, for the front left corner; ``thick`` is its width."""
    wooden = plan.legs.material.texture is not None
    kinds = ["square", "round", "turned", "cabriole", "sabre", "tube", "hairpin", "angle"]
    kind = kind or str(
        rng.choice(kinds, p=[0.27, 0.2, 0.23, 0.13, 0.12, 0.05, 0, 0] if wooden else [0.3, 0.1, 0, 0, 0, 0.3, 0.2, 0.1])
    )
    slim = rng.uniform(0.4, 1.0)
    bow = rng.uniform(0.03, 0.06)
    turner = int(rng.integers(1 << 30))

    def shape(top: np.ndarray, tip: np.ndarray) -> Surface:
        if kind == "square":
            size = np.array([1.0, slim if plan.kind == "rectangle" else 1.0])
            return sweep([top, tip], rounded_rectangle(1, 1, 0.08, 1), thick * size, up=(1, 0, 0))
        if kind == "turned":
            return _turned(np.random.default_rng(turner), top, tip, 1.15 * thick)
        if kind in ("round", "tube"):
            size = thick / 2 * np.array([1, 0.45 if kind == "round" else 1])
            return tube([top, tip], 0.65 * size if kind == "tube" else size, 14)
        if kind == "angle":
            profile = np.array([(1, 1), (-1, 1), (-1, 0.72), (0.72, 0.72), (0.72, -1), (1, -1)])
            return sweep([top, tip], profile * thick / 2, up=(1, 0, 0))
        if kind == "hairpin":
            side = np.array([0.06, -0.06, 0.0])
            foot = tip + np.array([0, 0, 0.006])
            pad = box((0.12, 0.12, 0.006)).move(top - [0, 0, 0.003])
            return join(pad, tube(fillet([top - side, foot, top + side], 0.04), 0.0065, 7))
        t = np.linspace(0, 1, 15)
        outward = np.sign(tip) * [1, 1, 0] / 2**0.5
        if kind == "cabriole":
            sway = np.interp(t, *np.array([(0, 0.1), (0.15, 1.0), (0.5, 0.1), (0.8, -0.5), (0.93, -0.1), (1, 0.4)]).T)
            size = np.interp(t, *np.array([(0, 1.0), (0.15, 1.15), (0.5, 0.75), (0.8, 0.5), (0.92, 0.6), (1, 0.8)]).T)
        else:
            sway = np.interp(t, [0, 0.35, 0.7, 1], [0, -0.6, -0.6, 0.5])
            size = np.linspace(1.0, 0.7 * slim, 15)
        smooth = np.convolve(np.pad(sway, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
        path = top + t[:, None] * (tip - top) + bow * smooth[:, None] * outward
        return sweep(path, rounded_rectangle(1, 1, 0.35, 2), thick * size, up=(1, 0, 0))

    return shape


def placed(shape: Callable[[np.ndarray, np.ndarray], Surface], at: Numbers, height: Scalar) -> Surface:
    """An upright leg on the left, at the front (x > 0) or at the back."""
    spot = np.append(at, height)
    leg = shape(np.abs(spot), np.abs(spot) * [1, 1, 0])
    return leg if spot[0] > 0 else leg.turn(rotation("z", 180)).mirror()


def add_four_legs(
    a: Assembly,
    rng: np.random.Generator,
    plan: TablePlan,
    top: Numbers,
    splay: Numbers = (0.0, 0.0),
    thick: Scalar = 0.06,
    kind: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Four legs; returns the front left one's top and tip."""
    start = np.append(np.asarray(top, dtype=np.float64), plan.under + 0.004)
    tip = np.append(start[:2] + splay, 0.0)
    add_corners(a, leg_shape(rng, plan, thick, kind)(start, tip), LEG, plan.legs)
    mark_tips(a, tip)
    return start, tip


def add_stretchers(
    a: Assembly, rng: np.random.Generator, plan: TablePlan, top: np.ndarray, tip: np.ndarray, kind: str, at: Scalar
) -> None:
    """Bars between four legs: "h", "box" or "x", ``at`` from the legs' tops (0) to their tips (1)."""
    p = top + at * (tip - top)
    size = (rng.uniform(0.018, 0.03), rng.uniform(0.022, 0.05))
    x, y, z = p.tolist()
    middle: list[Scalar] = [0, 0, z]
    if kind in ("h", "box"):
        a.add_both(bar((x, y, z), (-x, y, z), size), STRETCHER, plan.legs)
    if kind == "h":
        a.add(bar((0, y, z), (0, -y, z), size), STRETCHER, plan.legs)
    elif kind == "box":
        for side in (-x, x):
            a.add(bar((side, y, z), (side, -y, z), size), STRETCHER, plan.legs)
        middle[0] = x
    else:
        a.add(bar((x, y, z), (-x, -y, z), size), STRETCHER, plan.legs)
        a.add(bar((x, -y, z), (-x, y, z), size), STRETCHER, plan.legs)
    a.keypoint(14, middle, STRETCHER, seen_from=(0, 0, 1))


def add_column(a: Assembly, rng: np.random.Generator, plan: TablePlan, kind: str) -> None:
    """One foot for the whole table, or two side by side."""
    under, legs = plan.under + 0.003, plan.legs
    reach = min(plan.depth, plan.width) * rng.uniform(0.28, 0.4)
    stem = rng.uniform(0.03, 0.07)
    if kind != "double":
        a.keypoint(13, (0, 0, 0.55 * under), LEG, seen_from=(1, 0, 0))
    if kind == "tulip":
        neck = rng.uniform(0.3, 0.55)
        profile = [(0.9 * reach, 0.0), (0.9 * reach, 0.006), (0.8 * reach, 0.014), (0.35 * reach, 0.05),
                   (1.3 * stem, 0.16 * under), (0.75 * stem, neck * under), (1.2 * stem, 0.85 * under),
                   (0.5 * reach, under)]  # fmt: skip
        shape = np.concatenate([profile[:1], curve(profile[1:], 28)])
        a.add(revolve(shape, 32), LEG, legs)
        _mark_rim(a, 0.9 * reach)
    elif kind == "disc":
        rim = 0.012 + rng.uniform(0, 0.03)
        base = [(reach, 0.0), (reach, rim), (0.9 * reach, rim + 0.01), (stem, rim + rng.uniform(0.012, 0.05))]
        square = rng.random() < 0.3
        if square:
            a.add(box((1.7 * reach, 1.7 * reach, rim + 0.02), 0.006).move([0, 0, rim / 2 + 0.01]), LEG, legs)
            mark_tips(a, (0.85 * reach, 0.85 * reach, 0.0))
        else:
            a.add(revolve(base, 36), LEG, legs)
            _mark_rim(a, reach)
        a.add(tube([(0, 0, 0.01), (0, 0, under)], 0.6 * stem, 16), LEG, legs)
        a.add(
            revolve([(0.6 * stem, under - 0.05), (0.45 * reach, under - 0.012), (0.45 * reach, under)], 24), LEG, legs
        )
    elif kind == "claw":
        knots = [(0.9, 0.2), (1.1, 0.3), (0.7, 0.36), (1.0, 0.42), (rng.uniform(0.9, 1.5), 0.52), (0.6, 0.72),
                 (0.55, 0.8), (1.0, 0.86), (0.7, 0.9), (1.6, 1.0)]  # fmt: skip
        a.add(revolve(curve(np.asarray(knots) * [stem, under], 36), 20), LEG, legs)
        a.add(box((0.9 * reach, 0.9 * reach, 0.025), 0.005).move([0, 0, under - 0.0125]), TOP, plan.frame)
        four = rng.random() < 0.55
        thick = rng.uniform(0.024, 0.04)
        spring = rng.uniform(0.24, 0.34) * under
        path = curve([(0.4 * stem, 0, spring), (0.35 * reach, 0, spring + 0.02), (0.75 * reach, 0, 0.11 * under),
                      (1.05 * reach, 0, thick * 0.55), (1.15 * reach, 0, thick * 0.6)], 15)  # fmt: skip
        foot = sweep(path, rounded_rectangle(1, 1.5, 0.4, 2), thick * np.linspace(1.25, 0.75, 15))
        for turn in (45, -45, 135, -135) if four else (60, -60, 180):
            a.add(foot.turn(rotation("z", turn)), LEG, legs)
        tips = [rotation("z", turn) @ [1.15 * reach, 0, 0] for turn in ((45, 135) if four else (60, 60))]
        if four:
            mark_tips(a, tips[0], tips[1])
        else:
            a.keypoint_both(9, 10, tips[0] + [0.02, 0.06, 0.016], LEG)
    elif kind == "cross":
        post = rng.uniform(0.07, 0.13)
        a.add(box((post, post, under - 0.05), 0.006).move([0, 0, under / 2 + 0.025]), LEG, legs)
        tall = rng.uniform(0.05, 0.08)
        for turn in (45, -45):
            spin = rotation("z", turn)
            rocker = box((2.4 * reach, 0.07, tall), 0.01, (8, 1, 1))
            sole = rocker.lift(0.35 * tall * (1 - (rocker.vertices[:, 0] / (1.2 * reach)) ** 2))
            a.add(sole.move([0, 0, tall / 2]).turn(spin), LEG, legs)
            a.add(box((1.6 * reach, 0.06, 0.05), 0.01).move([0, 0, under - 0.025]).turn(spin), LEG, legs)
        out = 1.2 * reach / 2**0.5
        mark_tips(a, (out, out, 0.0))
    elif kind == "drum":
        waist, flutes = rng.uniform(0.6, 1.0), int(rng.choice([0, 12, 20, 24]))
        t = np.linspace(0, 1, 15)
        radius = reach * (waist + (1 - waist) * np.abs(2 * t - 1) ** 1.6) * np.where((t == 0) | (t == 1), 0.97, 1)
        angle = np.arange(96 if flutes else 40) * (2 * np.pi / (96 if flutes else 40))
        ripple = 1 + (0.035 * np.cos(flutes * angle) if flutes else 0 * angle)
        rings = np.empty((15, len(angle), 3))
        rings[..., 0] = radius[:, None] * ripple * np.cos(angle)
        rings[..., 1] = radius[:, None] * ripple * np.sin(angle)
        rings[..., 2] = (t * under)[:, None]
        a.add(loft(rings), LEG, legs)
        _mark_rim(a, reach)
    else:
        _double(a, rng, plan)


def _mark_rim(a: Assembly, radius: Scalar) -> None:
    """Name a round foot's rim as if it were four legs' tips."""
    mark_tips(a, (radius * 0.7071, radius * 0.7071, 0.0))


def _double(a: Assembly, rng: np.random.Generator, plan: TablePlan) -> None:
    """Two columns on two feet each, and a beam between them."""
    under, legs = plan.under + 0.003, plan.legs
    y, reach = plan.width * rng.uniform(0.24, 0.33), plan.depth * rng.uniform(0.36, 0.44)
    thick = rng.uniform(0.05, 0.08)
    stem = rng.uniform(0.05, 0.08)
    if rng.random() < 0.5:
        shape = _turned(rng, np.array([0.0, y, under]), np.array([0.0, y, 0.04]), 2.2 * stem)
    else:
        shape = box((1.6 * stem, stem, under - 0.04), 0.006).move([0, y, under / 2 + 0.02])
    a.add_both(shape, LEG, legs)
    path = curve(
        [(-reach, y, 0.03), (-0.5 * reach, y, 0.07), (0, y, 0.13), (0.5 * reach, y, 0.07), (reach, y, 0.03)], 21
    )
    a.add_both(sweep(path, rounded_rectangle(1, 0.8, 0.3, 2), thick), LEG, legs)
    a.add_both(box((1.6 * reach, thick, 0.045), 0.006).move([0, y, under - 0.0225]), LEG, legs)
    mark_tips(a, (reach, y, 0.0))
    if rng.random() < 0.75:
        z = rng.uniform(0.15, 0.3) * under
        a.add(bar((0, y, z), (0, -y, z), (0.03, rng.uniform(0.05, 0.1))), STRETCHER, legs)
        a.keypoint(14, (0, 0, z), STRETCHER, seen_from=(0, 0, 1))
