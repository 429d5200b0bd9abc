"""Reports: the promised keys, whole files, and a table that says which row saw too much."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featurenerf.errors import InputError
from featurenerf.evaluation import METHODS, TASKS, Evaluation, make_report, markdown_table, write_report
from featurenerf.evaluation.tasks import Pair, Scores, TaskName

PROMISED = {
    *("task", "category", "split", "method", "pairs", "skipped", "part_miou", "keypoint_accuracy"),
    *("psnr", "psnr_foreground", "ssim", "seconds", "checkpoint", "config"),
}


def evaluation(task: TaskName = "2d", method: str = "descriptor") -> Evaluation:
    scores = (
        Scores(Pair("a", 0, "b", 0), 0.5, {"2.5": 0.0, "5": 0.5, "7.5": 0.5, "10": 1.0}, 0.25, 20.0, 18.0, 0.5),
        Scores(Pair("a", 1, "b", 2), 1.0, {"2.5": 0.5, "5": 0.5, "7.5": 1.0, "10": 1.0}, None, 30.0, None, 1.0),
        Scores(Pair("c", 3, "c", 4), None, None, None, 25.0, 20.0, 0.75),
    )
    return Evaluation(TASKS[task], METHODS[method], scores, skipped=2, seconds=1.23456, seconds_per_picture=0.25)


def test_a_report_holds_means_over_the_pairs_that_have_a_score() -> None:
    report = make_report(evaluation(), "chair", "test", "run", {"field": "fast"}, device="cpu")
    assert set(report) >= PROMISED
    assert (report["pairs"], report["skipped"]) == (3, 2)
    assert report["part_miou"] == 0.75
    assert report["keypoint_accuracy"] == {"2.5": 0.25, "5": 0.5, "7.5": 0.75, "10": 1.0}
    assert report["left_right_confusion"] == 0.25
    assert (report["psnr"], report["psnr_foreground"], report["ssim"]) == (25.0, 19.0, 0.75)
    assert report["config"] == {"field": "fast"}
    assert report["device"] == "cpu"
    assert report["peak_memory_mib"] is None or report["peak_memory_mib"] > 10


def test_a_report_holds_the_scores_of_each_pair() -> None:
    report = make_report(evaluation(), "chair", "test")
    assert report["pairs_scores"] == {
        "pair": [
            {"src": "a", "trg": "b", "view": 0},
            {"src": "a", "trg": "b", "src_view": 1, "trg_view": 2},
            {"model_id": "c", "src_view": 3, "trg_view": 4},
        ],
        "part_iou": [0.5, 1.0, None],
        "keypoint_accuracy": {
            "2.5": [0.0, 0.5, None],
            "5": [0.5, 0.5, None],
            "7.5": [0.5, 1.0, None],
            "10": [1.0, 1.0, None],
        },
        "left_right": [0.25, None, None],
        "psnr": [20.0, 30.0, 25.0],
        "psnr_foreground": [18.0, None, 20.0],
        "ssim": [0.5, 1.0, 0.75],
    }


def test_only_the_teacher_that_sees_the_target_picture_is_privileged() -> None:
    for task in TASKS:
        for method in ("descriptor", "teacher"):
            report = make_report(evaluation(task, method), "chair", "test")
            assert report["privileged"] == (task == "view" and method == "teacher")
            assert ("privileged" in markdown_table([report])) == report["privileged"]


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    report = make_report(evaluation(), "chair", "test")
    write_report(report, path)
    assert json.loads(path.read_text()) == report
    assert len(path.read_text().splitlines()) == len(report) + 2  # a key a line
    with pytest.raises(ValueError, match="JSON"):
        write_report({**report, "psnr": float("nan")}, path)
    assert json.loads(path.read_text()) == report
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]
    with pytest.raises(InputError, match="cannot be written"):
        write_report(report, path / "below")


def test_reports_make_one_table() -> None:
    reports = [
        make_report(evaluation(), "chair", "test", config={"field": "paper"}),
        make_report(evaluation("3d", "same-pixel"), "car", "test"),
    ]
    lines = markdown_table(reports).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert "descriptor (paper field)" in lines[2]
    assert "0.750" in lines[2]
    assert "| mine |" in markdown_table(reports, ["mine", "theirs"])


def heads(*tasks: TaskName) -> list[str]:
    made = [make_report(evaluation(task), "chair", "test") for task in tasks]
    for report in made:
        if report["task"] == "3d":
            report["keypoint_accuracy"] = {"0.025": 0.1, "0.05": 0.2, "0.075": 0.3, "0.1": 0.4}
    return [cell.strip() for cell in markdown_table(made).splitlines()[0].split("|") if "keypoints" in cell]


def test_a_table_names_its_thresholds() -> None:
    pixels = [f"keypoints within {t} px" for t in ("2.5", "5", "7.5", "10")]
    assert heads("2d") == heads("2d", "view") == pixels
    assert heads("3d")[3] == "keypoints within 0.1 of the diagonal"
    assert heads("2d", "3d")[0] == "keypoints within 2.5 px / 0.025 of the diagonal"


def test_a_table_without_keypoints_names_none() -> None:
    report = {**make_report(evaluation(), "chair", "test"), "keypoint_accuracy": None}
    assert "keypoints, threshold 4" in markdown_table([report]).splitlines()[0]


def test_the_table_of_spair_names_shares_of_the_box() -> None:
    accuracy = {"0.05": 0.1, "0.1": 0.2, "0.15": 0.3}
    report = {**make_report(evaluation(), "chair", "test"), "task": "spair", "keypoint_accuracy": accuracy}
    head, _, row = markdown_table([report]).splitlines()
    assert "keypoints within 0.15 of the box | keypoints, threshold 4 |" in head
    assert "| 0.100 | 0.200 | 0.300 | - |" in row
