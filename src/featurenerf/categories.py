"""Categories: their names, and the WordNet offsets (synsets) that name their folders."""

from __future__ import annotations

SYNSETS = {
    "airplane": "02691156",
    "bottle": "02876657",
    "car": "02958343",
    "chair": "03001627",
    "motorcycle": "03790512",
    "table": "04379243",
}
"""The categories of the FeatureNeRF release."""


def category_name(category: str) -> str:
    """The name of a category given by its name or synset; one that is not in ``SYNSETS`` is its own name."""
    return next((name for name, synset in SYNSETS.items() if synset == category), category)


def synset_of(category: str) -> str:
    """The synset of a category given by its name or synset; one that is not in ``SYNSETS`` is its own synset."""
    return SYNSETS.get(category, category)
