"""Keypoints carried between RGB-D frames of ellipsoids, whose places are known exactly."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analytic_field import EllipsoidModel, ellipsoid
from featurenerf.cameras import Camera
from featurenerf.cli.eval import main
from featurenerf.errors import InputError
from featurenerf.evaluation.camera_space import TASK, evaluate_camera_space, read_frames
from featurenerf.evaluation.report import write_report
from featurenerf.studio.prepare import prepare

PLACES = {0: (-0.2, 0.0, 0.0), 1: (0.0, 0.0, 0.12), 2: (0.3, 0.0, 0.0)}
"""In the object's frame: in the back third (hidden by the others), on top of the middle, in the front third."""


def write(folder: Path, diagonals: tuple[float, ...], **more: object) -> Path:
    """Frames of the ellipsoid from azimuth 0, elevation 20, which is what the model's coordinates say; the last one's
    keypoints 0 and 2 may be interchanged."""
    camera = Camera.look_at(0, 20)
    seen = ellipsoid().render(camera, channels=("rgb", "alpha", "depth"))
    alpha = seen.alpha[..., 0]
    rgba = torch.cat([seen.rgb / alpha.clamp(min=1e-3)[..., None], alpha[..., None]], -1).clamp(0, 1)
    Image.fromarray((255 * rgba).round().to(torch.uint8).numpy()).save(folder / "seen.png")
    slant = ((camera.pixels() - 64) / 140).square().sum(-1).add(1).sqrt()
    along = torch.where(alpha > 0.9, seen.depth[..., 0] / alpha.clamp(min=1e-3) / slant, 0.0)
    inverse = torch.linalg.inv(camera.pose.double())
    frames = []
    for number, diagonal in enumerate(diagonals):
        Image.fromarray((along * diagonal * 1000).round().numpy().astype(np.uint16)).save(folder / f"{number}.png")
        points = {
            str(key): (diagonal * (inverse[:3] @ torch.tensor([*p, 1.0]).double()) * torch.tensor([1, -1, -1])).tolist()
            for key, p in PLACES.items()
        }
        frames.append(
            {
                "object": f"o{number}", "picture": "seen.png", "depth": f"{number}.png", "depth_unit": 0.001,
                "diagonal": diagonal, "intrinsics": [[140, 0, 63.5], [0, 140, 63.5], [0, 0, 1]], "keypoints": points,
            }
        )  # fmt: skip
    frames[-1].update(more)
    pairs = [[0, len(frames) - 1]]
    (folder / "thing.json").write_text(json.dumps({"keypoints": ["a", "b", "c"], "frames": frames, "pairs": pairs}))
    return folder


def evaluated(folder: Path, **more: object):
    frames, pairs = read_frames(folder, "thing")
    ready = partial(prepare, return_crop=True)
    asked = {"method": "coordinate", "progress": False, **more}
    return evaluate_camera_space(pairs, frames, EllipsoidModel(), ready, **asked)


def test_keypoints_land_where_they_are_in_metres_the_hidden_one_too(tmp_path: Path) -> None:
    evaluation, about = evaluated(write(tmp_path, (0.5, 1.2)))
    (scores,) = evaluation.scores
    assert max(scores.keypoint_errors) < 0.1
    assert about["median_error_metres"] == pytest.approx(1.2 * sorted(scores.keypoint_errors)[1], rel=1e-6)
    assert sum(about["keypoints"].values()) == 3
    assert about["keypoints"]["hidden"] >= 1
    assert about["accuracy_by"]["hidden"]["0.1"] == 1.0
    assert about["not_placed"] == 0


def test_without_depth_the_target_is_as_large_as_the_source(tmp_path: Path) -> None:
    """Of 1.2 times the size, it stands 1.2 times as far away: seen as large, 0.2 of 1.3 diagonals are missed."""
    evaluation, about = evaluated(write(tmp_path, (1.0, 1.0)), depth=False)
    same = max(evaluation.scores[0].keypoint_errors)
    evaluation, about = evaluated(write(tmp_path, (1.0, 1.2)), depth=False)
    larger = np.mean(evaluation.scores[0].keypoint_errors)
    assert same < 0.2
    assert larger == pytest.approx(1.3 * 0.2 / 1.2, abs=0.1)
    assert not about["depth"]


def test_symmetries_forgive_and_what_cannot_be_placed_is_wrong(tmp_path: Path) -> None:
    folder = write(tmp_path, (0.5, 0.5))
    content = json.loads((folder / "thing.json").read_text())
    points = content["frames"][1]["keypoints"]
    points["0"], points["2"] = points["2"], points["0"]
    (folder / "thing.json").write_text(json.dumps(content))
    assert max(evaluated(folder)[0].scores[0].keypoint_errors) > 0.45
    content["frames"][1]["symmetries"] = [{"0": 2, "1": 1, "2": 0}]
    (folder / "thing.json").write_text(json.dumps(content))
    assert max(evaluated(folder)[0].scores[0].keypoint_errors) < 0.1
    Image.new("I;16", (128, 128)).save(folder / "1.png")
    evaluation, about = evaluated(folder)
    assert evaluation.keypoint_accuracy() == {"0.05": 0.0, "0.1": 0.0, "0.2": 0.0}
    assert (about["not_placed"], about["median_error_metres"]) == (1, None)
    write_report({**about}, tmp_path / "report.json")  # JSON has no infinity


BROKEN = {
    "diagonal": 0.0, "depth_unit": float("nan"), "intrinsics": [[1, 0], [0, 1]],
    "keypoints": {"0": [0.0, 0.0, -1.0], "1": [0, 0, 1], "2": [0, 0, 1]},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_numbers_that_no_frame_has_are_named(tmp_path: Path, name: str) -> None:
    write(tmp_path, (0.5, 0.5), **{name: BROKEN[name]})
    with pytest.raises(InputError, match=r"frame 1 of .*thing\.json is broken"):
        evaluated(tmp_path)


def test_broken_lists_and_other_methods_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one channel of a field at points, which same-pixel does not"):
        evaluated(write(tmp_path, (0.5, 0.5)), method="same-pixel")
    write(tmp_path, (0.5, 0.5), symmetries=[{"0": 7, "1": 1, "2": 2}])
    with pytest.raises(InputError, match=r"frame 1 of .*thing\.json is broken \(a symmetry leaves a keypoint out\)"):
        evaluated(tmp_path)
    content = json.loads((tmp_path / "thing.json").read_text())
    (tmp_path / "thing.json").write_text(json.dumps({**content, "pairs": [[0, -1]]}))
    with pytest.raises(InputError, match=r"thing\.json lists no RGB-D frames \(a pair has a negative number\)"):
        read_frames(tmp_path, "thing")
    (tmp_path / "thing.json").write_text('{"frames": []}')
    with pytest.raises(InputError, match=r"thing\.json lists no RGB-D frames"):
        read_frames(tmp_path, "thing")


def test_the_command_writes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featurenerf.cli.eval.load", lambda *_: EllipsoidModel())
    folder, out = write(tmp_path, (0.5, 1.2)), tmp_path / "report.json"
    asked = ["--task", "camera-space", "--data", str(folder), "--category", "thing", "--out", str(out), "--no-progress"]
    main([*asked, "--checkpoint", "chair-car", "--method", "coordinate"])
    report = json.loads(out.read_text())
    assert (report["task"], report["pairs"], report["depth"]) == ("camera-space", 1, True)
    assert report["keypoint_accuracy"]["0.1"] == 1.0
    assert [*report["keypoint_accuracy"]] == [str(t) for t in TASK.thresholds]
    with pytest.raises(InputError, match="--method descriptor needs --checkpoint"):
        main(asked)


def test_generated_frames_agree_with_themselves(tmp_path: Path) -> None:
    from featurenerf.synthesis.rgbd import symmetries, write_frames

    write_frames(tmp_path, "chair", 1, 0)
    frames, pairs = read_frames(tmp_path, "chair")
    frame = frames(0)
    assert pairs == []
    assert 0.3 <= frame.diagonal <= 1.2
    points = torch.stack([*frame.keypoints.values()])
    x, y, z = (points @ frame.intrinsics.T).unbind(-1)
    on_map = frame.depth[(y / z).round().long(), (x / z).round().long()]
    before = z - on_map  # a keypoint of the surface is seen, or something is before it; beside the object there is 0
    seen = on_map > 0
    assert (before[seen] > -0.05 * frame.diagonal).all()
    assert (before[seen].abs() < 0.05 * frame.diagonal).any()
    corners = np.array([[0.3, 0.3, 0.2], [-0.3, 0.3, 0.2], [-0.3, -0.3, 0.2], [0.3, -0.3, 0.2]])
    turns = symmetries(corners, dict(enumerate(corners)))
    assert turns[0] == {"0": 1, "1": 2, "2": 3, "3": 0}
    assert len(turns) == 3
    longer = corners * [1.5, 1, 1]
    assert symmetries(longer, dict(enumerate(longer))) == [{"0": 2, "1": 3, "2": 0, "3": 1}]
