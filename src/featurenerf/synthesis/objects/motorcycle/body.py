"""Tank, seat, mudguards and lamps."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.motorcycle.pieces import arc, ball, fins, from_side, hull, shell, xyz
from featurenerf.synthesis.objects.motorcycle.plans import BODY, LIGHT, SEAT, TANK, MotorcyclePlan
from featurenerf.synthesis.objects.shapes import (
    box,
    circle,
    curve,
    fillet,
    revolve,
    rotation,
    rounded_rectangle,
    sweep,
    tube,
)

_TANKS = {
    "sport": [(0.09, 0.1), (0.15, 0.13), (0.25, 0.19), (0.25, 0.19), (0.14, 0.13)],
    "naked": [(0.08, 0.09), (0.14, 0.12), (0.22, 0.17), (0.23, 0.17), (0.14, 0.11)],
    "cruiser": [(0.05, 0.05), (0.13, 0.11), (0.2, 0.155), (0.21, 0.16), (0.13, 0.1)],
    "chopper": [(0.03, 0.03), (0.09, 0.08), (0.15, 0.11), (0.16, 0.11), (0.09, 0.07)],
    "enduro": [(0.07, 0.06), (0.13, 0.1), (0.18, 0.14), (0.19, 0.14), (0.12, 0.09)],
    "cafe": [(0.1, 0.09), (0.17, 0.125), (0.21, 0.15), (0.21, 0.155), (0.15, 0.12)],
    "moped": [(0.07, 0.06), (0.12, 0.085), (0.13, 0.09), (0.12, 0.08), (0.08, 0.055)],
}
"""Height and half width of each kind of tank, from its back to its front."""


def add_tank(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> None:
    kind = {"touring": "cruiser", "adventure": "enduro"}.get(plan.family, plan.family)
    form = np.array(_TANKS[kind]) * [rng.uniform(0.9, 1.2), rng.uniform(0.88, 1.15)]
    x = np.linspace(plan.saddle - 0.02, plan.neck[0] - 0.02, 5)
    drop = 0.2 if kind == "moped" else 0.06
    under = np.linspace(plan.seat - drop, plan.neck[2] - 0.06, 5)
    rows = np.column_stack([x, under + 0.45 * form[:, 0], form[:, 1], 0.5 * form[:, 0]])
    tank = from_side(hull(rows, 12, 16, rng.uniform(2.2, 3.0), 0.25))
    middle = tank.vertices[tank.faces].mean(axis=1)
    band = (np.abs(middle[:, 1]) < rng.uniform(0.03, 0.05)) & (middle[:, 2] > np.interp(middle[:, 0], x, rows[:, 1]))
    a.add(tank, TANK, (plan.paint, plan.second), (band & (rng.random() < 0.25)).astype(int))
    top = 0.4 * rows[2] + 0.6 * rows[3]
    cap = revolve([(0.034, -0.01), (0.034, 0.008), (0.025, 0.014)], 12)
    a.add(cap.move([top[0], 0, top[1] + top[3]]), TANK, plan.shiny)
    a.keypoint(12, (top[0], 0, top[1]), TANK, seen_from=(0, 0, 1))
    if plan.family in ("cruiser", "cafe", "naked", "touring") and rng.random() < 0.6:
        badge = revolve([(0.045, 0), (0.04, 0.006), (0.01, 0.008)], 12).warp(lambda p: p * [1.3, 0.6, 1])
        side = badge.turn(rotation("x", -90)).move([rows[2, 0] + 0.04, 0.985 * rows[2, 2], rows[2, 1]])
        a.add_both(side, TANK, plan.shiny)
    if plan.family in ("enduro", "adventure"):
        shroud = [(x[1], under[1] + 0.02, 0.05), (x[3], under[3] + 0.02, 0.1), (x[4] + 0.12, under[4] - 0.08, 0.07)]
        path = curve([(px, 0.145, pz) for px, pz, _ in shroud], 7)
        wing = sweep(
            path, rounded_rectangle(0.03, 2, 0.01, 1), [(1, np.interp(q, x[[1, 4]], [0.06, 0.1])) for q in path[:, 0]]
        )
        a.add_both(from_side(wing), BODY, plan.second)


def add_saddle(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> float:
    """Seat, and what carries its end: a tail cowl or a backrest; returns the x of its end."""
    x, h, tail = plan.saddle, plan.seat, plan.tail
    length, w = x - tail, rng.uniform(0.9, 1.12)
    kinds = {"sport": "sport", "naked": "sport dual", "cruiser": "king solo dual", "chopper": "solo", "touring": "king",
             "enduro": "long", "cafe": "hump", "moped": "sprung"}  # fmt: skip
    kind = str(rng.choice(kinds.get(plan.family, "dual").split()))
    rise = rng.uniform(0.1, 0.2) if kind == "sport" else 0.05
    if kind == "sport":
        mid = x - 0.52 * length
        rows = [
            (mid - 0.02, h + 0.03, 0.12 * w, 0.045),
            (mid + 0.14, h - 0.035, 0.14 * w, 0.04),
            (x + 0.02, h - 0.02, 0.08 * w, 0.04),
        ]
        a.add(hull(rows, 8, 14, 3.5), SEAT, plan.leather)
        pad = [(tail + 0.02, h + rise, 0.07 * w, 0.025), (mid - 0.06, h + 0.5 * rise, 0.11 * w, 0.035)]
        cowl = [(tail - 0.08, h + rise + 0.01, 0.035, 0.025), (tail + 0.1, h + rise - 0.06, 0.1 * w, 0.05)]
        cowl = [*cowl, (mid, h - 0.05, 0.13 * w, 0.06), (x - 0.1, h - 0.1, 0.1 * w, 0.04)]
        solo = plan.family == "sport" and rng.random() < 0.3
        a.add(from_side(hull(pad, 6, 14, 3.0)), BODY if solo else SEAT, plan.paint if solo else plan.leather)
        a.add(from_side(hull(cowl, 9, 14, 3.0)), BODY, plan.paint)
        back = mid - 0.06 if solo else tail + 0.02
    elif kind in ("solo", "king"):
        back = max(tail, x - 0.46)
        rows = [
            (back, h + 0.1, 0.13 * w, 0.03),
            (back + 0.08, h + 0.02, 0.18 * w, 0.05),
            (x - 0.16, h - 0.03, 0.15 * w, 0.045),
        ]
        a.add(hull([*rows, (x + 0.02, h + 0.0, 0.06 * w, 0.035)], 9, 14, 3.0), SEAT, plan.leather)
        if kind == "king" or rng.random() < 0.4:
            pad = [(back - 0.28, h + 0.08, 0.1 * w, 0.03), (back + 0.02, h + 0.08, 0.12 * w, 0.035)]
            a.add(hull(pad, 6, 14, 3.0), SEAT, plan.leather)
            back -= 0.28
            high, far = rng.uniform(0.25, 0.6 if plan.family == "chopper" else 0.36), back - 0.06
            bar = [
                (back + 0.12, 0.13, h - 0.08),
                (far, 0.12, h + 0.1),
                (far - 0.08, 0.1, h + high),
                (far - 0.09, 0, h + high + 0.02),
            ]
            a.add_both(tube(fillet(bar, 0.07, 3), 0.01, 6), BODY, plan.shiny)
            a.add(
                box((0.05, 0.2, 0.5 * high), 0.024).turn(rotation("y", -10)).move([far - 0.02, 0, h + 0.65 * high]),
                SEAT,
                plan.leather,
            )
    elif kind == "hump":
        back = tail + 0.2
        rows = [
            (back, h, 0.12 * w, 0.04),
            (0.5 * (back + x), h - 0.03, 0.125 * w, 0.035),
            (x, h - 0.01, 0.1 * w, 0.035),
        ]
        a.add(hull(rows, 9, 14, 3.5), SEAT, plan.leather)
        cowl = [
            (tail - 0.02, h + 0.01, 0.06, 0.03),
            (tail + 0.1, h + 0.035, 0.11 * w, 0.065),
            (back + 0.03, h + 0.015, 0.11 * w, 0.05),
        ]
        a.add(from_side(hull(cowl, 8, 14, 2.6, 0.2)), BODY, plan.paint)
    elif kind == "sprung":
        back = x - 0.3
        rows = [(back, h + 0.02, 0.11 * w, 0.035), (back + 0.1, h, 0.11 * w, 0.04), (x + 0.02, h - 0.01, 0.04, 0.03)]
        a.add(hull(rows, 8, 12, 2.6), SEAT, plan.leather)
        for y in (0.07, -0.07):
            a.add(fins((back + 0.04, y, h - 0.1), (back + 0.04, y, h - 0.01), circle(8, 0.022), 4), BODY, plan.shiny)
        rack = np.array([(back - 0.02, 0.08, h - 0.12), (tail - 0.2, 0.08, h - 0.12), (tail - 0.2, 0, h - 0.12)])
        a.add_both(tube(fillet(rack, 0.05), 0.008, 6), BODY, plan.shiny)
        a.add_both(tube([rack[1] + xyz(0.06, 0, 0), plan.rear + xyz(0, 0.07, 0)], 0.008, 6), BODY, plan.shiny)
    else:
        back, front = tail, x + (0.16 if kind == "long" else 0.02)
        slim = 0.72 if kind == "long" else 1.0
        rows = [(back, h + rise, 0.1 * w * slim, 0.035), (back + 0.4 * length, h + 0.3 * rise, 0.14 * w * slim, 0.045)]
        rows = [
            *rows,
            (x - 0.2 * length, h - 0.035, 0.13 * w * slim, 0.045),
            (front, h + (0.07 if kind == "long" else -0.01), 0.075 * w, 0.035),
        ]
        a.add(hull(rows, 12, 14, 3.5), SEAT, plan.leather)
    a.keypoint(10, (x - 0.05, 0, h), SEAT, seen_from=(0, 0, 1))
    a.keypoint(11, (back + (0.07 if kind == "hump" else 0.02), 0, h), SEAT, seen_from=(0, 0, 1))
    return back


def add_fenders(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> np.ndarray:
    """Mudguards; returns the place for the tail light."""
    (rf, rr), (wf, wr) = (float(plan.front[2]), float(plan.rear[2])), plan.tyres
    lean = 90 + np.degrees(plan.rake)
    finish = plan.shiny if plan.family in ("cafe", "moped", "naked") and rng.random() < 0.5 else plan.paint
    gap, tip = rf + 0.03, None
    if plan.family in ("enduro", "adventure"):
        foot = plan.on_fork(plan.fork - 0.24, -0.06)
        path = curve(
            [foot + xyz(-0.16, 0, -0.06), foot + xyz(0.04, 0, 0.03), foot + xyz(0.3, 0, 0.0), foot + xyz(0.5, 0, -0.1)],
            11,
        )
        a.add(from_side(shell(path, np.linspace(0.075, 0.05, 11), 0.035, 0.008, (0, 0, 1))), BODY, plan.paint)
        tip = path[-1]
    elif plan.family != "chopper" or rng.random() < 0.3:
        span = {"cruiser": (-95, 60), "touring": (-90, 80), "scooter": (-70, 75), "moped": (-85, 45)}.get(
            plan.family, (-70, 40)
        )
        bow = arc(
            plan.front, gap, lean + 0.7 * span[1] * rng.uniform(0.8, 1.2), lean + span[0] * rng.uniform(0.75, 1.0), 12
        )
        deep = rng.uniform(0.9, 1.6) if plan.family in ("cruiser", "touring", "scooter") else 0.7
        a.add(from_side(shell(bow, wf + 0.018, deep * wf, 0.008, bow[0] - plan.front)), BODY, finish)
        stay = plan.front + (gap - 0.5 * deep * wf) * np.array([np.cos(np.radians(lean)), 0, np.sin(np.radians(lean))])
        a.add_both(box((0.09, 0.04, 0.03)).move(stay + xyz(0, wf + 0.02, 0)), BODY, plan.black)
        tip = bow[-1]
    if tip is not None:
        a.keypoint(19, tip + xyz(0.01, 0, 0), BODY)
    gap, end = rr + 0.05, np.array([plan.tail - 0.02, 0, plan.seat - 0.02])
    if plan.family in ("cruiser", "chopper", "touring", "moped", "cafe", "naked"):
        finish = plan.shiny if plan.family in ("cafe", "naked") else finish
        stop = {"cruiser": 168, "touring": 165, "moped": 190, "chopper": 160}.get(plan.family, 150) + rng.uniform(
            -15, 5
        )
        bow = arc(plan.rear, gap, 60, stop, 10)
        deep = 1.0 if plan.family in ("cruiser", "chopper", "touring") else 0.6
        a.add(from_side(shell(bow, wr + 0.02, deep * wr, 0.008, bow[0] - plan.rear)), BODY, finish)
        a.add_both(
            tube([bow[5] + xyz(0, wr + 0.015, -0.5 * wr), (plan.rear[0] + 0.12, 0.1, plan.seat - 0.09)], 0.012, 6),
            BODY,
            plan.frame,
        )
        end = plan.rear + gap * np.array([np.cos(np.radians(stop - 35)), 0, np.sin(np.radians(stop - 35))])
    elif plan.family == "enduro":
        path = curve(
            [
                (plan.tail + 0.25, 0, plan.seat - 0.06),
                (plan.tail, 0, plan.seat + 0.02),
                (plan.tail - 0.25, 0, plan.seat + 0.04),
            ],
            8,
        )
        a.add(from_side(shell(path, np.linspace(0.08, 0.06, 8), 0.03, 0.01, (0, 0, 1))), BODY, plan.paint)
        end = path[5] - xyz(0, 0, 0.035)
    elif plan.family in ("sport", "adventure"):
        bow = arc(plan.rear, rr + 0.03, 60, 125, 9)
        a.add(shell(bow, wr + 0.015, 0.5 * wr, 0.008, bow[0] - plan.rear), BODY, plan.black)
        end = end + xyz(-0.02, 0, 0.03 if plan.family == "sport" else -0.04)
    return end


def add_lamps(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan, tail: np.ndarray) -> None:
    """Headlight (where no fairing holds one), tail light, indicators and number plate."""
    glass = materials.plain(rng.uniform(0.8, 0.98) * np.array([1, 1, rng.uniform(0.85, 1.0)]), 0.9, 100)
    if plan.family not in ("sport", "scooter"):
        at = plan.on_fork(plan.fork - 0.1, 0.09)
        size = rng.uniform(0.85, 1.15) * {"moped": 0.75, "enduro": 0.7, "chopper": 0.8}.get(plan.family, 1.0)
        shape = [size, size * (1.35 if rng.random() < 0.25 else 1.0), 1.0]
        bucket = revolve([(0.02, -0.11), (0.06, -0.08), (0.085, -0.02), (0.09, 0.0), (0.085, 0.006)], 14)
        lens = revolve([(0.08, 0.0), (0.07, 0.014), (0.045, 0.024), (0.0, 0.028)], 14)
        holder = plan.black if plan.family == "enduro" else plan.shiny if rng.random() < 0.6 else plan.second
        for surface, finish in ((bucket, holder), (lens, glass)):
            a.add(surface.warp(lambda p: p * shape).turn(rotation("y", 90)).move(at + xyz(0.08, 0, 0)), LIGHT, finish)
        if plan.family == "enduro":
            plate = curve([at + xyz(0.06, 0, -0.13), at + xyz(0.1, 0, 0), at + xyz(0.04, 0, 0.16)], 7)
            mask = shell(plate, np.array([0.07, 0.1, 0.12, 0.12, 0.115, 0.1, 0.07]), 0.05, 0.01, (1, 0, 0))
            a.add(from_side(mask), BODY, plan.paint)
        a.add_both(
            tube([at + xyz(0.03, 0.07, 0), plan.on_fork(plan.fork - 0.1, 0, plan.legs)], 0.012, 6), BODY, plan.black
        )
        a.keypoint(8, at, LIGHT, seen_from=(1, 0, 0))
    red = materials.plain((rng.uniform(0.55, 0.8), 0.04, 0.04), 0.7, 60)
    a.add(
        box((0.06, rng.uniform(0.08, 0.16), rng.uniform(0.045, 0.07)), 0.02).move(tail + xyz(-0.02, 0, 0)), LIGHT, red
    )
    a.keypoint(9, tail, LIGHT, seen_from=(-1, 0, 0))
    number = box((0.008, 0.18, 0.12)).turn(rotation("y", 20)).move(tail + xyz(-0.05, 0, -0.13))
    a.add(number, BODY, materials.plain((0.9, 0.9, rng.choice([0.85, 0.3])), 0.2))
    a.add(tube([tail + xyz(0.03, 0, -0.02), tail + xyz(-0.045, 0, -0.11)], 0.014, 6), BODY, plan.black)
    if plan.family not in ("enduro", "cafe", "chopper") or rng.random() < 0.4:
        amber = materials.plain((0.9, 0.45, 0.05), 0.6, 60)
        for at in (tail + xyz(0.02, 0, -0.03), plan.on_fork(plan.fork - 0.17, 0.05)):
            out = 0.13 if at[0] < 0 else plan.legs + 0.09
            a.add_both(tube([at, at + xyz(0, out, 0)], 0.008, 6), BODY, plan.black)
            a.add_both(ball(at + xyz(0, out, 0), (0.03, 0.035, 0.025), 8), LIGHT, amber)
