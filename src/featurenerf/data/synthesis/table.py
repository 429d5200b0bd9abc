"""Tables and desks of fourteen families, in metres: the floor at z = 0, one sits at +x, the long side along y."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from featurenerf.data.synthesis import materials
from featurenerf.data.synthesis.objects import Category, LabelledMesh
from featurenerf.data.synthesis.shapes import (
    Assembly,
    Finish,
    Numbers,
    Scalar,
    Surface,
    box,
    circle,
    curve,
    fillet,
    join,
    loft,
    revolve,
    rotation,
    rounded_rectangle,
    slab,
    sweep,
    tube,
)

TOP, LEG, STRETCHER, DRAWER, SHELF, BENCH = 1, 2, 3, 4, 5, 6
_KEYPOINTS = (
    "top front left", "top front right", "top back left", "top back right",
    "top left", "top right", "top front centre", "top back centre", "top centre",
    "leg tip front left", "leg tip front right", "leg tip back left", "leg tip back right",
    "stem centre", "stretcher centre", "shelf centre", "drawer left", "drawer right",
    "bench front centre", "bench back centre",
)  # fmt: skip
_FAMILIES = {
    "dining": 0.14, "pedestal": 0.11, "trestle": 0.08, "desk": 0.12, "coffee": 0.11, "console": 0.07, "picnic": 0.05,
    "drop-leaf": 0.04, "glass": 0.06, "corner": 0.04, "bar": 0.05, "bedside": 0.05, "folding": 0.04, "monolith": 0.04,
}  # fmt: skip
CATEGORY = Category(
    name="table",
    synset="04379243",
    part_names=("background", "top", "leg", "stretcher", "drawer", "shelf", "bench"),
    keypoint_names=_KEYPOINTS,
    mirror=(1, 0, 3, 2, 5, 4, 6, 7, 8, 10, 9, 12, 11, 13, 14, 15, 17, 16, 18, 19),
    families=tuple(_FAMILIES),
    shares=tuple(_FAMILIES.values()),
)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a table's parts share: its measures and its finishes."""

    height: float
    depth: float
    width: float
    thick: float
    kind: str
    outline: Float[np.ndarray, "m 2"]
    top: Finish
    frame: Finish
    legs: Finish
    fittings: Finish

    @property
    def under(self) -> float:
        """Height of the top's underside."""
        return self.height - self.thick

    @property
    def corner(self) -> Float[np.ndarray, " 2"]:
        """How far out something may stand below the top's front left corner."""
        p = self.outline
        return p[(p[:, 0] / self.depth + p[:, 1] / self.width).argmax()]


def _outline(rng: np.random.Generator, kind: str, depth: Scalar, width: Scalar) -> Float[np.ndarray, "m 2"]:
    if kind in ("round", "oval"):
        return circle(44, (depth / 2, width / 2))
    if kind == "super":
        return circle(44, (depth / 2, width / 2), rng.uniform(2.6, 4.0))
    if kind == "octagon":
        return rounded_rectangle(depth, width, 0.29 * min(depth, width), steps=1)
    if kind == "half":  # the straight side at the back
        angle = np.linspace(-np.pi / 2, np.pi / 2, 25)
        power = rng.uniform(0.75, 1.0)
        return np.stack([depth * (np.cos(angle) ** power - 0.5), width / 2 * np.sin(angle)], axis=-1)
    radius = {"rounded": rng.uniform(0.06, 0.3), "stadium": 0.499}.get(kind, rng.uniform(0.005, 0.02))
    points = rounded_rectangle(depth, width, radius * min(depth, width), steps=8 if radius > 0.4 else 4, sides=7)
    if kind == "boat":
        bow = 1 - rng.uniform(0.1, 0.25) * (2 * points[:, 1] / width) ** 2
        points = points * np.stack([bow, np.ones(len(points))], axis=-1)
    return points


def _plan(
    rng: np.random.Generator,
    height: tuple[Scalar, Scalar],
    depth: tuple[Scalar, Scalar],
    width: tuple[Scalar, Scalar],
    kinds: str = "rectangle",
    thick: tuple[Scalar, Scalar] = (0.018, 0.045),
) -> _Plan:
    """Draw measures (metres), the top's outline (one of the words of ``kinds``) and finishes that go together."""
    kind = str(rng.choice(kinds.split()))
    w = rng.uniform(*width)
    d = w if kind in ("round", "octagon") else min(rng.uniform(*depth), w)
    wood, other = materials.wood(rng), materials.wood(rng)
    style = rng.choice(["wood", "farm", "works", "stone", "paint", "laminate"], p=[0.36, 0.12, 0.16, 0.1, 0.16, 0.1])
    paint, metal = materials.painted(rng), materials.metal(rng)
    top, frame, legs = {
        "wood": (wood, wood, wood if rng.random() < 0.8 else other),
        "farm": (wood, paint, paint),
        "works": (wood, metal, metal),
        "stone": (materials.marble(rng), *([metal] * 2 if rng.random() < 0.5 else [wood] * 2)),
        "paint": (paint, paint, paint if rng.random() < 0.7 else wood),
        "laminate": (materials.plastic(rng), wood, wood if rng.random() < 0.5 else metal),
    }[str(style)]
    return _Plan(
        height=rng.uniform(*height),
        depth=d,
        width=w,
        thick=rng.uniform(*thick),
        kind=kind,
        outline=_outline(rng, kind, d, w),
        top=top,
        frame=frame,
        legs=legs,
        fittings=materials.metal(rng) if rng.random() < 0.7 else other,
    )


def _corners(a: Assembly, surface: Surface, part: int, finish: Finish) -> None:
    """Add what stands at the front left corner, and its images at the other three."""
    a.add_both(surface, part, finish)
    a.add_both(surface.turn(rotation("z", 180)), part, finish)


def _bar(start: Numbers, end: Numbers, size: tuple[Scalar, Scalar], radius: Scalar = 0.15) -> Surface:
    """A straight bar; its size is given across (level, if the bar rises) and the other way."""
    return sweep([start, end], rounded_rectangle(1, 1, radius, 1) * np.asarray(size))


# ------------------------------------------------------------------------------------------------------------ top


def _top(a: Assembly, rng: np.random.Generator, plan: _Plan, kind: str | None = None) -> None:
    """Add the top and name its points."""
    straight = plan.kind == "rectangle"
    kind = kind or str(rng.choice(["slab", "planks", "inset", "breadboard"], p=[0.62, 0.16, 0.12, 0.1]))
    h, d, w, t = plan.height, plan.depth, plan.width, plan.thick
    if kind in ("planks", "breadboard") and straight and plan.top.material.texture is not None:
        ends = rng.uniform(0.06, 0.1) if kind == "breadboard" else 0.0
        count = max(3, round(d / rng.uniform(0.1, 0.17)))
        for x in (np.arange(count) + 0.5) * d / count - d / 2:
            a.add(box((d / count - 0.001, w - 2 * ends, t), 0.004).move([x, 0, h - t / 2]), TOP, plan.top)
        if ends:
            a.add_both(box((d, ends - 0.002, t), 0.004).move([0, w / 2 - ends / 2, h - t / 2]), TOP, plan.top)
    elif kind == "inset":
        a.add(slab(plan.outline, t, rng.uniform(0.1, 0.4) * t).move([0, 0, h - 0.003]), TOP, plan.frame)
        middle = materials.any_of(rng, (1, materials.leather), (1, materials.marble), (1, materials.glass),
                                  (1, materials.wood))  # fmt: skip
        a.add(slab(plan.outline * rng.uniform(0.8, 0.93), 0.006, 0.001).move([0, 0, h]), TOP, middle)
    else:
        edge = rng.choice([0.06, rng.uniform(0.1, 0.49)]) * t
        a.add(slab(plan.outline, t, edge).move([0, 0, h]), TOP, plan.top)
    _mark_top(a, plan)


def _mark_top(a: Assembly, plan: _Plan) -> None:
    d, w, h = plan.depth, plan.width, plan.height
    a.keypoint_both(0, 1, (d / 2, w / 2, h), TOP)
    a.keypoint_both(2, 3, (-d / 2, w / 2, h), TOP)
    if plan.kind != "half":  # which has no left and right edge
        a.keypoint_both(4, 5, (0, w / 2 + 0.05, h), TOP)
    a.keypoint(6, (d / 2 + 0.05, 0, h), TOP)
    a.keypoint(7, (-d / 2 - 0.05, 0, h), TOP)
    a.keypoint(8, (0, 0, h), TOP, seen_from=(0, 0, 1))


def _apron(a: Assembly, rng: np.random.Generator, plan: _Plan, tall: Scalar, at: np.ndarray) -> None:
    """A frame under the top, its bars' middles as far out as ``at``; of a round top a drum."""
    if plan.kind not in ("rectangle", "rounded", "boat", "stadium", "super"):
        share = float(np.linalg.norm(at) / np.linalg.norm(plan.corner))
        a.add(slab(plan.outline * share, tall + 0.004).move([0, 0, plan.under + 0.004]), TOP, plan.frame)
        return
    x, y, z = float(at[0]), float(at[1]), plan.under - tall / 2 + 0.002
    thick = rng.uniform(0.016, 0.024)
    for side in (-1, 1):
        a.add(box((thick, 2 * y, tall), 0.002).move([side * x, 0, z]), TOP, plan.frame)
        a.add(box((2 * x, thick, tall), 0.002).move([0, side * y, z]), TOP, plan.frame)


# ----------------------------------------------------------------------------------------------------------- legs


def _mark_tips(a: Assembly, front: Numbers, back: Numbers | None = None) -> None:
    """Name the left and right legs' ends, on their outer sides just above the floor."""
    front = np.asarray(front, dtype=np.float64)
    back = front * [-1, 1, 1] if back is None else np.asarray(back, dtype=np.float64)
    for first, tip in ((9, front), (11, back)):
        a.keypoint_both(first, first + 1, tip + np.array([np.copysign(0.06, tip[0]), 0.06, 0.016]), LEG)


def _turned(rng: np.random.Generator, top: np.ndarray, tip: np.ndarray, thick: Scalar) -> Surface:
    """A leg off the lathe: rings and a belly, a square block above if it stands upright."""
    knots = [(0.0, 0.9), (0.05, 0.6), (0.09, 1.0), (0.13, 0.62), (0.2, rng.uniform(0.6, 0.9)),
             (rng.uniform(0.3, 0.5), rng.uniform(0.85, 1.15)), (0.68, rng.uniform(0.45, 0.65)), (0.78, 0.5),
             (0.82, 0.85), (0.86, 0.52), (0.92, rng.uniform(0.6, 0.9)), (1.0, rng.uniform(0.35, 0.6))]  # fmt: skip
    t, radius = curve(knots, 34).T
    block = 0.0
    if np.linalg.norm((top - tip)[:2]) < 1e-6:
        block = min(rng.uniform(0.1, 0.18), 0.3 * (top[2] - tip[2]))
    start = top - np.array([0, 0, block])
    spindle = tube(start + np.clip(t, 0, 1)[:, None] * (tip - start), thick / 2 * radius, 12)
    if not block:
        return spindle
    return join(spindle, box((thick, thick, block + 0.004), 0.003).move(top - [0, 0, block / 2]))


def _leg_shape(
    rng: np.random.Generator, plan: _Plan, thick: Scalar, kind: str | None = None
) -> Callable[[np.ndarray, np.ndarray], Surface]:
    """One leg's shape, from its top to its tip, for the front left corner; ``thick`` is its width."""
    wooden = plan.legs.material.texture is not None
    kinds = ["square", "round", "turned", "cabriole", "sabre", "tube", "hairpin", "angle"]
    kind = kind or str(
        rng.choice(kinds, p=[0.27, 0.2, 0.23, 0.13, 0.12, 0.05, 0, 0] if wooden else [0.3, 0.1, 0, 0, 0, 0.3, 0.2, 0.1])
    )
    slim = rng.uniform(0.4, 1.0)
    bow = rng.uniform(0.03, 0.06)
    turner = int(rng.integers(1 << 30))

    def shape(top: np.ndarray, tip: np.ndarray) -> Surface:
        if kind == "square":
            size = np.array([1.0, slim if plan.kind == "rectangle" else 1.0])
            return sweep([top, tip], rounded_rectangle(1, 1, 0.08, 1), thick * size, up=(1, 0, 0))
        if kind == "turned":
            return _turned(np.random.default_rng(turner), top, tip, 1.15 * thick)
        if kind in ("round", "tube"):
            size = thick / 2 * np.array([1, 0.45 if kind == "round" else 1])
            return tube([top, tip], 0.65 * size if kind == "tube" else size, 14)
        if kind == "angle":
            profile = np.array([(1, 1), (-1, 1), (-1, 0.72), (0.72, 0.72), (0.72, -1), (1, -1)])
            return sweep([top, tip], profile * thick / 2, up=(1, 0, 0))
        if kind == "hairpin":
            side = np.array([0.06, -0.06, 0.0])
            foot = tip + np.array([0, 0, 0.006])
            pad = box((0.12, 0.12, 0.006)).move(top - [0, 0, 0.003])
            return join(pad, tube(fillet([top - side, foot, top + side], 0.04), 0.0065, 7))
        t = np.linspace(0, 1, 15)
        outward = np.sign(tip) * [1, 1, 0] / 2**0.5
        if kind == "cabriole":
            sway = np.interp(t, *np.array([(0, 0.1), (0.15, 1.0), (0.5, 0.1), (0.8, -0.5), (0.93, -0.1), (1, 0.4)]).T)
            size = np.interp(t, *np.array([(0, 1.0), (0.15, 1.15), (0.5, 0.75), (0.8, 0.5), (0.92, 0.6), (1, 0.8)]).T)
        else:
            sway = np.interp(t, [0, 0.35, 0.7, 1], [0, -0.6, -0.6, 0.5])
            size = np.linspace(1.0, 0.7 * slim, 15)
        smooth = np.convolve(np.pad(sway, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
        path = top + t[:, None] * (tip - top) + bow * smooth[:, None] * outward
        return sweep(path, rounded_rectangle(1, 1, 0.35, 2), thick * size, up=(1, 0, 0))

    return shape


def _placed(shape: Callable[[np.ndarray, np.ndarray], Surface], at: Numbers, height: Scalar) -> Surface:
    """An upright leg on the left, at the front (x > 0) or at the back."""
    spot = np.append(at, height)
    leg = shape(np.abs(spot), np.abs(spot) * [1, 1, 0])
    return leg if spot[0] > 0 else leg.turn(rotation("z", 180)).mirror()


def _four_legs(
    a: Assembly,
    rng: np.random.Generator,
    plan: _Plan,
    top: Numbers,
    splay: Numbers = (0.0, 0.0),
    thick: Scalar = 0.06,
    kind: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Four legs; returns the front left one's top and tip."""
    start = np.append(np.asarray(top, dtype=np.float64), plan.under + 0.004)
    tip = np.append(start[:2] + splay, 0.0)
    _corners(a, _leg_shape(rng, plan, thick, kind)(start, tip), LEG, plan.legs)
    _mark_tips(a, tip)
    return start, tip


def _stretchers(
    a: Assembly, rng: np.random.Generator, plan: _Plan, top: np.ndarray, tip: np.ndarray, kind: str, at: Scalar
) -> None:
    """Bars between four legs: "h", "box" or "x", ``at`` from the legs' tops (0) to their tips (1)."""
    p = top + at * (tip - top)
    size = (rng.uniform(0.018, 0.03), rng.uniform(0.022, 0.05))
    x, y, z = p.tolist()
    middle: list[Scalar] = [0, 0, z]
    if kind in ("h", "box"):
        a.add_both(_bar((x, y, z), (-x, y, z), size), STRETCHER, plan.legs)
    if kind == "h":
        a.add(_bar((0, y, z), (0, -y, z), size), STRETCHER, plan.legs)
    elif kind == "box":
        for side in (-x, x):
            a.add(_bar((side, y, z), (side, -y, z), size), STRETCHER, plan.legs)
        middle[0] = x
    else:
        a.add(_bar((x, y, z), (-x, -y, z), size), STRETCHER, plan.legs)
        a.add(_bar((x, -y, z), (-x, y, z), size), STRETCHER, plan.legs)
    a.keypoint(14, middle, STRETCHER, seen_from=(0, 0, 1))


# -------------------------------------------------------------------------------------------- drawers and shelves


def _handle(rng: np.random.Generator, wide: Scalar) -> Callable[[Scalar], Surface]:
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


def _drawers(
    a: Assembly,
    rng: np.random.Generator,
    plan: _Plan,
    x: tuple[Scalar, Scalar],
    y: tuple[Scalar, Scalar],
    z: tuple[Scalar, Scalar],
    rows: int,
    columns: int = 1,
    handle: Callable[[Scalar], Surface] | None = None,
    front: Finish | None = None,
) -> list[np.ndarray]:
    """A case of drawers between the given limits, facing +x; returns the middles of its fronts, row by row."""
    handle = handle or _handle(rng, (y[1] - y[0]) / columns)
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


def _mark_drawers(a: Assembly, left: np.ndarray) -> None:
    """Name the front's middle of a pair of drawers."""
    a.keypoint_both(16, 17, left, DRAWER, seen_from=(1, 0, 0))


def _shelf(
    a: Assembly, rng: np.random.Generator, plan: _Plan, depth: Scalar, width: Scalar, z: Scalar, slats: bool = False
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


# ------------------------------------------------------------------------------------------------------- families


def _dining(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(
        rng, (0.7, 0.78), (0.75, 1.1), (0.85, 2.2), "rectangle rectangle rectangle rounded oval round boat super"
    )
    _top(a, rng, plan)
    thick = rng.uniform(0.045, 0.09)
    apron = rng.random() < 0.75
    splay = 0.0 if apron and rng.random() < 0.7 else rng.uniform(0.02, 0.12)
    leg = plan.corner - thick / 2 - rng.uniform(0.01, 0.05) - 0.6 * splay
    if apron:
        _apron(a, rng, plan, rng.uniform(0.06, 0.11), leg)
    top, tip = _four_legs(a, rng, plan, leg, (splay, splay), thick)
    if rng.random() < 0.35:
        _stretchers(a, rng, plan, top, tip, str(rng.choice(["h", "box", "x"])), rng.uniform(0.7, 0.88))


def _pedestal(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["tulip", "claw", "disc", "cross", "double", "drum"], p=[0.2, 0.25, 0.15, 0.15, 0.15, 0.1]))
    low = rng.random() < 0.2
    plan = _plan(
        rng,
        (0.42, 0.55) if low else (0.68, 0.78),
        (0.7, 1.05),
        (1.4, 2.2) if kind == "double" else (0.45, 0.65) if low else (0.6, 1.3),
        "rectangle oval boat stadium" if kind == "double" else "round round round octagon super oval",
    )
    _top(a, rng, plan)
    if rng.random() < 0.3 and kind != "double":
        _apron(a, rng, plan, rng.uniform(0.04, 0.09), 0.8 * plan.corner)
    _column(a, rng, plan, kind)


def _column(a: Assembly, rng: np.random.Generator, plan: _Plan, kind: str) -> None:
    """One foot for the whole table, or two side by side."""
    under, legs = plan.under + 0.003, plan.legs
    reach = min(plan.depth, plan.width) * rng.uniform(0.28, 0.4)
    stem = rng.uniform(0.03, 0.07)
    if kind != "double":
        a.keypoint(13, (0, 0, 0.55 * under), LEG, seen_from=(1, 0, 0))
    if kind == "tulip":
        neck = rng.uniform(0.3, 0.55)
        profile = [(0.9 * reach, 0.0), (0.9 * reach, 0.006), (0.8 * reach, 0.014), (0.35 * reach, 0.05),
                   (1.3 * stem, 0.16 * under), (0.75 * stem, neck * under), (1.2 * stem, 0.85 * under),
                   (0.5 * reach, under)]  # fmt: skip
        shape = np.concatenate([profile[:1], curve(profile[1:], 28)])
        a.add(revolve(shape, 32), LEG, legs)
        _mark_rim(a, 0.9 * reach)
    elif kind == "disc":
        rim = 0.012 + rng.uniform(0, 0.03)
        base = [(reach, 0.0), (reach, rim), (0.9 * reach, rim + 0.01), (stem, rim + rng.uniform(0.012, 0.05))]
        square = rng.random() < 0.3
        if square:
            a.add(box((1.7 * reach, 1.7 * reach, rim + 0.02), 0.006).move([0, 0, rim / 2 + 0.01]), LEG, legs)
            _mark_tips(a, (0.85 * reach, 0.85 * reach, 0.0))
        else:
            a.add(revolve(base, 36), LEG, legs)
            _mark_rim(a, reach)
        a.add(tube([(0, 0, 0.01), (0, 0, under)], 0.6 * stem, 16), LEG, legs)
        a.add(
            revolve([(0.6 * stem, under - 0.05), (0.45 * reach, under - 0.012), (0.45 * reach, under)], 24), LEG, legs
        )
    elif kind == "claw":
        knots = [(0.9, 0.2), (1.1, 0.3), (0.7, 0.36), (1.0, 0.42), (rng.uniform(0.9, 1.5), 0.52), (0.6, 0.72),
                 (0.55, 0.8), (1.0, 0.86), (0.7, 0.9), (1.6, 1.0)]  # fmt: skip
        a.add(revolve(curve(np.asarray(knots) * [stem, under], 36), 20), LEG, legs)
        a.add(box((0.9 * reach, 0.9 * reach, 0.025), 0.005).move([0, 0, under - 0.0125]), TOP, plan.frame)
        four = rng.random() < 0.55
        thick = rng.uniform(0.024, 0.04)
        spring = rng.uniform(0.24, 0.34) * under
        path = curve([(0.4 * stem, 0, spring), (0.35 * reach, 0, spring + 0.02), (0.75 * reach, 0, 0.11 * under),
                      (1.05 * reach, 0, thick * 0.55), (1.15 * reach, 0, thick * 0.6)], 15)  # fmt: skip
        foot = sweep(path, rounded_rectangle(1, 1.5, 0.4, 2), thick * np.linspace(1.25, 0.75, 15))
        for turn in (45, -45, 135, -135) if four else (60, -60, 180):
            a.add(foot.turn(rotation("z", turn)), LEG, legs)
        tips = [rotation("z", turn) @ [1.15 * reach, 0, 0] for turn in ((45, 135) if four else (60, 60))]
        if four:
            _mark_tips(a, tips[0], tips[1])
        else:
            a.keypoint_both(9, 10, tips[0] + [0.02, 0.06, 0.016], LEG)
    elif kind == "cross":
        post = rng.uniform(0.07, 0.13)
        a.add(box((post, post, under - 0.05), 0.006).move([0, 0, under / 2 + 0.025]), LEG, legs)
        tall = rng.uniform(0.05, 0.08)
        for turn in (45, -45):
            spin = rotation("z", turn)
            rocker = box((2.4 * reach, 0.07, tall), 0.01, (8, 1, 1))
            sole = rocker.lift(0.35 * tall * (1 - (rocker.vertices[:, 0] / (1.2 * reach)) ** 2))
            a.add(sole.move([0, 0, tall / 2]).turn(spin), LEG, legs)
            a.add(box((1.6 * reach, 0.06, 0.05), 0.01).move([0, 0, under - 0.025]).turn(spin), LEG, legs)
        out = 1.2 * reach / 2**0.5
        _mark_tips(a, (out, out, 0.0))
    elif kind == "drum":
        waist, flutes = rng.uniform(0.6, 1.0), int(rng.choice([0, 12, 20, 24]))
        t = np.linspace(0, 1, 15)
        radius = reach * (waist + (1 - waist) * np.abs(2 * t - 1) ** 1.6) * np.where((t == 0) | (t == 1), 0.97, 1)
        angle = np.arange(96 if flutes else 40) * (2 * np.pi / (96 if flutes else 40))
        ripple = 1 + (0.035 * np.cos(flutes * angle) if flutes else 0 * angle)
        rings = np.empty((15, len(angle), 3))
        rings[..., 0] = radius[:, None] * ripple * np.cos(angle)
        rings[..., 1] = radius[:, None] * ripple * np.sin(angle)
        rings[..., 2] = (t * under)[:, None]
        a.add(loft(rings), LEG, legs)
        _mark_rim(a, reach)
    else:
        _double(a, rng, plan)


def _mark_rim(a: Assembly, radius: Scalar) -> None:
    """Name a round foot's rim as if it were four legs' tips."""
    _mark_tips(a, (radius * 0.7071, radius * 0.7071, 0.0))


def _double(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Two columns on two feet each, and a beam between them."""
    under, legs = plan.under + 0.003, plan.legs
    y, reach = plan.width * rng.uniform(0.24, 0.33), plan.depth * rng.uniform(0.36, 0.44)
    thick = rng.uniform(0.05, 0.08)
    stem = rng.uniform(0.05, 0.08)
    if rng.random() < 0.5:
        shape = _turned(rng, np.array([0.0, y, under]), np.array([0.0, y, 0.04]), 2.2 * stem)
    else:
        shape = box((1.6 * stem, stem, under - 0.04), 0.006).move([0, y, under / 2 + 0.02])
    a.add_both(shape, LEG, legs)
    path = curve(
        [(-reach, y, 0.03), (-0.5 * reach, y, 0.07), (0, y, 0.13), (0.5 * reach, y, 0.07), (reach, y, 0.03)], 21
    )
    a.add_both(sweep(path, rounded_rectangle(1, 0.8, 0.3, 2), thick), LEG, legs)
    a.add_both(box((1.6 * reach, thick, 0.045), 0.006).move([0, y, under - 0.0225]), LEG, legs)
    _mark_tips(a, (reach, y, 0.0))
    if rng.random() < 0.75:
        z = rng.uniform(0.15, 0.3) * under
        a.add(_bar((0, y, z), (0, -y, z), (0.03, rng.uniform(0.05, 0.1))), STRETCHER, legs)
        a.keypoint(14, (0, 0, z), STRETCHER, seen_from=(0, 0, 1))


def _trestle(a: Assembly, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["horse", "plank", "x", "u"], p=[0.3, 0.3, 0.2, 0.2]))
    plan = _plan(rng, (0.7, 0.78), (0.65, 0.95), (1.3, 2.2), "rectangle rectangle rounded", (0.022, 0.055))
    _top(a, rng, plan)
    under, legs = plan.under + 0.003, plan.legs
    y, x = plan.width * rng.uniform(0.28, 0.4), plan.depth * rng.uniform(0.36, 0.46)
    thick = rng.uniform(0.035, 0.06)
    beam = rng.uniform(0.2, 0.75) * under
    if kind == "horse":
        lean = rng.uniform(0.06, 0.14)
        a.add_both(box((1.7 * x, 1.6 * thick, 0.06), 0.005).move([0, y, under - 0.03]), LEG, legs)
        for side in (-1, 1):
            for out in (-1, 1):
                leg = [(out * 0.45 * x, y + side * 0.01, under - 0.03), (out * x, y + side * lean, 0.0)]
                a.add_both(sweep(leg, rounded_rectangle(1, 1, 0.1, 1), [thick, 0.7 * thick], (1, 0, 0)), LEG, legs)
            low = rng.uniform(0.25, 0.4)
            cross = (x * (1 - 0.55 * low), y + side * lean * (1 - low), low * under)
            a.add_both(_bar(cross, np.array(cross) * [-1, 1, 1], (0.02, 0.05)), STRETCHER, legs)
        _mark_tips(a, (x, y + lean, 0.0))
        return
    if kind == "plank":
        board = rng.uniform(0.18, 0.4) * plan.depth
        t = np.linspace(0, 1, 17)
        shape = 1 + rng.uniform(-0.3, 0.3) * np.sin(np.pi * t) + rng.uniform(0, 0.2) * np.cos(4 * np.pi * t)
        path = np.stack([0 * t, 0 * t + y, 0.06 + t * (under - 0.1)], -1)
        size = np.stack([np.full(17, thick), board * shape], -1)
        a.add_both(sweep(path, rounded_rectangle(1, 1, 0.1, 1), size, up=(1, 0, 0)), LEG, legs)
        a.add_both(box((2 * x, 1.7 * thick, 0.07), 0.015, (1, 1, 1), 2).move([0, y, 0.035]), LEG, legs)
        a.add_both(box((1.8 * x, 1.5 * thick, 0.06), 0.01).move([0, y, under - 0.03]), LEG, legs)
    elif kind == "x":
        flat = rounded_rectangle(1, 1, 0.1, 1) * [thick, 1.6 * thick]
        for side in (-1, 1):
            way = [(-side * 0.85 * x, y + side * 0.3 * thick, under), (side * x, y + side * 0.3 * thick, 0.0)]
            a.add_both(sweep(way, flat, up=(1, 0, 0)), LEG, legs)
        beam = 0.5 * under
    else:
        square = rounded_rectangle(1, 1, 0.1, 1) * [rng.uniform(1.0, 2.4) * thick, 0.6 * thick]
        waist = rng.choice([1.0, rng.uniform(0.5, 0.85)])
        half = 0.3 * thick
        frame = [(0, y, under - half), (waist * x, y, under - half), (x, y, half), (-x, y, half),
                 (-waist * x, y, under - half), (0, y, under - half)]  # fmt: skip
        path = fillet(frame, 0.02, 3)
        a.add_both(sweep(path, square, up=(0, -1, 0)), LEG, legs)
        if rng.random() < 0.5:
            beam = under - 0.06
    _mark_tips(a, (x, y, 0.0))
    if kind == "u" and rng.random() < 0.4:
        return
    a.add(_bar((0, y, beam), (0, -y, beam), (0.7 * thick, 1.6 * thick)), STRETCHER, legs)
    a.keypoint(14, (0, 0, beam), STRETCHER, seen_from=(1, 0, 0))


def _desk(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, (0.7, 0.78), (0.5, 0.8), (1.0, 1.8), "rectangle rectangle rectangle rounded", (0.018, 0.04))
    _top(a, rng, plan)
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
        _hutch(a, rng, plan)


def _writing_desk(a: Assembly, rng: np.random.Generator, plan: _Plan, deep: Scalar, y: Scalar, front: Finish) -> None:
    """Drawers under the whole top, on four legs."""
    rows, columns = int(rng.integers(1, 3)), int(rng.integers(2, 4))
    under = plan.under + 0.002
    low = under - rng.uniform(0.08, 0.11) * rows
    _mark_drawers(a, _drawers(a, rng, plan, (-deep, deep), (-y, y), (low, under), rows, columns, None, front)[0])
    thick = rng.uniform(0.03, 0.055)
    leg = np.array([deep, y]) - thick / 2 - 0.004
    top, tip = _four_legs(a, rng, replace(plan, thick=plan.height - low), leg, (0, 0), thick)
    if rng.random() < 0.3:
        _stretchers(a, rng, plan, top, tip, "h", 0.8)


def _twin_desk(a: Assembly, rng: np.random.Generator, plan: _Plan, deep: Scalar, y: Scalar, front: Finish) -> None:
    """A case of drawers at either side, on plinths or short feet or the floor, and maybe a drawer between them."""
    under, case = plan.under + 0.002, min(rng.uniform(0.32, 0.48), 0.34 * plan.width)
    low = rng.choice([0.0, 0.03, rng.uniform(0.08, 0.2)])
    handle, rows = _handle(rng, case), int(rng.integers(2, 5))
    left = _drawers(a, rng, plan, (-deep, deep), (y - case, y), (low, under), rows, 1, handle, front)
    _drawers(a, rng, plan, (-deep, deep), (-y, case - y), (low, under), rows, 1, handle, front)
    _mark_drawers(a, left[0])
    if rng.random() < 0.6:
        _drawers(a, rng, plan, (0, deep), (case - y, y - case), (under - 0.09, under), 1, 1, handle, front)
    if low > 0.05:
        for at in (y - 0.03, y - case + 0.03):
            foot = tube([(deep - 0.04, at, low + 0.01), (deep - 0.04, at, 0.0)], [0.02, 0.012], 12)
            _corners(a, foot, LEG, plan.legs)
        _mark_tips(a, (deep - 0.04, y - 0.03, 0.0))
    elif low > 0:
        plinth = box((2 * deep - 0.06, case - 0.05, low + 0.01)).move([-0.01, y - case / 2, low / 2])
        a.add_both(plinth, LEG, materials.plain((0.06, 0.06, 0.06)))
        _mark_tips(a, (deep - 0.04, y - 0.025, 0.0), (-deep + 0.02, y - 0.025, 0.0))


def _single_desk(
    a: Assembly, rng: np.random.Generator, plan: _Plan, deep: Scalar, y: Scalar, front: Finish, hanging: bool
) -> None:
    """A case of drawers at one side, and legs or a board at the other; or legs all round and the case hanging."""
    under, case = plan.under + 0.002, min(rng.uniform(0.32, 0.48), 0.34 * plan.width)
    side = int(rng.choice([-1, 1]))
    low = under - rng.uniform(0.1, 0.3) if hanging else rng.choice([0.0, rng.uniform(0.08, 0.2)])
    rows = int(rng.integers(1, 3)) if hanging else int(rng.integers(2, 5))
    across = (y - case, y) if side > 0 else (-y, case - y)
    middles = _drawers(a, rng, plan, (-deep, deep), across, (low, under), rows, 1, None, front)
    a.keypoint(16 if side > 0 else 17, middles[0], DRAWER, seen_from=(1, 0, 0))
    thick = rng.uniform(0.03, 0.055)
    shape = _leg_shape(rng, plan, thick)
    spots = [(deep - thick / 2, y - thick / 2), (-deep + thick / 2, y - thick / 2)]
    if not hanging and rng.random() < 0.4:
        board = box((2 * deep, 0.028, under)).move([0, y - 0.014, under / 2])
        a.add(board.mirror() if side > 0 else board, LEG, plan.frame)
    else:
        for spot in spots:
            leg = _placed(shape, spot, under)
            a.add(leg.mirror() if side > 0 else leg, LEG, plan.legs)
    if low > 0:
        for spot in spots:
            leg = _placed(shape, spot, low + 0.01)
            a.add(leg if side > 0 else leg.mirror(), LEG, plan.legs)
        _mark_tips(a, (deep - thick / 2, y - thick / 2, 0.0))
    else:
        for left, x in ((9, deep), (11, -deep)):
            tip = (x + np.copysign(0.04, x), -side * (y + 0.05), 0.016)
            a.keypoint(left if side < 0 else left + 1, tip, LEG)


def _hutch(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Pigeonholes or a raised shelf along the back of a desk's top."""
    h, w = plan.height, plan.width - 0.02
    tall, deep, board = rng.uniform(0.14, 0.4), rng.uniform(0.18, 0.26), 0.018
    x = -plan.depth / 2 + deep / 2 + 0.01
    a.add(box((deep, w, board), 0.003).move([x, 0, h + tall]), SHELF, plan.frame)
    a.add(box((0.01, w, tall), 0.002).move([x - deep / 2 + 0.005, 0, h + tall / 2]), SHELF, plan.frame)
    for y in np.linspace(-w / 2 + board / 2, w / 2 - board / 2, int(rng.integers(2, 6))):
        a.add(box((deep, board, tall), 0.002).move([x, y, h + tall / 2]), SHELF, plan.frame)
    a.keypoint(15, (x, 0, h + tall + 0.01), SHELF, seen_from=(0, 0, 1))


def _coffee(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(
        rng, (0.34, 0.5), (0.5, 0.75), (0.75, 1.3), "rectangle rectangle rounded oval round super stadium",
        (0.018, 0.05),
    )  # fmt: skip
    _top(a, rng, plan)
    under = plan.under + 0.002
    kind = str(rng.choice(["legs", "case", "bowed"], p=[0.65, 0.25, 0.1])) if plan.kind == "rectangle" else "legs"
    thick = rng.uniform(0.03, 0.065)
    if kind == "legs":
        splay = rng.choice([0.0, rng.uniform(0.02, 0.09)])
        leg = plan.corner - thick / 2 - rng.uniform(0.005, 0.04) - 0.7 * splay
        if rng.random() < 0.5:
            _apron(a, rng, plan, rng.uniform(0.04, 0.08), leg)
        top, tip = _four_legs(a, rng, plan, leg, (splay, splay), thick)
        if rng.random() < 0.75:
            at = rng.uniform(0.55, 0.78)
            p = top + at * (tip - top)
            x, y = float(p[0]), float(p[1])
            if plan.kind in ("oval", "round"):  # from the legs to the rim between them
                x, y = x * plan.depth / plan.corner[0] / 2, y * plan.width / plan.corner[1] / 2
            _shelf(a, rng, plan, 2 * x, 2 * y, float(p[2]), plan.kind == "rectangle" and rng.random() < 0.35)
        return
    deep, y = plan.depth / 2 - 0.02, plan.width / 2 - 0.03
    foot = rng.uniform(0.04, 0.14)
    board = 0.022
    if kind == "case":
        split = rng.uniform(0.4, 0.6) * (under - foot)
        middles = _drawers(a, rng, plan, (-deep, deep), (-y, y), (under - split, under), 1, 2)
        _mark_drawers(a, middles[0])
        _shelf(a, rng, plan, 2 * deep, 2 * y, foot + board)
        a.add_both(box((2 * deep, board, under - split - foot)).move([0, y - board / 2, (under - split + foot) / 2]),
                   SHELF, plan.frame)  # fmt: skip
        _four_legs(a, rng, replace(plan, thick=plan.height - foot), (deep - 0.03, y - 0.03), (0, 0), 0.05)
    else:  # a loop of bent board
        z = under - board
        loop = fillet([(0, 0, z), (0, y, z), (0, 0.8 * y, foot), (0, -0.8 * y, foot), (0, -y, z), (0, 0, z)], 0.1, 6)
        low = sweep(loop, rounded_rectangle(2 * deep, board, 0.1 * board, 1), up=(0, 0, 1))
        a.add(low, SHELF, plan.frame)
        a.keypoint(15, (0, 0, foot), SHELF)
        _four_legs(a, rng, replace(plan, thick=plan.height - foot), (deep - 0.03, 0.7 * y), (0.0, 0.03), 0.045, "round")


def _console(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, (0.74, 0.92), (0.28, 0.45), (0.75, 1.5), "half rectangle rectangle", (0.018, 0.035))
    _top(a, rng, plan)
    thick = rng.uniform(0.03, 0.05)
    d, w, under = plan.depth, plan.width, plan.under + 0.002
    if plan.kind == "half":
        tall = rng.uniform(0.06, 0.1)
        scale = 0.88
        ring = plan.outline * scale - np.array([(1 - scale) * d / 2 - 0.005, 0])
        a.add(slab(ring, tall).move([0, 0, under]), TOP, plan.frame)
        shape = _leg_shape(rng, plan, thick)
        front = np.array([0.24 * d, 0.27 * w])
        back = np.array([-d / 2 + thick / 2 + 0.01, scale * w / 2 - thick / 2])
        for spot in (front, back):
            a.add_both(_placed(shape, spot, under), LEG, plan.legs)
        _mark_tips(a, np.append(front, 0.0), np.append(back, 0.0))
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
        _mark_drawers(a, _drawers(a, rng, plan, (-x, x), (-y, y), (low, under), 1, columns)[0])
    elif rng.random() < 0.7:
        _apron(a, rng, plan, rng.uniform(0.05, 0.09), leg)
    top, tip = _four_legs(a, rng, replace(plan, thick=plan.height - low), leg, (0, 0), thick)
    kind = rng.random()
    if kind < 0.6:
        _shelf(a, rng, plan, 2 * leg[0], 2 * leg[1], rng.uniform(0.1, 0.3), rng.random() < 0.25)
    elif kind < 0.85:
        _stretchers(a, rng, plan, top, tip, str(rng.choice(["h", "x"])), 0.85)


def _picnic(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, (0.72, 0.78), (0.65, 0.8), (1.3, 2.0), "rectangle", (0.03, 0.045))
    board = materials.any_of(rng, (0.7, materials.wood), (0.3, materials.painted))
    steel = rng.random() < 0.3
    frame = materials.metal(rng) if steel else board
    d, w, h, t = plan.depth, plan.width, plan.height, plan.thick
    seat, out = rng.uniform(0.42, 0.47), d / 2 + rng.uniform(0.22, 0.32)

    def planks(middle: Scalar, across: Scalar, z: Scalar, count: int, part: int) -> None:
        for x in (np.arange(count) + 0.5) * across / count - across / 2 + middle:
            a.add(box((across / count - 0.012, w, t), 0.005).move([x, 0, z - t / 2]), part, board)

    planks(0, d, h, int(rng.integers(5, 7)), TOP)
    deep = rng.uniform(0.24, 0.3)
    for side in (-1, 1):
        planks(side * out, deep, seat, 2, BENCH)
        a.keypoint(18 if side > 0 else 19, (side * (out + 0.25 * deep), 0, seat), BENCH, seen_from=(0, 0, 1))
    y = w * rng.uniform(0.27, 0.36)
    a.add_both(_bar((-0.46 * d, y, h - t - 0.045), (0.46 * d, y, h - t - 0.045), (0.045, 0.09)), LEG, frame)
    a.add_both(_bar((-out - 0.4 * deep, y, seat - t - 0.045), (out + 0.4 * deep, y, seat - t - 0.045), (0.045, 0.09)),
               STRETCHER, frame)  # fmt: skip
    tip = np.array([out - rng.uniform(0.0, 0.1), y + 0.045, 0.0])
    start = np.array([0.28 * d, y + 0.045, h - t])
    leg = tube([start, tip], 0.028, 12) if steel else _bar(start, tip, (0.045, 0.095), 0.05)
    _corners(a, leg, LEG, frame)
    _mark_tips(a, tip)
    if rng.random() < 0.6:
        a.add_both(_bar((0, y - 0.02, seat - t - 0.04), (0, 0.08, h - t - 0.02), (0.04, 0.08)), STRETCHER, frame)
    _mark_top(a, plan)


def _drop_leaf(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, (0.7, 0.76), (0.7, 1.0), (1.0, 1.7), "rectangle")
    h, d, t = plan.height, plan.depth, plan.thick
    is_open = rng.random() < 0.4
    long = min(rng.uniform(0.3, 0.55), h - 0.15)
    middle = rng.uniform(0.3, 0.7)
    power = rng.choice([2.0, rng.uniform(2.5, 4.0), 12.0])
    angle = np.linspace(0, np.pi, 27)
    c, s = np.cos(angle), np.sin(angle)
    leaf = np.stack([np.sign(c) * np.abs(c) ** (2 / power) * d / 2, long * np.abs(s) ** (2 / power)], -1)
    if power > 10:
        leaf = rounded_rectangle(d, long, 0.04) + np.array([0, long / 2])
    wing = slab(leaf, t, 0.2 * t)
    wing = wing.move([0, middle / 2 + 0.002, h]) if is_open else wing.turn(rotation("x", -90)).move(
        [0, middle / 2 + t + 0.003, h - 0.004])  # fmt: skip
    a.add(slab(rounded_rectangle(d, middle, 0.003), t, 0.1 * t).move([0, 0, h]), TOP, plan.top)
    a.add_both(wing, TOP, plan.top)
    half = middle / 2
    thick = rng.uniform(0.04, 0.06)
    leg = np.array([d / 2 - thick, half - thick / 2 - 0.01])
    inner = replace(plan, width=middle, outline=rounded_rectangle(d, middle, 0.003))
    _apron(a, rng, inner, rng.uniform(0.08, 0.12), leg)
    kind = str(rng.choice(["turned", "square", "round"], p=[0.6, 0.25, 0.15]))
    top, tip = _four_legs(a, rng, inner, leg, (0, 0), thick, kind)
    _stretchers(a, rng, inner, top, tip, "box", 0.85)
    if is_open:
        gate = _leg_shape(rng, plan, 0.8 * thick, kind)
        y = half + 0.55 * long
        under = plan.under + 0.002
        a.add_both(gate(np.array([0.0, y, under]), np.array([0.0, y, 0.0])), LEG, plan.legs)
        for z in (0.85 * under, 0.18 * under):
            a.add_both(_bar((0, y, z), (0.7 * leg[0], leg[1], z), (0.02, 0.04)), STRETCHER, plan.legs)
        wide = replace(plan, width=middle + 2 * long + 0.004)
        corner = np.array([d / 2, wide.width / 2]) if power > 2.4 else np.array([d / 2, half + 0.6 * long])
        a.keypoint_both(0, 1, (*corner, h), TOP)
        a.keypoint_both(2, 3, (-corner[0], corner[1], h), TOP)
        a.keypoint_both(4, 5, (0, wide.width / 2 + 0.02, h), TOP)
    else:
        a.keypoint_both(0, 1, (d / 2, half, h), TOP)
        a.keypoint_both(2, 3, (-d / 2, half, h), TOP)
        a.keypoint_both(4, 5, (0, half, h), TOP)
    a.keypoint(6, (d / 2 + 0.05, 0, h), TOP)
    a.keypoint(7, (-d / 2 - 0.05, 0, h), TOP)
    a.keypoint(8, (0, 0, h), TOP, seen_from=(0, 0, 1))


def _glass(a: Assembly, rng: np.random.Generator) -> None:
    low = rng.random() < 0.4
    plan = _plan(
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
    _mark_top(a, plan)
    bent = rng.uniform(0.012, 0.026)
    x, y = (plan.corner - rng.uniform(0.02, 0.1)).tolist()
    kind = str(rng.choice(["box", "x", "loop", "posts"]))
    if plan.kind in ("round", "oval") and rng.random() < 0.6:
        kind = "basket"
    square = rounded_rectangle(2, 2, 0.15, 1) * bent
    if kind == "box":
        _corners(a, sweep([(x, y, under), (x, y, 0)], square, up=(1, 0, 0)), LEG, metal)
        levels = [under - bent] + ([bent] if rng.random() < 0.6 else [])
        for z in levels:
            for s in (-1, 1):
                a.add(sweep([(s * x, y, z), (s * x, -y, z)], square), STRETCHER, metal)
                a.add(sweep([(x, s * y, z), (-x, s * y, z)], square), STRETCHER, metal)
        _mark_tips(a, (x, y, 0.0))
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
        _mark_tips(a, (x, y, 0.0))
    elif kind == "loop":
        lean = rng.choice([1.0, rng.uniform(0.6, 1.3)])
        ends = [(0, y, bent), (x, y, bent), (lean * x, y, under - bent), (-lean * x, y, under - bent), (-x, y, bent),
                (0, y, bent)]  # fmt: skip
        a.add_both(tube(fillet(ends, rng.uniform(0.05, 0.15), 6), bent, 10), LEG, metal)
        _mark_tips(a, (x, y, 0.0))
        if rng.random() < 0.6:
            a.add(tube([(0, y, bent), (0, -y, bent)], bent, 10), STRETCHER, metal)
            a.keypoint(14, (0, 0, bent), STRETCHER, seen_from=(0, 0, 1))
    elif kind == "posts":
        if rng.random() < 0.5:
            plan = replace(plan, legs=materials.wood(rng))
        thick = rng.uniform(0.025, 0.05)
        splay = rng.uniform(0, 0.05)
        leg = np.array([x, y]) - thick
        _corners(a, tube([(*leg, under + 0.002), (*(leg + splay), 0)], thick * np.array([1, 0.6]), 16), LEG, plan.legs)
        _corners(a, revolve([(thick, h - 0.001), (thick, h + 0.004), (0.6 * thick, h + 0.007)], 16).move([*leg, 0]),
                 LEG, metal)  # fmt: skip
        _mark_tips(a, (*(leg + splay), 0.0))
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
        _mark_tips(a, (*(0.7071 * reach), 0.0))


def _corner(a: Assembly, rng: np.random.Generator) -> None:
    """An L: a main board along the back, and a return to the front on one side."""
    plan = _plan(rng, (0.7, 0.77), (1.1, 1.6), (1.4, 1.9), "rectangle", (0.02, 0.035))
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
    shape = _leg_shape(rng, plan, 0.05, str(rng.choice(["square", "tube", "angle"])))
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
    middles = _drawers(a, rng, plan, (-d / 2 + 0.08, edge - 0.03), y, (0.03, under), int(rng.integers(2, 5)))
    mark(17, middles[0] * [1, side, 1], DRAWER, (1, 0, 0))
    if rng.random() < 0.25:
        _hutch(a, rng, plan)


def _bar_table(a: Assembly, rng: np.random.Generator) -> None:
    """High and small, with a place for the feet."""
    long = rng.random() < 0.3
    plan = _plan(
        rng, (0.95, 1.12), (0.45, 0.65), (1.1, 1.6) if long else (0.5, 0.72),
        "rectangle" if long else "round round rectangle super",
    )  # fmt: skip
    _top(a, rng, plan)
    if not long and rng.random() < 0.45:
        _column(a, rng, plan, str(rng.choice(["disc", "tulip", "cross", "claw"])))
        return
    thick = rng.uniform(0.03, 0.055)
    splay = rng.uniform(0.0, 0.1)
    leg = 0.92 * plan.corner - thick / 2 - 0.5 * splay
    if rng.random() < 0.6:
        _apron(a, rng, plan, 0.06, leg)
    kind = str(rng.choice(["square", "round", "tube", "angle"]))
    top, tip = _four_legs(a, rng, plan, leg, (splay, splay), thick, kind)
    if rng.random() < 0.4 and not long:
        at = 0.7
        p = top + at * (tip - top)
        ring = circle(40, float(np.linalg.norm(p[:2])) + 0.003)
        path = np.column_stack([np.concatenate([ring, ring[:1]]), np.full(41, p[2])])
        a.add(tube(path, 0.011, 8), STRETCHER, plan.fittings)
    else:
        _stretchers(a, rng, plan, top, tip, "box", rng.uniform(0.65, 0.8))


def _bedside(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, (0.45, 0.66), (0.34, 0.46), (0.36, 0.55), "rectangle rectangle rounded", (0.014, 0.026))
    _top(a, rng, plan, "slab")
    under = plan.under + 0.002
    thick = rng.uniform(0.028, 0.045)
    rows = int(rng.integers(1, 4))
    low = max(under - rows * rng.uniform(0.12, 0.17), 0.06)
    x, y = plan.depth / 2 - 0.02, plan.width / 2 - 0.02
    front = materials.painted(rng) if rng.random() < 0.3 else plan.frame
    columns = 2 if rng.random() < 0.15 else 1
    middles = _drawers(a, rng, plan, (-x, x), (-y, y), (low, under), rows, columns, None, front)
    if columns == 2:
        _mark_drawers(a, middles[0])
    splay = rng.choice([0.0, rng.uniform(0.0, 0.06)]) if low > 0.15 else 0.0
    leg = (x - thick / 2, y - thick / 2)
    top, tip = _four_legs(a, rng, replace(plan, thick=plan.height - low), leg, (splay, splay), thick)
    if low > 0.22 and rng.random() < 0.7:
        p = top + 0.7 * (tip - top)
        _shelf(a, rng, plan, 2 * float(p[0]), 2 * float(p[1]), float(p[2]), rng.random() < 0.2)


def _folding(a: Assembly, rng: np.random.Generator) -> None:
    """A light top on folding tubes."""
    plan = _plan(rng, (0.7, 0.75), (0.6, 0.8), (1.2, 1.9), "rectangle rounded", (0.03, 0.05))
    shell = materials.plain(rng.choice([0.9, 0.82, 0.25]) * rng.uniform(0.92, 1.0, 3), 0.2, 15)
    shell = shell if rng.random() < 0.6 else plan.top
    metal = materials.metal(rng)
    plan = replace(plan, top=shell, frame=metal, legs=metal)
    _top(a, rng, plan, "slab")
    under, rod = plan.under + 0.002, rng.uniform(0.011, 0.016)
    y, x = 0.36 * plan.width, 0.36 * plan.depth
    wishbone = rng.random() < 0.5
    lean = rng.uniform(0.0, 0.06)
    if wishbone:
        z = 0.45 * under
        a.add_both(tube(fillet([(0.35 * x, y, under), (0.35 * x, y, z), (x, y + lean, 0.02), (x, y + lean, 0.0)],
                               0.05, 5), rod, 10), LEG, metal)  # fmt: skip
        a.add_both(tube(fillet([(-0.35 * x, y, under), (-0.35 * x, y, z), (-x, y + lean, 0.02), (-x, y + lean, 0.0)],
                               0.05, 5), rod, 10), LEG, metal)  # fmt: skip
        a.add_both(tube([(0.35 * x, y, z), (-0.35 * x, y, z)], rod, 8), STRETCHER, metal)
    else:
        hoop = [(x, y, under), (x, y + lean, rod), (-x, y + lean, rod), (-x, y, under)]
        if rng.random() < 0.5:
            hoop = [(x, y, under), (x, y + lean, 0.0)]
            _corners(a, tube(hoop, rod, 10), LEG, metal)
            a.add_both(_bar((x, y + 0.5 * lean, 0.4 * under), (-x, y + 0.5 * lean, 0.4 * under), (rod, 2 * rod)),
                       STRETCHER, metal)  # fmt: skip
        else:
            a.add_both(tube(fillet(hoop, 0.07, 6), rod, 10), LEG, metal)
    _mark_tips(a, (x, y + lean, 0.0))
    inner = 0.35 * x if wishbone else 0.0
    a.add_both(tube([(inner, y, 0.55 * under), (inner, 0.25 * y, under)], 0.7 * rod, 8), STRETCHER, metal)
    for s in (-1, 1):
        a.add(box((0.02, 1.9 * y, 0.03)).move([s * (x + 0.02), 0, under - 0.015]), TOP, metal)


def _monolith(a: Assembly, rng: np.random.Generator) -> None:
    """Boards for legs: a waterfall, a parsons table, or a block."""
    low = rng.random() < 0.6
    plan = _plan(
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
        _mark_tips(a, (d / 2, y - 0.1 * h, 0.0))
        a.keypoint_both(0, 1, (d / 2, y - 0.4 * r, h), TOP)
        a.keypoint_both(2, 3, (-d / 2, y - 0.4 * r, h), TOP)
        a.keypoint_both(4, 5, (0, y - 0.4 * r, h), TOP)
        a.keypoint(6, (d / 2, 0, h), TOP)
        a.keypoint(7, (-d / 2, 0, h), TOP)
        a.keypoint(8, (0, 0, h), TOP)
        return
    _top(a, rng, one, "slab")
    if kind == "parsons":
        leg = np.array([d, w]) / 2 - t / 2
        _corners(a, box((t, t, h - t + 0.002), 0.003, arc=2).move([*leg, (h - t) / 2]), LEG, one.legs)
        _mark_tips(a, (*leg, 0.0))
        if low and rng.random() < 0.5:
            _shelf(a, rng, one, d - t, w - t, rng.uniform(0.25, 0.4) * h)
        return
    y = w / 2 - t / 2 if kind == "waterfall" else w * rng.uniform(0.25, 0.38)
    x = d / 2 if kind == "waterfall" else d * rng.uniform(0.3, 0.42)
    a.add_both(box((2 * x, t, h - t + 0.002), 0.004, arc=3).move([0, y, (h - t) / 2]), LEG, one.legs)
    _mark_tips(a, (x, y + t / 2, 0.0))
    if rng.random() < 0.5:
        _shelf(a, rng, one, 1.9 * x, 2 * y, rng.uniform(0.25, 0.5) * h)


_MAKERS: dict[str, Callable[[Assembly, np.random.Generator], None]] = {
    "dining": _dining, "pedestal": _pedestal, "trestle": _trestle, "desk": _desk, "coffee": _coffee,
    "console": _console, "picnic": _picnic, "drop-leaf": _drop_leaf, "glass": _glass, "corner": _corner,
    "bar": _bar_table, "bedside": _bedside, "folding": _folding, "monolith": _monolith,
}  # fmt: skip


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A table of a family."""
    assembly = Assembly()
    _MAKERS[family](assembly, rng)
    return assembly.build(family)
