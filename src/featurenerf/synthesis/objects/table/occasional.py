"""Families to put things on: low, narrow or small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.shapes import box, circle, fillet, revolve, rounded_rectangle, slab, sweep, tube
from featurenerf.synthesis.objects.table.legs import add_four_legs, add_stretchers, leg_shape, mark_tips, placed
from featurenerf.synthesis.objects.table.plans import LEG, SHELF, STRETCHER, TOP, draw_plan
from featurenerf.synthesis.objects.table.storage import add_drawers, add_shelf, mark_drawers
from featurenerf.synthesis.objects.table.tops import add_apron, add_corners, add_top, mark_top


def coffee_table(a: Assembly, rng: np.random.Generator) -> None:
    """Low, maybe with a shelf or drawers."""
    plan = draw_plan(
        rng, (0.34, 0.5), (0.5, 0.75), (0.75, 1.3), "rectangle rectangle rounded oval round super stadium",
        (0.018, 0.05),
    )  # fmt: skip
    add_top(a, rng, plan)
    under = plan.under + 0.002
    kind = str(rng.choice(["legs", "case", "bowed"], p=[0.65, 0.25, 0.1])) if plan.kind == "rectangle" else "legs"
    thick = rng.uniform(0.03, 0.065)
    if kind == "legs":
        splay = rng.choice([0.0, rng.uniform(0.02, 0.09)])
        leg = plan.corner - thick / 2 - rng.uniform(0.005, 0.04) - 0.7 * splay
        if rng.random() < 0.5:
            add_apron(a, rng, plan, rng.uniform(0.04, 0.08), leg)
        top, tip = add_four_legs(a, rng, plan, leg, (splay, splay), thick)
        if rng.random() < 0.75:
            at = rng.uniform(0.55, 0.78)
            p = top + at * (tip - top)
            x, y = float(p[0]), float(p[1])
            if plan.kind in ("oval", "round"):  # from the legs to the rim between them
                x, y = x * plan.depth / plan.corner[0] / 2, y * plan.width / plan.corner[1] / 2
            add_shelf(a, rng, plan, 2 * x, 2 * y, float(p[2]), plan.kind == "rectangle" and rng.random() < 0.35)
        return
    deep, y = plan.depth / 2 - 0.02, plan.width / 2 - 0.03
    foot = rng.uniform(0.04, 0.14)
    board = 0.022
    if kind == "case":
        split = rng.uniform(0.4, 0.6) * (under - foot)
        middles = add_drawers(a, rng, plan, (-deep, deep), (-y, y), (under - split, under), 1, 2)
        mark_drawers(a, middles[0])
        add_shelf(a, rng, plan, 2 * deep, 2 * y, foot + board)
        a.add_both(box((2 * deep, board, under - split - foot)).move([0, y - board / 2, (under - split + foot) / 2]),
                   SHELF, plan.frame)  # fmt: skip
        add_four_legs(a, rng, replace(plan, thick=plan.height - foot), (deep - 0.03, y - 0.03), (0, 0), 0.05)
    else:  # a loop of bent board
        z = under - board
        loop = fillet([(0, 0, z), (0, y, z), (0, 0.8 * y, foot), (0, -0.8 * y, foot), (0, -y, z), (0, 0, z)], 0.1, 6)
        low = sweep(loop, rounded_rectangle(2 * deep, board, 0.1 * board, 1), up=(0, 0, 1))
        a.add(low, SHELF, plan.frame)
        a.keypoint(15, (0, 0, foot), SHELF)
        add_four_legs(
            a, rng, replace(plan, thick=plan.height - foot), (deep - 0.03, 0.7 * y), (0.0, 0.03), 0.045, "round"
        )


def console_table(a: Assembly, rng: np.random.Generator) -> None:
    """Narrow, against a wall; its top may be half a disc."""
    plan = draw_plan(rng, (0.74, 0.92), (0.28, 0.45), (0.75, 1.5), "half rectangle rectangle", (0.018, 0.035))
    add_top(a, rng, plan)
    thick = rng.uniform(0.03, 0.05)
    d, w, under = plan.depth, plan.width, plan.under + 0.002
    if plan.kind == "half":
        tall = rng.uniform(0.06, 0.1)
        scale = 0.88
        ring = plan.outline * scale - np.array([(1 - scale) * d / 2 - 0.005, 0])
        a.add(slab(ring, tall).move([0, 0, under]), TOP, plan.frame)
        shape = leg_shape(rng, plan, thick)
        front = np.array([0.24 * d, 0.27 * w])
        back = np.array([-d / 2 + thick / 2 + 0.01, scale * w / 2 - thick / 2])
        for spot in (front, back):
            a.add_both(placed(shape, spot, under), LEG, plan.legs)
        mark_tips(a, np.append(front, 0.0), np.append(back, 0.0))
        if rng.random() < 0.4:
            a.add(slab(ring * 0.9 - [0.04 * d, 0], 0.018).move([0, 0, rng.uniform(0.15, 0.25)]), SHELF, plan.frame)
            a.keypoint(15, (-0.1 * d, 0, 0.2), SHELF, seen_from=(0, 0, 1))
        return
    leg = np.array([d, w]) / 2 - thick / 2 - rng.uniform(0.0, 0.03)
    low = under
    if rng.random() < 0.65:
        low = under - rng.uniform(0.1, 0.16)
        columns = int(rng.integers(2, 4))
        x, y = (leg + thick / 2).tolist()
        mark_drawers(a, add_drawers(a, rng, plan, (-x, x), (-y, y), (low, under), 1, columns)[0])
    elif rng.random() < 0.7:
        add_apron(a, rng, plan, rng.uniform(0.05, 0.09), leg)
    top, tip = add_four_legs(a, rng, replace(plan, thick=plan.height - low), leg, (0, 0), thick)
    kind = rng.random()
    if kind < 0.6:
        add_shelf(a, rng, plan, 2 * leg[0], 2 * leg[1], rng.uniform(0.1, 0.3), rng.random() < 0.25)
    elif kind < 0.85:
        add_stretchers(a, rng, plan, top, tip, str(rng.choice(["h", "x"])), 0.85)


def glass_table(a: Assembly, rng: np.random.Generator) -> None:
    """A glass top on bent tubes, crossed boards or blocks."""
    low = rng.random() < 0.4
    plan = draw_plan(
        rng, (0.38, 0.48) if low else (0.7, 0.76), (0.55, 1.0), (0.7, 1.1) if low else (0.9, 1.9),
        "rectangle rounded round oval stadium", (0.008, 0.018),
    )  # fmt: skip
    metal = materials.metal(rng)
    sheet = materials.glass(rng)
    plan = replace(plan, legs=metal, frame=metal, top=sheet)
    h, under = plan.height, plan.under
    plate = slab(plan.outline, plan.thick, 0.2 * plan.thick)
    corners = plate.vertices[plate.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    rim = np.abs(normal[:, 2]) < 0.7 * np.linalg.norm(normal, axis=1)
    edge = materials.plain(sheet.material.color * [0.45, 0.7, 0.62], 0.8, 90)
    a.add(plate.move([0, 0, h]), TOP, (sheet, edge), rim.astype(int))
    mark_top(a, plan)
    bent = rng.uniform(0.012, 0.026)
    x, y = (plan.corner - rng.uniform(0.02, 0.1)).tolist()
    kind = str(rng.choice(["box", "x", "loop", "posts"]))
    if plan.kind in ("round", "oval") and rng.random() < 0.6:
        kind = "basket"
    square = rounded_rectangle(2, 2, 0.15, 1) * bent
    if kind == "box":
        add_corners(a, sweep([(x, y, under), (x, y, 0)], square, up=(1, 0, 0)), LEG, metal)
        levels = [under - bent] + ([bent] if rng.random() < 0.6 else [])
        for z in levels:
            for s in (-1, 1):
                a.add(sweep([(s * x, y, z), (s * x, -y, z)], square), STRETCHER, metal)
                a.add(sweep([(x, s * y, z), (-x, s * y, z)], square), STRETCHER, metal)
        mark_tips(a, (x, y, 0.0))
        if rng.random() < 0.4:
            z = rng.uniform(0.3, 0.5) * under
            a.add(box((2 * x, 2 * y, 0.012), 0.002).move([0, 0, z]), SHELF, sheet)
            a.keypoint(15, (0, 0, z), SHELF)
    elif kind == "x":
        for s in (-1, 1):
            a.add_both(
                sweep([(s * x, y + s * bent, under), (-s * x, y + s * bent, 0)], square, up=(1, 0, 0)), LEG, metal
            )
        z = 0.5 * under
        a.add(sweep([(0, y, z), (0, -y, z)], square), STRETCHER, metal)
        a.keypoint(14, (0, 0, z), STRETCHER, seen_from=(0, 0, 1))
        mark_tips(a, (x, y, 0.0))
    elif kind == "loop":
        lean = rng.choice([1.0, rng.uniform(0.6, 1.3)])
        ends = [(0, y, bent), (x, y, bent), (lean * x, y, under - bent), (-lean * x, y, under - bent), (-x, y, bent),
                (0, y, bent)]  # fmt: skip
        a.add_both(tube(fillet(ends, rng.uniform(0.05, 0.15), 6), bent, 10), LEG, metal)
        mark_tips(a, (x, y, 0.0))
        if rng.random() < 0.6:
            a.add(tube([(0, y, bent), (0, -y, bent)], bent, 10), STRETCHER, metal)
            a.keypoint(14, (0, 0, bent), STRETCHER, seen_from=(0, 0, 1))
    elif kind == "posts":
        if rng.random() < 0.5:
            plan = replace(plan, legs=materials.wood(rng))
        thick = rng.uniform(0.025, 0.05)
        splay = rng.uniform(0, 0.05)
        leg = np.array([x, y]) - thick
        add_corners(
            a, tube([(*leg, under + 0.002), (*(leg + splay), 0)], thick * np.array([1, 0.6]), 16), LEG, plan.legs
        )
        add_corners(a, revolve([(thick, h - 0.001), (thick, h + 0.004), (0.6 * thick, h + 0.007)], 16).move([*leg, 0]),
                    LEG, metal)  # fmt: skip
        mark_tips(a, (*(leg + splay), 0.0))
    else:
        reach = np.array([plan.depth, plan.width]) * rng.uniform(0.25, 0.34)
        count, twist = int(rng.choice([8, 10, 12, 16, 20])), np.radians(rng.uniform(0, 80))
        waist = rng.uniform(0.4, 1.0)
        angle = (np.arange(count) + 0.5) * 2 * np.pi / count
        rod = 0.5 * bent
        for turn in (twist, -twist) if twist > 0.3 else (0.0,):
            for phi in angle:
                t = np.linspace(0, 1, 7)
                sway = np.array([np.cos(phi + turn * t), np.sin(phi + turn * t)]).T
                r = waist + (1 - waist) * (2 * t - 1) ** 2
                path = np.column_stack([sway * reach * r[:, None], rod + t * (under - 2 * rod)])
                a.add(tube(path, rod, 6), LEG, metal)
        for z in (rod, under - rod):
            ring = circle(40, (float(reach[0]), float(reach[1])))
            path = np.column_stack([np.concatenate([ring, ring[:1]]), np.full(41, z)])
            a.add(tube(path, 1.3 * rod, 8), LEG, metal)
        mark_tips(a, (*(0.7071 * reach), 0.0))


def bedside_table(a: Assembly, rng: np.random.Generator) -> None:
    """Small, with drawers."""
    plan = draw_plan(rng, (0.45, 0.66), (0.34, 0.46), (0.36, 0.55), "rectangle rectangle rounded", (0.014, 0.026))
    add_top(a, rng, plan, "slab")
    under = plan.under + 0.002
    thick = rng.uniform(0.028, 0.045)
    rows = int(rng.integers(1, 4))
    low = max(under - rows * rng.uniform(0.12, 0.17), 0.06)
    x, y = plan.depth / 2 - 0.02, plan.width / 2 - 0.02
    front = materials.painted(rng) if rng.random() < 0.3 else plan.frame
    columns = 2 if rng.random() < 0.15 else 1
    middles = add_drawers(a, rng, plan, (-x, x), (-y, y), (low, under), rows, columns, None, front)
    if columns == 2:
        mark_drawers(a, middles[0])
    splay = rng.choice([0.0, rng.uniform(0.0, 0.06)]) if low > 0.15 else 0.0
    leg = (x - thick / 2, y - thick / 2)
    top, tip = add_four_legs(a, rng, replace(plan, thick=plan.height - low), leg, (splay, splay), thick)
    if low > 0.22 and rng.random() < 0.7:
        p = top + 0.7 * (tip - top)
        add_shelf(a, rng, plan, 2 * float(p[0]), 2 * float(p[1]), float(p[2]), rng.random() < 0.2)


def monolith(a: Assembly, rng: np.random.Generator) -> None:
    """Boards for legs: a waterfall, a parsons table, or a block."""
    low = rng.random() < 0.6
    plan = draw_plan(
        rng, (0.3, 0.45) if low else (0.7, 0.76), (0.45, 0.8), (0.6, 1.2) if low else (1.2, 1.9), "rectangle",
        (0.025, 0.09),
    )  # fmt: skip
    t, d, w, h = plan.thick, plan.depth, plan.width, plan.height
    one = replace(plan, frame=plan.top, legs=plan.top)
    kind = str(rng.choice(["waterfall", "parsons", "curl", "planks"]))
    if kind == "curl":  # one bent sheet
        y, r = w / 2, rng.uniform(0.08, 0.16)
        path = fillet([(0, y - 0.1 * h, t / 2), (0, y, h - t / 2), (0, -y, h - t / 2), (0, 0.1 * h - y, t / 2)], r, 8)
        sheet = sweep(path, rounded_rectangle(d, t, 0.2 * t, 4, 2), up=(0, 1, 0))
        middle = sheet.vertices[sheet.faces].mean(axis=1)
        a.add(sheet, np.where(middle[:, 2] > h - r, TOP, LEG), one.top)
        mark_tips(a, (d / 2, y - 0.1 * h, 0.0))
        a.keypoint_both(0, 1, (d / 2, y - 0.4 * r, h), TOP)
        a.keypoint_both(2, 3, (-d / 2, y - 0.4 * r, h), TOP)
        a.keypoint_both(4, 5, (0, y - 0.4 * r, h), TOP)
        a.keypoint(6, (d / 2, 0, h), TOP)
        a.keypoint(7, (-d / 2, 0, h), TOP)
        a.keypoint(8, (0, 0, h), TOP)
        return
    add_top(a, rng, one, "slab")
    if kind == "parsons":
        leg = np.array([d, w]) / 2 - t / 2
        add_corners(a, box((t, t, h - t + 0.002), 0.003, arc=2).move([*leg, (h - t) / 2]), LEG, one.legs)
        mark_tips(a, (*leg, 0.0))
        if low and rng.random() < 0.5:
            add_shelf(a, rng, one, d - t, w - t, rng.uniform(0.25, 0.4) * h)
        return
    y = w / 2 - t / 2 if kind == "waterfall" else w * rng.uniform(0.25, 0.38)
    x = d / 2 if kind == "waterfall" else d * rng.uniform(0.3, 0.42)
    a.add_both(box((2 * x, t, h - t + 0.002), 0.004, arc=3).move([0, y, (h - t) / 2]), LEG, one.legs)
    mark_tips(a, (x, y + t / 2, 0.0))
    if rng.random() < 0.5:
        add_shelf(a, rng, one, 1.9 * x, 2 * y, rng.uniform(0.25, 0.5) * h)
