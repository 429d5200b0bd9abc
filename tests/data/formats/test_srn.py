"""SRN cars and chairs: files in the published form, known points where the cameras say they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featurenerf.data.check import check_dataset
from featurenerf.data.formats.srn import UNITS
from featurenerf.data.open import open_dataset
from featurenerf.errors import InputError
from published import blobs
from published.srn import FOCAL, IN_OURS, SIZE, write_object


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("srn")
    for split, views in (("train", 6), ("val", 4), ("test", 70)):
        for name in ("1a", "0b"):
            write_object(root / "srn_cars" / f"cars_{split}" / f"{split}{name}", views, 1.3, blank=(2,))
    write_object(root / "chairs_train" / "chairs_2.0_train" / "c1", 6, 2.0)  # nested, as published
    write_object(root / "chairs_test" / "c2", 6, 2.0)
    return root


@pytest.mark.parametrize(("category", "split"), [("car", "train"), ("car", "test"), ("chair", "train")])
def test_known_points_are_where_the_cameras_say(root: Path, category: str, split: str) -> None:
    views = open_dataset(root, category, split)[0]
    scale = UNITS[category].scale
    found = 0
    for view in range(min(len(views), 8)):
        picture, camera = views.picture(view), views.camera(view)
        assert camera.centre.norm().item() == pytest.approx((1.3 if category == "car" else 2.0) * scale, abs=1e-5)
        assert camera.centre[2] > 0
        for index, place in IN_OURS.items():
            seen = blobs.find(picture, index, 10)
            if seen is not None and (picture[..., :3] == blobs.COLOURS[index]).all(-1).sum() >= 15:  # not covered
                there = camera.project(torch.tensor(place) * scale)[0]
                assert np.abs(there.numpy() - seen).max() < 0.6, (view, index)
                found += 1
    assert found > 12


def test_what_a_split_holds(root: Path) -> None:
    train, test = open_dataset(root, "car"), open_dataset(root / "srn_cars", "02958343", "test")
    assert [views.id for views in train] == ["train0b", "train1a"]
    assert (train.category, train.synset, train.background) == ("car", "02958343", "white")
    assert test.splits.test == ("test0b", "test1a")
    camera, unit = train[0].camera(0), UNITS["car"]
    assert (camera.near, camera.far) == (0.8 * unit.scale, 1.8 * unit.scale)
    assert (camera.width, camera.height, camera.focal.tolist()) == (SIZE, SIZE, [FOCAL, FOCAL])
    assert camera.principal.tolist() == [SIZE / 2, SIZE / 2]
    picture = train[0].picture(0)
    assert set(np.unique(picture[..., 3])) == {0, 255}
    assert (picture[picture[..., 3] == 0][:, :3] == 255).all()
    assert not any(train[0].has(kind) for kind in ("part_2d", "kp_2d", "part_3d", "kp_3d"))
    with pytest.raises(InputError, match="no part labels"):
        train[0].parts(0)


def test_blank_pictures_are_left_out_where_views_have_no_numbers(root: Path) -> None:
    train, test = open_dataset(root, "car")[0], open_dataset(root, "car", "test")[0]
    assert (len(train), len(test)) == (5, 70)
    assert all(train.picture(view)[..., 3].any() for view in range(5))
    assert not test.picture(2)[..., 3].any()
    torch.testing.assert_close(train.camera(2).pose, open_dataset(root, "car", "train")["train0b"].camera(2).pose)


def test_pictures_of_another_size_than_the_intrinsics(tmp_path: Path) -> None:
    write_object(tmp_path / "cars_train" / "a", 2, 1.3)
    for path in (tmp_path / "cars_train" / "a" / "rgb").iterdir():
        Image.open(path).resize((32, 32), Image.Resampling.NEAREST).save(path)
    camera = open_dataset(tmp_path, "car")[0].camera(1)
    assert (camera.width, camera.focal.tolist(), camera.principal.tolist()) == (32, [33.0, 33.0], [16.0, 16.0])


BREAK: dict[str, Callable[[Path], object]] = {
    "intrinsics.txt is missing": lambda a: (a / "intrinsics.txt").unlink(),
    "intrinsics.txt is not a file of SRN intrinsics": lambda a: (a / "intrinsics.txt").write_text("x y\n"),
    "pose/000001.txt is missing": lambda a: (a / "pose" / "000001.txt").unlink(),
    "pose/000001.txt is not a pose": lambda a: (a / "pose" / "000001.txt").write_text("1 2 3"),
    "not a rotation": lambda a: (a / "pose" / "000001.txt").write_text(" ".join(["2"] * 16)),
    "rgb/000000.png cannot be read": lambda a: (a / "rgb" / "000000.png").write_bytes(b"\x89PNG" + bytes(4000)),
    "holds no picture": lambda a: [path.unlink() for path in (a / "rgb").iterdir()],
}


@pytest.mark.parametrize("sentence", BREAK)
def test_a_broken_file_is_named_and_skipped_when_asked(
    sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        write_object(tmp_path / "cars_train" / name, 2, 1.3)
    BREAK[sentence](tmp_path / "cars_train" / "a")
    assert sentence in next(open_dataset(tmp_path, "car")["a"].problems())
    kept = open_dataset(tmp_path, "car", skip_broken=True, progress=False)
    assert [views.id for views in kept] == ["b"]
    assert sentence in kept.broken["a"]
    said = capsys.readouterr().err
    assert "skipped 1 of 2 objects" in said
    assert sentence in said
    with pytest.raises(InputError, match=sentence):
        kept["a"]


def test_nothing_left_is_said(tmp_path: Path) -> None:
    write_object(tmp_path / "cars_train" / "a", 2, 1.3)
    (tmp_path / "cars_train" / "a" / "intrinsics.txt").unlink()
    with pytest.raises(InputError, match="no object of the train split of car can be read"):
        open_dataset(tmp_path, "car", skip_broken=True, progress=False)


def test_check_names_every_broken_file(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_dataset(root, progress=False) == []
    said = capsys.readouterr().out
    # of each of two cars, six views less a blank one, four less a blank one, and all seventy
    assert "car (02958343): 6 objects, 156 views; 2 for training, 2 for validation, 2 for testing;" in said
    assert "0 pairs of views; 4 pictures left out, which show nothing or have no camera\n" in said
    assert "chair (03001627): 2 objects, 12 views; 1 for training, 0 for validation, 1 for testing;" in said
    for name in "ab":
        write_object(tmp_path / "cars_train" / name, 3, 1.3)
    broken = [tmp_path / "cars_train" / "a" / "rgb" / f"00000{view}.png" for view in (1, 2)]
    for path in broken:
        path.write_bytes(b"no picture at all" * 50)
    (tmp_path / "cars_train" / "b" / "pose" / "000002.txt").unlink()
    problems = check_dataset(tmp_path, "car", progress=False)
    assert len(problems) == 3
    for path in (*broken, "000002.txt is missing"):
        assert any(str(path) in problem for problem in problems)
    with pytest.raises(InputError, match="without 'bottle'"):
        raise InputError(check_dataset(root, "bottle", progress=False)[0])


def test_what_is_not_there_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"without 'bottle': it has car, chair"):
        open_dataset(root, "bottle")
    with pytest.raises(InputError, match="no objects in a folder chairs_val"):
        open_dataset(root, "chair", "val")
    with pytest.raises(InputError, match="no split 'validation'"):
        open_dataset(root, "chair", "validation")
    with pytest.raises(InputError, match=r"the splits of SRN data are its folders: leave .* out"):
        open_dataset(root, "car", "train", tmp_path)
