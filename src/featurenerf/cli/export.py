"""``featurenerf export``: a picture to files that other programs open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import loaded, postponed, read
from featurenerf.errors import InputError
from featurenerf.studio.formats import ExportSettings


def export(
    picture: Annotated[Path, tyro.conf.Positional],
    out: Path,
    settings: Annotated[ExportSettings, tyro.conf.arg(name="")],
    checkpoint: str | None = None,
    azimuth: float | None = None,
    elevation: float | None = None,
    mask: Path | None = None,
    no_mask: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
    force: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Turn one picture of an object into files that other programs open.

    Args:
        picture: the picture file. An alpha channel tells where the object is; a plain background is recognised.
        out: folder to make; one that an earlier export made is replaced.
        settings: what to write.
        checkpoint: directory, or name of one that ships; by default the shipped one.
        azimuth: where the picture was taken from, in degrees: 0 is the object's front, 90 its left side.
        elevation: degrees above the ground plane.
        mask: picture file of the same size, white where the object is.
        no_mask: take the picture as it is, neither masked nor cropped.
        device: cpu, cuda or mps; auto is the best that is usable.
        force: go on with a picture that shows nothing the model knows, as far as its recogniser can tell.
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


def main(argv: list[str]) -> None:
    """Runs ``featurenerf export ARGV``."""
    read(tyro.cli, postponed(export), prog="featurenerf export", args=argv)()
