"""Wings, struts, tails and canards, with their paint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.airplane.foils import Foil, panel
from featurenerf.synthesis.objects.airplane.liveries import HUES, Canvas
from featurenerf.synthesis.objects.airplane.plans import BODY, TAIL, WING, AirplanePlan
from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.shapes import Scalar, Surface, circle, loft, tube


def _paint_wing(rng: np.random.Generator, plan: AirplanePlan, foil: Foil, main: bool = True) -> tuple[Surface, Finish]:
    livery = plan.livery
    c = Canvas(foil.surface(), livery.wing, (0, 1), 200 if main else 100)
    front, _, chord = foil.at(c.v)
    part = (front - c.u) / chord
    out = c.v / foil.front[:, 1].max()
    if livery.kind in ("military", "warbird") and livery.style == "camouflage":
        c.paint(livery.blotches(c.u, c.v) > 0.0, livery.first)
    if livery.kind == "airline" or livery.kind == "bare":
        c.paint((part > 0.16) & (part < 0.62) & (out < 0.9), 0.86 * livery.wing)
        c.paint(part < 0.06, np.full(3, 0.78))
    elif livery.kind in ("sport", "display") and main:
        style = rng.choice(["plain", "sunburst", "bars", "edge", "checks"])
        if style == "sunburst":
            turn = np.arctan2(c.u - float(foil.front[0, 0]) + float(foil.chord[0]), c.v + 0.1)
            c.paint(np.sin(rng.uniform(9, 14) * turn + 0.5) > 0, livery.first)
        elif style == "bars":
            c.paint((np.abs(out - 0.55) < 0.05) | (np.abs(out - 0.75) < 0.05), livery.first)
        elif style == "edge":
            c.paint(part < rng.uniform(0.15, 0.4), livery.first)
        elif style == "checks":
            step = 0.35 * float(foil.chord[-3])
            c.paint((out > 0.7) & ((np.floor(c.u / step) + np.floor(c.v / step)) % 2 == 0), livery.first)
    elif livery.kind == "private" and main and rng.random() < 0.5:
        c.paint(np.abs(out - 0.8) < 0.04, livery.second)
    if livery.style == "bands" and main:
        for k in range(4):
            c.paint(np.abs(out - 0.4 - 0.04 * k) < 0.02, np.full(3, 0.92 if k % 2 else 0.06))
    tips = {"airline": 0.55, "military": 0.1, "bare": 0.3, "warbird": 0.3, "glider": 0.8}.get(livery.kind, 0.7)
    if rng.random() < tips:
        color = livery.first if livery.kind != "airline" or rng.random() < 0.8 else livery.base
        if livery.kind in ("glider", "warbird"):
            color = np.asarray(HUES[int(rng.choice([0, 9, 8]))])
        c.paint(out > (0.93 if main else 0.86), color)
    if plan.roundel and main:
        place = rng.uniform(0.6, 0.75)
        x, _, wide = foil.at(place * float(foil.front[:, 1].max()))
        c.roundel((float(x - 0.45 * wide), place * float(foil.front[:, 1].max())), 0.3 * float(wide), plan.roundel)
    shade = np.full(3, 0.08)
    if main:
        hinge = np.where(out < 0.62, 0.72, 0.75)
        c.line((part - hinge) * chord, (out > 0.1) & (out < 0.94), shade, 0.5)
        for place in (0.36, 0.62, 0.94):
            c.line((out - place) * foil.front[:, 1].max(), part > 0.72, shade, 0.5)
    else:
        c.line((part - 0.68) * chord, out < 0.93, shade, 0.5)
    return c.finish(livery.gloss)


def _mark_root(a: Assembly, plan: AirplanePlan, foil: Foil, wider: Scalar = 0.0) -> None:
    """Name the wing's corners where it leaves the fuselage, or passes over its side."""
    y = np.linspace(0, 0.6 * plan.span, 240)
    front, z, chord = foil.at(y)
    for key, x in ((5, front), (7, front - chord)):
        edge = np.maximum(plan.hull.width(x, z), 0.85 * plan.hull.at(x)[2])
        edge = np.maximum(edge, wider) + 0.002 * plan.length
        k = int(np.argmax(y > edge))
        a.keypoint_both(key, key + 1, (x[k], y[k], z[k]), WING)


def add_wing(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> Foil:
    """The wings; of a biplane the lower ones. Named points lie on the wings returned."""
    b, c, taper, family = plan.span, plan.chord, plan.taper, plan.family
    up = np.radians(plan.dihedral)
    outward = np.array([0.0, np.cos(up), np.sin(up)])
    root = np.array([plan.wing_x, 0.0, plan.wing_z])
    tan = np.tan(np.radians(plan.sweep))
    camber = rng.uniform(0.0, 0.025)
    if family in ("airliner", "four engines") or plan.kind == "four jets":
        k = rng.uniform(0.3, 0.4)
        c = 0.9 * c
        kink = c * (1 - (1 - taper) * k)
        tip = str(rng.choice(["winglet", "winglet", "raked", "square"]))
        flex = rng.uniform(0, 0.035) * b if family != "transport" else 0.0
        foil = panel(root, outward, b, (kink + k * b * tan, kink, 0.5 * (kink + taper * c), taper * c), plan.sweep,
                      (0.14, 0.115, 0.105, 0.1), tip, camber, (0.0, k, 0.5 * (1 + k), 1.0),
                      rise=(0.0, 0.0, 0.3 * flex, flex))  # fmt: skip
    elif family == "delta":
        k = rng.uniform(0.3, 0.5)
        inner = rng.uniform(1.0, 1.5) if rng.random() < 0.4 else 1.0
        back = b * tan * np.array([0.0, k * inner, k * inner + 1 - k])
        end = back[-1] + taper * c * rng.uniform(1.0, 1.4)
        trail = np.array([0.0, -k, -1.0]) * rng.uniform(-0.02, 0.12) * b
        chord = end + trail - back
        root = root + np.array([0.5 * (end - c), 0, 0])
        chord = np.maximum(chord, 0.05 * c)
        foil = panel(root, outward, b, chord, plan.sweep, 0.045, shares=(0.0, k, 1.0), setback=back)
    elif family == "fighter":
        k = min((plan.wide + rng.uniform(0.12, 0.2) * b) / b, 0.6)
        strake = rng.uniform(0.0, 0.14) * plan.length
        share = np.array([0.0, 0.8 * k, k, 1.0])
        ahead = strake * np.array([1.0, 0.12, 0.0, 0.0])
        chord = c * (1 - (1 - taper) * share) + ahead
        back = b * tan * share - ahead
        foil = panel(root, outward, b, chord, plan.sweep, (0.035, 0.05, 0.055, 0.05), shares=share, setback=back)
    elif plan.kind == "bubble" and rng.random() < 0.65:
        share = np.sin(np.linspace(0, np.pi / 2, 10))
        chord = 1.15 * c * np.sqrt(1 - (0.985 * share) ** 2)
        gull = rng.random() < 0.25
        rise = b * np.interp(share, [0.0, 0.3, 1.0], [0.0, -0.13, 0.03]) if gull else 0 * share
        root = root + np.array([0.05 * c, 0, 0.08 * b if gull else 0.0])
        thick, back = np.linspace(0.14, 0.1, 10), 0.33 * (chord[0] - chord)
        foil = panel(root, outward, b, chord, 0, thick, "round", camber, share, back, rise)
    else:
        tip = str(rng.choice(["round", "square", "winglet"], p=[0.45, 0.4, 0.15]))
        if family in ("biplane", "low wing"):
            tip = "round" if rng.random() < 0.7 else "square"
        if family == "rear engines":
            tip = "winglet" if rng.random() < 0.6 else "square"
        break_ = rng.uniform(0.35, 0.6) if rng.random() < 0.6 else 0.0
        share = np.array([0.0, break_, 1.0]) if break_ and taper < 0.9 else np.array([0.0, 1.0])
        inner = 1.0 if rng.random() < 0.5 else 1 - (1 - taper) * break_
        chord = np.array([c, c * (1 - 0.75 * (1 - inner)), taper * c]) if len(share) == 3 else np.array([c, taper * c])
        bend = rng.uniform(0.0, 0.03) * b if family == "glider" else 0.0
        deep = rng.uniform(0.12, 0.155)
        foil = panel(root, outward, b, chord, plan.sweep, (deep,) * (len(share) - 1) + (0.8 * deep,), tip,
                      camber + 0.01, share, rise=bend * share**2)  # fmt: skip
    surface, finish = _paint_wing(rng, plan, foil)
    a.add_both(surface, WING, finish)
    fairing = 0.0
    if family in ("airliner", "four engines") or (family == "rear engines" and plan.length > 12):
        fairing = _fairing(a, plan, foil)
    a.keypoint_both(3, 4, foil.tip, WING)
    if family == "delta":
        fairing = 0.85 * plan.wide + 0.42 * plan.high  # clear of the intakes
    _mark_root(a, plan, foil, fairing)
    if family == "biplane":
        _upper_wing(a, rng, plan, foil, (surface, finish))
    elif family in ("high wing", "seaplane") and plan.kind != "boat" and rng.random() < 0.8:
        y = rng.uniform(0.45, 0.6) * b
        x, z, chord = (float(k) for k in foil.at(y))
        foot = plan.along(0.33), 0.93 * plan.wide, -0.72 * plan.high
        feet = [(0.3, 0.0)] if rng.random() < 0.6 else [(0.25, 0.0), (0.65, -0.09)]
        for part, shift in feet:
            line = np.linspace((foot[0] + shift * plan.length, *foot[1:]), (x - part * chord, y, z), 3)
            a.add_both(tube(line, 0.0055 * plan.length, 8), WING, plan.livery.plain(plan.livery.wing))
    return foil


def _fairing(a: Assembly, plan: AirplanePlan, foil: Foil) -> float:
    """The bulge under an airliner where the wings join; returns its half width."""
    front, back = float(foil.front[0, 0]), float(foil.front[0, 0] - foil.chord[0])
    t = np.linspace(0, 1, 13)
    swell = np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0.0004, 1)) ** 0.8
    x = back - 0.15 * (front - back) + t * 1.3 * (front - back)
    ring = circle(20, 1.0, 2.6)
    half = 0.97 * float(plan.hull.at((front + back) / 2)[2])
    points = np.empty((13, 20, 3))
    points[..., 0] = x[:, None]
    points[..., 1] = half * swell[:, None] * ring[:, 0]
    points[..., 2] = -0.62 * plan.high + 0.46 * plan.high * swell[:, None] * ring[:, 1]
    a.add(loft(points), BODY, plan.livery.plain(plan.livery.under))
    return half


def _upper_wing(
    a: Assembly, rng: np.random.Generator, plan: AirplanePlan, lower: Foil, painted: tuple[Surface, Finish]
) -> None:
    """A biplane's second wing, with struts and wires."""
    stagger, gap = rng.uniform(-0.1, 0.5) * plan.chord, rng.uniform(1.0, 1.3) * plan.chord
    longer = rng.uniform(1.0, 1.15)
    rise = max(gap, plan.hull.ceiling(plan.along(0.35)) + 0.3 * plan.high - plan.wing_z)
    offset = np.array([stagger, 0.0, rise])
    a.add_both(replace(painted[0], vertices=painted[0].vertices * [1, longer, 1] + offset), WING, painted[1])
    wood = materials.wood(rng) if rng.random() < 0.4 else plan.livery.plain(plan.livery.base)
    wire = materials.plain((0.35, 0.35, 0.36), 0.5, 30)
    thin = 0.0045 * plan.length
    spans = [0.72] if rng.random() < 0.7 else [0.45, 0.85]
    inner: float = 0.9 * plan.wide
    for share in spans:
        y = share * plan.span
        x, z, chord = (float(k) for k in lower.at(y))
        ends = [np.array([x - p * chord, y, z]) for p in (0.15, 0.68)]
        tops = [np.array([x - p * chord, y * longer, z]) + offset for p in (0.15, 0.68)]
        for foot, head in zip(ends, tops, strict=True):
            a.add_both(tube(np.stack([foot, head]), thin, 6), WING, wood)
        if rng.random() < 0.4:
            a.add_both(tube(np.stack([ends[1], tops[0]]), thin, 6), WING, wood)
        xi, zi, ci = (float(k) for k in lower.at(inner))
        root = np.array([xi - 0.4 * ci, inner, zi])
        a.add_both(tube(np.stack([root, 0.5 * (tops[0] + tops[1])]), 0.0016 * plan.length, 4), WING, wire)
        a.add_both(tube(np.stack([root + offset, 0.5 * (ends[0] + ends[1])]), 0.0016 * plan.length, 4), WING, wire)
        inner = y
    x0, z0, c0 = (float(k) for k in lower.at(0.0))
    for part in (0.15, 0.65):
        x = x0 - part * c0 + stagger
        foot = np.array([x, 0.72 * plan.wide, plan.hull.ceiling(x) - 0.3 * plan.high])
        a.add_both(tube(np.stack([foot, (x, 0.9 * plan.wide, z0 + rise + 0.01)]), thin, 6), WING, wood)


# ----------------------------------------------------------------------------------------------------------- tail


def _paint_fin(rng: np.random.Generator, plan: AirplanePlan, foil: Foil) -> tuple[Surface, Finish]:
    livery = plan.livery
    plain = livery.kind in ("glider", "military", "warbird") or livery.style in ("full", "plain", "two-tone")
    c = Canvas(foil.surface(), livery.base, (0, 2), 140)
    low, high = float(foil.front[0, 2]), float(foil.front[-1, 2])
    up = (c.v - low) / (high - low)
    front, _, chord = foil.at(c.v, 2)
    part = (front - c.u) / chord
    if livery.kind in ("military", "warbird") and livery.style == "camouflage":
        c.paint(livery.blotches(c.u, c.v) > 0.0, livery.first)
    style = str(rng.choice(["solid", "slant", "bars", "disc", "fade", "split"]))
    if plain and livery.kind != "airline":
        style = "flash" if livery.kind in ("military", "warbird") else "tip"
    slant = up + rng.uniform(-0.8, 0.8) * part
    if style == "solid":
        c.paint(up > -1, livery.first)
    elif style == "slant":
        c.paint(slant > 0.3, livery.first)
        c.paint((slant > 0.22) & (slant < 0.3), livery.second)
    elif style == "bars":
        c.paint((up > 0.3) & (np.sin(rng.uniform(12, 20) * slant) > 0), livery.first)
    elif style == "disc":
        c.paint(up > -1, livery.first)
        middle = low + 0.58 * (high - low)
        x, _, wide = foil.at(middle, 2)
        c.roundel(
            (float(x - 0.5 * wide), middle),
            0.28 * float(wide) + 0.05 * (high - low),
            (livery.second, livery.base)[: rng.integers(1, 3)],
        )
    elif style == "fade":
        c.paint(np.clip(1.4 * slant - 0.2, 0, 1), livery.first)
    elif style == "split":
        c.paint(slant > 0.5, livery.first)
        c.paint(slant <= 0.5, livery.second)
    elif style == "flash" and plan.roundel:
        for k, color in enumerate(plan.roundel):
            c.paint((np.abs(up - 0.62) < 0.12) & (np.abs(part - 0.25 - 0.1 * k) < 0.05), np.asarray(color))
    elif style == "tip":
        c.paint(up > rng.uniform(0.5, 0.85), livery.first)
    c.line((part - 0.68) * chord, up > 0.1, np.full(3, 0.08), 0.5)
    return c.finish(livery.gloss)


def add_tail(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> Foil | None:
    """Fins and stabilisers; returns the fin on the plane of symmetry, if there is one."""
    hull, family = plan.hull, plan.family
    jet = family in ("airliner", "four engines", "rear engines", "transport")
    fast = family in ("fighter", "delta")
    sweep = rng.uniform(36, 46) if jet else (rng.uniform(38, 52) if fast else rng.uniform(5, 42))
    high, tip = plan.fin, "square"
    chord = high * (rng.uniform(0.85, 1.1) if jet else rng.uniform(0.75, 1.05))
    if fast:
        chord = high * rng.uniform(1.05, 1.3)
    if not jet and not fast:
        tip = "round" if rng.random() < 0.6 else "square"
    narrow = rng.uniform(0.6, 0.85) if plan.tail == "t" else rng.uniform(0.3, 0.5 if jet or fast else 0.75)
    trail = rng.uniform(0.955, 0.99) - (0.02 if fast else 0)
    x = plan.along(trail) + chord
    foot = min(hull.ceiling(x), hull.ceiling(plan.along(trail))) - 0.12 * plan.high
    half, flat = plan.stab, rng.uniform(3.4, 4.6)
    wide = 2 * half / flat
    slim = rng.uniform(0.35, 0.55) if jet or fast else rng.uniform(0.55, 0.95)
    back = plan.sweep + rng.uniform(2, 8) if jet or fast else rng.uniform(0, 14)
    tilt = rng.uniform(4, 9) if jet and plan.tail == "low" else 0.0
    if fast:
        wide, tilt = 2 * half / rng.uniform(2.0, 2.6), rng.uniform(-4, 0)
    root_chord = 2 * wide / (1 + slim)
    middle, _, _, _ = hull.at(plan.along(0.94))
    fin: Foil | None = None
    if plan.tail in ("low", "t", "cross", "none"):
        dorsal = rng.uniform(0.2, 0.5) * chord if rng.random() < 0.6 else 0.0
        slope = np.tan(np.radians(sweep))
        lead = np.array([-dorsal, 0.22 * high * slope, high * slope])
        chords = np.array([chord + dorsal, chord * (1 - 0.22 * (1 - narrow)), chord * narrow])
        thick = 0.05 if fast else (0.05 + 0.04 / (1 + dorsal), 0.1, 0.09)
        fin = panel((x, 0, foot), (0, 0, 1), high, chords, sweep, thick, tip, shares=(0.0, 0.22, 1.0), setback=lead)
        surface, finish = _paint_fin(rng, plan, fin)
        a.add(surface, TAIL, finish)
        a.keypoint(9, fin.tip, TAIL)
        up = np.linspace(0, 0.6, 60) * high + foot
        edge = fin.at(up, 2)[0]
        k = int(np.argmax(up > np.interp(edge, hull.x, hull.top) + 0.01 * plan.high))
        a.keypoint(10, (float(edge[k]), 0, float(up[k])), TAIL)
    if plan.tail == "none":
        return fin
    level = float(middle)
    start = plan.along(rng.uniform(0.975, 0.99)) + root_chord
    if plan.tail == "t" and fin is not None:
        level = foot + 0.985 * high
        start = float(np.interp(level, fin.front[:, 2], fin.front[:, 0])) + 0.05 * root_chord
    elif plan.tail == "cross" and fin is not None:
        level = foot + rng.uniform(0.4, 0.6) * high
        start = float(fin.at(level, 2)[0]) - 0.05 * root_chord
    elif plan.tail == "v":
        tilt, level, half = rng.uniform(33, 45), hull.ceiling(plan.along(0.93)) - 0.3 * plan.high, max(half, 1.1 * high)
    elif plan.tail == "twin":
        level = float(middle) + 0.3 * plan.high
    turn = np.radians(tilt)
    round_tip = "round" if not jet and not fast and rng.random() < 0.6 else "square"
    stab = panel((start, 0, level), (0, np.cos(turn), np.sin(turn)), half, (root_chord, slim * root_chord), back,
                  0.05 if fast else 0.1, round_tip)  # fmt: skip
    surface, finish = _paint_wing(rng, plan, stab, main=False)
    a.add_both(surface, TAIL, finish)
    a.keypoint_both(13, 14, stab.tip, TAIL)
    if plan.tail == "twin":
        place, size = rng.uniform(0.82, 0.97) * half, rng.uniform(0.65, 0.8) * high
        joint, height, _ = (float(v) for v in stab.at(place))
        lower = rng.uniform(0.25, 0.45) * size
        root = (joint + 0.1 * root_chord, place, height - lower)
        chords, lead = chord * np.array([0.6, 0.85, 0.5]), chord * np.array([0.12, 0.0, 0.25])
        foil = panel(root, (0, 0, 1), size + 0.5 * lower, chords, 0, 0.1, "round", shares=(0.0, 0.4, 1.0), setback=lead)
        surface, finish = _paint_fin(rng, plan, foil)
        a.add_both(surface, TAIL, finish)
        a.keypoint_both(11, 12, foil.tip, TAIL)
    elif plan.tail == "pair":
        cant, size = np.radians(rng.uniform(0, 26)), rng.uniform(0.85, 1.0) * high
        y = rng.uniform(0.5, 0.72) * plan.wide
        at = plan.along(rng.uniform(0.9, 0.96)) + chord
        way = (0, np.sin(cant), np.cos(cant))
        base = float(hull.point(at - 0.6 * chord, 60.0)[2]) - 0.3 * plan.high
        foil = panel((at, y, base), way, size, (chord, rng.uniform(0.3, 0.45) * chord), sweep, 0.05)
        surface, finish = _paint_fin(rng, plan, foil)
        a.add_both(surface, TAIL, finish)
        a.keypoint_both(11, 12, foil.tip, TAIL)
    return fin


def add_canards(a: Assembly, rng: np.random.Generator, plan: AirplanePlan) -> None:
    """Small wings before the wings; they count as wing."""
    x, y = plan.along(rng.uniform(0.26, 0.31)), 0.5 * float(plan.hull.at(plan.along(0.3))[2])
    tilt = np.radians(rng.uniform(0, 12))
    chord = rng.uniform(0.1, 0.13) * plan.length
    root, outward = (x, y, rng.uniform(0.25, 0.5) * plan.high), (0, np.cos(tilt), np.sin(tilt))
    span, sweep = rng.uniform(0.11, 0.15) * plan.length, rng.uniform(40, 55)
    foil = panel(root, outward, span, (chord, 0.3 * chord), sweep, 0.05)
    surface, finish = _paint_wing(rng, plan, foil, main=False)
    a.add_both(surface, WING, finish)
