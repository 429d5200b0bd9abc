"""Jet engines, propellers, radial engines, intakes and nozzles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.airplane.foils import FORWARD, Foil, panel
from featurenerf.synthesis.objects.airplane.liveries import HUES, Livery
from featurenerf.synthesis.objects.airplane.plans import ENGINE, TAIL, AirplanePlan
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.labelled import Material
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, circle, grid, loft, revolve, rotation, tube

_Pieces = list[tuple[Surface, Finish]]
"""Surfaces with their finishes, about the x axis, the front at x = 0."""


def _disc(radius: Scalar, x: Scalar, picture: Finish, repeats: int) -> Surface:
    """A disc that looks to the front; ``repeats`` sectors of a texture around it."""
    ring = circle(24)
    points = np.zeros((2, 24, 3))
    points[..., 0] = x
    points[..., 1:] = np.array([0.02, 1.0])[:, None, None] * radius * ring
    sheet = grid(points[::-1], closed=True)
    uv = sheet.uv.copy()
    uv[..., 1] *= repeats / sheet.uv[..., 1].max()
    uv[..., 0] = 0.5
    return replace(sheet, uv=uv)


def _blades(dark: Scalar, light: Scalar) -> Finish:
    """A texture of one sector: light blade, dark gap."""
    shade = np.interp(np.linspace(0, 1, 16), [0, 0.25, 0.6, 1], [dark, light, 0.7 * light, dark])
    picture = np.repeat((shade * 255).astype(np.uint8)[:, None, None], 3, axis=2)
    return Finish(Material(np.ones(3), 0.3, 20, np.repeat(picture, 4, axis=1)))


def _turbofan(rng: np.random.Generator, livery: Livery, radius: Scalar, length: Scalar) -> _Pieces:
    r = radius
    shift = rng.uniform(-0.1, 0.1)
    profile = [
        (0.6 * r, -0.9 * length), (0.8 * r, -length), (0.85 * r, -0.99 * length), (0.95 * r, -0.75 * length),
        (r, (-0.42 + shift) * length), (0.98 * r, -0.14 * length), (0.93 * r, -0.03 * length), (0.87 * r, 0.0),
        (0.82 * r, -0.03 * length), (0.8 * r, -0.16 * length),
    ]  # fmt: skip
    cowl = revolve(profile, 22).turn(FORWARD)
    dark = materials.plain((0.12, 0.12, 0.13), 0.3, 15)
    lip = materials.plain((0.8, 0.81, 0.83), 0.9, 60)
    paint = livery.first if livery.kind != "military" and rng.random() < 0.35 else livery.base
    skin = livery.plain(paint)
    joined = [(0, 2, dark), (2, 6, skin), (6, 8, lip), (8, 9, dark)]
    row = np.minimum(np.arange(len(cowl.faces)) // 44, 8)
    pieces: _Pieces = []
    for start, end, finish in joined:
        keep = (row >= start) & (row < end)
        pieces.append((Surface(cowl.vertices, cowl.faces[keep], cowl.uv[keep]), finish))
    fan = _blades(0.05, rng.uniform(0.25, 0.5))
    pieces.append((_disc(0.81 * r, -0.15 * length, fan, int(rng.integers(14, 26))), fan))
    spin = [(0.26 * r, -0.16 * length), (0.2 * r, -0.1 * length), (0.0, -0.03 * length)]
    pieces.append((revolve(spin, 12).turn(FORWARD), materials.plain([rng.choice([0.15, 0.75])] * 3, 0.4, 30)))
    core = [(0.6 * r, -0.88 * length), (0.5 * r, -1.08 * length), (0.36 * r, -1.1 * length), (0.0, -1.32 * length)]
    pieces.append((revolve(core[::-1], 14).turn(FORWARD), materials.plain((0.35, 0.33, 0.31), 0.6, 25)))
    return pieces


def _propeller(rng: np.random.Generator, livery: Livery, radius: Scalar, hub: Scalar, count: int) -> _Pieces:
    """A spinner and blades; the spinner's base is at x = 0."""
    spinner = livery.plain(livery.first if rng.random() < 0.5 else livery.base)
    if rng.random() < 0.25:
        spinner = materials.plain((0.75, 0.76, 0.78), 0.9, 60)
    long = hub * rng.uniform(1.2, 2.0)
    t = np.linspace(0, 1, 6)
    shape = np.column_stack([hub * np.sqrt(np.clip(1 - t**2, 0, 1)) ** 1.2, long * t])
    pieces: _Pieces = [(revolve(np.concatenate([[(hub, -0.06 * radius)], shape]), 16).turn(FORWARD), spinner)]
    at = np.array([0.5 * hub / radius, 0.3, 0.55, 0.86, 0.93, 0.985, 1.0])
    chord = radius * rng.uniform(0.13, 0.2) * np.array([0.45, 0.8, 1.0, 0.84, 0.76, 0.6, 0.2])
    pitch = np.radians(np.interp(at, [0, 0.3, 1], [70, 50, 22]))
    angle = np.arange(6) * (2 * np.pi / 6)
    u, v = 0.5 * np.cos(angle), 0.06 * np.sin(angle)
    across = chord[:, None] * (u * np.cos(pitch)[:, None] - v * np.sin(pitch)[:, None])
    along = chord[:, None] * (u * np.sin(pitch)[:, None] + v * np.cos(pitch)[:, None])
    points = np.stack([along + 0.3 * long, across, np.broadcast_to(radius * at[:, None], along.shape)], axis=-1)
    blade = loft(points)
    a, b, c = (blade.vertices[blade.faces[:, k]] for k in range(3))
    if np.einsum("ij,ij->", a, np.cross(b, c)) < 0:
        blade = Surface(blade.vertices, blade.faces[:, ::-1], blade.uv[:, ::-1])
    black = rng.random() < 0.7
    stick = materials.plain((0.05, 0.05, 0.055), 0.2, 15) if black else materials.plain((0.6, 0.61, 0.63), 0.8, 40)
    if livery.kind == "sport" and rng.random() < 0.2:
        stick = materials.wood(rng)
    ends = materials.plain((0.9, 0.72, 0.1) if rng.random() < 0.6 else (0.88, 0.88, 0.86), 0.2, 15)
    tip = np.arange(len(blade.faces)) // 12 >= 3
    phase = rng.uniform(0, 360)
    for k in range(count):
        turn = rotation("x", phase + 360 * k / count)
        turned = blade.turn(turn)
        pieces.append((Surface(turned.vertices, turned.faces[~tip], turned.uv[~tip]), stick))
        pieces.append((Surface(turned.vertices, turned.faces[tip], turned.uv[tip]), ends))
    return pieces


def _radial(rng: np.random.Generator, livery: Livery, radius: Scalar, length: Scalar) -> _Pieces:
    """The ring around a radial engine, its front at x = 0, cylinders inside."""
    r = radius
    profile = [(0.9 * r, -length), (r, -0.9 * length), (r, -0.35 * length), (0.97 * r, -0.12 * length), (0.88 * r, 0.0),
               (0.8 * r, -0.08 * length), (0.8 * r, -0.3 * length)]  # fmt: skip
    colors = (livery.first, livery.base, np.asarray(HUES[9]))
    ring = livery.plain(colors[rng.integers(3 if livery.kind == "warbird" else 2)])
    cylinders = _blades(0.04, rng.uniform(0.2, 0.4))
    inner = _disc(0.82 * r, -0.25 * length, cylinders, int(rng.choice([5, 7, 9])))
    hub = [(0.38 * r, -0.3 * length), (0.32 * r, -0.05 * length), (0.15 * r, 0.12 * length), (0.0, 0.16 * length)]
    return [
        (revolve(profile, 24).turn(FORWARD), ring),
        (inner, cylinders),
        (revolve(hub, 14).turn(FORWARD), materials.plain((0.3, 0.3, 0.31), 0.5, 25)),
    ]


def _mount(a: Assembly, pieces: _Pieces, at: Numbers, both: bool = True) -> None:
    for surface, finish in pieces:
        moved = surface.move(at)
        if both:
            a.add_both(moved, ENGINE, finish)
        else:
            a.add(moved, ENGINE, finish)


def add_wing_jets(a: Assembly, rng: np.random.Generator, plan: AirplanePlan, wing: Foil) -> None:
    """Engines on pylons under the wings."""
    four = plan.family == "four engines" or plan.kind == "four jets"
    radius = plan.high * (rng.uniform(0.38, 0.48) if four else rng.uniform(0.45, 0.68))
    length = radius * rng.uniform(3.0, 3.9)
    places = [rng.uniform(0.29, 0.35)] + ([rng.uniform(0.56, 0.64)] if four else [])
    ahead, below = rng.uniform(0.55, 0.8), rng.uniform(1.0, 1.2)
    fan = _turbofan(rng, plan.livery, radius, length)
    for k, share in enumerate(places):
        y = max(share * plan.span, 1.15 * plan.wide + 1.25 * radius)
        x, z, chord = (float(v) for v in wing.at(y))
        front, down = x + ahead * length, z - below * radius - 0.02 * chord
        _mount(a, fan, (front, y, down))
        span = z - down + 0.02 * chord
        start = front - 0.2 * length
        back = np.array([0.0, 0.35, 1.0]) * (start - x + 0.04 * chord)
        pylon = panel((start, y, down), (0, 0, 1), span, (0.75 * length, 0.8 * length, 0.55 * chord), 0,
                       0.07, "square", 0.0, (0.0, 0.55, 1.0), back)  # fmt: skip
        a.add_both(pylon.surface(), ENGINE, plan.livery.plain(plan.livery.wing))
        a.keypoint_both(15 + 2 * k, 16 + 2 * k, (front, y, down + 0.87 * radius), ENGINE)


def add_rear_jets(a: Assembly, rng: np.random.Generator, plan: AirplanePlan, fin: Foil | None) -> None:
    """Engines beside the rear of the fuselage."""
    radius = plan.high * rng.uniform(0.4, 0.54)
    length = radius * rng.uniform(3.6, 4.6)
    front = plan.along(rng.uniform(0.64, 0.69))
    middle = front - 0.5 * length
    y = float(plan.hull.at(middle)[2]) + radius * rng.uniform(1.1, 1.35)
    z = float(plan.hull.at(middle)[0]) + rng.uniform(0.25, 0.5) * plan.high
    _mount(a, _turbofan(rng, plan.livery, radius, length), (front, y, z))
    inner = 0.5 * float(plan.hull.at(middle)[2])
    pylon = panel((front - 0.25 * length, inner, z - 0.05 * radius), (0, 1, 0), y - inner, 0.6 * length, 12, 0.14)
    a.add_both(pylon.surface(), ENGINE, plan.livery.plain(plan.livery.base))
    a.keypoint_both(15, 16, (front, y + 0.87 * radius, z), ENGINE)
    if plan.kind == "trijet":
        x = plan.along(0.72)
        up = plan.hull.ceiling(x) + 0.75 * radius
        t = np.linspace(0, 1, 12)[:, None]
        far = plan.hull.ceiling(plan.along(0.97)) + 0.1 * plan.high
        rings = np.empty((12, 18, 3))
        ring = circle(18, 0.85 * radius)
        rings[..., 0] = (1 - t) * plan.along(0.97) + t * x
        rings[..., 1] = ring[:, 0] * (0.5 + 0.5 * t**0.5)
        rings[..., 2] = far + (up - far) * t**0.8 + ring[:, 1] * (0.5 + 0.5 * t**0.5)
        a.add(loft(rings), ENGINE, plan.livery.plain(plan.livery.base))
        hole = _blades(0.03, 0.15)
        _mount(a, [(_disc(0.76 * radius, 0.004 * plan.length, hole, 14), hole)], (x, 0, up), both=False)
        if fin is not None:
            height = np.linspace(0.1, 0.8, 60) * plan.fin + float(fin.front[0, 2])
            edge = fin.at(height, 2)[0]
            k = int(np.argmax(height > np.interp(edge, rings[:, 0, 0], rings[..., 2].max(axis=1)) + 0.05 * radius))
            a.keypoint(10, (float(edge[k]), 0, float(height[k])), TAIL)  # where the fin leaves the duct


def add_wing_propellers(a: Assembly, rng: np.random.Generator, plan: AirplanePlan, wing: Foil) -> None:
    """Nacelles with propellers on the wings."""
    four = plan.kind == "four propellers"
    radius = plan.high * (rng.uniform(0.32, 0.4) if plan.length > 20 else rng.uniform(0.4, 0.52))
    if plan.kind == "boat":
        radius = 0.42 * plan.high
    disc = min(radius * rng.uniform(2.8, 3.4), 0.23 * plan.span if four else 0.4 * plan.span)
    places = [max(0.26 * plan.span, 1.12 * plan.wide + disc)]
    if four:
        places.append(places[0] + 2.15 * disc)
    round_front = (
        plan.livery.kind == "warbird" or plan.kind == "boat" or (plan.kind == "light twin" and rng.random() < 0.3)
    )
    count = int(rng.integers(4, 7)) if plan.length > 14 else int(rng.integers(2, 4))
    screw = _propeller(rng, plan.livery, disc, 0.42 * radius if not round_front else 0.22 * radius, count)
    ring = _radial(rng, plan.livery, 1.08 * radius, 1.4 * radius)
    ahead = rng.uniform(1.8, 2.6) * radius
    skin = plan.livery.plain(plan.livery.base if rng.random() < 0.7 else plan.livery.first)
    exhaust = materials.plain((0.12, 0.11, 0.1), 0.4, 20)
    for k, y in enumerate(places):
        x, z, chord = (float(v) for v in wing.at(y))
        front, back = x + ahead, x - rng.uniform(0.75, 1.1) * chord
        z += (-0.35 if plan.wing_z < 0 or plan.kind == "commuter" or four else 0.1) * radius
        t = np.array([0.0, 0.02, 0.2, 0.45, 0.7, 0.85, 0.97, 1.0])
        size = radius * np.array(
            [0.12, 0.2, 0.6, 0.9, 1.02, 1.0, 0.72 if not round_front else 0.95, 0.5 if not round_front else 0.9]
        )
        outline = circle(20, 1.0, 2.3)
        points = np.empty((8, 20, 3))
        points[..., 0] = (back + t * (front - back))[:, None]
        points[..., 1] = y + 0.86 * size[:, None] * outline[:, 0]
        points[..., 2] = z + size[:, None] * outline[:, 1] + (0.25 * radius * (1 - t) ** 2)[:, None]
        a.add_both(loft(points), ENGINE, skin)
        if round_front:
            _mount(a, ring, (front + 0.5 * radius, y, z))
        else:
            scoop = revolve(
                [
                    (0.3 * radius, -0.5 * radius),
                    (0.32 * radius, 0.0),
                    (0.24 * radius, 0.02 * radius),
                    (0, -0.05 * radius),
                ],
                12,
            )
            a.add_both(scoop.turn(FORWARD).move([front - 0.12 * ahead, y, z - 0.62 * radius]), ENGINE, exhaust)
        pipe = np.array(
            [
                [x + 0.3 * ahead, y + 0.75 * radius, z + 0.1 * radius],
                [x - 0.1 * ahead, y + 0.95 * radius, z + 0.15 * radius],
            ]
        )
        a.add_both(tube(pipe, 0.13 * radius, 8), ENGINE, exhaust)
        start = front + (0.6 * radius if round_front else 0.0)
        _mount(a, screw, (start, y, z))
        a.keypoint_both(15 + 2 * k, 16 + 2 * k, (start + plan.length, y, z), ENGINE, seen_from=(1, 0, 0))


def add_nose_propeller(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> None:
    """One propeller before the nose, behind it a radial engine or the hull's own cowling."""
    x = plan.length / 2
    middle, high, half, _ = (float(v) for v in plan.hull.at(x))
    radius = plan.length * rng.uniform(0.11, 0.14)
    turbine = plan.length > 8.5 and rng.random() < 0.4
    count = int(rng.integers(3, 6)) if turbine or plan.livery.kind == "warbird" else int(rng.integers(2, 4))
    if plan.family == "biplane" or (plan.family == "low wing" and plan.kind == "bubble" and rng.random() < 0.35):
        size = 1.12 * max(high, half)
        _mount(a, _radial(rng, plan.livery, size, 0.6 * size), (x + 0.45 * size, 0, middle), both=False)
        screw = _propeller(rng, plan.livery, max(radius, 1.35 * size), 0.22 * size, 2 if count < 4 else count)
        x += 0.52 * size
    else:
        screw = _propeller(rng, plan.livery, radius, 0.72 * min(high, half), count)
        intake = materials.plain((0.04, 0.04, 0.045), 0.1, 8)
        hole = _disc(0.3 * half, 0.0, intake, 1).move([x + 0.004 * plan.length, 0.62 * half, middle + 0.05 * high])
        a.add_both(hole, ENGINE, intake)
        x += 0.06 * radius
    _mount(a, screw, (x, 0, middle), both=False)
    a.keypoint(0, (x + plan.length, 0, middle), ENGINE, seen_from=(1, 0, 0))


def add_nozzles(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> None:
    """A fighter's intakes beside the fuselage and nozzles at its end."""
    hull, end = plan.hull, -plan.length / 2
    twin = plan.kind in ("twin", "canard") and plan.wide > 1.02 * plan.high
    middle, high, half, _ = (float(v) for v in hull.at(end))
    radius = min(1.05 * high, 0.52 * half) if twin else 1.02 * min(high, half)
    long = rng.uniform(1.2, 1.9) * radius
    profile = [(0.62 * radius, -0.6 * long), (0.72 * radius, -long), (0.78 * radius, -long),
               (1.02 * radius, -0.3 * long), (1.06 * radius, 0.5 * long)]  # fmt: skip
    nozzle = revolve(profile, 20).turn(FORWARD)
    petals = _blades(0.12, rng.uniform(0.3, 0.42))
    uv = nozzle.uv.copy()
    uv[:160, :, 1] *= 18 / uv[:160, :, 1].max()
    nozzle = replace(nozzle, uv=np.stack([uv[..., 0], uv[..., 1]], axis=-1))
    glow = materials.plain((0.04, 0.035, 0.03), 0.1, 5)
    plug = _disc(0.7 * radius, -0.72 * long, glow, 1)
    plug = Surface(plug.vertices, plug.faces[:, ::-1], plug.uv[:, ::-1])
    y = 0.5 * half if twin else 0.0
    _mount(a, [(nozzle, petals), (plug, glow)], (end, y, middle), both=twin)
    start, stop = plan.along(rng.uniform(0.31, 0.4)), plan.along(0.66)
    tall, deep = rng.uniform(0.42, 0.62) * plan.high, rng.uniform(0.28, 0.4) * plan.high
    level = -rng.uniform(0.1, 0.45) * plan.high
    t = np.linspace(0, 1, 7)[:, None]
    x = stop + t * (start - stop)
    out = hull.width(x[:, 0], level + 0 * x[:, 0])[:, None]
    inward = np.array([np.clip(1 - (1 - t) ** 3, 0.02, 1)])[0]
    outline = circle(20, 1.0, rng.uniform(2.4, 5))
    rings = np.empty((7, 20, 3))
    rake = rng.uniform(-0.5, 0.7) * tall
    rings[..., 0] = x + rake * t**8 * outline[:, 1]
    rings[..., 1] = out - 0.15 * deep + deep * inward * (0.55 + outline[:, 0] * 0.6)
    rings[..., 2] = level + tall * outline[:, 1] * (0.6 + 0.4 * inward)
    a.add_both(loft(rings), ENGINE, plan.livery.plain(plan.livery.base))
    face = rings[-1]
    centre = face.mean(axis=0)
    mouth = grid(centre + np.array([0.88, 0.02])[:, None, None] * (face - centre), closed=True)
    a.add_both(mouth.move([0.004 * plan.length, 0, 0]), ENGINE, materials.plain((0.035, 0.035, 0.04), 0.05, 5))
    a.keypoint_both(15, 16, (face[:, 0].max() + 1.0, float(face[:, 1].max()), level), ENGINE)
