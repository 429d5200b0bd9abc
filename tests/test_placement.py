"""Cameras that cannot be those of an object's picture, and why."""

from __future__ import annotations

import re

import pytest
import torch

from featurenerf import Camera
from featurenerf.placement import misframed, misplaced

FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
HERE = Camera.look_at(35, 20)


def posed(pose: torch.Tensor, focal: float = 140.0) -> Camera:
    return Camera.from_pose(pose, focal, 128, 128)


@pytest.mark.parametrize("distance", [0.6, 0.9, 1.3, 4.0, 15.0])
@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 20), (123, -30), (200, 89)])
def test_cameras_that_see_the_object_are_in_their_places(distance: float, azimuth: float, elevation: float) -> None:
    assert misplaced(Camera.look_at(azimuth, elevation, distance=distance)) is None


def test_a_camera_that_sees_a_part_of_the_sphere_at_its_rim_is_in_its_place() -> None:
    """The right half of its picture ends at 24.6 degrees, the sphere reaches 22.6 degrees beyond its own middle."""
    for turn, sees in ((40.0, True), (46.0, True), (49.0, False), (90.0, False), (180.0, False)):
        a = torch.deg2rad(torch.tensor(turn))
        about_up = torch.eye(4)
        about_up[0, 0] = about_up[2, 2] = a.cos()
        about_up[0, 2], about_up[2, 0] = a.sin(), -a.sin()
        assert (misplaced(posed(HERE.pose @ about_up)) is None) == sees, turn


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        (posed(HERE.pose @ FLIP), "looks away from the object.*OpenGL's .* are exchanged with OpenCV's"),
        (posed(torch.linalg.inv(Camera.look_at(40, 30, distance=2).pose)), "its inverse looks at the object"),
        (posed(torch.eye(4)), "0 units from the origin, inside the object: .*another unit or origin"),
        (Camera.look_at(distance=0.3), "0.3 units from the origin, inside the object"),
        (Camera.look_at(distance=1300), "0.11 pixels across: .* in millimetres"),
        (Camera.look_at(distance=20.0), "7 pixels across"),
    ],
)
def test_why_a_camera_is_misplaced(camera: Camera, sentence: str) -> None:
    problem = misplaced(camera)
    assert problem is not None
    assert re.search(sentence, problem), problem


def disc(radius: float, x: float = 64.0, y: float = 64.0) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def test_an_object_must_lie_where_the_sphere_is() -> None:
    """Seen from 2.6 through the canonical lens, the sphere has a radius of 27 pixels."""
    camera = Camera.look_at(35, 20, distance=2.6)
    assert misframed(camera, disc(20.0)) is None
    assert misframed(camera, disc(26.0)) is None
    assert misframed(camera, torch.zeros(128, 128, dtype=torch.bool)) is None
    assert "% of the object's pixels lie outside of the sphere" in (misframed(camera, disc(60.0)) or "")
    assert "100 % of the object's pixels" in (misframed(camera, disc(15.0, 110.0, 20.0)) or "")
    assert "of a unit large" in (misframed(camera, disc(1.5)) or "")
