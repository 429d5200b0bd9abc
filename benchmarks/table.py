"""The table of results: every task, category and method, each evaluated by its own `featurenerf eval` process.

    python benchmarks/table.py --data DIR --out benchmarks/results \
        --checkpoint "fast, 10 min"=runs/fast/checkpoint --checkpoint "paper, 10 min"=runs/paper/checkpoint

writes one report a cell (JSON), `table.md` and `summary.md`. Rows without a field (teacher, same-pixel, chance) and the
nearest predicted coordinate of the first checkpoint are added; all rows share the same pairs, the first --pairs listed.
Without a checkpoint, the rows without a field are all there is: what a benchmark tells apart.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from tqdm import tqdm

from featurenerf.checkpoint import read_config
from featurenerf.evaluation.report import markdown_table, read_report

TASKS = {
    "2d": ["--task", "2d"],
    "2d-two-sides": ["--task", "2d", "--different-views"],
    "view": ["--task", "view"],
    "3d": ["--task", "3d"],
}
"""Name of each task, and what ``featurenerf eval`` is told."""


@dataclass(frozen=True)
class Config:
    """Evaluate checkpoints and baselines on the same pairs and put them into one table."""

    data: Path
    """A data set with test pairs."""
    out: Path
    """Folder of the reports and of table.md; reports that are there already are kept."""
    checkpoint: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=DIRECTORY, one row each; the first also gives the teacher and the nearest predicted coordinate."""
    teacher: str = "efficientnet-lite0"
    """Whose raw maps are a row where there is no checkpoint that names one."""
    category: tuple[str, ...] = ("chair", "car")
    task: tuple[str, ...] = tuple(TASKS)
    pairs: int = 50
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What fields are computed in; the paper's is two to three times faster in bfloat16 on a CPU."""


def main(config: Config) -> None:
    rows = [tuple(item.split("=", 1)) for item in config.checkpoint]
    methods = [(name, "descriptor", Path(folder)) for name, folder in rows]
    if rows:
        methods.append((f"nearest predicted coordinate ({rows[0][0]})", "coordinate", Path(rows[0][1])))
    methods.append(("raw teacher", "teacher", Path(rows[0][1]) if rows else None))
    methods += [("same pixel", "same-pixel", None), ("chance", "chance", None)]
    config.out.mkdir(parents=True, exist_ok=True)
    plan = [(c, t, *m) for c in config.category for t in config.task for m in methods]
    reports, names, commands = [], [], []
    for category, task, name, method, folder in tqdm(plan, desc="table"):
        slug = "".join(ch if ch.isalnum() else "-" for ch in name)
        path = config.out / f"{category}_{task}_{slug}.json"
        command = ["featurenerf", "eval", "--data", config.data, "--category", category, *TASKS[task]]
        command += ["--method", method, "--pairs", config.pairs, "--out", path]
        command += ["--dtype", config.dtype, "--no-progress"]
        command += ["--checkpoint", folder] if folder else []
        command += ["--teacher", config.teacher] if method == "teacher" and not folder else []
        commands.append(shlex.join(map(str, command)))
        if not path.exists():
            run = [sys.executable, "-m", *map(str, command)]
            subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        reports.append(read_report(path))
        names.append(name)
    text = markdown_table(reports, [_named(n, r) for n, r in zip(names, reports, strict=True)])
    if rows:
        text += "\nTraining:\n\n" + training_table(rows)
    text += "\nCommands:\n\n```bash\n" + "\n".join(commands) + "\n```\n"
    (config.out / "table.md").write_text(text)
    (config.out / "summary.md").write_text(summary(reports, names))
    print(config.out / "table.md")


def summary(reports: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """One line a method, each category and task as part mIoU / share of keypoints within the widest threshold."""
    tasks = list(dict.fromkeys((r["category"], _task(r)) for r in reports))
    cells = {(name, r["category"], _task(r)): _cell(r) for name, r in zip(names, reports, strict=True)}
    rows = [["", *(f"{category}, {task}" for category, task in tasks)], ["---", *["---:"] * len(tasks)]]
    for name in dict.fromkeys(names):
        rows.append([name, *(cells.get((name, *task), "-") for task in tasks)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _named(name: str, report: Mapping[str, Any]) -> str:
    return name + (" (privileged: sees the target)" if report.get("privileged") else "")


def _task(report: Mapping[str, Any]) -> str:
    return report["task"] + (" two sides" if report.get("pair_list") == "cross_pose_pairs" else "")


def _cell(report: Mapping[str, Any]) -> str:
    return f"{report['part_miou']:.2f} / {list(report['keypoint_accuracy'].values())[-1]:.2f}"


def training_table(rows: list[tuple[str, ...]]) -> str:
    """What each checkpoint's training took, as its configuration records it."""
    lines = [
        "| checkpoint | minutes | steps | rays | rays/s | peak MiB | validation PSNR |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, folder in rows:
        about = read_config(Path(folder))
        budget, steps, seconds = about["budget"], about["step"], about["seconds"]
        rays = steps * about.get("processes", 1) * budget["objects"] * budget["source_views"] * budget["rays"]
        lines.append(
            f"| {name} | {seconds / 60:.1f} | {steps} | {rays:,} | {rays / seconds:,.0f} | "
            f"{_mebibytes(about.get('peak_memory_mib'))} | {about['validation']['psnr']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _mebibytes(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


if __name__ == "__main__":
    main(tyro.cli(Config))
