"""Tables and desks of fourteen families, in metres: the floor at z = 0, one sits at +x, the long side along y."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.labelled import LabelledMesh
from featurenerf.synthesis.objects.table.desks import corner_desk, desk
from featurenerf.synthesis.objects.table.dining import (
    bar_table,
    dining_table,
    drop_leaf_table,
    folding_table,
    pedestal_table,
    picnic_table,
    trestle_table,
)
from featurenerf.synthesis.objects.table.occasional import (
    bedside_table,
    coffee_table,
    console_table,
    glass_table,
    monolith,
)
from featurenerf.synthesis.objects.table.plans import CATEGORY as CATEGORY

_MAKERS: dict[str, Callable[[Assembly, np.random.Generator], None]] = {
    "dining": dining_table, "pedestal": pedestal_table, "trestle": trestle_table, "desk": desk, "coffee": coffee_table,
    "console": console_table, "picnic": picnic_table, "drop-leaf": drop_leaf_table, "glass": glass_table,
    "corner": corner_desk, "bar": bar_table, "bedside": bedside_table, "folding": folding_table, "monolith": monolith,
}  # fmt: skip


def make(rng: np.random.Generator, family: str) -> LabelledMesh:
    """A table of a family."""
    assembly = Assembly()
    _MAKERS[family](assembly, rng)
    return assembly.build(family)
