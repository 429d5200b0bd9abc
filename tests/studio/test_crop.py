"""Marks on a photograph go into the prepared picture and come out again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from box_picture import box_picture
from featurenerf import Camera, InputError, prepare
from featurenerf.studio.crop import Crop

CROP = Crop(100.0, -20.0, 256.0, 256.0, 128, 640, 480)
"""Two pixels of the photograph a pixel of the picture."""


def test_positions_by_hand() -> None:
    assert CROP.to_picture([[0.0, 0.0], [64.0, 10.5]]).tolist() == [[100, -20], [228, 1]]
    assert CROP.from_picture(np.array([[100.0, -20.0], [228.0, 1.0]])).tolist() == [[0, 0], [64, 10.5]]
    assert CROP.from_picture(torch.tensor([101, -18])).tolist() == [0.5, 1]
    with pytest.raises(InputError, match=r"positions in a picture are \(..., 2\)"):
        CROP.to_picture([1.0, 2.0, 3.0])


def test_a_mark_is_found_where_it_was_drawn(tmp_path: Path) -> None:
    """A white dot on a grey object, 30 pixels from its corner; in a photograph that is larger than what is opened."""
    array = np.zeros((1500, 3000, 4), np.uint8)
    array[400:1100, 1000:2200] = (90, 90, 90, 255)
    array[700:740, 1480:1520, :3] = 255
    Image.fromarray(array).save(tmp_path / "large.png")
    ready, crop = prepare(tmp_path / "large.png", return_crop=True)
    assert (crop.width, crop.height) == (3000, 1500)
    row, column = (ready[0] > 0.8).nonzero().float().mean(0).tolist()
    back = crop.to_picture([column + 0.5, row + 0.5])
    assert back.tolist() == pytest.approx([1500, 720], abs=8)
    assert crop.from_picture(back).tolist() == pytest.approx([column + 0.5, row + 0.5], abs=1e-3)


def test_the_tensor_is_what_it_is_without() -> None:
    picture = box_picture(60, 80, (20, 50, 10, 60))
    ready, crop = prepare(picture, return_crop=True)
    assert torch.equal(ready, prepare(picture))
    assert (crop.width, crop.height, crop.size, crop.focal) == (80, 60, 128, None)


def test_the_camera_of_a_crop_sees_points_where_the_photograph_has_them() -> None:
    """OpenCV: a point (0.1, -0.2, 2) with f = 500 and the centre (320, 240) falls on pixel index (345, 190)."""
    intrinsics = [[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]
    camera = CROP.camera(intrinsics)
    xy, depth = camera.project(torch.tensor([[0.1, -0.2, 2.0]]))
    assert CROP.to_picture(xy)[0].tolist() == pytest.approx([345.5, 190.5], abs=1e-3)
    assert depth.tolist() == pytest.approx([(0.01 + 0.04 + 4) ** 0.5])
    assert camera.focal.tolist() == [250, 250]
    with pytest.raises(InputError, match="intrinsics are"):
        CROP.camera(torch.eye(2))


def test_a_pose_is_taken_over() -> None:
    pose = torch.eye(4)
    pose[:3, 3] = torch.tensor([1.0, 2.0, 3.0])
    assert CROP.camera(torch.eye(3), pose).centre.tolist() == [1, 2, 3]
    assert isinstance(CROP.camera(np.eye(3)), Camera)


def test_intrinsics_of_a_field_of_view() -> None:
    """90 degrees across 640 pixels are a focal length of 320."""
    assert CROP.intrinsics() is None
    found = CROP.intrinsics(90)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([[320.0, 0, 319.5], [0, 320, 239.5], [0, 0, 1]]))
    for fov in (0, 180):
        with pytest.raises(InputError, match="must lie between 1 and 170"):
            CROP.intrinsics(fov)


@pytest.mark.parametrize(("millimetres", "focal"), [(50, 577.8), (26, 300.4), (0, None)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_focal_length_that_a_photograph_carries(
    tmp_path: Path, millimetres: int, focal: float | None, orientation: int
) -> None:
    """A diagonal of 500 pixels is 43.27 mm of film: 50 mm are 577.8 pixels. Turned photographs are measured upright."""
    image = Image.new("RGB", (400, 300), "white")
    image.paste((200, 30, 30), (100, 60, 300, 240))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = millimetres
    image.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    _, crop = prepare(tmp_path / "photo.jpg", return_crop=True)
    assert (crop.width, crop.height) == ((400, 300) if orientation == 1 else (300, 400))
    assert crop.focal == (None if focal is None else pytest.approx(focal, abs=0.1))
