"""``featurenerf export``: a picture to files that other programs open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import Checkpoint, Device, Flag, Force, command, loaded, mask_of, print_files
from featurenerf.studio.formats import ExportSettings


def export(
    picture: Annotated[Path, tyro.conf.Positional],
    out: Path,
    settings: Annotated[ExportSettings, tyro.conf.arg(name="")],
    checkpoint: Checkpoint = None,
    azimuth: float | None = None,
    elevation: float | None = None,
    mask: Path | None = None,
    no_mask: Flag = False,
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Turn one picture of an object into files that other programs open.

    Args:
        picture: the picture file, or a capture. An alpha channel tells where the object is; a plain background is
            recognised.
        out: folder to make; one that an earlier export made is replaced.
        settings: what to write.
        azimuth: where the picture was taken from, in degrees: 0 is the object's front, 90 its left side.
        elevation: degrees above the ground plane.
        mask: picture file of the same size, white where the object is.
        no_mask: take the picture as it is, neither masked nor cropped.
    """
    from featurenerf.studio.formats import export_picture

    where, model = mask_of(mask, no_mask), loaded(checkpoint, device, force)
    made = export_picture(picture, out, model, mask=where, azimuth=azimuth, elevation=elevation, settings=settings)
    print_files(out, made)


main = command(export)
