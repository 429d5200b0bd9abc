"""Drawers, shelves and pigeonholes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.shapes import Scalar, Surface, box, join, revolve, rotation, slab, tube
from featurenerf.synthesis.objects.table.plans import DRAWER, SHELF, TablePlan


def draw_handle(rng: np.random.Generator, wide: Scalar) -> Callable[[Scalar], Surface]:
    """A knob or a pull, at the origin on a front that faces +x; made for a front of some width."""
    kind = rng.choice(["knob", "bar", "cup", "ring"])
    r = rng.uniform(0.011, 0.019)
    length = rng.uniform(0.08, 0.2)

    def handle(width: Scalar = wide) -> Surface:
        if kind == "knob":
            return revolve([(0.4 * r, -0.004), (0.45 * r, 0.012), (r, 0.02), (0.9 * r, 0.03), (0.3 * r, 0.034)],
                           10).turn(rotation("y", 90))  # fmt: skip
        half = min(length, 0.6 * width) / 2
        if kind == "bar":
            posts = [box((0.035, 0.009, 0.009)).move([0.012, s * 0.8 * half, 0]) for s in (-1, 1)]
            return join(box((0.01, 2 * half, 0.012), 0.003).move([0.03, 0, 0]), *posts)
        if kind == "cup":
            return box((0.024, min(half, 0.05) * 2, 0.03), 0.01, arc=2).move([0.01, 0, 0])
        angle = np.linspace(0, np.pi, 9)
        r2 = min(half, 0.04)
        return tube(np.stack([0.012 + 0 * angle, r2 * np.cos(angle), 0.01 - r2 * np.sin(angle)], -1), 0.004, 6)

    return handle


def add_drawers(
    a: Assembly,
    rng: np.random.Generator,
    plan: TablePlan,
    x: tuple[Scalar, Scalar],
    y: tuple[Scalar, Scalar],
    z: tuple[Scalar, Scalar],
    rows: int,
    columns: int = 1,
    handle: Callable[[Scalar], Surface] | None = None,
    front: Finish | None = None,
) -> list[np.ndarray]:
    """A case of drawers between the given limits, facing +x; returns the middles of its fronts, row by row."""
    handle = handle or draw_handle(rng, (y[1] - y[0]) / columns)
    front = front or plan.frame
    size = np.array([x[1] - x[0], y[1] - y[0], z[1] - z[0]])
    a.add(box(size, 0.003).move([sum(x) / 2, sum(y) / 2, sum(z) / 2]), DRAWER, plan.frame)
    gap = 0.008
    slot = (size[1:] - gap) / [columns, rows]
    shade = materials.plain(0.3 * front.material.color, 0.02, 5)
    a.add(box((0.002, size[1] - gap, size[2] - gap)).move([x[1] + 0.001, sum(y) / 2, sum(z) / 2]), DRAWER, shade)
    middles = []
    for row in range(rows):
        for column in range(columns):
            across = y[1] - gap / 2 - (column + 0.5) * slot[0]
            up = z[1] - gap / 2 - (row + 0.5) * slot[1]
            a.add(box((0.018, slot[0] - gap, slot[1] - gap), 0.004).move([x[1] + 0.006, across, up]), DRAWER, front)
            pulls = [0.0] if slot[0] < 0.55 else [-0.25 * slot[0], 0.25 * slot[0]]
            for pull in pulls:
                at = [x[1] + 0.014, across + pull, up + 0.2 * slot[1] * (slot[1] > 0.2)]
                a.add(handle(slot[0]).move(at), DRAWER, plan.fittings)
            middles.append(np.array([x[1], across, up]))
    return middles


def mark_drawers(a: Assembly, left: np.ndarray) -> None:
    """Name the front's middle of a pair of drawers."""
    a.keypoint_both(16, 17, left, DRAWER, seen_from=(1, 0, 0))


def add_shelf(
    a: Assembly, rng: np.random.Generator, plan: TablePlan, depth: Scalar, width: Scalar, z: Scalar, slats: bool = False
) -> None:
    """A board (or slats on two bars) whose top is at z, in the middle."""
    thick = rng.uniform(0.014, 0.026)
    if slats:
        count = int(rng.integers(5, 10))
        pitch = width / count
        for y in (np.arange(count) + 0.5) * pitch - width / 2:
            a.add(box((depth, 0.6 * pitch, thick), 0.003).move([0, y, z - thick / 2]), SHELF, plan.frame)
        for x in (-0.4 * depth, 0.4 * depth):
            a.add(box((0.025, width, 0.025)).move([x, 0, z - thick - 0.012]), SHELF, plan.frame)
    elif plan.kind in ("rectangle", "boat", "half"):
        a.add(box((depth, width, thick), 0.003).move([0, 0, z - thick / 2]), SHELF, plan.frame)
    else:
        scale = min(depth / plan.depth, width / plan.width)
        a.add(slab(plan.outline * scale, thick, 0.3 * thick).move([0, 0, z]), SHELF, plan.frame)
    a.keypoint(15, (0, 0, z), SHELF, seen_from=(0, 0, 1))


def add_hutch(a: Assembly, rng: np.random.Generator, plan: TablePlan) -> None:
    """Pigeonholes or a raised shelf along the back of a desk's top."""
    h, w = plan.height, plan.width - 0.02
    tall, deep, board = rng.uniform(0.14, 0.4), rng.uniform(0.18, 0.26), 0.018
    x = -plan.depth / 2 + deep / 2 + 0.01
    a.add(box((deep, w, board), 0.003).move([x, 0, h + tall]), SHELF, plan.frame)
    a.add(box((0.01, w, tall), 0.002).move([x - deep / 2 + 0.005, 0, h + tall / 2]), SHELF, plan.frame)
    for y in np.linspace(-w / 2 + board / 2, w / 2 - board / 2, int(rng.integers(2, 6))):
        a.add(box((deep, board, tall), 0.002).move([x, y, h + tall / 2]), SHELF, plan.frame)
    a.keypoint(15, (x, 0, h + tall + 0.01), SHELF, seen_from=(0, 0, 1))
