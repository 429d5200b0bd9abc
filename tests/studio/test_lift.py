from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from analytic_field import EllipsoidField, EllipsoidModel, ellipsoid
from box_picture import box_picture
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.pictures import to_tensor
from featurenerf.studio.export import read_ply
from featurenerf.studio.lift import LiftSettings, lift
from featurenerf.studio.prepare import prepare

QUICK = LiftSettings(views=3, frames=6, size=32, grid=24, points=200)


def test_lift_writes_everything(tmp_path: Path) -> None:
    out = tmp_path / "made" / "here"
    made = lift(box_picture(60, 80, (20, 50, 10, 60)), out, EllipsoidModel(), settings=QUICK, progress=False)
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
    settings = LiftSettings(azimuth=90, elevation=35, views=2, frames=2, size=32, grid=24, points=50)
    made = lift(picture, tmp_path / "a", EllipsoidModel(), mask="none", settings=settings, progress=False)
    assert torch.equal(made.prepared, picture)
    assert torch.allclose(made.field.source.pose[0], Camera.look_at(90.0, 35.0).pose)
    assert made.report["camera"]["azimuth"] == 90


def test_lift_says_what_it_found_of_the_camera(tmp_path: Path) -> None:
    """The ellipsoid's coordinates are those of the world, so it is seen from where the camera was assumed to be."""
    picture = box_picture(60, 80, (20, 50, 10, 60))
    about = lift(picture, tmp_path / "a", EllipsoidModel(), settings=QUICK, progress=False).report["camera"]
    assert about["how"] == "found"
    assert (about["azimuth"], about["elevation"], about["roll"]) == pytest.approx((0, 20, 0), abs=1)
    assert 0 <= about["uncertainty"] < 5
    assert about["alternatives"] == []
    given = replace(QUICK, azimuth=90, elevation=35)
    about = lift(picture, tmp_path / "b", EllipsoidModel(), settings=given, progress=False).report["camera"]
    assert about["how"] == "given"
    assert "uncertainty" not in about


def test_a_field_of_view_says_how_far_the_camera_was(tmp_path: Path) -> None:
    """A photograph of 80 pixels' width is cropped to a square of about 80; 30 degrees across are a focal length of 149,
    and the canonical one is 87.5 there: 1.7 times 1.3."""
    picture = box_picture(60, 80, (20, 50, 10, 60))
    made = lift(picture, tmp_path / "a", EllipsoidModel(), settings=replace(QUICK, fov=30), progress=False)
    _, crop = prepare(picture, return_crop=True)
    assert made.report["camera"]["distance"] == pytest.approx(1.3 * 149.28 / (1.0937 * crop.across), rel=0.02)


def test_azimuth_and_elevation_are_given_together() -> None:
    for given in ({"azimuth": 30}, {"elevation": 10}):
        with pytest.raises(InputError, match="give both or neither"):
            LiftSettings(**given)
    with pytest.raises(InputError, match="field of view of 0 degrees"):
        LiftSettings(fov=0)


def test_lift_leaves_nothing_half_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    black = torch.zeros(4, 40, 40)
    black[3, 5:35, 5:35] = 1
    with pytest.raises(InputError, match="the model does not know"):
        lift(black, out, EllipsoidModel(), settings=QUICK, progress=False)
    with pytest.raises(InputError, match="there is no picture"):
        lift(tmp_path / "absent.png", out, EllipsoidModel(), settings=QUICK, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_lift_replaces_its_own_folder_and_no_other(tmp_path: Path) -> None:
    picture = box_picture(60, 80, (20, 50, 10, 60))
    out = tmp_path / "out"
    for _ in range(2):
        lift(picture, out, EllipsoidModel(), settings=QUICK, progress=False)
        assert not (out / "stale").exists()
        (out / "stale").touch()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("years of work")
    with pytest.raises(InputError, match="did not make"):
        lift(picture, other, EllipsoidModel(), settings=QUICK, progress=False)
    assert [p.name for p in other.iterdir()] == ["chapter.tex"]
    assert len(list(tmp_path.iterdir())) == 2


def test_settings_out_of_range_get_a_sentence() -> None:
    with pytest.raises(InputError, match="frames is 0"):
        LiftSettings(frames=0)
    with pytest.raises(InputError, match="multiple of views"):
        LiftSettings(views=7, frames=24)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PlainField(EllipsoidField):
    """Knows density and colour only."""

    @property
    def channels(self) -> dict[str, int]:
        return {"density": 1, "rgb": 3}


class PlainModel(EllipsoidModel):
    def _encode(self, pictures: torch.Tensor, cameras: Camera, *_: object, **__: object) -> PlainField:
        return PlainField(source=cameras, sampling=ellipsoid().sampling)


def test_a_field_without_descriptors_is_lifted_without_them(tmp_path: Path) -> None:
    made = lift(box_picture(60, 80, (20, 50, 10, 60)), tmp_path / "a", PlainModel(), settings=QUICK, progress=False)
    assert made.colors is None
    assert made.report["descriptors"]["names"] == []
    cloud, mesh = read_ply(tmp_path / "a" / "points.ply"), read_ply(tmp_path / "a" / "mesh.ply")
    assert cloud.descriptor is None
    assert mesh.descriptor is None
    assert len(cloud.points) == 200
    with_descriptors = lift(
        box_picture(60, 80, (20, 50, 10, 60)), tmp_path / "b", EllipsoidModel(), settings=QUICK, progress=False
    )
    heights = [to_tensor(made.folder / "sheet.png").shape[1] for made in (made, with_descriptors)]
    assert heights[1] - heights[0] == 184  # a row of pictures of 176 pixels and a gap of 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"level": -1}, "level is -1: it is a density, so it must be positive"),
        ({"level": 0.0}, "level is 0.0"),
        ({"level": float("nan")}, "level is nan"),
        ({"level": float("inf")}, "level is inf"),
        ({"grid": 0}, "grid is 0: it must lie between 8 and 512"),
        ({"grid": 513}, "grid is 513"),
        ({"azimuth": 0, "elevation": 91}, "elevation is 91: it must lie between -90 and 90"),
        ({"azimuth": 0, "elevation": float("nan")}, "elevation is nan"),
        ({"azimuth": float("inf"), "elevation": 0}, "azimuth is inf"),
        ({"azimuth": 0}, "azimuth and elevation say together where a picture was taken from: give both or neither"),
        ({"points": 0}, "points is 0"),
        ({"size": 8}, "size is 8"),
        ({"views": 0}, "views is 0"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is(changes: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        LiftSettings(**changes)  # type: ignore[arg-type]


def test_lift_into_a_folder_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "real")
    made = lift(
        box_picture(60, 80, (20, 50, 10, 60)), tmp_path / "link", EllipsoidModel(), settings=QUICK, progress=False
    )
    assert made.folder == tmp_path / "link"
    assert (tmp_path / "disk" / "real" / "mesh.ply").is_file()
    assert (tmp_path / "link").is_symlink()
