"""What a chair stands on: legs, a star, a column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.chair.plans import LEG, ChairPlan
from featurenerf.synthesis.objects.shapes import (
    Scalar,
    Surface,
    box,
    circle,
    fillet,
    revolve,
    rotation,
    rounded_rectangle,
    slab,
    sweep,
    tube,
)


def mark_tip(a: Assembly, left: int, tip: np.ndarray) -> None:
    """Name a leg's end, on its outer side just above the floor, where it can be seen from above."""
    a.keypoint_both(left, left + 1, tip + np.array([np.copysign(0.05, tip[0]), 0.05, 0.014]), LEG)


def leg_shape(rng: np.random.Generator, wooden: bool) -> Callable[[np.ndarray, np.ndarray], Surface]:
    """One leg's shape, from its top to its tip."""
    kind = str(
        rng.choice(
            ["square", "round", "turned", "sabre", "tube", "hairpin"],
            p=[0.3, 0.22, 0.13, 0.12, 0.15, 0.08] if wooden else [0.1, 0.1, 0.0, 0.05, 0.6, 0.15],
        )
    )
    thick = rng.uniform(0.016, 0.03)
    slim = rng.uniform(0.4, 1.0)
    bumps = 0.55 + 0.45 * np.abs(np.sin(np.cumsum(rng.uniform(0.3, 1.0, 17))))
    bow = rng.uniform(0.02, 0.06)

    def shape(top: np.ndarray, tip: np.ndarray) -> Surface:
        t = np.linspace(0, 1, 2)[:, None]
        line = top * (1 - t) + tip * t
        if kind == "square":
            return sweep(line, rounded_rectangle(2, 2, 0.15, 1), [thick, thick * slim], up=(1, 0, 0))
        if kind == "round":
            t = np.linspace(0, 1, 5)[:, None]
            return tube(top * (1 - t) + tip * t, thick * (1 - (1 - slim) * np.linspace(0, 1, 5)), 10)
        if kind == "turned":
            t = np.linspace(0, 1, 17)[:, None]
            return tube(top * (1 - t) + tip * t, thick * 1.15 * bumps, 10)
        if kind == "sabre":
            t = np.linspace(0, 1, 9)[:, None]
            out = np.array([np.sign(tip[0]), 0.4 * np.sign(tip[1]), 0.0]) * bow
            bent = top * (1 - t) + tip * t - out * np.sin(np.pi * t) + out * np.clip(t - 0.5, 0, 1) * 0
            return sweep(bent, rounded_rectangle(2, 2, 0.3, 1), thick * np.linspace(1.1, 0.9 * slim, 9), up=(1, 0, 0))
        if kind == "tube":
            return tube(line, thick * 0.6, 8)
        side = np.array([0.05, 0, 0]) * np.sign(top[0])
        return tube(fillet([top - side, tip, top + side * 0.3], 0.03), 0.006, 6)

    return shape


def add_legs(
    a: Assembly,
    rng: np.random.Generator,
    plan: ChairPlan,
    under: Scalar,
    x: tuple[Scalar, Scalar],
    y: Scalar,
    spread: tuple[Scalar, Scalar, Scalar],
) -> None:
    """Four legs.

    Args:
        under: height of the seat's underside.
        x: of the back and front legs' tops. y: of the left legs' tops.
        spread: how far the tips stand out from the tops: back, front, sideways.
    """
    shape = leg_shape(rng, plan.legs.material.texture is not None)
    tops, tips = [], []
    for k, (xt, out) in enumerate(((x[1], spread[1]), (x[0], -spread[0]))):
        top, tip = np.array([xt, y, under + 0.01]), np.array([xt + out, y + spread[2], 0.0])
        a.add_both(shape(top, tip), LEG, plan.legs)
        mark_tip(a, 8 + 2 * k, tip)
        tops.append(top)
        tips.append(tip)
    _stretchers(a, rng, plan, tops, tips)


def add_four_legs(a: Assembly, rng: np.random.Generator, plan: ChairPlan, under: Scalar) -> None:
    """Four legs, splayed by chance, under a seat's corners."""
    splay = rng.choice([0.0, rng.uniform(0.0, 0.12)])
    inset = rng.uniform(0.03, 0.06) + 0.5 * splay
    x = plan.depth / 2 - inset
    rake = splay + rng.choice([0.0, rng.uniform(0, 0.08)])
    add_legs(a, rng, plan, under, (-x, x), plan.width / 2 - inset, (rake, splay * rng.uniform(0.3, 1), splay))


def _stretchers(
    a: Assembly, rng: np.random.Generator, plan: ChairPlan, tops: list[np.ndarray], tips: list[np.ndarray]
) -> None:
    kind = rng.choice(["none", "box", "h", "front"], p=[0.5, 0.2, 0.2, 0.1])
    if kind == "none":
        return
    t = rng.uniform(0.45, 0.85)
    front, back = (tops[k] * (1 - t) + tips[k] * t for k in (0, 1))
    flip = np.array([1.0, -1.0, 1.0])
    thick = rng.uniform(0.007, 0.013)

    def bar(start: np.ndarray, end: np.ndarray) -> Surface:
        return sweep([start, end], circle(8) if thick < 0.01 else rounded_rectangle(2, 3, 0.2, 1), thick)

    if kind in ("box", "h"):
        a.add_both(bar(front, back), LEG, plan.legs)
    if kind == "h":
        middle = (front + back) / 2
        a.add(bar(middle, middle * flip), LEG, plan.legs)
    if kind in ("box", "front"):
        a.add(bar(front, front * flip), LEG, plan.legs)
    if kind == "box":
        a.add(bar(back, back * flip), LEG, plan.legs)


def add_star(a: Assembly, rng: np.random.Generator, plan: ChairPlan, under: Scalar) -> None:
    """A column on four or five arms with casters or glides."""
    count = 5 if rng.random() < 0.8 else 4
    reach = rng.uniform(0.26, 0.34) * max(1.0, plan.width / 0.55)
    casters = rng.random() < 0.75
    foot = 0.055 if casters else 0.0
    rise = rng.uniform(0.02, 0.07)
    black = materials.plain((0.05, 0.05, 0.055), 0.3, 20)
    metal = plan.legs if rng.random() < 0.6 else black
    turn = rng.choice([0.0, 180.0 / count])  # the bounding box stays centred on the plane of symmetry
    swivel = rng.uniform(0, 360)
    spoke = sweep(
        np.array([[0.02, 0, foot + rise + 0.03], [0.5 * reach, 0, foot + 0.6 * rise + 0.03], [reach, 0, foot + 0.022]]),
        rounded_rectangle(2, 1.6, 0.5, 2),
        np.linspace(0.028, rng.uniform(0.012, 0.022), 3),
    )
    wheel = revolve([(0.022, -0.022), (0.028, -0.014), (0.028, 0.014), (0.022, 0.022)], 12).turn(rotation("x", 90))
    for k in range(count):
        spin = rotation("z", turn + 360.0 * k / count)
        a.add(spoke.turn(spin), LEG, metal)
        if casters:
            roll = rotation("z", swivel if spin[1, 0] >= 0 else -swivel)
            a.add(wheel.turn(roll).move(spin @ [reach, 0, 0.028]), LEG, black)
            a.add(box((0.03, 0.016, 0.03), 0.005).turn(roll).move(spin @ [reach, 0, 0.05]), LEG, black)
    hub, stem = rng.uniform(0.035, 0.05), rng.uniform(0.014, 0.024)
    top = foot + rise + 0.055
    a.add(
        revolve(
            [
                (hub * 0.8, foot + rise - 0.01),
                (hub, foot + rise + 0.04),
                (stem * 1.6, top + 0.01),
                (stem * 1.6, 0.55 * top + 0.45 * under),
                (stem, 0.55 * top + 0.45 * under),
                (stem, under - 0.02),
            ],
            14,
        ),
        LEG,
        metal,
    )
    a.add(box((0.2, 0.18, 0.035), 0.01).move([0, 0, under - 0.012]), LEG, black)
    a.keypoint(19, (0, 0, (top + under) / 2), LEG, seen_from=(1, 0, 0))


def add_column(a: Assembly, rng: np.random.Generator, plan: ChairPlan, under: Scalar) -> None:
    """A trumpet, or a column on a round or square plate."""
    radius = rng.uniform(0.19, 0.27)
    stem = rng.uniform(0.018, 0.04)
    kind = rng.choice(["trumpet", "plate", "square"])
    if kind == "trumpet":
        t = np.linspace(0, 1, 12)
        r = stem + (radius - stem) * (1 - t) ** rng.uniform(4, 8) + 0.6 * stem * t**6
        a.add(
            revolve(
                np.stack([np.concatenate([[radius], r]), np.concatenate([[0], 0.012 + (under - 0.012) * t])], -1), 24
            ),
            LEG,
            plan.legs,
        )
    else:
        plate = circle(28, radius) if kind == "plate" else rounded_rectangle(2 * radius, 2 * radius, 0.02)
        a.add(slab(plate, 0.02, 0.006, 0.012 if kind == "plate" else 0.0).move([0, 0, 0.02]), LEG, plan.legs)
        a.add(revolve([(stem, 0.015), (stem, under), (2.5 * stem, under + 0.005)], 16), LEG, plan.legs)
        if plan.height > 0.58 and rng.random() < 0.8:
            ring = circle(20, 0.17)
            path = np.concatenate([ring, ring[:1]])
            z = under * 0.4
            a.add(tube(np.column_stack([path, np.full(len(path), z)]), 0.009, 6), LEG, plan.legs)
            a.add(tube([(0, 0, z), (0.17, 0, z)], 0.009, 6), LEG, plan.legs)
    a.keypoint(19, (0, 0, under / 2), LEG, seen_from=(1, 0, 0))
