"""Families of drinks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.bottle.caps import (
    add_capsule,
    add_cork,
    add_crown,
    add_screw,
    add_swing_top,
    add_turned,
    mark_cap,
)
from featurenerf.synthesis.objects.bottle.labels import add_label, clear_finish, dark_glass, opaque_finish
from featurenerf.synthesis.objects.bottle.plans import CAP, HANDLE
from featurenerf.synthesis.objects.bottle.walls import (
    Corner,
    Relief,
    add_wall,
    feet,
    flutes,
    ribs,
    rounded,
    sum_of_reliefs,
    wall_of,
)
from featurenerf.synthesis.objects.shapes import curve, fillet, rounded_rectangle, sweep


def wine_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """Bordeaux, Burgundy, hock or sparkling."""
    kind = str(rng.choice(["bordeaux", "burgundy", "hock", "champagne"], p=[0.4, 0.25, 0.17, 0.18]))
    h = rng.uniform(0.285, 0.325) + 0.03 * (kind == "hock")
    r = {"bordeaux": rng.uniform(0.035, 0.04), "burgundy": rng.uniform(0.039, 0.045),
         "hock": rng.uniform(0.032, 0.037), "champagne": rng.uniform(0.041, 0.047)}[kind]  # fmt: skip
    n = rng.uniform(0.013, 0.0155)
    shoulder, neck, soft = {
        "bordeaux": (rng.uniform(0.6, 0.66), rng.uniform(0.69, 0.74), (0.03, 0.02)),
        "burgundy": (rng.uniform(0.44, 0.5), rng.uniform(0.68, 0.76), (0.09, 0.06)),
        "hock": (rng.uniform(0.36, 0.44), rng.uniform(0.72, 0.8), (0.12, 0.1)),
        "champagne": (rng.uniform(0.46, 0.52), rng.uniform(0.74, 0.8), (0.1, 0.08)),
    }[kind]
    lip = [(n, h - 0.016, 0.001), (n + 0.0018, h - 0.014, 0.001), (n + 0.0018, h - 0.007, 0.001), (n, h - 0.005, 0.001)]
    body = [(0.88 * r, 0, 0), (r, 0, 0.006), (r, shoulder * h, soft[0]), (1.12 * n, neck * h, soft[1])]
    profile = rounded([*body, *lip, (n, h, 0)])
    wall = wall_of(profile)
    empty, full = clear_finish(rng, "wine") if rng.random() < 0.3 else dark_glass(rng, 0.15)
    how = str(rng.choice(["foil", "screw", "cork", "open"], p=[0.5, 0.2, 0.18, 0.12]))
    covered: float | None = h
    if kind == "champagne" and how != "open":
        covered = add_capsule(a, rng, wall, rng.uniform(0.08, 0.12))
        foil = materials.plain((0.72, 0.6, 0.3), 0.6, 40) if rng.random() < 0.5 else materials.metal(rng)
        bulb = [(1.05 * n, h), (1.3 * n, h + 0.008), (1.25 * n, h + 0.016), (0.7 * n, h + 0.021)]
        add_turned(a, 0.0, curve(bulb, 12), foil)
        mark_cap(a, 0.0, 1.28 * n, h + 0.014, h + 0.021)
    elif how == "foil":
        covered = add_capsule(a, rng, wall, rng.uniform(0.045, 0.075))
    elif how == "screw":
        covered = h - rng.uniform(0.03, 0.06)
        color = materials.plain(materials.any_color(rng), 0.5, 40)
        add_screw(a, 0.0, (covered, h + 0.001), (n + 0.0025, n + 0.0025), color)
    elif how == "cork":
        add_cork(a, rng, wall)
    else:
        covered = None
    add_wall(a, wall, empty, full, min(neck + 0.02, 0.85), covered)
    top = min(shoulder - 0.04, rng.uniform(0.4, 0.5))
    low = rng.uniform(0.08, 0.16)
    if rng.random() < 0.92:
        add_label(a, rng, wall, low * h, top * h, rng.uniform(45, 85) if rng.random() < 0.8 else None)


def beer_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """Long necks, stubbies, and swing tops."""
    kind = str(rng.choice(["long", "stubby", "stein"], p=[0.5, 0.25, 0.25]))
    h = {"long": rng.uniform(0.21, 0.26), "stubby": rng.uniform(0.15, 0.18), "stein": rng.uniform(0.17, 0.21)}[kind]
    r, n = rng.uniform(0.028, 0.034), rng.uniform(0.0115, 0.0135)
    shoulder, neck, soft = {
        "long": (rng.uniform(0.5, 0.58), rng.uniform(0.68, 0.74), 0.035),
        "stubby": (rng.uniform(0.58, 0.66), rng.uniform(0.78, 0.85), 0.025),
        "stein": (rng.uniform(0.52, 0.6), rng.uniform(0.72, 0.82), 0.05),
    }[kind]
    lip = [(n, h - 0.014, 0.001), (n + 0.0016, h - 0.012, 0.001), (n + 0.0016, h - 0.003, 0.001)]
    profile = rounded([(0.86 * r, 0, 0), (r, 0, 0.006), (r, shoulder * h, soft), (1.2 * n, neck * h, soft), *lip,
                       (n, h, 0)])  # fmt: skip
    wall = wall_of(profile)
    empty, full = clear_finish(rng, "spirits") if rng.random() < 0.15 else dark_glass(rng, 0.5)
    covered: float | None = h - 0.006
    how = rng.random()
    if how < 0.65:
        add_crown(a, wall, materials.plain(materials.any_color(rng), 0.5, 40))
    elif how < 0.9:
        add_swing_top(a, rng, wall)
    else:
        covered = None
    add_wall(a, wall, empty, full, neck + 0.05, covered)
    if rng.random() < 0.92:
        wide = None if rng.random() < 0.5 else rng.uniform(50, 80)
        add_label(a, rng, wall, rng.uniform(0.08, 0.14) * h, (shoulder - rng.uniform(0.05, 0.1)) * h, wide)


def soda_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """Fizzy, so on a lobed foot or in waisted glass."""
    h = rng.uniform(0.2, 0.34)
    r = h * rng.uniform(0.135, 0.18)
    n = rng.uniform(0.0125, 0.0145)
    contour = rng.random() < 0.35
    waist = rng.uniform(0.8, 0.9) if contour else rng.uniform(0.92, 1.0)
    shoulder, neck = rng.uniform(0.6, 0.72), rng.uniform(0.9, 0.93)
    cap = rng.uniform(0.013, 0.018)
    knots: list[Corner] = [(0.7 * r, 0, 0), (r, 0.04 * h, 0.03 * h), (r, 0.22 * h, 0.08 * h),
                           (waist * r, 0.36 * h, 0.08 * h), (waist * r, 0.46 * h, 0.06 * h), (r, 0.56 * h, 0.06 * h),
                           (r, shoulder * h, 0.1 * h), (1.15 * n, neck * h, 0.08 * h)]  # fmt: skip
    ring = h - cap - rng.uniform(0.004, 0.008)
    flange = [(n, ring - 0.001, 0.0005), (n + 0.0035, ring, 0.0004), (n + 0.0035, ring + 0.0018, 0.0004),
              (n, ring + 0.0025, 0.0005)]  # fmt: skip
    reliefs = [feet(0.1 * h, 5, rng.uniform(0.1, 0.25))]
    if contour:
        reliefs.append(flutes(0.12 * h, 0.42 * h, 10, rng.uniform(0.02, 0.06)))
        reliefs.append(flutes(0.6 * h, 0.85 * h, 10, rng.uniform(0.02, 0.06)))
    elif rng.random() < 0.6:
        reliefs.append(ribs(0.34 * h, 0.48 * h, int(rng.integers(2, 5)), rng.uniform(0.02, 0.05)))
    wall = wall_of(rounded([*knots, *flange, (n, h, 0)], 5), relief=sum_of_reliefs(*reliefs), fine=1 / 40)
    empty, full = clear_finish(rng, "soda") if rng.random() < 0.85 else opaque_finish(rng)
    add_wall(a, wall, empty, full, rng.uniform(0.8, 0.88), h - cap)
    lid = materials.plain(materials.any_color(rng), 0.25, 25)
    add_screw(a, 0.0, (h - cap, h + 0.001), (n + 0.002, n + 0.0018), lid, 24)
    low = 0.47 if contour or rng.random() < 0.5 else 0.2
    high = low + rng.uniform(0.1, 0.15) if low > 0.4 else rng.uniform(0.45, 0.6)
    add_label(a, rng, replace(wall, relief=None), low * h, high * h)


def water_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """Still water, small or for a cooler."""
    large = rng.random() < 0.2
    h = rng.uniform(0.38, 0.5) if large else rng.uniform(0.19, 0.31)
    r = h * (rng.uniform(0.24, 0.29) if large else rng.uniform(0.13, 0.17))
    n = 0.026 if large else rng.uniform(0.0125, 0.018)
    shoulder, neck = rng.uniform(0.66, 0.76), rng.uniform(0.87, 0.9)
    cap = 0.035 if large else rng.uniform(0.01, 0.022)
    square = rng.random() < 0.25 and not large
    profile = rounded([(0.85 * r, 0, 0), (r, 0.01 * h, 0.03 * h), (r, shoulder * h, rng.uniform(0.05, 0.14) * h),
                       (1.15 * n, neck * h, 0.06 * h), (n, h - cap - 0.004, 0.003), (n, h, 0)], 6)  # fmt: skip
    count = int(rng.integers(5, 11))
    low = rng.uniform(0.04, 0.08)
    reliefs = [ribs(low * h, (shoulder - 0.03) * h, count, rng.uniform(0.02, 0.06))]
    if rng.random() < 0.25:
        turns = int(rng.choice([8, 12, 16]))
        reliefs = [flutes(low * h, 0.9 * shoulder * h, turns, rng.uniform(0.03, 0.07))]
    wall = wall_of(profile, power=rng.uniform(3, 4.5) if square else 2.0, relief=sum_of_reliefs(*reliefs), fine=1 / 60)
    empty, full = clear_finish(rng, "water")
    add_wall(a, wall, empty, full, rng.uniform(0.78, 0.86), h - cap)
    lid = materials.plain(materials.any_color(rng) if rng.random() < 0.6 else (0.15, 0.35, 0.75), 0.25, 25)
    sports = rng.random() < 0.3 and not large
    wide = n + (0.004 if sports else 0.002)
    add_screw(a, 0.0, (h - cap, h + 0.002), (wide, 0.97 * wide), lid, 0 if large else 20)
    if sports:
        tip = [(0.8 * wide, h), (0.75 * wide, h + 0.005), (0.42 * wide, h + 0.009), (0.36 * wide, h + 0.017),
               (0.5 * wide, h + 0.019), (0.48 * wide, h + 0.025)]  # fmt: skip
        add_turned(a, 0.0, tip, materials.plain((0.92, 0.92, 0.92), 0.3, 30) if rng.random() < 0.5 else lid, 24)
        a.keypoint(0, (0, 0, h + 0.03), CAP, seen_from=(0, 0, 1))
    if rng.random() < 0.9:
        middle = rng.uniform(0.4, 0.5)
        half = rng.uniform(0.07, 0.14)
        smooth = replace(wall, relief=None)
        add_label(a, rng, smooth, (middle - half) * h, (middle + half) * h, None if not large else 60)


def spirits_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """Square, flat, round or bell-shaped."""
    kind = str(rng.choice(["square", "flat", "round", "decanter", "bell"], p=[0.28, 0.26, 0.2, 0.14, 0.12]))
    h, n = rng.uniform(0.2, 0.29), rng.uniform(0.0125, 0.0155)
    r = h * rng.uniform(0.15, 0.18)
    depth, power = r, 2.0
    shoulder, neck, soft = rng.uniform(0.58, 0.68), rng.uniform(0.74, 0.8), rng.uniform(0.02, 0.06)
    relief: Relief | None = None
    if kind == "square":
        depth, power = r * rng.uniform(0.85, 1.0), rng.uniform(5, 9)
    elif kind == "flat":
        h *= rng.uniform(0.65, 0.85)
        depth, power = r * rng.uniform(0.42, 0.6), rng.uniform(2.5, 5)
        shoulder, neck = rng.uniform(0.66, 0.74), rng.uniform(0.8, 0.85)
    body: list[Corner] = [(0.9 * r, 0, 0), (r, 0, 0.007), (r, shoulder * h, soft)]
    if kind == "decanter":
        r = depth = 0.27 * h * rng.uniform(0.85, 1.1)
        shoulder, neck = 0.3, 0.62
        body = [(0.85 * r, 0, 0), (r, 0.02 * h, 0.03 * h), (r, rng.uniform(0.24, 0.36) * h, 0.12 * h)]
        power = float(rng.choice([2.0, rng.uniform(3, 5)]))
        if rng.random() < 0.6:
            relief = flutes(0.02 * h, 0.4 * h, int(rng.choice([12, 16])), rng.uniform(0.03, 0.07))
    elif kind == "bell":
        body = [(0.95 * r * 1.15, 0, 0), (1.15 * r, 0, 0.007), (rng.uniform(0.8, 0.95) * r, shoulder * h, soft)]
        depth = 1.15 * r
    lip = [(n, h - 0.014, 0.001), (n + 0.0015, h - 0.012, 0.001), (n + 0.0015, h - 0.003, 0.001)]
    wall = wall_of(rounded([*body, (1.15 * n, neck * h, soft), *lip, (n, h, 0)]), depth, power, relief, 1 / 30)
    empty, full = clear_finish(rng, "spirits") if rng.random() < 0.8 else dark_glass(rng, 0.3)
    covered: float | None = h - 0.002
    how = str(rng.choice(["screw", "cork", "ball"], p=[0.5, 0.38, 0.12]))
    if kind == "decanter" or how == "ball":
        size = n * rng.uniform(1.3, 1.9)
        t = np.linspace(-1.35, 1.45, 12)
        ball = np.stack([size * np.cos(t), h + 0.012 + size * (1 + np.sin(t)) * rng.uniform(0.9, 1.3)], -1)
        add_turned(
            a, 0.0, [(0.8 * n, h - 0.004), (0.9 * n, h + 0.003), (0.4 * n, h + 0.006), (0.4 * n, h + 0.012)], empty
        )
        add_turned(a, 0.0, ball, empty, int(rng.choice([8, 28])))
        mark_cap(a, 0.0, size, float(ball[5, 1]), float(ball[-1, 1]))
    elif how == "screw":
        covered = h - rng.uniform(0.016, 0.032)
        lid = materials.plain(materials.any_color(rng), 0.4, 40)
        add_screw(a, 0.0, (covered, h + 0.001), (n + 0.003, n + 0.003), lid, int(rng.choice([0, 26])))
    else:
        add_cork(a, rng, wall, knob=True)
    add_wall(a, wall, empty, full, rng.uniform(0.5, neck - 0.04), covered)
    if kind != "decanter" and rng.random() < 0.92:
        flat = kind in ("square", "flat")
        wide = rng.uniform(30, 45) if flat else rng.uniform(45, 80)
        add_label(a, rng, wall, rng.uniform(0.07, 0.14) * h, (shoulder - rng.uniform(0.08, 0.16)) * h, wide)


def jug(a: Assembly, rng: np.random.Generator) -> None:
    """With a handle: milk, detergent, a canister, a growler."""
    kind = str(rng.choice(["milk", "detergent", "growler", "canister"], p=[0.3, 0.3, 0.2, 0.2]))
    if kind == "growler":
        _growler(a, rng)
        return
    h = rng.uniform(0.22, 0.32)
    n = rng.uniform(0.016, 0.024)
    finish = (
        materials.plain((0.9, 0.9, 0.87), 0.2, 15) if kind == "milk" and rng.random() < 0.6 else opaque_finish(rng)[0]
    )
    cap = rng.uniform(0.016, 0.03)
    if kind == "milk":
        r, depth, power, shift = h * rng.uniform(0.26, 0.31), h * rng.uniform(0.26, 0.31), rng.uniform(3.5, 6), 0.0
        shoulder = rng.uniform(0.5, 0.6)
    elif kind == "detergent":
        r, depth, power = h * rng.uniform(0.16, 0.22), h * rng.uniform(0.32, 0.4), rng.uniform(2.4, 4)
        shift, shoulder = rng.uniform(0.2, 0.4) * depth, rng.uniform(0.7, 0.8)
    else:
        r, depth, power = h * rng.uniform(0.22, 0.28), h * rng.uniform(0.36, 0.44), rng.uniform(4.5, 7)
        shift, shoulder = rng.uniform(0.45, 0.6) * depth, rng.uniform(0.78, 0.82)
    neck = min(0.9 * h, h - cap - 0.006)
    soft = (0.03 if kind == "canister" else 0.1) * h
    knots: list[Corner] = [(0.9 * r, 0, 0), (r, 0, 0.03 * h), (r, shoulder * h, soft), (1.1 * n, neck, 0.04 * h),
                           (n, neck + 0.004, 0.002), (n, h, 0)]  # fmt: skip
    wall = wall_of(rounded(knots), depth, power, fine=1 / 30, shift=shift)
    thick = rng.uniform(0.009, 0.013)
    if kind == "canister":  # a bar along the top
        top = (shoulder + 0.015) * h
        ends = (-0.8 * depth, shift - n - 0.035)
        z = top + rng.uniform(0.05, 0.075)
        path = fillet(
            [(ends[0], 0, top - 0.02), (ends[0] + 0.005, 0, z), (ends[1] - 0.01, 0, z), (ends[1], 0, top)], 0.02, 5
        )
        a.keypoint(16, (sum(ends) / 2, 0, z + 0.02), HANDLE, seen_from=(0, 0, 1))
        a.keypoint(17, (ends[0] - 0.02, 0, top + 0.012), HANDLE)
    else:  # a bar across a bay in the upper back
        low = rng.uniform(0.38, 0.5) * h if kind == "detergent" else (shoulder - rng.uniform(0.08, 0.16)) * h
        t = np.clip((wall.z - low) / (0.1 * h), 0, 1)
        back = wall.x - wall.shift
        bay = np.minimum(rng.uniform(0.045, 0.06) + thick, 0.55 * (back + wall.x)) * t * t * (3 - 2 * t)
        fade = np.clip((wall.y - n) / (0.4 * (r - n)), 0, 1)
        wall = replace(wall, x=wall.x - bay * fade / 2, shift=wall.shift + bay * fade / 2)
        outer = -depth + 1.2 * thick
        high = 0.84 * h
        joint = wall.middle(high) - float(np.interp(high, wall.z, wall.x)) + 0.006
        corner = 0.75 * h if kind == "milk" else 0.82 * h
        bar = [(joint, 0, high), (outer + 0.015, 0, corner), (outer, 0, corner - 0.05), (outer, 0, low - 0.015)]
        path = fillet(bar, 0.03, 6)
        a.keypoint(16, (outer, 0, high), HANDLE)
        a.keypoint(17, (outer - 0.03, 0, low + 0.012), HANDLE)
    a.add(sweep(path, rounded_rectangle(2.2, 1.8, 0.9, 3), thick, up=(0, 1, 0)), HANDLE, finish)
    covered = h - cap
    add_wall(a, wall, finish, finish, 0.5, covered)
    lid = materials.plain(materials.any_color(rng), 0.25, 25)
    tall = cap + (rng.uniform(0.01, 0.04) if kind == "detergent" else 0.002)
    add_screw(a, shift, (covered, covered + tall), (n + 0.004, (n + 0.003) * rng.uniform(0.85, 1.0)), lid, 26)
    if rng.random() < 0.9:
        top = (low / h - 0.02) if kind != "canister" else 0.62
        bottom = rng.uniform(0.08, 0.16)
        wrapped = kind != "milk" or rng.random() < 0.3
        add_label(a, rng, wall, bottom * h, top * h, None if wrapped else rng.uniform(38, 50))


def _growler(a: Assembly, rng: np.random.Generator) -> None:
    """A round jug of glass or stoneware with a ring by its neck."""
    h, r, n = rng.uniform(0.24, 0.3), rng.uniform(0.06, 0.08), rng.uniform(0.015, 0.02)
    shoulder = rng.uniform(0.52, 0.62)
    knots: list[Corner] = [(0.9 * r, 0, 0), (r, 0, 0.01), (r, shoulder * h, 0.06), (1.15 * n, 0.82 * h, 0.035),
                           (n, 0.9 * h, 0.01), (n + 0.003, 0.92 * h, 0.003), (n + 0.003, h, 0)]  # fmt: skip
    wall = wall_of(rounded(knots))
    stone = rng.random() < 0.35
    empty, full = dark_glass(rng, 0.6) if not stone else opaque_finish(rng)
    if stone:
        color = np.array([0.85, 0.78, 0.65]) * rng.uniform(0.85, 1.1)
        full, empty = materials.plain(np.clip(color, 0, 1), 0.4, 40), materials.plain((0.35, 0.2, 0.1), 0.4, 40)
    top, low = 0.88 * h, rng.uniform(0.62, 0.72) * h
    inner = float(np.interp(top, wall.z, wall.x)), float(np.interp(low, wall.z, wall.x))
    out = inner[1] + rng.uniform(0.012, 0.03)
    path = curve([(-inner[0] + 0.004, 0, top), (-0.6 * out, 0, top + 0.012), (-out, 0, 0.4 * top + 0.6 * low),
                  (-inner[1] + 0.006, 0, low)], 19)  # fmt: skip
    a.add(sweep(path, rounded_rectangle(2.4, 1.6, 0.7, 3), rng.uniform(0.005, 0.008), up=(0, 1, 0)), HANDLE,
          empty)  # fmt: skip
    a.keypoint(16, (-0.55 * out, 0, top + 0.03), HANDLE)
    a.keypoint(17, (-inner[1] - 0.02, 0, low + 0.005), HANDLE)
    if stone or rng.random() < 0.4:
        add_cork(a, rng, wall)
        covered: float = h
    else:
        covered = h - 0.018
        add_screw(a, 0.0, (covered, h + 0.001), (n + 0.005, n + 0.005), materials.plain(materials.any_color(rng)), 26)
    add_wall(a, wall, empty, full, shoulder if stone else 0.7, covered)
    if rng.random() < 0.8:
        add_label(a, rng, wall, rng.uniform(0.1, 0.16) * h, (shoulder - 0.08) * h, rng.uniform(35, 65))


def sport_bottle(a: Assembly, rng: np.random.Generator) -> None:
    """For the gym or the walk: metal or plastic, its lid with a loop, or a cup for a lid."""
    h, r = rng.uniform(0.2, 0.28), rng.uniform(0.033, 0.042)
    n = r * rng.uniform(0.45, 0.85)
    shoulder = rng.uniform(0.68, 0.82)
    finish = materials.any_of(rng, (0.45, materials.metal), (0.35, materials.plastic), (0.2, materials.car_paint))
    reliefs = []
    if rng.random() < 0.35:
        low = rng.uniform(0.4, 0.55)
        reliefs.append(ribs(low * h, (low + 0.16) * h, int(rng.integers(3, 6)), 0.04))
    soft = rng.uniform(0.02, 0.06)
    profile = rounded([(0.9 * r, 0, 0), (r, 0, 0.008), (r, shoulder * h, soft), (1.04 * n, 0.9 * h, 0.02), (n, h, 0)])
    wall = wall_of(profile, relief=sum_of_reliefs(*reliefs) if reliefs else None, fine=1 / 50 if reliefs else 1 / 12)
    base = rng.uniform(0.93, 0.96) * h
    steel = materials.plain((0.68, 0.68, 0.7), 0.8, 70)
    band = finish if rng.random() < 0.5 else steel
    add_wall(a, wall, finish, finish if rng.random() < 0.6 else band, 0.12, base)
    lid = materials.any_of(rng, (0.6, materials.plastic), (0.4, materials.metal))
    top = h + rng.uniform(0.012, 0.035)
    add_screw(a, 0.0, (base, top), (n + 0.003, n + 0.002), lid, int(rng.choice([0, 26])))
    if rng.random() < 0.75:
        rise, half = rng.uniform(0.018, 0.03), 0.85 * n
        path = fillet([(0, half, top - 0.004), (0, half, top + rise), (0, -half, top + rise), (0, -half, top - 0.004)],
                      0.8 * min(half, rise), 7)  # fmt: skip
        a.add(sweep(path, rounded_rectangle(2.4, 1, 0.4, 2), 0.0038, up=(1, 0, 0)), HANDLE, lid)
        a.keypoint(16, (0, 0, top + rise + 0.02), HANDLE)
    if rng.random() < 0.7:
        middle = rng.uniform(0.28, 0.4)
        add_label(a, rng, replace(wall, relief=None), (middle - 0.1) * h, (middle + 0.1) * h,
                  rng.uniform(30, 60) if rng.random() < 0.7 else None)  # fmt: skip
