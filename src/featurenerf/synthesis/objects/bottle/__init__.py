"""Bottles of eleven families, in metres: the floor at z = 0, spouts and labels to the front, handles at the back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.bottle.drinks import (
    beer_bottle,
    jug,
    soda_bottle,
    spirits_bottle,
    sport_bottle,
    water_bottle,
    wine_bottle,
)
from featurenerf.synthesis.objects.bottle.household import medicine_bottle, pump_bottle, spray_bottle, squeeze_bottle
from featurenerf.synthesis.objects.bottle.plans import CATEGORY as CATEGORY
from featurenerf.synthesis.objects.labelled import LabelledMesh

_MAKERS: dict[str, Callable[[Assembly, np.random.Generator], None]] = {
    "wine": wine_bottle, "beer": beer_bottle, "soda": soda_bottle, "water": water_bottle, "spray": spray_bottle,
    "pump": pump_bottle, "jug": jug, "spirits": spirits_bottle, "squeeze": squeeze_bottle, "medicine": medicine_bottle,
    "sport": sport_bottle,
}  # fmt: skip


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A bottle of a family."""
    assembly = Assembly()
    _MAKERS[family](assembly, rng)
    return assembly.build(family)
