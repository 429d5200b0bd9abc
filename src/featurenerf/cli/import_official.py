"""``featurenerf import-official``: a checkpoint of the authors' program to a checkpoint directory of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import command


def import_official(file: Annotated[Path, tyro.conf.Positional], out: Path, coordinate: bool = True) -> None:
    """Make a checkpoint directory from a checkpoint of the authors' program.

    It can be given to every other command, and remembers the authors' pixel convention.

    Args:
        file: the program's state dict, such as ``pixel_nerf_latest``; read without running code from it.
        out: directory to write.
        coordinate: whether the model was trained with the coordinate loss; say --no-coordinate if not.
    """
    from featurenerf.models import checkpoint, official

    model = official.import_official(file, coordinate=coordinate)
    checkpoint.save(model, out, {"imported_from": file.name})
    config = model.config
    print(
        f"{out}: width {config.width}, {config.blocks} blocks, feature {config.feature_dim}, "
        f"{'with' if config.coordinate else 'without'} coordinates; load it with featurenerf.load({str(out)!r})"
    )


main = command(import_official)
