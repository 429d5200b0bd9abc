"""Motorcycles of ten families, in metres: the front wheel at +x, the road at z = 0, the origin between the axles."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.labelled import LabelledMesh
from featurenerf.synthesis.objects.motorcycle.body import add_fenders, add_lamps, add_saddle, add_tank
from featurenerf.synthesis.objects.motorcycle.chassis import add_bars, add_fork, add_frame, add_wheel
from featurenerf.synthesis.objects.motorcycle.engine import add_engine, add_exhaust
from featurenerf.synthesis.objects.motorcycle.fairings import add_fairing, add_luggage, add_scooter, add_screen
from featurenerf.synthesis.objects.motorcycle.plans import CATEGORY as CATEGORY
from featurenerf.synthesis.objects.motorcycle.plans import draw_plan


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A motorcycle of a family."""
    plan = draw_plan(rng, family)
    a = Assembly()
    spokes, white = int(rng.choice([20, 24, 28])), family in ("cruiser", "chopper", "moped") and rng.random() < 0.25
    for front in (True, False):
        add_wheel(a, rng, plan, front, spokes, bool(white))
    add_fork(a, rng, plan)
    add_bars(a, rng, plan)
    add_frame(a, rng, plan)
    starts: list[np.ndarray] = []
    if family == "scooter":
        add_scooter(a, rng, plan)
    else:
        starts = add_engine(a, rng, plan)
        add_tank(a, rng, plan)
    add_exhaust(a, rng, plan, starts)
    back = add_saddle(a, rng, plan)
    tail = add_fenders(a, rng, plan)
    add_lamps(a, rng, plan, tail)
    if family == "sport":
        add_fairing(a, rng, plan)
    elif family == "touring" or (family == "adventure" and rng.random() < 0.8):
        add_screen(a, rng, plan)
    if family == "touring" or (family == "adventure" and rng.random() < 0.5):
        add_luggage(a, rng, plan, back)
    return a.build(family)
