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


batches, sizes, seeds = st.sampled_from([(), (1,), (3,), (2, 3)]), st.integers(1, 300), st.integers(0, 2**31 - 1)


def any_camera(batch: tuple[int, ...], width: int, height: int, generator: torch.Generator) -> Camera:
    """A batch of cameras: any rotation and place, two focal lengths, any principal point."""
    rotation = torch.linalg.qr(torch.randn(*batch, 3, 3, generator=generator, dtype=torch.float64))[0]
    rotation = rotation * torch.linalg.det(rotation)[..., None, None]  # no reflection
    pose = torch.eye(4, dtype=torch.float64).repeat(*batch, 1, 1)
    pose[..., :3, :3], pose[..., :3, 3] = rotation, torch.randn(*batch, 3, generator=generator, dtype=torch.float64)
    focal = 20 + 400 * torch.rand(*batch, 2, generator=generator)
    principal = torch.tensor([width, height]) * (0.5 + 0.3 * torch.randn(*batch, 2, generator=generator))
    return Camera.from_pose(pose, focal, width, height, principal=principal)


@settings(max_examples=60, deadline=None)
@given(batches, st.sampled_from([(), (4,), (2, 5)]), sizes, sizes, seeds)
def test_projection_and_unprojection_are_inverse_for_any_camera(
    batch: tuple[int, ...], shape: tuple[int, ...], width: int, height: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    camera = any_camera(batch, width, height, generator)
    corner = torch.tensor([camera.width, camera.height])
    xy = torch.rand(*camera.batch_shape, *shape, 2, generator=generator) * corner
    depth = 0.2 + 3 * torch.rand((*camera.batch_shape, *shape), generator=generator)
    points = camera.unproject(xy, depth)
    again, far = camera.project(points)
    tolerance = 2e-6 * float(camera.focal.max()) * 20 + 1e-3
    assert torch.allclose(again, xy, atol=tolerance)
    assert torch.allclose(far, depth, atol=1e-4)
    assert torch.allclose(camera.unproject(again, far), points, atol=1e-4)
    behind = 2 * camera._aligned(camera.centre, points, 1) - points  # mirrored at the centre: seen nowhere
    mirrored, negative = camera.project(behind)
    assert torch.allclose(mirrored, again, atol=tolerance)
    assert torch.allclose(negative, -far, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, seeds)
def test_projection_is_that_of_the_textbook(width: int, height: int, seed: int) -> None:
    """K [R | t] with OpenCV's axes, in double precision; and ``from_opencv`` makes the camera that it describes."""
    generator = torch.Generator().manual_seed(seed)
    one = any_camera((), width, height, generator)
    pose = one.pose.double() @ torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    ahead = torch.rand(6, 3, generator=generator).double() * torch.tensor([0.4, 0.4, 2.0]) + torch.tensor(
        [-0.2, -0.2, 0.5]
    )
    points = ahead @ pose[:3, :3].T + pose[:3, 3]
    K = torch.tensor([[one.focal[0], 0, one.principal[0]], [0, one.focal[1], one.principal[1]], [0, 0, 1]]).double()
    world_to_camera = torch.linalg.inv(pose)
    homogeneous = (points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]) @ K.T
    expected = homogeneous[:, :2] / homogeneous[:, 2:]
    assert torch.allclose(one.project(points.float())[0].double(), expected, atol=0.02)
    K[:2, 2] -= 0.5  # OpenCV counts pixel centres as integers
    again = Camera.from_opencv(K, pose, one.width, one.height)
    assert torch.allclose(again.project(points.float())[0].double(), expected, atol=0.02)


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
    near, far = Camera.look_at(near=0.5, far=1.5), Camera.look_at(near=1.0, far=2.0)
    assert (Camera.stack([far, near]).near, Camera.stack([far, near]).far) == (0.5, 2.0)


def test_projection_is_exact_under_autocast() -> None:
    camera = Camera.look_at(40, 25, 128, 128)
    points = torch.rand(100, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    xy, depth = camera.project(points)
    directions = camera.rays_through(xy)[1]
    with torch.autocast("cpu", torch.bfloat16):  # training runs the networks like this
        assert torch.equal(camera.project(points)[0], xy)
        assert torch.equal(camera.rays_through(xy)[1], directions)
        torch.testing.assert_close(camera.unproject(xy, depth), points, atol=1e-5, rtol=0)


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
