"""What rolls and steers: wheels, fork, handlebar; and the frame that holds it all."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.labelled import Material
from featurenerf.synthesis.objects.motorcycle.pieces import ball, fins, from_side, hull, ring, spun, xyz
from featurenerf.synthesis.objects.motorcycle.plans import BODY, HANDLE, WHEEL, MotorcyclePlan
from featurenerf.synthesis.objects.shapes import (
    Surface,
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

_CORNERS = 30
"""How many corners a wheel has."""


def add_wheel(
    a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan, front: bool, spokes: int, white: bool
) -> None:
    """A wheel with wire spokes, a casting or a disc, and its brake; ``white``: with white walls."""
    axle, w = (plan.front, plan.tyres[0]) if front else (plan.rear, plan.tyres[1])
    r = float(axle[2])
    high = min({"enduro": 1.9, "moped": 1.9, "scooter": 1.6}.get(plan.family, 1.35) * w, 0.36 * r)
    rim = r - high
    knobby = plan.family in ("enduro", "adventure")
    section = circle(10, (high / 2, w), 2.6 if knobby else 2.2)
    tyre = ring(section + np.array([r - high / 2, 0.0]), _CORNERS)
    v, u = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    tread = np.where((u + np.abs(v - 16)) % 16 < (8 if knobby else 3), 90, 255).astype(np.uint8)
    rubber = Material(np.full(3, 0.075), 0.12, 8.0, np.repeat(tread[..., None], 3, 2))
    column = np.tile(np.repeat(np.arange(10), 2), _CORNERS)
    out = np.minimum(column, 9 - column)
    bands = (Finish(rubber, 0.09), materials.plain([0.06] * 3, 0.1, 8), materials.plain([0.85] * 3, 0.1, 8))
    pieces: list[tuple[Surface, Finish]] = []
    a.add(tyre.move(axle), WHEEL, bands, np.where(out < 2, 0, 2 if white else 1))
    bed = circle(6, (0.02, 0.8 * w), 4.0)
    pieces.append((ring(bed + np.array([rim + 0.004, 0.0]), _CORNERS), plan.rim))
    lay, stub = rotation("x", -90), plan.legs + 0.028 if front else max(plan.tyres[1] + 0.05, 0.1) + 0.03
    if plan.family == "scooter" and not front:
        stub = w + 0.14
    pieces.append((revolve([(0.014, -stub), (0.014, stub)], 8).turn(lay), plan.shiny))
    if plan.wheels == "wire":
        hub = revolve([(0.05, -0.7 * w), (0.035, -0.5 * w), (0.035, 0.5 * w), (0.05, 0.7 * w)], 12).turn(lay)
        pieces.append((hub, plan.shiny))
        for k in range(4):
            lean, side = np.radians(35 if k < 2 else -35), 0.6 * w * (1 if k % 2 else -1)
            rod = tube([(0.045 * np.cos(lean), side, 0.045 * np.sin(lean)), (rim, 0.1 * side, 0)], 0.004, 3)
            pieces.append((spun(rod, np.arange(k, spokes, 4) * 360 / spokes), plan.shiny))
    elif plan.wheels == "cast":
        pieces.append((revolve([(0.06, -0.8 * w), (0.06, 0.8 * w)], 12).turn(lay), plan.rim))
        count, twin, skew = 3 + spokes % 4, spokes % 3 == 0, rng.uniform(-14, 14)
        thick = rng.uniform(0.14, 0.26) * rim / (2 if twin else 1) * (1.3 if count == 3 else 1)
        arm = box((rim - 0.04, w, thick)).warp(
            lambda p: np.stack([p[:, 0], p[:, 1], p[:, 2] * (1 - 0.8 * p[:, 0] / rim)], -1)
        )
        arm = arm.move([rim / 2 + 0.02, 0, 0])
        for offset in (-18, 18) if twin else (0,):
            tilt = arm.move([-0.03, 0, 0]).turn(rotation("y", skew + np.sign(offset) * 6)).move([0.03, 0, 0])
            pieces.append((spun(tilt, offset + np.arange(count) * 360 / count), plan.rim))
    else:
        dish = [(0.05, -w), (0.06, -0.8 * w), (0.4 * rim, -0.75 * w), (rim, -0.5 * w)]
        pieces.append((revolve([*dish, *[(q, -y) for q, y in dish[::-1]]], 24).turn(lay), plan.rim))
    if plan.family not in ("scooter", "moped"):
        disc, y = (min(0.62 * rim, 0.165), plan.legs - 0.024) if front else (0.45 * rim, plan.tyres[1] + 0.02)
        rotor = ring(circle(4, (0.2 * disc, 0.004)) + np.array([0.8 * disc, y]), 16)
        steel = materials.plain((0.55, 0.55, 0.57), 0.7, 40)
        pieces += [(rotor, steel), (rotor.mirror(), steel)] if front else [(rotor.mirror(), steel)]
    for surface, finish in pieces:
        a.add(surface.move(axle), WHEEL, finish)
    a.keypoint_both(*((0, 1) if front else (2, 3)), axle + xyz(0, stub + 0.02, 0), WHEEL)
    a.keypoint(4 if front else 5, axle + xyz(r if front else -r, 0, 0), WHEEL, seen_from=(1 if front else -1, 0, 0))


def add_fork(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> None:
    """The fork's legs between two clamps: usual (slim above), inverted (slim below) or plain."""
    y, top = plan.legs, plan.fork + 0.02
    kind = {"sport": "inverted", "enduro": "inverted", "scooter": "plain", "moped": "plain"}.get(plan.family, "usual")
    if plan.family in ("naked", "adventure", "cafe") and rng.random() < 0.4:
        kind = "inverted"
    thick = {"moped": 0.75, "scooter": 0.9, "cruiser": 1.2, "touring": 1.3}.get(plan.family, 1.0)
    gold = materials.plain((0.68, 0.5, 0.18), 0.6, 50) if rng.random() < 0.5 else plan.black
    lower, upper = (0.019, 0.028) if kind == "inverted" else (0.027, 0.019) if kind == "usual" else (0.022, 0.022)
    split = 0.38 * plan.fork if kind == "inverted" else 0.55 * min(plan.fork, 0.8)
    first, second = (plan.shiny, gold) if kind == "inverted" else (plan.block, plan.shiny)
    if kind == "plain":
        first = second = plan.paint if plan.family == "moped" else plan.black
    leg = [plan.on_fork(s, 0, y) for s in (-0.02, split)], [plan.on_fork(s, 0, y) for s in (split - 0.01, top)]
    a.add_both(tube(leg[0], lower * thick, 10), BODY, first)
    a.add_both(tube(leg[1], upper * thick, 10), BODY, second)
    if kind == "usual" and plan.family in ("cafe", "enduro", "naked") and rng.random() < 0.4:
        a.add_both(
            fins(plan.on_fork(split, 0, y), plan.on_fork(0.8 * top, 0, y), circle(10, 0.034), 8), BODY, plan.black
        )
    turn = rotation("y", -np.degrees(plan.rake))
    for along, high in ((plan.fork - 0.01, 0.03), (plan.fork - 0.2, 0.045)):
        clamp = box((0.085, 2 * y + 0.07, high)).turn(turn)
        a.add(clamp.move(plan.on_fork(along, -0.02)), BODY, plan.block if plan.family != "scooter" else plan.black)
    a.add(tube([plan.on_fork(plan.fork - 0.22, -0.05), plan.on_fork(plan.fork, -0.05)], 0.033), BODY, plan.frame)
    if kind in ("usual", "inverted"):
        caliper = box((0.05, 0.035, 0.09)).turn(turn)
        a.add_both(caliper.move(plan.on_fork(0.11, -0.06, y - 0.02)), BODY, plan.black)


_BARS: dict[str, list[tuple[float, float, float]]] = {
    "flat": [(0, 0, 0), (0, 0.1, 0.01), (-0.03, 0.2, 0.06), (-0.1, 0.37, 0.06)],
    "cross": [(0, 0, 0), (0, 0.1, 0.01), (0.0, 0.16, 0.08), (-0.07, 0.4, 0.11)],
    "pull": [(0, 0, 0), (0, 0.08, 0.02), (0.01, 0.14, 0.13), (-0.08, 0.3, 0.17), (-0.27, 0.4, 0.12)],
    "ape": [(0, 0, 0), (0, 0.1, 0.02), (0.03, 0.16, 0.12), (0.02, 0.3, 0.36), (-0.07, 0.36, 0.4), (-0.24, 0.39, 0.36)],
    "drag": [(0, 0, 0.06), (0, 0.1, 0.06), (-0.02, 0.2, 0.065), (-0.1, 0.39, 0.07)],
    "ace": [(0, 0, 0), (0, 0.09, 0), (0.09, 0.15, -0.02), (0.06, 0.24, -0.11), (-0.08, 0.34, -0.12)],
    "clip": [(0.0, 0.06, -0.03), (-0.01, 0.12, -0.03), (-0.12, 0.32, -0.08)],
    "scooter": [(0, 0, 0.03), (0, 0.1, 0.05), (-0.03, 0.2, 0.06), (-0.11, 0.34, 0.04)],
}
"""The left half of each handlebar, from the upper clamp: ahead, to the left, up."""


def add_bars(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> None:
    """Handlebar with grips, levers, instruments and mirrors."""
    path = np.array(_BARS[plan.bars]) * [1, rng.uniform(0.74, 1.12), rng.uniform(0.75, 1.3)]
    if plan.family == "moped":
        path = path * [0.8, 0.78, 1.0]
    path = plan.on_fork(plan.fork + 0.03, -0.02) + path
    bend = fillet(path, 0.07, 3)
    finish = plan.shiny if plan.bars not in ("clip", "scooter") else plan.black
    if bend[0, 1] == 0:
        a.add(tube(np.concatenate([bend[:0:-1] * [1, -1, 1], bend]), 0.013), HANDLE, finish)
    else:
        a.add_both(tube(bend, 0.014), HANDLE, finish)
    way = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
    end = path[-1] + 0.012 * way
    grip = tube([end - 0.15 * way, end - 0.14 * way, end - 0.014 * way, end], [0.022, 0.017, 0.018, 0.022])
    a.add_both(grip, HANDLE, materials.plain([0.04] * 3, 0.1, 8))
    ahead = np.array([0.045, 0.0, -0.01])
    lever = [end - 0.17 * way, end - 0.15 * way + ahead, end - 0.03 * way + 1.1 * ahead]
    a.add_both(tube(lever, 0.007, 5), HANDLE, plan.shiny)
    a.add_both(box((0.05, 0.035, 0.04)).move(end - 0.17 * way), HANDLE, plan.black)
    a.keypoint_both(6, 7, end + 0.05 * way, HANDLE)
    if plan.bars == "cross":
        brace = path[2]
        a.add(tube([brace, brace * [1, -1, 1]], 0.011), HANDLE, plan.black)
        if rng.random() < 0.6:
            guard = curve(
                [end + xyz(0.05, 0.01, 0), end - 0.1 * way + xyz(0.085, 0, 0), end - 0.22 * way + xyz(0.04, 0, 0)], 6
            )
            shield = sweep(guard, rounded_rectangle(0.012, 0.1, 0.005, 1), 1.0)
            a.add_both(shield, HANDLE, plan.second)
    dial = revolve([(0.035, -0.05), (0.042, -0.01), (0.042, 0.0), (0.034, 0.004)], 12).turn(rotation("y", -35))
    if plan.family not in ("scooter", "chopper", "sport"):
        for y in (0.05, -0.05) if rng.random() < 0.5 and plan.family != "moped" else (0.0,):
            a.add(dial.move(plan.on_fork(plan.fork + 0.06, 0.04, y)), HANDLE, plan.black)
    if rng.random() < {"enduro": 0.3, "chopper": 0.5, "cafe": 0.4, "moped": 0.5, "cruiser": 0.7}.get(plan.family, 0.95):
        foot = end - 0.2 * way
        out = np.array([-0.03, 0.03, rng.uniform(0.13, 0.2)])
        if plan.family == "sport":
            foot, out = plan.on_fork(plan.fork - 0.14, 0.16, 0.11), np.array([-0.02, 0.16, 0.17])
        elif plan.bars == "ace":
            foot = path[2]
        a.add_both(
            tube(fillet([foot, foot + xyz(0, 0, 0.6 * out[2]), foot + out], 0.05, 2), 0.006, 5), HANDLE, plan.black
        )
        if rng.random() < 0.5 and plan.family != "sport":
            head = ball((0, 0, 0), (0.016, 0.055, 0.055), 12)
        else:
            head = box((0.03, 0.15, 0.085), 0.014)
        centre = foot + out + xyz(0, 0.02, 0.02)
        a.add_both(head.move(centre), HANDLE, plan.shiny if rng.random() < 0.5 else plan.black)
        a.add_both(box((0.004, 0.075, 0.05)).move(centre - xyz(0.016, 0, 0)), HANDLE, plan.shiny)
        a.keypoint_both(17, 18, centre - xyz(0.05, 0, 0), HANDLE, seen_from=(-1, 0, 0))


def add_frame(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> None:
    """Frame, swing arm, shock absorbers, foot rests and stand."""
    neck, pivot, rear, r = plan.neck, plan.pivot, plan.rear, 0.017
    x, rail = plan.saddle, plan.seat - 0.1
    end = np.array([max(plan.tail + 0.08, rear[0] - 0.1), 0.09, rail + 0.02])
    y = max(plan.tyres[1] + 0.028, 0.085)
    slim = {"moped": 0.7, "enduro": 0.9}.get(plan.family, 1.0)
    swing = [pivot + xyz(0.02, 0.75 * y, 0), rear + xyz(0.18, y, 0.01), rear + xyz(-0.03, y, 0)]
    a.add_both(sweep(swing, rounded_rectangle(0.03 * slim, 0.06 * slim, 0.01, 1)), BODY, plan.frame)
    if plan.family == "moped":
        sag = np.array([0.5 * (neck[0] + pivot[0]), 0.0, 0.42 * neck[2] + 0.3 * plan.seat])
        spine = curve([neck, sag, pivot + xyz(0.02, 0, 0.02), pivot + xyz(-0.04, 0, 0.1)], 9)
        a.add(from_side(tube(spine, np.linspace(0.045, 0.06, 9), 12)), BODY, plan.paint)
        a.add(tube([pivot, (x - 0.16, 0, plan.seat - 0.04)], 0.022), BODY, plan.shiny)
    elif plan.family == "sport" or (plan.family == "naked" and plan.engine == "four"):
        beam = np.array([neck + xyz(0, 0.05, 0), neck + xyz(-0.14, 0.15, -0.06), pivot + xyz(0.06, 0.14, 0.06), pivot])
        beam[-1] += [0.02, 0.11, -0.05]
        a.add_both(sweep(fillet(beam, 0.12), rounded_rectangle(0.03, 0.09, 0.01, 1)), BODY, plan.block)
    elif plan.family != "scooter":
        low = plan.clearance + 0.02
        nose = min(float(plan.front[0] - plan.front[2]) - 0.07, float(neck[0]) + 0.02)
        cradle = [neck + xyz(0, 0.03, -0.06), (nose, 0.1, low + 0.22), (nose - 0.08, 0.12, low), (pivot[0], 0.12, low)]
        a.add_both(
            tube(fillet([*cradle, pivot + xyz(0, 0.1, 0), (x - 0.05, 0.1, rail)], 0.09, 2), r, 7), BODY, plan.frame
        )
        a.add(tube([neck, (x - 0.02, 0, rail + 0.02)], 0.028), BODY, plan.frame)
    if plan.family not in ("moped", "scooter"):
        a.add_both(tube([(x + 0.05, 0.08, rail), end], r), BODY, plan.frame)
        a.add_both(tube([pivot + xyz(-0.02, 0.1, 0.02), 0.4 * pivot + 0.6 * end], r * 0.9), BODY, plan.frame)
        mid = 0.5 * (x + pivot[0])
        pod = [(mid - 0.26, rail - 0.03, 0.08, 0.06), (mid - 0.12, rail - 0.1, 0.115, 0.12)]
        pod = [*pod, (mid + 0.03, rail - 0.1, 0.11, 0.12)]
        finish = plan.paint if rng.random() < 0.6 else plan.black
        a.add(from_side(hull(pod, 6, 12, 3.5)), BODY, finish)
    if plan.family not in ("sport", "enduro", "scooter", "adventure") and rng.random() < 0.9:
        foot = rear + np.array([rng.uniform(0.0, 0.07), y + 0.025, 0.02])
        top = np.array([foot[0] + rng.uniform(0.06, 0.14), y + 0.025, rail])
        a.add_both(tube([foot, top], 0.013 * slim), BODY, plan.shiny)
        spring = plan.shiny if rng.random() < 0.6 else plan.black
        a.add_both(fins(0.8 * foot + 0.2 * top, 0.1 * foot + 0.9 * top, circle(7, 0.032 * slim), 5), BODY, spring)
    if plan.family == "scooter":
        return
    feet = pivot + xyz(-0.05 if plan.family == "sport" else 0.06, 0.15, -0.06)
    if plan.family in ("cruiser", "chopper", "touring"):
        feet = np.array([min(plan.front[0] - plan.front[2] - 0.16, pivot[0] + 0.62), 0.17, plan.clearance + 0.14])
    board = plan.family == "touring" or (plan.family == "cruiser" and rng.random() < 0.4)
    peg = box((0.28, 0.1, 0.02)).move([0, 0.07, 0]) if board else tube([(0, 0, 0), (0, 0.13, 0.01)], 0.014)
    a.add_both(peg.move(feet), BODY, plan.black)
    a.add_both(tube([feet, (feet[0] - 0.08, 0.08, feet[2] + 0.02)], 0.012), BODY, plan.frame)
    a.keypoint_both(15, 16, feet + xyz(0, 0.16, 0.01), BODY)
    stand = [(pivot[0] + 0.08, 0.12, plan.clearance + 0.03), (pivot[0] - 0.12, 0.16, plan.clearance + 0.0)]
    a.add(tube(stand, 0.011, 6), BODY, plan.black)
    chain = [rear + xyz(0, y - 0.02, 0.06), pivot + xyz(0.02, 0.065, 0.03), pivot + xyz(0.02, 0.065, -0.03)]
    chain = [*chain, rear + xyz(0, y - 0.02, -0.06)]
    a.add(sweep(chain[:2], rounded_rectangle(0.015, 0.02, 0.004, 1)), BODY, plan.black)
    a.add(sweep(chain[2:], rounded_rectangle(0.015, 0.02, 0.004, 1)), BODY, plan.black)
