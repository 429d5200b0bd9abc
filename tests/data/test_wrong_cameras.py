"""Cameras that cannot be those of a data set's pictures: what a check, training and encoding say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analytic_field import EllipsoidModel
from featurenerf import Camera, InputError
from featurenerf.data.check import check_cameras, check_dataset
from featurenerf.data.formats.release import camera_file
from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.synthesis.write import ObjectRecord, write_object
from release_data import CHAIR, IDS, record

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
MIRROR = np.diag([1.0, 1.0, -1.0, 1.0])


def change(root: Path, object_id: str, pose: Callable[[np.ndarray], np.ndarray], frames: slice = slice(None)) -> None:
    """Change poses of a camera file."""
    path = camera_file(root, CHAIR, object_id)
    content = json.loads(path.read_text())
    for frame in content["frames"][frames]:
        frame["transform_matrix"] = pose(np.array(frame["transform_matrix"])).tolist()
    path.write_text(json.dumps(content))


def further(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """The pose in another unit."""

    def changed(pose: np.ndarray) -> np.ndarray:
        pose = pose.copy()
        pose[:3, 3] *= factor
        return pose

    return changed


def shown(root: Path) -> None:
    """Pictures of a disc in the middle, of 6 pixels' radius; the sphere has 7.3."""
    rows, columns = np.mgrid[:16, :16] + 0.5
    disc = ((rows - 8) ** 2 + (columns - 8) ** 2 < 36) * np.uint8(255)
    for object_id in IDS:
        one = record()
        pictures = np.repeat(disc[None, ..., None], 3, 0).repeat(4, -1)
        write_object(root, CHAIR, object_id, ObjectRecord(cameras=one.cameras, pictures=pictures))


WRONG = {
    "OpenGL's axes in place of OpenCV's": (lambda pose: pose @ FLIP, "looks away from the object.*OpenGL's .*OpenCV's"),
    "world-to-camera": (np.linalg.inv, "its inverse looks at the object|looks away|inside the object"),
    "millimetres": (further(1000.0), r"from 1\.3e\+03 units away .* millimetres"),
    "a small unit": (further(0.1), "0.13 units from the origin, inside the object"),
    "a unit of which the object is several large": (further(5.0), "lie outside of the sphere of radius 0.5"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_cameras_of_all_views_are_named_and_not_trained_on(root: Path, kind: str) -> None:
    pose, sentence = WRONG[kind]
    shown(root)
    assert check_dataset(root, progress=False) == []
    assert check_cameras(list(open_dataset(root, "chair", "train"))) == []
    change(root, "aa", pose)
    (problem,) = check_dataset(root, progress=False)
    assert re.search(rf"aa/000\.png: .*{sentence}", problem), problem
    count = 2 if kind == "world-to-camera" else 3  # of the inverse poses, one happens to see the object
    assert f"({count} of its 3 cameras cannot be those of their pictures)" in problem
    with pytest.raises(InputError, match=rf"aa/000\.png: .*{sentence}"):
        check_cameras(list(open_dataset(root, "chair", "train")))


def test_one_wrong_camera_among_good_ones_is_named(root: Path) -> None:
    shown(root)
    change(root, "aa", lambda pose: pose @ FLIP, slice(1, 2))
    (problem,) = check_dataset(root, progress=False)
    assert re.search(r"aa/001\.png: the camera looks away", problem)
    assert "of its 3 cameras" not in problem
    assert check_cameras(list(open_dataset(root, "chair", "train"))) == [problem]


@pytest.mark.parametrize(
    ("pose", "sentence"),
    [
        (lambda pose: pose @ MIRROR, r"the camera pose mirrors.*\(frame 2\)"),
        (lambda pose: pose @ np.diag([1, 1, 1, 0.0]), r"the last row of a camera pose is 0, 0, 0, 1.*\(frame 2\)"),
        (lambda pose: pose @ np.diag([2, 2, 2, 1.0]), r"is not a rotation \(frame 2\)"),
        (np.transpose, r"\(frame 2\)"),
    ],
)
def test_one_pose_that_is_none_is_named_with_its_frame(root: Path, pose: Any, sentence: str) -> None:
    change(root, "aa", pose, slice(2, 3))
    (problem,) = check_dataset(root, progress=False)
    assert re.search(rf"aa\.json: .*{sentence}", problem), problem
    with pytest.raises(InputError, match=rf"aa\.json: .*{sentence}"):
        check_cameras(list(open_dataset(root, "chair", "train")))


def set_in(root: Path, values: dict[str, Any], frame: int | None = None) -> Camera:
    """The cameras of an object whose camera file says more than an angle."""
    path = camera_file(root, CHAIR, "aa")
    content = json.loads(path.read_text())
    (content if frame is None else content["frames"][frame]).update(values)
    path.write_text(json.dumps(content))
    dataset: Dataset = open_dataset(root, "chair", "train")
    return dataset["aa"].cameras()


def test_focal_lengths_and_principal_point_beside_the_angle_are_taken(root: Path) -> None:
    """Pictures are 16 x 16; an angle of 49.13 degrees is a focal length of 17.5 pixels."""
    assert set_in(root, {}).focal[0].tolist() == pytest.approx([17.5, 17.5], abs=0.01)
    cameras = set_in(root, {"fl_y": 20.0, "cx": 7.0})
    assert cameras.focal[1].tolist() == pytest.approx([17.5, 20.0], abs=0.01)
    assert cameras.principal[1].tolist() == [7.0, 8.0]
    cameras = set_in(root, {"fl_x": 36.0, "fl_y": 38.0, "cx": 15.0, "cy": 17.0, "w": 32, "h": 32})
    assert cameras.focal[2].tolist() == [18.0, 19.0]
    assert cameras.principal[2].tolist() == [7.5, 8.5]
    cameras = set_in(root, {"fl_x": 21.0, "cy": 9.0}, frame=1)
    assert cameras.focal[:, 0].tolist() == [18.0, 21.0, 18.0]
    assert cameras.principal[:, 1].tolist() == [8.5, 9.0, 8.5]


@pytest.mark.parametrize("frame", [None, 1])
@pytest.mark.parametrize("name", ["k1", "k4", "p2"])
def test_distortion_in_a_camera_file_is_refused(root: Path, name: str, frame: int | None) -> None:
    assert set_in(root, {name: 0.0}, frame).batch_shape == (3,)
    with pytest.raises(InputError, match=r"aa\.json: .*undistort"):
        set_in(root, {name: 0.01}, frame)


def disc() -> torch.Tensor:
    """A picture of 128 x 128 with a mask: a disc of the sphere's size in the canonical picture."""
    rows, columns = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    alpha = ((rows - 64) ** 2 + (columns - 64) ** 2 < 50**2).float()
    return torch.stack([alpha] * 4)


def test_encode_names_an_object_that_lies_outside_of_the_sphere() -> None:
    model = EllipsoidModel()
    model.encode(disc(), Camera.look_at(30, 20))
    with pytest.raises(InputError, match=r"8\d % of the object's pixels lie outside of the sphere"):
        model.encode(disc(), Camera.look_at(30, 20, distance=3.9))
    model.encode(disc()[:3], Camera.look_at(30, 20, distance=3.9))  # what is not black need not be the object
    model.encode(torch.ones(4, 128, 128), Camera.look_at(30, 20, distance=3.9))  # nor what is not masked
