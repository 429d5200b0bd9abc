"""``featurenerf teachers``: the networks that a field can be distilled from."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import tyro

from featurenerf.cli.arguments import commands
from featurenerf.cli.teachers_cache import cache
from featurenerf.errors import InputError
from featurenerf.teachers import TEACHERS, Card
from featurenerf.text_tables import columns

COLUMNS = ("name", "source", "licence", "size", "patch", "layers", "facet", "dim", "mean/std", "sha256", "here")
_NORMS = {(0.485, 0.456, 0.406): "ImageNet", (0.48145466, 0.4578275, 0.40821073): "CLIP"}


def list_() -> None:
    """Every teacher with its default settings."""
    print(columns([COLUMNS, *map(_row, TEACHERS.names())]))
    print("\nfeaturenerf train --teacher NAME[@SETTING=VALUE,...][:PATH]   (featurenerf teachers show NAME says more)")


def show(name: Annotated[str, tyro.conf.Positional]) -> None:
    """All that is known of a teacher.

    Args:
        name: as in the list.
    """
    found = TEACHERS[name]
    facts = {
        "name": found.name,
        "source": found.source,
        "licence": found.licence,
        "settings": str(found.settings),
        "a cell": f"{found.patch} pixels of the resized picture, {found.dim} numbers",
        "mean": ", ".join(f"{v:.4g}" for v in found.mean),
        "std": ", ".join(f"{v:.4g}" for v in found.std),
        "here": _here(found),
    }
    for file, digest in found.sha256.items():
        facts[file] = f"SHA-256 {digest}"
    for key, value in facts.items():
        print(f"{key:20} {value}")


main = commands("teachers", __doc__, {"list": list_, "show": show, "cache": cache})


def _row(name: str) -> tuple[str, ...]:
    try:
        found = TEACHERS[name]
    except InputError:  # another package's, and broken
        return (name, *("-",) * (len(COLUMNS) - 2), "no: it cannot be imported")
    settings = found.settings
    return (
        name,
        found.source,
        found.licence,
        str(settings.size),
        str(found.patch),
        "+".join(map(str, settings.layers)),
        str(getattr(settings, "facet", "-")),
        str(found.dim),
        _NORMS.get(found.mean, f"{found.mean[0]:.2g}/{found.std[0]:.2g}"),
        ", ".join(digest[:12] for digest in found.sha256.values())
        or "the hub's" * found.source.startswith("hub ")
        or "-",
        _here(found),
    )


def _here(found: Card) -> str:
    if found.here(found):
        missing = [extra for extra in found.extra.split(",") if extra == "hub" and find_spec("transformers") is None]
        return "yes" if not missing else "no: pip install 'featurenerf[hub]'"
    if found.source.startswith("hub "):
        return "no: it is fetched from the hub, or give a PATH"
    return f"no: pip install 'featurenerf[{found.extra}]'" if found.extra else "no"
