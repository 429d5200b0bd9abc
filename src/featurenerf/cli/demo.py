"""``featurenerf demo``: lift the pictures that ship with the package, and carry keypoints and parts between them."""

from __future__ import annotations

from pathlib import Path

import tyro

from featurenerf.cli.arguments import loaded, postponed, read


def demo(
    out: Path = Path("featurenerf-demo"),
    checkpoint: str | None = None,
    frames: int = 24,
    grid: int = 80,
    device: str = "auto",
) -> None:
    """Lift the pictures that ship with the package, and carry keypoints and parts between them; ends with a page.

    Args:
        out: folder to make; one that an earlier demo made is replaced.
        checkpoint: directory, or name of one that ships; by default the shipped one.
        frames: of each turntable.
        grid: points a side of the cube in which meshes are looked for.
        device: cpu, cuda or mps; auto is the best that is usable.
    """
    from featurenerf.studio.demo import make_demo
    from featurenerf.studio.lift import LiftSettings
    from featurenerf.studio.shipped import examples

    settings = LiftSettings(views=8, frames=frames, grid=grid, points=10000)
    print(make_demo(out, loaded(checkpoint, device, force=True), settings, [*examples.values()]).resolve())


def main(argv: list[str]) -> None:
    """Runs ``featurenerf demo ARGV``."""
    read(tyro.cli, postponed(demo), prog="featurenerf demo", args=argv)()
