"""CO3D: files in the published form; known points, sizes and depths come out in the program's own world."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featurenerf.data.check import check_dataset
from featurenerf.data.formats.co3d import OUTLINE
from featurenerf.data.open import open_dataset
from featurenerf.errors import InputError
from published import blobs
from published.co3d import (
    CENTRE,
    DISTANCE,
    HEIGHT,
    POINTS,
    RADIUS,
    WIDTH,
    pose_of,
    read_annotations,
    write_annotations,
    write_category,
)

VIEWS = 8
FORMATS = ("ndc_isotropic", "ndc_norm_image_bounds")


@pytest.fixture(scope="module", params=FORMATS)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("co3d")
    write_category(root, {"110_1": "train", "110_2": "val", "106_9": "train"}, VIEWS, form=request.param)
    return root


def to_ours(root: Path) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation and offset from the files' world to ours, by where the cameras stand in both."""
    theirs = np.stack([pose_of(view, VIEWS)[:3, 3] for view in range(VIEWS)])
    ours = open_dataset(root, "chair")[0].cameras().centre.double().numpy()
    a, b = theirs - theirs.mean(0), ours - ours.mean(0)
    u, s, v = np.linalg.svd(a.T @ b)
    turn = np.diag([1, 1, np.sign(np.linalg.det(u @ v))])
    rotation, scale = (u @ turn @ v).T, (s * np.diag(turn)).sum() / (a**2).sum()
    offset = ours.mean(0) - scale * rotation @ theirs.mean(0)
    assert np.abs(theirs @ rotation.T * scale + offset - ours).max() < 1e-5  # nothing but a similarity
    return scale, rotation, offset


def test_known_points_are_where_the_cameras_say(root: Path) -> None:
    scale, rotation, offset = to_ours(root)
    views = open_dataset(root, "chair")["110_1"]
    found = 0
    for view in range(VIEWS):
        picture, camera = views.picture(view), views.camera(view)
        assert picture.shape == (128, 128, 4)
        for index, point in enumerate(POINTS):
            seen = blobs.find(picture, index, 40)
            if seen is not None and (pose_of(view, VIEWS)[:3, 3] - point) @ (point - CENTRE) > 0.35 * RADIUS * DISTANCE:
                there = camera.project(torch.from_numpy(scale * rotation @ point + offset).float())[0]
                assert np.abs(there.numpy() - seen).max() < 1.0, (view, index)
                found += 1
    assert found >= 8


def test_the_object_is_in_the_middle_of_our_size_and_upright(root: Path) -> None:
    scale, rotation, offset = to_ours(root)
    assert np.abs(scale * rotation @ CENTRE + offset).max() < 0.01
    seen_radius = RADIUS / np.sqrt(1 - (RADIUS / DISTANCE) ** 2)  # where the rays that graze the ball pass its centre
    assert scale == pytest.approx(OUTLINE / (2 * np.sqrt(2) * seen_radius), rel=0.02)
    cameras = open_dataset(root, "chair")[0].cameras()
    assert cameras.centre[:, 2].std() < 0.02  # they were at one height
    assert (cameras.centre[:, 2] > 0).all()
    assert cameras.centre[0, 0] > 0
    assert abs(cameras.centre[0, 1]) < 1e-4  # +x towards the first one
    assert torch.allclose(cameras.project(torch.zeros(VIEWS, 3))[0], torch.tensor(64.0), atol=1e-3)
    assert cameras.near is None  # what is seen follows from where each camera stands
    assert cameras.far is None


def test_masks_cut_the_object_out_and_it_fills_the_picture(root: Path) -> None:
    views = open_dataset(root, "chair")[1]
    for view in (0, 5):
        alpha = views.picture(view)[..., 3]
        rows, columns = np.nonzero(alpha > 127)
        assert 64 < np.ptp(rows) + 1 < 128
        assert abs(rows.mean() - 63.5) < 2
        assert abs(columns.mean() - 63.5) < 2
        assert abs(np.ptp(rows) - np.ptp(columns)) <= 3  # the ball is round: pixels are square
        assert (views.picture(view)[alpha == 0] == 0).all()


def test_depth_is_along_the_ray_in_our_units(root: Path) -> None:
    scale, rotation, offset = to_ours(root)
    views = open_dataset(root, "chair")["110_1"]
    for view in (1, 6):
        depth, camera = torch.from_numpy(views.depth(view)), views.camera(view)
        known = depth > 0
        assert known.float().mean() > 0.2
        points = camera.unproject(camera.pixels()[known], depth[known]).double().numpy()
        radius = np.linalg.norm(points - (scale * rotation @ CENTRE + offset), axis=1)
        assert np.abs(np.median(radius) / (scale * RADIUS) - 1) < 2e-3
        assert np.mean(np.abs(radius / (scale * RADIUS) - 1) < 0.02) > 0.9  # at the rim a pixel is a wide step


def test_what_a_split_holds(root: Path, tmp_path: Path) -> None:
    train = open_dataset(root, "03001627")
    assert [views.id for views in train] == ["106_9", "110_1"]
    assert (train.category, train.synset, train.pairs_listed) == ("chair", "03001627", False)
    assert [views.id for views in open_dataset(root, "chair", "val")] == ["110_2"]
    fewer = tmp_path / "mine.json"
    fewer.write_text(json.dumps({"train": [["110_1", 14, "-"], ["110_1", 12, "-"]], "val": [], "test": []}))
    with pytest.raises(InputError, match=r"the test list of .*mine\.json is empty"):
        open_dataset(root, "chair", "test", fewer)
    chosen = open_dataset(root, "chair", "train", fewer)[0]
    assert len(chosen) == 2
    assert list(chosen.problems()) == []
    with pytest.raises(InputError, match="without 'car': it has chair"):
        open_dataset(root, "car")
    with pytest.raises(InputError, match=r"set_lists_fewview_dev\.json is missing"):
        open_dataset(root, "chair", "train", tmp_path)


FIRST = "chair/a/images/frame000001.jpg"


def change(key: str, value: object) -> Callable[[Path], None]:
    def changed(root: Path) -> None:
        frames = read_annotations(root / "chair")
        frames[0][key] = value if not isinstance(value, dict) else {**frames[0][key], **value}
        write_annotations(root / "chair", frames)

    return changed


BREAK: dict[str, Callable[[Path], object]] = {
    "frame000001.jpg is missing": lambda root: (root / FIRST).unlink(),
    "frame000001.jpg cannot be read": lambda root: (root / FIRST).write_bytes((root / FIRST).read_bytes()[:500]),
    "masks/frame000001.png cannot be read": lambda root: (root / "chair/a/masks/frame000001.png").write_bytes(b"x"),
    "frame 10 of sequence a has no mask": change("mask", None),
    "frame 10 of sequence a has no usable camera": change("viewpoint", {"R": [[1, 0], [0, 1]]}),
    "intrinsics_format is 'screen'": change("viewpoint", {"intrinsics_format": "screen"}),
    "lacks frame 10 of sequence a": change("frame_number", 11),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    write_category(root, {"a": "train", "b": "train"}, 4)
    return root


@pytest.mark.parametrize("sentence", BREAK)
def test_a_broken_file_is_named_and_skipped_when_asked(sentence: str, small: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(small, root)
    BREAK[sentence](root)
    assert sentence in next(open_dataset(root, "chair")["a"].problems())
    kept = open_dataset(root, "chair", skip_broken=True, progress=False)
    assert [views.id for views in kept] == ["b"]
    assert sentence in kept.broken["a"]


def test_broken_lists_are_named(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(small, root)
    whole = (root / "chair" / "frame_annotations.jgz").read_bytes()
    for content, sentence in ((whole[:100], "cannot be read"), (b"[]", "cannot be read")):
        (root / "chair" / "frame_annotations.jgz").write_bytes(content)
        with pytest.raises(InputError, match=rf"frame_annotations\.jgz {sentence}"):
            open_dataset(root, "chair")
    write_annotations(root / "chair", [{"frame": 1}])
    with pytest.raises(InputError, match=r"frame_annotations\.jgz is no list of frame annotations"):
        open_dataset(root, "chair")
    (root / "chair" / "set_lists" / "set_lists_fewview_dev.json").write_text('{"train": [3]}')
    with pytest.raises(InputError, match="is not a set list of CO3D"):
        open_dataset(root, "chair")


def test_frames_without_a_camera_or_an_object_are_left_out(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(small, root)
    frames = read_annotations(root / "chair")
    for frame in frames[4:]:
        frame["viewpoint"] = None
    frames[0]["mask"]["mass"] = 3.0  # pixels
    write_annotations(root / "chair", frames)
    assert len(open_dataset(root, "chair")["a"]) == 3
    with pytest.raises(InputError, match="no camera for sequence b"):
        open_dataset(root, "chair")["b"].cameras()
    frames[2]["viewpoint"] = frames[3]["viewpoint"] = None  # one is left of a
    write_annotations(root / "chair", frames)
    with pytest.raises(InputError, match=r"sequence a of .* cannot be centred"):
        open_dataset(root, "chair")["a"].cameras()


def test_masks_of_another_size(small: Path, tmp_path: Path) -> None:
    """At half the scale a mask is that of the same frame; of another shape it is named."""
    root = tmp_path / "copy"
    shutil.copytree(small, root)
    path = root / "chair" / "a" / "masks" / "frame000002.png"
    before = open_dataset(root, "chair")["a"].picture(1)[..., 3]
    with Image.open(path) as mask:
        mask.resize((WIDTH // 2, HEIGHT // 2)).save(path)
    views = open_dataset(root, "chair")["a"]
    assert list(views.problems()) == []
    assert (np.abs(views.picture(1)[..., 3].astype(int) - before) > 64).mean() < 0.02  # its rim alone
    Image.new("L", (HEIGHT, HEIGHT), 255).save(path)
    said = rf"masks/frame000002\.png is {HEIGHT} x {HEIGHT}, which is no {WIDTH} x {HEIGHT} made smaller or larger"
    problems = list(open_dataset(root, "chair")["a"].problems())
    assert problems
    assert all(re.search(said, problem) for problem in problems)
    with pytest.raises(InputError, match=said):
        open_dataset(root, "chair")["a"].picture(1)


def test_frames_that_are_left_out_are_counted(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "copy"
    shutil.copytree(small, root)
    frames = read_annotations(root / "chair")
    frames[0]["mask"]["mass"] = 3.0  # pixels
    frames[5]["viewpoint"] = None
    write_annotations(root / "chair", frames)
    assert check_dataset(root, progress=False) == []
    assert "2 pictures left out, which show nothing or have no camera" in capsys.readouterr().out
