"""What the metadata of a release says of the project's address: links, and the README as PyPI shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def for_pypi(text: str, repository: str) -> str:
    """A README whose links work away from the repository: relative ones become absolute.

    Where no address of a repository is known, a relative link becomes the name of its file, and a picture goes.
    """
    relative = r"(?!https?://|#|mailto:)([^)\s]+)"
    if repository:
        text = re.sub(rf"!\[([^\]]*)\]\({relative}\)", rf"![\1]({repository}/raw/main/\2)", text)
        return re.sub(rf"(?<!!)\[([^\]]*)\]\({relative}\)", rf"[\1]({repository}/blob/main/\2)", text)
    text = re.sub(rf"!\[([^\]]*)\]\({relative}\)\n*", "", text)
    return re.sub(rf"\[([^\]]*)\]\({relative}\)", r"\1 (`\2`)", text)


class ReleaseMetadata(MetadataHookInterface):
    """``repository`` in pyproject.toml is the address, once there is one; nothing else changes."""

    def update(self, metadata: dict[str, Any]) -> None:
        repository = self.config["repository"].rstrip("/")
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_pypi(text, repository)}
        metadata["urls"] = dict(self.config["urls"])
        if repository:
            pages = {"Repository": "", "Documentation": "/tree/main/docs", "Changelog": "/blob/main/CHANGELOG.md"}
            metadata["urls"] |= {name: repository + page for name, page in pages.items()}
            metadata["urls"]["Issues"] = repository + "/issues"
