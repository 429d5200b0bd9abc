"""``featurenerf models``: the checkpoints that ship, and what is known of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import tyro

from featurenerf.cli.arguments import Flag, commands
from featurenerf.text_tables import columns

COLUMNS = ("name", "field", "categories", "recogniser", "teacher", "parameters", "size", "licence")
Json = Annotated[Flag, tyro.conf.arg(name="json")]


def list_(as_json: Json = False) -> None:
    """Every checkpoint that ships with the package.

    Args:
        as_json: print JSON, with all that is known of each.
    """
    from featurenerf.models import cards

    known = [cards.facts(name) for name in cards.shipped()]
    if as_json:
        print(json.dumps(known, indent=2))
        return
    print(columns([COLUMNS, *map(_row, known)]))
    print("\n(featurenerf models info NAME says more; NAME may be any checkpoint's directory)")


def info(name: Annotated[str, tyro.conf.Positional], as_json: Json = False) -> None:
    """All that is known of a checkpoint, from its configuration and its card.

    Args:
        name: of one that ships, a directory, or OWNER/NAME of the Hugging Face hub.
        as_json: print JSON.
    """
    from featurenerf.models import cards

    known = cards.facts(name)
    if as_json:
        print(json.dumps(known, indent=2))
        return
    head = dict(zip(COLUMNS, _row(known), strict=True))
    head.update(teacher=_or_dash(known["teacher"]), path=known["path"], steps=_or_dash(known["steps"]))
    for key, value in head.items():
        print(f"{key:12} {value}")
    for name, share in (known["recogniser"] or {}).get("recognised", {}).items():
        print(f"recognised   {100 * share:.0f} % of {name}")
    for title in ("data", "recipe", "licences", "limits"):
        if known[title]:
            print(f"\n{title}:\n{known[title]}")
    if known["metrics"]:
        print("\nmetrics:")
        for row in known["metrics"]:
            print("; ".join(value if key == "what" else f"{key} {value}" for key, value in row.items()))
    elif known["validation"]:
        print("\nvalidation:")
        for key, value in known["validation"].items():
            print(f"{key:16} {value:.4g}")


def recogniser(
    data: tuple[str, ...],
    checkpoint: Path,
    pictures: int = 300,
    no_progress: Flag = False,
) -> None:
    """Make a checkpoint's recogniser, with which lift, edit, export, view and page refuse what the model does not know.

    It goes into a file beside the weights, which stay as they are.

    Args:
        data: data sets: the checkpoint's own categories, and at least one other, whatever its name.
        checkpoint: its directory.
        pictures: at most, to learn from of each category of each data set; a third of that tells how good it is.
        no_progress: show no progress bar.
    """
    from featurenerf.training.recogniser import make_recogniser

    record = make_recogniser(data, checkpoint, pictures, progress=not no_progress)
    for name, share in record["recognised"].items():
        print(f"{name:16} {record['pictures'].get(name, 0):5} pictures; {100 * share:.1f} % of others recognised")
    print(f"{checkpoint}: recogniser made")


main = commands("models", __doc__, {"list": list_, "info": info, "recogniser": recogniser})


def _row(known: dict[str, Any]) -> tuple[str, ...]:
    categories = ", ".join(known["categories"]) or "-"
    size = f"{known['bytes'] / 1e6:.1f} MB ({', '.join(known['stored_as'])})"
    millions = f"{known['parameters'] / 1e6:.1f} million"
    teacher, licence = _or_dash(known["teacher"]).partition("@")[0], _or_dash(known["licence"])
    recogniser = "-" if known["recogniser"] is None else "yes"
    return (known["name"], known["field"], categories, recogniser, teacher, millions, size, licence)


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)
