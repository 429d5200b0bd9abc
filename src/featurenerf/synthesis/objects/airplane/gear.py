"""Landing gear, floats, and what hangs under wings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.airplane.foils import FORWARD, Foil, panel
from featurenerf.synthesis.objects.airplane.plans import BODY, WING, AirplanePlan
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, circle, loft, revolve, rotation, tube


def _leg(
    a: Assembly,
    top: Numbers,
    axle: Numbers,
    radius: Scalar,
    strut: Finish,
    wheels: Sequence[tuple[Scalar, Scalar]],
    both: bool,
) -> None:
    """A strut and its wheels; these at (x, y) from the axle."""
    rubber = materials.plain((0.06, 0.06, 0.065), 0.1, 8)
    wide = 0.34 * radius
    profile = [(0.82 * radius, -wide), (radius, -0.5 * wide), (radius, 0.5 * wide), (0.82 * radius, wide)]
    tyre = revolve(profile, 14).turn(rotation("x", 90))
    add = a.add_both if both else a.add
    add(tube(np.array([top, axle]), 0.2 * radius, 8), BODY, strut)
    for dx, dy in wheels:
        add(tyre.move(axle).move([dx, dy, 0]), BODY, rubber)


def add_gear(a: Assembly, rng: np.random.Generator, plan: AirplanePlan, wing: Foil) -> None:
    family, length, high = plan.family, plan.length, plan.high
    strut = materials.plain((0.68, 0.69, 0.7), 0.6, 30)
    if family in ("high wing", "low wing", "biplane"):
        if family == "low wing" and rng.random() < 0.3:
            return
        radius = 0.026 * length * rng.uniform(0.9, 1.25)
        taildragger = (
            family == "biplane" or plan.kind == "taildragger" or (plan.kind == "bubble" and rng.random() < 0.6)
        )
        x = plan.along(0.2 if taildragger else 0.4)
        if family == "low wing":
            x = plan.along(0.27 if taildragger else 0.41)
        ground = -high - rng.uniform(0.055, 0.085) * length
        y = rng.uniform(1.5, 2.0) * plan.wide if family != "low wing" else rng.uniform(0.2, 0.26) * plan.span
        top = (x - 0.01 * length, 0.6 * plan.wide, -0.85 * high)
        if family == "low wing":
            front, level, chord = (float(v) for v in wing.at(y))
            top = (float(np.clip(x, front - 0.75 * chord, front - 0.15 * chord)), 0.97 * y, level)
        skin = plan.livery.plain(plan.livery.base)
        _leg(a, top, (x, y, ground), radius, strut if rng.random() < 0.4 else skin, [(0.0, 0.0)], True)
        spats = rng.random() < 0.5
        if spats:
            _spat(a, (x, y, ground + 0.35 * radius), radius, skin, True)
        if taildragger:
            tail = plan.along(0.95)
            low = plan.hull.floor(tail)
            _leg(
                a,
                (tail + 0.02 * length, 0, low + 0.02),
                (tail, 0, low - 0.03 * length),
                0.5 * radius,
                strut,
                [(0.0, 0.0)],
                False,
            )
        else:
            nose = plan.along(0.07)
            _leg(
                a,
                (nose, 0, plan.hull.floor(nose) + 0.1 * high),
                (nose, 0, ground),
                0.9 * radius,
                strut,
                [(0.0, 0.0)],
                False,
            )
            if spats:
                _spat(a, (nose, 0, ground + 0.35 * radius), 0.9 * radius, skin, False)
        return
    if family == "glider":
        x = plan.along(0.36)
        _leg(a, (x, 0, -0.8 * high), (x, 0, -1.0 * high), 0.03 * length, strut, [(0.0, 0.0)], False)
        return
    if rng.random() > {"airliner": 0.45, "four engines": 0.4, "fighter": 0.25, "delta": 0.25}.get(family, 0.5):
        return
    large = length > 26
    radius = length * (0.013 if large else (0.017 if family in ("fighter", "delta") else 0.021))
    ground = min(-1.3 * high, plan.wing_z - 1.1 * high) if family != "transport" else -1.22 * high
    nose = plan.along(0.13 if not large else 0.1)
    pair = [(0.0, 0.8 * radius), (0.0, -0.8 * radius)]
    _leg(a, (nose, 0, plan.hull.floor(nose) + 0.2 * high), (nose, 0, ground), 0.9 * radius, strut, pair, False)
    y = 1.25 * plan.wide if family != "transport" else 0.95 * plan.wide
    x = float(wing.at(y)[0]) - 0.72 * float(wing.at(y)[2])
    if family in ("fighter", "delta"):
        x, y = plan.along(0.64), 0.9 * plan.wide
    z = float(wing.at(y)[1]) if plan.wing_z < 0 else -0.7 * high
    wheels = (
        [(dx, dy) for dx in (1.1 * radius, -1.1 * radius) for dy in (0.8 * radius, -0.8 * radius)]
        if large
        else pair[:1]
    )
    _leg(a, (x, y, z), (x, y, ground), radius, strut, wheels, True)
    door = 0.6 * (z - ground)
    cover = panel((x + 1.2 * radius, y + 1.4 * radius, z - door), (0, 0, 1), door, 2.4 * radius, 0, 0.06)
    a.add_both(cover.surface(), BODY, plan.livery.plain(plan.livery.under))
    if family == "transport":
        t = np.linspace(0, 1, 9)
        swell = np.sqrt(np.clip(1 - (2 * t - 1) ** 4, 0.001, 1))
        ring = circle(16, 1.0, 2.5)
        points = np.empty((9, 16, 3))
        points[..., 0] = (x + (t - 0.5) * 0.22 * length)[:, None]
        points[..., 1] = 0.85 * plan.wide + 0.32 * plan.wide * swell[:, None] * ring[:, 0]
        points[..., 2] = -0.66 * high + 0.36 * high * swell[:, None] * ring[:, 1]
        a.add_both(loft(points), BODY, plan.livery.plain(plan.livery.under))


def _drop(front: Scalar, back: Scalar, radius: Scalar, count: int = 12) -> Surface:
    """A streamlined body about the x axis."""
    t = np.array([0.0, 0.05, 0.18, 0.35, 0.55, 0.75, 0.92, 1.0])
    size = radius * np.array([0.03, 0.2, 0.55, 0.85, 1.0, 0.92, 0.55, 0.03])
    return revolve(np.column_stack([size, back + t * (front - back)]), count).turn(FORWARD)


def _spat(a: Assembly, at: Numbers, radius: Scalar, finish: Finish, both: bool) -> None:
    surface = _drop(1.5 * radius, -2.2 * radius, 0.95 * radius)
    surface = replace(surface, vertices=surface.vertices * [1, 0.62, 1]).move(at)
    (a.add_both if both else a.add)(surface, BODY, finish)


def add_floats(a: Assembly, rng: np.random.Generator, plan: AirplanePlan, wing: Foil) -> None:
    """Two floats on struts, or a flying boat's small ones under the wings."""
    length, skin = plan.length, plan.livery.plain(plan.livery.under if rng.random() < 0.5 else plan.livery.first)
    boat = plan.kind == "boat"
    long = length * (rng.uniform(0.16, 0.2) if boat else rng.uniform(0.72, 0.82))
    high = 0.1 * long if not boat else 0.14 * long
    y = rng.uniform(0.72, 0.85) * plan.span if boat else rng.uniform(1.25, 1.5) * plan.wide
    x_wing, z_wing, chord = (float(v) for v in wing.at(y))
    middle = x_wing - 0.4 * chord if boat else plan.along(0.4)
    level = min(-0.75 * plan.high, z_wing - 0.4) if boat else -plan.high - rng.uniform(0.075, 0.1) * length
    t = np.array([0.0, 0.1, 0.3, 0.52, 0.54, 0.7, 0.85, 0.94, 0.985, 1.0])
    deck = np.interp(t, [0, 0.3, 0.8, 1], [0.25, 0.42, 0.5, 0.55]) * high
    keel = -high * np.interp(t, [0, 0.52, 0.54, 0.7, 0.9, 0.97, 1], [0.05, 0.42, 0.62, 0.7, 0.45, 0.12, -0.42])
    wide = high * np.interp(t, [0, 0.3, 0.6, 0.85, 0.96, 1], [0.12, 0.42, 0.52, 0.45, 0.24, 0.06])
    rings = np.empty((len(t), 8, 3))
    rings[..., 0] = (middle + (t - 0.5) * long)[:, None]
    across = np.array([1.0, 0.95, 0.5, -0.5, -0.95, -1.0, -0.75, 0.0]) * 1.0
    rings[..., 1] = y + wide[:, None] * np.array([1.0, 0.95, 0.5, -0.5, -0.95, -1.0, 0.0, 0.0])
    low = 0.35 * keel + 0.1 * deck
    rings[:, (0, 5), 2] = low[:, None]
    rings[:, (1, 4), 2] = (0.6 * deck)[:, None]
    rings[:, (2, 3), 2] = deck[:, None]
    rings[:, 6, 2] = keel
    rings[:, 7, 1] = y + 0.5 * wide
    rings[:, 7, 2] = 0.5 * (keel + low)
    rings[:, 6, 1] = y
    rings[..., 2] += level
    del across
    a.add_both(loft(rings), BODY, skin)
    bar = 0.0055 * length
    rod = plan.livery.plain(plan.livery.base) if rng.random() < 0.5 else materials.plain((0.7, 0.71, 0.72), 0.7, 40)
    if boat:
        for part in (0.3, 0.65):
            foot = np.array([middle + (0.5 - part) * 0.7 * long, y, level + 0.3 * high])
            a.add_both(tube(np.array([foot, (x_wing - part * chord, y, z_wing)]), bar, 6), BODY, rod)
        return
    for share, slant in ((0.24, 0.0), (0.5, 0.03)):
        foot = np.array([plan.along(share), y, level + 0.4 * high])
        a.add_both(
            tube(np.array([foot, (plan.along(share + slant), 0.75 * plan.wide, -0.8 * plan.high)]), 1.2 * bar, 6),
            BODY,
            rod,
        )
        a.add(tube(np.array([foot, foot * [1, -1, 1]]), bar, 6), BODY, rod)
    brace = np.array([(plan.along(0.26), y, level + 0.4 * high), (plan.along(0.5), 0.75 * plan.wide, -0.8 * plan.high)])
    a.add_both(tube(brace, bar, 6), BODY, rod)


def add_stores(a: Assembly, rng: np.random.Generator, plan: AirplanePlan, wing: Foil) -> None:
    """Missiles and tanks under a fighter's wings, or on their tips; they count as wing."""
    skin = (
        materials.plain([rng.uniform(0.75, 0.92)] * 3, 0.2, 15)
        if rng.random() < 0.6
        else plan.livery.plain(plan.livery.under)
    )
    places = [s for s in (0.45, 0.62, 0.8) if rng.random() < 0.5]
    for share in places:
        y = max(share * plan.span, 1.3 * plan.wide)
        x, z, chord = (float(v) for v in wing.at(y))
        tank = share < 0.5 and rng.random() < 0.5
        radius, long = (0.02, 0.26) if tank else (0.009, 0.19)
        drop = 0.035 * plan.length
        front = x - 0.35 * chord + 0.5 * long * plan.length
        body = (
            _drop(front, front - long * plan.length, radius * plan.length)
            if tank
            else _missile(plan.length, long, radius).move([front, 0, 0])
        )
        a.add_both(body.move([0, y, z - drop]), WING, skin)
        rail = panel((x - 0.2 * chord, y, z - drop), (0, 0, 1), drop, 0.5 * chord, -8, 0.07)
        a.add_both(rail.surface(), WING, plan.livery.plain(plan.livery.under))
    if rng.random() < 0.35 and float(wing.chord[-1]) > 0.04 * plan.length:
        a.add_both(
            _missile(plan.length, 0.18, 0.009).move(wing.tip).move([0.1 * plan.length, 0.006 * plan.length, 0]),
            WING,
            skin,
        )


def _missile(size: Scalar, long: Scalar, radius: Scalar) -> Surface:
    r, n = radius * size, long * size
    return revolve([(0.8 * r, -n), (r, -0.97 * n), (r, -0.15 * n), (0.6 * r, -0.05 * n), (0.05 * r, 0)], 10).turn(
        FORWARD
    )
