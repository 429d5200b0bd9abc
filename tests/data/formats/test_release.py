"""A data set read is the data set written, and what is wrong with one is said by file."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from featurenerf.data.check import check_dataset
from featurenerf.data.formats.release import ReleaseObject
from featurenerf.data.formats.unpickle import read_npz
from featurenerf.data.labels import ANNOTATIONS
from featurenerf.data.open import open_dataset
from featurenerf.data.splits import Pair, Split, read_split, write_split
from featurenerf.errors import InputError
from release_data import CAMERAS, CHAIR, record


def test_what_is_written_is_read(root: Path) -> None:
    dataset = open_dataset(root, "chair", "test")
    assert [views.id for views in dataset] == ["cc", "dd"]
    assert dataset.cross_inst_pairs == (Pair("cc", 2, "dd", 2),)
    assert dataset.cross_view_pairs == (Pair("cc", 0, "cc", 1),)
    assert dataset.category == "chair"
    views, written = dataset["dd"], record(3)
    assert views is dataset[1]
    assert len(views) == 3
    np.testing.assert_array_equal(views.picture(2), written.pictures[2])
    np.testing.assert_array_equal(views.parts(1), written.parts[1])
    for view in range(3):
        np.testing.assert_array_equal(views.keypoints(view), written.keypoints[view])
    np.testing.assert_allclose(views.part_points()[0], written.part_points, rtol=1e-6)
    np.testing.assert_array_equal(views.part_points()[1], written.part_labels)
    np.testing.assert_allclose(views.keypoint_candidates()[0], written.candidates, rtol=1e-6)
    np.testing.assert_allclose(views.keypoint_candidates()[1], written.keypoint_labels, rtol=1e-6)
    torch.testing.assert_close(views.cameras().pose, CAMERAS.pose)
    torch.testing.assert_close(views.camera(1).focal, CAMERAS.focal[1])
    assert (views.camera(1).width, views.camera(1).near, views.camera(1).far) == (16, None, None)


def test_poses_on_disk_have_opencv_axes(root: Path) -> None:
    stored = json.loads((root / "camera" / CHAIR / "aa.json").read_text())
    pose = np.array(stored["frames"][1]["transform_matrix"])
    np.testing.assert_allclose(pose[:3, 2] * 1.3, -pose[:3, 3], atol=1e-6)  # looks along +z, at the origin
    assert pose[2, 1] < 0  # y points down
    assert np.isclose(np.rad2deg(stored["camera_angle_x"]), 49.13)


def test_variants_of_the_release_are_read(root: Path) -> None:
    path = root / "camera" / CHAIR / "aa.json"
    content = json.loads(path.read_text())
    names = ["./train/000", "some/where/001.png", "C:\\data\\002"]
    for frame, name in zip(content["frames"], names, strict=True):
        frame["file_path"] = name
        frame["transform_matrix"] = np.ravel(frame["transform_matrix"]).tolist()
    path.write_text(json.dumps(content))
    views = open_dataset(root, CHAIR, "train")[0]
    for view in range(3):
        np.testing.assert_array_equal(views.picture(view), record(0).pictures[view])
    ragged = np.empty(3, object)
    ragged[:] = [np.array([[1, 2, 3]]), np.zeros((0, 3), int), np.array([[4, 5, 6], [7, 8, 9]])]
    for protocol in (2, 3, 4, 5):
        write_pickled(root / "kp_2d_anno" / CHAIR / "aa.npz", pickle.dumps(ragged, protocol))
        views = open_dataset(root, CHAIR, "train")[0]
        assert [views.keypoints(view).tolist() for view in range(3)] == [part.tolist() for part in ragged]
    np.savez(root / "kp_2d_anno" / CHAIR / "aa.npz", labels=np.array([[[1, 2, 3]]] * 3))  # a plain array
    assert open_dataset(root, CHAIR, "train")[0].keypoints(2).tolist() == [[1, 2, 3]]


def write_pickled(path: Path, content: bytes) -> None:
    """An .npz file whose object array is any pickle."""
    import zipfile

    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content)


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (__import__("os").system, (f"touch {self.marker}",))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_is_a_program_is_refused(root: Path, protocol: int) -> None:
    marker, path = root / "was_here", root / "kp_2d_anno" / CHAIR / "aa.npz"
    write_pickled(path, pickle.dumps(Malicious(marker), protocol))
    with pytest.raises(InputError, match=r"kp_2d_anno/03001627/aa\.npz asks for posix\.system"):
        open_dataset(root, "chair")[0].keypoints(0)
    hidden = np.empty(3, object)
    hidden[:] = [Malicious(marker)] * 3
    np.savez(path, labels=hidden)
    with pytest.raises(InputError, match=r"aa\.npz asks for"):
        read_npz(path, "labels")
    for name in (b"numpy\nsave", b"numpy.lib.npyio\nload", b"builtins\neval", b"numpy._core.multiarray\nfromfile"):
        write_pickled(path, b"c" + name + b"\n(S'x'\ntR.")
        with pytest.raises(InputError, match=r"aa\.npz asks for"):
            read_npz(path, "labels")
    assert not marker.exists()


def test_numeric_arrays_are_read_as_numpy_does(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(12.0).reshape(3, 4),
        "b": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "c": np.zeros((0, 3)),
    }
    np.savez_compressed(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    for key, array in arrays.items():
        np.testing.assert_array_equal(read_npz(tmp_path / "x.npz", key), array)
    with pytest.raises(InputError, match=r"x\.npz holds no array 'd'"):
        read_npz(tmp_path / "x.npz", "d")


@pytest.mark.parametrize("content", [b"", b"no zip", None])
@pytest.mark.parametrize("name", [f"{kind}_anno/{CHAIR}/aa.npz" for kind in ANNOTATIONS])
def test_broken_annotations_are_named(root: Path, name: str, content: bytes | None) -> None:
    path = root / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    views = open_dataset(root, "chair")[0]
    readers = {
        "part_2d": lambda: views.parts(0),
        "kp_2d": lambda: views.keypoints(0),
        "part_3d": views.part_points,
        "kp_3d": views.keypoint_candidates,
    }
    with pytest.raises(InputError, match=name):
        readers[name.split("_anno")[0]]()
    assert any(name in problem for problem in check_dataset(root, "chair", progress=False))


def test_broken_objects_are_left_out_when_asked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "kp_3d_anno" / CHAIR / "dd.npz").write_bytes(b"no zip")
    whole = open_dataset(root, "chair", "test")
    assert [views.id for views in whole] == ["cc", "dd"]
    kept = open_dataset(root, "chair", "test", skip_broken=True, progress=False)
    assert [views.id for views in kept] == ["cc"]
    assert re.search(r"kp_3d_anno/03001627/dd\.npz cannot be read", kept.broken["dd"])
    assert "skipped 1 of 2 objects of the test split of chair" in capsys.readouterr().err
    assert open_dataset(root, "chair", "train", skip_broken=True, progress=False).broken == {}
    assert capsys.readouterr().err == ""


def test_objects_that_can_be_read_are_not_broken(root: Path) -> None:
    """A blank picture and a keypoint beside the picture are for the check to name; the object stays."""
    Image.new("RGBA", (16, 16)).save(root / "img" / CHAIR / "dd" / "002.png")
    np.savez(root / "kp_2d_anno" / CHAIR / "dd.npz", labels=np.array([[[16, 2, 3]]] * 3))
    kept = open_dataset(root, "chair", "test", skip_broken=True, progress=False)
    assert [views.id for views in kept] == ["cc", "dd"]
    assert len(list(kept["dd"].problems())) == 4


def test_what_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(InputError, match="no data set at"):
        open_dataset(root / "nowhere", "chair")
    with pytest.raises(InputError, match="the known ones are: airplane"):
        open_dataset(root, "dragon")
    with pytest.raises(InputError, match=r"it has: chair"):
        open_dataset(root, "car")
    with pytest.raises(InputError, match="no split 'validation'"):
        open_dataset(root, "chair", "validation")
    with pytest.raises(InputError, match="not in the train split"):
        open_dataset(root, "chair")["cc"]
    write_split(root / "other" / f"{CHAIR}.json", Split((), (), ("cc",)))
    assert len(open_dataset(root, "chair", "test", root / "other")) == 1
    with pytest.raises(InputError, match=r"the train split of chair in .* is empty"):
        open_dataset(root, "chair", "train", root / "other")
    (root / "splits" / f"{CHAIR}.json").write_text('{"train": 3}')
    with pytest.raises(InputError, match=r"03001627\.json is not a split file"):
        open_dataset(root, "chair")
    (root / "splits" / f"{CHAIR}.json").write_text("{")
    with pytest.raises(InputError, match=r"03001627\.json cannot be read"):
        open_dataset(root, "chair")
    with pytest.raises(InputError, match=r"zz\.json is missing"):
        ReleaseObject(root, CHAIR, "zz").cameras()


def test_official_split_files_are_read() -> None:
    folder = Path(__file__).parents[4] / "shared" / "official_splits"
    if not folder.is_dir():
        pytest.skip("the official split files are not here")
    split = read_split(folder / f"{CHAIR}.json")
    assert (len(split.train), len(split.val), len(split.test)) == (4744, 677, 1357)
    assert len(split.cross_inst_pairs) == len(split.cross_view_pairs) == 1000
    assert split.cross_pose_pairs == ()


def test_labels_that_are_no_labels_are_named_and_not_rounded(root: Path) -> None:
    """Half a part, and a number that would become negative."""
    views = open_dataset(root, "chair", "train")[0]
    points = views.part_points()[0]
    np.savez(root / "part_3d_anno" / CHAIR / "aa.npz", pts=points, labels=np.full(len(points), 1.5))
    np.savez(root / "part_2d_anno" / CHAIR / "aa.npz", labels=np.full((3, 16, 16), 2**63, np.uint64))
    views = open_dataset(root, "chair", "train")[0]
    with pytest.raises(InputError, match=r"part_3d_anno/03001627/aa\.npz .* labels are not whole numbers"):
        views.part_points()
    with pytest.raises(InputError, match=r"part_2d_anno/03001627/aa\.npz .* labels are not integers from 0"):
        views.parts(0)
