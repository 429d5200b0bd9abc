"""Which objects and views are compared: the pairs of a split file, and those that are drawn where it lists none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
from jaxtyping import Float

from featurenerf.data.objects import Dataset
from featurenerf.data.splits import Pair, Split

PAIRS = 1000
"""So many of each kind are drawn, where there are as many."""
UNLIKE_SHARE = 0.25
"""An object is paired with this share of the others: those whose proportions differ most from its own."""


def drawn_pairs(dataset: Dataset, seed: int = 0) -> Split:
    """Pairs among a data set's objects that no split file pairs up (those of a validation split), as its test objects.

    They are the same each time; where the families are known, they are as unlike as ``featurenerf data make`` has them.
    """
    names, views = tuple(sorted(views.id for views in dataset)), min(len(views) for views in dataset)
    return with_pairs(
        Split((), (), names), views, lambda stream: np.random.default_rng([seed, stream]), unlike_objects(dataset)
    )


def unlike_objects(dataset: Dataset) -> list[tuple[int, int]] | None:
    """``unlike_pairs`` of the data set's objects in the order of their names; None if not all families are known."""
    names, families = sorted(views.id for views in dataset), dataset.families
    if not families.keys() >= set(names):
        return None
    extents = np.stack([np.ptp(dataset[name].part_points()[0], axis=0) for name in names])
    return unlike_pairs(extents, [families[name] for name in names])


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
    two_objects = list(permutations(range(len(test)), 2)) if among is None else among
    two_views = list(permutations(range(views), 2))

    def drawn(stream: int, objects: Sequence[tuple[int, int]], places: Sequence[tuple[int, int]]) -> tuple[Pair, ...]:
        total, pairs = len(objects) * len(places), []
        for code in generator(stream).choice(total, min(PAIRS, total), replace=False):
            (source, target), (one, two) = objects[code // len(places)], places[code % len(places)]
            pairs.append(Pair(test[source], one, test[target], two))
        return tuple(pairs)

    return replace(
        split,
        cross_inst_pairs=drawn(3, two_objects, [(view, view) for view in range(views)]),
        cross_view_pairs=drawn(4, [(number, number) for number in range(len(test))], two_views),
        cross_pose_pairs=drawn(5, two_objects, two_views),
        valid_flags_for_test=dict.fromkeys(test, True),
    )
