"""Families whose seat, back and arms are one body: sofas, moulded shells, tubs."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.chair.arms import add_arms
from featurenerf.synthesis.objects.chair.legs import add_column, add_legs, add_star, leg_shape, mark_tip
from featurenerf.synthesis.objects.chair.plans import ARM, BACK, LEG, SEAT, draw_plan
from featurenerf.synthesis.objects.chair.seats import add_seat, mark_seat
from featurenerf.synthesis.objects.shapes import (
    Surface,
    box,
    circle,
    curve,
    fillet,
    grid,
    join,
    loft,
    rotation,
    rounded_rectangle,
    slab,
    tube,
)


def outward(surface: Surface) -> Surface:
    """The surface with its faces turned so that it encloses a positive volume."""
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    if np.einsum("ij,ij->", a, np.cross(b, c)) >= 0:
        return surface
    return Surface(surface.vertices, surface.faces[:, ::-1], surface.uv[:, ::-1])


def _facing(surface: Surface, direction: np.ndarray) -> Surface:
    """The sheet with its front towards the mean of the given directions."""
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    if (np.cross(b - a, c - a) @ direction.mean(axis=0)).sum() >= 0:
        return surface
    return Surface(surface.vertices, surface.faces[:, ::-1], surface.uv[:, ::-1])


def sofa(a: Assembly, rng: np.random.Generator) -> None:
    """A body of cushions and upholstered arms."""
    double = rng.random() < 0.2
    plan = draw_plan(
        rng,
        height=(0.36, 0.48),
        width=(1.0, 1.5) if double else (0.48, 0.66),
        depth=(0.48, 0.62),
        back=(0.28, 0.65),
        recline=(0, 14),
        soft=1.0,
    )
    h, w, d = plan.height, plan.width, plan.depth
    foot = rng.choice([0.0, rng.uniform(0.04, 0.18)])
    cushion = rng.uniform(0.08, 0.18)
    base = h - cushion
    arm_w, arm_up = rng.uniform(0.06, 0.18), rng.uniform(0.1, 0.28)
    soft = rng.uniform(0.015, 0.06)
    thick = rng.uniform(0.1, 0.22)
    body = plan.cover
    alike = plan.back_cover
    a.add(
        box((d + thick * 0.8, w + arm_w, max(base - foot, 0.05)), 0.015).move([-thick * 0.4, 0, (base + foot) / 2]),
        SEAT,
        body,
    )
    count = 2 if double else 1
    for k in range(count):
        pad = box((d + 0.02, w / count, cushion), min(soft, 0.45 * cushion), (4, 4, 1), 2)
        crown = rng.uniform(0, 0.03)
        p = pad.vertices
        lift = (
            crown
            * (p[:, 2] > 0)
            * np.cos(np.clip(np.pi * p[:, 0] / d, -1.57, 1.57))
            * np.cos(np.clip(np.pi * p[:, 1] / (w / count), -1.57, 1.57))
        )
        a.add(pad.lift(lift).move([0.01, (k + 0.5) * w / count - w / 2, h - cushion / 2]), SEAT, alike)
    low = foot - h
    full = w + (2 * arm_w if rng.random() < 0.5 else 0)
    board = box((thick, full, plan.back - low), min(soft, 0.45 * thick), (1, 8, 6), 2).move(
        [-thick / 2, 0, (plan.back + low) / 2]
    )
    p = board.vertices
    arch = rng.choice([0.0, rng.uniform(0.03, 0.1)])
    lift = arch * (p[:, 2] > 0.6 * plan.back) * (1 - (2 * p[:, 1] / full) ** 2)
    recline = np.tan(plan.recline)
    board = board.warp(
        lambda q: np.stack([q[:, 0] - d / 2 + 0.03 - recline * np.maximum(q[:, 2], 0), q[:, 1], h + q[:, 2] + lift], -1)
    )
    a.add(board, BACK, body)
    if rng.random() < 0.5:
        for k in range(count):
            pad = box((0.12, w / count * 0.98, min(0.8 * plan.back, 0.45)), 0.05, (1, 4, 4), 2)
            tilt = rotation("y", -np.degrees(plan.recline) - 4)
            a.add(
                pad.turn(tilt).move(
                    [-d / 2 + 0.08 - 0.5 * recline * plan.back, (k + 0.5) * w / count - w / 2, h + 0.42 * plan.back]
                ),
                BACK,
                alike,
            )
    y = w / 2 + arm_w / 2
    length = d + (0.02 if rng.random() < 0.5 else -rng.uniform(0.02, 0.12))
    front = d / 2 if length > d else d / 2 - 0.05
    if rng.random() < 0.6:
        block = box((length, arm_w, h + arm_up - foot), min(soft, 0.45 * arm_w), (2, 1, 2), 2)
        a.add_both(block.move([front - length / 2, y, (h + arm_up + foot) / 2]), ARM, body)
    else:
        roll = arm_w * rng.uniform(0.45, 0.6)
        a.add_both(
            box((length - 0.02, arm_w * 0.7, h + arm_up - foot - roll), 0.02).move(
                [front - length / 2, y, (h + arm_up + foot - roll) / 2]
            ),
            ARM,
            body,
        )
        along = front - length + np.array([0.0, 0.01, length - 0.01, length])
        path = np.stack([along, np.full(4, y + 0.01), np.full(4, h + arm_up - roll)], -1)
        a.add_both(tube(path, roll * np.array([0.9, 1, 1, 0.9]), 16), ARM, body)
    a.keypoint_both(12, 13, (front, y, h + arm_up + 0.01), ARM)
    a.keypoint_both(14, 15, (front - 0.8 * length, y, h + arm_up + 0.01), ARM)
    if foot > 0:
        at, yy = d / 2 - 0.05, (w + arm_w) / 2 - 0.03
        shape = leg_shape(rng, True)
        spread = rng.uniform(0, 0.04)
        for k, (sx, xx) in enumerate(((1, at), (-1, -at - thick * 0.6))):
            tip = np.array([xx + sx * spread, yy + spread, 0])
            a.add_both(
                shape(np.array([xx, yy, foot + 0.02]), tip),
                LEG,
                plan.legs if plan.legs is not body else materials.wood(rng),
            )
            mark_tip(a, 8 + 2 * k, tip)
    if rng.random() < 0.25 and plan.back > 0.42 and not double:
        wing = box((rng.uniform(0.15, 0.28), 0.06, plan.back - arm_up), 0.028, (1, 1, 4), 2)
        shift = recline * (plan.back + arm_up) / 2
        a.add_both(wing.move([-d / 2 + 0.1 - shift, w / 2 + 0.02, h + (plan.back + arm_up) / 2]), BACK, body)
    a.keypoint_both(0, 1, (d / 2 + 0.05, w / 2 - 0.01, h + 0.03), SEAT)
    a.keypoint_both(2, 3, (-d / 2 + 0.16, w / 2 - 0.03, h + 0.05), SEAT)
    a.keypoint(16, (0, 0, h), SEAT, seen_from=(0, 0, 1))
    top = h + plan.back
    x = -d / 2 - recline * plan.back
    a.keypoint_both(4, 5, (x, full / 2 + 0.05, top + 0.05), BACK)
    a.keypoint_both(6, 7, (-d / 2 + 0.1, w / 2 - 0.04, h + 0.08), BACK, seen_from=(1, 0, 0.3))
    a.keypoint(17, (x, 0, top + 0.2), BACK)
    a.keypoint(18, (x, 0, h + plan.back / 2), BACK, seen_from=(1, 0, 0))


def shell_chair(a: Assembly, rng: np.random.Generator) -> None:
    """A moulded shell on legs, a column or a star."""
    plan = draw_plan(rng, width=(0.42, 0.56), depth=(0.4, 0.48), back=(0.28, 0.5), recline=(8, 24), soft=0.25)
    h, d, w = plan.height, plan.depth, plan.width
    lip = rng.uniform(0.01, 0.05)
    back_top = np.array([-d / 2 - np.tan(plan.recline) * plan.back, h + plan.back])
    side = curve(
        [
            (d / 2 + 0.01, h - lip),
            (d / 2 - 0.05, h),
            (0, h - 0.015),
            (-d / 2 + 0.06, h),
            (-d / 2 - 0.01, h + 0.09),
            (back_top + np.array([-d / 2, h + 0.09])) / 2 + [0.012, 0],
            back_top,
        ],
        25,
    )
    n, m = len(side), 15
    t = np.linspace(0, 1, n)
    s = np.linspace(-1, 1, m)
    tangent = np.gradient(side, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], -1)  # up over the seat, to the front over the back
    normal *= np.sign(normal[n // 4, 1])
    rounded = rng.uniform(0.05, 0.2, 2)
    sharp = rng.uniform(2.5, 6.0)
    # the corners of the sheet are drawn in along the profile
    drawn = np.abs(s) ** sharp * (
        rounded[0] * np.clip(1 - 2 * t, 0, 1)[:, None] ** 2 - rounded[1] * np.clip(2 * t - 1, 0, 1)[:, None] ** 2
    )
    at = np.clip(t[:, None] + drawn, 0, 1)
    narrow = 1 - rng.uniform(0.0, 0.25) * np.clip((np.abs(2 * t - 1) - 0.4) / 0.6, 0, 1) ** 2
    half = w / 2 * narrow * (1 + plan.taper * np.clip(2 * t - 1, 0, 1)) * rng.uniform(1.0, 1.05)
    bucket = rng.uniform(0.02, 0.07) + (rng.uniform(0.06, 0.14) if rng.random() < 0.35 else 0) * np.exp(
        -(((t - 0.5) / 0.18) ** 2)
    )
    thick = rng.uniform(0.008, 0.016)
    bend = (bucket * np.ones(n))[:, None] * np.abs(s) ** 2.5
    sheet = np.empty((n, m, 3))
    for axis, k in ((0, 0), (2, 1)):
        sheet[..., axis] = np.interp(at, t, side[:, k]) + np.interp(at, t, normal[:, k]) * bend
    sheet[..., 1] = half[:, None] * s
    below = sheet - thick * np.stack([normal[:, 0], np.zeros(n), normal[:, 1]], -1)[:, None]
    skin = outward(grid(np.concatenate([sheet, below[:, ::-1]], axis=1), closed=True))
    front, top = (_facing(grid(np.stack([sheet[k], below[k]])), sheet[k] - sheet[n // 2]) for k in (0, -1))
    row = np.concatenate([np.repeat(np.arange(n - 1), 4 * m), np.zeros(len(front.faces)), np.full(len(top.faces), n)])
    a.add(join(skin, front, top), np.where(row < 0.52 * n, SEAT, BACK), plan.cover)
    if rng.random() < 0.25:
        pad = slab(circle(24, (d * 0.38, w * 0.38), 3.0), 0.02, 0.008, 0.012)
        a.add(pad.move([0.02, 0, h + 0.005]), SEAT, materials.fabric(rng))
    under = h - 0.034
    base = rng.choice(["legs", "column", "star", "wire"], p=[0.5, 0.15, 0.2, 0.15])
    if base == "legs":
        spread = rng.uniform(0.04, 0.14)
        x = 0.3 * d
        add_legs(a, rng, plan, under - 0.01, (-x, x), 0.3 * w, (spread, spread * 0.8, spread))
    elif base == "wire":
        tip = np.array([0.5 * d, 0.45 * w, 0.0])
        for k, sx in enumerate((1, -1)):
            end = tip * [sx, 1, 1]
            a.add_both(
                tube(fillet([(0.1 * sx, 0.06, under), (sx * 0.3 * d, 0.3 * w, 0.7 * under), end], 0.1), 0.007, 6),
                LEG,
                plan.legs,
            )
            a.add_both(tube([end * 0.55 + [0, 0, 0.45 * under], (-0.1 * sx, 0.1, under)], 0.005, 6), LEG, plan.legs)
            mark_tip(a, 8 + 2 * k, end)
    elif base == "column":
        add_column(a, rng, plan, under)
    else:
        add_star(a, rng, plan, under)
    if rng.random() < 0.3:
        add_arms(a, rng, plan, str(rng.choice(["loop", "bow"])))
    mark_seat(a, plan)
    a.keypoint_both(4, 5, (back_top[0] + 0.05, w * 0.48, back_top[1] + 0.02), BACK)
    a.keypoint_both(6, 7, (-d / 2, w / 2 + 0.03, h + 0.13), BACK)
    a.keypoint(17, (back_top[0], 0, back_top[1] + 0.1), BACK)
    a.keypoint(18, (0, 0, h + 0.55 * plan.back), BACK, seen_from=(1, 0, 0))


def tub_chair(a: Assembly, rng: np.random.Generator) -> None:
    """A round seat within a wall that is the back and, where it reaches round, the arms."""
    plan = draw_plan(rng, height=(0.38, 0.46), width=(0.5, 0.64), depth=(0.48, 0.6), back=(0.25, 0.42), soft=0.9)
    h, d, w = plan.height, plan.depth, plan.width
    under, plan = add_seat(a, rng, plan, "cushion", "super")
    thick = rng.uniform(0.03, 0.09)
    reach = np.radians(rng.uniform(70, 140))
    arm_up = rng.uniform(0.12, 0.22)
    angle = np.linspace(-reach, reach, 33)
    low = min(under, h - 0.08) if rng.random() < 0.5 else h - 0.05
    drop = np.clip((np.abs(angle) / reach) ** rng.uniform(1.5, 5), 0, 1)
    top = plan.back * (1 - drop) + arm_up * drop
    ring = rounded_rectangle(1, 1, 0.35, 3)
    lean = np.tan(plan.recline)
    sections = np.empty((33, len(ring), 3))
    for k in range(33):
        direction = np.array([-np.cos(angle[k]), np.sin(angle[k])])
        up = h + top[k] - low
        out = thick * ring[:, 0] + thick / 2 + lean * (ring[:, 1] + 0.5) * up * 0.7
        z = low + (ring[:, 1] + 0.5) * up
        # the rounding must not grow with the height of the wall
        z = np.where(
            ring[:, 1] > 0,
            np.maximum(z, h + top[k] - thick * (0.5 - ring[:, 1]) * 2),
            np.minimum(z, low + thick * (ring[:, 1] + 0.5) * 2),
        )
        radius = np.array([d / 2, w / 2]) * (np.abs(direction[0]) ** 3 + np.abs(direction[1]) ** 3) ** (-1 / 3)
        sections[k, :, 0] = direction[0] * (radius[0] - 0.01 + out)
        sections[k, :, 1] = direction[1] * (radius[1] - 0.01 + out)
        sections[k, :, 2] = z
    surface = outward(loft(sections))
    m = len(ring)
    middle = np.abs(angle[:-1] + angle[1:]) / 2
    row = np.concatenate([np.repeat(middle, 2 * m), np.full(2 * m, reach)])
    armed = reach > np.radians(95)
    border = np.radians(58)
    a.add(surface, np.where((row > border) & armed, ARM, BACK), plan.back_cover)
    base = rng.choice(["legs", "column", "star"], p=[0.6, 0.25, 0.15])
    if base == "legs":
        add_legs(
            a, rng, plan, under, (-0.33 * d, 0.36 * d), 0.36 * w, (0.05, rng.uniform(0, 0.05), rng.uniform(0, 0.05))
        )
    elif base == "column":
        add_column(a, rng, plan, under)
    else:
        add_star(a, rng, plan, under)
    a.keypoint_both(0, 1, (d / 2, w / 2, h), SEAT)
    a.keypoint_both(2, 3, (-0.28 * d, 0.28 * w, h), SEAT, seen_from=(0, 0, 1))
    a.keypoint(16, (0, 0, h), SEAT, seen_from=(0, 0, 1))
    back = -d / 2 - thick / 2
    edge = border if armed else reach
    at = -np.cos(edge) * d / 2, np.sin(edge) * w / 2
    turn = float(np.interp(edge, angle, top))
    a.keypoint_both(4, 5, (at[0], at[1] + 0.06, h + turn + 0.05), BACK)
    a.keypoint_both(6, 7, (at[0] * 0.9, at[1] * 0.9, h + 0.04), BACK)
    a.keypoint(17, (back - lean * plan.back, 0, h + plan.back + 0.1), BACK)
    a.keypoint(18, (0, 0, h + plan.back / 2), BACK, seen_from=(1, 0, 0))
    if armed:
        a.keypoint_both(12, 13, (-np.cos(reach) * d / 2 + 0.05, np.sin(reach) * w / 2 + 0.02, h + arm_up + 0.05), ARM)
        a.keypoint_both(14, 15, (at[0], at[1] + 0.06, h + turn + 0.05), ARM)
