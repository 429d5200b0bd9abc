"""Fairings, windshields, luggage, and the whole dress of a scooter."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.motorcycle.pieces import ball, from_side, hull, shell, xyz
from featurenerf.synthesis.objects.motorcycle.plans import BODY, HANDLE, LIGHT, MotorcyclePlan
from featurenerf.synthesis.objects.shapes import Scalar, box, curve, fillet, rotation, tube


def add_fairing(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> None:
    """A sports fairing: sides, nose with headlight, windscreen and, if it is a full one, a belly."""
    front, r, neck = float(plan.front[0]), float(plan.front[2]) + 0.07, plan.neck
    full, bulge = rng.random() < 0.65, rng.uniform(0.9, 1.1)
    x0, nose = float(plan.pivot[0]) + 0.05, front + rng.uniform(-0.06, 0.06)
    x = np.concatenate([np.linspace(x0, front - r, 8), np.linspace(front - r, nose, 10)[1:]])
    u = (x - x0) / (nose - x0)
    wheel = plan.front[2] + np.sqrt(np.clip(r**2 - (x - front) ** 2, 0, None))
    belly = plan.clearance + 0.02 + (0.0 if full else 0.34) + np.interp(u, [0, 0.3, 1], [0.1, 0.0, 0.0])
    low = np.where(x > front - r, np.maximum(wheel, belly), belly)
    brow = float(neck[2]) + 0.1
    high = np.interp(
        u, [0, 0.12, 0.45, 0.62, 0.8, 1], [low[0] + 0.1, low[0] + 0.2, neck[2] - 0.05, brow, brow - 0.03, brow - 0.17]
    )
    high = np.maximum(high, low + 0.06)
    wide = bulge * np.interp(u, [0, 0.15, 0.4, 0.65, 0.85, 1], [0.15, 0.19, 0.215, 0.2, 0.15, 0.07])
    shape = from_side(hull(np.column_stack([x, (low + high) / 2, wide, (high - low) / 2]), 0, 20, 3.2, plumb=True))
    corners = shape.vertices[shape.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    dark = (np.abs(normal[:, 1]) < 0.6) & (normal[:, 2] < 0.1) & (corners[..., 2].mean(axis=1) < brow - 0.2)
    a.add(shape, BODY, (plan.paint, plan.black), dark.astype(int))
    glass = materials.plain(rng.choice([0.12, 0.55]) * np.array([0.9, 1, 1.1]), 0.9, 100)
    path = curve(
        [(nose - 0.1, 0, brow - 0.09), (nose - 0.2, 0, brow + 0.03), (float(neck[0]) + 0.06, 0, brow + 0.15)], 7
    )
    a.add(shell(path, np.array([0.07, 0.1, 0.125, 0.14, 0.145, 0.14, 0.11]), 0.09, 0.012, (1, 0, 1)), BODY, glass)
    lens = materials.plain((0.85, 0.88, 0.92), 0.9, 120)
    at = np.array([nose - 0.03, 0.0, brow - 0.17])
    if rng.random() < 0.5:
        eye = ball((0, 0, 0), (0.12, 0.035, 0.05), 12).turn(rotation("z", -38)).turn(rotation("x", 18))
        a.add_both(eye.move(at + xyz(-0.04, 0.075, 0.02)), LIGHT, lens)
        a.add(ball(at + xyz(0.02, 0, -0.02), (0.06, 0.04, 0.022)), LIGHT, lens)
    else:
        a.add(ball(at + xyz(-0.02, 0, 0.01), (0.12, 0.11, rng.uniform(0.03, 0.06)), 14), LIGHT, lens)
    a.keypoint(8, at, LIGHT, seen_from=(1, 0, 0))


def add_screen(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> None:
    """A windshield before the handlebar, with or without a fairing around the headlight."""
    foot = plan.on_fork(plan.fork - 0.08, 0.14)
    high, half = (0.5, 0.26) if plan.family == "touring" else (0.3, 0.17)
    path = curve([foot, foot + xyz(-0.02, 0, 0.4 * high), foot + xyz(-0.16, 0, high * rng.uniform(0.85, 1.1))], 8)
    wide = half * np.array([0.7, 0.95, 1, 1, 1, 0.97, 0.85, 0.55])
    glass = materials.plain(rng.uniform(0.6, 0.8) * np.array([0.95, 1, 1.03]), 0.9, 100)
    batwing = rng.random() < 0.6
    a.add(shell(path, wide, 0.12, 0.012, (1, 0, 0.3)), BODY, glass)
    if batwing or plan.family == "adventure":
        path = curve([foot + xyz(-0.02, 0, -0.2), foot + xyz(0.035, 0, 0.0), foot + xyz(0.015, 0, 0.2)], 7)
        wide = half * np.array([0.5, 0.85, 1.1, 1.2, 1.2, 1.15, 1.0])
        a.add(from_side(shell(path, wide, 0.16, 0.03, (1, 0, 0.2))), BODY, plan.paint)


def add_luggage(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan, back: Scalar) -> None:
    """Panniers, and often a top case behind the seat's end."""
    metal = plan.family == "adventure"
    finish = materials.plain((0.6, 0.61, 0.63), 0.5, 25) if metal else plan.paint
    size = np.array([rng.uniform(0.42, 0.56), rng.uniform(0.17, 0.22), rng.uniform(0.28, 0.36)])
    y = max(plan.tyres[1] + 0.13, 0.2) + size[1] / 2
    at = np.array([plan.rear[0] - 0.06, y, plan.rear[2] + 0.08 + size[2] / 2])
    taper = 0.0 if metal else rng.uniform(0.2, 0.5)
    case = box(size, 0.02 if metal else 0.06)
    case = case.warp(lambda p: p * (1 + p[:, :1] * [0, 0, taper / size[0]]))
    a.add_both(from_side(case.move(at)), BODY, finish)
    a.add_both(box((size[0] * 0.7, 0.012, 0.02)).move(at + xyz(0, size[1] / 2, 0.3 * size[2])), BODY, plan.black)
    a.add_both(
        tube([at + xyz(0, 0, 0.3 * size[2]), at * [1, 0, 1] + xyz(0.1, 0.05, 0.3 * size[2])], 0.015, 6),
        BODY,
        plan.black,
    )
    if rng.random() < 0.6:
        top = np.array([back - (0.2 if metal else 0.27), 0, plan.seat + 0.22])
        a.add(from_side(box((0.34, 0.44, 0.27), 0.05).move(top)), BODY, finish)
        a.add(box((0.42, 0.18, 0.1), 0.02).move(top - xyz(-0.12, 0, 0.17)), BODY, plan.black)


def add_scooter(a: Assembly, rng: np.random.Generator, plan: MotorcyclePlan) -> None:
    """Leg shield, floor, rear cowl with engine, and a headlight on the handlebar or the apron."""
    neck, rear, h, x = plan.neck, plan.rear, plan.seat, plan.saddle
    floor, half = rng.uniform(0.26, 0.34), rng.uniform(0.17, 0.21)
    foot = np.array([neck[0] + 0.06, 0, floor])
    path = curve(
        [foot, plan.on_fork(0.34, -0.08), plan.on_fork(plan.fork - 0.25, -0.05), plan.on_fork(plan.fork, -0.03)], 11
    )
    wide = half * np.interp(np.linspace(0, 1, 11), [0, 0.25, 0.7, 1], [0.95, 1.15, 1.05, 0.5])
    a.add(from_side(shell(path, wide, rng.uniform(0.06, 0.12), 0.02, (1, 0, 0.3))), BODY, plan.paint)
    a.add(box((neck[0] - x + 0.16, 1.9 * half, 0.06), 0.02).move([0.5 * (neck[0] + x), 0, floor]), BODY, plan.black)
    middle = 0.5 * (x + neck[0])
    spine = [(x - 0.1, floor + 0.02, 0.1, 0.06), (middle, floor - 0.03, 0.12, 0.06), (foot[0], floor + 0.05, 0.1, 0.07)]
    a.add(from_side(hull(spine, 7, 12, 3)), BODY, plan.paint)
    places = [plan.on_fork(s, ahead) for s, ahead in ((0.32, 0.0), (0.5, 0.035), (plan.fork - 0.02, 0.02))]
    apron = [(*p[[0, 2]], side, 0.07) for p, side in zip(places, (0.105, 0.125, 0.09), strict=True)]
    a.add(from_side(hull(apron, 9, 14, 3)), BODY, plan.paint)
    u = np.linspace(0, 1, 12)
    along = rear[0] - 0.3 + u * (x + 0.06 - rear[0] + 0.3)
    top = h - 0.06 - 0.06 * (1 - u) ** 3
    wheel = rear[2] + np.sqrt(np.clip((rear[2] + 0.05) ** 2 - (along - rear[0]) ** 2, 0, None))
    low = np.maximum(
        np.where(np.abs(along - rear[0]) < rear[2] + 0.05, wheel, 0),
        np.interp(u, [0, 0.1, 0.5, 0.8, 1], [h - 0.22, 0.45, 0.42, floor - 0.03, floor]),
    )
    fat = np.interp(u, [0, 0.15, 0.45, 0.8, 1], [0.06, 0.13, 0.2, 0.17, 0.12]) * rng.uniform(0.9, 1.1)
    low = np.minimum(low, top - 0.08)
    cowl = hull(np.column_stack([along, (low + top) / 2, fat, (top - low) / 2]), 0, 18, 2.8, plumb=True)
    a.add(from_side(cowl), BODY, plan.paint)
    unit = [
        (rear[0] - 0.03, rear[2], 0.045, 0.07),
        (rear[0] + 0.16, rear[2] + 0.03, 0.06, 0.08),
        (rear[0] + 0.36, rear[2] + 0.03, 0.06, 0.1),
    ]
    a.add(hull(unit, 7, 12, 3).move([0, plan.tyres[1] + 0.07, 0]), BODY, plan.block)
    a.add(box((0.16, 0.14, 0.16), 0.04).move([rear[0] + rear[2] + 0.13, -0.02, rear[2] + 0.06]), BODY, plan.block)
    bar = plan.on_fork(plan.fork + 0.05, -0.01)
    nacelle = [
        (bar[0] - 0.07, bar[2] + 0.02, 0.1, 0.035),
        (bar[0], bar[2] + 0.02, 0.13, 0.055),
        (bar[0] + 0.07, bar[2], 0.085, 0.06),
    ]
    a.add(from_side(hull(nacelle, 7, 14, 2.6)), HANDLE, plan.paint)
    at = bar + xyz(0.075, 0, 0)
    if rng.random() < 0.35:
        at = plan.on_fork(plan.fork - 0.22, 0.09)
    glass = materials.plain((0.9, 0.92, 0.95), 0.9, 100)
    a.add(ball(at, (0.055, rng.uniform(0.06, 0.09), rng.uniform(0.05, 0.065)), 14), LIGHT, glass)
    a.keypoint(8, at, LIGHT, seen_from=(1, 0, 0))
    a.keypoint_both(15, 16, (middle, half + 0.05, floor), BODY)
    if rng.random() < 0.4:
        rack = np.array(
            [(plan.tail + 0.1, 0.1, h + 0.0), (plan.tail - 0.2, 0.1, h + 0.03), (plan.tail - 0.2, 0, h + 0.03)]
        )
        a.add_both(tube(fillet(rack, 0.06), 0.01, 6), BODY, plan.shiny)
