"""Means over pairs with bootstrap intervals, and paired differences between rows.

Pairs share objects, so intervals come twice: by drawing pairs again, and by drawing objects again (a pair then counts
as often as its source times as often as its target, Owen's "pigeonhole" bootstrap, 2007). The wider one counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

DRAWS = 2000
LEVEL = 0.95
Key = tuple[str, str, str, int, int]
"""What is compared: category, source, target, and their views."""
Values = Mapping[Key, float]


@dataclass(frozen=True)
class Mean:
    """A mean and its intervals, over pairs and over objects; None where there is one pair, or one object."""

    value: float
    count: int
    pairs: tuple[float, float] | None
    objects: tuple[float, float] | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The wider of the two."""
        known = [i for i in (self.pairs, self.objects) if i is not None]
        return max(known, key=lambda i: i[1] - i[0]) if known else None

    @property
    def leaves_zero_out(self) -> bool:
        """Whether both intervals do."""
        return all(i is not None and (i[0] > 0 or i[1] < 0) for i in (self.pairs, self.objects))


def over_seeds(runs: Sequence[Values]) -> dict[Key, float]:
    """The mean over seeds of each pair that all of them have."""
    shared = set.intersection(*(set(run) for run in runs)) if runs else set()
    return {key: sum(run[key] for run in runs) / len(runs) for key in sorted(shared)}


def differences(values: Values, reference: Values) -> dict[Key, float]:
    """Pair by pair, over the pairs that both have."""
    return {key: values[key] - reference[key] for key in sorted(set(values) & set(reference))}


def mean_of(values: Values, seed: int = 0, draws: int = DRAWS) -> Mean | None:
    """The mean over pairs with its intervals; None where there is no pair. Categories are drawn separately."""
    if not values:
        return None
    keys = sorted(values)
    numbers = np.array([values[key] for key in keys], float)
    rng = np.random.default_rng(seed)
    over_pairs, over_objects = np.zeros((draws, 2)), np.zeros((draws, 2))
    enough_pairs = enough_objects = True
    for category in sorted({key[0] for key in keys}):
        index = np.array([n for n, key in enumerate(keys) if key[0] == category])
        mine = numbers[index]
        names = sorted({name for n in index for name in keys[n][1:3]})
        where = {name: n for n, name in enumerate(names)}
        source, target = (np.array([where[keys[n][side]] for n in index]) for side in (1, 2))
        weights = rng.multinomial(len(index), np.full(len(index), 1 / len(index)), draws)
        over_pairs += np.stack([weights @ mine, weights.sum(1)], 1)
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
        weights = np.where(source == target, counts[:, source], counts[:, source] * counts[:, target])
        over_objects += np.stack([weights @ mine, weights.sum(1)], 1)
        enough_pairs, enough_objects = enough_pairs and len(index) > 1, enough_objects and len(names) > 1
    return Mean(
        float(numbers.mean()),
        len(numbers),
        _interval(over_pairs) if enough_pairs else None,
        _interval(over_objects) if enough_objects else None,
    )


def _interval(sums: Float[np.ndarray, "n 2"]) -> tuple[float, float] | None:
    """Percentiles of the means of draws that hold a pair at all."""
    held = sums[sums[:, 1] > 0]
    if len(held) < len(sums) / 2:
        return None
    low, high = np.percentile(held[:, 0] / held[:, 1], [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)
