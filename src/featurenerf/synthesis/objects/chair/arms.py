"""Pairs of arms."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.chair.plans import ARM, ChairPlan
from featurenerf.synthesis.objects.shapes import box, circle, curve, fillet, rounded_rectangle, sweep, tube


def add_arms(a: Assembly, rng: np.random.Generator, plan: ChairPlan, kind: str | None = None) -> None:
    """Add a pair of arms of the given or any kind."""
    kind = kind or str(rng.choice(["rail", "loop", "bow", "panel"], p=[0.45, 0.25, 0.2, 0.1]))
    up = min(rng.uniform(0.16, 0.27), 0.8 * plan.back)
    y = plan.width / 2 + rng.uniform(-0.01, 0.03)
    behind = plan.at(1.0, up / plan.back)
    front = plan.depth / 2 - rng.uniform(-0.02, 0.14)
    z = plan.height + up
    start, end = np.array([behind[0], min(behind[1], y), behind[2]]), np.array([front, y, z - rng.uniform(-0.02, 0.02)])
    thick = rng.uniform(0.012, 0.022)
    foot = np.array([front - rng.uniform(-0.01, 0.08), y, plan.height - 0.03])
    frame = plan.frame
    pad = frame if rng.random() < 0.6 else plan.cover
    if kind == "rail":
        middle = (start + end) / 2 + [0, rng.uniform(0, 0.03), rng.uniform(-0.02, 0.03)]
        path = curve([start, middle, end], 9)
        across = rng.uniform(0.018, 0.035)
        a.add_both(
            sweep(
                path,
                rounded_rectangle(2, 2, 0.5, 2),
                np.stack([np.linspace(0.8, 1.1, 9) * across, np.full(9, thick * 0.8)], -1),
            ),
            ARM,
            pad,
        )
        a.add_both(sweep([foot, end + np.array([-0.02, 0, -0.005])], circle(8), thick * 0.8, up=(1, 0, 0)), ARM, frame)
    elif kind == "loop":
        path = fillet([start, [end[0], y, start[2]], foot + np.array([0.0, 0, -0.02])], rng.uniform(0.03, 0.12), 6)
        a.add_both(tube(path, thick * 0.8, 8), ARM, frame)
        if rng.random() < 0.5:
            length = end[0] - start[0]
            a.add_both(
                box((0.6 * length, 0.045, 0.03), 0.012).move([start[0] + 0.5 * length, y, start[2] + 0.012]),
                ARM,
                plan.cover,
            )
    elif kind == "bow":
        path = curve([start, (start + end) / 2 + [0, 0.03, 0.02], end, (end + foot) / 2 + [0.03, 0.01, 0], foot], 17)
        a.add_both(sweep(path, rounded_rectangle(2.4, 2, 0.5, 2), thick), ARM, frame)
    else:
        length, low = front - start[0], rng.choice([0.0, plan.height - 0.05])
        board = box((length, thick * 1.4, z - low), 0.006).move([(front + start[0]) / 2, y + 0.01, (z + low) / 2])
        a.add_both(board, ARM, pad)
        end, start = np.array([front, y, z]), np.array([start[0], y, z])
    a.keypoint_both(12, 13, end + np.array([0.03, 0, 0.03]), ARM)
    a.keypoint_both(14, 15, start + np.array([0.02, 0.02, 0.05]), ARM)
