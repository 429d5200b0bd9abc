"""Making a data set: what the files say agrees with the mesh, whoever makes them and however often."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from featurenerf.cli.data import main
from featurenerf.data.check import check_dataset
from featurenerf.data.formats.release import picture_folder, split_file
from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.data.pairs import with_pairs
from featurenerf.data.splits import Split, read_split
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.locks import locked
from featurenerf.synthesis import make
from featurenerf.synthesis.camera_sets import fixed_cameras, training_cameras, wide_cameras
from featurenerf.synthesis.make import make_dataset, mapper
from featurenerf.synthesis.objects import CATEGORIES, generate

pytest.importorskip("embreex", reason="the extra 'data' is not installed")
pytest.importorskip("trimesh", reason="the extra 'data' is not installed")

SETTINGS = {"objects": 4, "views": 3, "size": 48, "progress": False}


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    make_dataset(root, "chair", workers=1, **SETTINGS)  # type: ignore[arg-type]
    return root


def every_object(root: Path) -> list:
    return [views for split in ("train", "val", "test") for views in open_dataset(root, "chair", split)]


def test_it_passes_its_own_check(made: Path) -> None:
    assert check_dataset(made, progress=False) == []
    sizes = [len(open_dataset(made, "chair", split)) for split in ("train", "val", "test")]
    assert sizes == [1, 1, 2]


def test_it_says_what_its_labels_mean(made: Path) -> None:
    names = read_json(made / "labels" / "03001627.json")
    assert names["parts"] == ["background", "back", "seat", "leg", "arm"]
    assert names["keypoints"][8:10] == ["leg tip front left", "leg tip front right"]
    assert names["mirror"] == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 16, 17, 18, 19]
    (made / "made" / "03001627.json").rename(made / "elsewhere")
    try:
        assert open_dataset(made, "chair").labels.parts == ("background", "back", "seat", "leg", "arm")
    finally:
        (made / "elsewhere").rename(made / "made" / "03001627.json")


def test_labels_agree_with_the_mesh(made: Path) -> None:
    for views in every_object(made):
        mesh = generate("chair", 0, int(views.id.split("-")[-1]))
        points, labels = views.part_points()
        assert len(points) == 2048
        assert set(labels.tolist()) <= set(mesh.face_parts.tolist())
        candidates, keypoints = views.keypoint_candidates()
        assert len(candidates) == 2048
        assert keypoints[:, 3].astype(int).tolist() == sorted(mesh.keypoints)
        for *point, number in keypoints:
            np.testing.assert_allclose(point, mesh.keypoints[int(number)], atol=1e-6)
            assert np.linalg.norm(candidates - point, axis=1).min() < 0.01
        for view in range(len(views)):
            camera, picture, parts = views.camera(view), views.picture(view), views.parts(view)
            assert picture[..., 3][parts > 0].min() > 0
            for x, y, number in views.keypoints(view):
                xy, _ = camera.project(torch.from_numpy(mesh.keypoints[number]).float())
                assert (x, y) == tuple(np.floor(xy.numpy()).astype(int))
                assert picture[y, x, 3] > 0
            # of the surface points that fall in a pixel, the nearest one has the label of the pixel, bar the edges
            xy, depth = camera.project(torch.from_numpy(points))
            order = np.argsort(-depth.numpy())
            x, y = np.floor(xy.numpy()[order]).astype(int).T
            nearest = np.zeros_like(parts)
            nearest[y, x] = labels[order]
            both = (nearest > 0) & (parts > 0)
            assert (nearest[both] == parts[both]).mean() > 0.8


def test_the_same_bytes_for_any_number_of_workers(made: Path, tmp_path: Path) -> None:
    (tmp_path / "img" / "02958343").mkdir(parents=True)  # another category is there already
    make_dataset(tmp_path, "chair", workers=2, **SETTINGS)  # type: ignore[arg-type]
    assert contents(tmp_path) == contents(made)


def test_an_interrupted_call_is_taken_up(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def counted(category: str, seed: int, index: int) -> object:
        if index == 2 and 2 not in done:
            done.append(index)
            raise KeyboardInterrupt
        done.append(index)
        return generate(category, seed, index)

    monkeypatch.setattr(make, "generate", counted)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(tmp_path, "chair", workers=1, **SETTINGS)  # type: ignore[arg-type]
    make_dataset(tmp_path, "chair", workers=1, **SETTINGS)  # type: ignore[arg-type]
    assert done == [0, 1, 2, 2, 3]
    assert contents(tmp_path) == contents(made)
    (tmp_path / "img" / "03001627" / "chair-0-00001" / "002.png").unlink()
    make_dataset(tmp_path, "chair", workers=1, **SETTINGS)  # type: ignore[arg-type]
    assert done[5:] == [1]
    assert contents(tmp_path) == contents(made)


def test_other_settings_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"made with other settings .*views=3"):
        make_dataset(made, "chair", **{**SETTINGS, "views": 4})  # type: ignore[arg-type]
    (tmp_path / "camera" / "03001627").mkdir(parents=True)
    with pytest.raises(InputError, match="from another source"):
        make_dataset(tmp_path, "chair", **SETTINGS)  # type: ignore[arg-type]
    for wrong in ({"objects": 2}, {"views": 1}, {"workers": 0}, {"seed": -1}, {"size": 0}):
        with pytest.raises(InputError):
            make_dataset(tmp_path / "new", "chair", **{**SETTINGS, **wrong})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no generator for category 'dragon'"):
        main(["make", "--out", str(tmp_path / "new"), "--category", "chair", "dragon"])
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        make_dataset(tmp_path / "file", "chair", **SETTINGS)  # type: ignore[arg-type]


def test_another_version_is_refused_and_families_are_noted(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = read_json(made / "made" / "03001627.json")
    families = {f"chair-0-{index:05d}": generate("chair", 0, index).family for index in range(4)}
    assert noted["families"] == families
    monkeypatch.setattr(make, "RENDERER_VERSION", 999)
    with pytest.raises(InputError, match=rf"chair made by version {noted['version']} of the generator, .* \d+\.999"):
        make_dataset(made, "chair", **SETTINGS)  # type: ignore[arg-type]


def test_split_and_pairs() -> None:
    def drawn(objects: int, views: int) -> Split:
        recipe = make.Recipe("chair", objects, views)
        ids = [recipe.object_id(index) for index in range(objects)]
        return with_pairs(make.split_objects(ids, recipe.generator(2)), views, recipe.generator)

    split = drawn(200, 50)
    assert (len(split.train), len(split.val), len(split.test)) == (140, 20, 40)
    assert len({*split.train, *split.val, *split.test}) == 200
    assert (
        len(set(split.cross_inst_pairs)) == len(set(split.cross_view_pairs)) == len(set(split.cross_pose_pairs)) == 1000
    )
    test = set(split.test)
    for pair in split.cross_inst_pairs:
        assert pair.source_id in test
        assert pair.target_id in test
        assert pair.source_id != pair.target_id
        assert 0 <= pair.source_view == pair.target_view < 50
    assert all(p.source_id == p.target_id in test and p.source_view != p.target_view for p in split.cross_view_pairs)
    assert all(p.source_id != p.target_id and p.source_view != p.target_view for p in split.cross_pose_pairs)
    assert {pair.source_view for pair in split.cross_inst_pairs} == set(range(50))
    small = drawn(3, 2)
    assert (len(small.train), len(small.val), len(small.test)) == (1, 0, 2)
    assert len(set(small.cross_inst_pairs)) == len(small.cross_inst_pairs) == 4


def test_the_made_pairs_are_unlike(tmp_path: Path) -> None:
    split = make_dataset(tmp_path, "chair", objects=20, views=2, size=16, workers=1, progress=False)
    families = read_json(tmp_path / "made" / "03001627.json")["families"]
    assert len(split.cross_inst_pairs) == 8  # four objects, each with one other, from two views
    for pair in (*split.cross_inst_pairs, *split.cross_pose_pairs):
        assert families[pair.source_id] != families[pair.target_id]
    assert split == read_split(split_file(tmp_path, "03001627"))


def test_cameras_stand_on_the_upper_hemisphere() -> None:
    for cameras in (training_cameras(40, 64, np.random.default_rng(0)), fixed_cameras(40)):
        height = cameras.centre[:, 2] / 1.3
        assert height.min() >= 0
        assert height.max() < np.sin(np.deg2rad(80.1))
        torch.testing.assert_close(cameras.centre.norm(dim=-1), torch.full((40,), 1.3))
        assert len(torch.unique(torch.atan2(cameras.centre[:, 1], cameras.centre[:, 0]) // 0.8)) == 8


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "set")
    main(f"make --category chair --objects 3 --views 2 --size 32 --workers 1 --out {out}".split())
    main(["check", out])
    assert "no problems" in capsys.readouterr().out
    dataset = open_dataset(out, CATEGORIES["chair"].synset, "test")
    assert isinstance(dataset, Dataset)
    picture_folder(Path(out), dataset.synset, dataset[0].id).joinpath("001.png").unlink()
    with pytest.raises(InputError, match="1 problem"):
        main(["check", out])
    assert "001.png is missing" in capsys.readouterr().out


def _killed(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_worker_ends_the_work() -> None:
    """It does not wait for good."""
    with mapper(2) as mapped:
        assert sorted(mapped(_killed, [0, 1, 3])) == [0, 1, 3]
    with pytest.raises(InputError, match="one of 2 processes was killed"), mapper(2) as mapped:
        list(mapped(_killed, range(4)))


def test_wide_cameras_keep_the_object_in_the_middle_of_the_picture() -> None:
    cameras = wide_cameras(200, 64, np.random.default_rng(0))
    distance = cameras.centre.norm(dim=-1)
    assert 0.95 <= distance.min() < 1.05
    assert 5.5 < distance.max() <= 6
    elevation = torch.rad2deg(torch.asin(cameras.centre[:, 2] / distance))
    assert -10 <= elevation.min() < -7
    assert 65 < elevation.max() <= 75
    middle = cameras.project(torch.zeros(200, 1, 3))[0][:, 0]
    assert (middle - 32).abs().max() <= 64 * 0.04 + 1e-3
    seen = cameras.focal[:, 0] * 0.5 / (distance.square() - 0.25).sqrt() / 64  # radius of the sphere, in the picture
    assert (seen / 0.456).log().abs().max() < 0.101  # 140 / 128 * 0.5 / sqrt(1.3^2 - 0.25)
    away = torch.rad2deg(torch.acos((cameras.pose[:, :3, 2] * cameras.centre).sum(-1) / distance))
    assert 8 < away.max() <= 12.01
    roll = torch.rad2deg(torch.asin(cameras.pose[:, 2, 0]))  # how far the camera's x axis leaves the ground plane
    assert 4 < roll.std() < 9


def test_wide_cameras_are_read_as_they_were_written(tmp_path: Path) -> None:
    make_dataset(tmp_path, "table", objects=3, views=4, size=32, workers=1, cameras="wide", progress=False)
    assert read_json(tmp_path / "made" / "04379243.json")["cameras"] == "wide"
    dataset = open_dataset(tmp_path, "table", "test")
    one, two = (views.cameras() for views in dataset[:2])
    torch.testing.assert_close(one.pose, two.pose)  # all test objects are seen by the same cameras
    assert one.focal[0, 0] != one.focal[1, 0]
    for view in range(4):  # the picture is where the camera says that the object is
        alpha = torch.from_numpy(dataset[0].picture(view)[..., 3])
        points = torch.from_numpy(dataset[0].part_points()[0])
        xy = one[view].project(points)[0].floor().long().clamp(0, 31)
        assert (alpha[xy[:, 1], xy[:, 0]] > 0).float().mean() > 0.95
    with pytest.raises(InputError, match="other settings"):
        make_dataset(tmp_path, "table", objects=3, views=4, size=32, workers=1, progress=False)


SCRIPT = """
from featurenerf.synthesis.make import make_dataset
make_dataset(OUT, "chair", objects=3, views=2, size=16, workers=2, progress=False)
"""


def test_a_script_that_does_not_ask_whether_it_is_the_main_one_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.replace("OUT", repr(str(tmp_path / "DATA"))))
    done = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert 'put what the script does under if __name__ == "__main__":, or give 1 worker' in last
    assert "memory" not in last


def test_two_calls_do_not_make_one_category_at_a_time(tmp_path: Path) -> None:
    """Another category may be made beside it."""
    settings = {"objects": 3, "views": 2, "size": 16, "workers": 1, "progress": False}
    with locked(tmp_path / "DATA" / CATEGORIES["chair"].synset):
        with pytest.raises(InputError, match="is being written by another featurenerf"):
            make_dataset(tmp_path / "DATA", "chair", **settings)  # type: ignore[arg-type]
        make_dataset(tmp_path / "DATA", "table", **settings)  # type: ignore[arg-type]


def test_files_that_a_loss_of_power_left_empty_are_made_again(tmp_path: Path) -> None:
    settings = {"objects": 3, "views": 2, "size": 16, "workers": 1, "progress": False}
    make_dataset(tmp_path, "table", **settings)  # type: ignore[arg-type]
    picture = sorted(tmp_path.rglob("*.png"))[0]
    whole = picture.read_bytes()
    picture.write_bytes(b"")
    leftover = picture.with_name(f".{picture.name}.{2**30}.tmp")
    leftover.touch()
    make_dataset(tmp_path, "table", **settings)  # type: ignore[arg-type]
    assert picture.read_bytes() == whole
    assert not leftover.exists()
