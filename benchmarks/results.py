"""The record of what was measured, ``benchmarks/results.jsonl``: one evaluation or timing a line."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import tyro
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.jsonl"
TASKS = {
    "2d": ["--task", "2d"],
    "2d two sides": ["--task", "2d", "--different-views"],
    "view": ["--task", "view"],
    "3d": ["--task", "3d"],
}
"""Name of each task, and its options of ``featurenerf eval``."""
Record = dict[str, Any]
Select = dict[str, Any]
"""Values that keys of a record must have."""


def read_records() -> list[Record]:
    """Every record, in the order of the file."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()]


def add_records(records: Iterable[Record]) -> None:
    """Write records at the end of the file."""
    with RESULTS.open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def origin(group: str, command: Sequence[object]) -> Record:
    """What every record says of where it is from; ``commit`` ends in "-dirty" where the package was changed since."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "--", "src"], capture_output=True, text=True).stdout
    return {
        "group": group,
        "commit": (commit + ("-dirty" if changed else "")) or None,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "command": shlex.join(map(str, command)),
    }


def machine() -> str:
    """Processor and number of cores."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def run_of(config: Mapping[str, Any] | None, method: str) -> Record | None:
    """What a checkpoint's configuration says of its training; of a baseline, the teacher alone."""
    if config is None or method in ("same-pixel", "chance"):
        return None
    teacher = {"teacher": (config.get("teacher") or {}).get("name")}
    if method == "teacher":
        return teacher
    train, budget = config["train"], config["budget"]
    names = ("optimizer", "learning_rate", "objects", "source_views", "rays", "shaded_samples", "minutes")
    return {
        "field": config["field"],
        "category": train["category"],
        **teacher,
        "start_from": train.get("start_from"),
        "processes": config.get("processes", 1),
        **{name: budget.get(name) for name in names},
        "steps": config["step"],
        "seconds": config["seconds"],
        "peak_memory_mib": config.get("peak_memory_mib"),
        "psnr": config["validation"]["psnr"],
    }


def select(records: Iterable[Record], where: Select) -> list[Record]:
    """The records whose keys have these values."""
    return [r for r in records if all(r.get(key) == value for key, value in where.items())]


def one(records: Iterable[Record], **where: Any) -> Record | None:
    """The record of these values, or None; several are a mistake."""
    found = select(records, where)
    assert len(found) < 2, f"{len(found)} records of {where}"
    return found[0] if found else None


def task(name: str) -> Select:
    """The values of a task of ``TASKS``."""
    return {"task": TASKS[name][1], "different_views": name == "2d two sides"}


@dataclass(frozen=True)
class Measure:
    """Evaluate checkpoints and baselines on the same pairs, the first that are listed, and record them.

    Baselines are the first checkpoint's nearest predicted coordinate, the raw teacher, the same pixel, and chance.
    """

    group: str
    """What the records are called together. Evaluations that the group has are kept: delete a line to repeat it."""
    data: Path
    """A data set with test pairs."""
    checkpoint: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """LABEL=CHECKPOINT, a row each; the first also gives the teacher and the nearest predicted coordinate."""
    teacher: str = "efficientnet-lite0"
    """Whose raw maps are a row where there is no checkpoint."""
    category: tuple[str, ...] = ("chair", "car")
    task: tuple[str, ...] = tuple(TASKS)
    pairs: int = 50
    split: Literal["test", "val"] = "test"
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What fields are computed in; the paper's is two to three times faster in bfloat16 on a CPU."""
    made: str | None = None
    """The command that made the data set, for the record."""


def measure(config: Measure) -> None:
    """Run the evaluations that are not recorded yet."""
    labels = [tuple(item.split("=", 1)) for item in config.checkpoint]
    first = labels[0] if labels else (None, None)
    rows = [(*label, "descriptor") for label in labels] + ([(*first, "coordinate")] if labels else [])
    rows += [(*first, "teacher"), (None, None, "same-pixel"), (None, None, "chance")]
    for category, task, (label, folder, method) in tqdm(
        [(c, t, r) for c in config.category for t in config.task for r in rows], desc=config.group
    ):
        about = {"label": label, "data": config.made, "different_views": task == "2d two sides"}
        key = {"group": config.group, "category": category, "task": TASKS[task][1], "method": method, **about}
        key.pop("data")
        if select(read_records(), key):
            continue
        command = ["featurenerf", "eval", "--data", config.data, "--category", category, *TASKS[task]]
        command += ["--method", method, "--pairs", config.pairs, "--split", config.split, "--dtype", config.dtype]
        command += ["--checkpoint", folder] if folder else []
        command += ["--teacher", config.teacher] if method == "teacher" and not folder else []
        with tempfile.TemporaryDirectory() as temporary:
            out = Path(temporary) / "report.json"
            run = [sys.executable, "-m", *map(str, command), "--no-progress", "--out", str(out)]
            subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
            report = json.loads(out.read_text())
        del report["pairs_scores"]
        run_settings = run_of(report.pop("config"), method)
        add_records([{**origin(config.group, command), **about, **report, "run": run_settings}])
