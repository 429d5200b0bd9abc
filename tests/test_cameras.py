"""The one convention: world, pixels, depth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featurenerf import Camera, InputError
from unchecked import types_unchecked

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
    behind = 2 * camera._aligned(camera.centre, points) - points  # mirrored at the centre: seen nowhere
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
    assert (Camera.stack([near, far]).near, Camera.stack([near, far]).far) == (0.5, 2.0)
    assert Camera.stack([near, Camera.look_at()]).cut == (0.0, math.inf)  # what one of them sees is seen


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


def stretched(x: float, y: float, z: float) -> torch.Tensor:
    """A pose whose camera axes have these lengths."""
    return torch.diag(torch.tensor([x, y, z, 1.0]))


def sheared(by: float) -> torch.Tensor:
    pose = torch.eye(4)
    pose[0, 1] = by
    return pose


def moved_by(x: float) -> torch.Tensor:
    pose = torch.eye(4)
    pose[0, 3] = x
    return pose


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pose": torch.full((4, 4), float("nan"))}, "NaN"),
        ({"pose": torch.eye(4) * 2}, "rotation"),
        ({"focal": -1.0}, "focal"),
        ({"near": 2.0}, "near"),
        ({"width": 0}, "pixels"),
        ({"pose": moved_by(math.inf)}, "NaN or infinite"),
        ({"pose": stretched(1.02, 1.0, 1.0)}, "not a rotation"),
        ({"pose": stretched(1.0, 0.98, 1.0)}, "not a rotation"),  # shrunk counts as much as stretched
        ({"pose": sheared(-0.02)}, "not a rotation"),
        ({"pose": torch.stack([torch.eye(4), stretched(1.0, 1.0, 1.02)])}, "not a rotation"),  # one of a batch
        ({"focal": 0.0}, "positive"),
        ({"focal": (100.0, -1.0)}, "positive"),
        ({"focal": (0.0, 100.0)}, "positive"),
        ({"focal": (math.inf, 100.0)}, "positive"),
        ({"principal": (4.0, math.nan)}, "principal"),
        ({"principal": (math.inf, 4.0)}, "principal"),
        ({"width": 8, "height": 0}, "8 x 0 pixels"),
        ({"pose": torch.diag(torch.tensor([1.0, -1.0, 1.0, 1.0]))}, "mirrors"),
        ({"pose": torch.stack([torch.eye(4), torch.eye(4)[[1, 0, 2, 3]]])}, "mirrors"),  # two axes exchanged
        ({"pose": torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0]))}, "last row"),
        ({"pose": moved_by(2.0).T}, "last row"),
        ({"focal": torch.ones(3)}, r"focal is one number, a pair .* not \(3,\)"),
        ({"principal": (1.0, 2.0, 3.0)}, "principal is one number, a pair"),
        ({"pose": "pose"}, "pose must be numbers"),
        ({"near": -0.1}, "near"),
        ({"near": 1.8}, "near < far"),  # as far as far: there is nothing in between
    ],
)
def test_wrong_cameras_are_named(change: dict, word: str) -> None:
    given = {"pose": torch.eye(4), "focal": 100.0, "width": 8, "height": 8, "near": 0.8, "far": 1.8}
    with pytest.raises(InputError, match=word):
        Camera.from_pose(**{**given, **change})


@pytest.mark.parametrize("shape", [(3, 4), (4, 3)])
def test_poses_of_another_shape_are_named(shape: tuple[int, int]) -> None:
    with (
        types_unchecked(),
        pytest.raises(InputError, match=rf"\(4, 4\) camera-to-world matrix, not \({shape[0]}, {shape[1]}\)"),
    ):
        Camera.from_pose(torch.eye(*shape), 100.0, 8, 8)


def test_cameras_at_the_edge_of_what_is_allowed() -> None:
    """Near may be 0, a picture may have one pixel, and rounding may stretch an axis by half a percent."""
    one = Camera.from_pose(stretched(1.003, 0.997, 1.0), 1e-3, 1, 1, near=0, far=1e-3)
    assert (one.width, one.height, one.near, one.far) == (1, 1, 0, 1e-3)


def test_what_a_camera_is_unless_told() -> None:
    """The canonical camera; pictures are cut to no depths, whichever way a camera is made."""
    camera = Camera.look_at()
    assert (camera.width, camera.height, camera.near, camera.far) == (128, 128, None, None)
    assert camera.cut == (0.0, math.inf)
    # 1.3 from the origin, 20 degrees above the ground, in front of the object
    torch.testing.assert_close(camera.centre, torch.tensor([1.2216004, 0.0, 0.4446262]), atol=1e-6, rtol=0)
    torch.testing.assert_close(camera.focal, torch.tensor([140.0139, 140.0139]), atol=1e-3, rtol=0)
    bare = Camera(torch.eye(4), torch.tensor([50.0, 50.0]), torch.tensor([4.0, 2.0]), 8, 4)
    posed = Camera.from_pose(torch.eye(4), 50.0, 8, 4)
    opencv = Camera.from_opencv(torch.eye(3), torch.eye(4), 8, 4)
    colmap = Camera.from_colmap((1, 0, 0, 0), (0, 0, 0), (50.0, 4.0, 2.0), 8, 4)
    for made in (bare, posed, opencv, colmap):
        assert (made.width, made.height, made.near, made.far) == (8, 4, None, None)


def test_every_maker_takes_near_and_far() -> None:
    for made in (
        Camera.look_at(near=0.1, far=7.0),
        Camera.from_pose(torch.eye(4), 50.0, 8, 4, 0.1, 7.0),
        Camera.from_opencv(torch.eye(3), torch.eye(4), 8, 4, 0.1, 7.0),
        Camera.from_colmap((1, 0, 0, 0), (0, 0, 0), (50.0, 4.0, 2.0), 8, 4, 0.1, 7.0),
    ):
        assert (made.near, made.far) == (0.1, 7.0)


def test_look_at_stands_where_its_angles_say() -> None:
    """Azimuth 90 is the object's left; 30 degrees up at distance 2 is 1 above the ground."""
    camera = Camera.look_at(90, 30, distance=2)
    half_root = math.sqrt(3) / 2
    right, up, backward = (-1.0, 0.0, 0.0), (0.0, -0.5, half_root), (0.0, half_root, 0.5)
    torch.testing.assert_close(camera.pose[:3, :3].T, torch.tensor([right, up, backward]), atol=1e-6, rtol=0)
    torch.testing.assert_close(camera.pose[:, 3], torch.tensor([0.0, 2 * half_root, 1.0, 1.0]), atol=1e-6, rtol=0)
    assert camera.pose[3, :3].tolist() == [0, 0, 0]
    assert camera.pose.dtype == camera.focal.dtype == camera.principal.dtype == torch.float32
    below = Camera.look_at(0, -30, distance=2)
    assert below.centre[2].item() == pytest.approx(-1.0, abs=1e-6)


def test_the_field_of_view_is_horizontal() -> None:
    camera = Camera.look_at(width=100, height=40, fov=90)  # tan 45 degrees = 1: half the width
    torch.testing.assert_close(camera.focal, torch.tensor([50.0, 50.0]))
    assert camera.principal.tolist() == [50, 20]
    assert (camera.width, camera.height) == (100, 40)


def test_sequences_of_angles_are_a_batch() -> None:
    camera = Camera.look_at(torch.tensor([[0.0], [90.0]]), [0.0, 90.0, -90.0], distance=1)
    assert camera.batch_shape == (2, 3)
    expected = torch.tensor([[[1.0, 0, 0], [0, 0, 1], [0, 0, -1]], [[0, 1, 0], [0, 0, 1], [0, 0, -1]]])
    torch.testing.assert_close(camera.centre, expected, atol=1e-6, rtol=0)
    assert camera.focal.shape == camera.principal.shape == (2, 3, 2)


def test_from_pose_takes_one_focal_length_or_a_pair() -> None:
    poses = torch.eye(4).expand(3, 4, 4)
    one = Camera.from_pose(poses, 70, 8, 4)
    assert one.focal.tolist() == [[70, 70]] * 3
    assert one.principal.tolist() == [[4, 2]] * 3  # the picture's centre
    pair = Camera.from_pose(poses, (70, 60), 8, 4, principal=(1, 3))
    assert pair.focal.tolist() == [[70, 60]] * 3
    assert pair.principal.tolist() == [[1, 3]] * 3
    each = Camera.from_pose(poses, torch.tensor([[1.0, 2], [3, 4], [5, 6]]), 8, 4)
    assert each.focal.tolist() == [[1, 2], [3, 4], [5, 6]]
    nested = Camera.from_pose([[1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]], 70, 8, 4)
    assert nested.centre.tolist() == [5, 6, 7]
    assert nested.pose.dtype == torch.float32


def test_opencv_numbers_have_their_places() -> None:
    """Axes y and z turn round, the principal point moves by half a pixel, and the two focal lengths stay apart."""
    K = torch.tensor([[70.0, 0.0, 3.0], [0.0, 60.0, 1.0], [0.0, 0.0, 1.0]])
    camera = Camera.from_opencv(K, moved_by(5.0), 8, 4)
    assert camera.focal.tolist() == [70, 60]
    assert camera.principal.tolist() == [3.5, 1.5]
    assert camera.pose.tolist() == [[1, 0, 0, 5], [0, -1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]]
    with pytest.raises(InputError, match=r"\(3, 3\) matrix, not \(2, 3\)"):
        Camera.from_opencv(K[:2], torch.eye(4), 8, 4)


def test_colmap_numbers_have_their_places() -> None:
    """The textbook's rotation of the quaternion 1, 2, 3, 4, which need not be normalised."""
    camera = Camera.from_colmap((1, 2, 3, 4), (1, 2, 3), (70, 60, 3, 1), 8, 4, model="PINHOLE")
    world_to_camera = torch.tensor([[-10.0, 2, 11], [10, -5, 10], [5, 14, 2]]) / 15
    expected = world_to_camera.T * torch.tensor([1.0, -1, -1])
    torch.testing.assert_close(camera.pose[:3, :3], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(camera.centre, -torch.tensor([25.0, 34, 37]) / 15, atol=1e-6, rtol=0)
    assert camera.pose[3].tolist() == [0, 0, 0, 1]
    assert camera.focal.tolist() == [70, 60]
    assert camera.principal.tolist() == [3, 1]
    simple = Camera.from_colmap((1, 0, 0, 0), (0, 0, 0), (70, 3, 1), 8, 4)
    assert simple.focal.tolist() == [70, 70]
    assert simple.principal.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("model", "params", "sentence"),
    [
        (None, (70.0, 3.0), "2 numbers may be of several camera models: give the model's name"),
        (None, (70.0, 3.0, 1.0, 0.1), "4 numbers may be of several"),  # SIMPLE_RADIAL, or PINHOLE
        (None, (70.0, 60.0, 3.0, 1.0, 0.1), "5 numbers may be of several"),
        ("SIMPLE_RADIAL", (70.0, 3.0, 1.0, 0.1), "the lens of this SIMPLE_RADIAL camera distorts: undistort"),
        ("FISHEYE", (70.0, 70.0, 3.0, 1.0), "distorts: undistort"),
        ("PINHOLE", (70.0, 3.0, 1.0), "a PINHOLE camera has 4 numbers, not 3"),
        ("pinhole", (70.0, 70.0, 3.0, 1.0), "'pinhole' is not known"),
        ("PINHOLE", (70.0, math.nan, 3.0, 1.0), "NaN"),
    ],
)
def test_what_colmap_cameras_are_refused(model: str | None, params: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Camera.from_colmap((1, 0, 0, 0), (0, 0, 0), params, 8, 4, model=model)


@pytest.mark.parametrize(
    ("qvec", "tvec"), [((0, 0, 0, 0), (0, 0, 0)), ((1, 0, 0), (0, 0, 0)), ((1, 0, 0, 0), (0, 0)), ("abcd", (0, 0, 0))]
)
def test_what_is_no_quaternion_or_translation_is_said(qvec, tvec) -> None:
    with pytest.raises(InputError, match="qvec"):
        Camera.from_colmap(qvec, tvec, (50.0, 4.0, 2.0), 8, 4)


def test_pictures_of_different_sizes_cannot_be_stacked() -> None:
    for other in (Camera.look_at(width=64), Camera.look_at(height=64)):
        with pytest.raises(InputError, match="different picture sizes"):
            Camera.stack([Camera.look_at(), other])


def numbered(count: int) -> Camera:
    """Cameras that can be told apart by each of their numbers; near and far are not the usual ones."""
    pose = torch.eye(4).repeat(count, 1, 1)
    number = torch.arange(float(count))
    pose[:, 0, 3] = number
    focal, principal = torch.stack([number + 10, number + 20], -1), torch.stack([number + 30, number + 40], -1)
    return Camera(pose, focal, principal, 8, 4, 0.1, 7.0)


def told(camera: Camera) -> list:
    """The numbers of a batch of cameras by which they are told apart."""
    return torch.cat([camera.centre[..., :1], camera.focal, camera.principal], -1).tolist()


def test_a_batch_is_indexed_stacked_and_reshaped_as_one() -> None:
    six = numbered(6)
    assert told(six[2]) == [2, 12, 22, 32, 42]
    assert told(six[3:5]) == [[3, 13, 23, 33, 43], [4, 14, 24, 34, 44]]
    square = six.reshape(2, 3)
    assert square.batch_shape == (2, 3)
    assert told(square[1, 0]) == [3, 13, 23, 33, 43]
    stacked = Camera.stack([six[:2], six[2:4]])
    assert stacked.batch_shape == (2, 2)
    assert told(stacked[1, 0]) == [2, 12, 22, 32, 42]
    assert told(Camera.stack([six[:2], six[2:4]], 1)[1, 0]) == [1, 11, 21, 31, 41]
    assert told(Camera.stack([six[2]])) == [[2, 12, 22, 32, 42]]
    assert told(six.to("cpu")) == told(six)
    for made in (six[2], square, stacked, six.to("cpu"), six.resize(4, 4)):
        assert (made.near, made.far) == (0.1, 7.0)


def test_resize_scales_each_side_by_its_own_factor() -> None:
    camera = numbered(1)[0].resize(16, 1)  # twice as wide, a quarter as high
    assert (camera.width, camera.height) == (16, 1)
    assert told(camera) == [0, 20, 5, 60, 10]


def front_camera() -> Camera:
    """At (1.3, 0, 0), looking at the origin: its right is +y, its up is +z, its back is +x."""
    return Camera.look_at(0, 0, 8, 4)


def test_points_move_to_camera_coordinates_and_directions_only_turn() -> None:
    camera = front_camera()
    given = torch.tensor([[0.3, 0.1, 0.2], [1.0, 2.0, 3.0]])
    torch.testing.assert_close(camera.world_to_camera(given), torch.tensor([[0.1, 0.2, -1.0], [2.0, 3.0, -0.3]]))
    torch.testing.assert_close(camera.rotate_to_camera(given), torch.tensor([[0.1, 0.2, 0.3], [2.0, 3.0, 1.0]]))


def straight_camera() -> Camera:
    """At the origin, axes as the world's: it looks along -z."""
    return Camera.from_pose(torch.eye(4), (100, 50), 8, 4, principal=(4, 2))


def test_projection_by_hand() -> None:
    """x grows to the right and y downward; depth is the distance, negative behind the camera."""
    points = torch.tensor([[0.2, 0.1, -2.0], [0.2, 0.1, 2.0]])
    xy, depth = straight_camera().project(points)
    torch.testing.assert_close(xy, torch.tensor([[14.0, -0.5], [-6.0, 4.5]]))
    torch.testing.assert_close(depth, torch.tensor([2.0124612, -2.0124612]))  # the root of 4.05
    torch.testing.assert_close(straight_camera().unproject(xy, depth), points)


def test_a_point_in_the_cameras_own_plane_has_finite_pixels() -> None:
    points = torch.tensor([[1.0, 0.0, 0.0], [0.0, -2.0, 0.0]])
    points.requires_grad_()
    xy, depth = straight_camera().project(points)
    assert torch.isfinite(xy).all()
    assert (xy[[0, 1], [0, 1]] > 1e6).all()  # far outside, on their own sides
    torch.testing.assert_close(depth, torch.tensor([1.0, 2.0]))
    near_it, _ = straight_camera().project(torch.tensor([[1e-6, 0.0, -1e-6]]))  # a micrometre ahead is not in it
    torch.testing.assert_close(near_it, torch.tensor([[104.0, 2.0]]))


def test_rays_by_hand() -> None:
    """Through the centres of pixels, row by row, or through their corners with offset 0."""
    camera = Camera.from_pose(moved_by(5.0), (2, 1), 3, 2)
    assert camera.pixels().tolist() == [[[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]], [[0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]]
    assert camera.pixels(0.0).tolist() == [[[0, 0], [1, 0], [2, 0]], [[0, 1], [1, 1], [2, 1]]]
    origins, directions = camera.rays()
    assert torch.equal(origins, torch.tensor([5.0, 0, 0]).expand(2, 3, 3))
    # the first pixel is 1 left of and 0.5 above the principal point (1.5, 1): (-0.5, 0.5, -1), 1.5 ** 0.5 long
    torch.testing.assert_close(directions[0, 0], torch.tensor([-0.4082483, 0.4082483, -0.8164966]))
    torch.testing.assert_close(directions[1, 1], torch.tensor([0.0, -0.4472136, -0.8944272]))
    corner = camera.rays(0.0)[1]
    torch.testing.assert_close(corner[0, 0], torch.tensor([-0.4685213, 0.6246950, -0.6246950]))  # (-0.75, 1, -1)


def test_rays_of_a_batch_have_its_shape() -> None:
    cameras = Camera.look_at([0.0, 90.0], 0.0, 8, 4)
    origins, directions = cameras.rays()
    assert origins.shape == directions.shape == (2, 4, 8, 3)
    torch.testing.assert_close(origins[1, 0, 0], torch.tensor([0.0, 1.3, 0.0]), atol=1e-6, rtol=0)
    for i in range(2):
        torch.testing.assert_close(directions[i], cameras[i].rays()[1])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.bfloat16, 0.02)])
def test_what_is_computed_has_the_points_precision(dtype: torch.dtype, tolerance: float) -> None:
    points = torch.tensor([[0.2, 0.1, -2.0]], dtype=dtype)
    camera = straight_camera()
    xy, depth = camera.project(points)
    again = camera.unproject(xy, depth)
    assert xy.dtype == depth.dtype == again.dtype == camera.rotate_to_camera(points).dtype == dtype
    torch.testing.assert_close(again, points, atol=tolerance, rtol=0)


def test_intrinsics_that_are_none_are_said() -> None:
    """Transposed, with a skew, of four rows, without focal lengths, in other units: not silently a wrong camera."""
    K = np.array([[100.0, 0, 8], [0, 100, 8], [0, 0, 1]])
    pose = np.diag([1.0, -1, -1, 1])
    assert Camera.from_opencv(K, pose, 16, 16).principal.tolist() == [8.5, 8.5]
    for wrong, sentence in (
        (K.T, "as where the matrix was transposed"),
        (K + np.diag([20.0, 0], 1), "have a skew"),
        (K * 2, r"\[0, 0, 1\]\]: these are not"),
        (K * [[1], [-1], [1]], "focal length of intrinsics must be a positive number"),
        (K + np.nan, "all of them finite"),
        (np.eye(4), r"\(3, 3\) matrix"),
    ):
        with pytest.raises(InputError, match=sentence):
            Camera.from_opencv(wrong, pose, 16, 16)


def test_a_batch_is_gone_through_and_what_is_not_in_it_is_said() -> None:
    cameras = Camera.look_at([0, 90], 20)
    assert [float(camera.centre[1]) > 0.5 for camera in cameras] == [False, True]
    for index in (2, -3, "first", 0.5):
        with types_unchecked(), pytest.raises(InputError, match=r"of \(2,\) cameras none is at"):
            cameras[index]
    for shape in ((3,), (-1, 3), (-1, -1)):
        with pytest.raises(InputError, match="cannot be reshaped"):
            cameras.reshape(*shape)
    with pytest.raises(InputError, match="cannot be stacked along axis 2"):
        Camera.stack([cameras, cameras], dim=2)
    with pytest.raises(InputError, match="beyond 200 megapixels"):
        Camera.look_at(0, 0, 100_000, 100_000)
