"""Cars of ten families, in metres: the nose at +x, the road at z = 0, halfway along at the origin."""

from __future__ import annotations

from dataclasses import dataclass

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
    drape,
    loft,
    revolve,
    rotation,
    rounded_rectangle,
    sweep,
    tube,
)

BODY, HOOD, ROOF, WHEEL, WINDOW, LIGHT = 1, 2, 3, 4, 5, 6
_KEYPOINTS = (
    "wheel front left", "wheel front right", "wheel back left", "wheel back right",
    "headlight left", "headlight right", "taillight left", "taillight right",
    "windshield bottom left", "windshield bottom right", "roof front left", "roof front right",
    "roof back left", "roof back right", "rear window bottom left", "rear window bottom right",
    "mirror left", "mirror right", "bumper front centre", "bumper back centre", "hood front centre", "roof centre",
)  # fmt: skip


@dataclass(frozen=True)
class _Family:
    """Ranges of a family's measures: metres, and shares of the length counted from the nose."""

    share: float
    length: tuple[float, float]
    width: tuple[float, float]
    height: tuple[float, float]
    wheel: tuple[float, float]
    clearance: tuple[float, float]
    belt: tuple[float, float]
    cowl: tuple[float, float]
    roof_front: tuple[float, float]
    roof_back: tuple[float, float]
    glass_back: tuple[float, float]
    nose: tuple[float, float]
    """Height of the hood's front, as a share of the belt's."""


_FAMILIES = {
    "sedan": _Family(0.2, (4.2, 5.0), (1.68, 1.88), (1.36, 1.52), (0.29, 0.35), (0.15, 0.22), (0.86, 0.98),
                     (0.27, 0.33), (0.42, 0.47), (0.67, 0.74), (0.81, 0.87), (0.62, 0.8)),
    "hatchback": _Family(0.14, (3.4, 4.2), (1.6, 1.8), (1.4, 1.58), (0.27, 0.33), (0.14, 0.2), (0.86, 1.0),
                         (0.22, 0.3), (0.36, 0.43), (0.84, 0.92), (0.945, 0.98), (0.64, 0.82)),
    "wagon": _Family(0.08, (4.3, 4.9), (1.7, 1.85), (1.42, 1.56), (0.3, 0.35), (0.15, 0.22), (0.88, 0.98),
                     (0.26, 0.31), (0.39, 0.44), (0.88, 0.94), (0.95, 0.98), (0.64, 0.8)),
    "suv": _Family(0.14, (4.0, 5.0), (1.76, 1.98), (1.62, 1.9), (0.35, 0.43), (0.2, 0.32), (1.02, 1.18),
                   (0.25, 0.31), (0.35, 0.41), (0.87, 0.95), (0.95, 0.985), (0.74, 0.92)),
    "sports": _Family(0.12, (4.0, 4.7), (1.75, 1.98), (1.12, 1.3), (0.31, 0.36), (0.1, 0.15), (0.8, 0.88),
                      (0.3, 0.42), (0.46, 0.53), (0.6, 0.7), (0.83, 0.95), (0.62, 0.8)),
    "convertible": _Family(0.07, (3.8, 4.6), (1.65, 1.88), (1.2, 1.35), (0.29, 0.35), (0.12, 0.18), (0.82, 0.92),
                           (0.3, 0.4), (0.42, 0.48), (0.62, 0.7), (0.7, 0.78), (0.66, 0.85)),
    "van": _Family(0.1, (4.2, 5.8), (1.75, 2.05), (1.75, 2.5), (0.3, 0.37), (0.15, 0.24), (1.02, 1.22),
                   (0.08, 0.21), (0.2, 0.32), (0.93, 0.97), (0.975, 0.99), (0.68, 0.85)),
    "bus": _Family(0.04, (7.0, 12.0), (2.3, 2.55), (2.7, 3.2), (0.45, 0.52), (0.25, 0.35), (1.15, 1.5),
                   (0.012, 0.02), (0.022, 0.04), (0.965, 0.98), (0.985, 0.99), (0.9, 0.96)),
    "pickup": _Family(0.07, (4.8, 5.8), (1.75, 2.02), (1.62, 1.9), (0.35, 0.43), (0.22, 0.34), (1.02, 1.16),
                      (0.25, 0.31), (0.35, 0.4), (0.46, 0.62), (0.49, 0.65), (0.78, 0.94)),
    "classic": _Family(0.04, (3.6, 4.6), (1.48, 1.7), (1.42, 1.6), (0.3, 0.36), (0.16, 0.24), (0.88, 1.0),
                       (0.28, 0.36), (0.38, 0.45), (0.62, 0.7), (0.78, 0.84), (0.6, 0.8)),
}  # fmt: skip
CATEGORY = Category(
    name="car",
    synset="02958343",
    part_names=("background", "body", "hood", "roof", "wheel", "window", "light"),
    keypoint_names=_KEYPOINTS,
    mirror=(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 17, 16, 18, 19, 20, 21),
    families=tuple(_FAMILIES),
    shares=tuple(family.share for family in _FAMILIES.values()),
)


@dataclass(frozen=True)
class _Plan:
    """A car's measures in metres (x positions count from the middle, to the front) and finishes."""

    family: str
    length: float
    width: float
    height: float
    wheel: float
    tyre: float
    clearance: float
    belt: float
    nose: float
    tail: float
    cowl: float
    roof_front: float
    roof_back: float
    glass_back: float
    axles: tuple[float, float]
    taper: tuple[float, float]
    """How much narrower the front and the back end are, as a share of the width."""
    crown: float
    rake: float
    paint: Finish
    roof: Finish
    trim: Finish
    glass: Finish

    def half_width(self, x: np.ndarray | Scalar) -> np.ndarray | float:
        u = 2 * x / self.length
        front = self.taper[0] * np.clip((u - 0.35) / 0.65, 0, 1) ** 2.5
        back = self.taper[1] * np.clip((-u - 0.35) / 0.65, 0, 1) ** 2.5
        return self.width / 2 * (1 - front - back)

    def side(self, z: np.ndarray | Scalar) -> np.ndarray | float:
        """Half width at a height, as a share of the widest: bellied, narrower at the sill and the shoulder."""
        t = (z - self.clearance) / (self.belt - self.clearance)
        return 1 - 0.06 * np.clip(0.45 - t, 0, 1) ** 2 / 0.2 - 0.09 * np.clip(t - 0.55, 0, 1) ** 2 / 0.2


def _plan(rng: np.random.Generator, family: str) -> _Plan:
    f = _FAMILIES[family]
    length, height, wheel = rng.uniform(*f.length), rng.uniform(*f.height), rng.uniform(*f.wheel)
    belt = max(rng.uniform(*f.belt), 2.12 * wheel + 0.06)
    height = max(height, belt + 0.32)

    def along(share: tuple[Scalar, Scalar]) -> float:
        return length * (0.5 - rng.uniform(*share))

    front = {"bus": (0.2, 0.26), "van": (0.14, 0.19)}.get(family, (0.155, 0.22))
    back = {"bus": (0.22, 0.3), "pickup": (0.2, 0.26)}.get(family, (0.15, 0.22))
    paint = materials.car_paint(rng)
    nose = belt * rng.uniform(*f.nose)
    tail = belt * {
        "sedan": rng.uniform(0.92, 1.06),
        "sports": rng.uniform(0.88, 1.05),
        "classic": rng.uniform(0.55, 0.8),
    }.get(family, rng.uniform(0.93, 1.0))
    two_tone = rng.random() < 0.15
    shade = rng.uniform(0.03, 0.16) if rng.random() < 0.75 else rng.uniform(0.2, 0.5)
    glass = np.clip(shade * np.array([1 - rng.uniform(0, 0.2), 1.0, 1 + rng.uniform(0, 0.25)]), 0, 1)
    return _Plan(
        family=family,
        length=length,
        width=rng.uniform(*f.width),
        height=height,
        wheel=wheel,
        tyre=wheel * rng.uniform(0.55, 0.8),
        clearance=rng.uniform(*f.clearance),
        belt=belt,
        nose=max(nose, 2.12 * wheel * 0.93),
        tail=max(tail, 0.62 * belt),
        cowl=along(f.cowl),
        roof_front=along(f.roof_front),
        roof_back=along(f.roof_back),
        glass_back=along(f.glass_back),
        axles=(along(front), -length / 2 + length * rng.uniform(*back)),
        taper=(rng.uniform(0.05, 0.2), rng.uniform(0.04, 0.16)) if family != "bus" else (0.02, 0.02),
        crown=rng.uniform(0.02, 0.07) + (0.08 if family == "classic" else 0),
        rake=rng.uniform(0.04, 0.16),
        paint=paint,
        roof=materials.car_paint(rng) if two_tone else paint,
        trim=materials.plain([rng.uniform(0.03, 0.12)] * 3, 0.15, 12) if rng.random() < 0.7 else materials.metal(rng),
        glass=materials.plain(glass, rng.uniform(0.5, 1.0), rng.uniform(50, 150)),
    )


# ---------------------------------------------------------------------------------------------------------- body


def _deck(plan: _Plan, x: np.ndarray) -> np.ndarray:
    """Height of the body's upper side along x: nose, hood, the cabin's belt, trunk, tail; rounded."""
    half = plan.length / 2
    belt, bed = plan.belt, plan.belt - 0.42
    knots: list[tuple[float, float]]
    if plan.family == "pickup":
        step = plan.glass_back + 0.06
        knots = [(-half, bed), (step - 0.02, bed), (step, belt)]
    elif plan.family == "classic":
        knots = [
            (-half, plan.tail),
            (-half + 0.35 * (plan.glass_back + half), 0.5 * (plan.tail + belt) + 0.05),
            (plan.glass_back, belt),
        ]
    else:
        knots = [
            (-half, plan.tail - 0.04),
            (min(-half + 0.1, plan.glass_back - 0.1), plan.tail),
            (plan.glass_back + 0.05, max(belt, plan.tail)),
        ]
    rise = 0.3 * (plan.cowl - half) + half
    knots += [
        (plan.cowl, belt - 0.02),
        (rise, 0.4 * (belt - 0.02) + 0.6 * plan.nose + 0.03),
        (half - 0.12, plan.nose),
        (half, plan.nose - 0.09),
    ]
    kx, kz = np.array(sorted(knots)).T
    dense = np.linspace(-half - 0.3, half + 0.3, 241)
    z = np.interp(dense, kx, kz)
    if plan.family != "pickup":
        kernel = np.exp(-0.5 * (np.arange(-12, 13) * (dense[1] - dense[0]) / 0.07) ** 2)
        z = np.convolve(np.pad(z, 12, mode="edge"), kernel / kernel.sum(), mode="valid")
    return np.interp(x, dense, z)


def _stations(plan: _Plan) -> Float[np.ndarray, " n"]:
    """Where along x the body is cut: finely at the wheel arches and the rounded ends."""
    half, arch = plan.length / 2, 1.12 * plan.wheel
    ends = 0.16 * (1 - np.cos(np.linspace(0, np.pi / 2, 5)))
    x = [np.linspace(-half + 0.2, half - 0.2, 26), half - ends, ends - half]
    for axle in plan.axles:
        x += [axle + arch * np.cos(np.linspace(0, np.pi, 11)), np.array([axle - arch - 0.006, axle + arch + 0.006])]
    every = np.sort(np.concatenate([*x, [plan.cowl, plan.glass_back]]))
    return every[np.concatenate([[True], np.diff(every) > 0.004])]


_SIDE, _TOP = 8, 4
"""Points of half a section: up the side (the last three round the shoulder), and from there to the middle."""


def _body(a: Assembly, rng: np.random.Generator, plan: _Plan) -> Surface:
    """The body below the belt, with wheel arches; returned without them, to lay things on."""
    x = _stations(plan)
    half = plan.length / 2
    into = np.clip((np.abs(x) - (half - 0.16)) / 0.16, 0, 1)
    tuck = 1 - np.sqrt(np.clip(1 - into**2, 0, 1))  # 0 along the body, 1 at the very ends
    wide = plan.half_width(x) * (1 - 0.1 * tuck)
    deck = _deck(plan, x) - 0.05 * tuck
    low = plan.clearance + 0.12 * np.clip((np.abs(x) - 0.82 * half) / (0.18 * half), 0, 1) + 0.06 * tuck
    arch = 1.12 * plan.wheel
    arched = low.copy()
    for axle in plan.axles:
        reach = arch**2 - (x - axle) ** 2
        arched = np.where(reach >= -1e-9, plan.wheel + np.sqrt(np.clip(reach, 0, None)), arched)
    arched = np.minimum(arched, deck - 0.04)
    inner = _interior(plan, x)

    def sections(low: np.ndarray) -> np.ndarray:
        n = len(x)
        points = np.empty((n, 2 * (_SIDE + _TOP + 1), 3))
        points[..., 0] = x[:, None]
        round_ = np.minimum(0.07, 0.3 * (deck - low))
        t = np.linspace(0, 1, _SIDE - 2)
        z = low[:, None] + t * (deck - round_ - low)[:, None]
        y = wide[:, None] * plan.side(z)
        for bend in (np.pi / 6, np.pi / 3):
            z = np.concatenate([z, (deck - round_ + round_ * np.sin(bend))[:, None]], axis=1)
            y = np.concatenate([y, y[:, _SIDE - 3 : _SIDE - 2] - (round_ * (1 - np.cos(bend)))[:, None]], axis=1)
        edge = y[:, _SIDE - 3] - round_
        s = np.array([1.0, 0.92, 0.55, 0.25])
        top_y = edge[:, None] * s
        top_z = deck[:, None] + plan.crown * (1 - s**2) * np.ones((n, 1)) - inner[:, None] * (s < 0.95)
        left_y = np.concatenate([0 * edge[:, None], y, top_y], axis=1)
        left_z = np.concatenate([low[:, None], z, top_z], axis=1)
        count = _SIDE + _TOP + 1
        # one ring, counter-clockwise seen from the front: bottom middle, up the left, across, down the right
        points[:, :count, 1], points[:, :count, 2] = left_y, left_z
        points[:, count:, 1], points[:, count:, 2] = -left_y[:, ::-1], left_z[:, ::-1]
        points[:, count + _TOP + _SIDE :, 1] = -1e-4
        return points

    rings = sections(arched)
    surface = loft(rings)
    m = rings.shape[1]
    quads = len(x) - 1
    row, column = np.repeat(np.arange(quads), 2 * m), np.tile(np.repeat(np.arange(m), 2), quads)
    middle = (x[row] + x[row + 1]) / 2
    count = _SIDE + _TOP + 1
    folded = np.minimum(column, 2 * count - 2 - column)
    top, bottom = folded >= _SIDE + 1, (folded <= 0) | (column == m - 1)
    hood = top & (middle > plan.cowl - 0.02) & (middle < half - 0.14) & (plan.cowl < half - 0.35)
    open_ = top & (folded >= _SIDE + 2) & ((inner[row] > 0.1) | (inner[row + 1] > 0.1))
    parts = np.where(hood, HOOD, BODY)
    pick = np.where(bottom | open_, 1, 0)
    z = (rings[row, column, 2] + rings[row + 1, column, 2]) / 2
    lower = materials.car_paint(rng)
    skirt = rng.random()
    if skirt < 0.12 or (plan.family in ("bus", "van", "classic") and skirt < 0.4):
        pick = np.where(
            ~bottom & ~open_ & ~hood & (z < plan.clearance + rng.uniform(0.3, 0.75) * (plan.belt - plan.clearance)),
            2,
            pick,
        )
    elif skirt < 0.3 or (plan.family in ("suv", "pickup") and skirt < 0.55):
        lower = plan.trim
        pick = np.where(~bottom & ~open_ & (folded <= 1) & ~top, 2, pick)
    pad = 2 * m
    a.add(
        surface,
        np.concatenate([parts, np.full(pad, BODY)]),
        (plan.paint, materials.plain((0.05, 0.05, 0.05), 0.05, 5), lower),
        np.concatenate([pick, np.zeros(pad, dtype=int)]),
    )
    inside = plan.width / 2 - plan.tyre - 0.06
    deep = min(plan.wheel + arch * 0.95, float(deck.min()) - 0.02)
    a.add(
        box((plan.length - 0.5, 2 * inside, deep - plan.clearance - 0.02)).move(
            [0, 0, (deep + plan.clearance + 0.02) / 2]
        ),
        BODY,
        plan.trim,
    )
    return loft(sections(low))


def _interior(plan: _Plan, x: np.ndarray) -> np.ndarray:
    """How far the top is sunk for an open cabin."""
    if plan.family != "convertible":
        return np.zeros_like(x)
    return 0.34 * ((x < plan.cowl - 0.12) & (x > plan.roof_back - 0.1))


# --------------------------------------------------------------------------------------------------------- cabin


def _cabin(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Windows, pillars and roof: rings from the belt to the roof's middle."""
    box_like = plan.family in ("van", "bus")
    belt_half = plan.width / 2 * (0.95 if box_like else rng.uniform(0.86, 0.92))
    lean = {"bus": 0.97, "van": rng.uniform(0.82, 0.93)}.get(plan.family, rng.uniform(0.7, 0.84))
    roof_half = plan.width / 2 * lean
    pillar = rng.uniform(0.04, 0.1)
    cells = _side_windows(rng, plan)
    t = np.array([0.0, *[c[1] for c in cells]])
    across = np.linspace(-1, 1, 6)
    bow = rng.uniform(0.03, 0.12) if not box_like else rng.uniform(0.01, 0.06)
    back_bow = rng.uniform(0.01, 0.08)

    def ring(f: Scalar, z: Scalar, shrink: Scalar = 1.0) -> np.ndarray:
        g = f**1.15 if not box_like else f
        front, back = (
            plan.cowl + (plan.roof_front - plan.cowl) * g,
            plan.glass_back + (plan.roof_back - plan.glass_back) * g,
        )
        half = belt_half + (roof_half - belt_half) * f**1.3
        y = (half - 0.6 * pillar) * across
        nose = np.stack([front - bow * across**2, y], -1)
        side_x = (front - bow - pillar) * (1 - t) + (back + back_bow + pillar) * t
        left = np.stack([side_x, half - 0.03 * np.abs(2 * t - 1) ** 3], -1)
        rear = np.stack([back + back_bow * across**2, -y], -1)
        right = np.stack([side_x[::-1], -left[::-1, 1]], -1)
        points = np.concatenate([nose, left, rear, right])
        middle = np.array([(front + back) / 2, 0.0])
        return np.column_stack([middle + shrink * (points - middle), np.full(len(points), z)])

    low, high = plan.belt - 0.09, plan.height
    crown = rng.uniform(0.01, 0.05)
    band = rng.uniform(0.8, 0.88) if plan.family != "bus" else rng.uniform(0.68, 0.8)
    if plan.family == "van" and plan.height > 2.1:
        band = 0.62
    glass_low = rng.uniform(0.02, 0.08)
    heights = [0.0, glass_low, glass_low + 0.5 * (band - glass_low), band, 0.95]
    levels = [
        ring(max(f, 0.0), low + 0.0 * f if k == 0 else plan.belt + f * (high - crown - plan.belt))
        for k, f in enumerate(heights)
    ]
    levels += [
        ring(0.985, high - crown - 0.012, 0.985),
        ring(1.0, high - crown, 0.94),
        ring(1.0, high - 0.3 * crown, 0.55),
        ring(1.0, high, 0.002),
    ]
    rings = np.stack(levels)
    surface = loft(rings, caps=False)
    m, k = rings.shape[1], len(across)
    ns = len(t)
    glassy = np.zeros(m, dtype=bool)
    glassy[: k - 1] = True
    sides = np.array([c[2] for c in cells])
    glassy[k : k + ns - 1] = sides
    back_glass = plan.family != "van" or rng.random() < 0.7
    glassy[k + ns : k + ns + k - 1] = back_glass
    glassy[2 * k + ns : 2 * k + 2 * ns - 1] = sides[::-1]
    row, column = np.repeat(np.arange(len(rings) - 1), 2 * m), np.tile(np.repeat(np.arange(m), 2), len(rings) - 1)
    window = glassy[column] & (row >= 1) & (row <= 2)
    roof = row >= 4
    parts = np.where(window, WINDOW, np.where(roof, ROOF, BODY))
    dark_pillars = rng.random() < 0.3
    pick = np.where(window, 1, np.where(roof, 2, np.where((row >= 1) & (row <= 2) & dark_pillars, 3, 0)))
    a.add(surface, parts, (plan.paint, plan.glass, plan.roof, plan.trim), pick)
    base, head = ring(heights[1], plan.belt + heights[1] * (high - crown - plan.belt)), ring(0.985, high - crown)
    base[:, 2] = np.maximum(base[:, 2], _deck(plan, base[:, 0]) + plan.crown + 0.04)
    a.keypoint_both(8, 9, base[k - 1], WINDOW)
    if back_glass:
        a.keypoint_both(14, 15, base[k + ns], WINDOW)
    a.keypoint_both(10, 11, head[k - 1] + [0.02, 0.02, 0], ROOF)
    a.keypoint_both(12, 13, head[k + ns] + [-0.02, 0.02, 0], ROOF)
    a.keypoint(21, ((plan.roof_front + plan.roof_back) / 2, 0, high), ROOF, seen_from=(0, 0, 1))
    if plan.family in ("suv", "wagon", "van") and rng.random() < 0.5:
        x = np.linspace(plan.roof_front - 0.25, plan.roof_back + 0.25, 7)
        z = high - crown + 0.05 - 0.05 * np.abs(np.linspace(-1, 1, 7)) ** 8
        a.add_both(tube(np.stack([x, 0 * x + 0.84 * roof_half, z], -1), 0.018, 6), ROOF, plan.trim)


def _side_windows(rng: np.random.Generator, plan: _Plan) -> list[tuple[float, float, bool]]:
    """Cells along the cabin's side, front to back: (start, end, is glass)."""
    if plan.family == "bus":
        count = int(rng.integers(5, 10))
        edges: list[tuple[float, float, bool]] = []
        for k in range(count):
            edges += [(k / count, (k + 0.9) / count, True), ((k + 0.9) / count, (k + 1) / count, False)]
        return edges
    short = plan.roof_front - plan.roof_back < 1.2
    if short or (plan.family in ("hatchback", "sports", "classic") and rng.random() < 0.5):
        edge = rng.uniform(0.45, 0.8) if not short else 0.8
        cells = [(0.0, edge, True), (edge, edge + 0.07, False)]
        if edge < 0.7:
            cells.append((edge + 0.07, 0.9, True))
        return [*cells, (cells[-1][1], 1.0, False)]
    if plan.family == "van":
        cargo = rng.random() < 0.5
        cells = [
            (0.0, 0.28, True),
            (0.28, 0.34, False),
            (0.34, 0.62, not cargo),
            (0.62, 0.66, False),
            (0.66, 0.94, not cargo),
            (0.94, 1.0, False),
        ]
        return cells
    first = rng.uniform(0.4, 0.48)
    if plan.family in ("suv", "wagon"):
        return [
            (0.0, first - 0.06, True),
            (first - 0.06, first - 0.02, False),
            (first - 0.02, 0.7, True),
            (0.7, 0.75, False),
            (0.75, 0.95, True),
            (0.95, 1.0, False),
        ]
    end = rng.uniform(0.84, 0.95)
    return [(0.0, first, True), (first, first + 0.05, False), (first + 0.05, end, True), (end, 1.0, False)]


def _open_cabin(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """A windscreen, seats and a steering wheel."""
    half = plan.width / 2 * 0.86
    foot, head = np.array([plan.cowl, plan.belt - 0.05]), np.array([plan.roof_front + 0.1, plan.height - 0.03])
    t = np.linspace(0, 1, 4)
    y = np.linspace(-1, 1, 9)
    points = np.empty((4, 9, 3))
    points[..., 0] = (foot[0] + t * (head[0] - foot[0]))[:, None] - 0.12 * y**2
    points[..., 1] = (half - 0.13 * half * t)[:, None] * y
    points[..., 2] = (foot[1] + t * (head[1] - foot[1]))[:, None]
    front = np.concatenate([points, (points - [0.02, 0, 0])[:, ::-1]], axis=1)
    a.add(loft(front), WINDOW, plan.glass)
    frame = np.concatenate([points[:, 0], points[-1, 1:-1], points[::-1, -1]])
    a.add(sweep(frame, circle(6), 0.024, up=(0, 1, 0)), BODY, plan.trim if rng.random() < 0.5 else plan.paint)
    clear = float(_deck(plan, points[0, -1:, 0])[0]) + plan.crown + 0.07
    a.keypoint_both(8, 9, (points[0, -2, 0] + 0.03, half - 0.09, clear), WINDOW)
    cover = materials.leather(rng)
    deep = plan.belt - 0.34 + plan.crown
    rows = [plan.cowl - 0.95] if rng.random() < 0.6 else [plan.cowl - 0.85, plan.cowl - 1.5]
    for x in rows:
        if x < plan.roof_back:
            continue
        a.add_both(box((0.5, 0.46, 0.16), 0.06).move([x + 0.2, 0.36, deep + 0.06]), BODY, cover)
        tilt = rotation("y", -14)
        a.add_both(box((0.14, 0.46, 0.5), 0.06, arc=2).turn(tilt).move([x - 0.08, 0.36, deep + 0.3]), BODY, cover)
        a.add_both(box((0.09, 0.24, 0.15), 0.04, arc=2).turn(tilt).move([x - 0.16, 0.36, deep + 0.62]), BODY, cover)
    ring = circle(14, 0.17)
    path = np.column_stack([np.zeros(15), np.concatenate([ring, ring[:1]])])
    a.add(
        tube(path, 0.015, 6).turn(rotation("y", -25)).move([plan.cowl - 0.42, 0.36, plan.belt - 0.02]), BODY, plan.trim
    )
    if rng.random() < 0.5:
        size = (0.35, 1.5 * half, 0.12)
        a.add(box(size, 0.05, arc=2).move([plan.roof_back - 0.22, 0, plan.belt + 0.05]), BODY, materials.fabric(rng))


def _bed(a: Assembly, plan: _Plan) -> None:
    """The walls of a pick-up's bed, and its floor."""
    half = plan.length / 2
    front, back = plan.glass_back + 0.03, -half + 0.03
    floor, top = plan.belt - 0.46, plan.belt - 0.01
    x = np.linspace(back, front, 7)
    path = np.stack([x, plan.half_width(x) * plan.side(plan.belt - 0.25) - 0.04, 0 * x + (floor + top) / 2], -1)
    a.add_both(
        sweep(path, rounded_rectangle(2, 2, 0.3, 2), np.stack([np.full(7, 0.038), np.full(7, (top - floor) / 2)], -1)),
        BODY,
        plan.paint,
    )
    wide = 2 * float(path[0, 1])
    a.add(box((0.07, wide, top - floor), 0.02).move([back + 0.03, 0, (floor + top) / 2]), BODY, plan.paint)
    a.add(box((0.07, wide, top - floor), 0.02).move([front - 0.02, 0, (floor + top) / 2]), BODY, plan.paint)
    a.add(
        box((front - back - 0.1, wide - 0.06, 0.02)).move(
            [(front + back) / 2, 0, max(plan.belt - 0.42 + plan.crown, 2.12 * plan.wheel + plan.crown) + 0.012]
        ),
        BODY,
        plan.trim,
    )


# -------------------------------------------------------------------------------------------------------- details


def _wheels(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    r, w = plan.wheel, plan.tyre
    rim = r * rng.uniform(0.58, 0.74)
    rubber = materials.plain([rng.uniform(0.03, 0.09)] * 3, 0.08, 8)
    metal = (
        materials.plain([rng.uniform(0.5, 0.85)] * 3, 0.7, 40)
        if rng.random() < 0.75
        else materials.plain([rng.uniform(0.05, 0.2)] * 3, 0.4, 30)
    )
    if rng.random() < 0.06:
        metal = plan.paint
    tyre = revolve(
        [
            (rim * 0.9, -w / 2),
            (r * 0.9, -w / 2),
            (r * 0.98, -w * 0.42),
            (r, -w * 0.25),
            (r, w * 0.25),
            (r * 0.98, w * 0.42),
            (r * 0.9, w / 2),
            (rim, w / 2),
            (rim * 0.98, w * 0.36),
        ],
        20,
    )
    kind = rng.choice(["spokes", "disc", "dish"], p=[0.65, 0.2, 0.15])
    dish = rng.uniform(0.36, 0.48) * w
    hub = [(rim * 1.0, w * 0.3), (rim, w * 0.52), (rim * 0.9, w * 0.5)]
    pieces: list[tuple[Surface, Finish]] = []
    if kind == "spokes":
        dark = materials.plain((0.06, 0.06, 0.065), 0.2, 10)
        pieces.append((revolve([(rim * 0.95, 0.1 * w), (rim * 0.95, 0.3 * w), (0, 0.3 * w)], 12), dark))
        pieces.append((revolve([*hub, (rim * 0.88, w * 0.3)], 16), metal))
        count = int(rng.choice([4, 5, 5, 6, 7, 8, 10]))
        thin = rim * min(0.85 / count, 0.16) * rng.uniform(0.8, 1.3)
        taper = rng.uniform(-0.5, 0.9) / rim
        spoke = box((rim * 0.86, 2 * thin, 0.12 * w)).warp(
            lambda p: np.stack([p[:, 0], p[:, 1] * (1 - taper * p[:, 0]), p[:, 2]], -1)
        )
        for k in range(count):
            pieces.append((spoke.move([rim * 0.48, 0, dish]).turn(rotation("z", 360 * k / count)), metal))
        pieces.append(
            (
                revolve(
                    [
                        (rim * 0.22, 0.3 * w),
                        (rim * 0.22, dish + 0.07 * w),
                        (rim * 0.12, dish + 0.1 * w),
                        (0, dish + 0.1 * w),
                    ],
                    12,
                ),
                metal,
            )
        )
    elif kind == "disc":
        pieces.append(
            (
                revolve(
                    [
                        *hub,
                        (rim * 0.86, w * 0.42),
                        (rim * 0.3, dish),
                        (rim * 0.28, dish + 0.06 * w),
                        (0, dish + 0.08 * w),
                    ],
                    24,
                ),
                metal,
            )
        )
    else:
        pieces.append((revolve([*hub, (rim * 0.5, w * 0.54), (rim * 0.2, w * 0.6), (0, w * 0.6)], 16), metal))
    turn = rotation("x", -90)
    for k, axle in enumerate(plan.axles):
        y = float(plan.half_width(axle) * plan.side(r)) - w / 2 - 0.01
        spin = rotation("z", rng.uniform(0, 360))
        for surface, finish in [(tyre, rubber), *pieces]:
            a.add_both(surface.turn(turn @ spin).move([axle, y, r]), WHEEL, finish)
        a.keypoint_both(2 * k, 2 * k + 1, (axle, y, r), WHEEL, seen_from=(0, 1, 0))


def _lay(
    a: Assembly,
    body: Surface,
    at: tuple[Scalar, Scalar],
    outline: np.ndarray,
    front: Scalar,
    part: int,
    finish: Finish,
    swell: Scalar = 0.0,
    both: bool = True,
) -> Surface:
    """Lay a patch on the nose (front = 1) or the tail (-1): its middle at (y, z), its outline in the same axes."""
    rings = np.array([0.02, 0.5, 0.85, 1.0])
    points = np.empty((4, len(outline), 3))
    points[..., 0] = 0.0
    points[..., 1:] = np.asarray(at) + rings[:, None, None] * outline
    height = 0.012 + swell * np.sqrt(1.0001 - rings**2)
    patch = drape(points, body, np.array([front, 0.0, 0.0]), height)
    if both:
        a.add_both(patch, part, finish)
    else:
        a.add(patch, part, finish)
    return patch


def _face(a: Assembly, rng: np.random.Generator, plan: _Plan, body: Surface) -> None:
    """Lights, grille, bumpers and plates."""
    half = plan.length / 2
    front_half, back_half = float(plan.half_width(half - 0.1)), float(plan.half_width(0.1 - half))
    lamp = materials.plain(rng.uniform(0.75, 0.98) * np.array([1, 1, rng.uniform(0.85, 1.0)]), 0.9, 100)
    kind = rng.choice(["round", "slim", "square"], p=[0.25, 0.5, 0.25])
    if plan.family == "classic":
        kind = "round"
    top = plan.nose - 0.09
    size = rng.uniform(0.08, 0.12)
    if kind == "round":
        outline, z = circle(14, size), top - size * 0.9
    elif kind == "slim":
        outline, z = circle(16, (0.18, rng.uniform(0.05, 0.08)), 3.0), top - 0.05
        outline = outline + np.stack([0 * outline[:, 0], rng.uniform(0.1, 0.5) * outline[:, 0]], -1)
        z -= 0.03
    else:
        outline, z = rounded_rectangle(rng.uniform(0.2, 0.34), rng.uniform(0.12, 0.2), 0.03), top - 0.1
    y = front_half * 0.86 - float(outline[:, 0].max())
    lens = _lay(a, body, (y, z), outline, 1.0, LIGHT, lamp, 0.03 if kind == "round" else 0.012)
    a.keypoint_both(4, 5, lens.vertices[: len(outline)].mean(axis=0), LIGHT)
    red = materials.plain((rng.uniform(0.5, 0.8), 0.04, 0.04), 0.7, 60)
    tall = plan.family in ("van", "bus", "suv", "wagon") and rng.random() < 0.5
    rear_top = plan.tail - 0.1 if plan.family != "pickup" else plan.belt - 0.5
    shape = (
        rounded_rectangle(rng.uniform(0.09, 0.14), rng.uniform(0.2, 0.36), 0.03)
        if tall or plan.family == "pickup"
        else circle(14, (rng.uniform(0.1, 0.24), rng.uniform(0.05, 0.1)), 3.0)
    )
    z = rear_top - float(shape[:, 1].max())
    y = back_half * 0.86 - float(shape[:, 0].max())
    lens = _lay(a, body, (y, z), shape, -1.0, LIGHT, red, 0.012)
    a.keypoint_both(6, 7, lens.vertices[: len(shape)].mean(axis=0), LIGHT)
    low = plan.clearance + 0.12
    wide = front_half * rng.uniform(0.4, 0.75)
    grille_high = rng.uniform(0.06, 0.2)
    black = materials.plain((0.04, 0.04, 0.045), 0.2, 15)
    grille = black if rng.random() < 0.7 else materials.metal(rng)
    if rng.random() < 0.8:
        _lay(
            a,
            body,
            (0, top - 0.05 - grille_high / 2),
            rounded_rectangle(wide, grille_high, 0.03),
            1.0,
            BODY,
            grille,
            both=False,
        )
    if rng.random() < 0.6:
        _lay(
            a,
            body,
            (0, low + 0.1),
            rounded_rectangle(front_half * rng.uniform(0.8, 1.4), 0.1, 0.03),
            1.0,
            BODY,
            black,
            both=False,
        )
    plate = materials.plain((0.85, 0.85, 0.8), 0.1, 10)
    _lay(a, body, (0, 0.55 * low + 0.45 * rear_top), rounded_rectangle(0.46, 0.12, 0.01), -1.0, BODY, plate, both=False)
    if rng.random() < 0.7:
        _lay(a, body, (0, low + 0.2), rounded_rectangle(0.46, 0.11, 0.01), 1.0, BODY, plate, both=False)
    level = low + rng.uniform(0.08, 0.2)
    style = rng.choice(["none", "bar", "thick"], p=[0.45, 0.3, 0.25])
    if style != "none":
        finish = plan.trim if rng.random() < 0.6 else plan.paint
        s = np.linspace(-1, 1, 11)
        for end, width in ((1, front_half), (-1, back_half)):
            path = np.stack([end * (half - 0.02 - 0.12 * np.abs(s) ** 4), 0.97 * width * s, 0 * s + level], -1)
            size_ = (0.05, 0.05) if style == "bar" else (0.06, 0.11)
            a.add(sweep(path, rounded_rectangle(2, 2, 0.5, 2), np.broadcast_to(size_, (11, 2))), BODY, finish)
    a.keypoint(18, (half, 0, level), BODY, seen_from=(1, 0, 0))
    a.keypoint(19, (-half, 0, level), BODY, seen_from=(-1, 0, 0))
    a.keypoint(20, (half - 0.16, 0, plan.nose + 0.1), HOOD)


def _sides(a: Assembly, rng: np.random.Generator, plan: _Plan, body: Surface) -> None:
    """Mirrors, door seams, handles and stripes."""
    big = plan.family in ("bus", "van", "pickup", "suv")
    x = plan.cowl + (plan.roof_front - plan.cowl) * 0.35 - 0.05 if plan.family != "bus" else plan.cowl
    y = plan.width / 2 * (1.0 if not big else 1.04) + 0.04
    z = plan.belt + (0.1 if plan.family != "bus" else 0.5)
    size = np.array([0.09, 0.11, 0.075]) * (1.4 if big else 1.0) * rng.uniform(0.85, 1.2)
    finish = plan.paint if rng.random() < 0.6 else plan.trim
    a.add_both(box(2 * size, 0.45 * float(size.min()), arc=2).move([x, y, z]), BODY, finish)
    a.add_both(box((0.05, 0.2, 0.03)).move([x, y - 0.14, z - 0.03]), BODY, plan.trim)
    a.keypoint_both(16, 17, (x, y + float(size[1]), z), BODY)
    seam = materials.plain(0.25 * plan.paint.material.color, 0.1, 10)
    doors = [plan.cowl - 0.12, 0.5 * (plan.roof_front + plan.roof_back)]
    if plan.family in ("sedan", "wagon", "suv", "van", "hatchback"):
        doors.append(plan.axles[1] + 1.2 * plan.wheel)
    up = np.linspace(plan.clearance + 0.1, plan.belt - 0.1, 5)
    for door in doors:
        line = np.empty((5, 2, 3))
        line[..., 0] = door + np.array([0.011, -0.011])
        line[..., 1] = 0.0
        line[..., 2] = up[:, None]
        a.add_both(drape(line, body, np.array([0.0, 1.0, 0.0]), 0.008), BODY, seam)
    handle = plan.trim if rng.random() < 0.5 else plan.paint
    for door in doors[1:]:
        at = plan.belt - 0.15
        out = float(plan.half_width(door) * plan.side(at))
        a.add_both(box((0.2, 0.04, 0.035), 0.012).move([door + 0.17, out + 0.01, at]), BODY, handle)
    if rng.random() < 0.12:
        stripe = materials.car_paint(rng)
        path = np.linspace(plan.axles[0] - 1.2 * plan.wheel, plan.axles[1] + 1.2 * plan.wheel, 9)
        middle, tall = rng.uniform(0.45, 0.75) * plan.belt, rng.uniform(0.03, 0.09)
        band = np.empty((2, 9, 3))
        band[..., 0] = path
        band[..., 1] = 0.0
        band[..., 2] = middle + tall * np.array([[-1], [1]])
        a.add_both(drape(band, body, np.array([0.0, 1.0, 0.0]), 0.01), BODY, stripe)


def _fenders(a: Assembly, plan: _Plan) -> None:
    """The bulging wings of an old car."""
    for axle in plan.axles:
        t = np.linspace(0.02, np.pi - 0.02, 15)
        reach = 1.32 * plan.wheel
        path = np.stack(
            [
                axle + reach * np.cos(t) * 1.15,
                0 * t + plan.width / 2 - 0.09,
                0.75 * plan.wheel + reach * np.sin(t) * 0.92,
            ],
            -1,
        )
        size = np.stack([np.full(15, 0.17), 0.03 + 0.035 * np.sin(t)], -1)
        a.add_both(sweep(path, rounded_rectangle(2, 2, 0.8, 3), size, up=(1, 0, 0)), BODY, plan.paint)


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A car of a family."""
    plan = _plan(rng, family)
    a = Assembly()
    body = _body(a, rng, plan)
    if family == "convertible":
        _open_cabin(a, rng, plan)
    else:
        _cabin(a, rng, plan)
    if family == "pickup":
        _bed(a, plan)
    if family == "classic":
        _fenders(a, plan)
    _wheels(a, rng, plan)
    _face(a, rng, plan, body)
    _sides(a, rng, plan, body)
    if (family == "sports" and rng.random() < 0.4) or (family == "hatchback" and rng.random() < 0.15):
        x, z = -plan.length / 2 + 0.12, plan.tail + rng.uniform(0.1, 0.25)
        a.add(box((0.22, plan.width * 0.82, 0.03), 0.012).move([x, 0, z]), BODY, plan.paint)
        a.add_both(
            box((0.12, 0.03, z - plan.tail + 0.08)).move([x + 0.03, plan.width * 0.3, (z + plan.tail) / 2 - 0.03]),
            BODY,
            plan.trim,
        )
    return a.build(family)
