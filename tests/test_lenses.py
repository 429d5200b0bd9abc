"""COLMAP's camera models: where a lens shows a direction, by hand, and pictures without distortion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf import Camera, InputError
from featurenerf.lenses import MODELS, pinhole, undistort

THETA = math.atan(0.5)
"""The angle to the axis of the direction (0.3, 0.4, 1)."""
BENT = {
    # of the direction (0.3, 0.4): r^2 = 0.25, uv = 0.12
    "SIMPLE_PINHOLE": ((100, 64, 48), (0.3, 0.4)),
    "PINHOLE": ((100, 100, 64, 48), (0.3, 0.4)),
    "SIMPLE_RADIAL": ((100, 64, 48, 0.1), (0.3 * 1.025, 0.4 * 1.025)),
    "RADIAL": ((100, 64, 48, 0.1, 0.2), (0.3 * 1.0375, 0.4 * 1.0375)),
    "OPENCV": ((100, 100, 64, 48, 0.1, 0.2, 0.01, 0.02), (0.31125 + 0.0024 + 0.0086, 0.415 + 0.0048 + 0.0057)),
    "FULL_OPENCV": (
        (100, 100, 64, 48, 0.1, 0.2, 0.01, 0.02, 0.4, 0.2, 0.4, 0.8),
        (0.3 * 1.04375 / 1.0875 + 0.011, 0.4 * 1.04375 / 1.0875 + 0.0105),
    ),
    "FOV": (
        (100, 100, 64, 48, 1.0),
        (0.6 * math.atan(math.tan(0.5)), 0.8 * math.atan(math.tan(0.5))),  # r = 0.5: atan(2 r tan(w / 2)) / w
    ),
    "SIMPLE_FISHEYE": ((100, 64, 48), (0.6 * THETA, 0.8 * THETA)),
    "FISHEYE": ((100, 100, 64, 48), (0.6 * THETA, 0.8 * THETA)),
    "OPENCV_FISHEYE": (
        (100, 100, 64, 48, 0.1, 0.2, 0.3, 0.4),
        tuple(s * THETA * (1 + 0.1 * THETA**2 + 0.2 * THETA**4 + 0.3 * THETA**6 + 0.4 * THETA**8) for s in (0.6, 0.8)),
    ),
    "SIMPLE_RADIAL_FISHEYE": (
        (100, 64, 48, 0.1),
        (0.6 * THETA * (1 + 0.1 * THETA**2), 0.8 * THETA * (1 + 0.1 * THETA**2)),
    ),
    "RADIAL_FISHEYE": (
        (100, 64, 48, 0.1, 0.2),
        tuple(s * THETA * (1 + 0.1 * THETA**2 + 0.2 * THETA**4) for s in (0.6, 0.8)),
    ),
    "THIN_PRISM_FISHEYE": (
        (100, 100, 64, 48, 0.1, 0.0, 0.01, 0.02, 0.0, 0.0, 0.03, 0.04),
        (
            0.6 * THETA * (1 + 0.1 * THETA**2) + THETA**2 * (2 * 0.01 * 0.48 + 0.02 * 1.72 + 0.03),
            0.8 * THETA * (1 + 0.1 * THETA**2) + THETA**2 * (2 * 0.02 * 0.48 + 0.01 * 2.28 + 0.04),
        ),
    ),
}


def ramp(width: int = 128, height: int = 96) -> Tensor:
    """A picture of its own x, y and ones."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)])


def test_every_model_has_a_direction_worked_out() -> None:
    assert set(BENT) == set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_a_straightened_pixel_comes_from_where_the_lens_shows_it(model: str) -> None:
    """Of (0.3, 0.4, 1), at pixel (94, 88) of a focal length of 100; read between two pixels of the same direction."""
    params, (u, v) = BENT[model]
    straight, numbers = undistort(ramp(), model, params)
    assert numbers == (100, 100, 64, 48)
    corners = straight[:, 87:89, 93:95].mean((1, 2))  # the four pixels around (94, 88)
    torch.testing.assert_close(corners, torch.tensor([100 * u + 64, 100 * v + 48, 1.0]), atol=0.02, rtol=0)
    again = Camera.from_colmap((1, 0, 0, 0), (0, 0, 1.3), numbers, 128, 96, model="PINHOLE")
    assert again.focal.tolist() == [100, 100]
    assert again.principal.tolist() == [64, 48]


@pytest.mark.parametrize("model", MODELS)
def test_a_lens_that_distorts_is_no_pinhole_and_one_that_does_not_is(model: str) -> None:
    lens = MODELS[model]
    params = [100.0] * lens.focals + [64.0, 48.0] + [0.0] * lens.bends
    if lens.straight:
        assert pinhole(model, params) == (100, 100, 64, 48)
        picture = ramp()
        assert undistort(picture, model, params)[0] is picture
    else:
        with pytest.raises(InputError, match=rf"lens of this {model} camera distorts: undistort its pictures first"):
            pinhole(model, params)
    if lens.bends:
        with pytest.raises(InputError, match="distorts"):
            pinhole(model, [*params[:-1], 0.01])
    for wrong in (params[:-1], [*params, 0.0]):
        with pytest.raises(InputError, match=rf"a {model} camera has {len(params)} numbers, not {len(wrong)}"):
            pinhole(model, wrong)


def test_the_two_focal_lengths_keep_their_places() -> None:
    assert pinhole("PINHOLE", (70, 60, 3, 1)) == (70, 60, 3, 1)
    assert pinhole("SIMPLE_RADIAL", (70, 3, 1, 0)) == (70, 70, 3, 1)
    assert pinhole(None, (70, 3, 1)) == (70, 70, 3, 1)


def test_pictures_and_numbers_that_are_none_are_said() -> None:
    for picture in (np.zeros((40, 60, 3), np.uint8), torch.zeros(40, 60), torch.zeros(3, 0, 5)):
        with pytest.raises(InputError, match=r"\(channels, height, width\), not .*to_tensor makes it of"):
            undistort(picture, "OPENCV", (100, 100, 64, 48, 0.1, 0, 0, 0))
    for focal in (0.0, -100.0):
        with pytest.raises(InputError, match="focal length of a OPENCV camera must be a positive number"):
            undistort(ramp(), "OPENCV", (100, focal, 64, 48, 0.1, 0, 0, 0))
        with pytest.raises(InputError, match="must be a positive number"):
            pinhole("SIMPLE_PINHOLE", (focal, 64, 48))


def test_the_middle_of_a_fisheye_stays_and_what_it_does_not_show_is_empty() -> None:
    straight, _ = undistort(ramp(), "OPENCV_FISHEYE", (100, 100, 64, 48, 0, 0, 0, 0))
    torch.testing.assert_close(straight[:2, 47:49, 63:65].mean((1, 2)), torch.tensor([64.0, 48.0]))
    beyond, _ = undistort(ramp(), "SIMPLE_RADIAL", (100, 64, 48, 2.0))
    assert beyond[2, 0, 0] == 0
    assert beyond[2, 48, 64] == 1


def test_models_that_are_not_known_are_named() -> None:
    with pytest.raises(
        InputError, match=r"the camera model 'CRYSTAL' is not known: .* known are SIMPLE_PINHOLE, PINHOLE"
    ):
        undistort(ramp(), "CRYSTAL", (1, 2, 3))
    with pytest.raises(InputError, match="must be numbers"):
        pinhole("SIMPLE_PINHOLE", ("f", 1, 2))
