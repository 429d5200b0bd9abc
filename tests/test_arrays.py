"""Numbers of things that are spread evenly, and arrays as a file's content. ``test_given.py`` tests the conversions."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest

from featurenerf.arrays import spread, to_npz


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [
        (10, 4, [0, 3, 6, 9]),
        (10, 3, [0, 4, 9]),
        (5, 9, [0, 1, 2, 3, 4]),
        (7, 1, [0]),
        (0, 3, []),
    ],
)
def test_numbers_are_spread_evenly(count: int, most: int, chosen: list[int]) -> None:
    assert spread(count, most) == chosen


def test_arrays_are_kept_by_name() -> None:
    with np.load(BytesIO(to_npz({"a": np.arange(3), "b": np.eye(2)}))) as found:
        assert sorted(found.files) == ["a", "b"]
        assert found["a"].tolist() == [0, 1, 2]
        assert found["b"].tolist() == [[1, 0], [0, 1]]
