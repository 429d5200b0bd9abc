"""Chairs of a dozen families, in metres: x to the front, the floor at z = 0, the seat's middle above the origin."""

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
    Scalar,
    Surface,
    box,
    circle,
    curve,
    fillet,
    grid,
    join,
    loft,
    revolve,
    rotation,
    rounded_rectangle,
    slab,
    sweep,
    tube,
)

BACK, SEAT, LEG, ARM = 1, 2, 3, 4
_KEYPOINTS = (
    "seat front left", "seat front right", "seat back left", "seat back right",
    "back top left", "back top right", "back bottom left", "back bottom right",
    "leg tip front left", "leg tip front right", "leg tip back left", "leg tip back right",
    "arm front left", "arm front right", "arm back left", "arm back right",
    "seat centre", "back top centre", "back centre", "stem centre",
)  # fmt: skip
_FAMILIES = {
    "side": 0.17, "arm": 0.12, "sofa": 0.12, "office": 0.1, "pedestal": 0.06, "shell": 0.09, "stool": 0.06,
    "cantilever": 0.06, "rocker": 0.04, "bench": 0.05, "folding": 0.05, "lounge": 0.04, "tub": 0.04,
}  # fmt: skip
CATEGORY = Category(
    name="chair",
    synset="03001627",
    part_names=("background", "back", "seat", "leg", "arm"),
    keypoint_names=_KEYPOINTS,
    mirror=(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 16, 17, 18, 19),
    families=tuple(_FAMILIES),
    shares=tuple(_FAMILIES.values()),
)


@dataclass(frozen=True)
class _Plan:
    """What a chair's parts share: its measures and its finishes."""

    height: float
    width: float
    depth: float
    back: float
    back_width: float
    recline: float
    curve: float
    taper: float
    frame: Finish
    cover: Finish
    back_cover: Finish
    legs: Finish

    inset: float = 0.0
    """How far before the seat's end the back stands: a round seat is too narrow there."""

    @property
    def foot(self) -> float:
        """x of the back's foot."""
        return -self.depth / 2 + 0.02 + self.inset

    def fit(self, outline: np.ndarray) -> _Plan:
        """The plan with a back that stands on a seat of this outline."""
        for inset in (0.0, 0.03, 0.06, 0.09):
            there = np.abs(outline[:, 0] + self.depth / 2 - 0.03 - inset) < 0.035
            room = 2 * float(np.abs(outline[there, 1]).max(initial=0.0))
            if room > 0.6 * self.width:
                break
        return replace(self, inset=inset, back_width=min(self.back_width, max(room, 0.5 * self.width)))

    def lean(self, p: np.ndarray) -> np.ndarray:
        """Back coordinates (depth, across, up from the seat) to the chair's, leaning, tapering and curving."""
        t = p[:, 2] / self.back
        s = p[:, 1] / (self.back_width / 2)
        sine, cosine = np.sin(self.recline), np.cos(self.recline)
        hollow = self.curve * (np.minimum(s**2, 1.5) - 1) * np.clip(1.5 * t, 0, 1)
        x = self.foot + p[:, 0] * cosine - p[:, 2] * sine + hollow
        y = p[:, 1] * (1 + self.taper * t)
        return np.stack([x, y, self.height + p[:, 2] * cosine + p[:, 0] * sine], axis=-1)

    def at(self, across: Scalar, up: Scalar, depth: Scalar = 0.0) -> Float[np.ndarray, " 3"]:
        """A point of the back: across in [-1, 1], up in [0, 1]."""
        return self.lean(np.array([[depth, across * self.back_width / 2, up * self.back]]))[0]


def _plan(
    rng: np.random.Generator,
    height: tuple[Scalar, Scalar] = (0.4, 0.5),
    width: tuple[Scalar, Scalar] = (0.38, 0.54),
    depth: tuple[Scalar, Scalar] = (0.36, 0.52),
    back: tuple[Scalar, Scalar] = (0.3, 0.62),
    recline: tuple[Scalar, Scalar] = (2, 16),
    soft: Scalar = 0.4,
) -> _Plan:
    """Draw measures (metres, degrees) and finishes; ``soft`` is the share of upholstered covers."""
    frame = materials.any_of(
        rng, (0.5, materials.wood), (0.2, materials.metal), (0.15, materials.plastic), (0.15, materials.painted)
    )
    if rng.random() < soft:
        cover = materials.any_of(rng, (0.55, materials.fabric), (0.45, materials.leather))
    else:
        cover = (
            frame
            if rng.random() < 0.6
            else materials.any_of(rng, (0.4, materials.wood), (0.4, materials.plastic), (0.2, materials.wicker))
        )
    one = rng.random() < 0.1
    width_ = rng.uniform(*width)
    return _Plan(
        height=rng.uniform(*height),
        width=width_,
        depth=min(rng.uniform(*depth), 1.25 * width_ + 0.1),
        back=rng.uniform(*back),
        back_width=width_ * rng.uniform(0.8, 1.0),
        recline=np.radians(rng.uniform(*recline)),
        curve=rng.choice([0.0, rng.uniform(0.02, 0.09)]),
        taper=rng.choice([0.0, rng.uniform(-0.2, 0.15)]),
        frame=frame,
        cover=frame if one else cover,
        back_cover=frame
        if one
        else (
            cover if rng.random() < 0.75 else materials.any_of(rng, (0.5, materials.fabric), (0.5, materials.plastic))
        ),
        legs=frame
        if one or rng.random() < 0.8
        else materials.any_of(rng, (0.5, materials.metal), (0.5, materials.wood)),
    )


def _outward(surface: Surface) -> Surface:
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


# ---------------------------------------------------------------------------------------------------------- seats


def _outline(rng: np.random.Generator, plan: _Plan, kind: str | None = None) -> Float[np.ndarray, "m 2"]:
    kind = kind or str(rng.choice(["square", "square", "trapezoid", "bow", "super"]))
    d, w = plan.depth, plan.width
    if kind == "round":
        return circle(24, (d / 2, w / 2))
    if kind == "super":
        return circle(28, (d / 2, w / 2), rng.uniform(2.6, 4.5))
    points = rounded_rectangle(d, w, rng.uniform(0.01, 0.12) * w, sides=3)
    if kind == "trapezoid":
        points = points * np.stack([np.ones(len(points)), 0.93 + rng.uniform(0.1, 0.3) * points[:, 0] / d], -1)
    if kind == "bow":
        front = np.clip(points[:, 0] / (d / 2), 0, 1)
        points = points + np.stack([front * 0.04 * (1 - (2 * points[:, 1] / w) ** 2), np.zeros(len(points))], -1)
    return points


def _seat(
    a: Assembly, rng: np.random.Generator, plan: _Plan, kind: str | None = None, outline: str | None = None
) -> tuple[float, _Plan]:
    """Add a seat whose top is at the plan's height; returns the height of its underside, and the plan fitted to it."""
    kind = kind or str(rng.choice(["panel", "dished", "cushion", "framed", "slats"], p=[0.3, 0.15, 0.3, 0.15, 0.1]))
    h, w, d = plan.height, plan.width, plan.depth
    points = _outline(rng, plan, outline)
    if kind in ("panel", "dished"):
        thick = rng.uniform(0.012, 0.045)
        dish = -rng.uniform(0.008, 0.02) if kind == "dished" else 0.0
        a.add(
            slab(points, max(thick, -1.3 * dish), rng.uniform(0.1, 0.49) * thick, dish).move([0, 0, h]),
            SEAT,
            plan.cover,
        )
    elif kind == "cushion":
        thick = rng.uniform(0.04, 0.11)
        a.add(
            slab(points, thick, rng.uniform(0.25, 0.49) * thick, rng.uniform(0.0, 0.03)).move([0, 0, h]),
            SEAT,
            plan.cover,
        )
        if rng.random() < 0.5:
            under = rng.uniform(0.02, 0.05)
            a.add(slab(points * 0.94, under).move([0, 0, h - thick]), SEAT, plan.frame)
            thick += under
    elif kind == "framed":
        thick = rng.uniform(0.04, 0.08)
        a.add(slab(points, thick, 0.006).move([0, 0, h - 0.015]), SEAT, plan.frame)
        a.add(
            slab(points * rng.uniform(0.82, 0.93), 0.03, 0.012, rng.uniform(0.0, 0.02)).move([0, 0, h]),
            SEAT,
            plan.cover,
        )
        thick += 0.015
    else:
        thick = rng.uniform(0.018, 0.03)
        count = int(rng.integers(4, 9))
        lengthwise = rng.random() < 0.5
        across = (d if lengthwise else w) / count
        for k in range(count):
            offset = (k + 0.5) * across - (d if lengthwise else w) / 2
            size = (across * 0.82, w, thick) if lengthwise else (d, across * 0.82, thick)
            a.add(
                box(size, 0.004).move([offset, 0, h - thick / 2] if lengthwise else [0, offset, h - thick / 2]),
                SEAT,
                plan.cover,
            )
        rail = 0.04
        for x in (-d / 2 + 0.04, d / 2 - 0.04):
            a.add(box((0.025, w * 0.96, rail)).move([x, 0, h - thick - rail / 2]), SEAT, plan.frame)
        for y in (-w / 2 + 0.04, w / 2 - 0.04):
            a.add(box((d * 0.96, 0.025, rail)).move([0, y, h - thick - rail / 2]), SEAT, plan.frame)
        thick += rail
    return h - thick, plan.fit(points)


def _mark_seat(a: Assembly, plan: _Plan, behind: Scalar = 0.06) -> None:
    """Name the seat's points; the back corners lie ``behind`` before its end, clear of the back's posts."""
    d, w, h = plan.depth, plan.width, plan.height
    a.keypoint_both(0, 1, (d / 2, w / 2, h), SEAT)
    a.keypoint_both(2, 3, (behind - d / 2, w / 2 + 0.01, h + 0.005), SEAT)
    a.keypoint(16, (0, 0, h), SEAT, seen_from=(0, 0, 1))


# ----------------------------------------------------------------------------------------------------------- legs


def _mark_tip(a: Assembly, left: int, tip: np.ndarray) -> None:
    """Name a leg's end, on its outer side just above the floor, where it can be seen from above."""
    a.keypoint_both(left, left + 1, tip + np.array([np.copysign(0.05, tip[0]), 0.05, 0.014]), LEG)


def _leg_shape(rng: np.random.Generator, wooden: bool) -> Callable[[np.ndarray, np.ndarray], Surface]:
    """One leg's shape, from its top to its tip."""
    kind = str(
        rng.choice(
            ["square", "round", "turned", "sabre", "tube", "hairpin"],
            p=[0.3, 0.22, 0.13, 0.12, 0.15, 0.08] if wooden else [0.1, 0.1, 0.0, 0.05, 0.6, 0.15],
        )
    )
    thick = rng.uniform(0.016, 0.03)
    slim = rng.uniform(0.4, 1.0)
    bumps = 0.55 + 0.45 * np.abs(np.sin(np.cumsum(rng.uniform(0.3, 1.0, 17))))
    bow = rng.uniform(0.02, 0.06)

    def shape(top: np.ndarray, tip: np.ndarray) -> Surface:
        t = np.linspace(0, 1, 2)[:, None]
        line = top * (1 - t) + tip * t
        if kind == "square":
            return sweep(line, rounded_rectangle(2, 2, 0.15, 1), [thick, thick * slim], up=(1, 0, 0))
        if kind == "round":
            t = np.linspace(0, 1, 5)[:, None]
            return tube(top * (1 - t) + tip * t, thick * (1 - (1 - slim) * np.linspace(0, 1, 5)), 10)
        if kind == "turned":
            t = np.linspace(0, 1, 17)[:, None]
            return tube(top * (1 - t) + tip * t, thick * 1.15 * bumps, 10)
        if kind == "sabre":
            t = np.linspace(0, 1, 9)[:, None]
            out = np.array([np.sign(tip[0]), 0.4 * np.sign(tip[1]), 0.0]) * bow
            bent = top * (1 - t) + tip * t - out * np.sin(np.pi * t) + out * np.clip(t - 0.5, 0, 1) * 0
            return sweep(bent, rounded_rectangle(2, 2, 0.3, 1), thick * np.linspace(1.1, 0.9 * slim, 9), up=(1, 0, 0))
        if kind == "tube":
            return tube(line, thick * 0.6, 8)
        side = np.array([0.05, 0, 0]) * np.sign(top[0])
        return tube(fillet([top - side, tip, top + side * 0.3], 0.03), 0.006, 6)

    return shape


def _legs(
    a: Assembly,
    rng: np.random.Generator,
    plan: _Plan,
    under: Scalar,
    x: tuple[Scalar, Scalar],
    y: Scalar,
    spread: tuple[Scalar, Scalar, Scalar],
) -> None:
    """Four legs.

    Args:
        under: height of the seat's underside.
        x: of the back and front legs' tops. y: of the left legs' tops.
        spread: how far the tips stand out from the tops: back, front, sideways.
    """
    shape = _leg_shape(rng, plan.legs.material.texture is not None)
    tops, tips = [], []
    for k, (xt, out) in enumerate(((x[1], spread[1]), (x[0], -spread[0]))):
        top, tip = np.array([xt, y, under + 0.01]), np.array([xt + out, y + spread[2], 0.0])
        a.add_both(shape(top, tip), LEG, plan.legs)
        _mark_tip(a, 8 + 2 * k, tip)
        tops.append(top)
        tips.append(tip)
    _stretchers(a, rng, plan, tops, tips)


def _stretchers(
    a: Assembly, rng: np.random.Generator, plan: _Plan, tops: list[np.ndarray], tips: list[np.ndarray]
) -> None:
    kind = rng.choice(["none", "box", "h", "front"], p=[0.5, 0.2, 0.2, 0.1])
    if kind == "none":
        return
    t = rng.uniform(0.45, 0.85)
    front, back = (tops[k] * (1 - t) + tips[k] * t for k in (0, 1))
    flip = np.array([1.0, -1.0, 1.0])
    thick = rng.uniform(0.007, 0.013)

    def bar(start: np.ndarray, end: np.ndarray) -> Surface:
        return sweep([start, end], circle(8) if thick < 0.01 else rounded_rectangle(2, 3, 0.2, 1), thick)

    if kind in ("box", "h"):
        a.add_both(bar(front, back), LEG, plan.legs)
    if kind == "h":
        middle = (front + back) / 2
        a.add(bar(middle, middle * flip), LEG, plan.legs)
    if kind in ("box", "front"):
        a.add(bar(front, front * flip), LEG, plan.legs)
    if kind == "box":
        a.add(bar(back, back * flip), LEG, plan.legs)


def _star(a: Assembly, rng: np.random.Generator, plan: _Plan, under: Scalar) -> None:
    """A column on four or five arms with casters or glides."""
    count = 5 if rng.random() < 0.8 else 4
    reach = rng.uniform(0.26, 0.34) * max(1.0, plan.width / 0.55)
    casters = rng.random() < 0.75
    foot = 0.055 if casters else 0.0
    rise = rng.uniform(0.02, 0.07)
    black = materials.plain((0.05, 0.05, 0.055), 0.3, 20)
    metal = plan.legs if rng.random() < 0.6 else black
    turn = rng.choice([0.0, 180.0 / count])  # the bounding box stays centred on the plane of symmetry
    swivel = rng.uniform(0, 360)
    spoke = sweep(
        np.array([[0.02, 0, foot + rise + 0.03], [0.5 * reach, 0, foot + 0.6 * rise + 0.03], [reach, 0, foot + 0.022]]),
        rounded_rectangle(2, 1.6, 0.5, 2),
        np.linspace(0.028, rng.uniform(0.012, 0.022), 3),
    )
    wheel = revolve([(0.022, -0.022), (0.028, -0.014), (0.028, 0.014), (0.022, 0.022)], 12).turn(rotation("x", 90))
    for k in range(count):
        spin = rotation("z", turn + 360.0 * k / count)
        a.add(spoke.turn(spin), LEG, metal)
        if casters:
            roll = rotation("z", swivel if spin[1, 0] >= 0 else -swivel)
            a.add(wheel.turn(roll).move(spin @ [reach, 0, 0.028]), LEG, black)
            a.add(box((0.03, 0.016, 0.03), 0.005).turn(roll).move(spin @ [reach, 0, 0.05]), LEG, black)
    hub, stem = rng.uniform(0.035, 0.05), rng.uniform(0.014, 0.024)
    top = foot + rise + 0.055
    a.add(
        revolve(
            [
                (hub * 0.8, foot + rise - 0.01),
                (hub, foot + rise + 0.04),
                (stem * 1.6, top + 0.01),
                (stem * 1.6, 0.55 * top + 0.45 * under),
                (stem, 0.55 * top + 0.45 * under),
                (stem, under - 0.02),
            ],
            14,
        ),
        LEG,
        metal,
    )
    a.add(box((0.2, 0.18, 0.035), 0.01).move([0, 0, under - 0.012]), LEG, black)
    a.keypoint(19, (0, 0, (top + under) / 2), LEG, seen_from=(1, 0, 0))


def _column(a: Assembly, rng: np.random.Generator, plan: _Plan, under: Scalar) -> None:
    """A trumpet, or a column on a round or square plate."""
    radius = rng.uniform(0.19, 0.27)
    stem = rng.uniform(0.018, 0.04)
    kind = rng.choice(["trumpet", "plate", "square"])
    if kind == "trumpet":
        t = np.linspace(0, 1, 12)
        r = stem + (radius - stem) * (1 - t) ** rng.uniform(4, 8) + 0.6 * stem * t**6
        a.add(
            revolve(
                np.stack([np.concatenate([[radius], r]), np.concatenate([[0], 0.012 + (under - 0.012) * t])], -1), 24
            ),
            LEG,
            plan.legs,
        )
    else:
        plate = circle(28, radius) if kind == "plate" else rounded_rectangle(2 * radius, 2 * radius, 0.02)
        a.add(slab(plate, 0.02, 0.006, 0.012 if kind == "plate" else 0.0).move([0, 0, 0.02]), LEG, plan.legs)
        a.add(revolve([(stem, 0.015), (stem, under), (2.5 * stem, under + 0.005)], 16), LEG, plan.legs)
        if plan.height > 0.58 and rng.random() < 0.8:
            ring = circle(20, 0.17)
            path = np.concatenate([ring, ring[:1]])
            z = under * 0.4
            a.add(tube(np.column_stack([path, np.full(len(path), z)]), 0.009, 6), LEG, plan.legs)
            a.add(tube([(0, 0, z), (0.17, 0, z)], 0.009, 6), LEG, plan.legs)
    a.keypoint(19, (0, 0, under / 2), LEG, seen_from=(1, 0, 0))


# ---------------------------------------------------------------------------------------------------------- backs


def _bar(
    size: tuple[Scalar, Scalar, Scalar], at: tuple[Scalar, Scalar, Scalar], plan: _Plan, radius: Scalar = 0.005
) -> Surface:
    """A bar or board of the back, in back coordinates, cut finely enough to be bent."""
    cuts = (1, int(np.clip(size[1] / 0.05, 1, 10)), int(np.clip(size[2] / 0.08, 1, 8)))
    return box(size, radius, cuts).move(at).warp(plan.lean)


def _back(a: Assembly, rng: np.random.Generator, plan: _Plan, kind: str | None = None) -> None:
    """Add a back of the given or any kind."""
    kind = kind or str(rng.choice(
        ["slats", "spindles", "ladder", "panel", "framed", "splat", "cross", "hoop", "soft", "gap"],
        p=[0.13, 0.1, 0.12, 0.14, 0.11, 0.07, 0.06, 0.07, 0.12, 0.08],
    ))  # fmt: skip
    tall, wide = plan.back, plan.back_width
    post = rng.uniform(0.014, 0.024)
    rail = rng.uniform(0.04, 0.1)
    low = rng.choice([0.02, rng.uniform(0.05, 0.25) * tall])
    inner = wide - 4 * post

    def posts(top: Scalar = tall) -> None:
        start = np.array([0, wide / 2 - post, -0.05])
        rise = np.linspace(0, 1, 6)[:, None] * np.array([0, 0, top + 0.05])
        path = plan.lean(start + rise)
        profile = circle(8) if round_posts else rounded_rectangle(2, 2.2, 0.3, 1)
        a.add_both(sweep(path, profile, post, up=(1, 0, 0)), BACK, plan.frame)

    round_posts = rng.random() < 0.35
    arch = rng.choice([0.0, rng.uniform(0.01, 0.06)])

    def crest(height: Scalar = rail, finish: Finish = plan.frame, over: Scalar = 0.0) -> None:
        across = wide + over
        board = box((post * 1.6, across, height), 0.006, (1, 10, 1)).move((0, 0, tall - height / 2))
        p = board.vertices
        lift = arch * (1 - (2 * p[:, 1] / across) ** 2)
        a.add(board.lift(lift).warp(plan.lean), BACK, finish)

    if kind in ("slats", "spindles"):
        posts()
        crest(over=rng.choice([0.0, 0.04]))
        if low > 0.03:
            a.add(_bar((post * 1.4, inner + 2 * post, 0.035), (0, 0, low), plan), BACK, plan.frame)
        count, slim = int(rng.integers(3, 9)), rng.uniform(0.4, 0.75)
        start = low if low > 0.03 else -0.01
        for y in (np.arange(count) + 0.5) / count * inner - inner / 2:
            if kind == "slats":
                a.add(
                    _bar(
                        (0.011, inner / count * slim, tall - start - rail / 2),
                        (0, y, (tall + start - rail / 2) / 2),
                        plan,
                        0.003,
                    ),
                    BACK,
                    plan.frame,
                )
            else:
                z = np.linspace(start, tall - rail / 2, 5)
                path = plan.lean(np.stack([0 * z, 0 * z + y, z], -1))
                a.add(tube(path, 0.007 + 0.003 * np.sin(np.linspace(0, np.pi, 5)), 6), BACK, plan.frame)
    elif kind == "ladder":
        posts()
        count = int(rng.integers(2, 6))
        height = min(rail, 0.62 * tall / count)
        for z in np.linspace(max(low, 0.1 * tall), tall - height / 2 - 0.01, count):
            a.add(_bar((0.014, wide - 2 * post, height), (0, 0, z), plan, 0.004), BACK, plan.frame)
    elif kind in ("panel", "gap"):
        bottom = 0.0 if kind == "panel" else rng.uniform(0.2, 0.55) * tall
        shape = rng.choice(["box", "arch", "oval"])
        thick = rng.uniform(0.012, 0.03)
        if kind == "gap" or shape == "oval":
            posts(bottom + 0.5 * (tall - bottom))
        if shape == "box":
            a.add(
                _bar((thick, wide, tall - bottom), (0.01, 0, (tall + bottom) / 2), plan, 0.4 * thick),
                BACK,
                plan.back_cover,
            )
        else:
            height = tall - bottom
            ring = circle(32, (height / 2, wide / 2), 2.0 if shape == "oval" else rng.uniform(2.2, 4.0))
            if shape == "arch":  # square below
                ring = np.where(ring[:, :1] > 0, ring, circle(32, (height / 2, wide / 2), 9.0))
            board = slab(ring, thick, 0.4 * thick, rng.choice([0.0, 0.015])).turn(rotation("y", 90))
            board = board.warp(lambda q: q * np.array([1, 1, -1.0])).move((0, 0, bottom + height / 2))
            a.add(_outward(board.warp(plan.lean)), BACK, plan.back_cover)
    elif kind == "framed":
        posts()
        crest()
        low = max(low, 0.03)
        a.add(_bar((post * 1.5, inner + 2 * post, rail), (0, 0, low), plan), BACK, plan.frame)
        height = tall - rail / 2 - low
        a.add(
            _bar((rng.uniform(0.015, 0.05), inner + post, height), (0, 0, low + height / 2), plan, 0.007),
            BACK,
            plan.back_cover,
        )
    elif kind == "splat":
        posts()
        crest(over=rng.choice([0.0, 0.05]))
        t = np.linspace(0, 1, 9)
        vase = inner * (0.16 + rng.uniform(0.05, 0.2) * np.sin(np.pi * t * rng.choice([1, 2, 3])) ** 2)
        path = plan.lean(np.stack([0 * t, 0 * t, t * (tall - 0.3 * rail) - 0.01], -1))
        a.add(
            sweep(path, rounded_rectangle(2, 2, 0.2, 1), np.stack([vase, np.full(9, 0.007)], -1), up=(1, 0, 0)),
            BACK,
            plan.frame,
        )
    elif kind == "cross":
        posts()
        crest()
        low = max(low, 0.04)
        a.add(_bar((post * 1.4, inner + 2 * post, 0.035), (0, 0, low), plan), BACK, plan.frame)
        z = np.linspace(low, tall - rail / 2, 7)
        y = np.linspace(-inner / 2, inner / 2, 7)
        a.add_both(
            sweep(plan.lean(np.stack([0 * z, y, z], -1)), rounded_rectangle(2, 2, 0.3, 1), 0.011, up=(1, 0, 0)),
            BACK,
            plan.frame,
        )
    elif kind == "hoop":
        angle = np.linspace(0, np.pi, 21)
        power = rng.uniform(0.4, 0.9)
        y = (wide / 2 - post) * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
        z = -0.03 + (tall + 0.03) * np.sin(angle) ** power
        a.add(tube(plan.lean(np.stack([0 * z, y, z], -1)), post * 0.75, 8), BACK, plan.frame)
        count = int(rng.integers(3, 9))
        for s in (np.arange(count) + 0.5) / count * 1.7 - 0.85:
            reach = tall * (1 - np.abs(s) ** (2 / power)) ** (power / 2)
            t = np.linspace(-0.01, max(reach, 0.05) * 0.99, 4)
            a.add(tube(plan.lean(np.stack([0 * t, 0 * t + s * (wide / 2 - post), t], -1)), 0.006, 6), BACK, plan.frame)
    else:
        thick = rng.uniform(0.04, 0.1)
        bottom = rng.choice([-0.03, rng.uniform(0.05, 0.2) * tall])
        pad = box((thick, wide, tall - bottom), rng.uniform(0.3, 0.49) * thick, (1, 8, 6), 2).move(
            (0, 0, (tall + bottom) / 2)
        )
        p = pad.vertices
        swell = 1 + rng.uniform(0, 0.5) * (1 - (2 * p[:, 1] / wide) ** 2) * np.sin(
            np.pi * np.clip((p[:, 2] - bottom) / (tall - bottom), 0, 1)
        )
        lift = arch * (1 - (2 * p[:, 1] / wide) ** 2) * (p[:, 2] > (tall + bottom) / 2)
        pad = pad.warp(lambda q: plan.lean(np.stack([q[:, 0] * swell, q[:, 1], q[:, 2] + lift], -1)))
        a.add(pad, BACK, plan.back_cover)
        if bottom > 0:
            posts(bottom + 0.5 * (tall - bottom))


def _mark_back(a: Assembly, plan: _Plan) -> None:
    a.keypoint_both(4, 5, plan.at(1.1, 1.06), BACK)
    a.keypoint_both(6, 7, plan.at(1.1, 0.05, 0.02), BACK)
    a.keypoint(17, plan.at(0, 1.2), BACK)
    a.keypoint(18, plan.at(0, 0.5), BACK, seen_from=(1, 0, 0))


# ----------------------------------------------------------------------------------------------------------- arms


def _arms(a: Assembly, rng: np.random.Generator, plan: _Plan, kind: str | None = None) -> None:
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


# ------------------------------------------------------------------------------------------------------- families


def _four_legs(a: Assembly, rng: np.random.Generator, plan: _Plan, under: Scalar) -> None:
    splay = rng.choice([0.0, rng.uniform(0.0, 0.12)])
    inset = rng.uniform(0.03, 0.06) + 0.5 * splay
    x = plan.depth / 2 - inset
    rake = splay + rng.choice([0.0, rng.uniform(0, 0.08)])
    _legs(a, rng, plan, under, (-x, x), plan.width / 2 - inset, (rake, splay * rng.uniform(0.3, 1), splay))


def _side(a: Assembly, rng: np.random.Generator) -> None:
    tall = rng.random() < 0.12
    plan = _plan(rng, height=(0.6, 0.78) if tall else (0.4, 0.5), back=(0.15, 0.4) if tall else (0.3, 0.62))
    under, plan = _seat(a, rng, plan)
    _four_legs(a, rng, plan, under)
    _back(a, rng, plan)
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _arm(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, width=(0.45, 0.6), depth=(0.42, 0.55), soft=0.5)
    under, plan = _seat(a, rng, plan)
    _four_legs(a, rng, plan, under)
    _back(a, rng, plan)
    _arms(a, rng, plan)
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _stool(a: Assembly, rng: np.random.Generator) -> None:
    bar = rng.random() < 0.45
    plan = _plan(rng, height=(0.58, 0.8) if bar else (0.36, 0.5), width=(0.3, 0.46), depth=(0.28, 0.42))
    if rng.random() < 0.4:
        plan = _square(plan)
    outline = "round" if rng.random() < 0.5 else "square"
    under, plan = _seat(a, rng, plan, str(rng.choice(["panel", "dished", "cushion", "framed"])), outline)
    if rng.random() < 0.3:
        _column(a, rng, plan, under)
    else:
        shrink = 0.68 if outline == "round" else 0.9
        x, y = shrink * plan.depth / 2 - 0.02, shrink * plan.width / 2 - 0.02
        splay = rng.uniform(0.0, 0.12)
        _legs(a, rng, plan, under, (-x, x), y, (splay, splay, splay))
    _mark_seat(a, plan, 0.0)


def _square(plan: _Plan) -> _Plan:
    return replace(plan, depth=plan.width, back_width=0.9 * plan.width)


def _pedestal(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, height=(0.42, 0.75), back=(0.15, 0.5), soft=0.5)
    under, plan = _seat(
        a, rng, plan, str(rng.choice(["panel", "cushion", "framed"])), str(rng.choice(["round", "super", "square"]))
    )
    _column(a, rng, plan, under)
    _back(a, rng, plan, str(rng.choice(["panel", "gap", "soft", "hoop"])))
    if rng.random() < 0.3:
        _arms(a, rng, plan)
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _office(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, height=(0.42, 0.55), width=(0.44, 0.56), depth=(0.42, 0.52), back=(0.35, 0.75), soft=0.85)
    under, plan = _seat(a, rng, plan, "cushion", str(rng.choice(["square", "super", "bow"])))
    _star(a, rng, plan, under)
    _back(a, rng, plan, str(rng.choice(["soft", "gap", "panel", "framed"], p=[0.5, 0.2, 0.15, 0.15])))
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
            _arms(a, rng, plan, "loop")
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _sofa(a: Assembly, rng: np.random.Generator) -> None:
    double = rng.random() < 0.2
    plan = _plan(
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
        shape = _leg_shape(rng, True)
        spread = rng.uniform(0, 0.04)
        for k, (sx, xx) in enumerate(((1, at), (-1, -at - thick * 0.6))):
            tip = np.array([xx + sx * spread, yy + spread, 0])
            a.add_both(
                shape(np.array([xx, yy, foot + 0.02]), tip),
                LEG,
                plan.legs if plan.legs is not body else materials.wood(rng),
            )
            _mark_tip(a, 8 + 2 * k, tip)
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


def _shell(a: Assembly, rng: np.random.Generator) -> None:
    """A moulded shell on legs, a column or a star."""
    plan = _plan(rng, width=(0.42, 0.56), depth=(0.4, 0.48), back=(0.28, 0.5), recline=(8, 24), soft=0.25)
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
    skin = _outward(grid(np.concatenate([sheet, below[:, ::-1]], axis=1), closed=True))
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
        _legs(a, rng, plan, under - 0.01, (-x, x), 0.3 * w, (spread, spread * 0.8, spread))
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
            _mark_tip(a, 8 + 2 * k, end)
    elif base == "column":
        _column(a, rng, plan, under)
    else:
        _star(a, rng, plan, under)
    if rng.random() < 0.3:
        _arms(a, rng, plan, str(rng.choice(["loop", "bow"])))
    _mark_seat(a, plan)
    a.keypoint_both(4, 5, (back_top[0] + 0.05, w * 0.48, back_top[1] + 0.02), BACK)
    a.keypoint_both(6, 7, (-d / 2, w / 2 + 0.03, h + 0.13), BACK)
    a.keypoint(17, (back_top[0], 0, back_top[1] + 0.1), BACK)
    a.keypoint(18, (0, 0, h + 0.55 * plan.back), BACK, seen_from=(1, 0, 0))


def _cantilever(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, back=(0.3, 0.48), recline=(4, 16), soft=0.5)
    metal = materials.metal(rng) if rng.random() < 0.85 else plan.frame
    under, plan = _seat(a, rng, plan, str(rng.choice(["panel", "cushion"])), "square")
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
    _back(a, rng, plan, str(rng.choice(["gap", "soft", "panel"])))
    if rng.random() < 0.45:
        _arms(a, rng, plan, "loop")
    _mark_tip(a, 8, np.array([front + lean, y, 0]))
    _mark_tip(a, 10, np.array([back, y, 0]))
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _rocker(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(
        rng, height=(0.36, 0.46), width=(0.44, 0.58), depth=(0.42, 0.52), back=(0.45, 0.75), recline=(8, 20), soft=0.3
    )
    under, plan = _seat(a, rng, plan)
    y, x = plan.width / 2 - 0.035, plan.depth / 2 - 0.05
    reach, sag = plan.depth / 2 + rng.uniform(0.1, 0.24), rng.uniform(0.06, 0.13)
    t = np.linspace(-1, 1, 15)
    runner = np.stack([reach * t - 0.04, 0 * t + y, sag * t**2 + 0.018], -1)
    a.add_both(sweep(runner, rounded_rectangle(2, 2.6, 0.3, 1), 0.014), LEG, plan.legs)
    shape = _leg_shape(rng, True)
    for sx in (1, -1):
        foot = np.array([sx * x * 1.05, y, 0.02 + sag * ((sx * x * 1.05 + 0.04) / reach) ** 2])
        a.add_both(shape(np.array([sx * x, y, under + 0.01]), foot), LEG, plan.legs)
    a.keypoint_both(8, 9, runner[-1] + [0.02, 0, 0], LEG)
    a.keypoint_both(10, 11, runner[0] - [0.02, 0, 0], LEG)
    _back(a, rng, plan, str(rng.choice(["slats", "spindles", "ladder", "framed", "hoop"])))
    if rng.random() < 0.75:
        _arms(a, rng, plan, "rail")
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _bench(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, height=(0.38, 0.48), width=(0.85, 1.6), depth=(0.36, 0.5), back=(0.3, 0.5), soft=0.25)
    under, plan = _seat(a, rng, plan, str(rng.choice(["panel", "slats", "cushion"])), "square")
    inset = rng.uniform(0.04, 0.12)
    x = plan.depth / 2 - 0.04
    _legs(a, rng, plan, under, (-x, x), plan.width / 2 - inset, (rng.uniform(0, 0.05), 0.0, 0.0))
    _back(a, rng, plan, str(rng.choice(["slats", "spindles", "ladder", "panel", "framed"])))
    if rng.random() < 0.6:
        _arms(a, rng, plan, str(rng.choice(["rail", "bow", "loop"])))
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _folding(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(rng, width=(0.38, 0.48), depth=(0.36, 0.44), back=(0.3, 0.45), recline=(8, 18), soft=0.2)
    h, d, w = plan.height, plan.depth, plan.width
    _seat(a, rng, plan, str(rng.choice(["panel", "slats"])), "square")
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
    _mark_tip(a, 8, front_tip)
    _mark_tip(a, 10, back_tip)
    boards = int(rng.integers(1, 4))
    height = plan.back * rng.uniform(0.2, 0.4) / boards**0.5
    for z in np.linspace(plan.back - height / 2, plan.back * 0.55, boards):
        a.add(_bar((0.014, 2 * y, height), (0.005, 0, z), plan, 0.004), BACK, plan.back_cover)
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _lounge(a: Assembly, rng: np.random.Generator) -> None:
    plan = _plan(
        rng, height=(0.28, 0.38), width=(0.52, 0.68), depth=(0.5, 0.62), back=(0.5, 0.75), recline=(24, 42), soft=0.8
    )
    under, plan = _seat(a, rng, plan, "cushion", "square")
    _four_legs(a, rng, plan, under)
    _back(a, rng, plan, str(rng.choice(["soft", "slats", "framed"], p=[0.6, 0.2, 0.2])))
    if rng.random() < 0.7:
        _arms(a, rng, plan, str(rng.choice(["rail", "loop", "bow"])))
    _mark_seat(a, plan)
    _mark_back(a, plan)


def _tub(a: Assembly, rng: np.random.Generator) -> None:
    """A round seat within a wall that is the back and, where it reaches round, the arms."""
    plan = _plan(rng, height=(0.38, 0.46), width=(0.5, 0.64), depth=(0.48, 0.6), back=(0.25, 0.42), soft=0.9)
    h, d, w = plan.height, plan.depth, plan.width
    under, plan = _seat(a, rng, plan, "cushion", "super")
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
    surface = _outward(loft(sections))
    m = len(ring)
    middle = np.abs(angle[:-1] + angle[1:]) / 2
    row = np.concatenate([np.repeat(middle, 2 * m), np.full(2 * m, reach)])
    armed = reach > np.radians(95)
    border = np.radians(58)
    a.add(surface, np.where((row > border) & armed, ARM, BACK), plan.back_cover)
    base = rng.choice(["legs", "column", "star"], p=[0.6, 0.25, 0.15])
    if base == "legs":
        _legs(a, rng, plan, under, (-0.33 * d, 0.36 * d), 0.36 * w, (0.05, rng.uniform(0, 0.05), rng.uniform(0, 0.05)))
    elif base == "column":
        _column(a, rng, plan, under)
    else:
        _star(a, rng, plan, under)
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


_MAKERS: dict[str, Callable[[Assembly, np.random.Generator], None]] = {
    "side": _side, "arm": _arm, "sofa": _sofa, "office": _office, "pedestal": _pedestal, "shell": _shell,
    "stool": _stool, "cantilever": _cantilever, "rocker": _rocker, "bench": _bench, "folding": _folding,
    "lounge": _lounge, "tub": _tub,
}  # fmt: skip


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A chair of a family."""
    assembly = Assembly()
    _MAKERS[family](assembly, rng)
    return assembly.build(family)
