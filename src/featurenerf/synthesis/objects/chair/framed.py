"""Families of a seat, a back and something to stand on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.chair.arms import add_arms
from featurenerf.synthesis.objects.chair.backs import add_back, back_bar, mark_back
from featurenerf.synthesis.objects.chair.legs import add_column, add_four_legs, add_legs, add_star, leg_shape, mark_tip
from featurenerf.synthesis.objects.chair.plans import ARM, BACK, LEG, ChairPlan, draw_plan
from featurenerf.synthesis.objects.chair.seats import add_seat, mark_seat
from featurenerf.synthesis.objects.shapes import box, circle, curve, fillet, rounded_rectangle, sweep, tube


def side_chair(a: Assembly, rng: np.random.Generator) -> None:
    """For a table, or higher, for a bar."""
    tall = rng.random() < 0.12
    plan = draw_plan(rng, height=(0.6, 0.78) if tall else (0.4, 0.5), back=(0.15, 0.4) if tall else (0.3, 0.62))
    under, plan = add_seat(a, rng, plan)
    add_four_legs(a, rng, plan, under)
    add_back(a, rng, plan)
    mark_seat(a, plan)
    mark_back(a, plan)


def armchair(a: Assembly, rng: np.random.Generator) -> None:
    """The same with arms."""
    plan = draw_plan(rng, width=(0.45, 0.6), depth=(0.42, 0.55), soft=0.5)
    under, plan = add_seat(a, rng, plan)
    add_four_legs(a, rng, plan, under)
    add_back(a, rng, plan)
    add_arms(a, rng, plan)
    mark_seat(a, plan)
    mark_back(a, plan)


def stool(a: Assembly, rng: np.random.Generator) -> None:
    """No back."""
    bar = rng.random() < 0.45
    plan = draw_plan(rng, height=(0.58, 0.8) if bar else (0.36, 0.5), width=(0.3, 0.46), depth=(0.28, 0.42))
    if rng.random() < 0.4:
        plan = _square(plan)
    outline = "round" if rng.random() < 0.5 else "square"
    under, plan = add_seat(a, rng, plan, str(rng.choice(["panel", "dished", "cushion", "framed"])), outline)
    if rng.random() < 0.3:
        add_column(a, rng, plan, under)
    else:
        shrink = 0.68 if outline == "round" else 0.9
        x, y = shrink * plan.depth / 2 - 0.02, shrink * plan.width / 2 - 0.02
        splay = rng.uniform(0.0, 0.12)
        add_legs(a, rng, plan, under, (-x, x), y, (splay, splay, splay))
    mark_seat(a, plan, 0.0)


def _square(plan: ChairPlan) -> ChairPlan:
    return replace(plan, depth=plan.width, back_width=0.9 * plan.width)


def pedestal_chair(a: Assembly, rng: np.random.Generator) -> None:
    """On a column."""
    plan = draw_plan(rng, height=(0.42, 0.75), back=(0.15, 0.5), soft=0.5)
    under, plan = add_seat(
        a, rng, plan, str(rng.choice(["panel", "cushion", "framed"])), str(rng.choice(["round", "super", "square"]))
    )
    add_column(a, rng, plan, under)
    add_back(a, rng, plan, str(rng.choice(["panel", "gap", "soft", "hoop"])))
    if rng.random() < 0.3:
        add_arms(a, rng, plan)
    mark_seat(a, plan)
    mark_back(a, plan)


def office_chair(a: Assembly, rng: np.random.Generator) -> None:
    """On a star of casters."""
    plan = draw_plan(rng, height=(0.42, 0.55), width=(0.44, 0.56), depth=(0.42, 0.52), back=(0.35, 0.75), soft=0.85)
    under, plan = add_seat(a, rng, plan, "cushion", str(rng.choice(["square", "super", "bow"])))
    add_star(a, rng, plan, under)
    add_back(a, rng, plan, str(rng.choice(["soft", "gap", "panel", "framed"], p=[0.5, 0.2, 0.15, 0.15])))
    spine = [
        plan.at(0, 0.45, -0.03),
        plan.at(0, 0.05, -0.06),
        (-plan.depth / 2 + 0.06, 0, under - 0.01),
        (0, 0, under - 0.01),
    ]
    a.add(sweep(curve(spine, 10), rounded_rectangle(2, 1, 0.3, 1), 0.03, up=(1, 0, 0)), BACK, plan.frame)
    if rng.random() < 0.7:
        if rng.random() < 0.6:
            y, z = plan.width / 2 + 0.03, plan.height + rng.uniform(0.17, 0.25)
            length = rng.uniform(0.2, 0.3)
            x = rng.uniform(-0.05, 0.06)
            a.add_both(
                box((length, rng.uniform(0.05, 0.09), 0.03), 0.012, arc=2).move([x, y, z]),
                ARM,
                materials.plain((0.06, 0.06, 0.065), 0.2, 15) if rng.random() < 0.6 else plan.cover,
            )
            path = fillet([(x, y, z - 0.01), (x, y, under - 0.01), (x, 0.08, under - 0.01)], 0.05)
            a.add_both(sweep(path, rounded_rectangle(2, 1.2, 0.4, 1), 0.02, up=(1, 0, 0)), ARM, plan.frame)
            a.keypoint_both(12, 13, (x + length / 2 + 0.01, y, z + 0.025), ARM)
            a.keypoint_both(14, 15, (x - length / 2 - 0.01, y, z + 0.025), ARM)
        else:
            add_arms(a, rng, plan, "loop")
    mark_seat(a, plan)
    mark_back(a, plan)


def cantilever_chair(a: Assembly, rng: np.random.Generator) -> None:
    """On a bent tube without legs at the back."""
    plan = draw_plan(rng, back=(0.3, 0.48), recline=(4, 16), soft=0.5)
    metal = materials.metal(rng) if rng.random() < 0.85 else plan.frame
    under, plan = add_seat(a, rng, plan, str(rng.choice(["panel", "cushion"])), "square")
    d, y = plan.depth, plan.width / 2 - 0.005
    r = rng.uniform(0.009, 0.014)
    z = under - r * 0.5
    front, back = d / 2 + rng.uniform(0.0, 0.05), -d / 2 + rng.uniform(-0.06, 0.1)
    bend = rng.uniform(0.04, 0.12)
    lean = rng.choice([0.0, rng.uniform(-0.06, 0.06)])
    side = fillet([(-d / 2 - 0.01, y, z), (front, y, z), (front + lean, y, r), (back, y, r), (back, 0, r)], bend, 6)
    a.add_both(tube(side, r, 8), LEG, metal)
    up = np.array([plan.at(1, t) for t in np.linspace(0.12, 0.9, 5)])
    up[:, 1] = y
    a.add_both(tube(np.concatenate([[(-d / 2 + 0.06, y, z), (-d / 2 + 0.02, y, z)], up]), r, 8), BACK, metal)
    add_back(a, rng, plan, str(rng.choice(["gap", "soft", "panel"])))
    if rng.random() < 0.45:
        add_arms(a, rng, plan, "loop")
    mark_tip(a, 8, np.array([front + lean, y, 0]))
    mark_tip(a, 10, np.array([back, y, 0]))
    mark_seat(a, plan)
    mark_back(a, plan)


def rocking_chair(a: Assembly, rng: np.random.Generator) -> None:
    """On runners."""
    plan = draw_plan(
        rng, height=(0.36, 0.46), width=(0.44, 0.58), depth=(0.42, 0.52), back=(0.45, 0.75), recline=(8, 20), soft=0.3
    )
    under, plan = add_seat(a, rng, plan)
    y, x = plan.width / 2 - 0.035, plan.depth / 2 - 0.05
    reach, sag = plan.depth / 2 + rng.uniform(0.1, 0.24), rng.uniform(0.06, 0.13)
    t = np.linspace(-1, 1, 15)
    runner = np.stack([reach * t - 0.04, 0 * t + y, sag * t**2 + 0.018], -1)
    a.add_both(sweep(runner, rounded_rectangle(2, 2.6, 0.3, 1), 0.014), LEG, plan.legs)
    shape = leg_shape(rng, True)
    for sx in (1, -1):
        foot = np.array([sx * x * 1.05, y, 0.02 + sag * ((sx * x * 1.05 + 0.04) / reach) ** 2])
        a.add_both(shape(np.array([sx * x, y, under + 0.01]), foot), LEG, plan.legs)
    a.keypoint_both(8, 9, runner[-1] + [0.02, 0, 0], LEG)
    a.keypoint_both(10, 11, runner[0] - [0.02, 0, 0], LEG)
    add_back(a, rng, plan, str(rng.choice(["slats", "spindles", "ladder", "framed", "hoop"])))
    if rng.random() < 0.75:
        add_arms(a, rng, plan, "rail")
    mark_seat(a, plan)
    mark_back(a, plan)


def bench(a: Assembly, rng: np.random.Generator) -> None:
    """For two or three."""
    plan = draw_plan(rng, height=(0.38, 0.48), width=(0.85, 1.6), depth=(0.36, 0.5), back=(0.3, 0.5), soft=0.25)
    under, plan = add_seat(a, rng, plan, str(rng.choice(["panel", "slats", "cushion"])), "square")
    inset = rng.uniform(0.04, 0.12)
    x = plan.depth / 2 - 0.04
    add_legs(a, rng, plan, under, (-x, x), plan.width / 2 - inset, (rng.uniform(0, 0.05), 0.0, 0.0))
    add_back(a, rng, plan, str(rng.choice(["slats", "spindles", "ladder", "panel", "framed"])))
    if rng.random() < 0.6:
        add_arms(a, rng, plan, str(rng.choice(["rail", "bow", "loop"])))
    mark_seat(a, plan)
    mark_back(a, plan)


def folding_chair(a: Assembly, rng: np.random.Generator) -> None:
    """On crossed legs."""
    plan = draw_plan(rng, width=(0.38, 0.48), depth=(0.36, 0.44), back=(0.3, 0.45), recline=(8, 18), soft=0.2)
    h, d, w = plan.height, plan.depth, plan.width
    add_seat(a, rng, plan, str(rng.choice(["panel", "slats"])), "square")
    flat = rng.random() < 0.5
    profile = rounded_rectangle(2, 4, 0.3, 1) if flat else circle(8)
    r = 0.008 if flat else 0.011
    y = w / 2 - 0.012
    top = plan.at(1, 1)
    front_tip = np.array([d / 2 + rng.uniform(0.0, 0.08), y, 0.0])
    joint = np.array([-d / 2 + 0.03, y, h - 0.02])
    back_tip = np.array([-d / 2 - rng.uniform(-0.02, 0.08), y - 0.02, 0.0])
    a.add_both(sweep([joint, front_tip], profile, r, up=(1, 0, 0)), LEG, plan.frame)
    a.add_both(
        sweep([joint - (joint - front_tip) * 0.05, joint, (top[0], y, top[2])], profile, r, up=(1, 0, 0)),
        BACK,
        plan.frame,
    )
    a.add_both(sweep([(d / 2 - 0.05, y - 0.02, h - 0.03), back_tip], profile, r, up=(1, 0, 0)), LEG, plan.frame)
    for tip in (front_tip, back_tip):
        z = rng.uniform(0.08, 0.16)
        other = joint if tip is front_tip else np.array([d / 2 - 0.05, y - 0.02, h - 0.03])
        p = tip + (other - tip) * z / other[2]
        a.add(tube([p, p * [1, -1, 1]], 0.008, 6), LEG, plan.frame)
    mark_tip(a, 8, front_tip)
    mark_tip(a, 10, back_tip)
    boards = int(rng.integers(1, 4))
    height = plan.back * rng.uniform(0.2, 0.4) / boards**0.5
    for z in np.linspace(plan.back - height / 2, plan.back * 0.55, boards):
        a.add(back_bar((0.014, 2 * y, height), (0.005, 0, z), plan, 0.004), BACK, plan.back_cover)
    mark_seat(a, plan)
    mark_back(a, plan)


def lounge_chair(a: Assembly, rng: np.random.Generator) -> None:
    """Low, deep and leaning back."""
    plan = draw_plan(
        rng, height=(0.28, 0.38), width=(0.52, 0.68), depth=(0.5, 0.62), back=(0.5, 0.75), recline=(24, 42), soft=0.8
    )
    under, plan = add_seat(a, rng, plan, "cushion", "square")
    add_four_legs(a, rng, plan, under)
    add_back(a, rng, plan, str(rng.choice(["soft", "slats", "framed"], p=[0.6, 0.2, 0.2])))
    if rng.random() < 0.7:
        add_arms(a, rng, plan, str(rng.choice(["rail", "loop", "bow"])))
    mark_seat(a, plan)
    mark_back(a, plan)
