"""Write the tables of ``docs/data.md`` that repeat what the generators say, between their markers.

python docs/make_tables.py
"""

from __future__ import annotations

import re
from pathlib import Path

from featurenerf.data.synthesis import CATEGORIES

PAGE = Path(__file__).parent / "data.md"


def tables(category: str) -> str:
    """Families, parts and keypoints of a category, in Markdown."""
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


def filled(text: str) -> str:
    """A page with the tables of today between its markers."""
    for category in CATEGORIES:
        begin, end = f"<!-- tables: {category} -->", "<!-- end -->"
        pattern = re.escape(begin) + r".*?" + re.escape(end)
        whole = f"{begin}\n{tables(category)}\n{end}"
        text = re.sub(pattern, lambda _, whole=whole: whole, text, count=1, flags=re.DOTALL)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
