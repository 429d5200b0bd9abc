"""A check names every file that is missing or broken, and what a split file names that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featurenerf.data.check import check_dataset
from featurenerf.data.formats.release import split_file
from featurenerf.data.open import open_dataset
from featurenerf.data.splits import Pair, Split, write_split
from featurenerf.errors import InputError
from featurenerf.synthesis.write import ObjectRecord, write_object
from release_data import CHAIR, record


def test_check_names_every_broken_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_dataset(root, progress=False) == []
    assert "4 objects, 12 views; 1 for training, 1 for validation, 2 for testing" in capsys.readouterr().out
    (root / "img" / CHAIR / "aa" / "001.png").unlink()
    (root / "img" / CHAIR / "aa" / "002.png").write_bytes(b"\x89PNG nothing")
    Image.new("RGB", (16, 16)).save(root / "img" / CHAIR / "bb" / "000.png")
    Image.new("RGBA", (8, 8), (1, 1, 1, 255)).save(root / "img" / CHAIR / "bb" / "001.png")
    Image.new("RGBA", (16, 16)).save(root / "img" / CHAIR / "bb" / "002.png")
    camera = root / "camera" / CHAIR / "cc.json"
    content = json.loads(camera.read_text())
    content["frames"][0]["transform_matrix"][0][3] = float("nan")
    camera.write_text(json.dumps(content))
    (root / "camera" / CHAIR / "dd.json").unlink()
    np.savez(root / "part_2d_anno" / CHAIR / "bb.npz", labels=np.zeros((3, 16, 15), int))
    np.savez(root / "part_3d_anno" / CHAIR / "bb.npz", pts=np.full((5, 3), np.nan), labels=np.ones(5, int))
    np.savez(root / "kp_3d_anno" / CHAIR / "bb.npz", pts=np.zeros((5, 3)), labels=np.zeros((2, 3)))
    problems = "\n".join(check_dataset(root, progress=False))
    for expected in (
        r"aa/001.png is missing",
        r"aa/002.png cannot be read",
        r"bb/000.png has no alpha",
        r"bb/001.png is 8 x 8",
        r"bb/002.png shows nothing",
        r"cc.json: the camera pose holds NaN",
        r"names object dd (test), which has no camera file",
        r"cross_inst_pairs names view 2 of object dd",
        r"part_2d_anno/03001627/bb.npz does not fit",
        r"part_3d_anno/03001627/bb.npz does not fit",
        r"kp_3d_anno/03001627/bb.npz does not fit",
    ):
        assert expected in problems
    with pytest.raises(InputError, match=r"cc\.json"):
        open_dataset(root, "chair", "test")["cc"].camera(1)


def test_what_a_split_file_names(root: Path) -> None:
    """Objects aa to dd are there, with three views each."""
    path = split_file(root, CHAIR)
    split = Split(
        ("aa", "aa", "xx"),
        ("bb", "aa"),
        ("cc", "dd"),
        (Pair("cc", 3, "dd", 3), Pair("cc", 2, "dd", 2)),
        (Pair("cc", 0, "cc", -1),),
        (Pair("cc", 0, "yy", 1),),
    )
    write_split(path, split)
    assert check_dataset(root, progress=False) == [
        f"{path} names object xx (train), which has no camera file",
        f"{path} names an object twice in train",
        f"{path} names object aa in both train and val",
        f"{path}: cross_inst_pairs names view 3 of object cc, which is not there",
        f"{path}: cross_inst_pairs names view 3 of object dd, which is not there",
        f"{path}: cross_view_pairs names view -1 of object cc, which is not there",
        f"{path}: cross_pose_pairs names view 1 of object yy, which is not there",
    ]
    write_split(path, Split((), (), ()))
    (problem,) = check_dataset(root, progress=False)
    assert problem.startswith(f"the test split of {CHAIR} in {path} is empty")


def test_objects_are_checked_without_a_split_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split_file(root, CHAIR).unlink()
    (root / "img" / CHAIR / "dd" / "001.png").unlink()
    problems = check_dataset(root, progress=False)
    assert [f"{CHAIR}.json is missing" in problem for problem in problems] == [True, False]
    assert problems[1] == f"{root / 'img' / CHAIR / 'dd' / '001.png'} is missing: make or download it again"
    assert capsys.readouterr().out == f"chair ({CHAIR}): 4 objects, 12 views, no split\n"


def test_labels_that_make_no_sense(root: Path) -> None:
    """Pictures are 16 x 16; the first keypoint of view 1 is outside, the first of view 2 has a negative id."""
    odd = record(0)
    write_object(
        root,
        CHAIR,
        "aa",
        ObjectRecord(
            odd.cameras,
            odd.pictures,
            keypoints=[np.array([[15, 15, 0]]), np.array([[16, 15, 0]]), np.array([[0, 0, -1]])],
            part_points=np.zeros((2, 3)),
            part_labels=np.array([1, -1]),
            candidates=np.zeros((0, 3)),
            keypoint_labels=np.array([[0, 0, 0, 1.5]]),
        ),
    )
    assert [problem.replace(str(root), "") for problem in check_dataset(root, progress=False)] == [
        f"/kp_2d_anno/{CHAIR}/aa.npz: a keypoint of view 1 lies outside the picture, or its id is negative",
        f"/kp_2d_anno/{CHAIR}/aa.npz: a keypoint of view 2 lies outside the picture, or its id is negative",
        f"/part_3d_anno/{CHAIR}/aa.npz: a part label is negative",
        f"/kp_3d_anno/{CHAIR}/aa.npz: there are no candidate points",
        f"/kp_3d_anno/{CHAIR}/aa.npz: a keypoint id is not a whole number from 0",
    ]
