"""``featurenerf page``: pictures to one HTML file in which a click shows what corresponds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import Checkpoint, Device, Flag, Force, command, loaded


def page(
    pictures: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path,
    checkpoint: Checkpoint = None,
    no_mask: Flag = False,
    turns: int = 12,
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Turn pictures of objects into one HTML file: a click on an object shows the best matches on all others.

    The file needs no server and no network: open it from disk, or send it.

    Args:
        pictures: one or several picture files, or captures (folders of pictures with cameras), an object each.
        out: the HTML file to write.
        no_mask: take the pictures as they are, neither masked nor cropped.
        turns: turned views of each object.
    """
    from featurenerf.studio.clickable import make_page

    print(make_page(out, pictures, loaded(checkpoint, device, force), masked=not no_mask, turns=turns).resolve())


main = command(page)
