"""Reports: one evaluation as JSON, several as one Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featurenerf.evaluation.tasks import Evaluation
from featurenerf.files import write_bytes, writing
from featurenerf.runtime import peak_memory_mib
from featurenerf.text_tables import markdown

Report = dict[str, Any]
_THRESHOLDS = 4
"""So many columns a table has for keypoints."""


def unit(task: str) -> str:
    """Of the thresholds of a task."""
    return {"3d": "of the diagonal", "camera-space": "of the diagonal", "spair": "of the box"}.get(task, "px")


def make_report(
    evaluation: Evaluation,
    category: str,
    split: str,
    checkpoint: str | None = None,
    config: Mapping[str, Any] | None = None,
    **extra: Any,
) -> Report:
    """An evaluation as a flat record that JSON can hold.

    Keys: ``task, category, split, method``; ``pairs`` (scored), ``skipped`` (sharing neither part nor keypoint);
    ``part_miou``, ``keypoint_accuracy`` ({threshold: share}, in pixels, or world units for 3d),
    ``left_right_confusion``; ``psnr``, ``psnr_foreground`` (dB), ``ssim`` of the picture rendered at the target view,
    and ``distances`` ({backbone or metric: mean}) of it;
    ``privileged`` (the method sees the real target picture); ``seconds`` (all), ``seconds_per_picture`` (reading,
    encoding and rendering one), ``peak_memory_mib`` (of the process, or of the GPU where one is used), ``device``;
    ``checkpoint``, ``config``; ``pairs_scores`` (a list a score, and ``pair``, the records of the scored pairs).
    What a method or task has no value for is None.
    """
    return {
        "task": evaluation.task.name,
        "category": category,
        "split": split,
        "method": evaluation.method.name,
        "pairs": len(evaluation.scores),
        "skipped": evaluation.skipped,
        "part_miou": evaluation.mean("part_iou"),
        "keypoint_accuracy": evaluation.keypoint_accuracy(),
        "left_right_confusion": evaluation.mean("left_right"),
        "psnr": evaluation.mean("psnr"),
        "psnr_foreground": evaluation.mean("psnr_foreground"),
        "ssim": evaluation.mean("ssim"),
        "distances": evaluation.distances(),
        "privileged": evaluation.method.privileged and evaluation.task.one_object,
        "seconds": round(evaluation.seconds, 3),
        "seconds_per_picture": evaluation.seconds_per_picture,
        "peak_memory_mib": peak_memory_mib(),
        "checkpoint": checkpoint,
        "config": dict(config) if config is not None else None,
        "pairs_scores": _pairs_scores(evaluation),
        **extra,
    }


def _pairs_scores(evaluation: Evaluation) -> dict[str, Any]:
    scores, thresholds = evaluation.scores, evaluation.keypoint_accuracy() or {}
    measured = evaluation.distances()
    names = ("part_iou", "left_right", "psnr", "psnr_foreground", "ssim")
    return {
        "pair": [score.pair.record() for score in scores],
        "keypoint_accuracy": {t: [(score.keypoint_accuracy or {}).get(t) for score in scores] for t in thresholds},
        **{name: [getattr(score, name) for score in scores] for name in names},
        **({"distances": {name: [s.distances.get(name) for s in scores] for name in measured}} if measured else {}),
    }


def write_report(report: Mapping[str, Any], path: Path | str) -> None:
    """Write a report as JSON, a key a line, all of it or nothing.

    Raises:
        InputError: if the file cannot be written.
    """
    lines = (json.dumps({key: value}, allow_nan=False, default=str)[1:-1] for key, value in report.items())
    with writing(path):
        write_bytes(Path(path), ("{\n  " + ",\n  ".join(lines) + "\n}\n").encode())


def markdown_table(reports: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """Reports as the rows of one table.

    Args:
        names: what to call each row; None is the method, and the field of its checkpoint.
    """
    heads = ["category", "task", "method", "pairs", "part mIoU", *_threshold_heads(reports)]
    heads += ["left/right confused", "PSNR", "foreground PSNR", "SSIM", "s a picture", "peak MiB"]
    rows = []
    for number, report in enumerate(reports):
        accuracy = list((report["keypoint_accuracy"] or {}).values())
        cells = [
            str(report["category"]),
            str(report["task"]) + (", two sides" if report.get("pair_list") == "cross_pose_pairs" else ""),
            names[number] if names is not None else _row_name(report),
            f"{report['pairs']}" + (f" (+{report['skipped']} skipped)" if report["skipped"] else ""),
            _number(report["part_miou"], 3),
            *(_number(value, 3) for value in (accuracy + [None] * _THRESHOLDS)[:_THRESHOLDS]),
            _number(report.get("left_right_confusion"), 3),
            _number(report["psnr"], 1),
            _number(report["psnr_foreground"], 1),
            _number(report["ssim"], 3),
            _number(report.get("seconds_per_picture"), 3),
            _number(report.get("peak_memory_mib"), 0),
        ]
        rows.append(cells)
    return markdown(heads, rows, names=3) + "\n"


def _threshold_heads(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each column of keypoints counts; rows of several tasks share columns, whose heads name all thresholds."""
    heads = []
    for n in range(_THRESHOLDS):
        names: dict[str, None] = {}
        for report in reports:
            found = list(report["keypoint_accuracy"] or {})[n : n + 1]
            names.update((f"{name} {unit(str(report['task']))}", None) for name in found)
        heads.append("keypoints within " + " / ".join(names) if names else f"keypoints, threshold {n + 1}")
    return heads


def _row_name(report: Mapping[str, Any]) -> str:
    field = (report.get("config") or {}).get("field")
    name = str(report["method"]) + (f" ({field} field)" if field and report["psnr"] is not None else "")
    return name + (" (privileged: sees the target)" if report.get("privileged") else "")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
