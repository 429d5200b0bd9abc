from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import featurenerf.photo as photo
from analytic_field import EllipsoidModel
from featurenerf import cropping
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.export import read_ply
from featurenerf.pictures import to_tensor

QUICK = photo.LiftSettings(views=3, frames=6, size=32, grid=24, points=200)


def box_picture(height: int, width: int, box: tuple[int, int, int, int]) -> torch.Tensor:
    """An opaque box (top, bottom, left, right) with four coloured quarters on transparent ground."""
    top, bottom, left, right = box
    picture = torch.zeros(4, height, width)
    picture[3, top:bottom, left:right] = 1
    picture[0, top : (top + bottom) // 2] = 1
    picture[1, :, left : (left + right) // 2] = 1
    return picture


def outline(alpha: torch.Tensor) -> tuple[float, float, float]:
    """Diagonal and centre (x, y) of the box around what is opaque, in units of the picture's side."""
    rows, columns = (alpha > 0.5).any(1).nonzero()[:, 0], (alpha > 0.5).any(0).nonzero()[:, 0]
    low, high = np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]]) + 1
    return float(np.linalg.norm(high - low)) / len(alpha), *((low + high) / 2 / len(alpha))


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((300, 400), (100, 220, 40, 330)),  # shrunk
        ((40, 60), (10, 30, 20, 35)),  # enlarged
        ((500, 200), (0, 500, 0, 200)),  # touches every border
        ((128, 128), (100, 128, 90, 128)),  # in a corner
    ],
)
def test_prepare_scales_and_centres(shape: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    picture = box_picture(*shape, box)
    ready = photo.prepare(picture, picture[3])
    assert ready.shape == (4, 128, 128)
    diagonal, x, y = outline(ready[3])
    aspect = (box[3] - box[2]) / (box[1] - box[0])
    assert diagonal == pytest.approx(np.interp(aspect, cropping.OUTLINE_ASPECTS, cropping.OUTLINE_DIAGONALS), abs=0.02)
    assert (x, y) == pytest.approx(cropping.OUTLINE_CENTRE, abs=0.01)
    seen = ready[:3, ready[3] > 0.99]
    share = ((seen > 0.9).float().mean(1)).numpy()
    assert share[:2] == pytest.approx([0.5, 0.5], abs=0.07)  # the quarters are where they were
    assert ready[0, 58, 64] > 0.9 > 0.1 > ready[0, 78, 64]


def test_prepare_changes_a_prepared_picture_little() -> None:
    wide = box_picture(300, 400, (100, 220, 40, 330))
    assert outline(photo.prepare(wide, outline=0.6)[3])[0] == pytest.approx(0.6, abs=0.02)
    once = photo.prepare(box_picture(300, 400, (100, 220, 40, 330)))
    twice = photo.prepare(once)
    assert (once[3] - twice[3]).abs().mean() < 0.01


def test_prepare_shrinks_without_aliasing() -> None:
    picture = torch.ones(4, 1024, 1024)
    picture[:3, ::2] = 0  # stripes of one pixel
    ready = photo.prepare(picture, picture[3])
    inside = ready[:3, ready[3] > 0.999]
    assert (inside - 0.5).abs().max() < 0.1


def test_prepare_takes_masks_of_any_kind(tmp_path: Path) -> None:
    picture = box_picture(60, 80, (20, 50, 10, 60))
    expected = photo.prepare(picture)
    mask = picture[3]
    drawn = Image.fromarray((mask.numpy() * 255).astype(np.uint8))
    drawn.save(tmp_path / "mask.png")
    for kind in (mask, mask > 0, mask.numpy(), (mask.numpy() * 255).astype(np.uint8), drawn, tmp_path / "mask.png"):
        assert torch.allclose(photo.prepare(picture[:3], kind), expected, atol=1e-5)
    with pytest.raises(InputError, match=r"mask must be \(60, 80\)"):
        photo.prepare(picture[:3], mask[:-1])


def test_prepare_finds_an_object_on_plain_ground() -> None:
    picture = torch.full((3, 100, 100), 0.9)
    picture[:, 30:60, 20:80] = torch.tensor([0.1, 0.4, 0.2])[:, None, None]
    diagonal, _, _ = outline(photo.prepare(picture)[3])
    assert diagonal == pytest.approx(0.81, abs=0.03)  # twice as wide as high


def test_pictures_without_an_object_get_a_sentence(tmp_path: Path) -> None:
    Image.new("RGBA", (50, 50)).save(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"no object was found in .*empty\.png"):
        photo.prepare(tmp_path / "empty.png")
    Image.new("RGB", (50, 50), (200, 100, 0)).save(tmp_path / "plain.png")
    with pytest.raises(InputError, match=r"no object was found in .*plain\.png"):
        photo.prepare(tmp_path / "plain.png")
    with pytest.raises(InputError, match="3 x 2 pixels"):
        photo.prepare(box_picture(50, 50, (10, 12, 10, 13)))


def test_large_pictures_work(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    picture = Image.new("RGB", (8700, 5800), "white")  # 50 megapixels
    picture.paste((180, 20, 20), (2000, 2000, 6000, 4000))
    picture.save(path, compress_level=0)
    diagonal, _, _ = outline(photo.prepare(path)[3])
    assert diagonal == pytest.approx(0.81, abs=0.02)


def test_lift_writes_everything(tmp_path: Path) -> None:
    out = tmp_path / "made" / "here"
    made = photo.lift(box_picture(60, 80, (20, 50, 10, 60)), out, EllipsoidModel(), settings=QUICK, progress=False)
    report = json.loads((out / "report.json").read_text())
    assert {p.name for p in out.iterdir()} == {*report["files"], "report.json"}
    assert report == made.report
    assert made.folder == out
    assert to_tensor(out / "prepared.png").shape == (4, 128, 128)
    assert to_tensor(out / "sheet.png").shape[2] > 4 * 128
    cloud, mesh = read_ply(out / "points.ply"), read_ply(out / "mesh.ply")
    assert cloud.descriptor.shape == (200, 8) == (len(cloud.points), len(report["descriptors"]["names"]))
    assert mesh.descriptor.shape == (len(mesh.points), 8)
    assert mesh.faces.max() == len(mesh.points) - 1
    assert set(report["seconds"]) == {"prepare", "encode", "views", "turntable", "points", "mesh"}
    assert len(list((tmp_path / "made").iterdir())) == 1  # no temporary folder is left


def test_lift_honours_the_camera_and_takes_pictures_as_they_are(tmp_path: Path) -> None:
    picture = torch.rand(3, 40, 40)
    settings = photo.LiftSettings(azimuth=90, elevation=35, views=2, frames=2, size=32, grid=24, points=50)
    made = photo.lift(picture, tmp_path / "a", EllipsoidModel(), mask="none", settings=settings, progress=False)
    assert torch.equal(made.prepared, picture)
    assert torch.allclose(made.field.source.pose[0], Camera.look_at(90.0, 35.0).pose)
    assert made.report["camera"]["azimuth"] == 90


def test_lift_leaves_nothing_half_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    black = torch.zeros(4, 40, 40)
    black[3, 5:35, 5:35] = 1
    with pytest.raises(InputError, match="the model does not know"):
        photo.lift(black, out, EllipsoidModel(), settings=QUICK, progress=False)
    with pytest.raises(InputError, match="there is no picture"):
        photo.lift(tmp_path / "absent.png", out, EllipsoidModel(), settings=QUICK, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_lift_replaces_its_own_folder_and_no_other(tmp_path: Path) -> None:
    picture = box_picture(60, 80, (20, 50, 10, 60))
    out = tmp_path / "out"
    for _ in range(2):
        photo.lift(picture, out, EllipsoidModel(), settings=QUICK, progress=False)
        assert not (out / "stale").exists()
        (out / "stale").touch()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("years of work")
    with pytest.raises(InputError, match="did not make"):
        photo.lift(picture, other, EllipsoidModel(), settings=QUICK, progress=False)
    assert [p.name for p in other.iterdir()] == ["chapter.tex"]
    assert len(list(tmp_path.iterdir())) == 2


def test_settings_out_of_range_get_a_sentence() -> None:
    with pytest.raises(InputError, match="frames is 0"):
        photo.LiftSettings(frames=0)
    with pytest.raises(InputError, match="multiple of views"):
        photo.LiftSettings(views=7, frames=24)
