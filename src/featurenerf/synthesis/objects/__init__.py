"""Procedural objects with exact part labels and keypoints: one package a category."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featurenerf.arrays import GOLDEN
from featurenerf.errors import InputError
from featurenerf.synthesis.objects import airplane, bottle, car, chair, motorcycle, table
from featurenerf.synthesis.objects.labelled import Category as Category
from featurenerf.synthesis.objects.labelled import LabelledMesh as LabelledMesh
from featurenerf.synthesis.objects.labelled import Material as Material

_MAKERS: dict[str, tuple[Category, Callable[[np.random.Generator, str], LabelledMesh]]] = {
    module.CATEGORY.name: (module.CATEGORY, module.make) for module in (chair, car, table, airplane, bottle, motorcycle)
}

CATEGORIES: dict[str, Category] = {name: category for name, (category, _) in _MAKERS.items()}
"""The categories that ``generate`` knows, by name."""


def generate(category: str, seed: int, index: int) -> LabelledMesh:
    """Object number ``index`` of the endless collection ``seed``; the same arguments give the same object.

    Any stretch of a collection holds the families in about their shares.

    Raises:
        InputError: there is no such category.
    """
    if category not in _MAKERS:
        raise InputError(f"no generator for category {category!r}; there is one for: {', '.join(_MAKERS)}")
    record, make = _MAKERS[category]
    return make(np.random.default_rng([seed, index, int(record.synset)]), family_of(category, seed, index))


def family_of(category: str, seed: int, index: int) -> str:
    """The family of the object that ``generate`` makes, without making it."""
    record = CATEGORIES[category]
    lot = (np.random.default_rng([seed, int(record.synset)]).random() + index * GOLDEN) % 1.0
    return record.families[int(np.searchsorted(np.cumsum(record.shares)[:-1], lot, side="right"))]
