"""Folders of pictures: in order, in threads, and what is broken is named."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from analytic_field import EllipsoidModel
from box_picture import box_picture
from featurenerf.errors import InputError
from featurenerf.pictures import to_image
from featurenerf.studio import folder
from featurenerf.studio.folder import encode_folder, lift_folder, pictures_of
from featurenerf.studio.lift import LiftSettings, lift
from featurenerf.studio.prepare import prepare
from small_fast_model import small_fast_model

QUICK = LiftSettings(views=2, frames=2, size=16, grid=12, points=50)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures, whose order is that of their names, and a text."""
    place = tmp_path / "pictures"
    place.mkdir()
    for number, name in enumerate(["c.png", "a.png", "b.JPG", "b.png", "d.webp"]):
        shown = box_picture(30, 40, (10, 25, 5 + number, 30))
        to_image(shown[:3] if name.endswith("JPG") else shown).save(place / name)
    (place / "notes.txt").write_text("not a picture")
    (place / ".hidden.png").write_text("nor this")
    return place


def test_pictures_come_in_the_order_of_their_names(pictures: Path) -> None:
    names = ["a.png", "b.JPG", "b.png", "c.png", "d.webp"]
    assert [path.name for path in pictures_of(pictures)] == names
    assert [path.name for path, _ in encode_folder(pictures, EllipsoidModel(), workers=3)] == names
    chosen = [pictures / "d.webp", str(pictures / "a.png")]
    assert [path.name for path, _ in encode_folder(chosen, EllipsoidModel())] == ["d.webp", "a.png"]


def test_fields_are_those_of_single_pictures(pictures: Path) -> None:
    model = small_fast_model()
    for path, field in encode_folder([pictures / "a.png", pictures / "d.webp"], model):
        assert torch.equal(field.density, model.encode(prepare(path)).density), path.name
        assert not field.density.requires_grad


def test_no_more_is_begun_than_the_threads_and_one(pictures: Path) -> None:
    begun: list[str] = []

    class Counting(EllipsoidModel):
        def encode(self, *args: object) -> object:
            begun.append("one")
            return super().encode(*args)

    fields = encode_folder([pictures / "a.png"] * 20, Counting(), prepared=True, workers=2)
    next(fields)
    assert len(begun) <= 4
    fields.close()
    assert len(begun) <= 5
    assert threading.active_count() == 1 or not any("ThreadPool" in t.name for t in threading.enumerate())


def test_threads_share_the_cores_and_give_them_back(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()

    class Looking(EllipsoidModel):
        def encode(self, *args: object) -> object:
            seen.add(torch.get_num_threads())
            return super().encode(*args)

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        list(encode_folder(pictures, Looking(), workers=2))
        assert seen == {2}
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_what_is_broken_is_named_or_left_out(pictures: Path) -> None:
    (pictures / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b\.png cannot be encoded: .*b\.png"):
        list(encode_folder(pictures, EllipsoidModel()))
    with pytest.warns(UserWarning, match=r"b\.png is left out: "):
        left = [path.name for path, _ in encode_folder(pictures, EllipsoidModel(), skip_broken=True)]
    assert left == ["a.png", "b.JPG", "c.png", "d.webp"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [("nowhere", "there is no folder nowhere"), ([], "the list holds no picture"), (".", r"\. holds no picture")],
)
def test_where_there_is_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for function in (encode_folder, lambda pictures, model: lift_folder(pictures, "out", model)):
        with pytest.raises(InputError, match=sentence):
            function(given, EllipsoidModel())
    assert not (tmp_path / "out").exists()


def test_one_model_is_loaded_for_all(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(folder, "load", lambda: loaded.append("once") or EllipsoidModel())
    list(encode_folder(pictures))
    assert loaded == ["once"]


def test_a_folder_is_lifted(pictures: Path, tmp_path: Path) -> None:
    (pictures / "c.png").write_bytes(b"no picture")
    settings = LiftSettings(views=2, frames=2, size=16, grid=12, points=50, only=("points",))
    done = lift_folder(pictures, tmp_path / "out", EllipsoidModel(), settings=settings, progress=False)
    assert {place.name for place in done.made.values()} == {"a", "b.JPG", "b.png", "d"}
    assert {path.name for path in done.failed} == {"c.png"}
    assert {path.name for path in (tmp_path / "out" / "a").iterdir()} == {
        "mask.png", "prepared.png", "points.ply", "report.json",
    }  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["pictures"]["b.JPG"] == str(pictures / "b.JPG")
    assert list(report["failed"]) == [str(pictures / "c.png")]
    again = lift_folder([pictures / "a.png"], tmp_path / "out", EllipsoidModel(), settings=settings, progress=False)
    assert len(again.made) == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds something that lifting a folder did not make"):
        lift_folder(pictures, tmp_path / "mine", EllipsoidModel(), settings=settings, progress=False)


@pytest.mark.parametrize(
    ("only", "files"),
    [
        (("sheet",), {"sheet.png"}),
        (("turntable",), {"turntable.mp4"}),
        (("points", "mesh"), {"points.ply", "mesh.ply"}),
    ],
)
def test_only_what_is_named_is_made(tmp_path: Path, only: tuple[str, ...], files: set[str]) -> None:
    pytest.importorskip("imageio_ffmpeg")
    settings = LiftSettings(views=2, frames=2, size=16, grid=12, points=50, only=only)
    made = lift(
        box_picture(60, 80, (20, 50, 10, 60)), tmp_path / "a", EllipsoidModel(), settings=settings, progress=False
    )
    assert {path.name for path in made.folder.iterdir()} == {"mask.png", "prepared.png", "report.json", *files}
    assert set(made.report["files"]) == {"mask.png", "prepared.png", *files}
    assert bool(made.views) == ("sheet" in only or "turntable" in only)


def test_only_names_what_there_is() -> None:
    from unchecked import types_unchecked

    with (
        types_unchecked(),
        pytest.raises(InputError, match="only names 'video': it must name some of sheet, turn"),
    ):
        LiftSettings(only=("video",))


def test_a_folder_is_no_picture(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder: give a picture of it, or take lift_folder"):
        lift(pictures, tmp_path / "out", EllipsoidModel(), progress=False)


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before
