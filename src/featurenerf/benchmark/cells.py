"""A cell is one command line of ``featurenerf``: make data, keep features, train a field, or evaluate a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["data", "cache", "train", "eval"]


@dataclass(frozen=True)
class Made:
    """What another cell makes, in the place of an argument."""

    cell: Cell

    def path(self, out: Path) -> Path:
        """Where it is; of a training, its checkpoint."""
        made = self.cell.made(out)
        return made / "checkpoint" if self.cell.kind == "train" else made


@dataclass(frozen=True, eq=False)
class Cell:
    """One command line, whose result is kept under a key: a hash of what it says and of the program that it runs.

    Attributes:
        verb: words after ``featurenerf``.
        arguments: without where the result goes; ``Made`` stands for a path of another cell.
        program: hash of the modules that it uses, and of the data that a user named.
        about: what tables call it: row, trial, category, seed.
        seconds: that it takes one core, about.
    """

    kind: Kind
    verb: tuple[str, ...]
    arguments: tuple[str | Made, ...]
    program: str
    about: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def needs(self) -> list[Cell]:
        """The cells whose results it reads."""
        return [argument.cell for argument in self.arguments if isinstance(argument, Made)]

    @property
    def key(self) -> str:
        parts = [f"<{a.cell.key}>" if isinstance(a, Made) else a for a in self.arguments]
        return hashlib.sha256(json.dumps([self.kind, self.verb, parts, self.program]).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """For people."""
        return " ".join([self.kind, *(str(value) for value in self.about.values() if value not in (None, ""))])

    def made(self, out: Path) -> Path:
        """The folder or the file of its result."""
        name = f"{self.key}.json" if self.kind == "eval" else self.key
        return out / {"data": "data", "cache": "caches", "train": "runs", "eval": "reports"}[self.kind] / name

    def record(self, out: Path) -> Path:
        """What says that it is done, and what it took."""
        return out / "cells" / f"{self.kind}-{self.key}.json"

    def command(self, out: Path) -> list[str]:
        """Its command line, all of it, after ``featurenerf``."""
        arguments = [str(a.path(out)) if isinstance(a, Made) else a for a in self.arguments]
        return [*self.verb, *arguments, "--out", str(self.made(out))]


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """The cells and all that they need, each once (by key), what is needed first."""
    found: dict[str, Cell] = {}

    def add(cell: Cell) -> None:
        for needed in cell.needs:
            add(needed)
        found.setdefault(cell.key, cell)

    for cell in cells:
        add(cell)
    return list(found.values())


def options(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings as options of the command line: ``source_views=(0, 1)`` as ``--source-views 0 1``."""
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        elif value is not None:
            yield f"--{flag}"
            yield from map(str, value) if isinstance(value, (tuple, list)) else [str(value)]
