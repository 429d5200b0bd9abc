"""One's own pictures with cameras, in every spelling, in a world that is known to the test alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("embreex", reason="the pictures are rendered by the extra data")

from captures_by_hand import FOCAL, SHIFT, SIZE, TILT, VIEWS, angle_x, chair, elsewhere, write_colmap, write_transforms
from featurenerf.data.check import check_dataset
from featurenerf.data.formats.captures import Capture, open_capture
from featurenerf.data.open import open_dataset
from featurenerf.errors import InputError
from featurenerf.lenses import undistort

EYE = np.eye(3)
FULL = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": SIZE / 2, "cy": SIZE / 2, "w": SIZE, "h": SIZE}


def differs(found: Capture) -> tuple[float, float, float]:
    """How far the frame is from the object's own: degrees of its axes, distance of its centre, ratio of its size."""
    return frame_error(found.frame.matrix, TILT, 2.5)


def frame_error(matrix: np.ndarray, turn: np.ndarray, scale: float) -> tuple[float, float, float]:
    truth = np.eye(4)
    truth[:3, :3], truth[:3, 3] = turn.T / scale, -turn.T @ SHIFT / scale
    ratio = np.linalg.norm(matrix[0, :3]) * scale
    turned = matrix[:3, :3] @ np.linalg.inv(truth[:3, :3]) / ratio
    angle = np.degrees(np.arccos(np.clip((turned.trace() - 1) / 2, -1, 1)))
    centre = (matrix @ np.append(SHIFT, 1))[:3]
    return float(angle), float(np.linalg.norm(centre)), float(ratio)


SPELLINGS: dict[str, dict[str, Any]] = {
    "blender": {"top": {"camera_angle_x": angle_x()}, "listed": "./images/{:03d}"},
    "nerfstudio": {"top": {**FULL, "camera_model": "OPENCV", "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0,
                           "applied_transform": [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]}},
    "each frame": {"top": {}, "each": FULL},
    "a frame's beat those of all": {"top": {**FULL, "fl_x": 77.0, "fl_y": 78.0}, "each": {"camera_angle_x": angle_x()}},
    "instant-ngp": {"top": {"camera_angle_x": angle_x(), "camera_angle_y": angle_x(), **FULL, "k1": 0, "k2": 0,
                            "aabb_scale": 16, "is_fisheye": False}, "listed": "images\\{:03d}.png"},
    "instant-ngp in degrees": {"top": {"x_fov": np.degrees(angle_x()), "w": SIZE, "h": SIZE}},
    "cameras of larger pictures": {"top": {name: 2 * value for name, value in FULL.items()}},
    "upper case": {"top": FULL, "listed": "images/{:03d}", "ending": ".PNG"},
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_frame_and_the_same_pictures(tmp_path: Path, spelling: str) -> None:
    pictures, poses = chair()
    write_transforms(tmp_path / "one", elsewhere(poses), **SPELLINGS[spelling])
    found = open_capture(tmp_path / "one", front=TILT[:, 0].tolist())
    assert len(found) == VIEWS
    angle, centre, ratio = differs(found)
    assert angle < 0.05
    assert centre < 0.02
    assert ratio == pytest.approx(1, abs=0.04)
    cameras, picture = found.cameras(), found.picture(3)
    assert torch.allclose(cameras.pose[3], torch.from_numpy(poses[3]).float(), atol=0.1)
    on = (picture[..., 3] > 127) == (pictures[3][..., 3] > 127)
    assert on.mean() > 0.96


@pytest.mark.parametrize("binary", [True, False])
def test_colmap(tmp_path: Path, binary: bool) -> None:
    write_colmap(tmp_path / "one", elsewhere(chair()[1]), binary=binary)
    found = open_capture(tmp_path / "one", front=TILT[:, 0].tolist())
    assert [shot.name for shot in found.shots] == [f"view {k:02d}.png" for k in range(VIEWS)]
    angle, centre, ratio = differs(found)
    assert (angle < 0.05, centre < 0.02) == (True, True)
    assert ratio == pytest.approx(1, abs=0.04)
    assert np.allclose(found.frame.axes[2], [0, -0.8, 0.6], atol=1e-3)
    assert found.frame.up.startswith("found from the cameras: (")


def test_without_a_front_the_box_is_the_object_s_and_a_side_of_it_faces_the_first_picture(tmp_path: Path) -> None:
    """The first camera stands at 10 degrees, so that the side is the object's own front."""
    write_colmap(tmp_path / "one", elsewhere(chair()[1]), binary=True)
    found = open_capture(tmp_path / "one")
    angle, centre, ratio = differs(found)
    assert angle < 3
    assert centre < 0.025
    assert ratio == pytest.approx(1, abs=0.04)
    assert found.frame.front.startswith("unknown")
    quarter = found.facing(90.0, "given")
    assert frame_error(quarter.frame.matrix, TILT @ np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, 1]]), 2.5)[0] < 3
    assert not torch.allclose(quarter.cameras().pose, found.cameras().pose)


@pytest.mark.parametrize(("lens", "bends"), [
    ((4, "OPENCV"), [0.35, 0.1, 0.01, -0.01]), ((2, "SIMPLE_RADIAL"), [0.4]),
    ((5, "OPENCV_FISHEYE"), [0.05, 0, 0, 0]),
])  # fmt: skip
def test_pictures_of_a_lens_that_distorts_are_undistorted(
    tmp_path: Path, lens: tuple[int, str], bends: list[float]
) -> None:
    pictures, poses = chair()
    params = [FOCAL, *([] if lens[1] == "SIMPLE_RADIAL" else [FOCAL]), SIZE / 2, SIZE / 2, *bends]
    bent = np.stack([bent_picture(picture, lens[1], params) for picture in pictures[:6]])
    write_colmap(tmp_path / "one", elsewhere(poses[:6]), binary=True, lens=(*lens, params), pictures=bent)
    found = open_capture(tmp_path / "one", up=TILT[:, 2].tolist(), front=TILT[:, 0].tolist())
    assert differs(found)[1] < 0.04
    seen = found._undistorted(2).rgba[3].numpy() > 0.5
    straight, plain = (pictures[2][..., 3] > 127), bent[2][..., 3] > 127
    assert (seen == straight).mean() > 0.97
    assert (seen == straight).mean() > (plain == straight).mean() + 0.005


def bent_picture(picture: np.ndarray, model: str, params: list[float]) -> np.ndarray:
    """What the lens shows: each pixel of the pinhole's picture, four times as fine, goes where the lens puts it."""
    fine = 4
    size = SIZE * fine
    grid = np.stack(np.meshgrid(*(np.arange(size) + 0.5,) * 2), 0).astype(np.float32) / fine
    # undistorting a picture of coordinates says where the lens shows each pixel of the pinhole
    big = [p * fine for p in params[: len(params) - {"OPENCV": 4, "SIMPLE_RADIAL": 1, "OPENCV_FISHEYE": 4}[model]]]
    where, _ = undistort(torch.from_numpy(grid), model, [*big, *params[len(big) :]])
    x, y = (where.numpy()).astype(int).clip(0, SIZE - 1)
    bent = np.zeros((SIZE, SIZE, 4), np.uint8)
    source = np.repeat(np.repeat(picture, fine, 0), fine, 1)
    bent[y.ravel(), x.ravel()] = source.reshape(-1, 4)
    return bent


def test_masks_as_files_beside_pictures_without_alpha(tmp_path: Path) -> None:
    pictures, poses = chair()
    noise = np.random.default_rng(0).integers(0, 255, pictures.shape, dtype=np.uint8)
    busy = np.where(pictures[..., 3:] > 127, pictures, noise)[..., :3]
    for where in ("frame", "masks", "colmap", "beside"):
        folder = write_transforms(tmp_path / where, elsewhere(poses), FULL, pictures=busy)
        for k in range(VIEWS):
            path = {"frame": f"m/{k:03d}.png", "masks": f"masks/{k:03d}.png", "colmap": f"masks/{k:03d}.png.png",
                    "beside": f"images/{k:03d}_mask.png"}[where]  # fmt: skip
            (folder / path).parent.mkdir(exist_ok=True)
            Image.fromarray(pictures[k][..., 3]).save(folder / path)
        if where == "frame":
            content = json.loads((folder / "transforms.json").read_text())
            for k, frame in enumerate(content["frames"]):
                frame["mask_path"] = f"m/{k:03d}.png"
            (folder / "transforms.json").write_text(json.dumps(content))
        seen = open_capture(folder)._undistorted(4)
        assert seen.mask == "file"
        assert ((seen.rgba[3].numpy() > 0.5) == (pictures[4][..., 3] > 127)).all()


def test_a_plain_background_is_recognised(tmp_path: Path) -> None:
    pictures, poses = chair()
    white = np.where(pictures[..., 3:] > 127, pictures, 255)[..., :3].astype(np.uint8)
    folder = write_transforms(tmp_path / "a", elsewhere(poses), FULL, pictures=white)
    found = open_capture(folder, front=TILT[:, 0].tolist())
    assert differs(found)[1] < 0.03
    assert found._undistorted(0).mask == "automatic"
    assert ((found.picture(0)[..., 3] > 127) == (pictures[0][..., 3] > 127)).mean() > 0.96


def test_a_folder_of_captures_is_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, poses = chair()
    for name in ("a", "b", "c", "d"):
        write_transforms(tmp_path / name, elsewhere(poses), FULL)
    (tmp_path / "capture.json").write_text(json.dumps({"category": "chair", "front": TILT[:, 0].tolist()}))
    (tmp_path / "b" / "capture.json").write_text(json.dumps({"category": "car"}))
    (tmp_path / "c" / "images" / "007.png").unlink()
    ids = {split: [o.id for o in open_dataset(tmp_path, "chair", split)] for split in ("train", "val", "test")}
    assert ids == {"train": ["a"], "val": ["c"], "test": ["d"]}
    assert [o.id for o in open_dataset(tmp_path, "car", "test")] == ["b"]
    one = open_dataset(tmp_path, "chair", "val")[0]
    assert (len(one), one.left_out) == (9, 1)
    assert one.picture(7).shape == (128, 128, 4)
    assert check_dataset(tmp_path, "chair", progress=False) == []
    assert "; 1 pictures left out" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"holds 4 captures: give one of them, such as .*a$"):
        open_capture(tmp_path)
    alone = open_dataset(tmp_path / "a", "lamp", "test")
    assert [o.id for o in alone] == ["a"]


def test_blender_s_three_files_are_one_capture(tmp_path: Path) -> None:
    pictures, poses = chair()
    top = {"camera_angle_x": angle_x()}
    write_transforms(tmp_path, elsewhere(poses, EYE), top, name="transforms_train.json", listed="./images/{:03d}")
    write_transforms(tmp_path / "x", elsewhere(poses[:2], EYE), top, pictures=pictures[:2], listed="./images/{:03d}")
    (tmp_path / "x" / "transforms.json").rename(tmp_path / "transforms_test.json")
    found = open_capture(tmp_path)
    assert len(found) == VIEWS + 2
    assert found.frame.up == "found from the cameras: +z"


@pytest.mark.parametrize(("change", "said"), [
    ({"file_path": "../../x.png"}, "lies outside of"),
    ({"file_path": "/etc/passwd"}, "lies outside of"),
    ({"transform_matrix": [[1, 0], [0, 1]]}, "is not a camera file"),
    ({"transform_matrix": np.diag([2.0, 2, 2, 1]).tolist()}, "it stretches or mirrors"),
    ({"transform_matrix": np.diag([1.0, 1, -1, 1]).tolist()}, "it stretches or mirrors"),
    ({"fl_x": -3}, "the focal length along x is -3.0"),
    ({"k4": 0.1}, "k4 is 0.1"),
    ({"camera_model": "EQUIRECTANGULAR"}, "camera_model EQUIRECTANGULAR is not known"),
    ({"w": 1e9, "h": 1e9}, "is said to have 1000000000 x 1000000000 pixels"),
    ({"w": 100, "h": 128}, "is 128 x 128, and its camera is of a 100 x 128 picture"),
])  # fmt: skip
def test_what_cannot_be_is_said(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    folder = write_transforms(tmp_path / "a", elsewhere(chair()[1]), FULL, each=change)
    if "file_path" not in change:
        change = {}
    content = json.loads((folder / "transforms.json").read_text())
    for frame in content["frames"]:
        frame.update(change)
    (folder / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=said) as error:
        open_capture(folder).cameras()
    assert str(folder) in str(error.value)


def test_broken_models_of_colmap_are_named(tmp_path: Path) -> None:
    folder = write_colmap(tmp_path / "a", elsewhere(chair()[1]), binary=True)
    model = folder / "sparse" / "0"
    images, cameras = (model / "images.bin").read_bytes(), (model / "cameras.bin").read_bytes()
    for length in (3, 40, 100, len(images) - 5):
        (model / "images.bin").write_bytes(images[:length])
        with pytest.raises(InputError, match=r"images\.bin is not a file of COLMAP images"):
            open_capture(folder).cameras()
    (model / "images.bin").write_bytes(b"\xff" * 8 + images[8:])  # more pictures than the file can hold
    with pytest.raises(InputError, match=r"images\.bin is not a file of COLMAP images"):
        open_capture(folder).cameras()
    (model / "images.bin").write_bytes(images)
    (model / "cameras.bin").write_bytes(cameras[:12] + b"\x0b\0\0\0" + cameras[16:])
    with pytest.raises(InputError, match="camera model RAD_TAN_THIN_PRISM_FISHEYE is not known"):
        open_capture(folder).cameras()


def test_world_to_camera_and_opencv_s_axes_are_refused(tmp_path: Path) -> None:
    poses = elsewhere(chair()[1])
    for name, wrong in (("inverse", np.linalg.inv(poses)), ("axes", poses @ np.diag([1.0, -1, -1, 1]))):
        folder = write_transforms(tmp_path / name, wrong, FULL)
        with pytest.raises(InputError, match=r"convention's|world-to-camera|one side"):
            open_capture(folder, up="z").cameras()
