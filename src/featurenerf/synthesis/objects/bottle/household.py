"""Families of soap, cleaner, sauce and medicine."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.bottle.caps import add_screw, add_turned
from featurenerf.synthesis.objects.bottle.labels import add_label, clear_finish, dark_glass, opaque_finish
from featurenerf.synthesis.objects.bottle.plans import CAP, HANDLE
from featurenerf.synthesis.objects.bottle.walls import Wall, add_wall, rounded, wall_of
from featurenerf.synthesis.objects.shapes import (
    Scalar,
    curve,
    fillet,
    revolve,
    rotation,
    rounded_rectangle,
    sweep,
    tube,
)


def _household(rng: np.random.Generator, h: Scalar, neck: Scalar) -> tuple[Wall, bool]:
    """A wall for soap or cleaner, h high to the mouth; also whether it is as deep as wide."""
    kind = str(rng.choice(["cylinder", "oval", "box", "cone", "waist", "globe"], p=[0.2, 0.2, 0.2, 0.15, 0.15, 0.1]))
    r = h * rng.uniform(0.22, 0.3)
    depth, power = r, 2.0
    shoulder = rng.uniform(0.7, 0.84)
    soft = rng.uniform(0.03, 0.16) * h
    if kind in ("oval", "waist"):
        depth = r * rng.uniform(0.55, 0.8)
        r *= 1.12
    elif kind == "box":
        depth, power = r * rng.uniform(0.6, 1.0), rng.uniform(3.5, 6.5)
    end = [(1.05 * neck, 0.93 * h, 0.02 * h), (neck, h, 0)]
    if kind == "cone":
        body = [(0.9 * r, 0, 0), (r, 0.01 * h, 0.03 * h), (rng.uniform(0.5, 0.75) * r, 0.74 * h, 0.1 * h)]
    elif kind == "waist":
        body = [(0.85 * r, 0, 0), (0.97 * r, 0.02 * h, 0.03 * h), (r, 0.2 * h, 0.1 * h),
                (rng.uniform(0.62, 0.8) * r, 0.5 * h, 0.15 * h), (0.85 * r, 0.75 * h, 0.1 * h)]  # fmt: skip
    elif kind == "globe":
        t = np.linspace(-0.58, 0.9, 12) * np.pi / 2
        body = [(1.15 * r * float(np.cos(k)), 0.4 * h + 0.42 * h * float(np.sin(k)), 0.0) for k in t]
        body = [(s, z - body[0][1], 0.005) for s, z, _ in body]
    else:
        body = [(0.92 * r, 0, 0), (r, 0.0, 0.02 * h), (r * rng.uniform(0.9, 1.0), shoulder * h, soft)]
    return wall_of(rounded([*body, *end]), depth, power, fine=1 / 24), kind != "globe"


def spray_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """With a trigger."""
    h, n = rng.uniform(0.165, 0.21), rng.uniform(0.0125, 0.0145)
    wall, labelled = _household(rng, h, n)
    empty, full = clear_finish(rng, "cleaner") if rng.random() < 0.4 else opaque_finish(rng)
    base = h - 0.016
    add_wall(a, wall, empty, full, rng.uniform(0.6, 0.8), base)
    head = materials.plain(materials.any_color(rng) if rng.random() < 0.6 else [0.93] * 3, 0.25, 25)
    accent = materials.plain(materials.any_color(rng), 0.25, 25)
    collar = h + rng.uniform(0.004, 0.01)
    add_screw(a, 0.0, (base, collar), (n + 0.0035, n + 0.0025), head if rng.random() < 0.5 else accent, 20)
    s = rng.uniform(0.9, 1.2)
    z = collar + 0.03 * s
    a.add(sweep([(0, 0, collar - 0.002), (0.001, 0, z)], rounded_rectangle(1, 1, 0.35, 2),
                np.array([[0.017, 0.019], [0.02, 0.024]]) * s, up=(1, 0, 0)), CAP, head)  # fmt: skip
    back, front = rng.uniform(0.024, 0.034) * s, rng.uniform(0.042, 0.055) * s
    hump = rng.uniform(0.0, 0.008) * s
    path = np.array([(-back, 0, z - 0.004 * s), (-0.75 * back, 0, z), (-0.2 * back, 0, z + hump),
                     (0.4 * front, 0, z + hump), (0.8 * front, 0, z), (front, 0, z)])  # fmt: skip
    size = np.array([(0.012, 0.012), (0.02, 0.022), (0.025, 0.032), (0.024, 0.03), (0.019, 0.022), (0.014, 0.017)]) * s
    a.add(sweep(curve(path, 16), rounded_rectangle(1, 1, 0.35, 3), curve(size, 16)), CAP, head)
    nozzle = revolve([(0.007, 0.0), (0.0085, 0.002), (0.0085, 0.009), (0.006, 0.011), (0.002, 0.0112)], 6)
    a.add(nozzle.turn(rotation("y", 90)).move([front - 0.002, 0, z]), CAP, accent)
    a.keypoint(18, (front + 0.02, 0, z), CAP, seen_from=(1, 0, 0))
    bow = rng.uniform(0.0, 0.012)
    trigger = curve(
        [
            (0.55 * front, 0, z - 0.008 * s),
            (0.8 * front - bow, 0, z - 0.022 * s),
            (0.72 * front - bow, 0, z - 0.04 * s),
            (0.95 * front, 0, z - rng.uniform(0.05, 0.06) * s),
        ],
        13,
    )
    wide = np.stack([np.linspace(0.013, 0.01, 13), np.linspace(0.009, 0.0045, 13)], -1) * s
    a.add(sweep(trigger, rounded_rectangle(1, 1, 0.35, 2), wide, up=(1, 0, 0)), HANDLE, accent)
    a.keypoint(16, (0.62 * front + 0.02, 0, z - 0.018 * s), HANDLE, seen_from=(1, 0, 0))
    a.keypoint(17, (front, 0, z - 0.07 * s), HANDLE)
    a.keypoint(0, (0, 0, z), CAP, seen_from=(0, 0, 1))
    if labelled and rng.random() < 0.9:
        wide_label = None if rng.random() < 0.3 else rng.uniform(45, 70)
        add_label(a, rng, wall, rng.uniform(0.1, 0.18) * h, rng.uniform(0.5, 0.64) * h, wide_label)


def pump_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """With a pump."""
    h, n = rng.uniform(0.11, 0.19), rng.uniform(0.011, 0.0145)
    wall, labelled = _household(rng, h, n)
    empty, full = clear_finish(rng, "cleaner") if rng.random() < 0.35 else opaque_finish(rng)
    if rng.random() < 0.2:
        full = empty = materials.any_of(rng, (1, materials.marble), (1, materials.metal), (1, materials.wood))
    base = h - 0.012
    add_wall(a, wall, empty, full, rng.uniform(0.55, 0.8), base)
    head = materials.any_of(rng, (0.5, materials.metal), (0.5, materials.plastic))
    collar = h + 0.006
    add_screw(a, 0.0, (base, collar), (n + 0.0035, n + 0.003), head, int(rng.choice([0, 20])))
    up = rng.uniform(0.014, 0.03)
    top = collar + up
    add_turned(
        a, 0.0, [(0.008, collar - 0.001), (0.0075, collar + 0.006), (0.0045, collar + 0.007), (0.004, top)], head, 20
    )
    reach = rng.uniform(0.026, 0.05)
    kind = rng.choice(["disc", "duck", "swan"])
    if kind == "disc":
        add_turned(
            a, 0.0, [(0.006, top - 0.006), (0.012, top - 0.004), (0.0125, top + 0.002), (0.009, top + 0.005)], head
        )
        spout = fillet([(0, 0, top), (0.8 * reach, 0, top), (reach, 0, top - 0.004)], 0.006)
        a.add(sweep(spout, rounded_rectangle(0.007, 0.007, 0.003)), CAP, head)
        crest = top + 0.005
    elif kind == "duck":
        path = np.array([(-0.013, 0, top), (0, 0, top + 0.002), (0.5 * reach, 0, top + 0.001), (reach, 0, top - 0.004)])
        size = np.array([(0.013, 0.006), (0.019, 0.01), (0.012, 0.008), (0.008, 0.005)])
        a.add(sweep(curve(path, 13), rounded_rectangle(1, 1, 0.4, 3), curve(size, 13)), CAP, head)
        crest = top + 0.007
    else:
        bend = fillet([(0, 0, collar), (0, 0, top + 0.01), (reach, 0, top + 0.01), (reach, 0, top - 0.004)], 0.012, 6)
        a.add(tube(bend, 0.0042, 12), CAP, head)
        crest = top + 0.014
    a.keypoint(18, (reach + 0.01, 0, top - 0.004), CAP)
    a.keypoint(0, (0, 0, crest), CAP, seen_from=(0, 0, 1))
    if labelled and rng.random() < 0.85:
        wide_label = None if rng.random() < 0.25 else rng.uniform(35, 60)
        add_label(a, rng, wall, rng.uniform(0.14, 0.25) * h, rng.uniform(0.5, 0.64) * h, wide_label)


def squeeze_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """Sauce, shampoo or dish soap."""
    kind = str(rng.choice(["sauce", "shampoo", "dish"], p=[0.35, 0.35, 0.3]))
    h = rng.uniform(0.14, 0.21)
    lid = materials.plain(materials.any_color(rng), 0.25, 25)
    empty, full = opaque_finish(rng) if kind == "shampoo" or rng.random() < 0.5 else clear_finish(rng, "cleaner")
    level = rng.uniform(0.6, 0.85)
    if kind == "sauce":
        r, n = h * rng.uniform(0.16, 0.2), h * rng.uniform(0.1, 0.13)
        wall = wall_of(rounded([(0.9 * r, 0, 0), (r, 0, 0.008), (r, 0.74 * h, 0.03), (n, 0.93 * h, 0.012), (n, h, 0)]),
                       fine=1 / 20)  # fmt: skip
        add_wall(a, wall, empty, empty, level, 0.93 * h)
        add_screw(a, 0.0, (0.93 * h, h + 0.006), (n + 0.003, n + 0.002), lid, 26)
        cone = rng.uniform(0.035, 0.055)
        add_turned(
            a, 0.0, [(0.8 * n, h + 0.005), (0.6 * n, h + 0.01), (0.004, h + cone), (0.0025, h + cone + 0.001)], lid, 24
        )
        if rng.random() < 0.5:
            tip = materials.plain(materials.any_color(rng), 0.2, 20)
            add_turned(
                a, 0.0, [(0.005, h + cone - 0.006), (0.0055, h + cone + 0.002), (0.003, h + cone + 0.005)], tip, 16
            )
        a.keypoint(0, (0, 0, h + cone), CAP, seen_from=(0, 0, 1))
        a.keypoint(18, (0, 0, h + cone + 0.02), CAP)
        add_label(
            a, rng, wall, 0.16 * h, rng.uniform(0.5, 0.66) * h, None if rng.random() < 0.5 else rng.uniform(50, 75)
        )
        return
    r = h * rng.uniform(0.2, 0.26)
    depth = r * rng.uniform(0.5, 0.72)
    if kind == "shampoo":
        n = depth * rng.uniform(0.75, 0.95)
        power = rng.uniform(2.0, 3.6)
        wall = wall_of(rounded([(0.85 * r, 0, 0), (0.95 * r, 0.01 * h, 0.03 * h), (r, 0.4 * h, 0.2 * h),
                                (0.85 * r, 0.8 * h, 0.15 * h), (1.02 * n, 0.96 * h, 0.04 * h), (n, h, 0)]),
                       depth, power, fine=1 / 24)  # fmt: skip
        add_wall(a, wall, empty, full, level, 0.97 * h)
        tall = rng.uniform(0.02, 0.036)
        add_screw(a, 0.0, (0.97 * h, 0.97 * h + tall), (n + 0.001, n * rng.uniform(0.85, 1.0)), lid)
        seam = 0.97 * h + 0.6 * tall
        add_turned(a, 0.0, [(0.9 * n, seam), (n + 0.0009, seam), (n + 0.0009, seam + 0.0012), (0.9 * n, seam + 0.0012)],
                   materials.plain(0.4 * lid.material.color), 40)  # fmt: skip
    else:
        n = rng.uniform(0.011, 0.014)
        wall = wall_of(rounded([(0.85 * r, 0, 0), (0.97 * r, 0.01 * h, 0.03 * h), (r, 0.25 * h, 0.12 * h),
                                (rng.uniform(0.7, 0.85) * r, 0.52 * h, 0.12 * h), (0.82 * r, 0.72 * h, 0.1 * h),
                                (1.1 * n, 0.9 * h, 0.03 * h), (n, h, 0)]), depth, 2.3, fine=1 / 24)  # fmt: skip
        add_wall(a, wall, empty, full, level, 0.95 * h)
        add_screw(a, 0.0, (0.95 * h, h + 0.006), (n + 0.004, n + 0.002), lid, 20)
        valve = [
            (0.7 * n, 0.005),
            (0.5 * n, 0.01),
            (0.45 * n, 0.018),
            (0.6 * n, 0.02),
            (0.6 * n, 0.026),
            (0.3 * n, 0.028),
        ]
        add_turned(a, 0.0, np.asarray(valve) + np.array([0, h]), materials.plain((0.93, 0.93, 0.93)), 20)
        a.keypoint(0, (0, 0, h + 0.03), CAP, seen_from=(0, 0, 1))
        a.keypoint(18, (0, 0, h + 0.04), CAP)
    add_label(a, rng, wall, 0.14 * h, rng.uniform(0.5, 0.64) * h, rng.uniform(40, 62) if rng.random() < 0.75 else None)


def medicine_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """Pills, drops or syrup."""
    kind = str(rng.choice(["pills", "dropper", "syrup"], p=[0.4, 0.3, 0.3]))
    if rng.random() < 0.6:
        amber = materials.plain(np.array([0.6, 0.26, 0.05]) * rng.uniform(0.6, 1.2), 0.8, 90)
        empty = full = amber if kind == "pills" else dark_glass(rng, 0.8)[0]
    else:
        empty, full = opaque_finish(rng)
    white = rng.random() < 0.6
    lid = materials.plain([0.93] * 3 if white else materials.any_color(rng), 0.25, 25)
    h = rng.uniform(0.06, 0.11) if kind != "syrup" else rng.uniform(0.11, 0.16)
    if kind == "pills":
        r = h * rng.uniform(0.24, 0.36)
        n = r * rng.uniform(0.75, 0.92)
        square = rng.random() < 0.3
        profile = rounded([(0.92 * r, 0, 0), (r, 0, 0.004), (r, 0.74 * h, 0.008), (n, 0.82 * h, 0.005), (n, h, 0)])
        wall = wall_of(profile, r, rng.uniform(3, 5) if square else 2.0)
        base = rng.uniform(0.8, 0.84) * h
        add_wall(a, wall, empty, full, 0.6, base)
        wide = max(n + 0.002, r * rng.uniform(0.85, 1.05))
        add_screw(a, 0.0, (base, h + 0.004), (wide, wide), lid, int(rng.choice([0, 30])))
        low, high = rng.uniform(0.1, 0.18), rng.uniform(0.58, 0.68)
    else:
        r, n = h * rng.uniform(0.19, 0.24), h * rng.uniform(0.085, 0.11)
        shoulder = rng.uniform(0.62, 0.72)
        depth = r * (rng.uniform(0.6, 0.8) if kind == "syrup" and rng.random() < 0.4 else 1.0)
        wall = wall_of(rounded([(0.92 * r, 0, 0), (r, 0, 0.005), (r, shoulder * h, 0.014), (1.1 * n, 0.8 * h, 0.01),
                                (n, h, 0)]), depth)  # fmt: skip
        base = rng.uniform(0.83, 0.9) * h
        add_wall(a, wall, empty, full, 0.7, base)
        top = h + 0.004
        add_screw(a, 0.0, (base, top), (n + 0.003, n + 0.003), lid, 26)
        if kind == "dropper":
            bulb = rng.uniform(0.022, 0.034)
            rubber = materials.plain((0.07, 0.07, 0.07) if rng.random() < 0.6 else (0.8, 0.8, 0.78), 0.15, 10)
            s = 0.62 * n
            bulge = [(1.1 * s, top - 0.001), (s, top + 0.15 * bulb), (1.05 * s, top + 0.6 * bulb),
                       (0.8 * s, top + 0.92 * bulb), (0.2 * s, top + bulb)]  # fmt: skip
            add_turned(a, 0.0, curve(bulge, 16), rubber, 24)
            a.keypoint(0, (0, 0, top + bulb), CAP, seen_from=(0, 0, 1))
        low, high = rng.uniform(0.08, 0.14), shoulder - rng.uniform(0.06, 0.14)
    if rng.random() < 0.92:
        add_label(a, rng, wall, low * h, high * h, None if rng.random() < 0.6 else rng.uniform(60, 100))
