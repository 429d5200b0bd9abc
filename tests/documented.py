"""Code as the docs print it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str = "python", heading: str | None = None) -> list[str]:
    """The code blocks of a language on a page, or under one of its headings."""
    text = (DOCS / page).read_text()
    if heading is not None:
        text = re.split(r"^## ", text.split(f"## {heading}\n")[1], flags=re.MULTILINE)[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found, f"docs/{page} has no {language} under {heading}"
    return found


def install(folder: Path, module: str, code: str, points: str) -> None:
    """A package with entry points ("[group]" lines and points), in a folder that is on Python's path."""
    (folder / f"{module}.py").write_text(code)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(points)
    importlib.invalidate_caches()
