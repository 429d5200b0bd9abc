"""A hook of the documentation's site (mkdocs.yml): every page lies where it lies in the repository, so links lead on.

mkdocs takes pages of one folder. Ours lie in several: README.md is read at the top of the repository, and links from
there to ``docs``. This hook hands mkdocs the pages, pictures and examples by their paths in the repository.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SHOWN = (
    "*.md",
    "LICENSE",
    "licences/*",
    "docs/*.md",
    "docs/images/*",
    "examples/*.py",
    "benchmarks/*.md",
    "src/featurenerf/assets/checkpoints/*/README.md",
    "src/featurenerf/assets/pictures/ATTRIBUTION.md",
)
"""What the site holds, and what its pages may link to."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the repository in the place of those of ``docs`` alone; the theme's stay."""
    kept = [file for file in files if file.src_dir != config.docs_dir]
    paths = sorted({path for pattern in SHOWN for path in ROOT.glob(pattern) if path.is_file()})
    for path in paths:
        kept.append(File(path.relative_to(ROOT).as_posix(), str(ROOT), config.site_dir, config.use_directory_urls))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        kept.append(File.generated(config, f"notebooks/{path.stem}.md", content=as_page(json.loads(path.read_text()))))
        kept.append(File(f"notebooks/{path.name}", str(ROOT), config.site_dir, config.use_directory_urls))
    return Files(kept)


def as_page(notebook: dict[str, Any]) -> str:
    """A notebook, with the outputs that it was saved with, as Markdown."""
    blocks = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            blocks.append(source)
            continue
        blocks.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                blocks.append(f"![output](data:image/png;base64,{''.join(data['image/png']).strip()})")
            else:
                text = "".join(output.get("text", data.get("text/plain", "")))
                blocks.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(blocks)
