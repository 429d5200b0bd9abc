"""What is known of a checkpoint without loading it: its configuration, its files, and its card (``README.md``)."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from featurenerf.errors import InputError
from featurenerf.models.checkpoint import SHIPPED, WEIGHTS, directory_of, read_config
from featurenerf.models.recogniser import FILE

CARD = "README.md"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def shipped() -> list[str]:
    """The names of the checkpoints that ship."""
    return sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())


def facts(name: str | os.PathLike[str]) -> dict[str, Any]:
    """All that is known of a checkpoint, ready for JSON. What nobody wrote down is None, or empty.

    Raises:
        InputError: there is no such checkpoint, or it is damaged.
    """
    directory = directory_of(name)
    config = read_config(directory)
    training, teacher = config.get("train"), config.get("teacher")
    front, sections = _parts(directory / CARD)
    trained = training if isinstance(training, dict) else {}
    parameters, kinds = _weights(directory / WEIGHTS)
    return {
        "name": directory.resolve().name,
        "path": str(directory.resolve()),
        "field": config["field"],
        "categories": config["model"].get("categories") or {},
        "recogniser": (config.get("recogniser") or {}) if (directory / FILE).is_file() else None,
        "teacher": teacher.get("name") if isinstance(teacher, dict) else trained.get("teacher"),
        "data": sections.get("data") or trained.get("data"),
        "parameters": parameters,
        "stored_as": kinds,
        "bytes": sum(path.stat().st_size for path in directory.iterdir() if path.is_file()),
        "licence": front.get("license"),
        "licences": sections.get("licences"),
        "metrics": _table(sections.get("metrics", "")),
        "validation": config.get("validation"),
        "steps": config.get("step"),
        "recipe": sections.get("recipe"),
        "limits": sections.get("limits"),
    }


def _weights(path: Path) -> tuple[int, list[str]]:
    """How many numbers a safetensors file holds, and in which formats, from its header."""
    try:
        with safe_open(path, "np") as file:
            slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118  # it is no mapping
            return sum(math.prod(s.get_shape()) for s in slices), sorted({str(s.get_dtype()) for s in slices})
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is missing or damaged ({error}): copy or train it again") from error


def _parts(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The one-line entries at the head of a card, and its sections by title, in small letters; as plain text."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): copy it again, or remove it") from error
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    front = dict(re.findall(r"^(\w+): *(.+)$", head[1], re.MULTILINE)) if head else {}
    pieces = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    titled = zip(pieces[1::2], pieces[2::2], strict=True)
    return front, {title.strip().lower(): _LINK.sub(r"\1", body).strip() for title, body in titled}


def _table(text: str) -> list[dict[str, str]]:
    """The rows of the Markdown tables of a section, each by the names of its columns."""
    rows: list[dict[str, str]] = []
    names: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            names = []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if all(re.fullmatch(":?-+:?", cell) for cell in cells):
            continue
        if names:
            rows.append(dict(zip(names, cells, strict=False)))
        else:
            names = [cell or "what" for cell in cells]
    return rows
