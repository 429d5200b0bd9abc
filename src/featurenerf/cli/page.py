"""``featurenerf page``: pictures to one HTML file in which a click shows what corresponds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import loaded, postponed, read


def page(
    pictures: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path,
    checkpoint: str | None = None,
    no_mask: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    turns: int = 12,
    device: str = "auto",
    force: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Turn pictures of objects into one HTML file: a click on an object shows the best matches on all others.

    The file needs no server and no network: open it from disk, or send it.

    Args:
        pictures: one or several picture files, an object each.
        out: the HTML file to write.
        checkpoint: directory, or name of one that ships; by default the shipped one.
        no_mask: take the pictures as they are, neither masked nor cropped.
        turns: turned views of each object.
        device: cpu, cuda or mps; auto is the best that is usable.
        force: go on with a picture that shows nothing the model knows, as far as its recogniser can tell.
    """
    from featurenerf.studio.clickable import make_page

    print(make_page(out, pictures, loaded(checkpoint, device, force), masked=not no_mask, turns=turns).resolve())


def main(argv: list[str]) -> None:
    """Runs ``featurenerf page ARGV``."""
    read(tyro.cli, postponed(page), prog="featurenerf page", args=argv)()
