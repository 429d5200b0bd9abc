"""The body below the windows, and what is shaped like it: a bed's walls, fenders, a spoiler."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.car.plans import BODY, HOOD, CarPlan
from featurenerf.synthesis.objects.shapes import Surface, box, loft, rounded_rectangle, sweep


def deck_height(plan: CarPlan, x: np.ndarray) -> np.ndarray:
    """Height of the body's upper side along x: nose, hood, the cabin's belt, trunk, tail; rounded."""
    half = plan.length / 2
    belt, bed = plan.belt, plan.belt - 0.42
    knots: list[tuple[float, float]]
    if plan.family == "pickup":
        step = plan.glass_back + 0.06
        knots = [(-half, bed), (step - 0.02, bed), (step, belt)]
    elif plan.family == "classic":
        knots = [
            (-half, plan.tail),
            (-half + 0.35 * (plan.glass_back + half), 0.5 * (plan.tail + belt) + 0.05),
            (plan.glass_back, belt),
        ]
    else:
        knots = [
            (-half, plan.tail - 0.04),
            (min(-half + 0.1, plan.glass_back - 0.1), plan.tail),
            (plan.glass_back + 0.05, max(belt, plan.tail)),
        ]
    rise = 0.3 * (plan.cowl - half) + half
    knots += [
        (plan.cowl, belt - 0.02),
        (rise, 0.4 * (belt - 0.02) + 0.6 * plan.nose + 0.03),
        (half - 0.12, plan.nose),
        (half, plan.nose - 0.09),
    ]
    kx, kz = np.array(sorted(knots)).T
    dense = np.linspace(-half - 0.3, half + 0.3, 241)
    z = np.interp(dense, kx, kz)
    if plan.family != "pickup":
        kernel = np.exp(-0.5 * (np.arange(-12, 13) * (dense[1] - dense[0]) / 0.07) ** 2)
        z = np.convolve(np.pad(z, 12, mode="edge"), kernel / kernel.sum(), mode="valid")
    return np.interp(x, dense, z)


def _stations(plan: CarPlan) -> Float[np.ndarray, " n"]:
    """Where along x the body is cut: finely at the wheel arches and the rounded ends."""
    half, arch = plan.length / 2, 1.12 * plan.wheel
    ends = 0.16 * (1 - np.cos(np.linspace(0, np.pi / 2, 5)))
    x = [np.linspace(-half + 0.2, half - 0.2, 26), half - ends, ends - half]
    for axle in plan.axles:
        x += [axle + arch * np.cos(np.linspace(0, np.pi, 11)), np.array([axle - arch - 0.006, axle + arch + 0.006])]
    every = np.sort(np.concatenate([*x, [plan.cowl, plan.glass_back]]))
    return every[np.concatenate([[True], np.diff(every) > 0.004])]


_SIDE, _TOP = 8, 4
"""Points of half a section: up the side (the last three round the shoulder), and from there to the middle."""


def add_body(a: Assembly, rng: np.random.Generator, plan: CarPlan) -> Surface:
    """The body below the belt, with wheel arches; returned without them, to lay things on."""
    x = _stations(plan)
    half = plan.length / 2
    into = np.clip((np.abs(x) - (half - 0.16)) / 0.16, 0, 1)
    tuck = 1 - np.sqrt(np.clip(1 - into**2, 0, 1))  # 0 along the body, 1 at the very ends
    wide = plan.half_width(x) * (1 - 0.1 * tuck)
    deck = deck_height(plan, x) - 0.05 * tuck
    low = plan.clearance + 0.12 * np.clip((np.abs(x) - 0.82 * half) / (0.18 * half), 0, 1) + 0.06 * tuck
    arch = 1.12 * plan.wheel
    arched = low.copy()
    for axle in plan.axles:
        reach = arch**2 - (x - axle) ** 2
        arched = np.where(reach >= -1e-9, plan.wheel + np.sqrt(np.clip(reach, 0, None)), arched)
    arched = np.minimum(arched, deck - 0.04)
    inner = _interior(plan, x)

    def sections(low: np.ndarray) -> np.ndarray:
        n = len(x)
        points = np.empty((n, 2 * (_SIDE + _TOP + 1), 3))
        points[..., 0] = x[:, None]
        round_ = np.minimum(0.07, 0.3 * (deck - low))
        t = np.linspace(0, 1, _SIDE - 2)
        z = low[:, None] + t * (deck - round_ - low)[:, None]
        y = wide[:, None] * plan.side(z)
        for bend in (np.pi / 6, np.pi / 3):
            z = np.concatenate([z, (deck - round_ + round_ * np.sin(bend))[:, None]], axis=1)
            y = np.concatenate([y, y[:, _SIDE - 3 : _SIDE - 2] - (round_ * (1 - np.cos(bend)))[:, None]], axis=1)
        edge = y[:, _SIDE - 3] - round_
        s = np.array([1.0, 0.92, 0.55, 0.25])
        top_y = edge[:, None] * s
        top_z = deck[:, None] + plan.crown * (1 - s**2) * np.ones((n, 1)) - inner[:, None] * (s < 0.95)
        left_y = np.concatenate([0 * edge[:, None], y, top_y], axis=1)
        left_z = np.concatenate([low[:, None], z, top_z], axis=1)
        count = _SIDE + _TOP + 1
        # one ring, counter-clockwise seen from the front: bottom middle, up the left, across, down the right
        points[:, :count, 1], points[:, :count, 2] = left_y, left_z
        points[:, count:, 1], points[:, count:, 2] = -left_y[:, ::-1], left_z[:, ::-1]
        points[:, count + _TOP + _SIDE :, 1] = -1e-4
        return points

    rings = sections(arched)
    surface = loft(rings)
    m = rings.shape[1]
    quads = len(x) - 1
    row, column = np.repeat(np.arange(quads), 2 * m), np.tile(np.repeat(np.arange(m), 2), quads)
    middle = (x[row] + x[row + 1]) / 2
    count = _SIDE + _TOP + 1
    folded = np.minimum(column, 2 * count - 2 - column)
    top, bottom = folded >= _SIDE + 1, (folded <= 0) | (column == m - 1)
    hood = top & (middle > plan.cowl - 0.02) & (middle < half - 0.14) & (plan.cowl < half - 0.35)
    open_ = top & (folded >= _SIDE + 2) & ((inner[row] > 0.1) | (inner[row + 1] > 0.1))
    parts = np.where(hood, HOOD, BODY)
    pick = np.where(bottom | open_, 1, 0)
    z = (rings[row, column, 2] + rings[row + 1, column, 2]) / 2
    lower = materials.car_paint(rng)
    skirt = rng.random()
    if skirt < 0.12 or (plan.family in ("bus", "van", "classic") and skirt < 0.4):
        pick = np.where(
            ~bottom & ~open_ & ~hood & (z < plan.clearance + rng.uniform(0.3, 0.75) * (plan.belt - plan.clearance)),
            2,
            pick,
        )
    elif skirt < 0.3 or (plan.family in ("suv", "pickup") and skirt < 0.55):
        lower = plan.trim
        pick = np.where(~bottom & ~open_ & (folded <= 1) & ~top, 2, pick)
    pad = 2 * m
    a.add(
        surface,
        np.concatenate([parts, np.full(pad, BODY)]),
        (plan.paint, materials.plain((0.05, 0.05, 0.05), 0.05, 5), lower),
        np.concatenate([pick, np.zeros(pad, dtype=int)]),
    )
    inside = plan.width / 2 - plan.tyre - 0.06
    deep = min(plan.wheel + arch * 0.95, float(deck.min()) - 0.02)
    a.add(
        box((plan.length - 0.5, 2 * inside, deep - plan.clearance - 0.02)).move(
            [0, 0, (deep + plan.clearance + 0.02) / 2]
        ),
        BODY,
        plan.trim,
    )
    return loft(sections(low))


def _interior(plan: CarPlan, x: np.ndarray) -> np.ndarray:
    """How far the top is sunk for an open cabin."""
    if plan.family != "convertible":
        return np.zeros_like(x)
    return 0.34 * ((x < plan.cowl - 0.12) & (x > plan.roof_back - 0.1))


def add_bed(a: Assembly, plan: CarPlan) -> None:
    """The walls of a pick-up's bed, and its floor."""
    half = plan.length / 2
    front, back = plan.glass_back + 0.03, -half + 0.03
    floor, top = plan.belt - 0.46, plan.belt - 0.01
    x = np.linspace(back, front, 7)
    path = np.stack([x, plan.half_width(x) * plan.side(plan.belt - 0.25) - 0.04, 0 * x + (floor + top) / 2], -1)
    a.add_both(
        sweep(path, rounded_rectangle(2, 2, 0.3, 2), np.stack([np.full(7, 0.038), np.full(7, (top - floor) / 2)], -1)),
        BODY,
        plan.paint,
    )
    wide = 2 * float(path[0, 1])
    a.add(box((0.07, wide, top - floor), 0.02).move([back + 0.03, 0, (floor + top) / 2]), BODY, plan.paint)
    a.add(box((0.07, wide, top - floor), 0.02).move([front - 0.02, 0, (floor + top) / 2]), BODY, plan.paint)
    a.add(
        box((front - back - 0.1, wide - 0.06, 0.02)).move(
            [(front + back) / 2, 0, max(plan.belt - 0.42 + plan.crown, 2.12 * plan.wheel + plan.crown) + 0.012]
        ),
        BODY,
        plan.trim,
    )


def add_fenders(a: Assembly, plan: CarPlan) -> None:
    """The bulging wings of an old car."""
    for axle in plan.axles:
        t = np.linspace(0.02, np.pi - 0.02, 15)
        reach = 1.32 * plan.wheel
        path = np.stack(
            [
                axle + reach * np.cos(t) * 1.15,
                0 * t + plan.width / 2 - 0.09,
                0.75 * plan.wheel + reach * np.sin(t) * 0.92,
            ],
            -1,
        )
        size = np.stack([np.full(15, 0.17), 0.03 + 0.035 * np.sin(t)], -1)
        a.add_both(sweep(path, rounded_rectangle(2, 2, 0.8, 3), size, up=(1, 0, 0)), BODY, plan.paint)


def add_spoiler(a: Assembly, rng: np.random.Generator, plan: CarPlan) -> None:
    """A bar on two feet above the tail."""
    x, z = -plan.length / 2 + 0.12, plan.tail + rng.uniform(0.1, 0.25)
    a.add(box((0.22, plan.width * 0.82, 0.03), 0.012).move([x, 0, z]), BODY, plan.paint)
    a.add_both(
        box((0.12, 0.03, z - plan.tail + 0.08)).move([x + 0.03, plan.width * 0.3, (z + plan.tail) / 2 - 0.03]),
        BODY,
        plan.trim,
    )
