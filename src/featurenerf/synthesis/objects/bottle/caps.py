"""Lids, corks, crowns, and foil over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.bottle.plans import CAP
from featurenerf.synthesis.objects.bottle.walls import COLUMNS, Wall, wall_angles
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, curve, fillet, loft, revolve, tube


def mark_cap(a: Assembly, at: Scalar, radius: Scalar, rim: Scalar, top: Scalar) -> None:
    """Name a cap's rim and its top's middle; ``at`` is the x of its axis."""
    for k, degrees in enumerate((0, 90, -90, 180)):
        turn = np.radians(degrees)
        a.keypoint(1 + k, (at + radius * np.cos(turn), radius * np.sin(turn), rim), CAP)
    a.keypoint(0, (at, 0, top), CAP, seen_from=(0, 0, 1))


def add_screw(
    a: Assembly, at: Scalar, z: tuple[Scalar, Scalar], radius: tuple[Scalar, Scalar], finish: Finish, teeth: int = 0
) -> None:
    """A lid from one height to another, its radius below and above, with grooves for the fingers or smooth."""
    tall, edge = z[1] - z[0], min(0.08 * radius[1], 0.2 * (z[1] - z[0]))
    profile = np.array([(radius[0], z[0]), (radius[0], z[0] + 0.04 * tall), (radius[1], z[1] - edge),
                        (radius[1] - 0.3 * edge, z[1] - 0.3 * edge), (radius[1] - edge, z[1])])  # fmt: skip
    angle = wall_angles(4 * teeth if teeth else COLUMNS)
    depth = 0.035 * np.array([1, 1, 1, 0.3, 0])[:, None] * (0.5 - 0.5 * np.cos(teeth * angle)) if teeth else 0.0
    points = np.empty((5, len(angle), 3))
    points[..., 0] = at + profile[:, :1] * (1 - depth) * np.cos(angle)
    points[..., 1] = profile[:, :1] * (1 - depth) * np.sin(angle)
    points[..., 2] = profile[:, 1:]
    a.add(loft(points), CAP, finish)
    mark_cap(a, at, radius[1], z[1] - 0.5 * edge, z[1])


def add_turned(a: Assembly, at: Scalar, profile: Numbers, finish: Finish, count: int = 32) -> None:
    """A lid or a piece of one, off the lathe."""
    a.add(revolve(profile, count).move([at, 0, 0]), CAP, finish)


def add_crown(a: Assembly, wall: Wall, finish: Finish) -> None:
    """A crown cork."""
    r, top = 1.08 * wall.mouth, wall.height + 0.0015
    angle = wall_angles(84)
    profile = np.array([(1.17 * r, top - 0.0062), (1.1 * r, top - 0.003), (1.0 * r, top - 0.0008), (0.88 * r, top)])
    wave = np.array([0.07, 0.04, 0.0, 0.0])[:, None] * (0.5 - 0.5 * np.cos(21 * angle))
    points = np.empty((4, 84, 3))
    points[..., 0] = profile[:, :1] * (1 - wave) * np.cos(angle)
    points[..., 1] = profile[:, :1] * (1 - wave) * np.sin(angle)
    points[..., 2] = profile[:, 1:]
    a.add(loft(points), CAP, finish)
    mark_cap(a, 0.0, r, top - 0.0008, top)


def add_swing_top(a: Assembly, rng: np.random.Generator, wall: Wall) -> None:
    """A stopper held by a wire."""
    r, top = wall.mouth, wall.height
    china = materials.plain([0.92, 0.91, 0.88] if rng.random() < 0.7 else materials.any_color(rng), 0.5, 60)
    rubber = materials.plain((0.65, 0.15, 0.1), 0.05, 5)
    add_turned(a, 0.0, [(0.9 * r, top - 0.002), (0.95 * r, top + 0.003)], rubber)
    dome = [(1.05 * r, top + 0.003), (1.1 * r, top + 0.008), (0.9 * r, top + 0.014), (0.4 * r, top + 0.017)]
    add_turned(a, 0.0, curve(dome, 12), china)
    wire = materials.plain((0.6, 0.6, 0.62), 0.8, 60)
    low = top - rng.uniform(0.03, 0.04)
    joint = (0.9 * r, 1.25 * r, low - 0.012)
    path = fillet([(0, 0, top + 0.011), (0, 1.35 * r, top + 0.011), (0, 1.4 * r, low), joint], 0.004)
    a.add_both(tube(path, 0.0011, 6), CAP, wire)
    angle = np.linspace(0, 2 * np.pi, 33)
    ring = float(np.interp(low, wall.z, wall.y)) + 0.0008
    a.add(tube(np.stack([ring * np.cos(angle), ring * np.sin(angle), 0 * angle + low], -1), 0.0012, 6), CAP, wire)
    bail = [joint, (1.1 * r, 0.9 * r, low - 0.014), (1.35 * r, 0, low - 0.016)]
    a.add_both(tube(curve(bail, 9), 0.0011, 6), CAP, wire)
    mark_cap(a, 0.0, 1.1 * r, top + 0.008, top + 0.017)


def add_cork(a: Assembly, rng: np.random.Generator, wall: Wall, knob: bool = False) -> None:
    """A cork, maybe under a round head."""
    r, top = wall.mouth, wall.height
    bark = Finish(replace(materials.wood(rng).material, color=np.array([0.75, 0.58, 0.4])), 0.03)
    out = 0.006 if knob else rng.uniform(0.006, 0.02)
    add_turned(a, wall.middle(top), [(0.75 * r, top - 0.01), (0.85 * r, top + out)], bark)
    if not knob:
        mark_cap(a, wall.middle(top), 0.85 * r, top + out, top + out)
        return
    head = materials.any_of(rng, (1, materials.wood), (1, materials.metal), (1, materials.plastic))
    tall, wide = rng.uniform(0.008, 0.02), rng.uniform(1.05, 1.35) * r
    base = top + out - 0.001
    add_screw(a, wall.middle(top), (base, base + tall), (wide, wide), head)


def add_capsule(a: Assembly, rng: np.random.Generator, wall: Wall, long: Scalar) -> float:
    """Foil over the mouth; returns the height it begins at."""
    foil = materials.plain(materials.any_color(rng), rng.uniform(0.3, 0.8), 40)
    low, top = wall.height - long, wall.height + 0.001
    z = np.linspace(low, top - 0.001, 9)
    r = np.interp(z, wall.z, wall.y) + 0.0007
    profile = [(r[0] - 0.001, low), *np.stack([r, z], -1)[0:], (r[-1] - 0.0008, top)]
    add_turned(a, 0.0, profile, foil, 40)
    if rng.random() < 0.4:
        band = materials.plain(materials.any_color(rng), 0.5, 40)
        at = low + 0.1 * long
        add_turned(a, 0.0, [(r[0] - 0.001, at), (r[0] + 0.0005, at), (r[0] + 0.0005, at + 0.08 * long),
                            (r[0] - 0.001, at + 0.08 * long)], band, 40)  # fmt: skip
    mark_cap(a, 0.0, float(r[-1]), top - 0.0006, top)
    return low
