"""Several pictures with cameras, lifted: what each adds, the world they stand in, and films along a path."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analytic_field import EllipsoidModel, ellipsoid
from captures_by_hand import elsewhere, write_transforms
from featurenerf.cameras import Camera
from featurenerf.cli import lift as verb
from featurenerf.errors import InputError
from featurenerf.fields import VolumeField
from featurenerf.pictures import to_image
from featurenerf.studio import camera_path
from featurenerf.studio.captures import lift_capture
from featurenerf.studio.clickable import make_page
from featurenerf.studio.formats import ExportSettings, export_picture
from featurenerf.studio.lift import LiftSettings, lift

QUICK = LiftSettings(views=2, frames=2, size=32, only=("sheet",))
TOP = {"fl_x": 140.0, "w": 128, "h": 128}
TURN = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # our +x, +y, +z are the capture's +y, +z, +x


class DimModel(EllipsoidModel):
    """The colours are half as bright until three pictures are given: only the third helps."""

    def _encode(self, pictures: torch.Tensor, cameras: Camera, assumed: bool = False) -> VolumeField:
        return ellipsoid(cameras, 500.0 if pictures.shape[1] >= 3 else 0.0)


def capture(folder: Path, count: int = 8) -> tuple[Path, Camera]:
    """The ellipsoid, photographed in a world of another scale, origin and axes."""
    cameras = Camera.look_at([360 / count * k + 5 for k in range(count)], [5.0 + 20 * (k % 3) for k in range(count)])
    views = [ellipsoid().render(cameras[k], ["rgb", "alpha"]) for k in range(count)]
    rgba = [torch.cat([v.rgb / v.alpha.clamp(min=1e-3), v.alpha], -1).clamp(0, 1) for v in views]
    pictures = np.stack([(picture * 255).round().byte().numpy() for picture in rgba])
    poses = elsewhere(cameras.pose.double().numpy(), TURN)
    return write_transforms(folder, poses, TOP, pictures=pictures), cameras


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return capture(tmp_path_factory.mktemp("capture") / "thing")[0]


def test_the_report_says_what_each_picture_adds(taken: Path, tmp_path: Path) -> None:
    """Nothing, an empty field, against the third: the ellipsoid itself, up to the size of its box (0.95 long)."""
    made = lift_capture(taken, tmp_path / "out", DimModel(), pictures=[0, 3, 5], front="y", settings=QUICK,
                        progress=False)  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report == made.report
    assert [step["pictures"] for step in report["views"]] == [[0], [0, 3], [0, 3, 5]]
    assert report["held_back"] == [1, 2, 4, 6, 7]
    first, second, third = (step["added_db"] for step in report["views"])
    assert (first, second) == (None, 0.0)
    assert third > 3
    assert report["views"][2]["psnr"] == pytest.approx(report["views"][1]["psnr"] + third, abs=0.02)
    world = report["world"]
    assert (world["up"], world["front"]) == ("found from the cameras: +x", "given")
    assert np.allclose(world["centre_in_capture"], [3, -1, 0.7], atol=0.04)
    # the box is 0.88 x 0.48 x 0.33 (radii times 1.1) in our unit, and that is 2.5 of the capture's
    assert 1 / world["units_per_capture_unit"] == pytest.approx(2.5 * np.linalg.norm([0.88, 0.484, 0.33]), rel=0.03)
    assert set(report["files"]) == {"prepared.png", "sheet.png"}


def test_the_heading_is_estimated_from_the_first_picture(taken: Path, tmp_path: Path) -> None:
    """The ellipsoid's coordinates say where +x is, whatever the box says."""
    made = lift_capture(taken, tmp_path / "out", EllipsoidModel(), pictures=[0], settings=QUICK, progress=False)
    front = np.array(made.report["world"]["capture_to_object"])[0, :3]
    assert made.report["world"]["front"].startswith("estimated from the first picture")
    assert front @ TURN[:, 0] / np.linalg.norm(front) == pytest.approx(1, abs=0.03)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # imageio leaves its reader's pipes open
def test_a_film_along_a_path_in_the_world_of_the_capture(taken: Path, tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    cameras = Camera.look_at([0, 10, 20], 20, distance=2.0)
    path = tmp_path / "path.json"
    frames = [{"transform_matrix": pose.tolist()} for pose in elsewhere(cameras.pose.double().numpy(), TURN)]
    path.write_text(json.dumps({"camera_angle_x": 0.8, "w": 200, "h": 100, "frames": frames}))
    made = lift_capture(taken, tmp_path / "out", EllipsoidModel(), pictures=[0], front="y", settings=QUICK, path=path,
                        progress=False)  # fmt: skip
    assert made.report["files"]["path.mp4"] == "3 frames along the path: colour, depth, descriptors"
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "out" / "path.mp4"))
    size = next(reader)["size"]
    pictures = [np.frombuffer(frame, np.uint8).reshape(size[1], size[0], 3) for frame in reader]
    assert (size, len(pictures)) == ((3 * 512, 256), 3)
    paper = np.array([252, 252, 250])
    for number in range(3):  # the object is in the middle of each of the three, and nothing is in a corner
        part = pictures[0][:, 512 * number : 512 * (number + 1)].astype(int)
        assert np.abs(part[128, 256] - paper).max() > 60
        assert np.abs(part[10, 10] - paper).max() < 12


def test_a_path_in_the_object_s_frame_for_one_picture(tmp_path: Path) -> None:
    where = Camera.look_at(30, 20, distance=2.0)
    path = tmp_path / "path.json"
    path.write_text(
        json.dumps({"fl_x": 300, "w": 400, "h": 200, "frames": [{"transform_matrix": where.pose.tolist()}]})
    )
    read = camera_path.read(path, 64)[0]
    assert (read.width, read.height) == (64, 32)
    assert read.focal.tolist() == [48, 48]
    assert torch.allclose(read.pose, where.pose, atol=1e-6)
    picture = to_image(torch.rand(3, 40, 40))
    made = lift(picture, tmp_path / "out", EllipsoidModel(), mask="none", settings=QUICK, path=path, progress=False)
    assert {"path.mp4", "path.gif"} & set(made.report["files"])
    path.write_text(
        json.dumps({"fl_x": 300, "w": 400, "h": 200, "frames": [{"transform_matrix": where.pose.tolist()}] * 1001})
    )
    with pytest.raises(InputError, match="has 1001 frames: a film has at most 1000"):
        camera_path.read(path, 64)


def test_the_verb(
    taken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featurenerf.models.checkpoint.load", lambda name, device: EllipsoidModel())
    small = ["--views", "2", "--frames", "2", "--size", "32", "--only", "sheet", "--device", "cpu"]
    out = ["--out", str(tmp_path / "out")]
    verb.main([str(taken / "transforms.json"), *out, "--source-views", "0", "2", "--front=y", "--up=x", *small])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "up given; front given; box from 8 silhouettes"
    assert [line.split(": ")[0] for line in lines[1:3]] == ["pictures 0", "pictures 0, 2"]
    assert lines[2].endswith("(+0.00 dB) on 6 that were held back")
    with pytest.raises(InputError, match="has the pictures 0 to 7, and \\[8\\] were asked for"):
        verb.main([str(taken), *out, "--source-views", "8", *small])
    with pytest.raises(InputError, match="--no-mask does not go with a capture"):
        verb.main([str(taken), *out, "--no-mask", *small])
    with pytest.raises(InputError, match="front is 'up': it must be an axis such as z or -y"):
        verb.main([str(taken), *out, "--front", "up", *small])
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="--up does not go with a picture without cameras"):
        verb.main([str(tmp_path / "a.png"), *out, "--up", "z", *small])


def test_a_capture_is_exported_and_clicked_on(taken: Path, tmp_path: Path) -> None:
    """Three of its pictures together: one alone would be nothing."""
    plyfile = pytest.importorskip("plyfile")
    report = export_picture(taken, tmp_path / "out", DimModel(), settings=ExportSettings(("ply",)), progress=False)
    assert {"points.ply", "mesh.ply", "prepared.png"} <= set(report["files"])
    # whichever side the front is taken to be, the object is as high in its own frame
    points = plyfile.PlyData.read(tmp_path / "out" / "points.ply")["vertex"]
    assert np.ptp(points["z"]) == pytest.approx(2 * 1.1 * 0.15, abs=0.04)
    page = make_page(tmp_path / "page.html", [taken / "transforms.json", taken], DimModel(), turns=2, progress=False)
    assert page.read_text().count('"title": "thing"') == 2
    with pytest.raises(InputError, match="is a capture, which has cameras and masks: leave labels, mask"):
        export_picture(taken, tmp_path / "other", DimModel(), azimuth=0.0, elevation=0.0, progress=False)
