"""``featurenerf lift``: a picture to novel views, a turntable, a point cloud and a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import postponed, read
from featurenerf.errors import InputError


def lift(
    picture: Annotated[Path, tyro.conf.Positional],
    out: Path,
    checkpoint: str | None = None,
    mask: Path | None = None,
    no_mask: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    azimuth: float = 0.0,
    elevation: float = 20.0,
    views: int = 8,
    frames: int = 48,
    size: int = 128,
    grid: int = 96,
    points: int = 20000,
    level: float | None = None,
    device: str = "cpu",
) -> None:
    """Turn one picture of an object into novel views, a turntable, a point cloud and a mesh that carry descriptors.

    Args:
        picture: the picture file. An alpha channel tells where the object is; a plain background is recognised;
            anything else needs --mask, or the extra `mask` (pip install 'featurenerf[mask]').
        out: folder to make; one that an earlier lift made is replaced.
        checkpoint: directory, or name of one that ships; by default the shipped one.
        mask: picture file of the same size, white where the object is.
        no_mask: take the picture as it is, neither masked nor cropped.
        azimuth: where the picture was taken from, in degrees, if known: 0 is the object's front, 90 its left side.
        elevation: degrees above the ground plane.
        views: novel views on the sheet.
        frames: of the turntable, a multiple of --views.
        size: side of the rendered pictures, in pixels.
        grid: points a side of the cube in which the mesh is looked for.
        points: at most so many in the point cloud.
        level: density taken for the surface; by default the one with the outline of the rendered picture.
        device: cpu, cuda or mps.
    """
    from featurenerf import photo
    from featurenerf.checkpoint import DEFAULT, load

    if mask is not None and no_mask:
        raise InputError("--mask and --no-mask contradict each other: give one of them")
    settings = photo.LiftSettings(azimuth, elevation, views, frames, size, grid, points, level)
    model = load(checkpoint or DEFAULT, device=device)
    made = photo.lift(picture, out, model, mask="none" if no_mask else mask, settings=settings)
    for name, what in made.report["files"].items():
        print(f"{made.folder / name}: {what}")


def main(argv: list[str]) -> None:
    """Runs ``featurenerf lift ARGV``."""
    read(tyro.cli, postponed(lift), prog="featurenerf lift", args=argv)()
