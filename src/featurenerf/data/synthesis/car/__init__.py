"""Cars of ten families, in metres: the nose at +x, the road at z = 0, halfway along at the origin."""

from __future__ import annotations

import numpy as np

from featurenerf.data.synthesis.car.body import add_bed, add_body, add_fenders
from featurenerf.data.synthesis.car.cabin import add_cabin, add_open_cabin
from featurenerf.data.synthesis.car.details import add_face, add_sides, add_wheels
from featurenerf.data.synthesis.car.plans import BODY, draw_plan
from featurenerf.data.synthesis.car.plans import CATEGORY as CATEGORY
from featurenerf.data.synthesis.objects import LabelledMesh
from featurenerf.data.synthesis.shapes import (
    Assembly,
    box,
)


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
    add_face(a, rng, plan, body)
    add_sides(a, rng, plan, body)
    if (family == "sports" and rng.random() < 0.4) or (family == "hatchback" and rng.random() < 0.15):
        x, z = -plan.length / 2 + 0.12, plan.tail + rng.uniform(0.1, 0.25)
        a.add(box((0.22, plan.width * 0.82, 0.03), 0.012).move([x, 0, z]), BODY, plan.paint)
        a.add_both(
            box((0.12, 0.03, z - plan.tail + 0.08)).move([x + 0.03, plan.width * 0.3, (z + plan.tail) / 2 - 0.03]),
            BODY,
            plan.trim,
        )
    return a.build(family)
