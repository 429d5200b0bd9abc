"""Families to sit round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.shapes import (
    Scalar,
    box,
    circle,
    fillet,
    rotation,
    rounded_rectangle,
    slab,
    sweep,
    tube,
)
from featurenerf.synthesis.objects.table.legs import add_column, add_four_legs, add_stretchers, leg_shape, mark_tips
from featurenerf.synthesis.objects.table.plans import BENCH, LEG, STRETCHER, TOP, draw_plan
from featurenerf.synthesis.objects.table.tops import add_apron, add_corners, add_top, bar, mark_top


def dining_table(a: Assembly, rng: np.random.Generator) -> None:
    """Four legs, an apron, maybe stretchers."""
    plan = draw_plan(
        rng, (0.7, 0.78), (0.75, 1.1), (0.85, 2.2), "rectangle rectangle rectangle rounded oval round boat super"
    )
    add_top(a, rng, plan)
    thick = rng.uniform(0.045, 0.09)
    apron = rng.random() < 0.75
    splay = 0.0 if apron and rng.random() < 0.7 else rng.uniform(0.02, 0.12)
    leg = plan.corner - thick / 2 - rng.uniform(0.01, 0.05) - 0.6 * splay
    if apron:
        add_apron(a, rng, plan, rng.uniform(0.06, 0.11), leg)
    top, tip = add_four_legs(a, rng, plan, leg, (splay, splay), thick)
    if rng.random() < 0.35:
        add_stretchers(a, rng, plan, top, tip, str(rng.choice(["h", "box", "x"])), rng.uniform(0.7, 0.88))


def pedestal_table(a: Assembly, rng: np.random.Generator) -> None:
    """On a column, or on two."""
    kind = str(rng.choice(["tulip", "claw", "disc", "cross", "double", "drum"], p=[0.2, 0.25, 0.15, 0.15, 0.15, 0.1]))
    low = rng.random() < 0.2
    plan = draw_plan(
        rng,
        (0.42, 0.55) if low else (0.68, 0.78),
        (0.7, 1.05),
        (1.4, 2.2) if kind == "double" else (0.45, 0.65) if low else (0.6, 1.3),
        "rectangle oval boat stadium" if kind == "double" else "round round round octagon super oval",
    )
    add_top(a, rng, plan)
    if rng.random() < 0.3 and kind != "double":
        add_apron(a, rng, plan, rng.uniform(0.04, 0.09), 0.8 * plan.corner)
    add_column(a, rng, plan, kind)


def trestle_table(a: Assembly, rng: np.random.Generator) -> None:
    """On a trestle at either end."""
    kind = str(rng.choice(["horse", "plank", "x", "u"], p=[0.3, 0.3, 0.2, 0.2]))
    plan = draw_plan(rng, (0.7, 0.78), (0.65, 0.95), (1.3, 2.2), "rectangle rectangle rounded", (0.022, 0.055))
    add_top(a, rng, plan)
    under, legs = plan.under + 0.003, plan.legs
    y, x = plan.width * rng.uniform(0.28, 0.4), plan.depth * rng.uniform(0.36, 0.46)
    thick = rng.uniform(0.035, 0.06)
    beam = rng.uniform(0.2, 0.75) * under
    if kind == "horse":
        lean = rng.uniform(0.06, 0.14)
        a.add_both(box((1.7 * x, 1.6 * thick, 0.06), 0.005).move([0, y, under - 0.03]), LEG, legs)
        for side in (-1, 1):
            for out in (-1, 1):
                leg = [(out * 0.45 * x, y + side * 0.01, under - 0.03), (out * x, y + side * lean, 0.0)]
                a.add_both(sweep(leg, rounded_rectangle(1, 1, 0.1, 1), [thick, 0.7 * thick], (1, 0, 0)), LEG, legs)
            low = rng.uniform(0.25, 0.4)
            cross = (x * (1 - 0.55 * low), y + side * lean * (1 - low), low * under)
            a.add_both(bar(cross, np.array(cross) * [-1, 1, 1], (0.02, 0.05)), STRETCHER, legs)
        mark_tips(a, (x, y + lean, 0.0))
        return
    if kind == "plank":
        board = rng.uniform(0.18, 0.4) * plan.depth
        t = np.linspace(0, 1, 17)
        shape = 1 + rng.uniform(-0.3, 0.3) * np.sin(np.pi * t) + rng.uniform(0, 0.2) * np.cos(4 * np.pi * t)
        path = np.stack([0 * t, 0 * t + y, 0.06 + t * (under - 0.1)], -1)
        size = np.stack([np.full(17, thick), board * shape], -1)
        a.add_both(sweep(path, rounded_rectangle(1, 1, 0.1, 1), size, up=(1, 0, 0)), LEG, legs)
        a.add_both(box((2 * x, 1.7 * thick, 0.07), 0.015, (1, 1, 1), 2).move([0, y, 0.035]), LEG, legs)
        a.add_both(box((1.8 * x, 1.5 * thick, 0.06), 0.01).move([0, y, under - 0.03]), LEG, legs)
    elif kind == "x":
        flat = rounded_rectangle(1, 1, 0.1, 1) * [thick, 1.6 * thick]
        for side in (-1, 1):
            way = [(-side * 0.85 * x, y + side * 0.3 * thick, under), (side * x, y + side * 0.3 * thick, 0.0)]
            a.add_both(sweep(way, flat, up=(1, 0, 0)), LEG, legs)
        beam = 0.5 * under
    else:
        square = rounded_rectangle(1, 1, 0.1, 1) * [rng.uniform(1.0, 2.4) * thick, 0.6 * thick]
        waist = rng.choice([1.0, rng.uniform(0.5, 0.85)])
        half = 0.3 * thick
        frame = [(0, y, under - half), (waist * x, y, under - half), (x, y, half), (-x, y, half),
                 (-waist * x, y, under - half), (0, y, under - half)]  # fmt: skip
        path = fillet(frame, 0.02, 3)
        a.add_both(sweep(path, square, up=(0, -1, 0)), LEG, legs)
        if rng.random() < 0.5:
            beam = under - 0.06
    mark_tips(a, (x, y, 0.0))
    if kind == "u" and rng.random() < 0.4:
        return
    a.add(bar((0, y, beam), (0, -y, beam), (0.7 * thick, 1.6 * thick)), STRETCHER, legs)
    a.keypoint(14, (0, 0, beam), STRETCHER, seen_from=(1, 0, 0))


def picnic_table(a: Assembly, rng: np.random.Generator) -> None:
    """With a bench at either side."""
    plan = draw_plan(rng, (0.72, 0.78), (0.65, 0.8), (1.3, 2.0), "rectangle", (0.03, 0.045))
    board = materials.any_of(rng, (0.7, materials.wood), (0.3, materials.painted))
    steel = rng.random() < 0.3
    frame = materials.metal(rng) if steel else board
    d, w, h, t = plan.depth, plan.width, plan.height, plan.thick
    seat, out = rng.uniform(0.42, 0.47), d / 2 + rng.uniform(0.22, 0.32)

    def planks(middle: Scalar, across: Scalar, z: Scalar, count: int, part: int) -> None:
        for x in (np.arange(count) + 0.5) * across / count - across / 2 + middle:
            a.add(box((across / count - 0.012, w, t), 0.005).move([x, 0, z - t / 2]), part, board)

    planks(0, d, h, int(rng.integers(5, 7)), TOP)
    deep = rng.uniform(0.24, 0.3)
    for side in (-1, 1):
        planks(side * out, deep, seat, 2, BENCH)
        a.keypoint(18 if side > 0 else 19, (side * (out + 0.25 * deep), 0, seat), BENCH, seen_from=(0, 0, 1))
    y = w * rng.uniform(0.27, 0.36)
    a.add_both(bar((-0.46 * d, y, h - t - 0.045), (0.46 * d, y, h - t - 0.045), (0.045, 0.09)), LEG, frame)
    a.add_both(bar((-out - 0.4 * deep, y, seat - t - 0.045), (out + 0.4 * deep, y, seat - t - 0.045), (0.045, 0.09)),
               STRETCHER, frame)  # fmt: skip
    tip = np.array([out - rng.uniform(0.0, 0.1), y + 0.045, 0.0])
    start = np.array([0.28 * d, y + 0.045, h - t])
    leg = tube([start, tip], 0.028, 12) if steel else bar(start, tip, (0.045, 0.095), 0.05)
    add_corners(a, leg, LEG, frame)
    mark_tips(a, tip)
    if rng.random() < 0.6:
        a.add_both(bar((0, y - 0.02, seat - t - 0.04), (0, 0.08, h - t - 0.02), (0.04, 0.08)), STRETCHER, frame)
    mark_top(a, plan)


def drop_leaf_table(a: Assembly, rng: np.random.Generator) -> None:
    """Leaves hang from the sides of a narrow top."""
    plan = draw_plan(rng, (0.7, 0.76), (0.7, 1.0), (1.0, 1.7), "rectangle")
    h, d, t = plan.height, plan.depth, plan.thick
    is_open = rng.random() < 0.4
    long = min(rng.uniform(0.3, 0.55), h - 0.15)
    middle = rng.uniform(0.3, 0.7)
    power = rng.choice([2.0, rng.uniform(2.5, 4.0), 12.0])
    angle = np.linspace(0, np.pi, 27)
    c, s = np.cos(angle), np.sin(angle)
    leaf = np.stack([np.sign(c) * np.abs(c) ** (2 / power) * d / 2, long * np.abs(s) ** (2 / power)], -1)
    if power > 10:
        leaf = rounded_rectangle(d, long, 0.04) + np.array([0, long / 2])
    wing = slab(leaf, t, 0.2 * t)
    wing = wing.move([0, middle / 2 + 0.002, h]) if is_open else wing.turn(rotation("x", -90)).move(
        [0, middle / 2 + t + 0.003, h - 0.004])  # fmt: skip
    a.add(slab(rounded_rectangle(d, middle, 0.003), t, 0.1 * t).move([0, 0, h]), TOP, plan.top)
    a.add_both(wing, TOP, plan.top)
    half = middle / 2
    thick = rng.uniform(0.04, 0.06)
    leg = np.array([d / 2 - thick, half - thick / 2 - 0.01])
    inner = replace(plan, width=middle, outline=rounded_rectangle(d, middle, 0.003))
    add_apron(a, rng, inner, rng.uniform(0.08, 0.12), leg)
    kind = str(rng.choice(["turned", "square", "round"], p=[0.6, 0.25, 0.15]))
    top, tip = add_four_legs(a, rng, inner, leg, (0, 0), thick, kind)
    add_stretchers(a, rng, inner, top, tip, "box", 0.85)
    if is_open:
        gate = leg_shape(rng, plan, 0.8 * thick, kind)
        y = half + 0.55 * long
        under = plan.under + 0.002
        a.add_both(gate(np.array([0.0, y, under]), np.array([0.0, y, 0.0])), LEG, plan.legs)
        for z in (0.85 * under, 0.18 * under):
            a.add_both(bar((0, y, z), (0.7 * leg[0], leg[1], z), (0.02, 0.04)), STRETCHER, plan.legs)
        wide = replace(plan, width=middle + 2 * long + 0.004)
        corner = np.array([d / 2, wide.width / 2]) if power > 2.4 else np.array([d / 2, half + 0.6 * long])
        a.keypoint_both(0, 1, (*corner, h), TOP)
        a.keypoint_both(2, 3, (-corner[0], corner[1], h), TOP)
        a.keypoint_both(4, 5, (0, wide.width / 2 + 0.02, h), TOP)
    else:
        a.keypoint_both(0, 1, (d / 2, half, h), TOP)
        a.keypoint_both(2, 3, (-d / 2, half, h), TOP)
        a.keypoint_both(4, 5, (0, half, h), TOP)
    a.keypoint(6, (d / 2 + 0.05, 0, h), TOP)
    a.keypoint(7, (-d / 2 - 0.05, 0, h), TOP)
    a.keypoint(8, (0, 0, h), TOP, seen_from=(0, 0, 1))


def bar_table(a: Assembly, rng: np.random.Generator) -> None:
    """High and small, with a place for the feet."""
    long = rng.random() < 0.3
    plan = draw_plan(
        rng, (0.95, 1.12), (0.45, 0.65), (1.1, 1.6) if long else (0.5, 0.72),
        "rectangle" if long else "round round rectangle super",
    )  # fmt: skip
    add_top(a, rng, plan)
    if not long and rng.random() < 0.45:
        add_column(a, rng, plan, str(rng.choice(["disc", "tulip", "cross", "claw"])))
        return
    thick = rng.uniform(0.03, 0.055)
    splay = rng.uniform(0.0, 0.1)
    leg = 0.92 * plan.corner - thick / 2 - 0.5 * splay
    if rng.random() < 0.6:
        add_apron(a, rng, plan, 0.06, leg)
    kind = str(rng.choice(["square", "round", "tube", "angle"]))
    top, tip = add_four_legs(a, rng, plan, leg, (splay, splay), thick, kind)
    if rng.random() < 0.4 and not long:
        at = 0.7
        p = top + at * (tip - top)
        ring = circle(40, float(np.linalg.norm(p[:2])) + 0.003)
        path = np.column_stack([np.concatenate([ring, ring[:1]]), np.full(41, p[2])])
        a.add(tube(path, 0.011, 8), STRETCHER, plan.fittings)
    else:
        add_stretchers(a, rng, plan, top, tip, "box", rng.uniform(0.65, 0.8))


def folding_table(a: Assembly, rng: np.random.Generator) -> None:
    """A light top on folding tubes."""
    plan = draw_plan(rng, (0.7, 0.75), (0.6, 0.8), (1.2, 1.9), "rectangle rounded", (0.03, 0.05))
    shell = materials.plain(rng.choice([0.9, 0.82, 0.25]) * rng.uniform(0.92, 1.0, 3), 0.2, 15)
    shell = shell if rng.random() < 0.6 else plan.top
    metal = materials.metal(rng)
    plan = replace(plan, top=shell, frame=metal, legs=metal)
    add_top(a, rng, plan, "slab")
    under, rod = plan.under + 0.002, rng.uniform(0.011, 0.016)
    y, x = 0.36 * plan.width, 0.36 * plan.depth
    wishbone = rng.random() < 0.5
    lean = rng.uniform(0.0, 0.06)
    if wishbone:
        z = 0.45 * under
        a.add_both(tube(fillet([(0.35 * x, y, under), (0.35 * x, y, z), (x, y + lean, 0.02), (x, y + lean, 0.0)],
                               0.05, 5), rod, 10), LEG, metal)  # fmt: skip
        a.add_both(tube(fillet([(-0.35 * x, y, under), (-0.35 * x, y, z), (-x, y + lean, 0.02), (-x, y + lean, 0.0)],
                               0.05, 5), rod, 10), LEG, metal)  # fmt: skip
        a.add_both(tube([(0.35 * x, y, z), (-0.35 * x, y, z)], rod, 8), STRETCHER, metal)
    else:
        hoop = [(x, y, under), (x, y + lean, rod), (-x, y + lean, rod), (-x, y, under)]
        if rng.random() < 0.5:
            hoop = [(x, y, under), (x, y + lean, 0.0)]
            add_corners(a, tube(hoop, rod, 10), LEG, metal)
            a.add_both(bar((x, y + 0.5 * lean, 0.4 * under), (-x, y + 0.5 * lean, 0.4 * under), (rod, 2 * rod)),
                       STRETCHER, metal)  # fmt: skip
        else:
            a.add_both(tube(fillet(hoop, 0.07, 6), rod, 10), LEG, metal)
    mark_tips(a, (x, y + lean, 0.0))
    inner = 0.35 * x if wishbone else 0.0
    a.add_both(tube([(inner, y, 0.55 * under), (inner, 0.25 * y, under)], 0.7 * rod, 8), STRETCHER, metal)
    for s in (-1, 1):
        a.add(box((0.02, 1.9 * y, 0.03)).move([s * (x + 0.02), 0, under - 0.015]), TOP, metal)
