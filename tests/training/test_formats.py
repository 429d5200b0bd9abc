"""Training and evaluation on data sets in published formats, from the command's settings to its results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from featurenerf.cli.eval import main as evaluate_command
from featurenerf.errors import InputError
from featurenerf.training.config import TrainConfig
from featurenerf.training.loop import train
from published.co3d import write_category
from published.srn import write_object


@pytest.fixture
def srn(tmp_path: Path) -> Path:
    for category, radius in (("cars", 1.3), ("chairs", 2.0)):
        for split, views in (("train", 5), ("val", 3), ("test", 67)):
            for name in "ab":
                write_object(tmp_path / f"{category}_{split}" / name, views, radius, blank=(1,))
    return tmp_path


def test_srn_trains_and_is_scored_by_its_one_view_protocol(
    tiny: Callable[..., TrainConfig], srn: Path, tmp_path: Path
) -> None:
    checkpoint = train(tiny(data=srn, category=("car", "chair"), steps=2))
    arguments = ["--data", str(srn), "--category", "chair", "--checkpoint", str(checkpoint), "--task", "view"]
    arguments += ["--no-progress", "--out", str(tmp_path / "report.json"), "--pairs", "6"]
    evaluate_command(arguments)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["pairs"], report["skipped"], report["pair_list"]) == (6, 0, "view 64 to all others")
    assert (report["background"], report["part_miou"], report["keypoint_accuracy"]) == ("white", None, None)
    assert 0 < report["psnr"] < 100
    assert -1 < report["ssim"] < 1
    evaluate_command([*arguments, "--source-views", "64", "0", "--background", "black"])
    two = json.loads((tmp_path / "report.json").read_text())
    assert (two["pair_list"], two["background"]) == ("view 64, 0 to all others", "black")
    assert two["psnr"] != report["psnr"]
    for more, sentence in (
        (["--source-views", "70"], "not view 70"),
        (["--task", "2d"], "neither parts nor keypoints"),
    ):
        with pytest.raises(InputError, match=sentence):
            evaluate_command([*arguments, *more])


def test_co3d_trains_and_its_novel_views_are_scored(tiny: Callable[..., TrainConfig], tmp_path: Path) -> None:
    data = tmp_path / "co3d"
    write_category(data, {"a": "train", "b": "val", "c": "test"}, views=4)
    checkpoint = train(tiny(data=data, steps=1))
    out = tmp_path / "report.json"
    arguments = ["--data", str(data), "--category", "chair", "--checkpoint", str(checkpoint), "--task", "view"]
    evaluate_command([*arguments, "--no-progress", "--pairs", "2", "--out", str(out)])
    report = json.loads(out.read_text())
    assert (report["pairs"], report["pair_list"], report["background"]) == (2, "drawn, seed 0", "black")
    assert 0 < report["psnr"] < 100


def test_broken_objects_are_left_out_of_both_when_asked(
    tiny: Callable[..., TrainConfig], srn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        (srn / f"cars_{split}" / "a" / "intrinsics.txt").unlink()
    config = tiny(data=srn, category=("car",), steps=1)
    with pytest.raises(InputError, match=r"cars_train/a/intrinsics\.txt is missing"):
        train(config)
    checkpoint = train(tiny(data=srn, category=("car",), steps=1, skip_broken=True))
    assert "skipped 1 of 2 objects of the train split" in capsys.readouterr().err
    out = tmp_path / "report.json"
    arguments = ["--data", str(srn), "--category", "car", "--checkpoint", str(checkpoint), "--task", "view"]
    evaluate_command([*arguments, "--no-progress", "--skip-broken", "--pairs", "3", "--out", str(out)])
    report = json.loads(out.read_text())
    assert (report["pairs"], report["broken_objects"]) == (3, 1)
