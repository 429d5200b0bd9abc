"""Where boxes of masks say that an object is. ``data/formats/test_captures.py`` tests the frames made of it."""

from __future__ import annotations

import numpy as np
import pytest

from featurenerf.silhouettes import middle_and_size

FRONT = [[0.0, 0, 1, 2], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
"""At (2, 0, 0), looking along -x with z up."""
LEFT = [[-1.0, 0, 0, 0], [0, 0, 1, 4], [0, 1, 0, 0], [0, 0, 0, 1]]
"""At (0, 4, 0), looking along -y with z up."""


def test_boxes_in_the_middle_of_two_pictures_are_at_the_origin() -> None:
    """A box of 30 x 40 pixels is 0.5 focal lengths across: 1 unit from 2 away, 2 from 4; the median is 1.5."""
    boxes = np.array([[35.0, 30, 65, 70], [35, 30, 65, 70]])
    focal, principal = np.full((2, 2), 100.0), np.full((2, 2), 50.0)
    found = middle_and_size(boxes, focal, principal, np.array([FRONT, LEFT]))
    assert found is not None
    assert found[0] == pytest.approx([0, 0, 0], abs=1e-12)
    assert found[1] == pytest.approx(1.5)
    assert middle_and_size(boxes, focal, principal, np.array([FRONT, FRONT])) is None


def test_a_box_to_the_right_and_below_is_there() -> None:
    """From the front +y is to the right: 10 pixels at a distance of 2 are 0.2 units; from the left that is ahead."""
    down = 100 * 0.2 / 3.8  # pixels of 0.2 units at a distance of 4 - 0.2
    boxes = np.array([[55.0, 55, 65, 65], [45, 45 + down, 55, 55 + down]])
    focal, principal = np.full((2, 2), 100.0), np.full((2, 2), 50.0)
    found = middle_and_size(boxes, focal, principal, np.array([FRONT, LEFT]))
    assert found is not None
    assert found[0] == pytest.approx([0, 0.2, -0.2], abs=1e-9)
