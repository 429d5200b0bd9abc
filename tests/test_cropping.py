"""The canonical square of a picture, and what is cut out of it, by numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from featurenerf.cropping import Square, canonical_square, cut_out, resample

WHOLE = Square(0.0, 0.0, 8.0)
"""All of a picture of 8 x 8 pixels."""


def places(width: int, height: int, unit: float) -> Tensor:
    """A picture of the x and y of its pixels' centres, in a unit that keeps them below 1."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y]) / unit


# ---------------------------------------------------------------------- which square


@pytest.mark.parametrize(
    ("aspect", "diagonal"),
    [
        (0.2, 0.86), (0.95, 0.86), (1.0, 0.795), (1.05, 0.73), (1.2, 0.73), (1.35, 0.73), (1.55, 0.765),
        (1.75, 0.8), (2.25, 0.83), (2.625, 0.84), (3.0, 0.85), (9.0, 0.85),
    ],
)  # fmt: skip
def test_the_shape_of_an_outline_says_how_large_it_is_shown(aspect: float, diagonal: float) -> None:
    """Width over height; linear between six shapes, and beyond them as the last."""
    square = canonical_square(0, 0, 100 * aspect, 100, None)
    assert square.side == pytest.approx(100 * (1 + aspect**2) ** 0.5 / diagonal, rel=1e-6)


def test_an_outline_is_centred_across_and_a_little_low() -> None:
    """The centre of the box 3 x 4, diagonal 5, comes to 0.5 of the width and 0.54 of the height of the square."""
    square = canonical_square(10, 20, 13, 24, outline=0.5)
    assert (square.side, square.x0, square.y0) == pytest.approx((10.0, 11.5 - 5.0, 22 - 5.4))


def test_an_outline_that_is_given_goes_before_the_shape() -> None:
    assert canonical_square(0, 0, 4, 3, outline=1).side == pytest.approx(5.0)
    assert canonical_square(0, 0, 4, 3).side == pytest.approx(5 / 0.73)


# ---------------------------------------------------------------------- resampling


def test_a_square_of_whole_pixels_is_cut_exactly() -> None:
    picture = torch.rand(2, 9, 8)
    torch.testing.assert_close(resample(picture, Square(1.0, 2.0, 5.0), 5), picture[:, 2:7, 1:6])


def test_outside_the_picture_it_is_black() -> None:
    picture = torch.rand(2, 6, 4)
    out = resample(picture, Square(-2.0, -1.0, 8.0), 8)
    torch.testing.assert_close(out[:, 1:7, 2:6], picture)
    beyond = torch.ones(8, 8, dtype=torch.bool)
    beyond[1:7, 2:6] = False
    assert out[:, beyond].abs().max() < 1e-5


def test_enlarging_is_bicubic_and_clamped_to_0_and_1() -> None:
    """Keys's kernel of parameter -0.75 at distances of 0.25 and 0.75 from the one bright column, negative further."""
    picture = torch.zeros(1, 8, 8)
    picture[..., 4] = 0.5
    row = resample(picture, WHOLE, 16)[0, 8]
    expected = torch.zeros(16)
    expected[[8, 9]], expected[[7, 10]] = 0.5 * 0.87890625, 0.5 * 0.26171875
    torch.testing.assert_close(row, expected, atol=1e-6, rtol=0)
    assert resample(1 - 2 * picture, WHOLE, 16).max() == 1  # beside a dark column it would be 1.1


def test_shrinking_is_bicubic_too() -> None:
    """To half: Keys's kernel of parameter -0.5, twice as wide, at 0.25 and 0.75 of its unit from one bright column."""
    picture = torch.zeros(1, 16, 16)
    picture[..., 8] = 1
    expected = torch.zeros(8)
    expected[4], expected[3] = 0.8671875 / 2, 0.2265625 / 2
    torch.testing.assert_close(resample(picture, Square(0.0, 0.0, 16.0), 8)[0, 4], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("axis", [-1, -2])
def test_shrinking_does_not_alias(axis: int) -> None:
    """Every third pixel of stripes one pixel wide would be stripes again."""
    stripes = (torch.arange(24) % 2).float()
    stripes = (stripes if axis == -1 else stripes[:, None]).expand(1, 24, 24)
    out = resample(stripes, Square(0.0, 0.0, 24.0), 8)
    assert (out[:, 1:-1, 1:-1] - 0.5).abs().max() < 0.1


@pytest.mark.parametrize("column", [5, 6, 7])
def test_a_shrunk_picture_is_as_bright_as_the_picture(column: int) -> None:
    """By 1.5: wherever one column stands out, what stands out is two thirds of it."""
    picture = torch.full((1, 12, 12), 0.5)
    picture[..., column] = 0.7
    row = resample(picture, Square(0.0, 0.0, 12.0), 8)[0, 4, 1:-1]
    assert (row - 0.5).sum().item() == pytest.approx(0.2 * 2 / 3, abs=5e-3)


@pytest.mark.parametrize(("width", "height"), [(26, 48), (48, 26), (49, 47)])
def test_a_shrunk_pixel_shows_its_own_place(width: int, height: int) -> None:
    """A square of 24 pixels shrunk to 8; the picture is no square, and need not be a whole number of results wide."""
    left, top = width - 25.0, height - 25.0
    out = resample(places(width, height, 64), Square(left, top, 24.0), 8) * 64
    middle = torch.tensor([10.5, 13.5])  # pixels 3 and 4; bicubic resampling bends a ramp, by up to 0.15 pixels here
    torch.testing.assert_close(out[0, 3, 3:5], left + middle, atol=0.2, rtol=0)
    torch.testing.assert_close(out[1, 3:5, 3], top + middle, atol=0.2, rtol=0)


def test_a_picture_smaller_than_a_pixel_of_the_result_is_seen() -> None:
    out = resample(torch.ones(1, 2, 2), Square(-49.0, -49.0, 100.0), 8)
    assert out.shape == (1, 8, 8)
    assert torch.isfinite(out).all()


# ---------------------------------------------------------------------- cutting out


def test_a_cut_out_keeps_colour_apart_from_alpha() -> None:
    rgb = torch.tensor([0.8, 0.4, 0.0])[:, None, None].expand(3, 8, 8)
    out = cut_out(rgb, torch.full((8, 8), 0.5), WHOLE, 8)
    torch.testing.assert_close(out, torch.tensor([0.8, 0.4, 0.0, 0.5])[:, None, None].expand(4, 8, 8))


def test_a_hidden_colour_does_not_bleed_into_the_object() -> None:
    """White under alpha 0, next to grey 0.25."""
    alpha = torch.zeros(8, 8)
    alpha[:, 4:] = 1
    out = cut_out(torch.where(alpha > 0, 0.25, 1.0).expand(3, 8, 8), alpha, WHOLE, 16)
    seen = out[3] > 0.01
    assert seen[:, 8:].all()
    assert out[:3, seen].min() > 0.249
    assert out[:3, seen].max() < 0.32  # where alpha overshoots and is clamped, colour is not
    assert not out[:, :, :5].any()


@pytest.mark.parametrize(("alpha", "colour"), [(0.0, 0.0), (0.0009, 0.0), (0.0011, 0.6)])
def test_where_there_is_hardly_anything_the_colour_is_black(alpha: float, colour: float) -> None:
    out = cut_out(torch.full((3, 8, 8), 0.6), torch.full((8, 8), alpha), WHOLE, 8)
    torch.testing.assert_close(out[:3, 4, 4], torch.full((3,), colour), atol=1e-4, rtol=0)
    torch.testing.assert_close(out[3, 4, 4], torch.tensor(alpha))


def test_a_cut_out_is_clamped_where_resampling_overshoots() -> None:
    """A step from black to white under alpha 0.5: beside it, colour is 1, not more, and alpha stays 0.5."""
    rgb = (torch.arange(8) >= 4).float().expand(3, 8, 8)
    out = cut_out(rgb, torch.full((8, 8), 0.5), WHOLE, 16)[:, 4:12, 4:12]
    assert out[:3].max() == 1
    assert out[:3].min() == 0
    torch.testing.assert_close(out[3], torch.full((8, 8), 0.5))
