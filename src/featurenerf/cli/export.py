"""``featurenerf export``: a picture to files that other programs open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import Checkpoint, Device, Flag, Force, command, loaded
from featurenerf.errors import InputError
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

    if mask is not None and no_mask:
        raise InputError("--mask and --no-mask contradict each other: give one of them")
    model = loaded(checkpoint, device, force)
    report = export_picture(
        picture, out, model, mask="none" if no_mask else mask, azimuth=azimuth, elevation=elevation, settings=settings
    )
    for name, what in report["files"].items():
        print(f"{out / name}: {what}")


main = command(export)
