"""SPair-71k: files in the published form, keypoints on their marks, and PCK as it is defined."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf import masks
from featurenerf.cli.eval import main
from featurenerf.data.formats.spair import SpairImage, read_pairs
from featurenerf.data.open import open_dataset
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.evaluation.spair import evaluate_spair, pck, spair_summary
from featurenerf.models import FastConfig, FastModel, checkpoint
from published import blobs
from published.spair import write_image, write_pair

A, B, C = "2008_000001", "2008_000002", "2009_000003"
BOX = [50, 30, 250, 180]  # 200 wide: an alpha of 0.1 is 20 pixels
POINTS = {0: [80, 60], 1: [200, 70], 2: [150, 150]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_image(tmp_path, "chair", A, BOX, POINTS)
    write_image(tmp_path, "chair", B, BOX, {0: [80, 60 + 15], 1: [200 - 25, 70], 3: [60, 120]})
    write_image(tmp_path, "chair", C, [100, 20, 280, 190], {2: [200, 150], 1: [250, 60]})
    write_pair(tmp_path, "chair", A, B, 1)
    write_pair(tmp_path, "chair", A, C, 2)
    write_pair(tmp_path, "chair", B, A, 3, "val")
    return tmp_path


def test_keypoints_are_on_their_marks(root: Path) -> None:
    dataset = open_dataset(root, "chair", "test")
    assert [views.id for views in dataset] == [A, B, C]
    assert (dataset.category, dataset.synset) == ("chair", "03001627")
    assert [views.id for views in open_dataset(root, "03001627", "val")] == [A, B]
    views = dataset[A]
    assert isinstance(views, SpairImage)
    assert list(views.problems()) == []
    picture, keypoints = views.picture(0), views.keypoints(0)
    assert keypoints[:, 2].tolist() == [0, 1, 2]
    for x, y, number in keypoints:
        assert np.abs(picture[y, x, :3].astype(int) - blobs.COLOURS[number]).max() < 12
        assert np.abs(blobs.find(picture, number, 40) - (x + 0.5, y + 0.5)).max() <= 1
    there = np.array([POINTS[0], POINTS[1]], float)
    np.testing.assert_allclose(views.from_square(views.to_square(there)), there, atol=1e-9)
    (camera,) = [views.camera(0)]
    assert (camera.width, camera.height) == picture.shape[:2]
    assert views.has("kp_2d")
    assert not views.has("part_2d")


def test_the_mask_is_automatic_or_the_box(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views = open_dataset(root, "chair", "test")[A]
    assert isinstance(views, SpairImage)
    assert views.mask == "automatic"  # the background is plain
    corner = views.to_square(np.array([[BOX[0] + 1.0, BOX[1] + 1.0], [BOX[0] + 9.0, BOX[1] + 9.0]])).astype(int)
    assert [views.picture(0)[y, x, 3] > 127 for x, y in corner] == [False, True]

    def without_the_extra(picture: Tensor) -> Tensor:
        raise MissingExtraError("onnxruntime", "mask")

    monkeypatch.setattr(masks, "foreground", without_the_extra)
    views = open_dataset(root, "chair", "test")[A]
    assert isinstance(views, SpairImage)
    assert views.mask == "box"
    assert all(views.picture(0)[y, x, 3] > 127 for x, y in corner)
    outside = views.to_square(np.array([[BOX[0] - 4.0, BOX[1] + 40.0]])).astype(int)[0]
    assert views.picture(0)[outside[1], outside[0], 3] == 0


def test_same_pixel_scores_by_how_far_the_keypoints_lie_apart(root: Path) -> None:
    """From A to B, with one box, keypoints 0 and 1 move by 0.075 and 0.125 of the box's longer side."""
    pairs = read_pairs(root, "chair", "test")
    assert [(pair.source, pair.target) for pair in pairs] == [(A, B), (A, C)]
    dataset = open_dataset(root, "chair", "test")
    result = evaluate_spair(pairs[:1], dataset, "same-pixel", progress=False)
    assert result.scores[0].keypoint_errors == pytest.approx([0.075, 0.125], abs=0.012)
    assert result.keypoint_accuracy() == {"0.05": 0.0, "0.1": 0.5, "0.15": 1.0}
    assert spair_summary(result, dataset)["masks"] == {"automatic": 2}


def test_a_teacher_that_knows_the_marks_finds_them(root: Path) -> None:
    def colours(pictures: Tensor) -> Tensor:
        return torch.where(pictures[:, 3:] > 0.5, pictures[:, :3] - 0.45, torch.zeros(()))

    pairs, dataset = read_pairs(root, "chair", "test"), open_dataset(root, "chair", "test")
    result = evaluate_spair(pairs, dataset, "teacher", teacher=colours, progress=False)
    assert result.keypoint_accuracy() == {"0.05": 1.0, "0.1": 1.0, "0.15": 1.0}
    assert spair_summary(result, dataset)["pck_per_keypoint"]["0.05"] == 1.0
    assert (len(result.scores), result.skipped) == (2, 0)


def test_pck_counts_what_is_on_the_threshold() -> None:
    assert pck(torch.tensor([0.05, 0.1, 0.1001, 0.4])) == {"0.05": 0.25, "0.1": 0.5, "0.15": 0.75}


def test_a_report_from_the_command_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    config = FastConfig(
        size=32, widths=(8, 8, 8, 8), density_bins=16, volume_bins=8, hidden=16, coarse_samples=8, encoder=None
    )
    trained = str(checkpoint.save(FastModel(config), tmp_path / "run"))
    out = tmp_path / "report.json"
    arguments = ["--data", str(root), "--category", "chair", "--task", "spair", "--no-progress", "--out", str(out)]
    for method in (["--checkpoint", trained], ["--method", "same-pixel"]):
        main([*arguments, *method])
        report = json.loads(out.read_text())
        assert (report["task"], report["category"], report["pairs"]) == ("spair", "chair", 2)
        assert list(report["keypoint_accuracy"]) == list(report["pck_per_keypoint"]) == ["0.05", "0.1", "0.15"]
        assert report["masks"] == {"automatic": 3}
        assert report["psnr"] is report["part_miou"] is None
    assert "| chair | spair | same-pixel | 2 |" in capsys.readouterr().out
    with pytest.raises(InputError, match="the task spair is of SPair-71k, which has no other"):
        main([*arguments, "--task", "2d", "--method", "same-pixel"])


JPEG, IMAGE = f"JPEGImages/chair/{A}.jpg", f"ImageAnnotation/chair/{A}.json"
BREAK: dict[str, Callable[[Path], object]] = {
    f"{A}.jpg is missing": lambda root: (root / JPEG).unlink(),
    f"{A}.jpg cannot be read": lambda root: (root / JPEG).write_bytes((root / JPEG).read_bytes()[:300]),
    f"{A}.json is missing": lambda root: (root / IMAGE).unlink(),
    f"{A}.json is no image annotation": lambda root: (root / IMAGE).write_text('{"bndbox": [3, 4, 1, 2], "kps": {}}'),
    "its box lies outside the picture": lambda root: (root / IMAGE).write_text(
        '{"bndbox": [900, 900, 990, 990], "kps": {}}'
    ),
}


@pytest.mark.parametrize("sentence", BREAK)
def test_a_broken_file_is_named_and_skipped_when_asked(sentence: str, root: Path) -> None:
    BREAK[sentence](root)
    assert sentence in next(open_dataset(root, "chair", "test")[A].problems())
    kept = open_dataset(root, "chair", "val", skip_broken=True, progress=False)
    assert [views.id for views in kept] == [B]
    with pytest.raises(InputError, match="none of the 1 pairs"):
        evaluate_spair(read_pairs(root, "chair", "val"), kept, "same-pixel", progress=False)


def test_broken_pairs_are_named(root: Path) -> None:
    path = write_pair(root, "chair", A, C, 4)
    path.write_text('{"src_kps": [[1, 2]], "trg_kps": []}')
    with pytest.raises(InputError, match=r"000004-.*:chair\.json is no pair annotation"):
        read_pairs(root, "chair", "test")
    path.unlink()
    with pytest.raises(InputError, match=r"000004-.*:chair\.json is missing"):
        read_pairs(root, "chair", "test")
    with pytest.raises(InputError, match="without 'aeroplane': it has chair"):
        open_dataset(root, "airplane", "test")
    with pytest.raises(InputError, match="no train pairs of chair"):
        open_dataset(root, "chair")
