"""Families with drawers to work at: desks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, box, slab, tube
from featurenerf.synthesis.objects.table.legs import add_four_legs, add_stretchers, leg_shape, mark_tips, placed
from featurenerf.synthesis.objects.table.plans import CATEGORY, DRAWER, LEG, STRETCHER, TOP, TablePlan, draw_plan
from featurenerf.synthesis.objects.table.storage import add_drawers, add_hutch, draw_handle, mark_drawers
from featurenerf.synthesis.objects.table.tops import add_corners, add_top


def desk(a: Assembly, rng: np.random.Generator) -> None:
    """With drawers below, and maybe pigeonholes above."""
    plan = draw_plan(rng, (0.7, 0.78), (0.5, 0.8), (1.0, 1.8), "rectangle rectangle rectangle rounded", (0.018, 0.04))
    add_top(a, rng, plan)
    kind = str(rng.choice(["twin", "single", "writing", "hanging"], p=[0.35, 0.35, 0.2, 0.1]))
    front = materials.painted(rng) if rng.random() < 0.25 else plan.frame
    deep, y = plan.depth / 2 - rng.uniform(0.01, 0.04), plan.width / 2 - rng.uniform(0.0, 0.04)
    if kind == "writing":
        _writing_desk(a, rng, plan, deep, y, front)
    elif kind == "twin":
        _twin_desk(a, rng, plan, deep, y, front)
    else:
        _single_desk(a, rng, plan, deep, y, front, kind == "hanging")
    if kind in ("twin", "single") and rng.random() < 0.6:
        tall = rng.uniform(0.3, 0.75) * plan.under
        board = box((0.018, 2 * y - 0.02, tall)).move([-deep + 0.03, 0, plan.under - tall / 2])
        a.add(board, STRETCHER, plan.frame)
        a.keypoint(14, (-deep + 0.03, 0, plan.under - 0.7 * tall), STRETCHER, seen_from=(1, 0, 0))
    if rng.random() < 0.25:
        add_hutch(a, rng, plan)


def _writing_desk(
    a: Assembly, rng: np.random.Generator, plan: TablePlan, deep: Scalar, y: Scalar, front: Finish
) -> None:
    """Drawers under the whole top, on four legs."""
    rows, columns = int(rng.integers(1, 3)), int(rng.integers(2, 4))
    under = plan.under + 0.002
    low = under - rng.uniform(0.08, 0.11) * rows
    mark_drawers(a, add_drawers(a, rng, plan, (-deep, deep), (-y, y), (low, under), rows, columns, None, front)[0])
    thick = rng.uniform(0.03, 0.055)
    leg = np.array([deep, y]) - thick / 2 - 0.004
    top, tip = add_four_legs(a, rng, replace(plan, thick=plan.height - low), leg, (0, 0), thick)
    if rng.random() < 0.3:
        add_stretchers(a, rng, plan, top, tip, "h", 0.8)


def _twin_desk(a: Assembly, rng: np.random.Generator, plan: TablePlan, deep: Scalar, y: Scalar, front: Finish) -> None:
    """A case of drawers at either side, on plinths or short feet or the floor, and maybe a drawer between them."""
    under, case = plan.under + 0.002, min(rng.uniform(0.32, 0.48), 0.34 * plan.width)
    low = rng.choice([0.0, 0.03, rng.uniform(0.08, 0.2)])
    handle, rows = draw_handle(rng, case), int(rng.integers(2, 5))
    left = add_drawers(a, rng, plan, (-deep, deep), (y - case, y), (low, under), rows, 1, handle, front)
    add_drawers(a, rng, plan, (-deep, deep), (-y, case - y), (low, under), rows, 1, handle, front)
    mark_drawers(a, left[0])
    if rng.random() < 0.6:
        add_drawers(a, rng, plan, (0, deep), (case - y, y - case), (under - 0.09, under), 1, 1, handle, front)
    if low > 0.05:
        for at in (y - 0.03, y - case + 0.03):
            foot = tube([(deep - 0.04, at, low + 0.01), (deep - 0.04, at, 0.0)], [0.02, 0.012], 12)
            add_corners(a, foot, LEG, plan.legs)
        mark_tips(a, (deep - 0.04, y - 0.03, 0.0))
    elif low > 0:
        plinth = box((2 * deep - 0.06, case - 0.05, low + 0.01)).move([-0.01, y - case / 2, low / 2])
        a.add_both(plinth, LEG, materials.plain((0.06, 0.06, 0.06)))
        mark_tips(a, (deep - 0.04, y - 0.025, 0.0), (-deep + 0.02, y - 0.025, 0.0))


def _single_desk(
    a: Assembly, rng: np.random.Generator, plan: TablePlan, deep: Scalar, y: Scalar, front: Finish, hanging: bool
) -> None:
    """A case of drawers at one side, and legs or a board at the other; or legs all round and the case hanging."""
    under, case = plan.under + 0.002, min(rng.uniform(0.32, 0.48), 0.34 * plan.width)
    side = int(rng.choice([-1, 1]))
    low = under - rng.uniform(0.1, 0.3) if hanging else rng.choice([0.0, rng.uniform(0.08, 0.2)])
    rows = int(rng.integers(1, 3)) if hanging else int(rng.integers(2, 5))
    across = (y - case, y) if side > 0 else (-y, case - y)
    middles = add_drawers(a, rng, plan, (-deep, deep), across, (low, under), rows, 1, None, front)
    a.keypoint(16 if side > 0 else 17, middles[0], DRAWER, seen_from=(1, 0, 0))
    thick = rng.uniform(0.03, 0.055)
    shape = leg_shape(rng, plan, thick)
    spots = [(deep - thick / 2, y - thick / 2), (-deep + thick / 2, y - thick / 2)]
    if not hanging and rng.random() < 0.4:
        board = box((2 * deep, 0.028, under)).move([0, y - 0.014, under / 2])
        a.add(board.mirror() if side > 0 else board, LEG, plan.frame)
    else:
        for spot in spots:
            leg = placed(shape, spot, under)
            a.add(leg.mirror() if side > 0 else leg, LEG, plan.legs)
    if low > 0:
        for spot in spots:
            leg = placed(shape, spot, low + 0.01)
            a.add(leg if side > 0 else leg.mirror(), LEG, plan.legs)
        mark_tips(a, (deep - thick / 2, y - thick / 2, 0.0))
    else:
        for left, x in ((9, deep), (11, -deep)):
            tip = (x + np.copysign(0.04, x), -side * (y + 0.05), 0.016)
            a.keypoint(left if side < 0 else left + 1, tip, LEG)


def corner_desk(a: Assembly, rng: np.random.Generator) -> None:
    """An L: a main board along the back, and a return to the front on one side."""
    plan = draw_plan(rng, (0.7, 0.77), (1.1, 1.6), (1.4, 1.9), "rectangle", (0.02, 0.035))
    h, d, w, t, under = plan.height, plan.depth, plan.width, plan.thick, plan.under + 0.002
    main, wing = rng.uniform(0.5, 0.7), rng.uniform(0.42, 0.6)
    side = int(rng.choice([-1, 1]))
    edge = main - d / 2

    def put(surface: Surface, part: int, finish: Finish) -> None:
        a.add(surface if side > 0 else surface.mirror(), part, finish)

    def mark(left: int, point: Numbers, part: int, seen_from: Numbers | None = None) -> None:
        """``left`` is the id where the return is at the left."""
        p = np.asarray(point, dtype=np.float64) * [1, side, 1]
        a.keypoint(left if side > 0 else CATEGORY.mirror[left], p, part, seen_from)

    put(box((main, w, t), 0.005).move([-d / 2 + main / 2, 0, h - t / 2]), TOP, plan.top)
    put(box((d - main, wing, t), 0.005).move([d / 2 - (d - main) / 2, w / 2 - wing / 2, h - t / 2]), TOP, plan.top)
    wedge = rng.uniform(0.1, 0.3)
    if rng.random() < 0.6:
        triangle = np.array([(edge - 0.01, w / 2 - wing + 0.01), (edge - 0.01, w / 2 - wing - wedge),
                             (edge + wedge, w / 2 - wing + 0.01)])  # fmt: skip
        put(slab(triangle, t - 0.002).move([0, 0, h - 0.0005]), TOP, plan.top)
    mark(0, (d / 2, w / 2, h), TOP)
    mark(1, (edge, -w / 2, h), TOP)
    mark(2, (-d / 2, w / 2, h), TOP)
    mark(3, (-d / 2, -w / 2, h), TOP)
    mark(4, (0, w / 2, h), TOP)
    mark(5, (-d / 2 + main / 2, -w / 2, h), TOP)
    a.keypoint(7, (-d / 2, 0, h), TOP)
    a.keypoint(8, (-d / 2 + main / 2, 0, h), TOP, seen_from=(0, 0, 1))
    shape = leg_shape(rng, plan, 0.05, str(rng.choice(["square", "tube", "angle"])))
    panels = rng.random() < 0.4
    spots = {9: (d / 2 - 0.05, w / 2 - 0.05), 10: (edge - 0.05, -w / 2 + 0.05), 11: (-d / 2 + 0.05, w / 2 - 0.05),
             12: (-d / 2 + 0.05, -w / 2 + 0.05)}  # fmt: skip
    if panels:
        put(box((main - 0.04, 0.025, under)).move([-d / 2 + main / 2, -w / 2 + 0.03, under / 2]), LEG, plan.frame)
        put(box((0.025, wing - 0.04, under)).move([d / 2 - 0.03, w / 2 - wing / 2, under / 2]), LEG, plan.frame)
        put(box((0.06, 0.06, under)).move([-d / 2 + 0.05, w / 2 - 0.05, under / 2]), LEG, plan.frame)
    else:
        inner = (d / 2 - 0.05, w / 2 - wing + 0.05)
        for spot in (*spots.values(), inner):
            put(shape(np.array([*spot, under]), np.array([*spot, 0.0])), LEG, plan.legs)
    for index, spot in spots.items():
        out = np.array([np.copysign(0.05, spot[0]), np.copysign(0.05, spot[1]), 0.016])
        mark(index, np.array([*spot, 0.0]) + out, LEG)
    tall = rng.uniform(0.25, 0.6) * under
    put(box((0.018, w - 0.12, tall)).move([-d / 2 + 0.05, 0, under - tall / 2]), STRETCHER, plan.frame)
    put(box((d - 0.12, 0.018, tall)).move([0, w / 2 - 0.05, under - tall / 2]), STRETCHER, plan.frame)
    case = rng.uniform(0.35, 0.42)
    y = (-w / 2 + 0.06, -w / 2 + 0.06 + case) if side > 0 else (w / 2 - 0.06 - case, w / 2 - 0.06)
    middles = add_drawers(a, rng, plan, (-d / 2 + 0.08, edge - 0.03), y, (0.03, under), int(rng.integers(2, 5)))
    mark(17, middles[0] * [1, side, 1], DRAWER, (1, 0, 0))
    if rng.random() < 0.25:
        add_hutch(a, rng, plan)
