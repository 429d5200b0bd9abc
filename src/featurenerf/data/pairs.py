"""Which objects and views are compared: the pairs of a split file, and those that are drawn where it lists none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from featurenerf.data import layout
from featurenerf.data.layout import InstancePair, PosePair, Split, ViewPair
from featurenerf.data.views import Dataset

_A = TypeVar("_A")
_B = TypeVar("_B")

PAIRS = 1000
"""So many of each kind are drawn, where there are as many."""
UNLIKE_SHARE = 0.25
"""An object is paired with this share of the others: those whose proportions differ most from its own."""


def drawn_pairs(dataset: Dataset, seed: int = 0) -> Split:
    """Pairs among a data set's objects that no split file pairs up (those of a validation split), as its test objects.

    They are the same each time; where the families are known, they are as unlike as ``featurenerf data make`` has them.
    """
    names, views = _names(dataset), min(len(views) for views in dataset)
    return with_pairs(
        Split((), (), names), views, lambda stream: np.random.default_rng([seed, stream]), unlike_objects(dataset)
    )


def unlike_objects(dataset: Dataset) -> list[tuple[int, int]] | None:
    """``unlike_pairs`` of the data set's objects in the order of their names; None if not all families are known."""
    families, names = layout.read_made(dataset.root, dataset.synset).get("families"), _names(dataset)
    if not isinstance(families, dict) or not families.keys() >= set(names):
        return None
    extents = np.stack([np.ptp(dataset[name].part_points()[0], axis=0) for name in names])
    return unlike_pairs(extents, [families[name] for name in names])


def _names(dataset: Dataset) -> tuple[str, ...]:
    return tuple(sorted(views.id for views in dataset))


def unlike_pairs(extents: Float[np.ndarray, "n 3"], families: Sequence[str]) -> list[tuple[int, int]]:
    """Ordered pairs of objects that differ in structure and in proportion, so that one's places are not the other's.

    An object's partners are of other families (of any, where there is only one), and of those the ``UNLIKE_SHARE``
    whose extents are furthest from its own.

    Args:
        extents: of the objects' bounding boxes, whose diagonals are 1.
    """
    pairs = []
    for one, family in enumerate(families):
        every = [other for other in range(len(families)) if other != one]
        others = [other for other in every if families[other] != family] or every
        # rounded: objects are equally far away on every processor, or they are not
        far = np.linalg.norm(extents[others] - extents[one], axis=1).round(4)
        partners = np.argsort(-far, kind="stable")[: max(1, round(UNLIKE_SHARE * len(others)))]
        pairs += [(one, others[int(partner)]) for partner in sorted(partners)]
    return pairs


def with_pairs(
    split: Split,
    views: int,
    generator: Callable[[int], np.random.Generator],
    among: Sequence[tuple[int, int]] | None = None,
) -> Split:
    """A split with up to ``PAIRS`` pairs of each kind drawn among its test objects.

    Args:
        views: the number of views of each object.
        generator: random numbers of streams 3, 4 and 5.
        among: which test objects may be paired, source first; any two by default.
    """
    test = split.test
    pairs = list(permutations(range(len(test)), 2)) if among is None else among
    two_views = list(permutations(range(views), 2))
    return replace(
        split,
        cross_inst_pairs=tuple(
            InstancePair(test[a], test[b], view) for (a, b), view in _distinct(generator(3), pairs, range(views))
        ),
        cross_view_pairs=tuple(ViewPair(name, *pair) for name, pair in _distinct(generator(4), test, two_views)),
        cross_pose_pairs=tuple(
            PosePair(test[a], test[b], *pair) for (a, b), pair in _distinct(generator(5), pairs, two_views)
        ),
        valid_flags_for_test=dict.fromkeys(test, True),
    )


def _distinct(generator: np.random.Generator, first: Sequence[_A], second: Sequence[_B]) -> Iterator[tuple[_A, _B]]:
    """Up to ``PAIRS`` different draws of one thing and another."""
    total = len(first) * len(second)
    for code in generator.choice(total, min(PAIRS, total), replace=False):
        one, two = divmod(int(code), len(second))
        yield first[one], second[two]
