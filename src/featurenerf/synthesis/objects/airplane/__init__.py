"""Airplanes of twelve families, in metres: the nose at +x, halfway along the fuselage at the origin."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects.airplane.engines import (
    add_nose_propeller,
    add_nozzles,
    add_rear_jets,
    add_wing_jets,
    add_wing_propellers,
)
from featurenerf.synthesis.objects.airplane.fuselage import add_cockpit, add_fuselage
from featurenerf.synthesis.objects.airplane.gear import add_floats, add_gear, add_stores
from featurenerf.synthesis.objects.airplane.plans import CATEGORY as CATEGORY
from featurenerf.synthesis.objects.airplane.plans import draw_plan
from featurenerf.synthesis.objects.airplane.wings import add_canards, add_tail, add_wing
from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.labelled import LabelledMesh


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """An airplane of a family."""
    plan = draw_plan(rng, family)
    a = Assembly()
    add_fuselage(a, rng, plan)
    add_cockpit(a, rng, plan)
    wing = add_wing(a, rng, plan)
    fin = add_tail(a, rng, plan)
    if family in ("airliner", "four engines") or plan.kind == "four jets":
        add_wing_jets(a, rng, plan, wing)
    elif family == "rear engines":
        add_rear_jets(a, rng, plan, fin)
    elif family in ("twin propellers", "transport") or plan.kind == "boat":
        add_wing_propellers(a, rng, plan, wing)
    elif family in ("fighter", "delta"):
        add_nozzles(a, rng, plan)
        add_stores(a, rng, plan, wing)
    elif family != "glider":
        add_nose_propeller(a, rng, plan)
    if plan.kind == "canard":
        add_canards(a, rng, plan)
    if family == "seaplane":
        add_floats(a, rng, plan, wing)
    else:
        add_gear(a, rng, plan, wing)
    return a.build(family)
