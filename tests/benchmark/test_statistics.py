"""Intervals against what can be reckoned by hand, and against what is known of the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from featurenerf.benchmark.statistics import Key, differences, mean_of, over_seeds


def pair(source: str, target: str, view: int = 0, category: str = "chair") -> Key:
    return category, source, target, view, view


def test_the_interval_over_pairs_is_that_of_the_mean_of_independent_values() -> None:
    rng = np.random.default_rng(3)
    values = {pair(f"a{n}", f"b{n}"): float(v) for n, v in enumerate(rng.normal(0.5, 0.2, 400))}
    found = mean_of(values)
    assert found is not None
    numbers = np.array([*values.values()])
    assert found.value == pytest.approx(numbers.mean())
    assert found.count == 400
    assert found.pairs == pytest.approx(
        (numbers.mean() - 0.0196, numbers.mean() + 0.0196), abs=0.004
    )  # 1.96 * 0.2 / 20


def test_pairs_of_one_object_are_not_so_many_observations() -> None:
    """Two objects, fifty views each: what differs is the object, so drawing objects gives the wider interval."""
    values = {("chair", name, name, 0, view): value for name, value in (("a", 0.0), ("b", 1.0)) for view in range(50)}
    found = mean_of(values)
    assert found is not None
    assert found.value == 0.5
    assert found.pairs is not None
    assert found.pairs == pytest.approx((0.40, 0.60), abs=0.03)
    assert found.objects == (0.0, 1.0)  # both draws can be the same one
    assert found.interval == (0.0, 1.0)
    assert not found.leaves_zero_out


def test_a_pair_counts_as_often_as_both_its_objects_are_drawn() -> None:
    """Of objects a, b, c and the pairs a-b (0), b-c (1): only a draw without a, or without c, is not 1/2."""
    values = {pair("a", "b"): 0.0, pair("b", "c"): 1.0}
    found = mean_of(values, draws=20000)
    assert found is not None
    assert found.objects == (0.0, 1.0)
    assert mean_of({pair("a", "b"): 0.3}) is not None
    assert mean_of({pair("a", "b"): 0.3}).pairs is None  # type: ignore[union-attr]


def test_differences_are_paired_and_means_over_seeds_come_first() -> None:
    one = [{pair("a", "b"): 0.2, pair("b", "c"): 0.6, pair("c", "a"): 9.0}, {pair("a", "b"): 0.4, pair("b", "c"): 0.8}]
    mean = over_seeds(one)
    assert mean == pytest.approx({pair("a", "b"): 0.3, pair("b", "c"): 0.7})
    assert differences(mean, {pair("a", "b"): 0.1}) == pytest.approx({pair("a", "b"): 0.2})
    assert over_seeds([]) == {}
    assert mean_of({}) is None


def test_a_small_difference_of_every_pair_is_seen_where_pairs_differ_much() -> None:
    rng = np.random.default_rng(0)
    base = {pair(f"a{n}", f"b{n}"): float(v) for n, v in enumerate(rng.uniform(0, 1, 60))}
    better = {key: value + 0.05 + 0.01 * float(rng.normal()) for key, value in base.items()}
    difference, absolute = mean_of(differences(better, base)), mean_of(better)
    assert difference is not None
    assert absolute is not None
    assert difference.leaves_zero_out
    assert difference.interval == pytest.approx((0.05, 0.05), abs=0.006)
    assert absolute.interval is not None
    assert absolute.interval[1] - absolute.interval[0] > 0.1


def test_categories_are_drawn_separately_and_the_same_draws_each_time() -> None:
    values = {pair("a", "b", n, category): float(n) for n in range(5) for category in ("chair", "car")}
    assert mean_of(values) == mean_of(dict(reversed(values.items())))
