"""Tables as text: Markdown for pages and reports, columns for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """A Markdown table; all but the first columns, the ``names`` of its rows, are set to the right."""
    lines = [heads, ["---"] * names + ["---:"] * (len(heads) - names), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of one length, each column as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
