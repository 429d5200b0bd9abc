"""Cars of ten families, in metres: the nose at +x, the road at z = 0, halfway along at the origin."""

from __future__ import annotations

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.car.body import add_bed, add_body, add_fenders, add_spoiler
from featurenerf.synthesis.objects.car.cabin import add_cabin, add_open_cabin
from featurenerf.synthesis.objects.car.details import add_lights, add_mirrors, add_wheels
from featurenerf.synthesis.objects.car.plans import CATEGORY as CATEGORY
from featurenerf.synthesis.objects.car.plans import draw_plan
from featurenerf.synthesis.objects.labelled import LabelledMesh


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A car of a family."""
    plan = draw_plan(rng, family)
    a = Assembly()
    body = add_body(a, rng, plan)
    if family == "convertible":
        add_open_cabin(a, rng, plan)
    else:
        add_cabin(a, rng, plan)
    if family == "pickup":
        add_bed(a, plan)
    if family == "classic":
        add_fenders(a, plan)
    add_wheels(a, rng, plan)
    add_lights(a, rng, plan, body)
    add_mirrors(a, rng, plan, body)
    if (family == "sports" and rng.random() < 0.4) or (family == "hatchback" and rng.random() < 0.15):
        add_spoiler(a, rng, plan)
    return a.build(family)
