"""Motorcycles of ten families, in metres: the front wheel at +x, the road at z = 0, the origin between the axles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from featurenerf.data.synthesis import materials
from featurenerf.data.synthesis.objects import Category, LabelledMesh, Material
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
    grid,
    join,
    loft,
    revolve,
    rotation,
    rounded_rectangle,
    sweep,
    tube,
)

TANK, SEAT, WHEEL, HANDLE, LIGHT, BODY = 1, 2, 3, 4, 5, 6
_KEYPOINTS = (
    "wheel front left", "wheel front right", "wheel back left", "wheel back right",
    "front tyre foremost", "back tyre rearmost", "grip end left", "grip end right",
    "headlight", "taillight", "seat front", "seat back", "tank top",
    "exhaust end left", "exhaust end right", "foot rest left", "foot rest right",
    "mirror left", "mirror right", "front fender tip",
)  # fmt: skip


@dataclass(frozen=True)
class _Family:
    """Ranges of a family's measures (metres, degrees), and the kinds of its components (repeated: more often)."""

    share: float
    wheelbase: tuple[float, float]
    radii: tuple[float, float, float, float]
    """Of the front wheel, from and to, and of the back wheel."""
    tyres: tuple[float, float]
    """Widths."""
    rake: tuple[float, float]
    fork: tuple[float, float]
    """From the axle to the upper clamp."""
    seat: tuple[float, float]
    tank: tuple[float, float]
    """Length."""
    tail: tuple[float, float]
    """How far the seat's end is before the rear axle."""
    wheels: str
    bars: str
    engines: str
    exhausts: str


_FAMILIES = {
    "sport": _Family(0.16, (1.36, 1.46), (0.29, 0.31, 0.3, 0.325), (0.12, 0.18), (22, 26), (0.61, 0.67), (0.78, 0.85),
                     (0.46, 0.56), (-0.2, -0.08), "cast", "clip", "hidden", "up up low"),
    "naked": _Family(0.13, (1.38, 1.5), (0.29, 0.33, 0.29, 0.33), (0.11, 0.16), (24, 28), (0.63, 0.72), (0.75, 0.84),
                     (0.44, 0.56), (-0.2, 0.0), "cast cast wire", "flat flat pull", "four twin single", "low up both"),
    "cruiser": _Family(0.13, (1.56, 1.74), (0.3, 0.35, 0.29, 0.34), (0.12, 0.18), (29, 35), (0.7, 0.84), (0.62, 0.72),
                       (0.5, 0.64), (0.0, 0.18), "wire cast disc", "pull pull drag", "vtwin", "stacked both fishtail"),
    "chopper": _Family(0.09, (1.8, 2.15), (0.33, 0.37, 0.29, 0.34), (0.075, 0.2), (38, 47), (1.0, 1.25), (0.56, 0.66),
                       (0.38, 0.5), (0.12, 0.3), "wire cast", "ape ape drag pull", "vtwin", "stacked both fishtail"),
    "touring": _Family(0.1, (1.55, 1.72), (0.3, 0.33, 0.29, 0.32), (0.13, 0.17), (26, 31), (0.7, 0.8), (0.68, 0.78),
                       (0.46, 0.58), (-0.1, 0.05), "cast cast wire", "pull", "vtwin boxer four", "both"),
    "scooter": _Family(0.13, (1.2, 1.36), (0.2, 0.25, 0.19, 0.24), (0.09, 0.11), (25, 29), (0.76, 0.86), (0.72, 0.8),
                       (0.3, 0.4), (-0.24, -0.1), "cast disc", "scooter", "scooter", "short"),
    "enduro": _Family(0.1, (1.4, 1.52), (0.34, 0.36, 0.32, 0.345), (0.085, 0.12), (26, 29), (0.78, 0.88), (0.87, 0.97),
                      (0.38, 0.46), (-0.22, -0.08), "wire", "cross", "single", "high"),
    "cafe": _Family(0.07, (1.36, 1.48), (0.3, 0.34, 0.3, 0.34), (0.095, 0.13), (25, 29), (0.63, 0.7), (0.72, 0.8),
                    (0.54, 0.66), (-0.12, 0.02), "wire wire cast", "clip ace", "single twin boxer four", "low both"),
    "moped": _Family(0.05, (1.08, 1.22), (0.27, 0.32, 0.27, 0.32), (0.055, 0.06), (25, 29), (0.6, 0.68), (0.74, 0.82),
                     (0.28, 0.36), (-0.06, 0.1), "wire wire cast", "pull flat", "moped", "short"),
    "adventure": _Family(0.04, (1.5, 1.6), (0.33, 0.355, 0.31, 0.335), (0.11, 0.15), (26, 29), (0.74, 0.84),
                         (0.84, 0.92), (0.46, 0.54), (-0.16, -0.04), "wire cast", "cross", "boxer twin", "high up"),
}  # fmt: skip
CATEGORY = Category(
    name="motorcycle",
    synset="03790512",
    part_names=("background", "gas tank", "seat", "wheel", "handle", "light", "body"),
    keypoint_names=_KEYPOINTS,
    mirror=(1, 0, 3, 2, 4, 5, 7, 6, 8, 9, 10, 11, 12, 14, 13, 16, 15, 18, 17, 19),
    families=tuple(_FAMILIES),
    shares=tuple(family.share for family in _FAMILIES.values()),
)


@dataclass(frozen=True)
class _Plan:
    """A motorcycle's measures in metres and finishes."""

    family: str
    front: Float[np.ndarray, " 3"]
    """The front axle's middle."""
    rear: Float[np.ndarray, " 3"]
    tyres: tuple[float, float]
    """Half widths."""
    rake: float
    fork: float
    seat: float
    tank: float
    tail: float
    """x of the seat's end."""
    clearance: float
    wheels: str
    bars: str
    engine: str
    exhaust: str
    paint: Finish
    second: Finish
    frame: Finish
    block: Finish
    shiny: Finish
    rim: Finish
    leather: Finish
    black: Finish

    @property
    def legs(self) -> float:
        """How far the fork's legs are from the middle."""
        return self.tyres[0] + 0.04

    @property
    def neck(self) -> Float[np.ndarray, " 3"]:
        """Where the frame holds the fork."""
        return self.on_fork(self.fork - 0.1, -0.05)

    @property
    def pivot(self) -> Float[np.ndarray, " 3"]:
        """Where the frame holds the swing arm."""
        reach = 0.5 if self.front[0] < 0.72 else 0.56
        return np.array([self.rear[0] + reach, 0.0, self.rear[2] + 0.06 + 0.15 * (self.seat - 0.7)])

    @property
    def saddle(self) -> float:
        """x where the tank ends and the seat begins."""
        return float(self.neck[0]) - self.tank

    def on_fork(self, along: Scalar, ahead: Scalar = 0.0, left: Scalar = 0.0) -> Float[np.ndarray, " 3"]:
        """A point so far along the fork from the axle, before it and beside it."""
        c, s = np.cos(self.rake), np.sin(self.rake)
        return self.front + np.array([ahead * c - along * s, left, along * c + ahead * s])


def _plan(rng: np.random.Generator, family: str) -> _Plan:
    f = _FAMILIES[family]
    half = rng.uniform(*f.wheelbase) / 2
    radius = rng.uniform(*f.radii[:2]), rng.uniform(*f.radii[2:])
    if f.radii[0] == f.radii[2] and f.radii[1] == f.radii[3] and rng.random() < 0.6:
        radius = radius[0], radius[0]
    fat = rng.uniform(0.85, 1.2)
    dark = materials.plain([rng.uniform(0.03, 0.08)] * 3, 0.25, 25)
    silver = materials.plain(rng.uniform(0.5, 0.68) * np.array([1, 1, 1.02]), 0.5, 25)
    shiny = materials.plain((0.76, 0.77, 0.8), 0.95, 110)
    paint, second = _livery(rng)
    bright = family in ("cruiser", "chopper", "touring", "cafe", "moped")
    roll = rng.random()
    if family in ("chopper", "enduro") and roll < 0.5:
        frame = materials.plain(second.material.color, 0.5, 50)
    else:
        frame = dark if roll < 0.7 else silver if roll < 0.85 else materials.plain(materials.any_color(rng), 0.5, 50)
    gold = materials.plain((0.7, 0.52, 0.2), 0.6, 50)
    rims = (shiny, shiny, dark) if bright else (dark, dark, silver, gold, materials.plain(second.material.color, 0.5))
    return _Plan(
        family=family,
        front=np.array([half, 0.0, radius[0]]),
        rear=np.array([-half, 0.0, radius[1]]),
        tyres=(fat * f.tyres[0] / 2, fat * f.tyres[1] / 2),
        rake=np.radians(rng.uniform(*f.rake)),
        fork=rng.uniform(*f.fork),
        seat=rng.uniform(*f.seat),
        tank=rng.uniform(*f.tank),
        tail=-half + rng.uniform(*f.tail),
        clearance=rng.uniform(0.11, 0.17) + (0.1 if family in ("enduro", "adventure") else 0.0),
        wheels=str(rng.choice(f.wheels.split())),
        bars=str(rng.choice(f.bars.split())),
        engine=str(rng.choice(f.engines.split())),
        exhaust=str(rng.choice(f.exhausts.split())),
        paint=paint,
        second=second,
        frame=frame,
        block=silver if rng.random() < 0.55 else dark,
        shiny=shiny if bright or rng.random() < 0.4 else silver if rng.random() < 0.6 else dark,
        rim=rims[rng.integers(len(rims))],
        leather=replace(materials.leather(rng), tile=0.3) if rng.random() < 0.5 else dark,
        black=dark,
    )


_LIVERY = 160
"""Pixels of a livery: it lies on the painted parts as seen from the side, 2.4 m wide."""


def _livery(rng: np.random.Generator) -> tuple[Finish, Finish]:
    """Paint with stripes, two tones, slashes, waves, flames or nothing, and plain paint of its second colour."""
    base, other = materials.car_paint(rng).material, materials.any_color(rng)
    if rng.random() < 0.5:
        base = Material(materials.any_color(rng), base.specular, base.shininess)
    third = np.full(3, 0.93) if rng.random() < 0.5 else np.full(3, 0.05)
    v, u = np.meshgrid(np.arange(_LIVERY) / _LIVERY * 2.4, np.arange(_LIVERY) / _LIVERY * 2.4, indexing="ij")
    kind = rng.choice(["plain", "stripes", "tones", "slashes", "wave", "flames"], p=[0.3, 0.15, 0.15, 0.15, 0.15, 0.1])
    at, slope = rng.uniform(0.55, 0.85), rng.uniform(-0.25, 0.25)
    height = v - at - slope * (u - 1.2)
    on = edge = np.zeros_like(u, dtype=bool)
    if kind == "stripes":
        width, gap = rng.uniform(0.02, 0.06), rng.uniform(0.1, 0.3)
        on = np.mod(height, gap) < width
        edge = np.mod(height - width - 0.02, gap) < 0.016
    elif kind == "tones":
        on, edge = height < 0, np.abs(height) < 0.012
    elif kind == "slashes":
        across = np.mod(u + rng.uniform(-1.2, 1.2) * v, rng.uniform(0.3, 0.6))
        width = rng.uniform(0.05, 0.2)
        on, edge = across < width, (across > width + 0.02) & (across < width + 0.05)
    elif kind == "wave":
        height = height + rng.uniform(0.04, 0.1) * np.sin(u * rng.uniform(4, 9) + rng.uniform(0, 6))
        on, edge = np.abs(height) < rng.uniform(0.04, 0.12), np.abs(height) > 0.25
    elif kind == "flames":
        lick = 0.14 * np.abs(np.sin(24 * v + 2 * np.sin(9 * u))) + 0.1 * np.abs(np.sin(11 * v))
        front = u - rng.uniform(1.15, 1.35)
        on, edge = front > -lick, (front > -lick - 0.025) & (front < -lick)
    image = np.where(on[..., None], other, np.where(edge[..., None], third, base.color))
    picture = (255 * image).round().astype(np.uint8)
    paint = Finish(Material(np.ones(3), base.specular, base.shininess, picture), 2.4)
    return paint, materials.plain(other if kind != "plain" else base.color, base.specular, base.shininess)


# ----------------------------------------------------------------------------------------------------------- shapes


def _v(x: Scalar, y: Scalar, z: Scalar) -> Float[np.ndarray, " 3"]:
    return np.array([x, y, z], dtype=np.float64)


def _from_side(surface: Surface) -> Surface:
    """The surface with texture coordinates as seen from the side, for a livery."""
    return replace(surface, uv=surface.vertices[surface.faces][..., [0, 2]] + np.array([1.2, 0.0]))


def _hull(
    rows: Numbers, n: int = 12, m: int = 16, power: Scalar = 2.5, flat: Scalar = 0.0, plumb: bool = False
) -> Surface:
    """A smooth solid with round ends about the plane y = 0, through sections (x, z, half width, half height).

    Args:
        n: number of sections, 0 for the given ones only.
        flat: how much of the lower half is cut away.
        plumb: whether the sections stand upright (then x must grow) rather than across the line of their centres.
    """
    p = curve(rows, n) if n else np.asarray(rows, dtype=np.float64)
    ends = []
    for end, inner in ((0, 1), (-1, -2)):
        out = p[end, :2] - p[inner, :2]
        out = out / np.linalg.norm(out) * 0.5 * min(p[end, 2:].min(), 0.1)
        steps = [(0.6, 0.85), (0.95, 0.55), (1.05, 0.2)]
        ends.append(np.array([[*(p[end, :2] + k * out), *(s * p[end, 2:])] for k, s in steps]))
    p = np.concatenate([ends[0][::-1], p, ends[1]])
    ring = circle(m, power=power)
    ring[:, 1] *= np.where(ring[:, 1] < 0, 1 - flat, 1)
    path = np.stack([p[:, 0], 0 * p[:, 0], p[:, 1]], -1)
    if plumb:
        across = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        return loft(path[:, None] + (p[:, None, 2:] * ring) @ across)
    upright = abs(path[1, 0] - path[0, 0]) < abs(path[1, 2] - path[0, 2])
    return sweep(path, ring, p[:, 2:], up=(1, 0, 0) if upright else (0, 0, 1))


_ROUND = 32
"""Corners of a wheel."""


def _ring(profile: Float[np.ndarray, "m 2"], count: int) -> Surface:
    """A closed ring about the y axis; the profile is (radius, y), counter-clockwise."""
    angle = np.linspace(0, 2 * np.pi, count + 1)[:, None]
    r, y = profile[None, :, 0], profile[None, :, 1]
    surface = grid(np.stack([r * np.cos(angle), y + 0 * angle, r * np.sin(angle)], -1), closed=True)
    used = count * len(profile)
    return Surface(surface.vertices[:used], surface.faces % used, surface.uv)


def _spun(surface: Surface, turns: np.ndarray) -> Surface:
    """Copies of a surface, turned about the y axis by so many degrees."""
    return join(*[surface.turn(rotation("y", float(turn))) for turn in turns])


def _shell(path: Numbers, width: Numbers, depth: Numbers, thick: Scalar, up: Numbers, m: int = 7) -> Surface:
    """A bent plate along a path, its middle bulging by ``depth`` towards ``up``: a mudguard or a windscreen.

    Args:
        width, depth: half the width and the bulge, one number or one for each point.
    """
    path = np.asarray(path, dtype=np.float64)
    t = np.linspace(0, np.pi, m)
    outer = np.stack([np.cos(t), np.sin(t) - 1], -1)
    ones = np.ones((len(path), 1))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.array([0.0, 1.0, 0.0]) * np.sign(np.cross(np.asarray(up, dtype=np.float64), tangent[0])[1])
    above = np.cross(tangent, side)
    wide, deep = (np.asarray(x, dtype=np.float64).reshape(-1, 1) * ones for x in (width, depth))
    skin = path[:, None] + (wide * outer[:, 0])[..., None] * side + (deep * outer[:, 1])[..., None] * above[:, None]
    bare = path[:, None] + ((wide - thick) * outer[:, 0])[..., None] * side
    bare = bare + (np.maximum(deep - thick, 0.0) * outer[:, 1] - thick)[..., None] * above[:, None]
    wall = grid(np.concatenate([skin, bare[:, ::-1]], axis=1), closed=True)
    start, end = (grid(np.stack(pair)) for pair in ((bare[0], skin[0]), (skin[-1], bare[-1])))
    return join(wall, start, end)


def _arc(centre: np.ndarray, radius: Scalar, start: Scalar, end: Scalar, n: int = 11) -> Float[np.ndarray, "n 3"]:
    """An arc about an axle, by degrees counted from the front over the top."""
    t = np.radians(np.linspace(start, end, n))
    return centre + radius * np.stack([np.cos(t), 0 * t, np.sin(t)], -1)


def _fins(start: Numbers, end: Numbers, profile: Float[np.ndarray, "m 2"], count: int, deep: Scalar = 0.8) -> Surface:
    """A cooled cylinder: a bar with ribs."""
    t = np.linspace(0, 1, 2 * count)[:, None]
    scale = np.where(np.arange(2 * count) % 2 == 0, 1.0, deep)
    return sweep(np.asarray(start) * (1 - t) + np.asarray(end) * t, profile, scale, up=(1, 0, 0))


def _ball(centre: Numbers, size: Numbers, count: int = 10) -> Surface:
    """An ellipsoid with half axes ``size``."""
    t = np.linspace(-np.pi / 2 + 0.15, np.pi / 2 - 0.15, 5)
    surface = revolve(np.stack([np.cos(t), np.sin(t)], -1), count)
    return surface.warp(lambda p: p * np.asarray(size) + np.asarray(centre))


# ------------------------------------------------------------------------------------------------- wheels, steering


def _wheel(a: Assembly, rng: np.random.Generator, plan: _Plan, front: bool, spokes: int, white: bool) -> None:
    axle, w = (plan.front, plan.tyres[0]) if front else (plan.rear, plan.tyres[1])
    r = float(axle[2])
    high = min({"enduro": 1.9, "moped": 1.9, "scooter": 1.6}.get(plan.family, 1.35) * w, 0.36 * r)
    rim = r - high
    knobby = plan.family in ("enduro", "adventure")
    section = circle(10, (high / 2, w), 2.6 if knobby else 2.2)
    tyre = _ring(section + np.array([r - high / 2, 0.0]), _ROUND)
    v, u = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    tread = np.where((u + np.abs(v - 16)) % 16 < (8 if knobby else 3), 90, 255).astype(np.uint8)
    rubber = Material(np.full(3, 0.075), 0.12, 8.0, np.repeat(tread[..., None], 3, 2))
    column = np.tile(np.repeat(np.arange(10), 2), _ROUND)
    out = np.minimum(column, 9 - column)
    bands = (Finish(rubber, 0.09), materials.plain([0.06] * 3, 0.1, 8), materials.plain([0.85] * 3, 0.1, 8))
    pieces: list[tuple[Surface, Finish]] = []
    a.add(tyre.move(axle), WHEEL, bands, np.where(out < 2, 0, 2 if white else 1))
    bed = circle(6, (0.02, 0.8 * w), 4.0)
    pieces.append((_ring(bed + np.array([rim + 0.004, 0.0]), _ROUND), plan.rim))
    lay, stub = rotation("x", -90), plan.legs + 0.028 if front else max(plan.tyres[1] + 0.05, 0.1) + 0.03
    pieces.append((revolve([(0.014, -stub), (0.014, stub)], 8).turn(lay), plan.shiny))
    if plan.wheels == "wire":
        hub = revolve([(0.05, -0.7 * w), (0.035, -0.5 * w), (0.035, 0.5 * w), (0.05, 0.7 * w)], 12).turn(lay)
        pieces.append((hub, plan.shiny))
        for k in range(4):
            lean, side = np.radians(35 if k < 2 else -35), 0.6 * w * (1 if k % 2 else -1)
            rod = tube([(0.045 * np.cos(lean), side, 0.045 * np.sin(lean)), (rim, 0.1 * side, 0)], 0.004, 3)
            pieces.append((_spun(rod, np.arange(k, spokes, 4) * 360 / spokes), plan.shiny))
    elif plan.wheels == "cast":
        pieces.append((revolve([(0.06, -0.8 * w), (0.06, 0.8 * w)], 12).turn(lay), plan.rim))
        count, twin, skew = 3 + spokes % 4, spokes % 3 == 0, rng.uniform(-14, 14)
        thick = rng.uniform(0.14, 0.26) * rim / (2 if twin else 1) * (1.3 if count == 3 else 1)
        arm = box((rim - 0.04, w, thick)).warp(
            lambda p: np.stack([p[:, 0], p[:, 1], p[:, 2] * (1 - 0.8 * p[:, 0] / rim)], -1)
        )
        arm = arm.move([rim / 2 + 0.02, 0, 0])
        for offset in (-18, 18) if twin else (0,):
            tilt = arm.move([-0.03, 0, 0]).turn(rotation("y", skew + np.sign(offset) * 6)).move([0.03, 0, 0])
            pieces.append((_spun(tilt, offset + np.arange(count) * 360 / count), plan.rim))
    else:
        dish = [(rim, -0.5 * w), (0.4 * rim, -0.75 * w), (0.06, -0.8 * w), (0.05, -1.0 * w)]
        pieces.append((revolve([*dish, *[(q, -y) for q, y in dish[::-1]]], 24).turn(lay), plan.rim))
    if plan.family not in ("scooter", "moped"):
        disc, y = (min(0.62 * rim, 0.165), plan.legs - 0.024) if front else (0.45 * rim, plan.tyres[1] + 0.02)
        ring = _ring(circle(4, (0.2 * disc, 0.004)) + np.array([0.8 * disc, y]), 20)
        steel = materials.plain((0.55, 0.55, 0.57), 0.7, 40)
        pieces += [(ring, steel), (ring.mirror(), steel)] if front else [(ring.mirror(), steel)]
    for surface, finish in pieces:
        a.add(surface.move(axle), WHEEL, finish)
    a.keypoint_both(*((0, 1) if front else (2, 3)), axle + _v(0, stub + 0.02, 0), WHEEL)
    a.keypoint(4 if front else 5, axle + _v(r if front else -r, 0, 0), WHEEL, seen_from=(1 if front else -1, 0, 0))


def _fork(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    y, top = plan.legs, plan.fork + 0.02
    kind = {"sport": "inverted", "enduro": "inverted", "scooter": "plain", "moped": "plain"}.get(plan.family, "usual")
    if plan.family in ("naked", "adventure", "cafe") and rng.random() < 0.4:
        kind = "inverted"
    thick = {"moped": 0.75, "scooter": 0.9, "cruiser": 1.2, "touring": 1.3}.get(plan.family, 1.0)
    gold = materials.plain((0.68, 0.5, 0.18), 0.6, 50) if rng.random() < 0.5 else plan.black
    lower, upper = (0.019, 0.028) if kind == "inverted" else (0.027, 0.019) if kind == "usual" else (0.022, 0.022)
    split = 0.38 * plan.fork if kind == "inverted" else 0.55 * min(plan.fork, 0.8)
    first, second = (plan.shiny, gold) if kind == "inverted" else (plan.block, plan.shiny)
    if kind == "plain":
        first = second = plan.paint if plan.family == "moped" else plan.black
    leg = [plan.on_fork(s, 0, y) for s in (-0.02, split)], [plan.on_fork(s, 0, y) for s in (split - 0.01, top)]
    a.add_both(tube(leg[0], lower * thick, 10), BODY, first)
    a.add_both(tube(leg[1], upper * thick, 10), BODY, second)
    if kind == "usual" and plan.family in ("cafe", "enduro", "naked") and rng.random() < 0.4:
        a.add_both(
            _fins(plan.on_fork(split, 0, y), plan.on_fork(0.8 * top, 0, y), circle(10, 0.034), 8), BODY, plan.black
        )
    turn = rotation("y", -np.degrees(plan.rake))
    for along, high in ((plan.fork - 0.01, 0.03), (plan.fork - 0.2, 0.045)):
        clamp = box((0.085, 2 * y + 0.07, high)).turn(turn)
        a.add(clamp.move(plan.on_fork(along, -0.02)), BODY, plan.block if plan.family != "scooter" else plan.black)
    a.add(tube([plan.on_fork(plan.fork - 0.22, -0.05), plan.on_fork(plan.fork, -0.05)], 0.033), BODY, plan.frame)
    if kind in ("usual", "inverted"):
        caliper = box((0.05, 0.035, 0.09)).turn(turn)
        a.add_both(caliper.move(plan.on_fork(0.11, -0.06, y - 0.02)), BODY, plan.black)


_BARS: dict[str, list[tuple[float, float, float]]] = {
    "flat": [(0, 0, 0), (0, 0.1, 0.01), (-0.03, 0.2, 0.06), (-0.1, 0.37, 0.06)],
    "cross": [(0, 0, 0), (0, 0.1, 0.01), (0.0, 0.16, 0.08), (-0.07, 0.4, 0.11)],
    "pull": [(0, 0, 0), (0, 0.08, 0.02), (0.01, 0.14, 0.13), (-0.08, 0.3, 0.17), (-0.27, 0.4, 0.12)],
    "ape": [(0, 0, 0), (0, 0.1, 0.02), (0.03, 0.16, 0.12), (0.02, 0.3, 0.36), (-0.07, 0.36, 0.4), (-0.24, 0.39, 0.36)],
    "drag": [(0, 0, 0.06), (0, 0.1, 0.06), (-0.02, 0.2, 0.065), (-0.1, 0.39, 0.07)],
    "ace": [(0, 0, 0), (0, 0.09, 0), (0.09, 0.15, -0.02), (0.06, 0.24, -0.11), (-0.08, 0.34, -0.12)],
    "clip": [(0.0, 0.06, -0.03), (-0.01, 0.12, -0.03), (-0.12, 0.32, -0.08)],
    "scooter": [(0, 0, 0.03), (0, 0.1, 0.05), (-0.03, 0.2, 0.06), (-0.11, 0.34, 0.04)],
}
"""The left half of each handlebar, from the upper clamp: ahead, to the left, up."""


def _bars(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Handlebar with grips, levers, instruments and mirrors."""
    path = np.array(_BARS[plan.bars]) * [1, rng.uniform(0.86, 1.06), rng.uniform(0.8, 1.2)]
    if plan.family == "moped":
        path = path * [0.8, 0.78, 1.0]
    path = plan.on_fork(plan.fork + 0.03, -0.02) + path
    bend = fillet(path, 0.07, 3)
    finish = plan.shiny if plan.bars not in ("clip", "scooter") else plan.black
    if bend[0, 1] == 0:
        a.add(tube(np.concatenate([bend[:0:-1] * [1, -1, 1], bend]), 0.013), HANDLE, finish)
    else:
        a.add_both(tube(bend, 0.014), HANDLE, finish)
    way = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
    end = path[-1] + 0.012 * way
    grip = tube([end - 0.15 * way, end - 0.14 * way, end - 0.014 * way, end], [0.022, 0.017, 0.018, 0.022])
    a.add_both(grip, HANDLE, materials.plain([0.04] * 3, 0.1, 8))
    ahead = np.array([0.045, 0.0, -0.01])
    lever = [end - 0.17 * way, end - 0.15 * way + ahead, end - 0.03 * way + 1.1 * ahead]
    a.add_both(tube(lever, 0.007, 6), HANDLE, plan.shiny)
    a.add_both(box((0.05, 0.035, 0.04)).move(end - 0.17 * way), HANDLE, plan.black)
    a.keypoint_both(6, 7, end + 0.05 * way, HANDLE)
    if plan.bars == "cross":
        brace = path[2]
        a.add(tube([brace, brace * [1, -1, 1]], 0.011), HANDLE, plan.black)
        if rng.random() < 0.6:
            guard = curve(
                [end + _v(0.05, 0.01, 0), end - 0.1 * way + _v(0.085, 0, 0), end - 0.22 * way + _v(0.04, 0, 0)], 6
            )
            shield = sweep(guard, rounded_rectangle(0.012, 0.1, 0.005, 1), 1.0)
            a.add_both(shield, HANDLE, plan.second)
    dial = revolve([(0.035, -0.05), (0.042, -0.01), (0.042, 0.0), (0.034, 0.004)], 12).turn(rotation("y", -35))
    if plan.family not in ("scooter", "chopper", "sport"):
        for y in (0.05, -0.05) if rng.random() < 0.5 and plan.family != "moped" else (0.0,):
            a.add(dial.move(plan.on_fork(plan.fork + 0.06, 0.04, y)), HANDLE, plan.black)
    if rng.random() < {"enduro": 0.3, "chopper": 0.5, "cafe": 0.4, "moped": 0.5}.get(plan.family, 1.0):
        foot = end - 0.2 * way
        out = np.array([-0.03, 0.03, rng.uniform(0.13, 0.2)])
        if plan.family == "sport":
            foot, out = plan.on_fork(plan.fork - 0.06, 0.2, 0.12), np.array([-0.04, 0.16, 0.1])
        elif plan.bars == "ace":
            foot = path[2]
        a.add_both(
            tube(fillet([foot, foot + _v(0, 0, 0.6 * out[2]), foot + out], 0.05, 2), 0.006, 5), HANDLE, plan.black
        )
        if rng.random() < 0.5 and plan.family != "sport":
            head = _ball((0, 0, 0), (0.016, 0.055, 0.055), 12)
        else:
            head = box((0.03, 0.15, 0.085), 0.014)
        centre = foot + out + _v(0, 0.02, 0.02)
        a.add_both(head.move(centre), HANDLE, plan.shiny if rng.random() < 0.5 else plan.black)
        a.add_both(box((0.004, 0.075, 0.05)).move(centre - _v(0.016, 0, 0)), HANDLE, plan.shiny)
        a.keypoint_both(17, 18, centre - _v(0.05, 0, 0), HANDLE, seen_from=(-1, 0, 0))


# ------------------------------------------------------------------------------------------------ frame and engine


def _frame(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Frame, swing arm, shock absorbers, foot rests and stand."""
    neck, pivot, rear, r = plan.neck, plan.pivot, plan.rear, 0.017
    x, rail = plan.saddle, plan.seat - 0.1
    end = np.array([max(plan.tail + 0.08, rear[0] - 0.1), 0.09, rail + 0.02])
    y = max(plan.tyres[1] + 0.028, 0.085)
    slim = {"moped": 0.7, "enduro": 0.9}.get(plan.family, 1.0)
    swing = [pivot + _v(0.02, 0.75 * y, 0), rear + _v(0.18, y, 0.01), rear + _v(-0.03, y, 0)]
    a.add_both(sweep(swing, rounded_rectangle(0.03 * slim, 0.06 * slim, 0.01, 1)), BODY, plan.frame)
    if plan.family == "moped":
        sag = np.array([0.5 * (neck[0] + pivot[0]), 0.0, 0.42 * neck[2] + 0.3 * plan.seat])
        spine = curve([neck, sag, pivot + _v(0.02, 0, 0.02), pivot + _v(-0.04, 0, 0.1)], 9)
        a.add(_from_side(tube(spine, np.linspace(0.045, 0.06, 9), 12)), BODY, plan.paint)
        a.add(tube([pivot, (x - 0.16, 0, plan.seat - 0.04)], 0.022), BODY, plan.shiny)
    elif plan.family == "sport" or (plan.family == "naked" and plan.engine == "four"):
        beam = np.array([neck + _v(0, 0.05, 0), neck + _v(-0.14, 0.15, -0.06), pivot + _v(0.06, 0.14, 0.06), pivot])
        beam[-1] += [0.02, 0.11, -0.05]
        a.add_both(sweep(fillet(beam, 0.12), rounded_rectangle(0.03, 0.09, 0.01, 1)), BODY, plan.block)
    else:
        low = plan.clearance + 0.02
        nose = min(float(plan.front[0] - plan.front[2]) - 0.07, float(neck[0]) + 0.02)
        cradle = [neck + _v(0, 0.03, -0.06), (nose, 0.1, low + 0.22), (nose - 0.08, 0.12, low), (pivot[0], 0.12, low)]
        a.add_both(
            tube(fillet([*cradle, pivot + _v(0, 0.1, 0), (x - 0.05, 0.1, rail)], 0.09, 3), r, 7), BODY, plan.frame
        )
        a.add(tube([neck, (x - 0.02, 0, rail + 0.02)], 0.028), BODY, plan.frame)
    if plan.family not in ("moped", "scooter"):
        a.add_both(tube([(x + 0.05, 0.08, rail), end], r), BODY, plan.frame)
        a.add_both(tube([pivot + _v(-0.02, 0.1, 0.02), 0.4 * pivot + 0.6 * end], r * 0.9), BODY, plan.frame)
        mid = 0.5 * (x + pivot[0])
        pod = [(mid - 0.26, rail - 0.03, 0.08, 0.06), (mid - 0.12, rail - 0.1, 0.115, 0.12)]
        pod = [*pod, (mid + 0.03, rail - 0.1, 0.11, 0.12)]
        finish = plan.paint if rng.random() < 0.6 else plan.black
        a.add(_from_side(_hull(pod, 6, 12, 3.5)), BODY, finish)
    if plan.family not in ("sport", "enduro", "scooter", "adventure") and rng.random() < 0.9:
        foot = rear + np.array([rng.uniform(0.0, 0.07), y + 0.025, 0.02])
        top = np.array([foot[0] + rng.uniform(0.06, 0.14), y + 0.025, rail])
        a.add_both(tube([foot, top], 0.013 * slim), BODY, plan.shiny)
        spring = plan.shiny if rng.random() < 0.6 else plan.black
        a.add_both(_fins(0.8 * foot + 0.2 * top, 0.1 * foot + 0.9 * top, circle(7, 0.032 * slim), 5), BODY, spring)
    if plan.family == "scooter":
        return
    feet = np.array([pivot[0] + 0.06, 0.15, max(float(pivot[2]) - 0.06, plan.clearance + 0.1)])
    if plan.family in ("cruiser", "chopper", "touring"):
        feet = np.array([min(plan.front[0] - plan.front[2] - 0.16, pivot[0] + 0.62), 0.17, plan.clearance + 0.14])
    board = plan.family == "touring" or (plan.family == "cruiser" and rng.random() < 0.4)
    peg = box((0.28, 0.1, 0.02), 0.008).move([0, 0.07, 0]) if board else tube([(0, 0, 0), (0, 0.13, 0.01)], 0.014)
    a.add_both(peg.move(feet), BODY, plan.black)
    a.add_both(tube([feet, (feet[0] - 0.08, 0.08, feet[2] + 0.02)], 0.012), BODY, plan.frame)
    a.keypoint_both(15, 16, feet + _v(0, 0.16, 0.01), BODY, seen_from=None if not board else (0, 1, 0))
    stand = [(pivot[0] + 0.08, 0.12, plan.clearance + 0.03), (pivot[0] - 0.12, 0.16, plan.clearance + 0.0)]
    a.add(tube(stand, 0.011, 6), BODY, plan.black)
    chain = [rear + _v(0, y - 0.02, 0.06), pivot + _v(0.02, 0.065, 0.03), pivot + _v(0.02, 0.065, -0.03)]
    chain = [*chain, rear + _v(0, y - 0.02, -0.06)]
    a.add(sweep(chain[:2], rounded_rectangle(0.015, 0.02, 0.004, 1)), BODY, plan.black)
    a.add(sweep(chain[2:], rounded_rectangle(0.015, 0.02, 0.004, 1)), BODY, plan.black)


def _engine(a: Assembly, rng: np.random.Generator, plan: _Plan) -> list[np.ndarray]:
    """Crankcase and cylinders; returns where the exhaust pipes begin, left ones and right ones alike."""
    x0 = float(plan.pivot[0]) + 0.03
    x1 = max(min(float(plan.front[0] - plan.front[2]) - 0.1, float(plan.neck[0])), x0 + 0.3)
    low, x = plan.clearance + 0.02, 0.5 * (x0 + x1)
    roof = min(plan.seat - 0.08 + max(x - plan.saddle, 0) * 0.3, float(plan.neck[2]) - 0.1)
    case = min(0.26, 0.45 * (roof - low))
    z = low + 0.5 * case
    small = plan.engine in ("moped", "single")
    wide = {"moped": 0.07, "single": 0.11, "twin": 0.15, "boxer": 0.13, "vtwin": 0.13}.get(plan.engine, 0.19)
    reach = min(x1 - x0, 0.36 if small else 0.52) / 2
    if plan.engine == "moped":
        reach, z, case = 0.11, max(z, 0.3), 0.15
        x = float(plan.pivot[0]) + 0.1
        a.add(
            _fins((x + 0.06, 0, z), (x + 0.24, 0, z + 0.04), rounded_rectangle(0.12, 0.11, 0.02, 1), 6),
            BODY,
            plan.block,
        )
    body = [
        (x - reach, z, wide * 0.8, 0.36 * case),
        (x, z, wide, 0.5 * case),
        (x + reach, z - 0.01, wide * 0.8, 0.36 * case),
    ]
    a.add(_hull(body, 7, 14, 3.5), BODY, plan.block)
    cover = revolve([(0.095, -0.01), (0.095, 0.014), (0.08, 0.028), (0.02, 0.032)], 12).turn(rotation("x", -90))
    for at, size in ((x - 0.35 * reach, 4.2 * case), (x + 0.6 * reach, 2.7 * case)):
        plug = replace(cover, vertices=cover.vertices * [min(size, 1.2), 1, min(size, 1.2)])
        a.add_both(plug.move([at, 0.92 * wide, z]), BODY, plan.shiny)
    tall = roof - z - 0.25 * case
    head = plan.shiny if rng.random() < 0.6 else plan.block
    if plan.engine == "vtwin":
        spread = rng.uniform(22, 30)
        for lean in (-spread, spread):
            way = np.array([np.sin(np.radians(lean)), 0, np.cos(np.radians(lean))])
            foot = np.array([x, 0, z + 0.2 * case])
            a.add(_fins(foot + 0.06 * way, foot + 0.78 * tall * way, circle(12, 0.085), 6), BODY, plan.block)
            top = box((0.15, 0.17, 0.24 * tall), 0.03).turn(rotation("y", lean))
            a.add(top.move(foot + 0.88 * tall * way), BODY, head)
        cleaner = revolve([(0.085, 0), (0.09, 0.02), (0.07, 0.05), (0.03, 0.055)], 16).turn(rotation("x", 90))
        a.add(cleaner.move([x, -0.1, z + 0.62 * tall]), BODY, plan.shiny)
        return [
            np.array([x + s * 0.75 * tall * np.sin(np.radians(spread)) + 0.05, 0.08, z + 0.72 * tall]) for s in (1, -1)
        ]
    if plan.engine == "boxer":
        for end in (0.16, 0.27):
            pod = _fins(
                (x + 0.04, 0.09, z + 0.03), (x + 0.04, end, z + 0.03), rounded_rectangle(0.15, 0.15, 0.05, 2), 6
            )
        a.add_both(pod, BODY, plan.block)
        a.add_both(_ball((x + 0.04, 0.28, z + 0.03), (0.085, 0.055, 0.075), 12), BODY, head)
        a.add(box((0.28, 0.18, 0.7 * tall), 0.04).move([x, 0, z + 0.55 * tall]), BODY, plan.block)
        return [np.array([x + 0.12, 0.2, z])]
    if plan.engine == "moped":
        return [np.array([x + 0.2, 0.0, z - 0.03])]
    lean = rng.uniform(0, 20)
    size = {"single": (0.17, 0.17), "twin": (0.27, 0.18)}.get(plan.engine, (0.4, 0.18))
    way = np.array([np.sin(np.radians(lean)), 0, np.cos(np.radians(lean))])
    foot = np.array([x + 0.06, 0, z + 0.2 * case])
    block = rounded_rectangle(*size, 0.04, 2)
    a.add(_fins(foot, foot + 0.68 * tall * way, block, 7, 0.88), BODY, plan.block)
    cap = box((0.17, size[0] + 0.02, 0.26 * tall), 0.03).turn(rotation("y", lean))
    a.add(cap.move(foot + 0.8 * tall * way), BODY, head)
    start = foot + 0.72 * tall * way + _v(0.07, 0, 0)
    return [start + _v(0, y, 0) for y in {"single": (0.03,), "twin": (0.07,)}.get(plan.engine, (0.05, 0.14))]


def _exhaust(a: Assembly, rng: np.random.Generator, plan: _Plan, starts: list[np.ndarray]) -> None:
    """Pipes from the cylinders along the underside to one silencer on the right, or on both sides."""
    kind, rear = plan.exhaust, plan.rear
    y, low = max(plan.tyres[1] + 0.1, 0.165), plan.clearance + 0.035
    r, back = rng.uniform(0.04, 0.055), float(rear[0])
    silencer = {
        "low": [(plan.pivot[0] + 0.06, low + 0.03), (back + rng.uniform(-0.25, 0.1), rear[2] * rng.uniform(0.75, 1.0))],
        "up": [(plan.pivot[0] - 0.06, low + 0.12), (back + rng.uniform(-0.1, 0.1), rng.uniform(0.5, 0.72))],
        "high": [(plan.saddle - 0.16, plan.seat - 0.25), (plan.tail + rng.uniform(-0.03, 0.1), plan.seat - 0.12)],
        "short": [(back + 0.3, low + 0.06), (back - rng.uniform(0.05, 0.2), rear[2] * rng.uniform(0.85, 1.2))],
    }.get(kind, [(plan.pivot[0] + 0.16, low + 0.03), (back - rng.uniform(0.1, 0.3), low + rng.uniform(0.05, 0.12))])
    (x0, z0), (x1, z1) = silencer
    steel = plan.shiny if rng.random() < 0.7 else plan.black
    stack = [0.0, 0.1] if kind == "stacked" else [0.0]
    pipes = starts if plan.family != "scooter" else []
    for k, start in enumerate(pipes):
        rise = stack[min(k, len(stack) - 1)]
        ahead = start + _v(0.1, 0.03, -0.04)
        if kind == "high":
            way = [start, ahead, (x0 + 0.3, y - 0.02, z0 + 0.0), (x0, y, z0)]
        elif kind == "stacked" and k:
            way = [start, start + _v(0.04, 0.08, -0.02), (start[0] + 0.05, y, z0 + rise), (x0, y, z0 + rise)]
        else:
            way = [start, ahead, (ahead[0] + 0.02, 0.6 * y, low + 0.05), (ahead[0] - 0.12, 0.8 * y, low), (x0, y, z0)]
        pipe = tube(fillet(way, 0.09, 3), 0.02 if len(starts) < 3 else 0.018, 7)
        sides = (True, True) if kind == "both" or plan.engine in ("four", "hidden", "boxer", "twin") else (False, True)
        for wanted, surface in zip(sides, (pipe, pipe.mirror()), strict=True):
            if wanted:
                a.add(surface, BODY, steel)
    slim = 0.75 if kind in ("stacked", "fishtail") else 1.0
    ends = {"fishtail": [0.6, 0.8, 0.9, 1.5], "low": [0.5, 1.0, 1.0, 0.85]}.get(kind, [0.55, 1.0, 1.0, 0.9])
    t = np.array([0.0, 0.15, 0.85, 1.0])[:, None]
    for rise in stack:
        a0, a1 = np.array([x0, y, z0 + rise]), np.array([x1, y + 0.01, z1 + rise])
        can = tube(a0 * (1 - t) + a1 * t, slim * r * np.array(ends), 12)
        way = (a1 - a0) / np.linalg.norm(a1 - a0)
        hole = tube([a1 - 0.02 * way, a1 + 0.003 * way], 0.7 * slim * r * ends[-1], 12)
        for left in (True, False):
            if left and kind != "both":
                continue
            a.add(can if left else can.mirror(), BODY, steel)
            a.add(hole if left else hole.mirror(), BODY, materials.plain([0.02] * 3, 0.0, 4))
    flip = np.array([1.0, -1.0, 1.0])
    a.keypoint(14, (a1 + 0.05 * way) * flip, BODY)
    if kind == "both":
        a.keypoint(13, a1 + 0.05 * way, BODY)


# ----------------------------------------------------------------------------------------- tank, seat, tail, lamps

_TANKS = {
    "sport": [(0.09, 0.1), (0.15, 0.13), (0.25, 0.19), (0.25, 0.19), (0.14, 0.13)],
    "naked": [(0.08, 0.09), (0.14, 0.12), (0.22, 0.17), (0.23, 0.17), (0.14, 0.11)],
    "cruiser": [(0.05, 0.05), (0.13, 0.11), (0.2, 0.155), (0.21, 0.16), (0.13, 0.1)],
    "chopper": [(0.03, 0.03), (0.09, 0.08), (0.15, 0.11), (0.16, 0.11), (0.09, 0.07)],
    "enduro": [(0.07, 0.06), (0.13, 0.1), (0.18, 0.14), (0.19, 0.14), (0.12, 0.09)],
    "cafe": [(0.1, 0.09), (0.17, 0.125), (0.21, 0.15), (0.21, 0.155), (0.15, 0.12)],
    "moped": [(0.07, 0.06), (0.12, 0.085), (0.13, 0.09), (0.12, 0.08), (0.08, 0.055)],
}
"""Height and half width of each kind of tank, from its back to its front."""


def _tank(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    kind = {"touring": "cruiser", "adventure": "enduro"}.get(plan.family, plan.family)
    form = np.array(_TANKS[kind]) * [rng.uniform(0.9, 1.2), rng.uniform(0.88, 1.15)]
    x = np.linspace(plan.saddle - 0.02, plan.neck[0] - 0.02, 5)
    drop = 0.2 if kind == "moped" else 0.06
    under = np.linspace(plan.seat - drop, plan.neck[2] - 0.06, 5)
    rows = np.column_stack([x, under + 0.45 * form[:, 0], form[:, 1], 0.5 * form[:, 0]])
    tank = _from_side(_hull(rows, 14, 18, rng.uniform(2.2, 3.0), 0.25))
    middle = tank.vertices[tank.faces].mean(axis=1)
    band = (np.abs(middle[:, 1]) < rng.uniform(0.03, 0.05)) & (middle[:, 2] > np.interp(middle[:, 0], x, rows[:, 1]))
    a.add(tank, TANK, (plan.paint, plan.second), (band & (rng.random() < 0.25)).astype(int))
    top = 0.4 * rows[2] + 0.6 * rows[3]
    cap = revolve([(0.034, -0.01), (0.034, 0.008), (0.025, 0.014)], 12)
    a.add(cap.move([top[0], 0, top[1] + top[3]]), TANK, plan.shiny)
    a.keypoint(12, (top[0], 0, top[1]), TANK, seen_from=(0, 0, 1))
    if plan.family in ("cruiser", "cafe", "naked", "touring") and rng.random() < 0.6:
        badge = revolve([(0.045, 0), (0.04, 0.006), (0.01, 0.008)], 12).warp(lambda p: p * [1.3, 0.6, 1])
        side = badge.turn(rotation("x", -90)).move([rows[2, 0] + 0.04, 0.985 * rows[2, 2], rows[2, 1]])
        a.add_both(side, TANK, plan.shiny)
    if plan.family in ("enduro", "adventure"):
        shroud = [(x[1], under[1] + 0.02, 0.05), (x[3], under[3] + 0.02, 0.1), (x[4] + 0.12, under[4] - 0.08, 0.07)]
        path = curve([(px, 0.145, pz) for px, pz, _ in shroud], 7)
        wing = sweep(
            path, rounded_rectangle(0.03, 2, 0.01, 1), [(1, np.interp(q, x[[1, 4]], [0.06, 0.1])) for q in path[:, 0]]
        )
        a.add_both(_from_side(wing), BODY, plan.second)


def _saddle(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Seat, and what carries its end: a tail cowl or a backrest."""
    x, h, tail = plan.saddle, plan.seat, plan.tail
    length, w = x - tail, rng.uniform(0.9, 1.12)
    kind = {"sport": "sport", "chopper": "solo", "cafe": "hump", "enduro": "long", "moped": "sprung"}.get(
        plan.family, "dual"
    )
    if plan.family in ("cruiser", "touring"):
        kind = "king" if plan.family == "touring" else str(rng.choice(["king", "solo"]))
    if kind == "naked" or (plan.family == "naked" and rng.random() < 0.5):
        kind = "sport"
    rise = rng.uniform(0.1, 0.2) if kind == "sport" else 0.05
    if kind == "sport":
        mid = x - 0.52 * length
        rows = [
            (mid - 0.02, h + 0.03, 0.12 * w, 0.045),
            (mid + 0.14, h - 0.035, 0.14 * w, 0.04),
            (x + 0.02, h - 0.02, 0.08 * w, 0.04),
        ]
        a.add(_hull(rows, 8, 14, 3.5), SEAT, plan.leather)
        pad = [(tail + 0.02, h + rise, 0.07 * w, 0.025), (mid - 0.06, h + 0.5 * rise, 0.11 * w, 0.035)]
        cowl = [(tail - 0.08, h + rise + 0.01, 0.035, 0.025), (tail + 0.1, h + rise - 0.06, 0.1 * w, 0.05)]
        cowl = [*cowl, (mid, h - 0.05, 0.13 * w, 0.06), (x - 0.1, h - 0.1, 0.1 * w, 0.04)]
        solo = plan.family == "sport" and rng.random() < 0.3
        a.add(_from_side(_hull(pad, 6, 14, 3.0)), BODY if solo else SEAT, plan.paint if solo else plan.leather)
        a.add(_from_side(_hull(cowl, 9, 14, 3.0)), BODY, plan.paint)
        back = mid - 0.06 if solo else tail + 0.02
    elif kind in ("solo", "king"):
        back = max(tail, x - 0.46)
        rows = [
            (back, h + 0.1, 0.13 * w, 0.03),
            (back + 0.08, h + 0.02, 0.18 * w, 0.05),
            (x - 0.16, h - 0.03, 0.15 * w, 0.045),
        ]
        a.add(_hull([*rows, (x + 0.02, h + 0.0, 0.06 * w, 0.035)], 10, 14, 3.0), SEAT, plan.leather)
        if kind == "king" or rng.random() < 0.4:
            pad = [(back - 0.28, h + 0.08, 0.1 * w, 0.03), (back + 0.02, h + 0.08, 0.12 * w, 0.035)]
            a.add(_hull(pad, 6, 14, 3.0), SEAT, plan.leather)
            back -= 0.28
            high, far = rng.uniform(0.25, 0.6 if plan.family == "chopper" else 0.36), back - 0.06
            bar = [
                (back + 0.12, 0.13, h - 0.08),
                (far, 0.12, h + 0.1),
                (far - 0.08, 0.1, h + high),
                (far - 0.09, 0, h + high + 0.02),
            ]
            a.add_both(tube(fillet(bar, 0.07), 0.01, 8), BODY, plan.shiny)
            a.add(
                box((0.05, 0.2, 0.5 * high), 0.024).turn(rotation("y", -10)).move([far - 0.02, 0, h + 0.65 * high]),
                SEAT,
                plan.leather,
            )
    elif kind == "hump":
        back = tail + 0.2
        rows = [
            (back, h, 0.12 * w, 0.04),
            (0.5 * (back + x), h - 0.03, 0.125 * w, 0.035),
            (x, h - 0.01, 0.1 * w, 0.035),
        ]
        a.add(_hull(rows, 9, 14, 3.5), SEAT, plan.leather)
        cowl = [
            (tail - 0.02, h + 0.01, 0.06, 0.03),
            (tail + 0.1, h + 0.035, 0.11 * w, 0.065),
            (back + 0.03, h + 0.015, 0.11 * w, 0.05),
        ]
        a.add(_from_side(_hull(cowl, 8, 14, 2.6, 0.2)), BODY, plan.paint)
    elif kind == "sprung":
        back = x - 0.3
        rows = [(back, h + 0.02, 0.11 * w, 0.035), (back + 0.1, h, 0.11 * w, 0.04), (x + 0.02, h - 0.01, 0.04, 0.03)]
        a.add(_hull(rows, 8, 12, 2.6), SEAT, plan.leather)
        for y in (0.07, -0.07):
            a.add(_fins((back + 0.04, y, h - 0.1), (back + 0.04, y, h - 0.01), circle(8, 0.022), 4), BODY, plan.shiny)
        rack = np.array([(back - 0.02, 0.08, h - 0.12), (tail - 0.2, 0.08, h - 0.12), (tail - 0.2, 0, h - 0.12)])
        a.add_both(tube(fillet(rack, 0.05), 0.008, 6), BODY, plan.shiny)
        a.add_both(tube([rack[1] + _v(0.06, 0, 0), plan.rear + _v(0, 0.07, 0)], 0.008, 6), BODY, plan.shiny)
    else:
        back, front = tail, x + (0.16 if kind == "long" else 0.02)
        slim = 0.72 if kind == "long" else 1.0
        rows = [(back, h + rise, 0.1 * w * slim, 0.035), (back + 0.4 * length, h + 0.3 * rise, 0.14 * w * slim, 0.045)]
        rows = [
            *rows,
            (x - 0.2 * length, h - 0.035, 0.13 * w * slim, 0.045),
            (front, h + (0.07 if kind == "long" else -0.01), 0.075 * w, 0.035),
        ]
        a.add(_hull(rows, 12, 14, 3.5), SEAT, plan.leather)
    a.keypoint(10, (x - 0.05, 0, h), SEAT, seen_from=(0, 0, 1))
    a.keypoint(11, (back + 0.01, 0, h), SEAT, seen_from=(0, 0, 1))


def _fenders(a: Assembly, rng: np.random.Generator, plan: _Plan) -> np.ndarray:
    """Mudguards; returns the place for the tail light."""
    (rf, rr), (wf, wr) = (float(plan.front[2]), float(plan.rear[2])), plan.tyres
    lean = 90 + np.degrees(plan.rake)
    finish = plan.shiny if plan.family in ("cafe", "moped", "naked") and rng.random() < 0.5 else plan.paint
    paint = (lambda s: _from_side(s)) if finish is plan.paint else (lambda s: s)
    gap, tip = rf + 0.03, None
    if plan.family in ("enduro", "adventure"):
        foot = plan.on_fork(plan.fork - 0.24, -0.06)
        path = curve(
            [foot + _v(-0.16, 0, -0.06), foot + _v(0.04, 0, 0.03), foot + _v(0.3, 0, 0.0), foot + _v(0.5, 0, -0.1)], 11
        )
        a.add(_from_side(_shell(path, np.linspace(0.075, 0.05, 11), 0.035, 0.008, (0, 0, 1))), BODY, plan.paint)
        tip = path[-1]
    elif plan.family != "chopper" or rng.random() < 0.3:
        span = {"cruiser": (-95, 60), "touring": (-90, 80), "scooter": (-70, 75), "moped": (-85, 45)}.get(
            plan.family, (-70, 40)
        )
        arc = _arc(
            plan.front, gap, lean + 0.7 * span[1] * rng.uniform(0.8, 1.2), lean + span[0] * rng.uniform(0.75, 1.0), 12
        )
        deep = rng.uniform(0.9, 1.6) if plan.family in ("cruiser", "touring", "scooter") else 0.7
        a.add(paint(_shell(arc, wf + 0.018, deep * wf, 0.008, arc[0] - plan.front)), BODY, finish)
        stay = plan.front + (gap - 0.5 * deep * wf) * np.array([np.cos(np.radians(lean)), 0, np.sin(np.radians(lean))])
        a.add_both(box((0.09, 0.04, 0.03)).move(stay + _v(0, wf + 0.02, 0)), BODY, plan.black)
        tip = arc[-1]
    if tip is not None:
        a.keypoint(19, tip + _v(0.01, 0, 0), BODY)
    gap, end = rr + 0.05, np.array([plan.tail - 0.02, 0, plan.seat - 0.02])
    if plan.family in ("cruiser", "chopper", "touring", "moped", "cafe", "naked"):
        finish = plan.shiny if plan.family in ("cafe", "naked") else finish
        stop = {"cruiser": 190, "touring": 185, "moped": 200, "chopper": 165}.get(plan.family, 150) + rng.uniform(
            -15, 5
        )
        arc = _arc(plan.rear, gap, 60, stop, 12)
        deep = 1.0 if plan.family in ("cruiser", "chopper", "touring") else 0.6
        a.add(_from_side(_shell(arc, wr + 0.02, deep * wr, 0.008, arc[0] - plan.rear)), BODY, finish)
        a.add_both(
            tube([arc[6] + _v(0, wr + 0.015, -0.5 * wr), (plan.rear[0] + 0.12, 0.1, plan.seat - 0.09)], 0.012, 6),
            BODY,
            plan.frame,
        )
        end = plan.rear + (gap + 0.0) * np.array([np.cos(np.radians(stop - 35)), 0, np.sin(np.radians(stop - 35))])
    elif plan.family == "enduro":
        path = curve(
            [
                (plan.tail + 0.25, 0, plan.seat - 0.06),
                (plan.tail, 0, plan.seat + 0.02),
                (plan.tail - 0.25, 0, plan.seat + 0.04),
            ],
            8,
        )
        a.add(_from_side(_shell(path, np.linspace(0.08, 0.06, 8), 0.03, 0.01, (0, 0, 1))), BODY, plan.paint)
        end = path[5] - _v(0, 0, 0.035)
    elif plan.family in ("sport", "adventure"):
        arc = _arc(plan.rear, rr + 0.03, 60, 125, 9)
        a.add(_shell(arc, wr + 0.015, 0.5 * wr, 0.008, arc[0] - plan.rear), BODY, plan.black)
        end = end + _v(-0.02, 0, 0.03)
    return end


def _lamps(a: Assembly, rng: np.random.Generator, plan: _Plan, tail: np.ndarray) -> None:
    """Headlight (where no fairing holds one), tail light, indicators and number plate."""
    glass = materials.plain(rng.uniform(0.8, 0.98) * np.array([1, 1, rng.uniform(0.85, 1.0)]), 0.9, 100)
    if plan.family not in ("sport", "scooter"):
        at = plan.on_fork(plan.fork - 0.1, 0.09)
        size = rng.uniform(0.85, 1.15) * {"moped": 0.75, "enduro": 0.7, "chopper": 0.8}.get(plan.family, 1.0)
        shape = [size, size * (1.35 if rng.random() < 0.25 else 1.0), 1.0]
        bucket = revolve([(0.02, -0.11), (0.06, -0.08), (0.085, -0.02), (0.09, 0.0), (0.085, 0.006)], 16)
        lens = revolve([(0.08, 0.0), (0.07, 0.014), (0.045, 0.024), (0.0, 0.028)], 16)
        holder = plan.black if plan.family == "enduro" else plan.shiny if rng.random() < 0.6 else plan.second
        for surface, finish in ((bucket, holder), (lens, glass)):
            a.add(surface.warp(lambda p: p * shape).turn(rotation("y", 90)).move(at + _v(0.08, 0, 0)), LIGHT, finish)
        if plan.family == "enduro":
            plate = curve([at + _v(0.06, 0, -0.13), at + _v(0.1, 0, 0), at + _v(0.04, 0, 0.16)], 7)
            mask = _shell(plate, np.array([0.07, 0.1, 0.12, 0.12, 0.115, 0.1, 0.07]), 0.05, 0.01, (1, 0, 0))
            a.add(_from_side(mask), BODY, plan.paint)
        a.add_both(
            tube([at + _v(0.03, 0.07, 0), plan.on_fork(plan.fork - 0.1, 0, plan.legs)], 0.012, 6), BODY, plan.black
        )
        a.keypoint(8, at, LIGHT, seen_from=(1, 0, 0))
    red = materials.plain((rng.uniform(0.55, 0.8), 0.04, 0.04), 0.7, 60)
    a.add(box((0.06, rng.uniform(0.08, 0.16), rng.uniform(0.045, 0.07)), 0.02).move(tail + _v(-0.02, 0, 0)), LIGHT, red)
    a.keypoint(9, tail, LIGHT, seen_from=(-1, 0, 0))
    plate = box((0.008, 0.18, 0.12)).turn(rotation("y", 20)).move(tail + _v(-0.05, 0, -0.13))
    a.add(plate, BODY, materials.plain((0.9, 0.9, rng.choice([0.85, 0.3])), 0.2))
    a.add(tube([tail + _v(0.03, 0, -0.02), tail + _v(-0.045, 0, -0.11)], 0.014, 6), BODY, plan.black)
    if plan.family not in ("enduro", "cafe", "chopper") or rng.random() < 0.4:
        amber = materials.plain((0.9, 0.45, 0.05), 0.6, 60)
        for at in (tail + _v(0.02, 0, -0.03), plan.on_fork(plan.fork - 0.17, 0.05)):
            out = 0.13 if at[0] < 0 else plan.legs + 0.09
            a.add_both(tube([at, at + _v(0, out, 0)], 0.008, 6), BODY, plan.black)
            a.add_both(_ball(at + _v(0, out, 0), (0.03, 0.035, 0.025), 8), LIGHT, amber)


# --------------------------------------------------------------------------------- fairings, luggage, the scooter


def _fairing(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """A sports fairing: sides, nose with headlight, windscreen and, if it is a full one, a belly."""
    front, r, neck = float(plan.front[0]), float(plan.front[2]) + 0.07, plan.neck
    full, bulge = rng.random() < 0.65, rng.uniform(0.9, 1.1)
    x0, nose = float(plan.pivot[0]) - 0.02, front + rng.uniform(-0.06, 0.06)
    x = np.concatenate([np.linspace(x0, front - r, 8), np.linspace(front - r, nose, 10)[1:]])
    u = (x - x0) / (nose - x0)
    wheel = plan.front[2] + np.sqrt(np.clip(r**2 - (x - front) ** 2, 0, None))
    belly = plan.clearance + 0.02 + (0.0 if full else 0.34) + np.interp(u, [0, 0.3, 1], [0.1, 0.0, 0.0])
    low = np.where(x > front - r, np.maximum(wheel, belly), belly)
    brow = float(neck[2]) + 0.1
    high = np.interp(
        u, [0, 0.12, 0.45, 0.62, 0.8, 1], [low[0] + 0.24, 0.62, neck[2] - 0.05, brow, brow - 0.03, brow - 0.17]
    )
    high = np.maximum(high, low + 0.06)
    wide = bulge * np.interp(u, [0, 0.15, 0.4, 0.65, 0.85, 1], [0.15, 0.19, 0.215, 0.2, 0.15, 0.07])
    shape = _from_side(_hull(np.column_stack([x, (low + high) / 2, wide, (high - low) / 2]), 0, 20, 3.2, plumb=True))
    corners = shape.vertices[shape.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    dark = (np.abs(normal[:, 1]) < 0.6) & (normal[:, 2] < 0.1) & (corners[..., 2].mean(axis=1) < brow - 0.2)
    a.add(shape, BODY, (plan.paint, plan.black), dark.astype(int))
    glass = materials.plain(rng.choice([0.12, 0.55]) * np.array([0.9, 1, 1.1]), 0.9, 100)
    path = curve(
        [(nose - 0.1, 0, brow - 0.09), (nose - 0.2, 0, brow + 0.03), (float(neck[0]) + 0.06, 0, brow + 0.15)], 7
    )
    a.add(_shell(path, np.array([0.07, 0.1, 0.125, 0.14, 0.145, 0.14, 0.11]), 0.09, 0.012, (1, 0, 1)), BODY, glass)
    lens = materials.plain((0.85, 0.88, 0.92), 0.9, 120)
    at = np.array([nose - 0.03, 0.0, brow - 0.17])
    if rng.random() < 0.5:
        eye = _ball((0, 0, 0), (0.12, 0.035, 0.05), 12).turn(rotation("z", -38)).turn(rotation("x", 18))
        a.add_both(eye.move(at + _v(-0.04, 0.075, 0.02)), LIGHT, lens)
        a.add(_ball(at + _v(0.02, 0, -0.02), (0.06, 0.04, 0.022)), LIGHT, lens)
    else:
        a.add(_ball(at + _v(-0.02, 0, 0.01), (0.12, 0.11, rng.uniform(0.03, 0.06)), 14), LIGHT, lens)
    a.keypoint(8, at, LIGHT, seen_from=(1, 0, 0))


def _screen(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """A windshield before the handlebar, with or without a fairing around the headlight."""
    foot = plan.on_fork(plan.fork - 0.08, 0.14)
    high, half = (0.5, 0.26) if plan.family == "touring" else (0.3, 0.17)
    path = curve([foot, foot + _v(-0.02, 0, 0.4 * high), foot + _v(-0.16, 0, high * rng.uniform(0.85, 1.1))], 8)
    wide = half * np.array([0.7, 0.95, 1, 1, 1, 0.97, 0.85, 0.55])
    glass = materials.plain(rng.uniform(0.6, 0.8) * np.array([0.95, 1, 1.03]), 0.9, 100)
    shell = rng.random() < 0.6
    a.add(_shell(path, wide, 0.12, 0.012, (1, 0, 0.3)), BODY, glass)
    if shell or plan.family == "adventure":
        path = curve([foot + _v(-0.02, 0, -0.2), foot + _v(0.035, 0, 0.0), foot + _v(0.015, 0, 0.2)], 7)
        wide = half * np.array([0.5, 0.85, 1.1, 1.2, 1.2, 1.15, 1.0])
        a.add(_from_side(_shell(path, wide, 0.16, 0.03, (1, 0, 0.2))), BODY, plan.paint)


def _luggage(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Panniers, and often a top case."""
    metal = plan.family == "adventure"
    finish = materials.plain((0.6, 0.61, 0.63), 0.5, 25) if metal else plan.paint
    size = np.array([rng.uniform(0.42, 0.56), rng.uniform(0.17, 0.22), rng.uniform(0.28, 0.36)])
    y = max(plan.tyres[1] + 0.13, 0.2) + size[1] / 2
    at = np.array([plan.rear[0] - 0.06, y, plan.rear[2] + 0.08 + size[2] / 2])
    case = box(size, 0.02 if metal else 0.07, (3, 1, 2), 2)
    taper = 0.0 if metal else rng.uniform(0.2, 0.5)
    case = case.warp(lambda p: p * np.stack([1 + 0 * p[:, 0], 1 + 0 * p[:, 0], 1 + taper * p[:, 0] / size[0]], -1))
    a.add_both(_from_side(case.move(at)), BODY, finish)
    a.add_both(box((size[0] * 0.7, 0.012, 0.02)).move(at + _v(0, size[1] / 2, 0.3 * size[2])), BODY, plan.black)
    a.add_both(
        tube([at + _v(0, 0, 0.3 * size[2]), at * [1, 0, 1] + _v(0.1, 0.05, 0.3 * size[2])], 0.015, 6), BODY, plan.black
    )
    if rng.random() < 0.6:
        top = np.array([plan.tail - 0.1, 0, plan.seat + 0.27])
        a.add(_from_side(box((0.34, 0.44, 0.27), 0.05, arc=2).move(top)), BODY, finish)
        a.add(box((0.4, 0.2, 0.14), 0.02).move(top - _v(-0.06, 0, 0.19)), BODY, plan.black)


def _scooter(a: Assembly, rng: np.random.Generator, plan: _Plan) -> None:
    """Leg shield, floor, rear cowl with engine, and a headlight on the handlebar or the apron."""
    neck, rear, h, x = plan.neck, plan.rear, plan.seat, plan.saddle
    floor, half = rng.uniform(0.26, 0.34), rng.uniform(0.17, 0.21)
    shield = np.array([neck[0] + 0.06, 0, neck[2] + 0.06])
    path = curve(
        [
            (x + 0.02, 0, floor),
            (neck[0] - 0.02, 0, floor),
            (neck[0] + 0.1, 0, floor + 0.14),
            shield - _v(-0.02, 0, 0.25),
            shield,
        ],
        14,
    )
    wide = half * np.interp(np.linspace(0, 1, 14), [0, 0.3, 0.45, 0.8, 1], [0.9, 0.95, 1.15, 1.0, 0.45])
    shell = _shell(path[4:], wide[4:], 0.09, 0.02, (0.7, 0, -0.7))
    a.add(_from_side(shell), BODY, plan.paint)
    a.add(box((neck[0] - x + 0.2, 1.9 * half, 0.06), 0.02).move([0.5 * (neck[0] + x), 0, floor]), BODY, plan.black)
    spine = [
        (x - 0.1, floor + 0.02, 0.1, 0.06),
        (0.5 * (x + neck[0]), floor - 0.03, 0.12, 0.06),
        (neck[0] + 0.06, floor + 0.05, 0.1, 0.07),
    ]
    a.add(_from_side(_hull(spine, 7, 12, 3)), BODY, plan.paint)
    apron = [
        (neck[0] + 0.17, floor + 0.16, 0.07, 0.05),
        (neck[0] + 0.13, 0.5 * (floor + neck[2]) + 0.06, 0.08, 0.07),
        (*shield[[0, 2]], 0.06, 0.06),
    ]
    a.add(_from_side(_hull(apron, 9, 12, 2.5)), BODY, plan.paint)
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
    cowl = _hull(np.column_stack([along, (low + top) / 2, fat, (top - low) / 2]), 0, 18, 2.8, plumb=True)
    a.add(_from_side(cowl), BODY, plan.paint)
    unit = [
        (rear[0] - 0.03, rear[2], 0.045, 0.07),
        (rear[0] + 0.16, rear[2] + 0.03, 0.06, 0.08),
        (rear[0] + 0.36, rear[2] + 0.03, 0.06, 0.1),
    ]
    a.add(_hull(unit, 7, 12, 3).move([0, plan.tyres[1] + 0.07, 0]), BODY, plan.block)
    a.add(box((0.16, 0.14, 0.16), 0.04).move([rear[0] + rear[2] + 0.13, -0.02, rear[2] + 0.06]), BODY, plan.block)
    bar = plan.on_fork(plan.fork + 0.05, -0.01)
    nacelle = [
        (bar[0] - 0.07, bar[2] + 0.02, 0.1, 0.035),
        (bar[0], bar[2] + 0.02, 0.13, 0.055),
        (bar[0] + 0.07, bar[2], 0.085, 0.06),
    ]
    a.add(_from_side(_hull(nacelle, 7, 14, 2.6)), HANDLE, plan.paint)
    at = bar + _v(0.075, 0, 0)
    if rng.random() < 0.35:
        at = np.array([neck[0] + 0.17, 0, neck[2] - 0.16])
    glass = materials.plain((0.9, 0.92, 0.95), 0.9, 100)
    a.add(_ball(at, (0.055, rng.uniform(0.06, 0.09), rng.uniform(0.05, 0.065)), 14), LIGHT, glass)
    a.keypoint(8, at, LIGHT, seen_from=(1, 0, 0))
    a.keypoint_both(15, 16, (0.5 * (x + neck[0]), half, floor), BODY, seen_from=(0, 1, 0))
    if rng.random() < 0.4:
        rack = np.array(
            [(plan.tail + 0.1, 0.1, h + 0.0), (plan.tail - 0.2, 0.1, h + 0.03), (plan.tail - 0.2, 0, h + 0.03)]
        )
        a.add_both(tube(fillet(rack, 0.06), 0.01, 6), BODY, plan.shiny)


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A motorcycle of a family."""
    plan = _plan(rng, family)
    a = Assembly()
    spokes, white = int(rng.choice([20, 24, 28])), family in ("cruiser", "chopper", "moped") and rng.random() < 0.25
    for front in (True, False):
        _wheel(a, rng, plan, front, spokes, bool(white))
    _fork(a, rng, plan)
    _bars(a, rng, plan)
    _frame(a, rng, plan)
    starts: list[np.ndarray] = []
    if family == "scooter":
        _scooter(a, rng, plan)
    else:
        starts = _engine(a, rng, plan)
        _tank(a, rng, plan)
    _exhaust(a, rng, plan, starts)
    _saddle(a, rng, plan)
    tail = _fenders(a, rng, plan)
    _lamps(a, rng, plan, tail)
    if family == "sport":
        _fairing(a, rng, plan)
    elif family == "touring" or (family == "adventure" and rng.random() < 0.8):
        _screen(a, rng, plan)
    if family == "touring" or (family == "adventure" and rng.random() < 0.5):
        _luggage(a, rng, plan)
    return a.build(family)
