"""Chairs of thirteen families, in metres: x to the front, the floor at z = 0, the seat's middle above the origin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.chair.bodied import shell_chair, sofa, tub_chair
from featurenerf.synthesis.objects.chair.framed import (
    armchair,
    bench,
    cantilever_chair,
    folding_chair,
    lounge_chair,
    office_chair,
    pedestal_chair,
    rocking_chair,
    side_chair,
    stool,
)
from featurenerf.synthesis.objects.chair.plans import CATEGORY as CATEGORY
from featurenerf.synthesis.objects.labelled import LabelledMesh

_MAKERS: dict[str, Callable[[Assembly, np.random.Generator], None]] = {
    "side": side_chair, "arm": armchair, "sofa": sofa, "office": office_chair, "pedestal": pedestal_chair,
    "shell": shell_chair, "stool": stool, "cantilever": cantilever_chair, "rocker": rocking_chair, "bench": bench,
    "folding": folding_chair, "lounge": lounge_chair, "tub": tub_chair,
}  # fmt: skip


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A chair of a family."""
    assembly = Assembly()
    _MAKERS[family](assembly, rng)
    return assembly.build(family)
