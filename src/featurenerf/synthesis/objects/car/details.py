"""What is fitted to a body: wheels, lights, grille, bumpers, plates, mirrors, handles and stripes."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.car.plans import BODY, HOOD, LIGHT, WHEEL, CarPlan
from featurenerf.synthesis.objects.geometry import drape
from featurenerf.synthesis.objects.shapes import (
    Scalar,
    Surface,
    box,
    circle,
    revolve,
    rotation,
    rounded_rectangle,
    sweep,
)


def add_wheels(a: Assembly, rng: np.random.Generator, plan: CarPlan) -> None:
    """Four tyres on rims with spokes, discs or dishes."""
    r, w = plan.wheel, plan.tyre
    rim = r * rng.uniform(0.58, 0.74)
    rubber = materials.plain([rng.uniform(0.03, 0.09)] * 3, 0.08, 8)
    metal = (
        materials.plain([rng.uniform(0.5, 0.85)] * 3, 0.7, 40)
        if rng.random() < 0.75
        else materials.plain([rng.uniform(0.05, 0.2)] * 3, 0.4, 30)
    )
    if rng.random() < 0.06:
        metal = plan.paint
    tyre = revolve(
        [
            (rim * 0.9, -w / 2),
            (r * 0.9, -w / 2),
            (r * 0.98, -w * 0.42),
            (r, -w * 0.25),
            (r, w * 0.25),
            (r * 0.98, w * 0.42),
            (r * 0.9, w / 2),
            (rim, w / 2),
            (rim * 0.98, w * 0.36),
        ],
        20,
    )
    kind = rng.choice(["spokes", "disc", "dish"], p=[0.65, 0.2, 0.15])
    dish = rng.uniform(0.36, 0.48) * w
    hub = [(rim * 1.0, w * 0.3), (rim, w * 0.52), (rim * 0.9, w * 0.5)]
    pieces: list[tuple[Surface, Finish]] = []
    if kind == "spokes":
        dark = materials.plain((0.06, 0.06, 0.065), 0.2, 10)
        pieces.append((revolve([(rim * 0.95, 0.1 * w), (rim * 0.95, 0.3 * w), (0, 0.3 * w)], 12), dark))
        pieces.append((revolve([*hub, (rim * 0.88, w * 0.3)], 16), metal))
        count = int(rng.choice([4, 5, 5, 6, 7, 8, 10]))
        thin = rim * min(0.85 / count, 0.16) * rng.uniform(0.8, 1.3)
        taper = rng.uniform(-0.5, 0.9) / rim
        spoke = box((rim * 0.86, 2 * thin, 0.12 * w)).warp(
            lambda p: np.stack([p[:, 0], p[:, 1] * (1 - taper * p[:, 0]), p[:, 2]], -1)
        )
        for k in range(count):
            pieces.append((spoke.move([rim * 0.48, 0, dish]).turn(rotation("z", 360 * k / count)), metal))
        pieces.append(
            (
                revolve(
                    [
                        (rim * 0.22, 0.3 * w),
                        (rim * 0.22, dish + 0.07 * w),
                        (rim * 0.12, dish + 0.1 * w),
                        (0, dish + 0.1 * w),
                    ],
                    12,
                ),
                metal,
            )
        )
    elif kind == "disc":
        pieces.append(
            (
                revolve(
                    [
                        *hub,
                        (rim * 0.86, w * 0.42),
                        (rim * 0.3, dish),
                        (rim * 0.28, dish + 0.06 * w),
                        (0, dish + 0.08 * w),
                    ],
                    24,
                ),
                metal,
            )
        )
    else:
        pieces.append((revolve([*hub, (rim * 0.5, w * 0.54), (rim * 0.2, w * 0.6), (0, w * 0.6)], 16), metal))
    turn = rotation("x", -90)
    for k, axle in enumerate(plan.axles):
        y = float(plan.half_width(axle) * plan.side(r)) - w / 2 - 0.01
        spin = rotation("z", rng.uniform(0, 360))
        for surface, finish in [(tyre, rubber), *pieces]:
            a.add_both(surface.turn(turn @ spin).move([axle, y, r]), WHEEL, finish)
        a.keypoint_both(2 * k, 2 * k + 1, (axle, y, r), WHEEL, seen_from=(0, 1, 0))


def _lay(
    a: Assembly,
    body: Surface,
    at: tuple[Scalar, Scalar],
    outline: np.ndarray,
    front: Scalar,
    part: int,
    finish: Finish,
    swell: Scalar = 0.0,
    both: bool = True,
) -> Surface:
    """Lay a patch on the nose (front = 1) or the tail (-1): its middle at (y, z), its outline in the same axes."""
    rings = np.array([0.02, 0.5, 0.85, 1.0])
    points = np.empty((4, len(outline), 3))
    points[..., 0] = 0.0
    points[..., 1:] = np.asarray(at) + rings[:, None, None] * outline
    height = 0.012 + swell * np.sqrt(1.0001 - rings**2)
    patch = drape(points, body, np.array([front, 0.0, 0.0]), height)
    if both:
        a.add_both(patch, part, finish)
    else:
        a.add(patch, part, finish)
    return patch


def add_lights(a: Assembly, rng: np.random.Generator, plan: CarPlan, body: Surface) -> None:
    """Lights, grille, bumpers and plates."""
    half = plan.length / 2
    front_half, back_half = float(plan.half_width(half - 0.1)), float(plan.half_width(0.1 - half))
    lamp = materials.plain(rng.uniform(0.75, 0.98) * np.array([1, 1, rng.uniform(0.85, 1.0)]), 0.9, 100)
    kind = rng.choice(["round", "slim", "square"], p=[0.25, 0.5, 0.25])
    if plan.family == "classic":
        kind = "round"
    top = plan.nose - 0.09
    size = rng.uniform(0.08, 0.12)
    if kind == "round":
        outline, z = circle(14, size), top - size * 0.9
    elif kind == "slim":
        outline, z = circle(16, (0.18, rng.uniform(0.05, 0.08)), 3.0), top - 0.05
        outline = outline + np.stack([0 * outline[:, 0], rng.uniform(0.1, 0.5) * outline[:, 0]], -1)
        z -= 0.03
    else:
        outline, z = rounded_rectangle(rng.uniform(0.2, 0.34), rng.uniform(0.12, 0.2), 0.03), top - 0.1
    y = front_half * 0.86 - float(outline[:, 0].max())
    lens = _lay(a, body, (y, z), outline, 1.0, LIGHT, lamp, 0.03 if kind == "round" else 0.012)
    a.keypoint_both(4, 5, lens.vertices[: len(outline)].mean(axis=0), LIGHT)
    red = materials.plain((rng.uniform(0.5, 0.8), 0.04, 0.04), 0.7, 60)
    tall = plan.family in ("van", "bus", "suv", "wagon") and rng.random() < 0.5
    rear_top = plan.tail - 0.1 if plan.family != "pickup" else plan.belt - 0.5
    shape = (
        rounded_rectangle(rng.uniform(0.09, 0.14), rng.uniform(0.2, 0.36), 0.03)
        if tall or plan.family == "pickup"
        else circle(14, (rng.uniform(0.1, 0.24), rng.uniform(0.05, 0.1)), 3.0)
    )
    z = rear_top - float(shape[:, 1].max())
    y = back_half * 0.86 - float(shape[:, 0].max())
    lens = _lay(a, body, (y, z), shape, -1.0, LIGHT, red, 0.012)
    a.keypoint_both(6, 7, lens.vertices[: len(shape)].mean(axis=0), LIGHT)
    low = plan.clearance + 0.12
    wide = front_half * rng.uniform(0.4, 0.75)
    grille_high = rng.uniform(0.06, 0.2)
    black = materials.plain((0.04, 0.04, 0.045), 0.2, 15)
    grille = black if rng.random() < 0.7 else materials.metal(rng)
    if rng.random() < 0.8:
        _lay(
            a,
            body,
            (0, top - 0.05 - grille_high / 2),
            rounded_rectangle(wide, grille_high, 0.03),
            1.0,
            BODY,
            grille,
            both=False,
        )
    if rng.random() < 0.6:
        _lay(
            a,
            body,
            (0, low + 0.1),
            rounded_rectangle(front_half * rng.uniform(0.8, 1.4), 0.1, 0.03),
            1.0,
            BODY,
            black,
            both=False,
        )
    plate = materials.plain((0.85, 0.85, 0.8), 0.1, 10)
    _lay(a, body, (0, 0.55 * low + 0.45 * rear_top), rounded_rectangle(0.46, 0.12, 0.01), -1.0, BODY, plate, both=False)
    if rng.random() < 0.7:
        _lay(a, body, (0, low + 0.2), rounded_rectangle(0.46, 0.11, 0.01), 1.0, BODY, plate, both=False)
    level = low + rng.uniform(0.08, 0.2)
    style = rng.choice(["none", "bar", "thick"], p=[0.45, 0.3, 0.25])
    if style != "none":
        finish = plan.trim if rng.random() < 0.6 else plan.paint
        s = np.linspace(-1, 1, 11)
        for end, width in ((1, front_half), (-1, back_half)):
            path = np.stack([end * (half - 0.02 - 0.12 * np.abs(s) ** 4), 0.97 * width * s, 0 * s + level], -1)
            size_ = (0.05, 0.05) if style == "bar" else (0.06, 0.11)
            a.add(sweep(path, rounded_rectangle(2, 2, 0.5, 2), np.broadcast_to(size_, (11, 2))), BODY, finish)
    a.keypoint(18, (half, 0, level), BODY, seen_from=(1, 0, 0))
    a.keypoint(19, (-half, 0, level), BODY, seen_from=(-1, 0, 0))
    a.keypoint(20, (half - 0.16, 0, plan.nose + 0.1), HOOD)


def add_mirrors(a: Assembly, rng: np.random.Generator, plan: CarPlan, body: Surface) -> None:
    """Mirrors, door seams, handles and stripes."""
    big = plan.family in ("bus", "van", "pickup", "suv")
    x = plan.cowl + (plan.roof_front - plan.cowl) * 0.35 - 0.05 if plan.family != "bus" else plan.cowl
    y = plan.width / 2 * (1.0 if not big else 1.04) + 0.04
    z = plan.belt + (0.1 if plan.family != "bus" else 0.5)
    size = np.array([0.09, 0.11, 0.075]) * (1.4 if big else 1.0) * rng.uniform(0.85, 1.2)
    finish = plan.paint if rng.random() < 0.6 else plan.trim
    a.add_both(box(2 * size, 0.45 * float(size.min()), arc=2).move([x, y, z]), BODY, finish)
    a.add_both(box((0.05, 0.2, 0.03)).move([x, y - 0.14, z - 0.03]), BODY, plan.trim)
    a.keypoint_both(16, 17, (x, y + float(size[1]), z), BODY)
    seam = materials.plain(0.25 * plan.paint.material.color, 0.1, 10)
    doors = [plan.cowl - 0.12, 0.5 * (plan.roof_front + plan.roof_back)]
    if plan.family in ("sedan", "wagon", "suv", "van", "hatchback"):
        doors.append(plan.axles[1] + 1.2 * plan.wheel)
    up = np.linspace(plan.clearance + 0.1, plan.belt - 0.1, 5)
    for door in doors:
        line = np.empty((5, 2, 3))
        line[..., 0] = door + np.array([0.011, -0.011])
        line[..., 1] = 0.0
        line[..., 2] = up[:, None]
        a.add_both(drape(line, body, np.array([0.0, 1.0, 0.0]), 0.008), BODY, seam)
    handle = plan.trim if rng.random() < 0.5 else plan.paint
    for door in doors[1:]:
        at = plan.belt - 0.15
        out = float(plan.half_width(door) * plan.side(at))
        a.add_both(box((0.2, 0.04, 0.035), 0.012).move([door + 0.17, out + 0.01, at]), BODY, handle)
    if rng.random() < 0.12:
        stripe = materials.car_paint(rng)
        path = np.linspace(plan.axles[0] - 1.2 * plan.wheel, plan.axles[1] + 1.2 * plan.wheel, 9)
        middle, tall = rng.uniform(0.45, 0.75) * plan.belt, rng.uniform(0.03, 0.09)
        band = np.empty((2, 9, 3))
        band[..., 0] = path
        band[..., 1] = 0.0
        band[..., 2] = middle + tall * np.array([[-1], [1]])
        a.add_both(drape(band, body, np.array([0.0, 1.0, 0.0]), 0.01), BODY, stripe)
