"""The camera that took a picture, of fields whose coordinates are known exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from analytic_field import EllipsoidField, EllipsoidModel, ellipsoid, formula_field
from documented import blocks
from featurenerf import Camera, InputError, estimate_camera
from featurenerf.fields.pose import CameraEstimate, assumed_camera, estimated_camera


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TurnedField(EllipsoidField):
    """The ellipsoid in a world that is turned against the object's frame about z, then about x, in degrees."""

    heading: float = 0.0
    lean: float = 0.0
    noise: float = 0.0

    def sample(self, points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        own = points @ world_to_object(self.heading, self.lean).T
        values = super().sample(own, directions, channels)
        if "coordinate" in values:
            values["coordinate"] = own + self.noise * torch.sin(997 * own.roll(1, -1))
        return values


def world_to_object(heading: float, lean: float) -> Tensor:
    a, b = math.radians(heading), math.radians(lean)
    about_z = torch.tensor([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    return about_z @ torch.tensor([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])


def turned(heading: float = 0.0, lean: float = 0.0, noise: float = 0.0, source: Camera | None = None) -> TurnedField:
    plain = ellipsoid(source if source is None else source.reshape(1))
    return TurnedField(
        source=plain.source, sampling=plain.sampling, rays_per_chunk=65536, heading=heading, lean=lean, noise=noise
    )


@pytest.mark.parametrize("heading", [0.0, 35.0, 135.0, -100.0])
def test_heading_and_elevation(heading: float) -> None:
    """A camera at azimuth 0 and elevation 20 of a world that is turned by the heading stands at that azimuth."""
    found = estimated_camera(turned(heading))
    assert found.found
    assert found.azimuth == pytest.approx(heading, abs=1)
    assert found.elevation == pytest.approx(20, abs=1)
    assert found.roll == pytest.approx(0, abs=1e-3)
    assert found.distance == pytest.approx(1.3, abs=1e-5)
    assert found.uncertainty < 5


def test_a_roll() -> None:
    """From the front at elevation 20, leaning 30 degrees about x (towards the camera) is a roll of about 30 degrees."""
    found = estimated_camera(turned(lean=30))
    expected = world_to_object(0, 30) @ Camera.look_at(0, 20).pose[:3, :3]
    cosine = (float((found.camera.pose[:3, :3].T @ expected).trace()) - 1) / 2
    assert math.degrees(math.acos(min(1.0, cosine))) < 2
    assert abs(found.roll) == pytest.approx(30, abs=4)


def test_a_roll_within_the_uncertainty_is_none() -> None:
    assert estimated_camera(turned(lean=4, noise=0.05)).roll == pytest.approx(0, abs=1e-3)


def test_uncertainty_is_the_scatter_of_the_coordinates() -> None:
    clean, noisy = (estimated_camera(turned(35, noise=n)).uncertainty for n in (0.0, 0.06))
    assert noisy > clean + 4


def test_coordinates_that_say_nothing() -> None:
    found = estimated_camera(turned(35, noise=0.4))
    assert not found.found
    assert found.uncertainty == 180
    assert found.alternatives == ()
    torch.testing.assert_close(found.camera.pose, Camera.look_at(0, 20).pose)
    assert repr(found) == "CameraEstimate(nothing found)"


def test_nothing_to_see_and_fields_without_coordinates() -> None:
    assert not estimated_camera(ellipsoid(opacity=0.0)).found
    assert not estimated_camera(formula_field(lambda p: 100 * (p.norm(dim=-1) < 0.3))).found


def test_what_looks_alike_from_both_ends_has_an_alternative() -> None:
    """The ellipsoid's back third is red and its front third blue: it is its own turned image in shape, and not in
    colour. In one colour it is."""
    assert estimated_camera(turned(90)).alternatives == ()

    class Plain(TurnedField):
        def sample(self, points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
            values = super().sample(points, directions, channels)
            return {k: torch.full_like(v, 0.5) if k == "rgb" else v for k, v in values.items()}

    base = turned(60)
    plain = Plain(source=base.source, sampling=base.sampling, rays_per_chunk=65536, heading=60)
    found = estimated_camera(plain)
    assert [azimuth(camera) for camera in found.alternatives] == pytest.approx([-120], abs=1.5)


def azimuth(camera: Camera) -> float:
    return math.degrees(math.atan2(float(camera.centre[1]), float(camera.centre[0])))


def test_of_a_field_with_an_estimate_it_is_that() -> None:
    known = CameraEstimate(Camera.look_at(10, 20), 3.0)
    assert estimate_camera(replace(turned(), estimate=known)) is known
    assert estimate_camera(turned(35)).azimuth == pytest.approx(35, abs=1)
    with pytest.raises(InputError, match="give the field alone"):
        estimate_camera(turned(), lens=Camera.look_at())


class SizedModel(EllipsoidModel):
    """Knows objects whose camera stands at one distance alone; of all others its coordinates are noise."""

    def __init__(self, distance: float) -> None:
        super().__init__()
        self.distance, self.asked = distance, list[float]()

    def _encode(self, pictures: Tensor, cameras: Camera, assumed: bool = False) -> Any:
        self.asked.append(round(float(cameras.centre.norm()), 3))
        return turned(35, noise=0.0 if abs(self.asked[-1] - self.distance) < 0.01 else 0.5, source=cameras.reshape(1))


@pytest.mark.parametrize(("distance", "looked_at"), [(1.3, [1.3]), (1.105, [1.3, 1.105]), (1.43, [1.3, 1.105, 1.43])])
def test_where_nothing_is_found_other_sizes_are_tried(distance: float, looked_at: list[float]) -> None:
    """0.85 and 1.1 of the canonical 1.3 are 1.105 and 1.43."""
    model = SizedModel(distance)
    found = model.estimate_camera(torch.ones(4, 32, 32))
    assert (found.azimuth, found.elevation) == pytest.approx((35, 20), abs=1)
    assert (found.distance, found.uncertainty < 5) == (pytest.approx(distance, abs=1e-3), True)
    assert model.asked == looked_at
    assert not SizedModel(9.0).estimate_camera(torch.ones(4, 32, 32)).found


def test_numbers_of_an_estimate() -> None:
    """A camera with a left-hand roll of 25 degrees: its own x axis points 25 degrees above the horizontal."""
    upright = Camera.look_at(-40, 15, distance=2.0)
    a = math.radians(25)
    turn = torch.tensor([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    pose = upright.pose.clone()
    pose[:3, :3] = pose[:3, :3] @ turn
    found = CameraEstimate(replace(upright, pose=pose), 5.0)
    assert (found.azimuth, found.elevation) == pytest.approx((-40, 15), abs=1e-3)
    assert (found.roll, found.distance) == pytest.approx((25, 2.0), abs=1e-3)
    assert pose[2, 0] > 0


# ---------------------------------------------------------------------- lenses


def test_without_a_lens_the_canonical_camera_is_assumed() -> None:
    camera = assumed_camera(64, 48)
    torch.testing.assert_close(camera.pose, Camera.look_at(0, 20).pose)
    assert (camera.width, camera.height) == (64, 48)


def test_a_longer_lens_stands_further_away() -> None:
    """At width 128 the canonical focal length is 140 pixels and its distance 1.3: 280 pixels are at 2.6."""
    lens = Camera.from_pose(torch.eye(4), 280.0, 128, 128)
    camera = assumed_camera(128, 128, lens)
    assert float(camera.centre.norm()) == pytest.approx(2.6, abs=1e-3)


@pytest.mark.parametrize("principal", [(64.0, 64.0), (-76.0, 64.0), (64.0, 200.0), (150.0, -30.0)])
def test_the_object_is_in_the_middle_of_a_crop_off_the_axis(principal: tuple[float, float]) -> None:
    lens = Camera.from_pose(torch.eye(4), 140.0, 128, 128, principal=principal)
    camera = assumed_camera(128, 128, lens)
    xy, _ = camera.project(torch.zeros(1, 3))
    assert xy[0].tolist() == pytest.approx([64, 64], abs=1e-3)
    assert camera.principal.tolist() == list(principal)
    assert CameraEstimate(camera, 0.0).elevation == pytest.approx(20, abs=1e-3)


def test_a_heading_is_found_through_a_lens_off_the_axis() -> None:
    lens = Camera.from_pose(torch.eye(4), 210.0, 128, 128, principal=(120.0, 40.0))
    found = estimated_camera(turned(50, source=assumed_camera(128, 128, lens)))
    assert (found.azimuth, found.elevation) == pytest.approx((50, 20), abs=1)
    assert found.roll == pytest.approx(float(CameraEstimate(assumed_camera(128, 128, lens), 0.0).roll), abs=1e-3)
    xy, _ = found.camera.project(torch.zeros(1, 3))
    assert xy[0].tolist() == pytest.approx([64, 64], abs=1e-2)


def test_a_lens_of_another_size() -> None:
    with pytest.raises(InputError, match="came with a lens of 64 x 64"):
        assumed_camera(128, 128, Camera.look_at(width=64, height=64))


# ---------------------------------------------------------------------- depth maps

INTRINSICS = [[300.0, 0.0, 159.5], [0.0, 300.0, 119.5], [0.0, 0.0, 1.0]]


def measured(heading: float = 50.0) -> tuple[TurnedField, Tensor, Tensor, Tensor]:
    """A field of a 320 x 240 picture of the ellipsoid, and the depth that a sensor has of it if a unit is 0.8 m; with
    the true rotation and translation of the object's frame in the camera's, by hand."""
    camera = Camera.from_pose(Camera.look_at(0, 20).pose, 300.0, 320, 240)
    field = turned(heading, source=camera)
    seen = field.render(camera, channels=("depth", "alpha"))
    ray = ((camera.pixels() - camera.principal) / camera.focal).square().sum(-1).add(1).sqrt()
    depth = torch.where(seen.alpha[..., 0] > 0.9, 0.8 * seen.depth[..., 0] / seen.alpha[..., 0] / ray, 0.0)
    to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ camera.pose[:3, :3].T
    rotation = to_camera @ world_to_object(heading, 0).T
    return field, depth, rotation, -0.8 * to_camera @ camera.centre


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_an_object_is_registered_in_metres(kind: str) -> None:
    field, depth, rotation, translation = measured()
    given = depth if kind == "tensor" else depth.numpy()
    found = field.register(given, INTRINSICS)
    torch.testing.assert_close(found.rotation.float(), rotation, atol=0.02, rtol=0)
    torch.testing.assert_close(found.translation.float(), translation, atol=0.01, rtol=0)
    assert found.scale == pytest.approx(0.8, abs=0.01)
    assert found.residual < 0.01
    assert found.inliers > 0.95
    there = torch.tensor([[0.1, 0.05, 0.1], [-0.3, 0.0, 0.0]])
    torch.testing.assert_close(found.to_object(found.to_camera(there)).float(), there)
    by_hand = 0.8 * there @ rotation.T + translation
    torch.testing.assert_close(found.to_camera(there).float(), by_hand, atol=0.02, rtol=0)


def test_points_in_metres_have_the_descriptors_of_their_places() -> None:
    """The ellipsoid's descriptor says which third of it a point is in, and where in the object's frame."""
    field, depth, rotation, translation = measured(heading=0.0)
    found = field.register(depth, INTRINSICS)
    place = torch.tensor([[0.3, 0.0, 0.1]])
    described = found.describe(0.8 * place @ rotation.T + translation)
    torch.testing.assert_close(described[:, 3:6].float(), place, atol=0.02, rtol=0)
    assert described[0, :3].tolist() == [0, 0, 3]


def test_wrong_depths_hardly_count() -> None:
    """Of the rows that are compared (2, 7, 12, ...) a quarter sees a wall behind, and a quarter nothing."""
    field, depth, _, translation = measured()
    depth[2::20] = torch.where(depth[2::20] > 0, 3.0, 0.0)
    depth[7::20] = float("nan")
    found = field.register(depth, INTRINSICS)
    torch.testing.assert_close(found.translation.float(), translation, atol=0.02, rtol=0)
    assert 0.6 < found.inliers < 0.75


def test_a_mask_says_which_depths_count() -> None:
    field, depth, _, translation = measured()
    wall = torch.where(depth > 0, depth, 2.0)
    wall[:, :150] = 0.4  # a hand in front of the left half
    mask = torch.zeros(240, 320, dtype=torch.bool)
    mask[:, 150:] = True
    torch.testing.assert_close(
        field.register(wall, INTRINSICS, mask).translation.float(), translation, atol=0.02, rtol=0
    )
    assert field.register(wall, INTRINSICS).inliers < 0.8


def test_depth_maps_that_cannot_be() -> None:
    field, depth, *_ = measured()
    with pytest.raises(InputError, match="only 0 pixels of the object have a depth"):
        field.register(torch.zeros(240, 320), INTRINSICS)
    with pytest.raises(InputError, match="give the crop"):
        field.register(torch.ones(240, 240), INTRINSICS)
    with pytest.raises(InputError, match=r"intrinsics are \(3, 3\)"):
        field.register(depth[None], INTRINSICS)
    with pytest.raises(InputError, match="the mask must be"):
        field.register(depth, INTRINSICS, torch.ones(3, 3))
    with pytest.raises(InputError, match="channel coordinate"):
        formula_field(lambda p: p[..., 0]).register(depth, INTRINSICS)


def test_the_page_runs_as_printed() -> None:
    """The mark comes out where it went in; the depth map is flat, and still says about how large the object is: 220
    pixels at a focal length of 280 and a distance of 1.2 m are 0.9 m."""
    names: dict[str, Any] = {}
    for block in blocks("cameras.md"):
        exec(block, names)
    assert names["crop"].to_picture(names["mark"])[0].tolist() == pytest.approx([136.1, 239.5], abs=1e-3)
    assert names["chair"].estimate.azimuth == names["found"].azimuth == pytest.approx(35, abs=5)
    assert 0.5 < names["registration"].scale < 2
