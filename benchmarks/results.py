"""The record of what was measured, ``benchmarks/results.jsonl``: one evaluation or timing a line."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
