"""Backs: slats, spindles, boards, cushions and hoops."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly, Finish
from featurenerf.synthesis.objects.chair.bodied import outward
from featurenerf.synthesis.objects.chair.plans import BACK, ChairPlan
from featurenerf.synthesis.objects.shapes import (
    Scalar,
    Surface,
    box,
    circle,
    rotation,
    rounded_rectangle,
    slab,
    sweep,
    tube,
)


def back_bar(
    size: tuple[Scalar, Scalar, Scalar], at: tuple[Scalar, Scalar, Scalar], plan: ChairPlan, radius: Scalar = 0.005
) -> Surface:
    """A bar or board of the back, in back coordinates, cut finely enough to be bent."""
    cuts = (1, int(np.clip(size[1] / 0.05, 1, 10)), int(np.clip(size[2] / 0.08, 1, 8)))
    return box(size, radius, cuts).move(at).warp(plan.lean)


def add_back(a: Assembly, rng: np.random.Generator, plan: ChairPlan, kind: str | None = None) -> None:
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
            a.add(back_bar((post * 1.4, inner + 2 * post, 0.035), (0, 0, low), plan), BACK, plan.frame)
        count, slim = int(rng.integers(3, 9)), rng.uniform(0.4, 0.75)
        start = low if low > 0.03 else -0.01
        for y in (np.arange(count) + 0.5) / count * inner - inner / 2:
            if kind == "slats":
                a.add(
                    back_bar(
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
            a.add(back_bar((0.014, wide - 2 * post, height), (0, 0, z), plan, 0.004), BACK, plan.frame)
    elif kind in ("panel", "gap"):
        bottom = 0.0 if kind == "panel" else rng.uniform(0.2, 0.55) * tall
        shape = rng.choice(["box", "arch", "oval"])
        thick = rng.uniform(0.012, 0.03)
        if kind == "gap" or shape == "oval":
            posts(bottom + 0.5 * (tall - bottom))
        if shape == "box":
            a.add(
                back_bar((thick, wide, tall - bottom), (0.01, 0, (tall + bottom) / 2), plan, 0.4 * thick),
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
            a.add(outward(board.warp(plan.lean)), BACK, plan.back_cover)
    elif kind == "framed":
        posts()
        crest()
        low = max(low, 0.03)
        a.add(back_bar((post * 1.5, inner + 2 * post, rail), (0, 0, low), plan), BACK, plan.frame)
        height = tall - rail / 2 - low
        a.add(
            back_bar((rng.uniform(0.015, 0.05), inner + post, height), (0, 0, low + height / 2), plan, 0.007),
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
        a.add(back_bar((post * 1.4, inner + 2 * post, 0.035), (0, 0, low), plan), BACK, plan.frame)
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


def mark_back(a: Assembly, plan: ChairPlan) -> None:
    """Name the back's points."""
    a.keypoint_both(4, 5, plan.at(1.1, 1.06), BACK)
    a.keypoint_both(6, 7, plan.at(1.1, 0.05, 0.02), BACK)
    a.keypoint(17, plan.at(0, 1.2), BACK)
    a.keypoint(18, plan.at(0, 0.5), BACK, seen_from=(1, 0, 0))
