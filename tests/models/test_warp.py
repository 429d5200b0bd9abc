"""From a picture with a camera to one framed as the canonical camera's, against pixels worked out by hand.

Most tests use a canonical picture of 8 x 8 pixels with a field of view of 90 degrees (a focal length of 4 pixels),
taken from 2 away. Pictures hold the place of each pixel's centre, so that a pixel says where it comes from.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from featurenerf import Camera
from featurenerf.models.warp import Canonical, canonical_cameras, canonicalise

SMALL = Canonical(size=8, fov=90.0, distance=2.0)
FRONT = torch.tensor([[0.0, 0, 1, 2], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""The pose of a camera at (2, 0, 0) that looks at the origin: right is +y, up is +z, back is +x."""


def places(width: int, height: int) -> Tensor:
    """A picture of its own x, y and ones."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)])[None]


def camera(
    pose: Tensor = FRONT,
    focal: float | tuple[float, float] = 4.0,
    width: int = 8,
    height: int = 8,
    principal: tuple[float, float] | None = None,
) -> Camera:
    return Camera.from_pose(pose[None], focal, width, height, principal=principal)


def warped(pictures: Tensor, cameras: Camera, canonical: Canonical = SMALL) -> Tensor:
    return canonicalise(pictures, cameras, canonical)[0][0]


def turned(about_back: float, pose: Tensor = FRONT) -> Tensor:
    """The pose rolled about its own viewing axis, counter-clockwise as the camera's head goes, in radians."""
    c, s = math.cos(about_back), math.sin(about_back)
    return pose @ torch.tensor([[c, -s, 0.0, 0.0], [s, c, 0.0, 0.0], [0, 0, 1, 0], [0, 0, 0, 1]])


# ---------------------------------------------------------------------- the canonical pictures


def test_the_canonical_picture_unless_told() -> None:
    assert Canonical() == Canonical(size=128, fov=49.13, distance=1.3)
    assert Canonical().focal == pytest.approx(140.0140, abs=1e-3)
    assert SMALL.focal == pytest.approx(4.0, abs=1e-6)


def test_a_picture_that_fits_is_returned_as_it_is() -> None:
    pictures = torch.rand(1, 3, 8, 8)
    same, cameras = canonicalise(pictures, camera(), SMALL)
    assert same is pictures
    torch.testing.assert_close(cameras.pose, FRONT[None])
    torch.testing.assert_close(cameras.focal, torch.tensor([[4.0, 4.0]]))
    torch.testing.assert_close(cameras.principal, torch.tensor([[4.0, 4.0]]))
    assert (cameras.width, cameras.height, cameras.near, cameras.far) == (8, 8, None, None)
    assert SMALL.further(cameras).tolist() == [0.0]


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("share", [0.95, 1.05])
@pytest.mark.parametrize("what", ["roll", "focal x", "focal y", "principal x", "principal y"])
def test_within_a_tolerance_of_0_002_a_picture_fits(what: str, share: float, sign: int) -> None:
    """Of an entry of the rotation, and of the picture's side for focal length and principal point."""
    off = sign * share * 0.002
    focal, principal, pose = [50.0, 50.0], [50.0, 50.0], FRONT
    if what == "roll":
        pose = turned(off)
    else:
        (focal if "focal" in what else principal)["xy".index(what[-1])] += off * 100
    given = camera(pose, (focal[0], focal[1]), 100, 100, (principal[0], principal[1]))
    pictures = torch.rand(1, 3, 100, 100)
    assert (canonicalise(pictures, given, Canonical(100, 90.0, 2.0))[0] is pictures) == (share < 1)


@pytest.mark.parametrize(("width", "height"), [(8, 16), (16, 8), (16, 16), (4, 4)])
def test_a_picture_of_another_size_is_resampled(width: int, height: int) -> None:
    """However it is squeezed, what it shows is the same."""
    out = warped(places(width, height), camera(focal=(width / 2, height / 2), width=width, height=height))
    middle = torch.tensor([3.5, 4.5]) / 8  # of the side; near the border, smoothing bends the places
    torch.testing.assert_close(out[0, 3:5, 3:5], (middle * width).expand(2, 2))
    torch.testing.assert_close(out[1, 3:5, 3:5], (middle * height)[:, None].expand(2, 2))


# ---------------------------------------------------------------------- where a pixel comes from


def test_an_enlarged_picture_is_bilinear_and_fades_to_black_at_its_border() -> None:
    out = warped(places(4, 4), camera(focal=2.0, width=4, height=4))
    row = torch.tensor([0.75 * 0.5, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 0.75 * 3.5])
    torch.testing.assert_close(out[0, 1:-1], row.expand(6, 8))
    torch.testing.assert_close(out[1, :, 1:-1], row[:, None].expand(8, 6))
    torch.testing.assert_close(out[2, 3], torch.tensor([0.75, 1, 1, 1, 1, 1, 1, 0.75]))


def test_a_longer_lens_shows_the_middle_on_black() -> None:
    """Twice the focal length: the picture fills half the width."""
    out = warped(places(8, 8), camera(focal=8.0))
    inside = torch.zeros(8, 8)
    inside[2:6, 2:6] = 1
    torch.testing.assert_close(out[2], inside)
    torch.testing.assert_close(out[0, 3, 3:5], torch.tensor([3.0, 5.0]))
    torch.testing.assert_close(out[1, 3:5, 3], torch.tensor([3.0, 5.0]))


def test_a_shorter_lens_is_cut_to_its_middle() -> None:
    out = warped(places(8, 8), camera(focal=2.0))
    expected = torch.tensor([2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25, 5.75])
    torch.testing.assert_close(out[0], expected.expand(8, 8))
    torch.testing.assert_close(out[1], expected[:, None].expand(8, 8))


def test_the_principal_point_moves_to_the_middle() -> None:
    """Here it is one pixel further right and one pixel higher."""
    given = torch.rand(1, 3, 8, 8)
    out = warped(given, camera(principal=(5.0, 3.0)))
    torch.testing.assert_close(out[:, 1:, :7], given[0, :, :7, 1:], atol=1e-5, rtol=0)
    assert out[:, 0].abs().max() < 1e-5  # nothing is known beyond the picture
    assert out[:, :, 7].abs().max() < 1e-5


def test_a_rolled_camera_is_set_upright() -> None:
    """Its right was up: what is at the right of its picture comes to the top, what is at the top to the left."""
    given = torch.rand(1, 3, 8, 8)
    out = warped(given, camera(turned(math.pi / 2)))
    torch.testing.assert_close(out, torch.rot90(given[0], 1, (1, 2)), atol=1e-5, rtol=0)


def test_a_camera_that_looks_aside_is_turned_to_the_origin() -> None:
    """By 45 degrees to its right. A ray at tangent t of the canonical picture is at (t - 1) / (t + 1) of its own."""
    half = math.sqrt(0.5)
    aside = FRONT.clone()
    aside[:3, 0], aside[:3, 2] = torch.tensor([half, half, 0.0]), torch.tensor([half, -half, 0.0])
    out = warped(places(8, 8), camera(aside))[:, 3:5]
    assert not out[..., :4].any()  # the left half lies beyond its picture
    expected = torch.tensor([4 - 4 * 7 / 9, 4 - 4 * 5 / 11, 4 - 4 * 3 / 13, 4 - 4 / 15])
    torch.testing.assert_close(out[0, :, 4:], expected.expand(2, 4))


def test_what_lies_behind_the_camera_is_black() -> None:
    """It stands in front and looks away: the origin is behind it, where the lens would show it upside down."""
    away = FRONT * torch.tensor([-1.0, 1.0, -1.0, 1.0])
    assert not warped(places(8, 8), camera(away)).any()


# ---------------------------------------------------------------------- shrinking


@pytest.mark.parametrize("axis", [-1, -2])
def test_a_shrunk_picture_is_not_aliased(axis: int) -> None:
    """Every third pixel of stripes one pixel wide would be stripes again; the mean of three and their sides is grey."""
    stripes = (torch.arange(24) % 2).float()
    stripes = (stripes if axis == -1 else stripes[:, None]).expand(1, 3, 24, 24)
    out = warped(stripes, camera(focal=12.0, width=24, height=24))
    assert (out - 0.5).abs().max() < 0.1


def test_a_picture_that_is_dense_in_one_direction_is_not_aliased_either() -> None:
    stripes = (torch.arange(24) % 2).float().expand(1, 3, 8, 24)
    out = warped(stripes, camera(focal=(12.0, 4.0), width=24, height=8))
    assert (out[:, 3:5] - 0.5).abs().max() < 0.1


@pytest.mark.parametrize(
    ("size", "column", "expected"),
    [(119, 59, 0.405), (121, 60, 0.5 / (0.5 + 1 - 0.395 / 1.21))],
)
def test_only_a_picture_over_1_2_times_as_large_is_smoothed(size: int, column: int, expected: float) -> None:
    """One bright column. Pixel 50 of 100 samples it at 60.095 of 119 or 61.105 of 121: between two pixels, 0.595 from
    the centre of its own; or by a triangle as wide as 1.21 pixels, 0.605 from it and 0.395 from the other's."""
    bright = torch.zeros(1, 3, size, size)
    bright[..., column] = 1
    out = warped(bright, camera(focal=size / 2, width=size, height=size), Canonical(100, 90.0, 2.0))
    assert out[0, 50, 50].item() == pytest.approx(expected, abs=2e-3)


def test_a_tiny_picture_through_a_long_lens_keeps_a_pixel() -> None:
    out = warped(torch.ones(1, 3, 2, 2), camera(focal=400.0, width=2, height=2))
    assert out.shape == (3, 8, 8)
    assert out.max() < 1e-2  # smaller than a pixel


# ---------------------------------------------------------------------- the canonical cameras


@pytest.mark.parametrize(("distance", "focal"), [(4.0, 8.0), (1.0, 2.0)])
def test_a_picture_of_the_same_framing_fits_at_any_distance(distance: float, focal: float) -> None:
    """Twice as far through twice the lens an object is as large."""
    pose = FRONT.clone()
    pose[0, 3] = distance
    pictures = torch.rand(1, 3, 8, 8)
    same, cameras = canonicalise(pictures, camera(pose, focal), SMALL)
    assert same is pictures
    assert SMALL.further(cameras).tolist() == [distance - 2]
    torch.testing.assert_close(cameras.pose, pose[None])
    assert cameras.focal.tolist() == [[pytest.approx(focal)] * 2]


def test_a_camera_that_stands_further_is_zoomed_in() -> None:
    """At twice the distance through the canonical lens: the middle half of the picture, twice as large."""
    pose = FRONT.clone()
    pose[0, 3] = 4.0
    out = warped(places(8, 8), camera(pose))
    expected = torch.tensor([2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25, 5.75])
    torch.testing.assert_close(out[0], expected.expand(8, 8))
    torch.testing.assert_close(out[1], expected[:, None].expand(8, 8))


def test_a_batch_is_shrunk_each_by_itself() -> None:
    """The nearer of two cameras shows stripes three times as dense; what the other shows does not become grey of it."""
    near = FRONT.clone()
    near[0, 3] = 2.0 / 3
    stripes = (torch.arange(8) % 2).float().expand(2, 3, 8, 8)
    out, cameras = canonicalise(stripes, Camera.from_pose(torch.stack([FRONT, near]), 4.0, 8, 8), SMALL)
    torch.testing.assert_close(out[0], stripes[0], atol=1e-5, rtol=0)
    assert (out[1, :, 3:5, 3:5] - 0.5).abs().max() < 0.2
    torch.testing.assert_close(SMALL.further(cameras), torch.tensor([0.0, -4 / 3]))


def test_the_canonical_camera_stands_in_the_same_direction_upright_and_looks_at_the_origin() -> None:
    pose = torch.eye(4)  # looks down, from beside
    pose[:3, 3] = torch.tensor([1.8, 2.4, 4.0])  # 5 away
    target = canonical_cameras(camera(pose), SMALL)
    expected = torch.tensor([[-0.8, -0.48, 0.36, 1.8], [0.6, -0.64, 0.48, 2.4], [0.0, 0.6, 0.8, 4.0], [0, 0, 0, 1]])
    torch.testing.assert_close(target.pose[0], expected, atol=1e-6, rtol=0)
    assert target.focal.tolist() == [[pytest.approx(10.0), pytest.approx(10.0)]]


def test_a_camera_at_the_origin_looks_back_at_it_along_its_own_axis() -> None:
    pose = FRONT.clone()
    pose[0, 3] = 0
    target = canonical_cameras(camera(pose), SMALL)
    torch.testing.assert_close(target.pose[0], pose)


ABOVE = torch.tensor([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]])
BELOW = torch.tensor([[-1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, -2], [0, 0, 0, 1]])


@pytest.mark.parametrize("pose", [ABOVE, BELOW])
def test_exactly_overhead_or_below_a_camera_keeps_its_own_up(pose: Tensor) -> None:
    pictures = torch.rand(1, 3, 8, 8)
    same, cameras = canonicalise(pictures, camera(pose), SMALL)
    assert same is pictures
    torch.testing.assert_close(cameras.pose[0], pose)


def test_overhead_a_camera_that_looks_aside_is_turned_to_the_origin() -> None:
    """It was tilted by 30 degrees about its right."""
    half_root = math.sqrt(3) / 2
    tilt = torch.tensor([[1.0, 0, 0, 0], [0, half_root, -0.5, 0], [0, 0.5, half_root, 0], [0, 0, 0, 1]])
    target = canonical_cameras(camera(ABOVE @ tilt), SMALL)
    torch.testing.assert_close(target.pose[0], ABOVE, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("elevation", "keeps"), [(88.0, True), (87.0, False), (-88.0, True), (-87.0, False)])
def test_z_is_up_unless_the_camera_is_within_2_and_a_half_degrees_of_overhead(elevation: float, keeps: bool) -> None:
    upright = Camera.look_at(30.0, elevation, 8, 8, distance=2, fov=90).pose
    rolled = turned(1.0, upright)
    target = canonical_cameras(camera(rolled), SMALL)
    torch.testing.assert_close(target.pose[0], rolled if keeps else upright, atol=1e-5, rtol=0)


def test_every_picture_of_a_batch_is_warped_by_its_own_camera() -> None:
    """The first fits and is resampled to itself all the same."""
    given = torch.rand(3, 3, 8, 8, dtype=torch.float64)
    far = FRONT.clone()
    far[0, 3] = 4.0
    poses = torch.stack([FRONT, turned(math.pi / 2), far])
    principal, focal = torch.tensor([[4.0, 4.0], [4.0, 4.0], [5.0, 4.0]]), torch.tensor([[4.0, 4], [4, 4], [8, 8]])
    out, cameras = canonicalise(given, Camera.from_pose(poses, focal, 8, 8, principal=principal), SMALL)
    assert out.dtype == torch.float64
    torch.testing.assert_close(out[0], given[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(out[1], torch.rot90(given[1], 1, (1, 2)), atol=1e-5, rtol=0)
    torch.testing.assert_close(out[2, :, :, :7], given[2, :, :, 1:], atol=1e-5, rtol=0)
    assert SMALL.further(cameras).tolist() == [0.0, 0.0, 2.0]
    torch.testing.assert_close(cameras.pose, torch.stack([FRONT, FRONT, far]), atol=1e-6, rtol=0)


def test_every_camera_of_a_batch_is_set_upright_by_itself() -> None:
    angles, elevations = torch.tensor([10.0, 100.0, -60.0]), torch.tensor([0.0, 40.0, -70.0])
    given = Camera.look_at(angles, elevations, 8, 8, distance=4, fov=90)
    target = canonical_cameras(Camera.from_pose(given.pose @ turned(0.7, torch.eye(4)), 4.0, 8, 8), SMALL)
    torch.testing.assert_close(target.pose, given.pose, atol=1e-5, rtol=0)
    torch.testing.assert_close(target.focal, torch.full((3, 2), 8.0))


def test_framing() -> None:
    """A disc in the middle, and one above it: zoomed by 2, shifted right by a quarter, and rolled by a quarter turn."""
    y, x = torch.meshgrid(*(torch.arange(64) + 0.5,) * 2, indexing="ij")
    middle = ((x - 32) ** 2 + (y - 32) ** 2 < 16).float()
    above = ((x - 32) ** 2 + (y - 20) ** 2 < 9).float()
    shown = torch.stack([middle, above, above])[None]
    camera, canonical = Camera.look_at([30.0], 10, 64, 64), Canonical(64)

    def centres(*framing: float) -> list[float]:
        warped, target = canonicalise(shown, camera, canonical, torch.tensor([framing]).float())
        found = [v for m in warped[0, :2] for v in (float((m * x).sum() / m.sum()), float((m * y).sum() / m.sum()))]
        xy, _ = target[0].project(camera[0].unproject(torch.tensor([[32.0, 32], [32, 20]]), torch.full((2,), 1.3)))
        torch.testing.assert_close(xy.flatten(), torch.tensor(found), atol=0.2, rtol=0)  # its camera says the same
        return [round(v) for v in found]

    assert centres(0, 0, 0, 0) == [32, 32, 32, 20]
    assert centres(0, math.log(2), 0, 0) == [32, 32, 32, 8]
    assert centres(0, 0, 0.25, -0.125) == [48, 24, 48, 12]
    assert centres(math.pi / 2, 0, 0, 0) == [32, 32, 44, 32]  # the camera rolls left, so its picture rolls right
