"""The one convention: world, pixels, depth."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featurenerf import Camera, InputError

angles = st.tuples(st.floats(-180, 180), st.floats(-90, 90))


@settings(max_examples=40, deadline=None)
@given(angles, st.integers(0, 2**31 - 1))
def test_unproject_inverts_project(view: tuple[float, float], seed: int) -> None:
    camera = Camera.look_at(view[0], view[1], 96, 64)
    points = torch.rand((3, 5, 3), generator=torch.Generator().manual_seed(seed)) - 0.5
    xy, depth = camera.project(points)
    assert torch.allclose(camera.unproject(xy, depth), points, atol=2e-6)
    assert torch.allclose(depth, (points - camera.centre).norm(dim=-1), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(angles)
def test_look_at_sees_the_origin_in_the_middle_with_z_up(view: tuple[float, float]) -> None:
    camera = Camera.look_at(*view)
    xy, depth = camera.project(torch.tensor([[0.0, 0, 0], [0, 0, 0.1]]))
    assert torch.allclose(xy[0], torch.tensor([64.0, 64.0]), atol=1e-3)
    assert depth[0].item() == pytest.approx(1.3, abs=1e-6)
    assert xy[1, 0].item() == pytest.approx(64, abs=1e-2)
    assert xy[1, 1] <= 64 + 1e-3  # up in the world is up in the picture


def test_azimuth_and_sides() -> None:
    front = Camera.look_at(azimuth=0, elevation=0)
    assert torch.allclose(front.centre, torch.tensor([1.3, 0, 0]))
    left = front.project(torch.tensor([0.0, 0.2, 0]))[0]
    assert left[0] > 64  # the object's left side (+y) is on the right of a picture of its front
    assert torch.allclose(Camera.look_at(azimuth=90, elevation=0).centre, torch.tensor([0, 1.3, 0]), atol=1e-6)


def test_pixel_centres_and_ray_directions() -> None:
    camera = Camera.look_at(30, 20, 8, 4)
    assert torch.equal(camera.pixels()[0, 0], torch.tensor([0.5, 0.5]))
    origins, directions = camera.rays()
    assert directions.shape == (4, 8, 3)
    assert torch.allclose(directions.norm(dim=-1), torch.ones(4, 8))
    xy, _ = camera.project(origins + 0.7 * directions)
    assert torch.allclose(xy, camera.pixels(), atol=1e-4)


def test_focal_of_the_canonical_camera() -> None:
    assert Camera.look_at().focal[0].item() == pytest.approx(64 / math.tan(math.radians(49.13 / 2)), rel=1e-6)


def test_opencv_agrees_with_opengl() -> None:
    camera = Camera.look_at(70, 35, 64, 48)
    flip = torch.diag(torch.tensor([1.0, -1, -1, 1]))
    intrinsics = torch.tensor([[camera.focal[0], 0, 31.5], [0, camera.focal[1], 23.5], [0, 0, 1]])
    other = Camera.from_opencv(intrinsics, camera.pose @ flip, 64, 48)
    points = torch.rand(7, 3) - 0.5
    assert torch.allclose(other.project(points)[0], camera.project(points)[0], atol=1e-4)


def test_colmap_agrees_with_opengl() -> None:
    camera = Camera.look_at(0, 0, 64, 48)
    # world to camera of a camera at (1.3, 0, 0) that looks at the origin, OpenCV axes: x = +y, y = -z, z = -x
    half = 0.5
    other = Camera.from_colmap((half, half, half, -half), (0, 0, 1.3), (float(camera.focal[0]), 32, 24), 64, 48)
    points = torch.rand(7, 3) - 0.5
    xy, depth = camera.project(points)
    assert torch.allclose(other.project(points)[0], xy, atol=1e-3)
    assert torch.allclose(other.project(points)[1], depth, atol=1e-5)


def test_a_batch_is_its_cameras() -> None:
    cameras = Camera.look_at([10.0, 20.0, 30.0], 15.0)
    points = torch.rand(3, 4, 3) - 0.5
    xy, depth = cameras.project(points)
    for i in range(3):
        assert torch.allclose(cameras[i].project(points[i])[0], xy[i], atol=1e-4)
        assert torch.allclose(cameras[i].project(points[i])[1], depth[i])
    assert torch.equal(Camera.stack([cameras[i] for i in range(3)]).pose, cameras.pose)


def test_resize_keeps_the_view() -> None:
    camera = Camera.look_at(40, 25)
    points = torch.rand(7, 3) - 0.5
    assert torch.allclose(camera.resize(64, 256).project(points)[0], camera.project(points)[0] * torch.tensor([0.5, 2]))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pose": torch.full((4, 4), float("nan"))}, "NaN"),
        ({"pose": torch.eye(4) * 2}, "rotation"),
        ({"focal": -1.0}, "focal"),
        ({"near": 2.0}, "near"),
        ({"width": 0}, "pixels"),
    ],
)
def test_wrong_cameras_are_named(change: dict, word: str) -> None:
    given = {"pose": torch.eye(4), "focal": 100.0, "width": 8, "height": 8, "near": 0.8, "far": 1.8}
    with pytest.raises(InputError, match=word):
        Camera.from_pose(**{**given, **change})
