"""The verb ``edit`` on a field that is known exactly."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from analytic_field import COLOURS, EllipsoidModel, ellipsoid
from featurenerf.cli import edit as verb
from featurenerf.cli import export as export_verb
from featurenerf.errors import InputError
from featurenerf.fields.edits import Ball, Plain, marked, recolored, transformed
from featurenerf.fields.regions import Painted, Part, Voxels, baked
from featurenerf.models import checkpoint
from featurenerf.studio import edit as editing
from featurenerf.studio.edit import (
    EditSettings,
    carried_part,
    edit,
    find_part,
    like_part,
    replaced,
    similarity,
    textured,
)
from featurenerf.studio.formats import ExportSettings
from featurenerf.studio.parts import PartLabels, Subject, SurfacePixels, share, subject
from side_view import side_view, thirds

LABELS = PartLabels(thirds().astype(np.int64), {1: "front", 2: "middle", 3: "back"}, "labels")
FRONT, MIDDLE, BACK = ([[0.3, 0.05, 0.0]], [[0.0, 0.1, 0.0]], [[-0.3, -0.05, 0.0]])
EVERYWHERE = torch.tensor([*FRONT, *MIDDLE, *BACK])
TINY = EditSettings(views=2, frames=2, size=24)
POINTS = ExportSettings(("ply",), grid=16, points=20)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thirds of the ellipsoid are large: a coarse grid tells them apart, and takes a moment."""
    monkeypatch.setattr(editing, "baked", partial(baked, grid=24))


def of(labels: PartLabels | None = LABELS) -> Subject:
    return side_view(labels)


def painted_blue() -> Subject:
    """Another object, blue all over."""
    seen = of(None)
    blue = recolored(seen.field, Ball((0.0, 0.0, 0.0), 1.0), Plain((0.0, 0.5, 1.0)))
    return replace(seen, field=blue, name="blue")


def front(subject_: Subject) -> Voxels:
    found = find_part(subject_, "front", None)
    assert isinstance(found, Voxels)
    return found


# ---------------------------------------------------------------------- regions


def test_a_part_is_worked_out_once_and_is_the_same_from_all_sides() -> None:
    region = front(of())
    assert share(ellipsoid(), region, EVERYWHERE).tolist() == [True, False, False]
    shown = marked(ellipsoid(), region)
    assert shown.channels["region"] == 1
    assert shown.query(EVERYWHERE, channels=("region", "density")).region[:, 0].tolist() == [1.0, 0.0, 0.0]


def test_voxels_are_read_between_their_points() -> None:
    inside = torch.zeros(5, 5, 5)
    inside[4] = 1  # at x = 0.5; half way to x = 0.25 lies 0.375
    points = torch.tensor([[0.38, 0.1, -0.2], [0.37, 0.1, -0.2], [-0.5, 0.5, 0.5], [0.5, -0.5, 0.5]])
    assert Voxels(inside)(points, {}).tolist() == [True, False, False, True]


def test_where_there_is_nothing_the_closest_place_counts() -> None:
    region = baked(ellipsoid(), Ball((0.4, 0.0, 0.0), 0.2), grid=40)
    beyond = torch.tensor([[0.49, 0.0, 0.0], [0.45, 0.2, 0.0], [-0.45, 0.0, 0.2]])
    assert region(beyond, {}).tolist() == [True, True, False]
    empty = baked(ellipsoid(opacity=0.0), Ball((0.0, 0.0, 0.0), 1.0), grid=8)
    assert not empty(beyond, {}).any()


def test_near_places_of_ones_own_object_are_more_alike() -> None:
    """Two labelled places with one descriptor: the nearer one decides; one of another object has no place."""
    one = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.9, math.sqrt(0.19)]])
    places = torch.tensor([[0.1, 0.0, 0.0], [-0.1, 0.0, 0.0], [torch.nan] * 3])
    region = Part(one, torch.tensor([1, 2, 3]), 1, places)
    points = torch.tensor([[0.09, 0.0, 0.0], [-0.09, 0.0, 0.0], [0.1, 0.3, 0.0]])
    known = {"descriptor": torch.tensor([[2.0, 0.0]]).expand(3, 2)}
    # the last is 0.3 away from any own place: 1 - 300 x 0.09 against 0.9 of the other object's
    assert [replace(region, label=k)(points, known).tolist() for k in (1, 2, 3)] == torch.eye(3).bool().tolist()


def test_a_brush_touches_what_is_near() -> None:
    brush = Painted(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), 0.25)
    assert brush(torch.tensor([[0.2, 0.0, 0.0], [0.5, 0.0, 0.0], [1.2, 0.0, 0.1]]), {}).tolist() == [True, False, True]
    assert brush(torch.zeros(0, 3), {}).shape == (0,)


def test_a_painted_place_is_carried_to_another_object() -> None:
    region = find_part(of(None), None, Painted(torch.tensor(FRONT), 0.17))
    carried = carried_part(of(None), of(None), region)
    assert share(ellipsoid(), carried, EVERYWHERE).tolist() == [True, False, False]
    assert isinstance(like_part(of(None), None, of(None), region), Part)


def test_a_part_that_nothing_is_in_or_says() -> None:
    with pytest.raises(InputError, match="no point of the picture lies in the part"):
        find_part(of(), None, Ball((0.0, 0.0, 0.45), 0.02))
    with pytest.raises(InputError, match="nothing says where the part is"):
        find_part(of(), None, None)
    with pytest.raises(InputError, match=r"no part 'roof' in labels: it has front \(1\)"):
        find_part(of(), "roof", None)


# ---------------------------------------------------------------------- edits


def test_the_texture_of_another_object_comes_on_the_part_alone() -> None:
    region, like = front(of()), painted_blue()
    after = textured(of().field, region, like, like_part(like, "front", of(), region))
    assert after.query(EVERYWHERE).rgb[0].tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-4)
    assert after.query(EVERYWHERE).rgb[1:].tolist() == COLOURS[[1, 0]].tolist()
    assert torch.equal(after.query(EVERYWHERE).density, ellipsoid().query(EVERYWHERE).density)


def test_a_part_that_the_other_picture_does_not_show_takes_the_most_similar_of_all_of_it() -> None:
    region, like = front(of()), painted_blue()
    after = textured(of().field, region, like, Ball((0.0, 0.0, 0.45), 0.01))
    assert after.query(torch.tensor(FRONT)).rgb[0].tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-4)


def turned(angle: float) -> Tensor:
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def test_matched_points_tell_turn_shift_and_scale_in_spite_of_wrong_matches() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(60, 3, generator=generator) - 0.5
    meaning = torch.nn.functional.one_hot(torch.arange(60), 60).float()
    rotation, shift = turned(0.7), torch.tensor([0.1, -0.2, 0.05])
    there = 1.3 * points @ rotation.T + shift
    there[:15] = torch.rand(15, 3, generator=generator)
    order = torch.randperm(60, generator=generator)
    source = SurfacePixels(torch.zeros(60, 2, dtype=torch.int64), points, points, meaning)
    target = SurfacePixels(torch.zeros(60, 2, dtype=torch.int64), there[order], points, meaning[order])
    found, moved, scale, agree = similarity(source, target)
    torch.testing.assert_close(found, rotation, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved, shift, atol=1e-4, rtol=0)
    assert scale == pytest.approx(1.3, abs=1e-4)
    assert agree == pytest.approx(0.75, abs=0.04)
    few = source.among(torch.arange(3))
    with pytest.raises(InputError, match="hardly any of their points match"):
        similarity(few, target)


def test_the_shape_of_another_objects_part_takes_the_place_of_this_ones() -> None:
    """The other object is the same one turned, smaller and elsewhere: its front comes where this one's was."""
    like = of(None)
    moved = transformed(painted_blue().field, turned(0.5), torch.tensor([0.0, 0.05, 0.02]), 0.8)
    like = replace(like, field=moved, name="blue")
    region = front(of())
    after, about = replaced(of(), region, like, like_part(like, "front", of(), region))
    assert about["scale"] == pytest.approx(1.25, abs=0.15)
    assert after.query(torch.tensor(FRONT)).rgb[0].tolist() == pytest.approx([0.0, 0.5, 1.0], abs=0.02)
    assert after.query(torch.tensor(FRONT)).density > 100
    assert after.query(torch.tensor(BACK)).rgb[0].tolist() == pytest.approx(COLOURS[0].tolist())
    with pytest.raises(InputError, match="blue shows no such part"):
        replaced(of(), region, like, Ball((0.0, 0.0, 0.45), 0.01))


# ---------------------------------------------------------------------- the folder and the verb


def test_edit_writes_everything(tmp_path: Path) -> None:
    made = edit(
        of(),
        tmp_path / "out",
        "texture",
        part="front",
        like=painted_blue(),
        settings=TINY,
        exports=POINTS,
        progress=False,
    )
    report = json.loads((made.folder / "report.json").read_text())
    assert report == made.report
    assert {path.name for path in made.folder.iterdir()} == {*report["files"], "report.json"}
    assert {"sheet.png", "points.ply", "mesh.ply"} < set(report["files"])
    assert 0.15 < report["share_of_the_object_in_its_picture"] < 0.45
    assert report["like"] == "blue"
    with pytest.raises(InputError, match="no part 'roof'"):
        edit(of(), tmp_path / "b", "remove", part="roof", settings=TINY, progress=False)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("kind", "density", "red"), [("recolor", [1, 1, 1], 0.0), ("remove", [0, 1, 1], 0.1), ("isolate", [1, 0, 0], 0.1)]
)
def test_a_part_changes_colour_goes_or_stays_alone(tmp_path: Path, kind: str, density: list[int], red: float) -> None:
    made = edit(
        of(), tmp_path / "o", kind, part="front", color="#00ff00", settings=TINY, exports=POINTS, progress=False
    )  # type: ignore[arg-type]
    found = made.field.query(EVERYWHERE)
    assert (found.density > 0).int().tolist() == density
    assert float(found.rgb[0, 0]) == pytest.approx(red)


def test_what_an_edit_lacks_is_said(tmp_path: Path) -> None:
    for kind in ("texture", "replace"):
        with pytest.raises(InputError, match="needs a picture of another object"):
            edit(of(), tmp_path / "o", kind, part="front", progress=False)  # type: ignore[arg-type]
    for color in ("greenish", None):
        with pytest.raises(InputError, match="is no colour"):
            edit(of(), tmp_path / "o", "recolor", part="front", color=color, progress=False)
    with pytest.raises(InputError, match="views is 0"):
        EditSettings(views=0)
    assert not list(tmp_path.iterdir())


def test_the_verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    monkeypatch.setattr(checkpoint, "load", lambda *args, **options: EllipsoidModel())
    white = np.full((128, 128, 4), 255, np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(white).save(tmp_path / name)
    Image.fromarray(thirds()).save(tmp_path / "b_parts.png")
    (tmp_path / "b_parts.json").write_text('["front", "middle", "back"]')
    b, a = str(tmp_path / "b.png"), str(tmp_path / "a.png")
    small = ["--views", "1", "--frames", "1", "--size", "16", "--formats", "ply", "--grid", "12", "--points", "9"]
    marks = ["--labels", str(tmp_path / "b_parts.png"), "--azimuth", "90", "--elevation", "0"]
    common = ["--out", str(tmp_path / "e"), "--no-mask", *marks, *small]
    verb.main([b, "--part", "front", "--like", a, *common])
    assert str(tmp_path / "e" / "sheet.png") in capsys.readouterr().out
    verb.main([b, "--edit", "recolor", "--color", "teal", "--click", "40", "64", *common])
    assert json.loads((tmp_path / "e" / "report.json").read_text())["color"] == "teal"
    for wrong, said in (
        (["--like", a], "nothing says which part is meant: give one of --part"),
        (["--part", "front", "--click", "1", "1", "--like", a], "--part and --click contradict each other"),
        (["--part", "front"], "--edit texture needs --like"),
        (["--part", "front", "--edit", "recolor"], "--edit recolor needs --color"),
        (["--part", "front", "--edit", "remove", "--like-labels", a], "--like-labels needs --like"),
        (["--part", "front", "--like", a, "--mask", a], "contradict each other"),
        (["--part", "wheel", "--like", a], r"no part 'wheel' in .*b_parts.png: it has front \(1\)"),
    ):
        with pytest.raises(InputError, match=said):
            verb.main([b, *wrong, *common])
    export_verb.main([b, "--out", str(tmp_path / "x"), "--no-mask", *small[6:]])
    assert (tmp_path / "x" / "points.ply").is_file()


def test_a_subject_of_a_whole_picture_may_be_wide() -> None:
    wide = np.zeros((64, 128), np.int64)
    wide[:, 64:] = 1
    made = subject(EllipsoidModel(), torch.ones(4, 64, 128), labels=PartLabels(wide, {}, "labels"), mask="none")
    assert made.labels is not None
    assert made.labels.labels.tolist() == [[0] * 64 + [1] * 64] * 128
