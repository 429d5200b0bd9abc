"""The families of airplanes, and an airplane's measures drawn from its family's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from featurenerf.synthesis.objects.airplane.foils import FuselageShape
from featurenerf.synthesis.objects.airplane.liveries import ROUNDELS, Livery, draw_livery
from featurenerf.synthesis.objects.labelled import Category
from featurenerf.synthesis.objects.shapes import Numbers, Scalar

BODY, WING, TAIL, ENGINE = 1, 2, 3, 4


@dataclass(frozen=True)
class _Family:
    """Ranges of a family's measures: metres, degrees, and shares of the length where nothing else is said."""

    share: float
    length: tuple[Scalar, Scalar]
    slim: tuple[Scalar, Scalar]
    """Length over the fuselage's height."""
    flat: tuple[Scalar, Scalar]
    """The fuselage's width over its height."""
    span: tuple[Scalar, Scalar]
    aspect: tuple[Scalar, Scalar]
    """Wing span over mean chord."""
    taper: tuple[Scalar, Scalar]
    sweep: tuple[Scalar, Scalar]
    dihedral: tuple[Scalar, Scalar]
    place: tuple[Scalar, Scalar]
    """Where the quarter of the wing's mean chord lies, counted from the nose."""
    low: tuple[Scalar, Scalar]
    """Height of the wing's root: -1 at the bottom of the fuselage, 1 at its top."""
    fin: tuple[Scalar, Scalar]
    stab: tuple[Scalar, Scalar]
    """Span of the stabilisers, as a share of the wing's."""
    liveries: tuple[str, ...]
    tails: tuple[str, ...]


_AIRLINE = ("airline",) * 9 + ("bare",)
_PRIVATE = ("private",) * 5 + ("sport", "bare")
_FAMILIES = {
    "airliner": _Family(0.13, (28, 62), (8.0, 12.0), (0.95, 1.04), (0.85, 1.08), (8, 10.5), (0.2, 0.32), (24, 34),
                        (4, 7), (0.44, 0.5), (-0.75, -0.55), (0.14, 0.19), (0.33, 0.42), _AIRLINE, ("low",)),
    "four engines": _Family(0.07, (45, 72), (7.5, 11.0), (0.88, 1.0), (0.85, 1.05), (7, 9.5), (0.22, 0.34), (26, 38),
                            (4, 7), (0.43, 0.49), (-0.75, -0.55), (0.14, 0.19), (0.32, 0.4), _AIRLINE, ("low",)),
    "rear engines": _Family(0.12, (11, 34), (7.0, 11.5), (0.92, 1.05), (0.75, 1.02), (7, 9.5), (0.25, 0.42), (10, 33),
                            (2, 5), (0.5, 0.57), (-0.85, -0.62), (0.14, 0.19), (0.32, 0.45),
                            ("private", "private", "airline", "bare"), ("t", "t", "t", "cross")),
    "high wing": _Family(0.1, (6.5, 9.5), (4.9, 6.2), (0.75, 0.95), (1.2, 1.45), (6.2, 8.5), (0.55, 1.0), (0, 4),
                         (0.5, 3), (0.3, 0.36), (0.96, 1.02), (0.15, 0.2), (0.28, 0.38), _PRIVATE, ("low",)),
    "low wing": _Family(0.1, (6.0, 9.5), (5.0, 6.8), (0.72, 0.95), (1.0, 1.35), (5.2, 7.6), (0.42, 1.0), (0, 9),
                        (3, 8), (0.31, 0.38), (-0.85, -0.6), (0.13, 0.19), (0.3, 0.4),
                        ("private", "sport", "sport", "warbird", "warbird", "bare"), ("low", "low", "low", "t", "v")),
    "twin propellers": _Family(0.1, (9, 26), (6.5, 10.5), (0.85, 1.02), (1.0, 1.35), (7.5, 12), (0.35, 0.6), (2, 9),
                               (2, 7), (0.4, 0.46), (-0.85, -0.6), (0.15, 0.2), (0.3, 0.4),
                               ("private", "airline", "airline", "bare", "warbird"), ("low", "t", "twin", "low")),
    "biplane": _Family(0.07, (5.5, 8.5), (4.6, 6.0), (0.75, 0.95), (1.05, 1.4), (5.2, 7.6), (0.88, 1.0), (0, 9),
                       (0, 4), (0.29, 0.36), (-0.85, -0.65), (0.13, 0.17), (0.32, 0.42),
                       ("sport", "sport", "warbird", "private"), ("low",)),
    "glider": _Family(0.06, (6, 9), (7.5, 10.5), (0.75, 0.95), (1.8, 2.6), (15, 25), (0.35, 0.55), (0, 4),
                      (2, 5), (0.34, 0.4), (0.3, 0.75), (0.15, 0.2), (0.15, 0.22), ("glider",), ("t", "t", "low", "v")),
    "fighter": _Family(0.1, (13, 20), (8.0, 10.5), (1.0, 1.6), (0.58, 0.78), (2.6, 3.8), (0.2, 0.4), (28, 48),
                       (-5, 2), (0.53, 0.6), (-0.1, 0.5), (0.16, 0.21), (0.48, 0.6),
                       ("military",) * 4 + ("display",), ("low", "pair", "pair")),
    "delta": _Family(0.05, (13, 19), (8.5, 11.0), (0.9, 1.3), (0.55, 0.68), (1.9, 2.4), (0.03, 0.14), (48, 62),
                     (-3, 1), (0.6, 0.65), (-0.45, 0.1), (0.15, 0.2), (0.4, 0.5),
                     ("military",) * 3 + ("display",), ("none",)),
    "seaplane": _Family(0.05, (8, 14), (5.2, 6.6), (0.78, 0.95), (1.15, 1.45), (7, 9.5), (0.6, 1.0), (0, 4),
                        (0, 3), (0.33, 0.4), (0.96, 1.02), (0.16, 0.21), (0.3, 0.38), _PRIVATE,
                        ("low", "low", "cross")),
    "transport": _Family(0.05, (26, 52), (6.3, 8.2), (0.95, 1.1), (1.0, 1.32), (8, 10.5), (0.35, 0.5), (3, 26),
                         (-4, 0), (0.39, 0.45), (0.88, 1.0), (0.17, 0.21), (0.32, 0.42),
                         ("military", "military", "airline"), ("t", "low")),
}  # fmt: skip
CATEGORY = Category("airplane", tuple(_FAMILIES), tuple(family.share for family in _FAMILIES.values()))


@dataclass(frozen=True, eq=False)
class AirplanePlan:
    """An airplane's measures in metres, its fuselage and colours."""

    family: str
    kind: str
    """A variant within the family."""
    length: float
    high: float
    """Half of the fuselage's height."""
    wide: float
    hull: FuselageShape
    span: float
    """Of one wing."""
    chord: float
    """At the root."""
    taper: float
    sweep: float
    dihedral: float
    wing_x: float
    """Of the leading edge at the plane of symmetry."""
    wing_z: float
    fin: float
    stab: float
    tail: str
    livery: Livery
    roundel: tuple[Numbers, ...] = field(default=())

    def along(self, share: Scalar) -> float:
        """x at a share of the length from the nose."""
        return self.length * (0.5 - share)


def _hull_rows(rng: np.random.Generator, family: str, kind: str, thick: Scalar) -> list[tuple[Scalar, ...]]:
    """Rows for ``FuselageShape.of``; ``thick`` is the fuselage's height as a share of its length."""
    j = lambda value, by=0.04: value + rng.uniform(-by, by)  # noqa: E731
    if family in ("airliner", "four engines", "rear engines", "transport") or kind in ("commuter", "executive"):
        slender = family == "rear engines" or kind == "executive"
        n = thick * (rng.uniform(1.7, 2.3) if slender else rng.uniform(1.2, 1.7))
        t = thick * (rng.uniform(2.9, 3.6) if family == "transport" else rng.uniform(2.4, 3.2))
        d, p = rng.uniform(0.12, 0.35), 2.5 if family == "transport" else rng.uniform(2.0, 2.2)
        hump = rng.uniform(0.22, 0.36) if kind == "jumbo" else 0.0
        end = rng.uniform(0.5, 0.8)
        return [
            (0.0, 0.03 - d, -0.03 - d, 0.03, 2), (0.25 * n, j(0.26), j(-0.8), j(0.6), 2),
            (0.62 * n, j(0.84) + hump, -0.97, j(0.91), p), (n, 1 + hump, -1, 1, p),
            (max(n + 0.02, 0.3), 1 + hump, -1, 1, p), (0.4, 1, -1, 1, p), (1 - t, 1, -1, 1, p),
            (1 - 0.72 * t, 1, -0.86, 0.97, p), (1 - 0.45 * t, 0.99, j(-0.42), j(0.78), 2),
            (1 - 0.15 * t, end + 0.2, end - 0.45, 0.36, 2), (1, end, end - 0.2, 0.09, 2),
        ]  # fmt: skip
    if family == "high wing" or kind == "floats":
        c = rng.uniform(0.1, 0.35)
        return [
            (0.0, c - 0.1, -0.6, j(0.6), 2.4), (0.04, c, j(-0.76), 0.74, 2.6), (0.16, c + 0.1, -0.95, 0.88, 3),
            (0.2, c + 0.14, -0.98, 0.93, 3), (0.3, 0.98, -1, 1, 3.6),
            (0.45, 1.0, -1, 1, 3.6), (0.52, 0.97, -0.95, 0.97, 3.4),
            (0.62, j(0.62, 0.12), j(-0.72), j(0.7), 3), (0.8, j(0.4), -0.34, 0.34, 2.5), (1, j(0.22), 0.0, 0.08, 2),
        ]  # fmt: skip
    if family == "low wing":
        roof = 1.0 if kind == "cabin" else 0.5
        c = 0.34 if kind == "cabin" else j(0.45)
        return [
            (0.0, 0.2, -0.5, j(0.56), 2.2), (0.04, c - 0.06, j(-0.68), 0.72, 2.4), (0.2, c, -0.94, 0.92, 2.6),
            (0.25, c + 0.04, -0.98, 0.96, 2.8), (0.35, roof, -1, 1, 2.8), (0.48, roof, -1, 1, 2.8),
            (0.6, 0.5 * roof + 0.25, j(-0.85), j(0.78), 2.5), (0.8, 0.4, -0.4, 0.4, 2.2), (1, j(0.2), -0.02, 0.08, 2),
        ]  # fmt: skip
    if kind == "light twin":
        return [
            (0.0, -0.1, -0.2, 0.05, 2), (0.03, 0.12, -0.5, 0.36, 2),
            (0.12, j(0.34), -0.84, 0.72, 2.2), (0.19, 0.46, -0.94, 0.88, 2.4),
            (0.29, 0.97, -1, 1, 2.5), (0.5, 1.0, -1, 1, 2.5), (0.65, j(0.76), j(-0.7), 0.78, 2.3),
            (0.85, 0.5, -0.16, 0.35, 2), (1, 0.4, 0.16, 0.07, 2),
        ]  # fmt: skip
    if family == "biplane":
        return [
            (0.0, 0.66, -0.7, 0.78, 2), (0.12, 0.7, -0.86, 0.9, 2.1),
            (0.25, j(0.7), -1, 1, 2.3), (0.45, j(0.8), -1, 1, 2.4),
            (0.58, j(0.84), -0.86, 0.84, 2.2), (0.8, 0.5, -0.42, 0.42, 2.2), (1, 0.2, -0.06, 0.07, 2),
        ]  # fmt: skip
    if family == "glider":
        boom = rng.uniform(0.14, 0.24)
        return [
            (0.0, -0.18, -0.24, 0.03, 2), (0.04, 0.25, -0.62, 0.48, 2),
            (0.12, 0.66, -0.9, 0.83, 2), (0.22, 0.92, -1, 1, 2),
            (0.32, 0.96, -0.96, 0.92, 2), (0.43, 0.85, j(-0.62), 0.6, 2), (0.56, 0.62, j(-0.12), 0.34, 2),
            (0.8, 0.5, 0.5 - 1.5 * boom, 1.2 * boom, 2), (1, 0.42, 0.42 - 1.1 * boom, 0.5 * boom, 2),
        ]  # fmt: skip
    if kind == "boat":
        return [
            (0.0, 0.0, -0.2, 0.06, 2), (0.03, 0.3, j(-0.62), 0.5, 2),
            (0.1, j(0.6), -0.95, 0.84, 2.3), (0.17, 0.68, -1.02, 0.95, 2.6),
            (0.27, 1.0, -1.04, 1, 2.6), (0.48, 1, -1, 1, 2.6),
            (0.52, 0.98, -0.7, 0.98, 2.6), (0.7, j(0.84), -0.42, 0.68, 2.4),
            (0.88, 0.76, 0.12, 0.32, 2), (1, 0.72, 0.4, 0.1, 2),
        ]  # fmt: skip
    e = {"single": 0.66, "twin": 0.84}.get(kind, 0.6)
    d = rng.uniform(0.05, 0.25)
    return [
        (0.0, 0.01 - d, -0.01 - d, 0.012, 2),
        (0.012, 0.06 - d, -0.07 - d, 0.07, 2), (0.05, j(0.16) - d, -0.2 - d, 0.2, 2),
        (0.13, j(0.42), -0.56, 0.42, 2), (0.22, 0.62, -0.76, 0.52, 2), (0.34, 0.8, -0.9, 0.62, 2.3),
        (0.45, 0.85, -1, 0.84, 2.7), (0.66, j(0.76), -0.96, 1, 2.8),
        (0.85, 0.6, -0.72, e + 0.1, 2.6), (1, 0.42, -0.5, e - 0.06, 2.3),
    ]  # fmt: skip


_KINDS = {
    "airliner": ("twin",),
    "four engines": ("jumbo", "long", "long"),
    "rear engines": ("pair", "pair", "pair", "trijet"),
    "high wing": ("tricycle", "tricycle", "taildragger"),
    "low wing": ("cabin", "bubble", "bubble"),
    "twin propellers": ("commuter", "executive", "light twin"),
    "biplane": ("open",),
    "glider": ("glass",),
    "fighter": ("single", "twin", "twin"),
    "delta": ("canard", "single"),
    "seaplane": ("floats", "boat"),
    "transport": ("four propellers", "four jets", "two propellers"),
}


def draw_plan(rng: np.random.Generator, family: str) -> AirplanePlan:
    f = _FAMILIES[family]
    kind = str(rng.choice(_KINDS[family]))
    length = rng.uniform(*f.length)
    if kind == "commuter":
        length = rng.uniform(15, 28)
    high = 0.5 * length / rng.uniform(*f.slim)
    wide = high * rng.uniform(*f.flat)
    span = 0.5 * length * rng.uniform(*f.span)
    taper, sweep = rng.uniform(*f.taper), rng.uniform(*f.sweep)
    low, dihedral = rng.uniform(*f.low), rng.uniform(*f.dihedral)
    tail = str(rng.choice(f.tails))
    if kind == "commuter" and rng.random() < 0.7:
        low, dihedral, tail = 0.97, rng.uniform(0, 2), "t" if rng.random() < 0.7 else "low"
    if family == "low wing" and kind == "bubble" and tail != "low":
        tail = "low"
    if family == "fighter":
        tail = "low" if kind == "single" else "pair"
    if kind == "four jets":
        sweep = rng.uniform(20, 28)
    if kind == "boat":
        tail = str(rng.choice(["cross", "t", "twin"]))
    mean = 2 * span / rng.uniform(*f.aspect)
    chord = 2 * mean / (1 + taper)
    out, middle = span / 3 * (1 + 2 * taper) / (1 + taper), chord * 2 / 3 * (1 + taper + taper**2) / (1 + taper)
    wing_x = length * (0.5 - rng.uniform(*f.place)) + 0.25 * middle + out * np.tan(np.radians(sweep))
    livery = draw_livery(rng, str(rng.choice(f.liveries)), length)
    marks: tuple[Numbers, ...] = ()
    if livery.kind in ("military", "warbird", "display"):
        marks = ROUNDELS[rng.integers(len(ROUNDELS))]
    return AirplanePlan(
        family=family,
        kind=kind,
        length=length,
        high=high,
        wide=wide,
        hull=FuselageShape.of(_hull_rows(rng, family, kind, 2 * high / length), length, high, wide),
        span=span,
        chord=chord,
        taper=taper,
        sweep=sweep,
        dihedral=dihedral,
        wing_x=float(wing_x),
        wing_z=low * high,
        fin=rng.uniform(*f.fin) * length,
        stab=rng.uniform(*f.stab) * span,
        tail=tail,
        livery=livery,
        roundel=marks,
    )
